import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { Answer, Handler } from './route.ts';
import type { Settings } from './settings.ts';

/** An answer in Defender's error envelope. */
export function refuse(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Answer {
  return { status, headers, body: { error: { code, message, target: randomUUID() } } };
}

/** How Defender says that a token lacks a role; both sentences have been seen. */
const missing = {
  permissions: (needed: readonly string[]) =>
    `The application does not have any of the required application permissions (${needed.join(', ')}) to access the resource.`,
  roles: (needed: readonly string[], has: readonly string[]) =>
    `Missing application roles. API required roles: ${needed.join(',')}, application roles: ${has.join(',')}.`,
};

/** What the login service knows that Defender needs. */
export interface TokenAuthority {
  /** Address of the signing keys. */
  readonly keysUrl: string;
  isRevoked(tokenId: string): boolean;
}

/**
 * Stands before every call: verifies the bearer token, its roles, and counts the call against the quotas. Tokens of
 * another audience are another service's and lack every role.
 */
export function createGate(
  settings: Settings,
  clock: { now(): number },
  authority: TokenAuthority,
): (call: string, roles: readonly string[], handler: Handler) => Handler {
  const keys = createRemoteJWKSet(new URL(authority.keysUrl));
  const starts = new Map<string, number[]>();
  const unauthorized: Answer = { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: undefined };

  /** The roles of a valid token, `undefined` for any other. */
  async function rolesOf(authorization: string | undefined): Promise<readonly string[] | undefined> {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: `https://sts.windows.net/${settings.tenantId}/`,
        algorithms: ['RS256'],
        currentDate: new Date(clock.now()),
        requiredClaims: ['exp', 'iat', 'aud'],
      });
      if (authority.isRevoked(payload.jti ?? '')) return undefined;
      if (payload.aud !== settings.audience) return [];
      const { roles } = payload;
      return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  /** The refusal when the call is over its quota; otherwise the call is counted. */
  function overQuota(call: string): Answer | undefined {
    const { quotas } = settings;
    if (!quotas) return undefined;
    const now = clock.now();
    const earlier = (starts.get(call) ?? []).filter((at) => now - at < 3_600_000);
    const lastMinute = earlier.filter((at) => now - at < 60_000);
    const window =
      earlier.length >= quotas.perHour
        ? { ms: 3_600_000, from: earlier, limit: quotas.perHour, words: '01:00:00' }
        : lastMinute.length >= quotas.perMinute
          ? { ms: 60_000, from: lastMinute, limit: quotas.perMinute, words: '00:01:00' }
          : undefined;
    if (!window) {
      starts.set(call, [...earlier, now]);
      return undefined;
    }
    const free = (window.from[window.from.length - window.limit] ?? now) + window.ms;
    return refuse(
      429,
      '429',
      `API calls quota exceeded! maximum allowed ${window.limit} per ${window.words}`,
      {
        'retry-after': String(Math.max(1, Math.ceil((free - now) / 1000))),
      },
    );
  }

  return (call, needed, handler) => async (request) => {
    const roles = await rolesOf(request.headers['authorization']);
    if (!roles) return unauthorized;
    const { account } = settings;
    if (account === 'inactive') return refuse(401, 'Unauthorized', 'Account mode is inactive');
    if (account === 'unprovisioned') return refuse(403, 'Forbidden', 'Account is not provisioned');
    const over = overQuota(call);
    if (over) return over;
    if (!needed.some((role) => roles.includes(role))) {
      return refuse(403, 'Forbidden', missing[settings.missingRole](needed, roles));
    }
    return handler(request);
  };
}
