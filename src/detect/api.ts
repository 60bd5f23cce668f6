import pLimit from 'p-limit';
import { ApiError, AuthError, MissingRightError } from '../errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http.ts';

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
  request(call: DetectCall | (() => DetectCall)): Promise<HttpResponse>;
  /** Likewise, and reads the answer; one that `read` calls unreadable is asked for again. */
  read<Value>(call: DetectCall, read: (reply: HttpResponse) => Value): Promise<Value>;
  /** The path as errors name it. */
  path(path: string): string;
}

const maxConcurrent = 10;

/** Makes the access to one Detect: base path, token, and what a refusal means. */
export function createDetectApi(options: { http: HttpClient; apiVersion: string; token: string }): DetectApi {
  const { http, apiVersion, token } = options;
  const connections = pLimit(maxConcurrent);
  const authorization = () => Promise.resolve(`Token ${token}`);

  function path(below: string): string {
    return `/api/v${apiVersion}${below}`;
  }

  function send<Value>(
    call: DetectCall | (() => DetectCall),
    read: (reply: HttpResponse) => Value,
  ): Promise<Value> {
    return connections(async () => {
      const { right, ...request } = typeof call === 'function' ? call() : call;
      try {
        return await http.read({ ...request, path: path(request.path), authorization }, read);
      } catch (error) {
        throw refusal(error, right) ?? error;
      }
    });
  }

  return { path, read: send, request: (call) => send(call, (reply) => reply) };
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
