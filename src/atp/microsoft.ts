import type { HttpClient } from '../http/http.ts';
import type { Cache } from '../local/cache.ts';
import { createAtpClient, type AtpClient } from './client.ts';
import { createLogin } from './login.ts';
import { createTokenSource, type TokenSource } from '../http/token.ts';

/** The Microsoft side of a run. */
export interface Microsoft {
  token: TokenSource;
  atp: AtpClient;
}

/** Makes the login and Defender's client. What needs neither does without loading this file. */
export function createMicrosoft(
  options: Parameters<typeof createLogin>[0] & {
    /** For Defender's base URL, while `http` is for that of the login. */
    defender: HttpClient;
    cache: Cache;
  },
): Microsoft {
  const { defender, config } = options;
  const token = createTokenSource({ ...options, login: createLogin(options) });
  return { token, atp: createAtpClient({ http: defender, token, audience: config.audience }) };
}
