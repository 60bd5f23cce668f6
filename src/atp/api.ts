import { ApiError, AuthError } from '../errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http.ts';
import type { TokenSource } from './token.ts';

/** Application permissions of the API WindowsDefenderATP, and what each is needed for. */
const uses = {
  'Machine.Read.All': 'find machines and read their actions',
  'Machine.Isolate': 'isolate and release machines, which --blocktag and --unblocktag need',
  'Alert.Read.All': 'read the alerts of machines',
} as const;

/** An application permission (app role) of Defender. */
export type Role = keyof typeof uses;

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
  /** Sends a call. 401 and 403 become an AuthError, after a new token was tried where that can help. */
  request: (call: AtpCall) => Promise<HttpResponse>;
  /** The same, but a 403 stays an ApiError, for calls whose permission is not essential. */
  requestIfAllowed: (call: AtpCall) => Promise<HttpResponse>;
}

/** The whole path of a call; `/api` without a version is the newest. */
export function apiPath(path: string): string {
  return `/api${path}`;
}

/** Makes the access to Defender: base path, token, and what a refusal means. */
export function createAtpApi(options: { http: HttpClient; token: TokenSource; audience: string }): AtpApi {
  const { http, token, audience } = options;

  /** One attempt, with the token it was made with, for the case that it is refused. */
  async function attempt(call: AtpCall): Promise<HttpResponse | { refused: ApiError; used: string }> {
    let used = '';
    async function authorization(): Promise<string> {
      used = await token.get();
      return `Bearer ${used}`;
    }
    const { caller, ...request } = call;
    const { host, priority } = caller;
    const subject = host === undefined ? {} : { subject: host };
    try {
      return await http.request({
        ...request,
        ...subject,
        priority,
        path: apiPath(call.path),
        authorization,
      });
    } catch (error) {
      const isRefusal = error instanceof ApiError && (error.status === 401 || error.status === 403);
      if (isRefusal && error.service === 'atp') return { refused: error, used };
      throw error;
    }
  }

  async function requestIfAllowed(call: AtpCall): Promise<HttpResponse> {
    let answer = await attempt(call);
    // A role granted since then is not in a token of an earlier run. A refused call was not carried out, so that even
    // an isolation may be asked for again.
    if ('refused' in answer && (answer.refused.status === 401 || token.cameFromCache(answer.used))) {
      await token.drop(answer.used);
      answer = await attempt(call);
    }
    if (!('refused' in answer)) return answer;
    if (answer.refused.status !== 401) throw answer.refused;
    throw new AuthError(
      `Defender refused a fresh access token: ${answer.refused.message}`,
      `The token was issued for ${audience}: check that atp.cloud, atp.audience and atp.apiUrl belong together.`,
    );
  }

  return {
    requestIfAllowed,
    async request(call) {
      try {
        return await requestIfAllowed(call);
      } catch (error) {
        if (error instanceof ApiError && error.status === 403 && error.service === 'atp') {
          throw refusal(error, call.role);
        }
        throw error;
      }
    },
  };
}

function refusal(error: ApiError, role: Role): AuthError {
  if (error.serviceCode === 'DisabledFeature') {
    return new AuthError(
      `Defender says that a feature of this tenant is disabled, without which the program cannot ${uses[role]}: ${error.message}`,
      'No permission helps here: the tenant lacks the licence, or the feature is switched off in its settings.',
    );
  }
  return new AuthError(
    `the application lacks the permission ${role} to ${uses[role]}: ${error.message}`,
    `Add the application permission ${role} of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent.`,
  );
}
