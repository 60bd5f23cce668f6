import { lookup } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { Server as ProxyServer } from 'proxy-chain';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { errorsOf, logOf } from '../e2e/rig.ts';
import { createAuthority, createFactoryIdentity, type Identity } from '../http/certificates.ts';
import { listen } from '../http/server.ts';
import type { JsonObject } from '../simulator/json.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import { createImpatientClock, runInProcess, type InProcess } from './rig.ts';

const authority = createAuthority();
const trusted = authority.issue('IP:127.0.0.1,DNS:brain.example,DNS:login.example,DNS:api.example');
const factory = createFactoryIdentity();

let simulator: Simulator;
let dir: string;
let caFile: string;

beforeAll(async () => {
  simulator = await createSimulator();
  dir = await mkdtemp(join(tmpdir(), 'atp-network-'));
  caFile = join(dir, 'ca.pem');
  await writeFile(caFile, authority.ca);
});
afterAll(async () => {
  await simulator.close();
  await rm(dir, { recursive: true });
});
beforeEach(() => {
  simulator.world.addPair({ tags: ['host_context'] });
});
afterEach(() => {
  expect(simulator.world.violations).toEqual([]);
  for (const host of simulator.world.hosts.values()) host.tags = [];
  simulator.ledger.clear();
});

interface TlsFront {
  port: number;
  /** Bytes that came through TLS: what a server with that certificate gets to see. */
  received(): number;
}

/** Speaks TLS in front of a service of the simulator. */
async function startTls(identity: Identity, url: string): Promise<TlsFront> {
  let bytes = 0;
  const server = createTlsServer(identity, (secure) => {
    const plain = connect(Number(new URL(url).port), '127.0.0.1');
    for (const [one, other] of [
      [secure, plain],
      [plain, secure],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    secure.on('data', (chunk: Buffer) => (bytes += chunk.length));
    secure.pipe(plain).pipe(secure);
  });
  server.on('tlsClientError', () => undefined);
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
  });
  return { port, received: () => bytes };
}

/** TLS in front of all three services, with a certificate for each. */
async function startFronts(
  certificates: { detect?: Identity; login?: Identity; atp?: Identity } = {},
): Promise<Record<'detect' | 'login' | 'atp', TlsFront>> {
  return {
    detect: await startTls(certificates.detect ?? trusted, simulator.detectUrl),
    login: await startTls(certificates.login ?? trusted, simulator.loginUrl),
    atp: await startTls(certificates.atp ?? trusted, simulator.apiUrl),
  };
}

/** A configuration that reaches the services by TLS, and trusts the authority unless it is told otherwise. */
function configFor(
  { detect, login, atp }: Awaited<ReturnType<typeof startFronts>>,
  more: { detect?: JsonObject; atp?: JsonObject; http?: JsonObject; names?: boolean } = {},
): JsonObject {
  const at = (name: string, port: number) => `https://${more.names ? name : '127.0.0.1'}:${port}`;
  return simulator.config({
    detect: { url: at('brain.example', detect.port), caFile, ...more.detect },
    atp: {
      loginUrl: at('login.example', login.port),
      apiUrl: at('api.example', atp.port),
      caFile,
      ...more.atp,
    },
    http: { timeoutSeconds: 5, ...more.http },
  });
}

const args = ['--tag', 'host_context', '--verbose'];

function expectWorked({ code, stderr }: Pick<InProcess, 'stderr'> & { code: number | null }): void {
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect([...simulator.world.hosts.values()].at(-1)?.tags).not.toContain('host_context');
}

describe('certificates', () => {
  it('of an authority of your own are trusted on both sides when it is named for both', async () => {
    const fronts = await startFronts();

    expectWorked(await runAtp(args, { config: configFor(fronts) }));

    for (const front of Object.values(fronts)) expect(front.received()).toBeGreaterThan(0);
  });

  it('of Detect may be the factory one, when it is pinned; its pin is no trust for Microsoft', async () => {
    const fronts = await startFronts({ detect: factory, login: factory });
    const detect = { caFile: undefined, fingerprint256: factory.fingerprint256 };

    const result = await runInProcess(args, configFor(fronts, { detect }), { clock: createImpatientClock() });

    expect(result.code).toBe(69);
    expect(fronts.detect.received()).toBeGreaterThan(0);
    expect(fronts.login.received()).toBe(0);
  });

  it.each<[string, () => Identity, JsonObject, cause: string, hint: RegExp]>([
    [
      'another than the pinned one',
      () => trusted,
      { caFile: undefined, fingerprint256: factory.fingerprint256 },
      'a certificate that is not the pinned one',
      /^The SHA-256 fingerprint of the certificate presented is (?:[0-9A-F]{2}:){31}[0-9A-F]{2}, detect\.fingerprint256 is .* Nothing was sent\./u,
    ],
    [
      'one of an authority that nobody named',
      () => trusted,
      { caFile: undefined },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /signed by nobody who is trusted here\..*detect\.caFile.*detect\.fingerprint256/u,
    ],
    [
      'an expired one',
      () => authority.issue('IP:127.0.0.1', -1),
      {},
      'CERT_HAS_EXPIRED',
      /has expired, or the clock of this computer is wrong/u,
    ],
    [
      'one for another name',
      () => authority.issue('DNS:other.example'),
      {},
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /is for another name/u,
    ],
  ])('of Detect that is %s gets no byte of a request', async (_, identity, detect, cause, hint) => {
    const fronts = await startFronts({ detect: identity() });

    const result = await runInProcess(args, configFor(fronts, { detect }), { clock: createImpatientClock() });

    expect(result.code).toBe(69);
    const [error] = errorsOf(result);
    expect(error?.msg).toBe(`Detect cannot be reached: GET /api/v2.5/search/hosts failed with ${cause}`);
    expect(error?.hint).toMatch(hint);
    expect(fronts.detect.received()).toBe(0);
    expect(simulator.ledger.entries).toEqual([]);
  });

  it.each(['login', 'atp'] as const)(
    'of the %s service that nobody vouches for gets no byte, whatever detect.insecure says',
    async (service) => {
      const fronts = await startFronts({ detect: factory, [service]: factory });
      const detect = { caFile: undefined, insecure: true };

      const result = await runInProcess(args, configFor(fronts, { detect }), {
        clock: createImpatientClock(),
      });

      expect(result.code).toBe(69);
      expect(fronts.detect.received()).toBeGreaterThan(0);
      expect(fronts[service].received()).toBe(0);
      expect(result.stderr).toContain('put its CA into atp.caFile');
      const warnings = logOf(result).filter(({ level }) => level === 'warn');
      expect(warnings.map(({ msg }) => String(msg)).join('\n')).toMatch(/^detect\.insecure is set: /mu);
    },
  );
});

