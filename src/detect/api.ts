import pLimit from 'p-limit';
import { ApiError, AuthError, MissingRightError } from '../errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http.ts';
import type { DetectAccess } from './access.ts';
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

/** Makes the calls to one Detect: base path, authorization, and what a refusal means. */
export function createDetectApi(options: {
  http: HttpClient;
  apiVersion: string;
  access: DetectAccess;
}): DetectApi {
  const { http, apiVersion, access } = options;
  const connections = pLimit(maxConcurrent);

  /** One attempt; where Detect refused the authorization, with what it refused. */
  async function attempt<Value>(
    request: Omit<HttpRequest, 'authorization'>,
    read: (reply: HttpResponse) => Value,
  ): Promise<{ value: Value } | { refused: ApiError; used: string }> {
    let used = '';
    async function authorization(): Promise<string> {
      used = await access.header();
      return used;
    }
    try {
      return { value: await http.read({ ...request, authorization }, read) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return { refused: error, used };
      throw error;
    }
  }

  function send<Value>(
    call: DetectCall | (() => DetectCall),
    read: (answer: Answer) => Value,
  ): Promise<Value> {
    return connections(async () => {
      const { right, ...request } = typeof call === 'function' ? call() : call;
      const path = `/api/v${apiVersion}${request.path}`;
      const named = { service: 'detect', method: request.method, path } as const;
      const again = () => attempt({ ...request, path }, (reply) => read(answerTo(named, reply)));
      try {
        let answer = await again();
        // A refused call was not carried out.
        if ('refused' in answer && (await access.refused(answer.used))) answer = await again();
        if ('value' in answer) return answer.value;
        throw answer.refused;
      } catch (error) {
        throw refusal(error, right, access.words) ?? error;
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

function refusal(error: unknown, right: string, words: DetectAccess['words']): AuthError | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const said = error.serviceMessage === undefined ? '' : `: ${error.serviceMessage}`;
  if (error.status === 401)
    return new AuthError(`Detect refused ${words.name} (401)${said}`, words.afterRefusal);
  if (error.status === 403) {
    return new MissingRightError(
      `Detect does not let ${words.owner} ${right} (403)${said}`,
      `${words.giveRight} with the permission to ${right}.`,
    );
  }
  return undefined;
}
