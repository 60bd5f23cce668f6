import { once } from 'node:events';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { checkServerIdentity, createSecureContext, rootCertificates, TLSSocket } from 'node:tls';
import type { Service } from '../errors.ts';
import { cleanText } from '../output/clean.ts';
import { limitTime } from './abort.ts';

/** How the other side of a TLS connection is recognised; without any of these by the system's CAs and its name. */
export interface Trust {
  /** PEM of CAs that are trusted besides the system's. */
  ca?: string | undefined;
  /** SHA-256 of the one certificate that is accepted, as Node.js prints it. Chain and name do not matter then. */
  fingerprint256?: string | undefined;
  /** Accepts any certificate. */
  insecure?: boolean | undefined;
}

/** What connections are made to, and how long that may take. */
export interface Target {
  service: Service;
  url: URL;
  trust: Trust;
  timeoutMs: number;
  /** Breaks connecting off. */
  stop: AbortSignal | undefined;
}

export interface Agents {
  /** Keeps connections for the next request. */
  shared: HttpAgent;
  /** A new connection for each request, for what must not be lost to a connection that has gone stale. */
  single: HttpAgent;
}

/** The key of the configuration that says where a service is. */
export const urlKeys = {
  detect: 'detect.url',
  login: 'atp.loginUrl or atp.cloud',
  atp: 'atp.apiUrl or atp.cloud',
} as const satisfies Record<Service, string>;

/**
 * How long an unused connection is kept. Common servers close theirs after five seconds or more: to be earlier than
 * they makes it rare that a request meets a connection that is just being closed.
 */
export const idleMs = 4000;

/** No connection came about that a request may use; nothing of the request has left this computer. */
export class ConnectError extends Error {
  readonly hint: string | undefined;
  /** True when another attempt would fail in the same way: a certificate that is not trusted, a login refused. */
  readonly isFinal: boolean;
  /** True when the other side is there, but its certificate was not accepted. */
  readonly isUntrusted: boolean;

  /** @param reason code or words that complete "… failed with" */
  constructor(reason: string, { hint, isFinal = false, isUntrusted = false }: Partial<ConnectError>) {
    super(reason);
    this.name = new.target.name;
    this.hint = hint;
    this.isFinal = isFinal;
    this.isUntrusted = isUntrusted;
  }
}

/** The code of a system, TLS or parser error. Its message is never used: it can hold what was sent. */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? cleanText(code, 64) : undefined;
}

/** Makes the agents that connect to a target without a proxy. */
export function createAgents(target: Target): Agents {
  const isTls = target.url.protocol === 'https:';
  // A session that is resumed brings no certificate to compare.
  const tls = isTls ? { ...tlsOptions(target), maxCachedSessions: 0 } : {};
  const Agent = isTls ? HttpsAgent : HttpAgent;
  return {
    shared: handingOutReady(new Agent({ ...tls, keepAlive: true, timeout: idleMs }), target),
    single: handingOutReady(new Agent({ ...tls, keepAlive: false }), target),
  };
}

/** Makes an agent hand out a connection only once it is ready; Node's agents take it through the callback then. */
function handingOutReady(agent: HttpAgent, target: Target): HttpAgent {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = function createConnection(options, callback) {
    const socket = connect(options);
    if (!(socket instanceof Socket)) throw new TypeError('the connection is no socket');
    const limit = limitTime(target);
    untilReady(socket, target, limit.signal)
      .then(
        () => callback?.(null, socket),
        (error: unknown) => callback?.(error instanceof Error ? error : new Error('no connection'), socket),
      )
      .finally(limit.end);
    return undefined;
  };
  return agent;
}

