import { randomBytes } from 'node:crypto';
import { notFoundPage } from './detect-answers.ts';
import type { Answer, SimRequest } from './route.ts';
import type { Settings } from './settings.ts';

/** The login of Detect's API clients, and the tokens that it granted. */
export interface DetectLogin {
  /** `POST /api/v2.5/oauth2/token`. */
  token(version: string, request: SimRequest): Answer;
  /** Tells whether the Authorization header of a call is one that lets it in. */
  admits(version: string, authorization: string | undefined): boolean;
  /** Every token granted so far is refused from now on. */
  revoke(): void;
}

const refused: Answer = {
  status: 401,
  body: { error: 'Authentication Error. Please try reauthenticating using API client credentials.' },
};

/**
 * Grants access tokens to the API client of the settings: for Basic credentials and the form that Vectra documents, in
 * version 2.5 only. What else a client may send is refused as it is in Vectra's cloud, where that was seen.
 */
export function createDetectLogin(settings: Settings, clock: { now(): number }): DetectLogin {
  const tokens = new Map<string, number>();

  return {
    token(version, request) {
      const { apiClient } = settings;
      // A brain before 9.1 has no such page, nor have the other versions.
      if (version !== '2.5' || apiClient === undefined) return notFoundPage;
      const credentials = Buffer.from(`${apiClient.id}:${apiClient.secret}`).toString('base64');
      if (request.headers['authorization'] !== `Basic ${credentials}`) return refused;
      const isForm = /^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '');
      const form = new URLSearchParams(isForm ? request.text : '');
      if ([...form.keys()].join() !== 'grant_type' || form.get('grant_type') !== 'client_credentials')
        return { status: 400, body: { error: 'unsupported_grant_type' } };
      // As long as those that Vectra hands out.
      const token = `detect.${randomBytes(1_500).toString('base64url')}`;
      const { tokenSeconds } = apiClient;
      tokens.set(token, clock.now() + tokenSeconds * 1_000);
      return { status: 200, body: { access_token: token, expires_in: tokenSeconds, token_type: 'Bearer' } };
    },
    admits(version, authorization = '') {
      if (authorization === `Token ${settings.detectToken}`) return true;
      const [, token] = /^Bearer (\S+)$/.exec(authorization) ?? [];
      return version === '2.5' && token !== undefined && (tokens.get(token) ?? 0) > clock.now();
    },
    revoke: () => {
      tokens.clear();
    },
  };
}
