import { inspect } from 'node:util';
import { Server as ProxyServer } from 'proxy-chain';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import type { Identity } from './certificates.ts';
import { createAuthority, createFactoryIdentity } from './certificates.ts';
import { createHastyClock, noon } from './clocks.ts';
import { createRig, errorOf, proxyAt } from './rig.ts';
import type { Answer } from './server.ts';
import { closedPort, json, reset, silence, startServer, startTcp, text } from './server.ts';

const token = 'eyJhbGciOiJub25lIn0.TOKEN-MARK-4711.signature';
const secret = 'FORM MARK/4712+~';
const password = 'PROXY-MARK-4713';
const note = 'NOTE-MARK-4714';

let identity: Identity;
let other: Identity;
beforeAll(() => {
  identity = createFactoryIdentity();
  other = createAuthority().issue('DNS:x.example');
});

type Settings = Parameters<typeof createRig>[0];

/** Fails two writes that are full of secrets and returns all that can be seen of the errors. */
async function seen(settings: Settings): Promise<string> {
  const { http } = createRig({ service: 'login', timeoutMs: 100, ...settings });
  const authorization = (): Promise<string> => Promise.resolve(`Bearer ${token}`);
  const quota = 'alerts';
  const errors = [
    await errorOf(http.request({ method: 'POST', path: '/x', json: { note }, authorization, quota })),
    await errorOf(
      http.request({
        method: 'POST',
        path: '/x',
        form: { client_id: 'app', client_secret: secret, client_assertion: token },
        authorization,
        quota,
      }),
    ),
    await errorOf(http.request({ method: 'GET', path: '/x', query: { q: note }, authorization, quota })),
  ];
  return errors
    .flatMap((error) => [
      inspect(error, { depth: 9, showHidden: true, getters: true, maxStringLength: null }),
      JSON.stringify(error),
      String(error),
      error instanceof Error ? (error.stack ?? '') : '',
    ])
    .join('\n');
}

function assertClean(text: string): void {
  const marks = [token, 'TOKEN-MARK', secret, 'FORM', 'MARK/4712', password, note, 'NOTE-MARK'];
  const forms = marks.flatMap((mark) => [
    mark,
    encodeURIComponent(mark),
    new URLSearchParams({ mark }).toString().slice('mark='.length),
    Buffer.from(`user:${mark}`).toString('base64'),
  ]);
  expect(text).not.toContain('it did not fail');
  for (const form of forms) expect(text).not.toContain(form);
}

/** Answers like a debugging page: with all that it was sent. */
function echo(status: number, what: 'headers' | 'body' | 'form'): Answer {
  return (response, request) => {
    const form = [...new URLSearchParams(request.body).values()].join(', ');
    const said = { headers: request.headers.authorization ?? '', body: request.body, form }[what];
    const headers = { 'request-id': request.headers.authorization ?? '' };
    json(
      { error: 'invalid_client', error_description: said.replaceAll(note, '') },
      status,
      headers,
    )(response, request);
  };
}

it.each<[string, Answer]>([
  ['a refusal that echoes the authorization', echo(401, 'headers')],
  ['a refusal that echoes the body', echo(400, 'body')],
  ['an error of the server that echoes the values of the form', echo(500, 'form')],
  ['a refusal for too many calls', json({ detail: token }, 429, { 'Retry-After': '90' })],
  ['a refusal in plain text that echoes a token', text(`bad token ${token}`, 403)],
  ['a redirect', text('', 307, { Location: `https://x.example/?access_token=${encodeURIComponent(token)}` })],
  [
    'HTML',
    (response, request) => {
      text(`<p>${request.body}`)(response, request);
    },
  ],
  [
    'broken JSON',
    (response, request) => {
      text(`{"x": "${request.body}`)(response, request);
    },
  ],
  ['a body that never ends', (response, request) => response.write(request.body || '{')],
  ['no answer', silence],
  ['a reset', reset],
])('shows no secret after %s', async (_, answer) => {
  const server = await startServer(answer);

  assertClean(await seen({ baseUrl: server.url }));
});

it('shows no secret after an answer that is too large or not HTTP', async () => {
  const large = await startServer((response, request) =>
    response.end(JSON.stringify(request.body.repeat(5))),
  );
  const odd = await startTcp((socket) => {
    socket.once('data', (data) => socket.end(data));
  });
  const { http } = createRig({ baseUrl: large.url });
  const form = { client_secret: secret };

  assertClean(inspect(await errorOf(http.request({ method: 'POST', path: '/x', form, maxBytes: 20 }))));
  assertClean(await seen({ baseUrl: odd.url }));
});

it('shows no secret when there is no connection or no trust', async () => {
  const port = await closedPort();
  const server = await startServer(json({}), identity);

  assertClean(await seen({ baseUrl: `http://127.0.0.1:${port}` }));
  assertClean(await seen({ baseUrl: server.url }));
  assertClean(await seen({ baseUrl: server.url, tls: { fingerprint256: other.fingerprint256 } }));
});

it('shows no secret when the proxy refuses or fails', async () => {
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction: () => ({ requestAuthentication: true }),
  });
  await proxy.listen();
  onTestFinished(() => proxy.close(true));
  const echoing = await startTcp((socket) => {
    socket.once('data', (data) =>
      socket.end(`HTTP/1.1 500 ${data.toString('base64')}\r\n\r\n${data.toString()}`),
    );
  });
  const hosts = [`127.0.0.1:${proxy.port}`, `127.0.0.1:${echoing.port}`, `127.0.0.1:${await closedPort()}`];

  for (const host of hosts) {
    const url = `http://user:${password}@${host}`;
    assertClean(await seen({ baseUrl: 'https://api.example', proxy: proxyAt(url) }));
  }
});

it('shows no secret when a call is postponed, broken off or not authorized', async () => {
  const server = await startServer(silence);
  const clock = createHastyClock();
  const limiter = createLimiter({
    clock,
    deadline: noon,
    earlier: { alerts: Array<number>(100).fill(noon) },
  });
  const stop = new AbortController();
  const pending = seen({ baseUrl: server.url, stop: stop.signal, timeoutMs: 5000, clock });
  await expect.poll(() => server.received.length).toBe(1);
  stop.abort(new InterruptedError('SIGINT'));

  assertClean(await pending);
  assertClean(await seen({ baseUrl: server.url, limiter, clock }));
});
