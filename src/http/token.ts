import { createHash, createHmac, randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import { AuthError, ConfigError } from '../errors.ts';
import type { Cache } from '../local/cache.ts';

/** Where the calls of an API have their token from. */
export interface TokenSource {
  /**
   * A token that is good for some minutes yet. It is fetched at most once at a time; a refusal is remembered for the
   * run. Rejects with an AuthError, a ConfigError, or an ApiError of the login service.
   */
  get: () => Promise<string>;
  /** Forgets a token that was refused, in memory and on disk, unless another has taken its place. */
  drop: (token: string) => Promise<void>;
  /** Tells whether the token was issued to an earlier run. */
  cameFromCache: (token: string) => boolean;
}

/** A login, and what its tokens are kept by. */
export interface Login {
  /** Asks for a token. Of a lifetime that is not told, the token is used in this run and not kept. */
  login: () => Promise<{ token: string; lifetimeMs: number | undefined }>;
  /** What a token is for: the service, who asks, and the resource. */
  key: readonly string[];
  /**
   * What tells the credential from those before it: a token does not outlive a secret that was replaced. Undefined
   * where that cannot be told: no token of an earlier run is used then.
   */
  credential: () => Promise<string | undefined>;
  /** As long before its end a token is renewed, milliseconds. @default as msal-node does it, 300,000 */
  renewalMs?: number;
}

/** Entra ID issues tokens for about an hour, and for a day at most where it can revoke them. */
const longestLifeMs = 2 * 86_400_000;

/** A token and the time it was issued and will expire at, milliseconds UTC by this machine's clock. */
interface KeptToken {
  token: string;
  issuedAt: number;
  expiresAt: number;
}

/** Makes the source of the tokens of one login; nothing is read or sent until a token is asked for. */
export function createTokenSource(options: {
  login: Login;
  cache: Cache;
  clock: Clock;
  /** Told of every token before it is used. */
  registerSecret: (secret: string) => void;
}): TokenSource {
  const { clock, registerSecret } = options;
  const { login, credential, renewalMs = 300_000 } = options.login;
  const cache = createTokenCache(options.cache, options.login.key);
  let current: KeptToken | undefined;
  let pending: Promise<KeptToken> | undefined;
  let refusal: AuthError | ConfigError | undefined;
  let isCacheRead = false;
  let cached: string | undefined;

  function isGood({ issuedAt, expiresAt }: KeptToken): boolean {
    // One with a short life is used for half of it.
    const margin = Math.min(renewalMs, (expiresAt - issuedAt) / 2);
    return clock.now() < expiresAt - margin;
  }

  async function fromCache(): Promise<KeptToken | undefined> {
    if (isCacheRead) return undefined;
    isCacheRead = true;
    const kept = await cache.read(await credential(), clock.now());
    if (kept === undefined || !isGood(kept)) return undefined;
    cached = kept.token;
    return kept;
  }

  async function fromLogin(): Promise<KeptToken> {
    try {
      const asked = await credential();
      const { token, lifetimeMs } = await login();
      const now = clock.now();
      const expiresAt = now + Math.min(lifetimeMs ?? longestLifeMs, longestLifeMs);
      const issued = { token, issuedAt: now, expiresAt };
      registerSecret(token);
      // A file may have been exchanged meanwhile, and the token be another's.
      const isSame = asked !== undefined && asked === (await credential());
      if (isSame && lifetimeMs !== undefined) await cache.write(asked, issued);
      return issued;
    } catch (error) {
      if (error instanceof AuthError || error instanceof ConfigError) refusal = error;
      throw error;
    }
  }

  async function obtain(): Promise<KeptToken> {
    const obtained = (await fromCache()) ?? (await fromLogin());
    registerSecret(obtained.token);
    current = obtained;
    return obtained;
  }

  return {
    async get() {
      if (refusal) throw refusal;
      if (current && isGood(current)) return current.token;
      pending ??= obtain().finally(() => {
        pending = undefined;
      });
      return (await pending).token;
    },
    async drop(token) {
      if (current?.token !== token) return;
      current = undefined;
      await cache.remove();
    },
    cameFromCache: (token) => token === cached,
  };
}

const Entry = z.object({
  salt: z.string().check(z.minLength(16)),
  credential: z.string(),
  token: z.string().check(z.regex(/^[!-~]+$/u)),
  issuedAt: z.number(),
  expiresAt: z.number(),
});

/** Keeps a token between runs, in a file for its key that says, salted and hashed, which credential it was had for. */
function createTokenCache(cache: Cache, key: readonly string[]) {
  const name = `token-${createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 40)}`;

  function hashed(credential: string, salt: string): string {
    return createHmac('sha256', salt).update(credential).digest('base64url');
  }

  return {
    /** The token of an earlier run that used the same credential, unless it has expired. */
    async read(credential: string | undefined, now: number): Promise<KeptToken | undefined> {
      if (credential === undefined) return undefined;
      const { data } = Entry.safeParse(await cache.read(name));
      if (data === undefined || data.credential !== hashed(credential, data.salt)) return undefined;
      const { token, issuedAt } = data;
      // The token's own time counts too, should the clock have been set since.
      const expiresAt = Math.min(data.expiresAt, expiryOf(token) ?? Infinity);
      const isPlausible = issuedAt <= now && expiresAt - issuedAt <= longestLifeMs;
      return isPlausible && expiresAt > now ? { token, issuedAt, expiresAt } : undefined;
    },
    async write(credential: string, kept: KeptToken): Promise<void> {
      const salt = randomBytes(16).toString('base64url');
      await cache.write(name, { salt, credential: hashed(credential, salt), ...kept });
    },
    remove: () => cache.remove(name),
  };
}

const Claims = z.record(z.string(), z.unknown());

/** The claims in a token, not verified: only its audience may rely on them. Undefined when it cannot be read. */
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

/**
 * The application permissions that a token carries, none when it has no such claim (Entra ID issues tokens without
 * roles); undefined when it is not a token that can be read. Nothing is verified: it is for words to a person.
 */
export function rolesOf(token: string): string[] | undefined {
  const claims = claimsOf(token);
  if (claims === undefined) return undefined;
  const { roles } = claims;
  return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
}
