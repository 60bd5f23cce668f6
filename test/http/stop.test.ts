import { expect, it } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import type { HttpRequest } from '../../src/http/http.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import { createVirtualClock, noon } from './clocks.ts';
import { apiErrorOf, createRig } from './rig.ts';
import { json, reset, silence, startServer, startTcp } from './server.ts';

const get: HttpRequest = { method: 'GET', path: '/x' };
const post: HttpRequest = { method: 'POST', path: '/x', json: {} };

function createStop() {
  const controller = new AbortController();
  const reason = new InterruptedError('SIGTERM');
  return {
    signal: controller.signal,
    reason,
    now() {
      controller.abort(reason);
    },
  };
}

it('breaks off a read at once', async () => {
  const server = await startServer(silence);
  const stop = createStop();
  const { http, attempts } = createRig({ baseUrl: server.url, stop: stop.signal });
  const pending = http.request(get);
  await expect.poll(() => server.received.length).toBe(1);

  stop.now();

  await expect(pending).rejects.toBe(stop.reason);
  expect(attempts).toMatchObject([{ status: undefined }]);
});

it('breaks off a read in the middle of its body', async () => {
  const server = await startServer((response) => response.write('{'));
  const stop = createStop();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal });
  const pending = http.request(get);
  await expect.poll(() => server.received.length).toBe(1);

  stop.now();

  await expect(pending).rejects.toBe(stop.reason);
});

it.each([get, post])('starts no $method any more', async (request) => {
  const server = await startServer(json({}));
  const stop = createStop();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal });
  stop.now();

  await expect(http.request(request)).rejects.toBe(stop.reason);
  expect(server.connections()).toBe(0);
});

it('lets a write that has left finish', async () => {
  const answers: (() => void)[] = [];
  const server = await startServer((response) => answers.push(() => response.end('{"id": 1}')));
  const stop = createStop();
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal, clock });
  const pending = http.request(post);
  await expect.poll(() => answers.length).toBe(1);

  stop.now();
  await clock.advance(7999);
  answers[0]?.();

  await expect(pending).resolves.toMatchObject({ body: { id: 1 } });
});

it('gives a write up eight seconds after the signal, as one whose outcome is not known', async () => {
  const server = await startServer(silence);
  const stop = createStop();
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal, clock });
  const pending = apiErrorOf(http.request({ ...post, idempotent: true }));
  await expect.poll(() => server.received.length).toBe(1);

  stop.now();
  await clock.advance(8000);

  expect(await pending).toMatchObject({ failure: 'timeout', notDone: false });
  expect(server.received).toHaveLength(1);
});

it('tells how a write under way ended instead of repeating it', async () => {
  const answers: (() => void)[] = [];
  const server = await startServer((response) => {
    answers.push(() => response.writeHead(503).end());
  });
  const stop = createStop();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal, clock: createVirtualClock() });
  const pending = apiErrorOf(http.request({ ...post, idempotent: true }));
  await expect.poll(() => answers.length).toBe(1);

  stop.now();
  answers[0]?.();

  expect(await pending).toMatchObject({ status: 503 });
  expect(server.received).toHaveLength(1);
});

it.each([get, post])('breaks off a $method that is not connected yet', async (request) => {
  let connections = 0;
  const server = await startTcp(() => (connections += 1));
  const stop = createStop();
  const { http, attempts } = createRig({ baseUrl: server.url.replace('http', 'https'), stop: stop.signal });
  const pending = http.request(request);
  await expect.poll(() => connections).toBe(1);

  stop.now();

  await expect(pending).rejects.toBe(stop.reason);
  expect(attempts).toEqual([]);
});

it('breaks off the pause before another attempt, and that of others', async () => {
  const server = await startServer(json({}, 429, { 'Retry-After': '30' }));
  const stop = createStop();
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal, clock });
  const first = http.request(post);
  await expect.poll(() => clock.sleeps.length).toBe(1);
  const second = http.request(post);

  stop.now();

  await expect(first).rejects.toBe(stop.reason);
  await expect(second).rejects.toBe(stop.reason);
  expect(server.received).toHaveLength(1);
});

it('breaks off the pause after a failure', async () => {
  const server = await startServer(reset);
  const stop = createStop();
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, stop: stop.signal, clock });
  const pending = http.request(get);
  await expect.poll(() => clock.sleeps).toEqual([500]);

  stop.now();

  await expect(pending).rejects.toBe(stop.reason);
});

it('breaks off waiting for a place on the wire, for the quota and for the authorization', async () => {
  const server = await startServer(silence);
  const stop = createStop();
  const clock = createVirtualClock();
  const limiter = createLimiter({
    clock,
    deadline: noon + 3_600_000,
    earlier: { alerts: Array<number>(100).fill(noon) },
  });
  const settings = { baseUrl: server.url, stop: stop.signal, clock };
  const { http } = createRig({ ...settings, maxConcurrent: 1 });
  const running = http.request(get);
  await expect.poll(() => server.received.length).toBe(1);
  const pending = [
    running,
    http.request(post),
    createRig({ ...settings, limiter }).http.request({ ...get, quota: 'alerts' }),
    createRig(settings).http.request({ ...post, authorization: () => new Promise(() => undefined) }),
  ];

  stop.now();

  for (const request of pending) await expect(request).rejects.toBe(stop.reason);
  expect(server.received).toHaveLength(1);
});