/** The options of TLS with a target, whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED). */
export function tlsOptions({ url, trust }: Target): ConnectionOptions {
  return {
    ALPNProtocols: ['http/1.1'],
    // A pinned certificate needs no chain and no name: it is compared when the connection is made.
    rejectUnauthorized: trust.fingerprint256 === undefined && trust.insecure !== true,
    // Over a proxy's connection, Node.js would compare the certificate of an address with the name of the proxy.
    checkServerIdentity: (_name, certificate) => checkServerIdentity(bareHost(url), certificate),
    // Reading the system's roots takes time, which each connection should not cost: one context does for all.
    ...(trust.ca === undefined ? {} : { secureContext: createSecureContext({ ca: authorities(trust.ca) }) }),
  };
}

/** The system's CAs and these. */
export function authorities(ca: string): string[] {
  return [...rootCertificates, ca];
}

/** The host without the brackets of an IPv6 address. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** `host:port`, the port of the scheme included. */
export function authorityOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}

/**
 * Resolves when a request may use the socket: it is connected and, with TLS, its certificate accepted or the pinned one.
 * Otherwise destroys it and rejects with a {@link ConnectError}.
 */
export async function untilReady(socket: Socket, target: Target, signal: AbortSignal): Promise<void> {
  let isConnected = !socket.connecting;
  socket.once('connect', () => {
    isConnected = true;
  });
  try {
    await once(socket, socket instanceof TLSSocket ? 'secureConnect' : 'connect', { signal });
    if (socket instanceof TLSSocket) assertPinned(socket, target.trust);
  } catch (error) {
    socket.on('error', ignoreLateError);
    socket.destroy();
    if (error instanceof ConnectError) throw error;
    if (isConnected) throw tlsFailure(error, target, socket);
    throw new ConnectError(errorCode(error) ?? 'no connection', {
      hint: `No connection to ${authorityOf(target.url)}. Check ${urlKeys[target.service]} and the way there (DNS, firewall, proxy).`,
    });
  }
}

function ignoreLateError(): void {
  // The connection has been given up; what else goes wrong with it is of no interest, but must not end the process.
}

/** Throws when the connection's certificate is not the pinned one. */
function assertPinned(socket: TLSSocket, { fingerprint256 }: Trust): void {
  const presented = socket.getPeerX509Certificate()?.fingerprint256;
  if (fingerprint256 === undefined || presented === fingerprint256) return;
  throw new ConnectError('a certificate that is not the pinned one', {
    isFinal: true,
    isUntrusted: true,
    hint:
      `The SHA-256 fingerprint of the certificate presented is ${presented ?? 'missing'}, ` +
      `detect.fingerprint256 is ${fingerprint256}. Nothing was sent. If the certificate was replaced on ` +
      'purpose, put the new fingerprint into detect.fingerprint256.',
  });
}

function tlsFailure(error: unknown, { service, url }: Target, socket: Socket): ConnectError {
  const code = errorCode(error);
  const isRefused = socket instanceof TLSSocket && Boolean(socket.authorizationError);
  const trouble = certificateTroubles[code ?? ''] ?? 'is signed by nobody who is trusted here.';
  return new ConnectError(code ?? 'a TLS failure', {
    isFinal: isRefused,
    isUntrusted: isRefused,
    hint: isRefused
      ? `The certificate of ${authorityOf(url)} ${trouble} ${certificateRemedy(service)}`
      : `TLS with ${authorityOf(url)} did not come about. Check ${urlKeys[service]}: is that port one for https?`,
  });
}

/** What is wrong with a certificate, by Node's code for the reason. */
const certificateTroubles: Record<string, string> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name.',
  CERT_HAS_EXPIRED: 'has expired, or the clock of this computer is wrong.',
  CERT_NOT_YET_VALID: 'is not valid yet, or the clock of this computer is wrong.',
};

function certificateRemedy(service: Service): string {
  if (service !== 'detect') return 'If a proxy that inspects TLS is in between, put its CA into atp.caFile.';
  return (
    'Put the CA that signed it into detect.caFile, or the SHA-256 fingerprint of the certificate, compared with ' +
    'that of the appliance, into detect.fingerprint256 (the only way with the factory certificate, whose name ' +
    'is "vectra"); detect.insecure accepts any certificate.'
  );
}
