import { lookup } from 'node:dns';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { PrepareRequestFunctionOpts } from 'proxy-chain';
import { Server as ProxyServer } from 'proxy-chain';
import { expect, it, onTestFinished, vi } from 'vitest';
import { InterruptedError } from '../../src/errors.ts';
import type { HttpRequest } from '../../src/http/http.ts';
import { isLoopback, parseNoProxy, proxyFor } from '../../src/http/proxy.ts';
import { createAuthority, createFactoryIdentity } from './certificates.ts';
import { apiErrorOf, createRig, proxyAt } from './rig.ts';
import { closedPort, json, startServer, startTcp } from './server.ts';

const authority = createAuthority();
const good = authority.issue('DNS:api.example');
const factory = createFactoryIdentity();
const get: HttpRequest = {
  method: 'GET',
  path: '/x',
  authorization: () => Promise.resolve('Bearer t0ken-value'),
};

/** Resolves every name to this computer. */
const toThisComputer = new Proxy(lookup, {
  apply: (target, self, [, ...rest]: unknown[]): unknown =>
    Reflect.apply(target, self, ['127.0.0.1', ...rest]),
});

/** A proxy for which every name is this computer, and which can want a user and password. */
async function startProxy(login?: { username: string; password: string }) {
  const asked: string[] = [];
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction({ hostname, port, username, password }: PrepareRequestFunctionOpts) {
      asked.push(`${hostname}:${port}`);
      const isRefused = login !== undefined && (username !== login.username || password !== login.password);
      return {
        requestAuthentication: isRefused,
        dnsLookup: toThisComputer,
      };
    },
  });
  await proxy.listen();
  onTestFinished(() => proxy.close(true));
  return { asked, host: `127.0.0.1:${proxy.port}` };
}

it('reaches the service through CONNECT, and keeps the connection', async () => {
  const server = await startServer(json({ ok: 1 }), good);
  const proxy = await startProxy();
  const { http } = createRig({
    service: 'atp',
    baseUrl: `https://api.example:${server.port}`,
    tls: { ca: authority.ca },
    proxy: proxyAt(`http://${proxy.host}`),
  });

  await expect(http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });
  await http.request(get);

  expect(proxy.asked).toEqual([`api.example:${server.port}`]);
  expect(server.received.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer t0ken-value',
    'Bearer t0ken-value',
  ]);
  expect(server.received[0]?.headers).not.toHaveProperty('proxy-authorization');
});

it('gives its user and password to the proxy, and to nobody else', async () => {
  const server = await startServer(json({ ok: 1 }), good);
  const proxy = await startProxy({ username: 'svc@corp', password: 'p:s/ü%' });
  const { http } = createRig({
    baseUrl: `https://api.example:${server.port}`,
    tls: { ca: authority.ca },
    proxy: proxyAt(`http://svc%40corp:p%3As%2F%C3%BC%25@${proxy.host}`),
  });

  await expect(http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });

  expect(server.received[0]?.headers).not.toHaveProperty('proxy-authorization');
});

it.each(['', 'svc:wrong-password@'])(
  'says that the proxy refused the credentials "%s", at once',
  async (credentials) => {
    const server = await startServer(json({}), good);
    const proxy = await startProxy({ username: 'svc', password: 'right-password' });
    const { http, attempts } = createRig({
      service: 'atp',
      baseUrl: `https://api.example:${server.port}`,
      proxy: proxyAt(`http://${credentials}${proxy.host}`),
    });

    const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

    expect(error.message).toBe(
      'Defender cannot be reached: POST /x failed with 407 from the proxy (it refused the credentials)',
    );
    expect(error.hint).toBe(
      `The proxy ${proxy.host} wants a user and password that it knows. Check http.proxy (or HTTPS_PROXY).`,
    );
    expect(error).toMatchObject({ failure: 'network', notDone: true });
    expect(attempts).toEqual([]);
    expect(server.connections()).toBe(0);
  },
);

it('checks the certificate through the tunnel', async () => {
  const server = await startServer(json({}), good);
  const proxy = await startProxy();
  const settings = { proxy: proxyAt(`http://${proxy.host}`), service: 'atp' as const };

  const untrusted = createRig({ ...settings, baseUrl: `https://api.example:${server.port}` });
  const misnamed = createRig({
    ...settings,
    baseUrl: `https://other.example:${server.port}`,
    tls: { ca: authority.ca },
  });

  expect((await apiErrorOf(untrusted.http.request(get))).cause).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  expect((await apiErrorOf(misnamed.http.request(get))).cause).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(server.received).toEqual([]);
});

