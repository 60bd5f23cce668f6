import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import axios from 'axios';
import type { Clock } from '../clock.ts';
import type { Service } from '../errors.ts';
import { abortReason, orAborted } from './abort.ts';
import { createAgents } from './agents.ts';
import { backoffMs } from './backoff.ts';
import { readBody } from './body.ts';
import { createDial } from './dial.ts';
import { longestPauseMs, type Limiter } from './limiter.ts';
import type { HttpResponse, Outcome } from './outcome.ts';
import { judgeAnswer, judgeFailure, judgeLateness, readOutcome } from './outcome.ts';
import type { ProxySettings } from './proxy.ts';
import { proxyFor } from './proxy.ts';
import type { HttpRequest } from './request.ts';
import { assertPath, bodyOf, headersOf, isIdempotent, queryOf, secretsOf } from './request.ts';
import type { Wire } from './transport.ts';
import { createTransport } from './transport.ts';
import type { Trust } from './trust.ts';
import { createTurns } from './turns.ts';
import { watchRequest } from './watch.ts';

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
const maxErrorBytes = 256 * 1024;

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
  /** Requests on the wire at the same time. */
  maxConcurrent: number;
  limiter?: Limiter;
  /** Breaks off reads, pauses and queues at once; a write that has left may go on for eight seconds. */
  stop?: AbortSignal;
  /** From 0 to 1, for the jitter of pauses. */
  random?: () => number;
  onAttempt?: (attempt: Attempt) => void;
}): HttpClient {
  const { service, timeoutMs, clock, limiter, stop, random = Math.random, onAttempt } = options;
  const base = new URL(options.baseUrl);
  const isTls = base.protocol === 'https:';
  const basePath = base.pathname.replace(/\/$/, '');
  const proxy = proxyFor(base, options.proxy);
  // Connecting ends a little after the attempt it is for, so that it is the attempt that runs out of time.
  const dialMs = timeoutMs + 100;
  const dial = createDial({
    service,
    target: base,
    trust: options.tls ?? {},
    proxy,
    timeoutMs: dialMs,
    stop,
  });
  const agents = createAgents(isTls, dial);
  const turns = createTurns({ clock, maxConcurrent: options.maxConcurrent, limiter, stop });

  async function send(request: HttpRequest, attempt: number, leaves: () => void): Promise<Outcome> {
    const authorization = await orAborted(request.authorization?.() ?? Promise.resolve(undefined), stop);
    stop?.throwIfAborted();
    const call = { service, method: request.method, path: request.path };
    const wire: Wire = { sent: false, failure: undefined, status: undefined };
    const watch = watchRequest({
      timeoutMs,
      clock,
      stop,
      mayFinish: () => wire.sent && request.method !== 'GET',
    });
    const began = clock.now();

    try {
      const answer = await axios.request<unknown>({
        url: base.origin,
        method: request.method,
        headers: headersOf(request, authorization),
        data: bodyOf(request),
        transport: createTransport({
          start: isTls ? httpsRequest : httpRequest,
          path: `${basePath}${request.path}${queryOf(request)}`,
          agent: isIdempotent(request) ? agents.shared : agents.single,
          wire,
          leaves,
        }),
        responseType: 'stream',
        signal: watch.signal,
        maxRedirects: 0,
        proxy: false,
        validateStatus: null,
        transformRequest: unchanged,
        transformResponse: unchanged,
      });
      const { status } = answer;
      wire.status = status;
      const maxBytes = status < 300 ? (request.maxBytes ?? defaultMaxBytes) : maxErrorBytes;
      const body = answer.data instanceof Readable ? await readBody(answer.data, maxBytes) : { text: '' };
      // An answer whose status tells the failure is worth more than the fact that its body did not arrive.
      if (watch.why() === undefined || (watch.why() === 'late' && status >= 300)) {
        const secrets = secretsOf(request, authorization);
        const header = (name: string): string | undefined => textOf(answer.headers[name]);
        return judgeAnswer({ call, status, header, body, maxBytes, now: clock.now(), secrets });
      }
    } catch (error) {
      wire.failure ??= error;
    } finally {
      watch.end();
      if (wire.sent) onAttempt?.({ ...call, status: wire.status, ms: clock.now() - began, attempt });
    }
    if (watch.why() === 'stopped') throw abortReason(stop);
    if (watch.why() === 'late') return judgeLateness(call, wire.sent, timeoutMs);
    return judgeFailure(call, wire.failure, wire.sent);
  }

  async function readAnswer<Value>(
    request: HttpRequest,
    read: (response: HttpResponse) => Value,
  ): Promise<Value> {
    assertPath(request.path);
    const key = request.quota ?? service;
    const queue = { key, quota: request.quota, priority: request.priority ?? 'enrichment' };
    let failures = 0;
    let refusals = 0;
    for (let attempt = 1; ; attempt += 1) {
      const sent = await turns.take(queue, (leaves) => send(request, attempt, leaves));
      const outcome = readOutcome(sent, read);
      if ('value' in outcome) return outcome.value;

      const { error, repeat } = outcome;
      const pauseMs = error.retryAfterMs ?? 0;
      if (error.status === 429 && pauseMs > 0 && request.quota !== undefined && limiter) {
        // A quota that others use too, or that is smaller than documented, is no failure: the limiter knows for how long to
        // wait, and gives up where that would take too long.
        limiter.hold(request.quota, clock.now() + pauseMs);
        refusals += 1;
        if (refusals < maxRefusals) continue;
      } else if (pauseMs <= longestPauseMs) {
        turns.pause(key, pauseMs);
      }
      failures += 1;
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

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function unchanged(data: unknown): unknown {
  return data;
}
