import type { HttpClient } from '../http/http.ts';
import { createAtpClient, type AtpClient } from './client.ts';
import { createTokenSource, type TokenSource } from './token.ts';

/** The Microsoft side of a run. */
export interface Microsoft {
  token: TokenSource;
  atp: AtpClient;
}

/** Makes the login and Defender's client. What needs neither does without loading this file. */
export function createMicrosoft(
  options: Parameters<typeof createTokenSource>[0] & {
    /** For Defender's base URL, while `http` is for that of the login. */
    defender: HttpClient;
  },
): Microsoft {
  const { defender, ...login } = options;
  const token = createTokenSource(login);
  return { token, atp: createAtpClient({ http: defender, token, audience: login.config.audience }) };
}
