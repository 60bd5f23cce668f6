import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { noon } from './clocks.ts';
import { apiErrorOf, createRig } from './rig.ts';
import { json, silence, startServer, startTcp, text } from './server.ts';

const date = { Date: 'Tue, 24 Nov 2026 10:00:00 GMT' };

it('sends the path byte for byte', async () => {
  const server = await startServer(json({ value: [] }));
  const { http } = createRig({ baseUrl: server.url });
  const paths = [
    "/api/machines/findbyip(ip='10.1.2.3',timestamp=2026-11-24T10:00:00Z)",
    "/api/machines/findbyip(ip='2001:db8::1%25eth0%27%27',timestamp=2026-11-24T10:00:00Z)",
    '/tenant.example/oauth2/v2.0/token',
    '/api/a;b=1,2/%7e~!*+@&$/..c/d../%2f%00%zz',
    '//evil.example//api',
    '/http://evil.example/',
    '/@evil.example',
  ];

  for (const path of paths) await http.request({ method: 'GET', path });

  expect(server.received.map(({ url }) => url)).toEqual(paths);
});

it('refuses a path that is not encoded, or that URL makes another one of', async () => {
  const { http } = createRig({ baseUrl: 'http://127.0.0.1:1' });

  const raw = [
    '',
    'api',
    'http://evil.example',
    '/a b',
    '/a\r\nHost: evil',
    '/ü',
    '/a{b}',
    '/a"b',
    '/a?b=c',
    '/a#b',
  ];
  const dots = ['/a/../b', '/a/..', '/./a', '/%2e%2e/a', '/a/.%2E/b', '/a\\..\\b'];
  for (const path of [...raw, ...dots]) {
    await expect(http.request({ method: 'GET', path })).rejects.toThrow(/^not an encoded path: /);
  }
});

it('puts the path behind that of the base URL', async () => {
  const server = await startServer(json({}));

  await createRig({ baseUrl: `${server.url}/gateway/` }).http.request({ method: 'GET', path: '/api/x' });

  expect(server.received[0]?.url).toBe('/gateway/api/x');
});

it('encodes the query, blanks as %20, and leaves the dollar of OData keys', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });

  await http.request({
    method: 'GET',
    path: '/api/machineactions',
    query: { $filter: "type in ('Isolate') and a eq 'x&y=z+#ü'", 'page size': '1', broken: '\ud800' },
  });

  expect(server.received[0]?.url).toBe(
    "/api/machineactions?$filter=type%20in%20('Isolate')%20and%20a%20eq%20'x%26y%3Dz%2B%23%C3%BC'&page%20size=1&broken=%EF%BF%BD",
  );
});

it('sends JSON, forms and nothing, each with its headers', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });
  const authorization = (): Promise<string> => Promise.resolve('Token abc');

  await http.request({ method: 'POST', path: '/json', json: { note: 'ü "x"' }, authorization });
  await http.request({ method: 'POST', path: '/form', form: { a: '1 & 2', scope: 'https://x/.default' } });
  await http.request({ method: 'DELETE', path: '/json', json: ' {"a": 1} ' });
  await http.request({ method: 'POST', path: '/none' });
  await http.request({ method: 'GET', path: '/none' });

  const sent = server.received.map(({ method, url, body, headers }) => [
    method,
    url,
    body,
    headers['content-type'],
    headers['content-length'],
    headers.authorization,
  ]);
  expect(sent).toEqual([
    ['POST', '/json', '{"note":"ü \\"x\\""}', 'application/json', '19', 'Token abc'],
    [
      'POST',
      '/form',
      'a=1+%26+2&scope=https%3A%2F%2Fx%2F.default',
      'application/x-www-form-urlencoded',
      '42',
      undefined,
    ],
    ['DELETE', '/json', '" {\\"a\\": 1} "', 'application/json', '14', undefined],
    ['POST', '/none', '', undefined, '0', undefined],
    ['GET', '/none', '', undefined, undefined, undefined],
  ]);
  expect(server.received[0]?.headers).toMatchObject({
    accept: 'application/json',
    'user-agent': 'vectra-atp',
  });
});

it.each([
  ['an object', '{"value": [1]}', { value: [1] }],
  ['a bare number', '4', 4],
  ['a text that looks like JSON inside', '"{}"', '{}'],
  ['a byte order mark', '\ufeff{"a": "ü"}', { a: 'ü' }],
  ['an empty body', '', undefined],
  ['white space', ' \r\n', undefined],
  ['null', 'null', null],
])('parses %s', async (_, body, value) => {
  const server = await startServer(text(body, 200, date));
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request({ method: 'GET', path: '/x' })).resolves.toEqual({
    status: 200,
    body: value,
    serverTime: noon,
  });
});

