import { expect, it } from 'vitest';
import * as z from 'zod/mini';
import type { Limiter } from '../../src/http/limiter.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import type { HttpRequest, HttpResponse } from '../../src/http/http.ts';
import { readReply } from '../../src/http/read-reply.ts';
import { PostponedError } from '../../src/errors.ts';
import { createHastyClock, createVirtualClock, noon } from './clocks.ts';
import { apiErrorOf, createRig } from './rig.ts';
import type { Answer } from './server.ts';
import { closedPort, json, reset, startServer, text } from './server.ts';

const get: HttpRequest = { method: 'GET', path: '/x' };
const post: HttpRequest = { method: 'POST', path: '/x', json: {} };
const tagging: HttpRequest = { method: 'DELETE', path: '/x', json: {}, idempotent: true };

const failures: [string, Answer, string][] = [
  ['a reset', reset, 'Detect cannot be reached: GET /x failed with ECONNRESET'],
  ['a 500', text('', 500), 'Detect answered 500 to GET /x'],
  ['a 503', json({ detail: 'busy' }, 503), 'Detect answered 503 to GET /x (busy)'],
  ['a 429', json({ detail: 'slow' }, 429), 'Detect answered 429 to GET /x (slow)'],
  ['HTML', text('<html>'), "Detect's answer to GET /x cannot be read (HTML instead of JSON)"],
];

it.each(failures)('tries a read four times after %s, ever later', async (_, answer, message) => {
  const server = await startServer(answer);
  const clock = createHastyClock();
  const { http, attempts } = createRig({ baseUrl: server.url, clock });

  const error = await apiErrorOf(http.request(get));

  expect(error.message).toBe(message);
  expect(server.received).toHaveLength(4);
  expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  expect(clock.sleeps).toEqual([500, 1000, 2000]);
});

it.each(failures)('ends with the first good answer after %s', async (_, answer) => {
  const server = await startServer([answer, answer, answer, json({ ok: true })]);
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request(get)).resolves.toMatchObject({ body: { ok: true } });
  await expect(http.request(get)).resolves.toMatchObject({ body: { ok: true } });
});

/** Reads `{"ok": true}` and nothing else. */
function readOk({ body, status }: HttpResponse): boolean {
  const call = { service: 'detect', method: 'GET', path: '/x' } as const;
  return readReply(z.object({ ok: z.boolean() }), { body, status }, call, 'ok').ok;
}

it('asks again for an answer of another shape', async () => {
  const server = await startServer([json({}), text(''), json({ ok: 1 }), json({ ok: true })]);
  const { http } = createRig({ baseUrl: server.url });

  expect(await http.read(get, readOk)).toBe(true);
});

it('fails with what was expected when the shape stays another', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });

  expect((await apiErrorOf(http.read(get, readOk))).message).toBe(
    "Detect's answer to GET /x cannot be read (expected ok)",
  );
  expect(server.received).toHaveLength(4);
});

it('never repeats a write for the shape of its answer', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });

  expect((await apiErrorOf(http.read(post, readOk))).notDone).toBe(false);
  expect(server.received).toHaveLength(1);
});

it('passes on a bug in the reading of an answer at once', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });
  const bug = new TypeError('a bug');

  const read = http.read(get, () => {
    throw bug;
  });

  await expect(read).rejects.toBe(bug);
  expect(server.received).toHaveLength(1);
});

it.each(failures.filter(([name]) => name !== 'a 429'))(
  'never repeats a write after %s',
  async (_, answer) => {
    const server = await startServer(answer);
    const { http } = createRig({ baseUrl: server.url });

    const error = await apiErrorOf(http.request(post));

    expect(error.notDone).toBe(false);
    expect(server.received).toHaveLength(1);
  },
);

it.each(failures)('repeats a write that may be repeated after %s', async (_, answer) => {
  const server = await startServer([answer, json({})]);
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request(tagging)).resolves.toMatchObject({ status: 200 });
  expect(server.received.map(({ method, body }) => [method, body])).toEqual([
    ['DELETE', '{}'],
    ['DELETE', '{}'],
  ]);
});

it('repeats any write after 429, since it was not carried out', async () => {
  const server = await startServer([json({}, 429), json({ id: 1 }, 201)]);
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request(post)).resolves.toMatchObject({ status: 201 });
});