it('checks the pin through the tunnel', async () => {
  const server = await startServer(json({ ok: 1 }), factory);
  const proxy = await startProxy();
  const settings = {
    baseUrl: `https://brain.example:${server.port}`,
    proxy: proxyAt(`http://${proxy.host}`),
  };

  const pinned = createRig({ ...settings, tls: { fingerprint256: factory.fingerprint256 } });
  const other = createRig({ ...settings, tls: { fingerprint256: good.fingerprint256 } });

  await expect(pinned.http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });
  await expect(other.http.request(get)).rejects.toThrow('not the pinned one');
  expect(server.received).toHaveLength(1);
});

/** A proxy that is spoken to by TLS, with a certificate of this CA. */
async function startTlsProxy(): Promise<string> {
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    serverType: 'https',
    httpsOptions: { ...authority.issue('IP:127.0.0.1') },
    prepareRequestFunction: () => ({ dnsLookup: toThisComputer }),
  });
  await proxy.listen();
  onTestFinished(() => proxy.close(true));
  return `https://127.0.0.1:${proxy.port}`;
}

it.each(['login', 'atp'] as const)(
  'speaks TLS to a proxy whose URL is https, and trusts the CA of the Microsoft side there for %s',
  async (service) => {
    const server = await startServer(json({ ok: 1 }), good);
    const settings = {
      service,
      baseUrl: `https://api.example:${server.port}`,
      proxy: proxyAt(await startTlsProxy()),
    };

    const trusting = createRig({ ...settings, tls: { ca: authority.ca } });
    const error = await apiErrorOf(createRig(settings).http.request(get));

    await expect(trusting.http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });
    expect(error.cause).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE at the proxy');
  },
);

