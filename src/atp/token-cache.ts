import { createHash, createHmac, randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import type { Cache } from '../local/cache.ts';
import type { LoginSettings } from './login.ts';

/** A token and the time it was issued and will expire at, milliseconds UTC by this machine's clock. */
export interface KeptToken {
  token: string;
  issuedAt: number;
  expiresAt: number;
}

export interface TokenCache {
  /** The token of an earlier run that used the same application and credential, unless it has expired. */
  read: (now: number) => Promise<KeptToken | undefined>;
  write: (token: KeptToken) => Promise<void>;
  remove: () => Promise<void>;
}

/** Entra ID issues tokens for about an hour, and for a day at most where it can revoke them. */
const longestLifeMs = 2 * 86_400_000;

const Entry = z.object({
  salt: z.string().check(z.minLength(16)),
  credential: z.string(),
  token: z.string().check(z.regex(/^[!-~]+$/u)),
  issuedAt: z.number(),
  expiresAt: z.number(),
});

/**
 * Keeps the token between runs. A file is for one application, tenant, login service and audience; it says, salted and
 * hashed, which credential the token was had for, so that a secret that was replaced does not live on in a token.
 */
export function createTokenCache(cache: Cache, settings: LoginSettings): TokenCache {
  const { loginUrl, tenantId, appId, audience, credential } = settings;
  const key = JSON.stringify([loginUrl, tenantId, appId, audience, credential.kind]);
  const name = `token-${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;

  function credentialHash(salt: string): string {
    const hmac = createHmac('sha256', salt);
    switch (credential.kind) {
      case 'secret':
        return hmac.update(credential.secret).digest('base64url');
      case 'certificate':
        return hmac.update(credential.certificate).update(credential.privateKey).digest('base64url');
      case 'federated':
        // The content of the file is another one every hour.
        return hmac.update(credential.tokenFile).digest('base64url');
    }
  }

  return {
    async read(now) {
      const { data } = Entry.safeParse(await cache.read(name));
      if (data === undefined || data.credential !== credentialHash(data.salt)) return undefined;
      const { token, issuedAt } = data;
      // The token's own time counts too, should the clock have been set since.
      const expiresAt = Math.min(data.expiresAt, expiryOf(token) ?? Infinity);
      const isPlausible = issuedAt <= now && expiresAt - issuedAt <= longestLifeMs;
      return isPlausible && expiresAt > now ? { token, issuedAt, expiresAt } : undefined;
    },
    async write(kept) {
      const salt = randomBytes(16).toString('base64url');
      await cache.write(name, { salt, credential: credentialHash(salt), ...kept });
    },
    remove: () => cache.remove(name),
  };
}

const Claims = z.record(z.string(), z.unknown());

/** The claims in a token, not verified: only its audience may rely on them. */
export function claimsOf(token: string): Record<string, unknown> | undefined {
  const payload = /^[\w-]+\.([\w-]+)\.[\w-]*$/u.exec(token)?.[1];
  if (payload === undefined) return undefined;
  try {
    return Claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  } catch {
    return undefined;
  }
}

function expiryOf(token: string): number | undefined {
  const exp = claimsOf(token)?.['exp'];
  return typeof exp === 'number' ? exp * 1000 : undefined;
}