it.each([get, post])(
  'tries $method four times when nobody listens, and knows that nothing was done',
  async (request) => {
    const port = await closedPort();
    const clock = createHastyClock();
    const { http, attempts } = createRig({ baseUrl: `http://127.0.0.1:${port}`, clock });

    const error = await apiErrorOf(http.request(request));

    expect(error.message).toBe(`Detect cannot be reached: ${request.method} /x failed with ECONNREFUSED`);
    expect(error.hint).toBe(
      `No connection to 127.0.0.1:${port}. Check detect.url and the way there (DNS, firewall, proxy).`,
    );
    expect(error.notDone).toBe(true);
    expect(clock.sleeps).toEqual([500, 1000, 2000]);
    expect(attempts).toEqual([]);
  },
);

it('knows that nothing was done when a name does not resolve (nor leaves this computer: a label is too long)', async () => {
  const { http } = createRig({ baseUrl: `http://${'x'.repeat(64)}.invalid`, service: 'login' });

  const error = await apiErrorOf(http.request(post));

  expect(error).toMatchObject({ failure: 'network', notDone: true });
  expect(error.cause).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
});

it.each([301, 400, 401, 403, 404, 405, 408, 413, 422])('asks once when the answer is %d', async (status) => {
  const server = await startServer(json({}, status, { 'Retry-After': '5' }));
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request(get));

  expect(error).toMatchObject({ status, notDone: status >= 400 && status !== 408 });
  expect(error.retryAfterMs).toBeUndefined();
  expect(server.received).toHaveLength(1);
});

const date = 'Tue, 24 Nov 2026 08:00:00 GMT';

it.each<[string, number, Record<string, string>, string, number]>([
  ['seconds', 429, { 'Retry-After': '7' }, '', 7000],
  [
    'a date, by the clock of the server',
    429,
    { 'Retry-After': 'Tue, 24 Nov 2026 08:00:09 GMT', Date: date },
    '',
    9000,
  ],
  ['seconds with 503', 503, { 'Retry-After': '60' }, '', 60_000],
  ['words', 429, {}, 'You can send requests again in 8 seconds.', 8000],
  ['the header before the words', 429, { 'Retry-After': '3' }, 'requests again in 8 seconds.', 3000],
  ['no time, like none at all', 429, { 'Retry-After': '0' }, '', 500],
  ['nonsense, like none at all', 503, { 'Retry-After': '-5' }, 'again in 8 seconds', 500],
])('waits as long as Retry-After says: %s', async (_, status, headers, message, ms) => {
  const server = await startServer([json({ error: { message } }, status, headers), json({})]);
  const clock = createHastyClock();
  const { http } = createRig({ baseUrl: server.url, clock });

  await http.request(get);

  expect(clock.sleeps).toEqual([ms]);
});

it('does not wait longer than a minute, but tells how long it would be', async () => {
  const server = await startServer(json({}, 429, { 'Retry-After': '61' }));
  const clock = createHastyClock();
  const { http } = createRig({ baseUrl: server.url, clock });

  const error = await apiErrorOf(http.request(post));

  expect(error).toMatchObject({ status: 429, retryAfterMs: 61_000, notDone: true, isOutage: true });
  expect(server.received).toHaveLength(1);
  expect(clock.sleeps).toEqual([]);
});

it('holds every caller of a quota back during its pause, and nobody else', async () => {
  const server = await startServer((response, request) => {
    const isFirst = request.url === '/first' && server.received.length === 1;
    json({}, isFirst ? 429 : 200, isFirst ? { 'Retry-After': '30' } : {})(response, request);
  });
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, clock });
  const first = http.request({ method: 'GET', path: '/first', quota: 'machine' });
  await expect.poll(() => clock.sleeps).toEqual([30_000]);

  const second = http.request({ method: 'POST', path: '/second', quota: 'machine' });
  await http.request({ method: 'GET', path: '/other', quota: 'alerts' });
  await clock.advance(29_999);
  expect(server.received.map(({ url }) => url)).toEqual(['/first', '/other']);

  await clock.advance(1);
  await Promise.all([first, second]);
  expect(server.received).toHaveLength(4);
});

