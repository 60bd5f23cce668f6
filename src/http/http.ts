import { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import axios from 'axios';
import type { Clock } from '../clock.ts';
import type { ApiError, Service } from '../errors.ts';
import { abortReason, limitTime, orAborted } from './abort.ts';
import type { Agents, Target, Trust } from './connection.ts';
import { createAgents } from './connection.ts';
import type { Body, HttpResponse, Outcome } from './judge.ts';
import { judgeAnswer, judgeFailure, judgeLateness, readOutcome } from './judge.ts';
import { longestPauseMs, type Limiter } from './limiter.ts';
import type { ProxySettings } from './proxy.ts';
import { proxyFor } from './proxy.ts';
import type { HttpRequest } from './request.ts';
import { assertPath, bodyOf, headersOf, isIdempotent, queryOf, secretsOf } from './request.ts';
import { backoffMs } from './retry-after.ts';

export type { HttpRequest, HttpResponse };

/** One request that was sent, told when it is over. */
export interface Attempt {
  service: Service;
  method: string;
  path: string;
  /** Undefined when no answer came. */
  status: number | undefined;
  ms: number;
  /** 1 for the first. */
  attempt: number;
}

export interface HttpClient {
  /**
   * Sends a request, several times if need be and allowed, and resolves with what a 2xx holds. Rejects with an ApiError
   * for every other end; with the reason of the signal to stop; with a PostponedError of the limiter; and with
   * whatever `authorization` rejects with.
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /**
   * Likewise, and resolves with what `read` makes of the answer. An ApiError that `read` throws is the failure of that
   * attempt: an answer of the wrong shape is asked for again like one that is not JSON.
   */
  read<Value>(request: HttpRequest, read: (response: HttpResponse) => Value): Promise<Value>;
}

/** Completes a client of which only `read` is known. */
export function withRequest(read: HttpClient['read']): HttpClient {
  return { read, request: (request) => read(request, (response) => response) };
}

const maxAttempts = 4;

/** How often a quota may refuse one request before that counts as a failure: others may be just as quick to take what is free. */
const maxRefusals = 10;

const defaultMaxBytes = 32 * 2 ** 20;

/** How long a write that is under way may go on after the signal to stop; the whole run has ten seconds to end. */
const graceMs = 8000;

/**
 * Makes the client for one service. All its requests go to the origin of `baseUrl`: redirects are not followed, and
 * nothing but `proxy` decides about a proxy. It alone knows axios, whose errors hold every secret of a
 * request and go no further than here.
 */
export function createHttp(options: {
  service: Service;
  baseUrl: string;
  /** For each attempt: connection, headers and body together. */
  timeoutMs: number;
  clock: Clock;
  tls?: Trust;
  proxy?: ProxySettings | undefined;
  limiter: Limiter;
  /** Breaks off reads, pauses and queues at once; a write that has left may go on for eight seconds. */
  stop?: AbortSignal;
  /** From 0 to 1, for the jitter of pauses. */
  random?: () => number;
  onAttempt?: (attempt: Attempt) => void;
}): HttpClient {
  const { service, timeoutMs, clock, limiter, stop, random = Math.random, onAttempt } = options;
  const base = new URL(options.baseUrl);
  const baseUrl = base.origin + base.pathname.replace(/\/$/, '');
  const proxy = proxyFor(base, options.proxy);
  const target: Target = {
    service,
    url: base,
    trust: options.tls ?? {},
    // Connecting ends a little after the attempt it is for, so that it is the attempt that runs out of time.
    timeoutMs: timeoutMs + 100,
    stop,
  };
  let made: Promise<Agents> | undefined;

  async function makeAgents(): Promise<Agents> {
    if (proxy === undefined) return createAgents(target);
    const { createProxyAgents } = await import('./proxy-agent.ts');
    return createProxyAgents(target, proxy);
  }

  async function send(request: HttpRequest, attempt: number): Promise<Outcome> {
    stop?.throwIfAborted();
    const authorization = await orAborted(request.authorization?.() ?? Promise.resolve(undefined), stop);
    made ??= makeAgents();
    const agents = await made;
    stop?.throwIfAborted();

    const { method, path, maxBytes = defaultMaxBytes } = request;
    const call = { service, method, path };
    const agent = isIdempotent(request) ? agents.shared : agents.single;
    const grace = method === 'GET' ? undefined : { ms: graceMs, clock };
    const limit = limitTime({ timeoutMs, stop, grace });
    const began = clock.now();
    let wasSent = true;
    let status: number | undefined;
    let failure: unknown;

    try {
      const answer = await axios.request<Readable>({
        url: baseUrl + path,
        params: request.query,
        paramsSerializer: { serialize: queryOf },
        method,
        headers: headersOf(request, authorization),
        data: bodyOf(request),
        httpAgent: agent,
        httpsAgent: agent,
        // As text, an answer that is late or too large would have no status.
        responseType: 'stream',
        maxContentLength: maxBytes,
        signal: limit.signal,
        maxRedirects: 0,
        proxy: false,
        validateStatus: null,
      });
      ({ status } = answer);
      const body = await readBody(answer.data);
      // An answer whose status tells the failure is worth more than the fact that its body did not arrive.
      if (!limit.signal.aborted || (status >= 300 && !(method === 'GET' && stop?.aborted))) {
        const secrets = secretsOf(request, authorization);
        const header = (name: string): string | undefined => textOf(answer.headers[name]);
        return judgeAnswer({ call, status, header, body, maxBytes, now: clock.now(), secrets });
      }
    } catch (error) {
      wasSent = mayHaveLeft(error);
      failure = error instanceof Error ? (error.cause ?? error) : error;
    } finally {
      limit.end();
      if (wasSent) onAttempt?.({ ...call, status, ms: clock.now() - began, attempt });
    }
    if (stop?.aborted && (method === 'GET' || !wasSent)) throw abortReason(stop);
    if (limit.signal.aborted) return judgeLateness(call, wasSent, timeoutMs);
    return judgeFailure(call, failure, wasSent);
  }

  /** Holds others back where the service asks for it. A longer wait than a minute is for its quota alone, if it has one. */
  function heed(request: HttpRequest, error: ApiError): void {
    const pauseMs = error.retryAfterMs ?? 0;
    if (pauseMs > 0 && (pauseMs <= longestPauseMs || isQuotaUsedUp(request, error)))
      limiter.hold(request.quota, clock.now() + pauseMs);
  }

  async function readAnswer<Value>(
    request: HttpRequest,
    read: (response: HttpResponse) => Value,
  ): Promise<Value> {
    assertPath(request.path);
    const turn = { quota: request.quota, priority: request.priority ?? 'enrichment', signal: stop };
    let failures = 0;
    let refusals = 0;
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await limiter.run(turn, async () => {
        const end = readOutcome(await send(request, attempt), read);
        // While the connection is not free yet: who gets it next is to know.
        if ('error' in end) heed(request, end.error);
        return end;
      });
      if ('value' in outcome) return outcome.value;

      const { error, repeat } = outcome;
      if (isQuotaUsedUp(request, error)) {
        // A quota that others use too, or that is smaller than documented, is no failure: the limiter knows for how long to
        // wait, and gives up where that would take too long.
        refusals += 1;
        if (refusals < maxRefusals) continue;
      }
      failures += 1;
      const pauseMs = error.retryAfterMs ?? 0;
      const mayRepeat = repeat === 'always' || (repeat === 'ifIdempotent' && isIdempotent(request));
      if (
        !mayRepeat ||
        failures === maxAttempts ||
        refusals === maxRefusals ||
        pauseMs > longestPauseMs ||
        stop?.aborted
      )
        throw error;
      if (pauseMs === 0) await clock.sleep(backoffMs(failures, random), stop);
    }
  }

  return withRequest(readAnswer);
}

/** Reads a body to its end, as UTF-8 (a byte order mark is dropped, broken bytes are replaced). */
async function readBody(stream: Readable): Promise<Body> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  } catch (error) {
    const isTooLarge = axios.isAxiosError(error) && error.code === 'ERR_BAD_RESPONSE';
    return { trouble: isTooLarge ? 'tooLarge' : 'brokenOff' };
  }
  return { text: new TextDecoder().decode(Buffer.concat(chunks)) };
}

/** False when it is certain that the request got no connection, on which alone it can leave. */
function mayHaveLeft(error: unknown): boolean {
  const request: unknown = axios.isAxiosError(error) ? error.request : undefined;
  return !(request instanceof ClientRequest && request.socket === null);
}

function isQuotaUsedUp({ quota }: HttpRequest, { status, retryAfterMs = 0 }: ApiError): boolean {
  return quota !== undefined && status === 429 && retryAfterMs > 0;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
