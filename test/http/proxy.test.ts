import { lookup } from 'node:dns';
import type { PrepareRequestFunctionOpts } from 'proxy-chain';
import { Server as ProxyServer } from 'proxy-chain';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { HttpRequest } from '../../src/http/http.ts';
import { isLoopback, proxyFor } from '../../src/http/proxy.ts';
import { createAuthority, createFactoryIdentity } from './certificates.ts';
import { apiErrorOf, createRig } from './rig.ts';
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
    proxy: { url: `http://${proxy.host}`, noProxy: '' },
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
    proxy: { url: `http://svc%40corp:p%3As%2F%C3%BC%25@${proxy.host}`, noProxy: '' },
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
      proxy: { url: `http://${credentials}${proxy.host}`, noProxy: '' },
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
  const settings = { proxy: { url: `http://${proxy.host}`, noProxy: '' }, service: 'atp' as const };

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
    proxy: { url: `http://${proxy.host}`, noProxy: '' },
  };

  const pinned = createRig({ ...settings, tls: { fingerprint256: factory.fingerprint256 } });
  const other = createRig({ ...settings, tls: { fingerprint256: good.fingerprint256 } });

  await expect(pinned.http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });
  await expect(other.http.request(get)).rejects.toThrow('not the pinned one');
  expect(server.received).toHaveLength(1);
});

it('speaks TLS to a proxy whose URL is https, and trusts the same CAs there', async () => {
  const server = await startServer(json({ ok: 1 }), good);
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    serverType: 'https',
    httpsOptions: { ...authority.issue('IP:127.0.0.1') },
    prepareRequestFunction: () => ({
      dnsLookup: toThisComputer,
    }),
  });
  await proxy.listen();
  onTestFinished(() => proxy.close(true));
  const settings = {
    baseUrl: `https://api.example:${server.port}`,
    proxy: { url: `https://127.0.0.1:${proxy.port}`, noProxy: '' },
  };

  const trusting = createRig({ ...settings, tls: { ca: authority.ca } });
  const error = await apiErrorOf(createRig(settings).http.request(get));

  await expect(trusting.http.request(get)).resolves.toMatchObject({ body: { ok: 1 } });
  expect(error.cause).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE at the proxy');
});

it('says so when the proxy is not there, and knows that nothing was done', async () => {
  const port = await closedPort();
  const { http } = createRig({
    baseUrl: 'https://api.example',
    proxy: { url: `http://user:pass-word@127.0.0.1:${port}`, noProxy: '' },
  });

  const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

  expect(error.message).toBe('Detect cannot be reached: POST /x failed with ECONNREFUSED at the proxy');
  expect(error.hint).toBe(`The proxy 127.0.0.1:${port} cannot be used. Check http.proxy (or HTTPS_PROXY).`);
  expect(error.notDone).toBe(true);
});

it.each([
  ['HTTP/1.1 403 Forbidden\r\n\r\n', '403 from the proxy', 1],
  ['HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!', '502 from the proxy', 4],
  ['SSH-2.0\r\n', 'HPE_INVALID_CONSTANT at the proxy', 4],
])('says what a proxy answered that does not connect: %j', async (answer, cause, tries) => {
  let connections = 0;
  const proxy = await startTcp((socket) => {
    connections += 1;
    socket.once('data', () => socket.end(answer));
  });
  const { http } = createRig({ baseUrl: 'https://api.example', proxy: { url: proxy.url, noProxy: '' } });

  const error = await apiErrorOf(http.request({ ...get, method: 'POST' }));

  expect(error).toMatchObject({ failure: 'network', cause, notDone: true });
  expect(connections).toBe(tries);
});

it('gives up a proxy that never answers when time is up', async () => {
  const proxy = await startTcp(() => undefined);
  const { http } = createRig({
    baseUrl: 'https://api.example',
    proxy: { url: proxy.url, noProxy: '' },
    timeoutMs: 50,
  });

  await expect(http.request({ ...get, method: 'POST' })).rejects.toMatchObject({
    failure: 'timeout',
    notDone: true,
  });
});

it('never goes through a proxy to this computer', async () => {
  const server = await startServer(json({}));
  const secure = await startServer(json({}), authority.issue('DNS:localhost'));
  const proxy = { url: `http://127.0.0.1:${await closedPort()}`, noProxy: '' };

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
  ['https://api.example', 'api.example', false],
  ['https://API.example.', 'Api.Example', false],
  ['https://api.example', 'example', false],
  ['https://api.example', '.example', false],
  ['https://api.example', '*.example', false],
  ['https://api.example', 'pi.example', true],
  ['https://api.example', 'deep.api.example', true],
  ['https://api.example', 'a.example, api.example b.example', false],
  ['https://api.example', 'api.example:443', false],
  ['https://api.example', 'api.example:8443', true],
  ['https://api.example:8443', 'example:8443', false],
  ['https://10.1.2.3', '10.1.2.3', false],
  ['https://10.1.2.3', '2.3', true],
  ['https://10.1.2.3', '10.0.0.0/8', true],
  ['https://[2001:db8::1]', '2001:db8::1', false],
  ['https://[2001:db8::1]:8443', '[2001:db8::1]:8443', false],
  ['https://[2001:db8::1]', '[2001:db8::1]:8443', true],
  ['http://api.example', '', false],
  ['https://localhost', '', false],
  ['https://127.8.8.8', '', false],
  ['https://[::1]', '', false],
])('decides about the proxy to %s when noProxy is "%s"', (target, noProxy, usesProxy) => {
  const proxy = proxyFor(new URL(target), { url: 'http://proxy.example:3128', noProxy });

  expect(proxy?.href).toBe(usesProxy ? 'http://proxy.example:3128/' : undefined);
});

it.each([
  ['proxy.example:3128', 'http://proxy.example:3128/'],
  ['user:word@proxy.example', 'http://user:word@proxy.example/'],
  ['https://proxy.example', 'https://proxy.example/'],
])('takes %s for the URL of a proxy', (url, href) => {
  expect(proxyFor(new URL('https://api.example'), { url, noProxy: '' })?.href).toBe(href);
});

it.each(['socks5://user:s3cret@proxy.example', 'http://user:s3cret@:99999', 'http://'])(
  'refuses %s as the URL of a proxy without repeating it',
  (url) => {
    expect(() => proxyFor(new URL('https://api.example'), { url, noProxy: '' })).toThrow(
      new ConfigError('http.proxy is not the URL of a proxy: expected http://host:port or https://host:port'),
    );
  },
);

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