/** Resolves every name to this computer. */
const toThisComputer = new Proxy(lookup, {
  apply: (target, self, [, ...rest]: unknown[]): unknown =>
    Reflect.apply(target, self, ['127.0.0.1', ...rest]),
});

/** A forward proxy for which every name is this computer, and which can want a user and password. */
async function startProxy(password?: string): Promise<{ host: string; asked: string[] }> {
  const asked: string[] = [];
  const proxy = new ProxyServer({
    port: 0,
    host: '127.0.0.1',
    prepareRequestFunction(request) {
      asked.push(request.hostname);
      const requestAuthentication = password !== undefined && request.password !== password;
      return { requestAuthentication, dnsLookup: toThisComputer };
    },
  });
  await proxy.listen();
  onTestFinished(() => proxy.close(true));
  return { host: `127.0.0.1:${proxy.port}`, asked };
}

describe('a forward proxy', () => {
  it('of the environment takes every connection, and verification goes on through it', async () => {
    const fronts = await startFronts();
    const proxy = await startProxy();

    const env = { HTTPS_PROXY: `http://${proxy.host}` };
    const result = await runAtp(args, { config: configFor(fronts, { names: true }), env });

    expectWorked(result);
    expect([...new Set(proxy.asked)].toSorted()).toEqual(['api.example', 'brain.example', 'login.example']);
  });

  it('of the configuration gets its credentials, which nobody else sees', async () => {
    const fronts = await startFronts();
    const proxy = await startProxy('p:s/ü%');
    const http = { proxy: `http://svc:p%3As%2F%C3%BC%25@${proxy.host}` };

    const result = await runInProcess(args, configFor(fronts, { names: true, http }));

    expectWorked(result);
    expect(result.stderr).not.toMatch(/p%3As|p:s/u);
  });

  it('that says 401 to a wrong password, as tinyproxy does, is named as the one who refuses too', async () => {
    const fronts = await startFronts();
    const proxy = createServer();
    proxy.on('connect', (_request, socket) => socket.end('HTTP/1.0 401 Unauthorized\r\n\r\n'));
    const host = `127.0.0.1:${await listen(proxy)}`;
    onTestFinished(() => void proxy.close());
    const http = { proxy: `http://svc:wrong-password@${host}` };

    const config = configFor(fronts, { names: true, http });
    const result = await runInProcess(args, config, { clock: createImpatientClock() });

    expect(result.code).toBe(69);
    expect(errorsOf(result)).toEqual([
      {
        msg: 'Detect cannot be reached: GET /api/v2.5/search/hosts failed with 401 from the proxy (it refused the credentials)',
        hint: `The proxy ${host} wants a user and password that it knows. Check http.proxy (or HTTPS_PROXY).`,
      },
    ]);
  });

  it('that wants other credentials is named as the one who refuses', async () => {
    const fronts = await startFronts();
    const proxy = await startProxy('right-password');
    const http = { proxy: `http://svc:wrong-password@${proxy.host}` };

    const result = await runInProcess(args, configFor(fronts, { names: true, http }), {
      clock: createImpatientClock(),
    });

    expect(result.code).toBe(69);
    expect(errorsOf(result)).toEqual([
      {
        msg: 'Detect cannot be reached: GET /api/v2.5/search/hosts failed with 407 from the proxy (it refused the credentials)',
        hint: `The proxy ${proxy.host} wants a user and password that it knows. Check http.proxy (or HTTPS_PROXY).`,
      },
    ]);
    expect(result.stderr).not.toContain('wrong-password');
  });

  it('is not for the hosts of NO_PROXY, nor for this computer', async () => {
    const fronts = await startFronts();
    const proxy = await startProxy();
    const env = { https_proxy: `http://${proxy.host}`, no_proxy: 'brain.invalid,.corp.example' };
    const away = configFor(fronts, { detect: { url: `https://brain.invalid:${fronts.detect.port}` } });

    const exempt = await runInProcess(args, away, { env, clock: createImpatientClock() });
    const local = await runInProcess(args, configFor(fronts), { env });

    expect(exempt.code).toBe(69);
    expect(exempt.stderr).toMatch(/failed with (?:ENOTFOUND|EAI_AGAIN)/u);
    expectWorked(local);
    expect(proxy.asked).toEqual([]);
  });
});