it('holds back those that queued for their place on the wire when the pause began', async () => {
  const server = await startServer([json({}, 503, { 'Retry-After': '10' }), json({})]);
  const clock = createVirtualClock();
  const { http } = createRig({ baseUrl: server.url, clock, maxConcurrent: 1 });

  const all = Promise.all([http.request(get), http.request(get), http.request(get)]);
  await expect.poll(() => clock.sleeps).toEqual([10_000]);
  await clock.advance(9999);
  expect(server.received).toHaveLength(1);

  await clock.advance(1);
  await all;
  expect(server.received).toHaveLength(4);
});

it('pauses for others even after a write that it does not repeat', async () => {
  const server = await startServer([json({}, 503, { 'Retry-After': '10' }), json({})]);
  const clock = createHastyClock();
  const { http } = createRig({ baseUrl: server.url, clock });
  await apiErrorOf(http.request(post));

  await http.request(get);

  expect(clock.sleeps).toEqual([10_000]);
});

it('lets each attempt pass the limiter, then asks for the authorization, then sends', async () => {
  const log: string[] = [];
  const server = await startServer((response, request) => {
    log.push(`request with ${request.headers.authorization ?? 'nothing'}`);
    json({}, server.received.length === 1 ? 500 : 200)(response, request);
  });
  const limiter: Limiter = {
    run({ quota, priority }, task) {
      log.push(`turn of ${quota ?? ''} for ${priority}`);
      return task();
    },
    hold: () => undefined,
    starts: () => ({}),
  };
  const { http } = createRig({ baseUrl: server.url, limiter });
  let tokens = 0;

  await http.request({
    ...get,
    quota: 'isolate',
    priority: 'action',
    authorization() {
      log.push('authorization');
      tokens += 1;
      return Promise.resolve(`Bearer ${tokens}`);
    },
  });

  expect(log).toEqual([
    'turn of isolate for action',
    'authorization',
    'request with Bearer 1',
    'turn of isolate for action',
    'authorization',
    'request with Bearer 2',
  ]);
});

it('counts attempts in their quota until a window after their end, and nothing without a quota', async () => {
  const clock = createHastyClock();
  const limiter = createLimiter({ clock, deadline: noon });
  const server = await startServer((response, request) => {
    void clock.sleep(1000).then(() => {
      json({}, server.received.length === 1 ? 500 : 200)(response, request);
    });
  });
  const { http } = createRig({ baseUrl: server.url, clock, limiter });
  const authorization = async (): Promise<string> => {
    await clock.sleep(40);
    return 'Bearer x';
  };

  await http.request({ ...get, quota: 'alerts', authorization });
  await http.request(get);

  expect(limiter.starts()).toEqual({ alerts: [noon + 40 + 1000, noon + 40 + 1000 + 500 + 40 + 1000] });
});

it('passes on that the limiter postpones a call, with nothing sent', async () => {
  const clock = createHastyClock();
  const limiter = createLimiter({
    clock,
    deadline: noon,
    earlier: { alerts: Array<number>(100).fill(noon) },
  });
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url, clock, limiter });

  await expect(http.request({ ...get, quota: 'alerts' })).rejects.toThrow(PostponedError);
  expect(server.received).toEqual([]);
});

it('leaves the wire to others while a quota is used up', async () => {
  const clock = createVirtualClock();
  const earlier = { machine: Array<number>(100).fill(noon) };
  const limiter = createLimiter({ clock, deadline: noon + 3_600_000, earlier, maxConcurrent: 1 });
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url, clock, limiter });
  const waiting = [1, 2, 3].map(() => http.request({ ...get, quota: 'machine' }));

  await http.request({ ...post, quota: 'isolate', priority: 'action' });
  expect(server.received.map(({ method }) => method)).toEqual(['POST']);

  await clock.runOut();
  await Promise.all(waiting);
});

it('passes on what the authorization fails with, and sends nothing', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });
  const refused = new Error('no token');

  await expect(http.request({ ...get, authorization: () => Promise.reject(refused) })).rejects.toBe(refused);
  expect(server.connections()).toBe(0);
});

it('keeps working after failures of every kind', async () => {
  const server = await startServer([reset, text('', 500), text('<html>'), json({ ok: 1 })]);
  const { http } = createRig({ baseUrl: server.url, maxConcurrent: 1 });

  await Promise.allSettled([http.request(post), http.request(post), http.request(post)]);

  await expect(http.request(post)).resolves.toMatchObject({ body: { ok: 1 } });
});
