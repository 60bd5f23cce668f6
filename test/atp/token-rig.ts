import { createLogin, type LoginSettings } from '../../src/atp/login.ts';
import { createTokenSource, type TokenSource } from '../../src/http/token.ts';
import { createCache } from '../../src/local/cache.ts';
import type { Clock } from '../../src/clock.ts';
import type { Credential } from '../../src/config/credential.ts';
import { createLog } from '../../src/output/log.ts';
import { createHastyClock } from '../http/clocks.ts';
import { createRig } from '../http/rig.ts';

export const secret = 'sim~Secret+with/odd&chars=%7E';

export interface TokenRig {
  source: TokenSource;
  /** Every line that was logged. */
  lines: string[];
  /** Every value that was registered as secret. */
  registered: string[];
}

/** A source of tokens with real HTTP, a real log and, where a directory is given, a real cache. */
export function createTokenRig(
  config: LoginSettings,
  options: { clock?: Clock; cacheDir?: string; readOnly?: boolean } = {},
): TokenRig {
  const { clock = createHastyClock(), cacheDir: dir, readOnly = false } = options;
  const lines: string[] = [];
  const registered: string[] = [];
  const registerSecret = (value: string) => registered.push(value);
  const login = createLogin({
    http: createRig({ service: 'login', baseUrl: config.loginUrl, clock }).http,
    config,
    clock,
    log: createLog({
      level: 'debug',
      destination: {
        write(line: string) {
          lines.push(line);
        },
      },
      terminal: false,
      scrub: (line) => line,
    }),
    registerSecret,
    random: () => 1,
  });
  const cache = createCache({ dir, warn: (line) => lines.push(line), readOnly });
  const source = createTokenSource({ login, cache, clock, registerSecret });
  return { source, lines, registered };
}

/** The settings of an application for a login service that is reached at this address. */
export function settingsFor(
  loginUrl: string,
  credential: Credential = { kind: 'secret', secret },
): LoginSettings {
  return {
    loginUrl,
    tenantId: '9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77',
    appId: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
    credential,
    audience: 'https://api.securitycenter.microsoft.com',
  };
}
