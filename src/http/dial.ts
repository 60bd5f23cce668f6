import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Service } from '../errors.ts';
import { whenAborted } from './abort.ts';
import { ConnectError, errorCode } from './connect-error.ts';
import type { Trust } from './trust.ts';
import { assertPinned, certificateHint, createTlsOptions } from './trust.ts';
import { openTunnel } from './tunnel.ts';

/** Opens connections that are ready for a request: the other side is known to be the right one. */
export type Dial = () => Promise<Socket>;

/** The key of the configuration that says where a service is. */
export const urlKeys = {
  detect: 'detect.url',
  login: 'atp.loginUrl or atp.cloud',
  atp: 'atp.apiUrl or atp.cloud',
} as const satisfies Record<Service, string>;

/**
 * Makes the function that connects to a target, through a proxy if there is one. It rejects with a {@link ConnectError}.
 * TLS is complete, and the certificate accepted, before the connection is handed out: what fails here has
 * sent nothing of a request.
 */
export function createDial(options: {
  service: Service;
  target: URL;
  trust: Trust;
  proxy: URL | undefined;
  timeoutMs: number;
  /** Breaks connecting off. */
  stop: AbortSignal | undefined;
}): Dial {
  const { service, target, trust, proxy, timeoutMs, stop } = options;
  const isTls = target.protocol === 'https:';
  const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(target.port || (isTls ? 443 : 80));
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const tlsOptions = createTlsOptions(trust);

  async function openTcp(signal: AbortSignal): Promise<Socket> {
    const socket = connectTcp({ host, port, noDelay: true });
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      discard(socket);
      throw new ConnectError(errorCode(error) ?? 'no connection', {
        hint: `No connection to ${authority}. Check ${urlKeys[service]} and the way there (DNS, firewall, proxy).`,
      });
    }
  }

  async function startTls(tcp: Socket, signal: AbortSignal): Promise<Socket> {
    const socket = connectTls(tlsOptions(tcp, host));
    try {
      await once(socket, 'secureConnect', { signal });
      assertPinned(socket, trust);
      return socket;
    } catch (error) {
      discard(socket);
      if (error instanceof ConnectError) throw error;
      const code = errorCode(error);
      const isRefused = Boolean(socket.authorizationError);
      throw new ConnectError(code ?? 'a TLS failure', {
        isFinal: isRefused,
        isUntrusted: isRefused,
        hint: isRefused
          ? certificateHint(service, code, authority)
          : `TLS with ${authority} did not come about. Check ${urlKeys[service]}: is that port one for https?`,
      });
    }
  }

  return async function dial() {
    const giveUp = new AbortController();
    function abort(): void {
      giveUp.abort();
    }
    const timer = setTimeout(abort, timeoutMs);
    const forget = whenAborted(stop, abort);
    try {
      const tcp = proxy
        ? await openTunnel({ proxy, authority, ca: trust.ca, signal: giveUp.signal })
        : await openTcp(giveUp.signal);
      return isTls ? await startTls(tcp, giveUp.signal) : tcp;
    } finally {
      clearTimeout(timer);
      forget();
    }
  };
}

function discard(socket: Socket): void {
  socket.on('error', ignoreLateError);
  socket.destroy();
}

function ignoreLateError(): void {
  // The connection has been given up; what else goes wrong with it is of no interest, but must not end the process.
}
