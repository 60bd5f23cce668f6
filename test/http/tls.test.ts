import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { HttpRequest } from '../../src/http/http.ts';
import type { Identity } from './certificates.ts';
import { createAuthority, createFactoryIdentity } from './certificates.ts';
import { apiErrorOf, createRig } from './rig.ts';
import { json, listen, startServer, startTcp } from './server.ts';

const authority = createAuthority();
const good = authority.issue('IP:127.0.0.1,DNS:localhost');
const factory = createFactoryIdentity();
const get: HttpRequest = { method: 'GET', path: '/x' };
const secretGet: HttpRequest = { ...get, authorization: () => Promise.resolve('Token 0123456789abcdef') };

const detectRemedy =
  'Put the CA that signed it into detect.caFile, or the SHA-256 fingerprint of the certificate, compared with that of ' +
  'the appliance, into detect.fingerprint256 (the only way with the factory certificate, whose name is "vectra"); ' +
  'detect.insecure accepts any certificate.';

/** A TLS server that tells what it decrypted, however the client took its certificate. */
async function startEavesdropper({ cert, key }: Identity) {
  let heard = '';
  let closed = 0;
  const server = createTlsServer({ cert, key }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      heard += data.toString();
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
    });
  });
  server.on('connection', (socket: Socket) => {
    socket.on('close', () => (closed += 1));
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
  });
  return {
    authority: `127.0.0.1:${port}`,
    url: `https://127.0.0.1:${port}`,
    heard: () => heard,
    closed: () => closed,
  };
}

it.each(['127.0.0.1', 'localhost'])(
  'trusts a certificate for %s by a CA of its own, and keeps the connection',
  async (host) => {
    const server = await startServer(json({ ok: 1 }), good);
    const { http } = createRig({ baseUrl: `https://${host}:${server.port}`, tls: { ca: authority.ca } });

    await expect(http.request(secretGet)).resolves.toMatchObject({ body: { ok: 1 } });
    await http.request(secretGet);

    expect(server.connections()).toBe(1);
    expect(server.received[0]?.headers.authorization).toBe('Token 0123456789abcdef');
  },
);

it('takes several CAs from one PEM text', async () => {
  const server = await startServer(json({}), good);
  const ca = `${createAuthority().ca}\n${authority.ca}`;

  await expect(createRig({ baseUrl: server.url, tls: { ca } }).http.request(get)).resolves.toBeDefined();
});

it.each([
  {
    trouble: 'by an unknown CA',
    identity: good,
    tls: {},
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    hint: 'is signed by nobody who is trusted here.',
  },
  {
    trouble: 'by another CA than the configured one',
    identity: good,
    tls: { ca: createAuthority().ca },
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    hint: 'is signed by nobody who is trusted here.',
  },
  {
    trouble: 'of the factory',
    identity: factory,
    tls: {},
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    hint: 'is signed by nobody who is trusted here.',
  },
  {
    trouble: 'of the factory, although it is given as CA,',
    identity: factory,
    tls: { ca: factory.cert },
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    hint: 'is for another name.',
  },
  {
    trouble: 'for another name',
    identity: authority.issue('DNS:brain.example'),
    tls: { ca: authority.ca },
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    hint: 'is for another name.',
  },
  {
    trouble: 'that has expired',
    identity: authority.issue('IP:127.0.0.1', -1),
    tls: { ca: authority.ca },
    code: 'CERT_HAS_EXPIRED',
    hint: 'has expired, or the clock of this computer is wrong.',
  },
])('refuses a certificate $trouble at once and sends nothing', async ({ identity, tls, code, hint }) => {
  const server = await startEavesdropper(identity);
  const { http, attempts } = createRig({ baseUrl: server.url, tls });

  const error = await apiErrorOf(http.request(secretGet));

  expect(error.message).toBe(`Detect cannot be reached: GET /x failed with ${code}`);
  expect(error.hint).toBe(`The certificate of ${server.authority} ${hint} ${detectRemedy}`);
  expect(error).toMatchObject({ failure: 'network', cause: code, notDone: true });
  expect(attempts).toEqual([]);
  await expect.poll(() => server.closed()).toBe(1);
  expect(server.heard()).toBe('');
});

it.each(['login', 'atp'] as const)(
  'names atp.caFile when the certificate of %s is not trusted',
  async (service) => {
    const server = await startServer(json({}), good);
    const { http } = createRig({ baseUrl: server.url, service });

    const error = await apiErrorOf(http.request(get));

    expect(error.hint).toBe(
      `The certificate of 127.0.0.1:${server.port} is signed by nobody who is trusted here. ` +
        'If a proxy that inspects TLS is in between, put its CA into atp.caFile.',
    );
  },
);

