import type { Cache } from '../local/cache.ts';
import type { Clock } from '../clock.ts';
import { AuthError, ConfigError } from '../errors.ts';
import type { HttpClient } from '../http/http.ts';
import type { Log } from '../output/log.ts';
import { createLogin, type LoginSettings } from './login.ts';
import { claimsOf, createTokenCache, type KeptToken } from './token-cache.ts';

/** Where the calls to Defender have their token from. */
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

/** As long before its end a token is renewed as msal-node does it. */
const renewalMs = 300_000;

/** Makes the source of tokens for one application; nothing is read or sent until a token is asked for. */
export function createTokenSource(options: {
  /** For the login URL. */
  http: HttpClient;
  config: LoginSettings;
  cache: Cache;
  clock: Clock;
  log: Pick<Log, 'warn'>;
  /** Told of every token and assertion before it is used. */
  registerSecret: (secret: string) => void;
  /** From 0 to 1, for the jitter of pauses. */
  random?: () => number;
  /** Breaks off pauses. */
  stop?: AbortSignal;
}): TokenSource {
  const { config, clock, registerSecret } = options;
  const login = createLogin(options);
  const cache = createTokenCache(options.cache, config);
  let current: KeptToken | undefined;
  let pending: Promise<KeptToken> | undefined;
  let refusal: AuthError | ConfigError | undefined;
  let isCacheRead = false;
  let cached: string | undefined;

  function isGood({ issuedAt, expiresAt }: KeptToken): boolean {
    // One that lives for less than ten minutes is used for half its life.
    const margin = Math.min(renewalMs, (expiresAt - issuedAt) / 2);
    return clock.now() < expiresAt - margin;
  }

  async function fromCache(): Promise<KeptToken | undefined> {
    if (isCacheRead) return undefined;
    isCacheRead = true;
    const kept = await cache.read(clock.now());
    if (kept === undefined || !isGood(kept)) return undefined;
    cached = kept.token;
    return kept;
  }

  async function fromLogin(): Promise<KeptToken> {
    try {
      const { token, lifetimeMs } = await login();
      const now = clock.now();
      const issued = { token, issuedAt: now, expiresAt: now + lifetimeMs };
      registerSecret(token);
      await cache.write(issued);
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
