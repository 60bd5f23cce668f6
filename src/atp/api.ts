import { ApiError } from '../errors.ts';
import type { HttpClient, HttpRequest } from '../http/http.ts';
import { answerTo, type Answer } from '../http/read-reply.ts';
import { refusalOf } from './refusals.ts';
import { isEnough, missingRole, refusedCall, refusedToken, type Role } from './rights.ts';
import { rolesOf, type TokenSource } from '../http/token.ts';

/** For whom Defender is asked, and how urgently. */
export interface Caller {
  /** The host's id in Detect; undefined for what concerns the whole run. */
  host: number | undefined;
  /** An enrichment leaves a part of each quota to actions. */
  priority: 'action' | 'enrichment';
}

/** One call, its path below `/api`. */
export interface AtpCall extends Pick<HttpRequest, 'method' | 'path' | 'query' | 'json' | 'maxBytes'> {
  caller: Caller;
  quota: string;
  role: Role;
}

export interface AtpApi {
  /**
   * Sends a call and reads the answer; one that `read` calls unreadable is asked for again where that does no harm.
   * Rejects with an AuthError when the token is refused, and with a MissingRightError when Defender refuses the call
   * (403) or the token is seen to lack the role, in which case the call is not sent.
   */
  read: <Value>(call: AtpCall, read: (answer: Answer) => Value) => Promise<Value>;
}

/** The whole path of a call; `/api` without a version is the newest. */
export function apiPath(path: string): string {
  return `/api${path}`;
}

/** Makes the access to Defender: base path, token, and what a refusal means. */
export function createAtpApi(options: { http: HttpClient; token: TokenSource; audience: string }): AtpApi {
  const { http, token, audience } = options;
  /** Roles that a fresh token lacked. What is granted in the middle of a run, the next run sees. */
  const lacking = new Map<Role, Error>();

  /** A token of an earlier run may be older than a role; only a fresh one is believed to lack it. */
  async function tokenFor(role: Role): Promise<string> {
    let current = await token.get();
    if (!isEnough(rolesOf(current), role) && token.cameFromCache(current)) {
      await token.drop(current);
      current = await token.get();
    }
    const roles = rolesOf(current);
    if (isEnough(roles, role)) return current;
    const error = missingRole(role, { audience, roles });
    lacking.set(role, error);
    throw error;
  }

  /** One attempt; what Defender refused, with the token that it refused. */
  async function attempt<Value>(
    call: AtpCall,
    read: (answer: Answer) => Value,
  ): Promise<{ value: Value } | { refused: ApiError; used: string }> {
    let used = '';
    const { caller, role, ...request } = call;
    const subject = caller.host === undefined ? {} : { subject: caller.host };
    async function authorization(): Promise<string> {
      used = await tokenFor(role);
      return `Bearer ${used}`;
    }
    const { priority } = caller;
    try {
      const path = apiPath(call.path);
      const whole = { ...request, ...subject, priority, path, authorization };
      const named = { service: 'atp', method: call.method, path } as const;
      return { value: await http.read(whole, (reply) => read(answerTo(named, reply))) };
    } catch (error) {
      if (error instanceof ApiError && isRefused(error, role)) return { refused: error, used };
      throw error;
    }
  }

  return {
    async read(call, read) {
      const known = lacking.get(call.role);
      if (known) throw known;
      let answer = await attempt(call, read);
      // A role granted since then is not in a token of an earlier run. A refused call was not carried out, so that even
      // an isolation may be asked for again.
      if ('refused' in answer && (answer.refused.status === 401 || token.cameFromCache(answer.used))) {
        await token.drop(answer.used);
        answer = await attempt(call, read);
      }
      if ('value' in answer) return answer.value;
      const { refused, used } = answer;
      const seen = { audience, roles: rolesOf(used) };
      throw refused.status === 401 ? refusedToken(refused, audience) : refusedCall(refused, call.role, seen);
    },
  };
}

/** Tells whether Defender refused the token or its rights, not the action on this one machine. */
function isRefused(error: ApiError, role: Role): boolean {
  if (error.service !== 'atp') return false;
  if (error.status === 401) return true;
  const isOfMachine = role === 'Machine.Isolate' && refusalOf(error) === 'restricted machine';
  return error.status === 403 && !isOfMachine;
}
