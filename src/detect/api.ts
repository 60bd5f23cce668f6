import pLimit from 'p-limit';
import { ApiError, AuthError, MissingRightError } from '../errors.ts';
import type { HttpClient, HttpRequest } from '../http/http.ts';
import { answerTo, type Answer } from '../http/read-reply.ts';

/** One call, its path below `/api/v2.x`. */
export interface DetectCall extends Pick<
  HttpRequest,
  'method' | 'path' | 'query' | 'json' | 'idempotent' | 'subject' | 'maxBytes'
> {
  /** What the call needs to be allowed to do, for the message when it is not: `read hosts`. */
  right: string;
}

export interface DetectApi {
  /**
   * Sends a call when one of the ten connections is free; a function is asked for the call only then.
   * Rejects with an AuthError for 401 and 403, and with what the HTTP client rejects with.
   */
  request(call: DetectCall | (() => DetectCall)): Promise<Answer>;
  /** Likewise, and reads the answer; one that `read` calls unreadable is asked for again. */
  read<Value>(call: DetectCall, read: (answer: Answer) => Value): Promise<Value>;
}

const maxConcurrent = 10;

/** Makes the access to one Detect: base path, token, and what a refusal means. */
export function createDetectApi(options: { http: HttpClient; apiVersion: string; token: string }): DetectApi {
  const { http, apiVersion, token } = options;
  const connections = pLimit(maxConcurrent);
  const authorization = () => Promise.resolve(`Token ${token}`);

  function send<Value>(
    call: DetectCall | (() => DetectCall),
    read: (answer: Answer) => Value,
  ): Promise<Value> {
    return connections(async () => {
      const { right, ...request } = typeof call === 'function' ? call() : call;
      const path = `/api/v${apiVersion}${request.path}`;
      const named = { service: 'detect', method: request.method, path } as const;
      try {
        return await http.read({ ...request, path, authorization }, (reply) => read(answerTo(named, reply)));
      } catch (error) {
        throw refusal(error, right) ?? error;
      }
    });
  }

  return { read: send, request: (call) => send(call, (answer) => answer) };
}

/** The answer, or undefined for 404. */
export async function orGone<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Tells the answer that there is no such thing. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

function refusal(error: unknown, right: string): AuthError | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const words = error.serviceMessage === undefined ? '' : `: ${error.serviceMessage}`;
  if (error.status === 401) {
    return new AuthError(
      `Detect refused the API token (401)${words}`,
      'Copy the token anew from My Profile → API token in Detect to detect.token, detect.tokenFile or $ATP_DETECT_TOKEN.',
    );
  }
  if (error.status === 403) {
    return new MissingRightError(
      `Detect does not let the owner of the API token ${right} (403)${words}`,
      `Give the user whose token it is a role with the permission to ${right}.`,
    );
  }
  return undefined;
}
