import type { IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { ConnectError, errorCode } from './connect-error.ts';

/**
 * Asks a proxy (`http:` or `https:`) to connect to `authority`, and resolves with the connection through it. Rejects with a
 * {@link ConnectError} that names the proxy without its credentials, which go to the proxy alone.
 */
export function openTunnel(options: {
  proxy: URL;
  /** `host:port` */
  authority: string;
  /** PEM of CAs that are trusted besides the system's, for a proxy that is spoken to by TLS. */
  ca: string | undefined;
  signal: AbortSignal;
}): Promise<Socket> {
  const { proxy, authority, ca, signal } = options;
  const isTls = proxy.protocol === 'https:';
  const hostname = proxy.hostname.replace(/^\[(.*)\]$/, '$1');

  return new Promise((resolve, reject) => {
    const request = (isTls ? httpsRequest : httpRequest)({
      method: 'CONNECT',
      hostname,
      port: proxy.port || (isTls ? 443 : 80),
      path: authority,
      headers: { Host: authority, ...authorizationOf(proxy) },
      agent: false,
      signal,
      // Node would take the name that the proxy's certificate must have from the Host header, which is the target's.
      servername: isIP(hostname) === 0 ? hostname : '',
      ...(isTls && ca !== undefined ? { ca: [...rootCertificates, ca] } : {}),
    });
    request.on('error', (error) => {
      reject(
        new ConnectError(`${errorCode(error) ?? 'no connection'} at the proxy`, {
          hint: `The proxy ${proxy.host} cannot be used. Check http.proxy (or HTTPS_PROXY).`,
        }),
      );
    });
    request.on('connect', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      } else {
        socket.destroy();
        reject(refusal(proxy, authority, status));
      }
    });
    request.end();
  });
}

function refusal(proxy: URL, authority: string, status: number): ConnectError {
  // 407 is what a proxy ought to answer; tinyproxy 1.11 answers 401 to a password that is wrong.
  if (status === 407 || status === 401) {
    return new ConnectError(`${status} from the proxy (it refused the credentials)`, {
      isFinal: true,
      hint: `The proxy ${proxy.host} wants a user and password that it knows. Check http.proxy (or HTTPS_PROXY).`,
    });
  }
  return new ConnectError(`${status} from the proxy`, {
    isFinal: status < 500 && status !== 429,
    hint: `The proxy ${proxy.host} did not connect to ${authority}.`,
  });
}

function authorizationOf(proxy: URL): Record<string, string> {
  if (proxy.username === '' && proxy.password === '') return {};
  const credentials = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