it('takes every 2xx, whatever type it claims to have', async () => {
  const server = await startServer([
    json({ id: 1 }, 201, { 'Content-Type': 'text/plain', Date: 'yesterday' }),
    text('', 204),
  ]);
  const { http } = createRig({ baseUrl: server.url });

  const created = await http.request({ method: 'POST', path: '/x' });
  const nothing = await http.request({ method: 'POST', path: '/x' });

  expect(created).toEqual({ status: 201, body: { id: 1 }, serverTime: undefined });
  expect(nothing).toMatchObject({ status: 204, body: undefined });
});

it('parses compressed answers and deep nesting', async () => {
  const deep = '['.repeat(500_000) + ']'.repeat(500_000);
  const server = await startServer([
    text(gzipSync('{"a": 1}'), 200, { 'Content-Encoding': 'gzip' }),
    text(deep),
    text(deep, 400),
  ]);
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request({ method: 'GET', path: '/x' })).resolves.toMatchObject({ body: { a: 1 } });
  await expect(http.request({ method: 'GET', path: '/x' })).resolves.toMatchObject({ status: 200 });
  await expect(http.request({ method: 'GET', path: '/x' })).rejects.toThrow('Detect answered 400 to GET /x');
});

it('reads any bytes without a crash', async () => {
  let bytes: Uint8Array = Buffer.alloc(0);
  const server = await startServer((response) => response.end(bytes));
  const { http } = createRig({ baseUrl: server.url });

  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), async (next) => {
      bytes = next;
      const end = await http.request({ method: 'POST', path: '/x' }).catch((error: unknown) => error);

      if (end instanceof Error) expect(end).toMatchObject({ failure: 'unreadable', notDone: false });
      else expect(end).toMatchObject({ status: 200 });
    }),
    { numRuns: 50 },
  );
});

it.each([
  ['<!doctype html><p>login', 'HTML instead of JSON'],
  ['{"value": [1', 'it is not JSON, or cut short'],
])('calls %s with 200 an answer that cannot be read', async (body, words) => {
  const server = await startServer(text(body, 200, { ...date, 'request-id': '4711' }));
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error.message).toBe(`Detect's answer to POST /x cannot be read (${words}) (request id 4711)`);
  expect(error).toMatchObject({
    failure: 'unreadable',
    status: 200,
    notDone: false,
    requestId: '4711',
    serverTime: noon,
  });
});

it('reads no more than the limit, compressed or not, and does not try again', async () => {
  const large = JSON.stringify({ text: 'x'.repeat(3 * 2 ** 20) });
  const server = await startServer([text(large), text(gzipSync(large), 200, { 'Content-Encoding': 'gzip' })]);
  const { http } = createRig({ baseUrl: server.url });

  for (const path of ['/plain', '/gzip']) {
    const error = await apiErrorOf(http.request({ method: 'GET', path, maxBytes: 2 * 2 ** 20 }));

    expect(error.message).toBe(
      `Detect's answer to GET ${path} cannot be read (the answer is larger than 2 MiB)`,
    );
    expect(error.failure).toBe('unreadable');
  }
  expect(server.received).toHaveLength(2);
});

it('ends an endless answer at the limit', async () => {
  const server = await startServer((response) => {
    const timer = setInterval(() => response.write('x'.repeat(1000)), 1);
    response.on('close', () => {
      clearInterval(timer);
    });
  });
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request({ method: 'GET', path: '/x', maxBytes: 5000 })).rejects.toThrow(
    'larger than 5000 bytes',
  );
});

it('gives up an answer that drips after the time limit, and never repeats it for a write', async () => {
  const server = await startServer((response) => {
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => {
      clearInterval(timer);
    });
  });
  const { http, attempts } = createRig({ baseUrl: server.url, timeoutMs: 150 });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error.message).toBe('Detect did not answer in time: POST /x');
  expect(error).toMatchObject({ failure: 'timeout', notDone: false, hint: undefined });
  expect(attempts).toMatchObject([{ status: 200, attempt: 1 }]);
});

it('gives up a service that takes the request and says nothing', async () => {
  const server = await startServer(silence);
  const { http } = createRig({ baseUrl: server.url, timeoutMs: 100 });

  await expect(http.request({ method: 'POST', path: '/x' })).rejects.toMatchObject({
    failure: 'timeout',
    notDone: false,
  });
});

it('tells the status although the body of the refusal never ends', async () => {
  const server = await startServer((response) => {
    response.writeHead(404).write('{"detail": "Not');
  });
  const { http } = createRig({ baseUrl: server.url, timeoutMs: 100 });

  const error = await apiErrorOf(http.request({ method: 'GET', path: '/x' }));

  expect(error).toMatchObject({ failure: 'status', status: 404, notDone: true });
});

