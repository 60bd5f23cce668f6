import type { Clock } from '../../src/clock.ts';
import { ApiError } from '../../src/errors.ts';
import type { Attempt, HttpClient } from '../../src/http/http.ts';
import { createHttp } from '../../src/http/http.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import { parseNoProxy, type ProxySettings } from '../../src/http/proxy.ts';
import { createHastyClock } from './clocks.ts';

type Options = Parameters<typeof createHttp>[0];

/** A client with settings that suit most tests, and the log of its attempts. */
export function createRig(
  options: Partial<Options> & { baseUrl: string; clock?: Clock; maxConcurrent?: number },
): {
  http: HttpClient;
  attempts: Attempt[];
} {
  const { clock = createHastyClock(), maxConcurrent = 10, ...rest } = options;
  const attempts: Attempt[] = [];
  const http = createHttp({
    service: 'detect',
    timeoutMs: 5000,
    clock,
    limiter: createLimiter({ clock, maxConcurrent, windows: [] }),
    random: () => 1,
    onAttempt: (attempt) => attempts.push(attempt),
    ...rest,
  });
  return { http, attempts };
}

/** A proxy as the configuration has it. */
export function proxyAt(url: string, noProxy = ''): ProxySettings {
  return { url: new URL(url), noProxy: parseNoProxy(noProxy).noProxy };
}

/** The ApiError that the promise rejects with. */
export async function apiErrorOf(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof ApiError) return error;
  throw error instanceof Error ? error : new Error('not an error');
}

/** Any other error that the promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
}