it('takes the pinned certificate whatever its name and signer', async () => {
  const server = await startServer(json({ ok: 1 }), factory);
  const tls = { fingerprint256: factory.fingerprint256 };

  await expect(createRig({ baseUrl: server.url, tls }).http.request(secretGet)).resolves.toMatchObject({
    body: { ok: 1 },
  });
});

it('compares the pin on each connection', async () => {
  const server = await startServer(json({}), factory);
  const { http } = createRig({ baseUrl: server.url, tls: { fingerprint256: factory.fingerprint256 } });

  for (let index = 0; index < 3; index += 1) await http.request({ ...secretGet, method: 'POST' });

  expect(server.connections()).toBe(3);
});

it('verifies certificates although the environment says not to', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const server = await startEavesdropper(factory);

  for (const tls of [{}, { ca: authority.ca }]) {
    const error = await apiErrorOf(createRig({ baseUrl: server.url, tls }).http.request(secretGet));
    expect(error).toMatchObject({ cause: 'DEPTH_ZERO_SELF_SIGNED_CERT', notDone: true });
  }
  expect(server.heard()).toBe('');
});

it('takes the pinned certificate even expired', async () => {
  const expired = authority.issue('DNS:old.example', -1);
  const server = await startServer(json({}), expired);
  const { http } = createRig({ baseUrl: server.url, tls: { fingerprint256: expired.fingerprint256 } });

  await expect(http.request(get)).resolves.toMatchObject({ status: 200 });
});

it('refuses every other certificate than the pinned one, trusted ones included, and sends nothing', async () => {
  const server = await startEavesdropper(good);
  const tls = { ca: authority.ca, fingerprint256: factory.fingerprint256 };
  const { http, attempts } = createRig({ baseUrl: server.url, tls });

  const error = await apiErrorOf(http.request({ ...secretGet, method: 'POST', json: { note: 'secret' } }));

  expect(error.message).toBe(
    'Detect cannot be reached: POST /x failed with a certificate that is not the pinned one',
  );
  expect(error.hint).toBe(
    `The SHA-256 fingerprint of the certificate presented is ${good.fingerprint256}, detect.fingerprint256 is ` +
      `${factory.fingerprint256}. Nothing was sent. If the certificate was replaced on purpose, put the new ` +
      'fingerprint into detect.fingerprint256.',
  );
  expect(error.notDone).toBe(true);
  expect(attempts).toEqual([]);
  await expect.poll(() => server.closed()).toBe(1);
  expect(server.heard()).toBe('');
});

it('takes any certificate when told to be insecure', async () => {
  const server = await startServer(json({}), factory);
  const { http } = createRig({ baseUrl: server.url, tls: { insecure: true } });

  await expect(http.request(get)).resolves.toMatchObject({ status: 200 });
});

it('still checks the pin when told to be insecure', async () => {
  const server = await startServer(json({}), factory);
  const tls = { insecure: true, fingerprint256: good.fingerprint256 };

  await expect(createRig({ baseUrl: server.url, tls }).http.request(get)).rejects.toThrow(
    'not the pinned one',
  );
  expect(server.received).toEqual([]);
});

it('says so when a port does not speak TLS', async () => {
  const server = await startServer(json({}));
  const baseUrl = server.url.replace('http:', 'https:');

  const error = await apiErrorOf(createRig({ baseUrl }).http.request({ ...secretGet, method: 'POST' }));

  expect(error.message).toMatch(/^Detect cannot be reached: POST \/x failed with (ERR_SSL|EPROTO)/);
  expect(error.hint).toBe(
    `TLS with 127.0.0.1:${server.port} did not come about. Check detect.url: is that port one for https?`,
  );
  expect(error.notDone).toBe(true);
});

it('repeats even a write after a handshake that was cut off, since nothing was sent', async () => {
  let connections = 0;
  const server = await startTcp((socket) => {
    connections += 1;
    socket.once('data', () => socket.resetAndDestroy());
  });
  const { http } = createRig({ baseUrl: server.url.replace('http:', 'https:') });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error).toMatchObject({ failure: 'network', cause: 'ECONNRESET', notDone: true });
  expect(connections).toBe(4);
});

it('counts the handshake into the time limit, and knows that nothing was sent', async () => {
  const server = await startTcp(() => undefined);
  const { http, attempts } = createRig({ baseUrl: server.url.replace('http:', 'https:'), timeoutMs: 50 });

  const error = await apiErrorOf(http.request({ method: 'POST', path: '/x' }));

  expect(error.message).toBe('Detect did not answer in time: POST /x');
  expect(error.hint).toBe(
    'There was no connection after 0.05 seconds. Check detect.url and the way there (firewall, proxy).',
  );
  expect(error.notDone).toBe(true);
  expect(attempts).toEqual([]);
});