it.each([
  ['is too large', text('x'.repeat(5001), 503)],
  ['is too large, decompressed', text(gzipSync('x'.repeat(5001)), 503, { 'Content-Encoding': 'gzip' })],
  ['breaks off', text('x', 503, { 'Content-Length': '5000', Connection: 'close' })],
  ['is no gzip', text('x', 503, { 'Content-Encoding': 'gzip' })],
])('tells the status although the body of the refusal %s', async (_, answer) => {
  const server = await startServer((response, request) => {
    answer(response, request);
    response.socket?.end();
  });
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x', maxBytes: 5000 }));

  expect(error.message).toBe('Detect answered 503 to POST /x');
  expect(error).toMatchObject({ failure: 'status', status: 503, notDone: false });
});

it('quotes nothing of a refusal that nobody could read', async () => {
  const server = await startServer(json({ detail: 'x', filler: 'x'.repeat(256 * 1024) }, 403));
  const { http } = createRig({ baseUrl: server.url });

  await expect(http.request({ method: 'GET', path: '/x' })).rejects.toThrow(
    /^Detect answered 403 to GET \/x$/,
  );
});

it.each([
  [400, true],
  [401, true],
  [403, true],
  [404, true],
  [408, false],
  [499, false],
  [500, false],
  [503, false],
  [599, false],
])('turns status %d into an error with the words of the service', async (status, notDone) => {
  const body = { error: { code: 'Forbidden', message: 'Not\nfor\u001b[31m you', target: 'id-1' } };
  const server = await startServer(json(body, status, date));
  const { http } = createRig({ baseUrl: server.url, service: 'atp' });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/api/x', query: { secret: 'no' } }));

  expect(error.message).toBe(
    `Defender answered ${status} to POST /api/x (Forbidden: Not for you) (request id id-1)`,
  );
  expect(error).toMatchObject({
    service: 'atp',
    method: 'POST',
    path: '/api/x',
    failure: 'status',
    status,
    serviceCode: 'Forbidden',
    serviceMessage: 'Not for you',
    requestId: 'id-1',
    serverTime: noon,
    notDone,
  });
});

it('follows no redirect, wherever it leads', async () => {
  const other = await startServer(json({}));
  const server = await startServer(text('', 302, { Location: `${other.url}/login?token=abc` }));
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request({ method: 'GET', path: '/x' }));

  expect(error.message).toBe(
    `Detect answered 302 to GET /x (redirects are not followed; this one leads to ${other.url})`,
  );
  expect(error).toMatchObject({ hint: 'Check detect.url.', notDone: false });
  expect(other.received).toEqual([]);
  expect(server.received).toHaveLength(1);
});

it('calls what is not HTTP an answer that cannot be read', async () => {
  const server = await startTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error.message).toBe(
    "Detect's answer to POST /x cannot be read (it is not HTTP: HPE_INVALID_CONSTANT)",
  );
  expect(error.notDone).toBe(false);
});

it('calls a 2xx that breaks off an answer that cannot be read', async () => {
  const server = await startTcp((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"value": '));
  });
  const { http } = createRig({ baseUrl: server.url });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error.message).toBe("Detect's answer to POST /x cannot be read (the answer broke off)");
  expect(error.notDone).toBe(false);
});

it('keeps its connection for reads and repeatable writes, and takes a new one for any other write', async () => {
  const server = await startServer(json({}));
  const { http } = createRig({ baseUrl: server.url });

  for (let index = 0; index < 5; index += 1) await http.request({ method: 'GET', path: '/x' });
  await http.request({ method: 'POST', path: '/x', idempotent: true });
  expect(server.connections()).toBe(1);

  await http.request({ method: 'POST', path: '/x' });
  await http.request({ method: 'POST', path: '/x' });
  expect(server.connections()).toBe(3);
});

it('has no more requests on the wire than it may', async () => {
  let now = 0;
  let most = 0;
  const server = await startServer((response) => {
    now += 1;
    most = Math.max(most, now);
    setTimeout(() => {
      now -= 1;
      response.end('{}');
    }, 5);
  });
  const { http } = createRig({ baseUrl: server.url, maxConcurrent: 3 });

  await Promise.all(Array.from({ length: 20 }, () => http.request({ method: 'GET', path: '/x' })));

  expect(most).toBe(3);
});

it('reads no proxy from the environment', async () => {
  const server = await startServer(json({}));
  const proxy = await startServer(json({}));
  for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']) {
    vi.stubEnv(name, proxy.url);
  }

  await createRig({ baseUrl: server.url }).http.request({ method: 'GET', path: '/x' });
  vi.unstubAllEnvs();

  expect(server.received).toHaveLength(1);
  expect(proxy.connections()).toBe(0);
});

it('tells of each request that was sent', async () => {
  const server = await startServer([json({}, 500), json({})]);
  const { http, attempts } = createRig({ baseUrl: server.url });

  await http.request({ method: 'GET', path: '/x', query: { a: 'b' } });

  expect(attempts).toEqual([
    { service: 'detect', method: 'GET', path: '/x', status: 500, ms: 0, attempt: 1 },
    { service: 'detect', method: 'GET', path: '/x', status: 200, ms: 0, attempt: 2 },
  ]);
});
