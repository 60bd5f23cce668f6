import type { AgentOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { limitTime, whenAborted } from './abort.ts';
import type { Agents, Target } from './connection.ts';
import {
  authorities,
  authorityOf,
  ConnectError,
  errorCode,
  idleMs,
  tlsOptions,
  untilReady,
} from './connection.ts';

type ConnectArguments = Parameters<HttpsProxyAgent<string>['connect']>;

/** Makes the agents that connect to a target through a proxy (`http:` or `https:`). Only runs with a proxy load this file. */
export function createProxyAgents(target: Target, proxy: URL): Agents {
  return {
    shared: new TunnelAgent(target, proxy, { keepAlive: true }),
    single: new TunnelAgent(target, proxy, { keepAlive: false }),
  };
}

/** Hands out a connection only once it is ready for a request, and never takes the proxy's answer for the target's. */
class TunnelAgent extends HttpsProxyAgent<string> {
  readonly #target: Target;
  readonly #tls: ConnectionOptions;

  constructor(target: Target, proxy: URL, options: AgentOptions) {
    const { service, trust } = target;
    const bare = new URL(proxy);
    bare.username = '';
    bare.password = '';
    // What the package knows of its own URL, it prints for DEBUG=*: the credentials go into the header alone.
    super(bare, {
      ...options,
      noDelay: true,
      headers: () => authorizationOf(proxy),
      rejectUnauthorized: true,
      // The brain's CA vouches for the brain; that of the Microsoft side is there for proxies.
      ...(service === 'detect' || trust.ca === undefined ? {} : { ca: authorities(trust.ca) }),
    });
    this.options = { ...this.options, timeout: idleMs };
    this.#target = target;
    this.#tls = tlsOptions(target);
  }

  override async connect(...[request, options]: ConnectArguments): Promise<Socket> {
    const limit = limitTime(this.#target);
    try {
      const socket = await this.#open(request, { ...options, ...this.#tls } as typeof options, limit.signal);
      await untilReady(socket, this.#target, limit.signal);
      return socket;
    } finally {
      limit.end();
    }
  }

  /** The connection through the proxy, TLS with the target begun. */
  async #open(...[request, options, signal]: [...ConnectArguments, AbortSignal]): Promise<Socket> {
    let status: number | undefined;
    // Once the proxy has answered, nobody hears an error of its socket any more: the signal is for the socket of TLS then.
    const opening = new AbortController();
    const forget = whenAborted(signal, () => {
      opening.abort();
    });
    request.once('proxyConnect', ({ statusCode }: { statusCode: number }) => {
      status = statusCode;
      forget();
    });
    // The package makes its socket from this before it waits for anything, so that each can have a signal of its own.
    this.connectOpts = { ...this.connectOpts, signal: opening.signal };
    let socket: Socket;
    try {
      socket = await super.connect(request, options);
    } catch (error) {
      const code = errorCode(error);
      throw new ConnectError(code === undefined ? noAnswer : `${code} at the proxy`, {
        hint: `The proxy ${this.proxy.host} cannot be used. Check http.proxy (or HTTPS_PROXY).`,
      });
    }
    if (status === 200) return socket;
    // The package would have Node.js read the proxy's refusal from this socket as the answer to the request.
    socket.destroy();
    throw refusal(this.proxy, authorityOf(this.#target.url), status);
  }
}

const noAnswer = 'no HTTP answer from the proxy';

function refusal(proxy: URL, authority: string, status: number | undefined): ConnectError {
  // 407 is what a proxy ought to answer; tinyproxy 1.11 answers 401 to a password that is wrong.
  if (status === 407 || status === 401) {
    return new ConnectError(`${status} from the proxy (it refused the credentials)`, {
      isFinal: true,
      hint: `The proxy ${proxy.host} wants a user and password that it knows. Check http.proxy (or HTTPS_PROXY).`,
    });
  }
  const isStatus = status !== undefined && Number.isInteger(status);
  return new ConnectError(isStatus ? `${status} from the proxy` : noAnswer, {
    isFinal: isStatus && status < 500 && status !== 429,
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