it.each([
  { by: 'its CA', tls: { ca: authority.ca } },
  { by: 'its pin', tls: { fingerprint256: good.fingerprint256 } },
  { by: 'being insecure', tls: { insecure: true } },
])('lets the brain not vouch for a proxy by $by, whatever the environment says', async ({ tls }) => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const server = await startServer(json({}), good);
  const proxy = proxyAt((await startTlsProxy()).replace('https://', 'https://user:pass-word@'));
  const baseUrl = `https://api.example:${server.port}`;

  const error = await apiErrorOf(createRig({ baseUrl, tls, proxy }).http.request(get));

  expect(error).toMatchObject({ cause: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE at the proxy', notDone: true });
  expect(server.connections()).toBe(0);
});

/** A proxy that leads every request to this port, and says how many of its connections are closed. */
async function startLeadingProxy(port: number) {
  let asked = 0;
  const proxy = await startTcp((socket) => {
    socket.once('data', () => {
      asked += 1;
      const server = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      server.on('error', () => socket.destroy());
      socket.pipe(server).pipe(socket);
    });
  });
  return { ...proxyAt(proxy.url), asked: () => asked };
}

it('compares the certificate of an address with that address, not with the name of the proxy', async () => {
  const tls = { ca: authority.ca };
  const right = await startServer(json({ ok: 1 }), authority.issue('IP:10.1.2.3'));
  const wrong = await startServer(json({}), authority.issue('DNS:localhost,IP:127.0.0.1'));
  const request = async ({ port }: { port: number }) =>
    createRig({ baseUrl: 'https://10.1.2.3', tls, proxy: await startLeadingProxy(port) }).http.request(get);

  await expect(request(right)).resolves.toMatchObject({ body: { ok: 1 } });
  expect((await apiErrorOf(request(wrong))).hint).toMatch(
    /^The certificate of 10\.1\.2\.3:443 is for another name\. /,
  );
  expect(wrong.received).toEqual([]);
});

it('takes a new way through the proxy for each write that may not be repeated', async () => {
  const server = await startServer(json({}), good);
  const proxy = await startLeadingProxy(server.port);
  const { http } = createRig({ baseUrl: 'https://api.example', tls: { ca: authority.ca }, proxy });

  for (let index = 0; index < 3; index += 1)
    await http.request({ ...get, method: 'DELETE', idempotent: true });
  expect(proxy.asked()).toBe(1);
  await http.request({ ...get, method: 'POST' });
  await http.request({ ...get, method: 'POST' });

  expect(proxy.asked()).toBe(3);
});

it('sends credentials that do not decode as they are', async () => {
  const heard: string[] = [];
  const proxy = await startTcp((socket) => {
    socket.once('data', (data) => {
      heard.push(data.toString());
      socket.end('HTTP/1.1 407 No\r\n\r\n');
    });
  });
  const url = proxy.url.replace('http://', 'http://us%er:100%@');

  const error = await apiErrorOf(
    createRig({ baseUrl: 'https://api.example', proxy: proxyAt(url) }).http.request(get),
  );

  expect(error.cause).toBe('407 from the proxy (it refused the credentials)');
  expect(heard.map((text) => text.split('\r\n').filter((line) => !/^proxy-connection/i.test(line)))).toEqual([
    [
      'CONNECT api.example:443 HTTP/1.1',
      `Proxy-Authorization: Basic ${Buffer.from('us%er:100%').toString('base64')}`,
      'Host: api.example:443',
      '',
      '',
    ],
  ]);
});

it('says so when the proxy is not there, and knows that nothing was done', async () => {
  const port = await closedPort();
  const { http } = createRig({
    baseUrl: 'https://api.example',
    proxy: proxyAt(`http://user:pass-word@127.0.0.1:${port}`),
  });

  const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

  expect(error.message).toBe('Detect cannot be reached: POST /x failed with ECONNREFUSED at the proxy');
  expect(error.hint).toBe(`The proxy 127.0.0.1:${port} cannot be used. Check http.proxy (or HTTPS_PROXY).`);
  expect(error.notDone).toBe(true);
});

it.each([
  ['HTTP/1.1 403 Forbidden\r\n\r\n', '403 from the proxy', 1],
  ['HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!', '502 from the proxy', 4],
  ['HTTP/1.1 204 No Content\r\n\r\n', '204 from the proxy', 1],
  ['HTTP/1.1 429 Slow\r\n\r\n', '429 from the proxy', 4],
  ['HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}', 'ECONNRESET', 4],
  ['SSH-2.0\r\n', 'no HTTP answer from the proxy', 4],
  ['SSH-2.0\r\n\r\n', 'no HTTP answer from the proxy', 4],
  ['HTTP/1.1 200 OK\r\nno header\r\n\r\n', 'no HTTP answer from the proxy', 4],
  ['', 'no HTTP answer from the proxy', 4],
])('says what a proxy answered that does not connect: %j', async (answer, cause, tries) => {
  let connections = 0;
  const proxy = await startTcp((socket) => {
    connections += 1;
    socket.once('data', () => socket.end(answer));
  });
  const { http } = createRig({ baseUrl: 'https://api.example', proxy: proxyAt(proxy.url) });

  const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

  expect(error).toMatchObject({ failure: 'network', cause, notDone: true });
  expect(connections).toBe(tries);
});

it.each([
  ['never answers', () => undefined],
  ['never ends its answer', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nX: ')],
  ['connects to nobody', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
])('gives up a proxy that %s when time is up, and its connection', async (_, answer) => {
  let closed = 0;
  const proxy = await startTcp((socket) => {
    socket.on('close', () => (closed += 1));
    socket.once('data', () => answer(socket));
  });
  const { http, attempts } = createRig({
    baseUrl: 'https://api.example',
    proxy: proxyAt(proxy.url),
    timeoutMs: 100,
  });

  const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

  expect(error).toMatchObject({ failure: 'timeout', notDone: true });
  expect(attempts).toEqual([]);
  await expect.poll(() => closed).toBe(4);
});

it('breaks off connecting through a proxy at the signal to stop', async () => {
  const stop = new AbortController();
  const sockets: Socket[] = [];
  const proxy = await startTcp((socket) => sockets.push(socket.resume()));
  const { http } = createRig({
    baseUrl: 'https://api.example',
    proxy: proxyAt(proxy.url),
    stop: stop.signal,
  });
  const pending = http.request({ ...get, method: 'POST' });
  await expect.poll(() => sockets.length).toBe(1);
  const reason = new InterruptedError('SIGTERM');

  stop.abort(reason);

  await expect(pending).rejects.toBe(reason);
  await expect.poll(() => sockets[0]?.closed).toBe(true);
});

it('never goes through a proxy to this computer', async () => {
  const server = await startServer(json({}));
  const secure = await startServer(json({}), authority.issue('DNS:localhost'));
  const proxy = proxyAt(`http://127.0.0.1:${await closedPort()}`);

  await createRig({ baseUrl: server.url, proxy }).http.request(get);
  await createRig({
    baseUrl: `https://localhost:${secure.port}`,
    tls: { ca: authority.ca },
    proxy,
  }).http.request(get);

  expect(secure.received).toHaveLength(1);
});

it.each([
  ['https://api.example', '', true],
  ['https://api.example', 'other.example', true],
  ['https://api.example', '*', false],
  ['https://api.example', '*:443', false],
  ['https://api.example', '*:8443', true],
  ['https://api.example', 'api.example', false],
  ['https://API.example.', 'Api.Example', false],
  ['https://api.example', 'api.example.', false],
  ['https://api.example', 'example', false],
  ['https://api.example', '.example', false],
  ['https://api.example', '*.example', false],
  ['https://api.example', 'pi.example', true],
  ['https://api.example', 'deep.api.example', true],
  ['https://api.example', 'a.example, api.example b.example', false],
  ['https://api.example', ',,api.example,', false],
  ['https://api.example', 'api.example:443', false],
  ['https://api.example', 'api.example:8443', true],
  ['https://api.example:8443', 'example:8443', false],
  ['https://api.example', '0.0.0.0/0,::/0', true],
  ['https://bücher.example', 'Bücher.example', false],
  ['https://a_b.example', 'a_b.example', false],
  ['https://10.1.2.3', '10.1.2.3', false],
  ['https://10.1.2.3', '10.1.2.3:443', false],
  ['https://10.1.2.3', '10.1.2.4', true],
  ['https://10.1.2.3', '10.0.0.0/8', false],
  ['https://10.1.2.3', '10.1.2.3/32', false],
  ['https://10.1.2.3', '10.1.2.0/31', true],
  ['https://10.1.2.3', '10.0.0.0/8:443', false],
  ['https://10.1.2.3', '10.0.0.0/8:8443', true],
  ['https://10.1.2.3', '::ffff:10.1.2.3', false],
  ['https://11.1.2.3', '10.0.0.0/8', true],
  ['https://[2001:db8::1]', '2001:db8::1', false],
  ['https://[2001:db8::1]', '2001:0DB8:0:0::1', false],
  ['https://[2001:db8::1]', '[2001:db8::1]', false],
  ['https://[2001:db8::1]:8443', '[2001:db8::1]:8443', false],
  ['https://[2001:db8::1]', '[2001:db8::1]:8443', true],
  ['https://[2001:db8::1]', '2001:db8::/32', false],
  ['https://[2001:db8::1]', '[2001:db8::]/32:443', false],
  ['https://[2001:db9::1]', '2001:db8::/32', true],
  ['http://api.example', '', false],
  ['https://localhost', '', false],
  ['https://127.8.8.8', '', false],
  ['https://[::1]', '', false],
])('decides about the proxy to %s when noProxy is "%s"', (target, noProxy, usesProxy) => {
  const proxy = proxyFor(new URL(target), proxyAt('http://proxy.example:3128', noProxy));

  expect(proxy?.href).toBe(usesProxy ? 'http://proxy.example:3128/' : undefined);
  expect(parseNoProxy(noProxy).unknown).toEqual([]);
});

it.each([
  '2.3',
  '10.',
  '10.1.2',
  '10.*',
  '10.1.2.3/33',
  '10.1.2.3/',
  '10.1.2.0/255.255.255.0',
  '10.1.2.3-9',
  '999.1.2.3',
  '2001:db8::/129',
  '2001:db8::1:99999999/8/8',
  'api.example/8',
  '[api.example]',
  'https://api.example',
  'api.*',
  '**.example',
  'api..example',
  'api.example:',
  'api.example:https',
  'a;b',
  '<local>',
])('says that "%s" is no entry of noProxy, and goes by the others', (entry) => {
  const { noProxy, unknown } = parseNoProxy(`${entry},api.example`);

  expect(unknown).toEqual([entry]);
  expect(noProxy).toHaveLength(1);
});

it.each([
  ['localhost', true],
  ['LOCALHOST.', true],
  ['db.localhost', true],
  ['127.0.0.1', true],
  ['[::1]', true],
  ['::1', true],
  ['localhost.example', false],
  ['128.0.0.1', false],
  ['127.example', false],
  ['10.0.0.1', false],
])('tells whether %s is this computer', (hostname, answer) => {
  expect(isLoopback(hostname)).toBe(answer);
});
