import { createAtpClient, type AtpClient } from '../../src/atp/client.ts';
import type { TokenSource } from '../../src/http/token.ts';
import { createRig } from '../http/rig.ts';
import { startServer, type Answer, type Received } from '../http/server.ts';

export const audience = 'https://api.securitycenter.microsoft.com';
/** Whose calls tests make, unless it matters. */
export const asAction = { host: 7, priority: 'action' } as const;
export const asEnrichment = { host: 7, priority: 'enrichment' } as const;
export const machineId = '0e23b8b23abcdefabcdef6f877b45d19c04a522d';

/** Gives out `token-1` until that is dropped, then `token-2`, and so on; or these tokens. */
export function createTokens(
  isFirstCached = false,
  tokens: readonly string[] = [],
): TokenSource & { dropped: string[] } {
  const dropped: string[] = [];
  const current = () => tokens[dropped.length] ?? `token-${dropped.length + 1}`;
  const first = current();
  return {
    dropped,
    get: () => Promise.resolve(current()),
    drop(token) {
      if (token === current()) dropped.push(token);
      return Promise.resolve();
    },
    cameFromCache: (token) => isFirstCached && token === first,
  };
}

/** A token as Entra ID issues it, with a signature that nobody looks at. */
export function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ typ: 'JWT', alg: 'RS256' })}.${part({ aud: audience, ...claims })}.c2ln`;
}

/** A client and the server it talks to, whose answers are given in turn, the last one over and over. */
export async function startDefender(
  answers: Answer | Answer[],
  options: { isTokenCached?: boolean; tokens?: readonly string[] } = {},
): Promise<{
  atp: AtpClient;
  received: Received[];
  tokens: ReturnType<typeof createTokens>;
  quotas: string[];
}> {
  const server = await startServer(answers);
  const tokens = createTokens(options.isTokenCached, options.tokens);
  const quotas: string[] = [];
  const { http } = createRig({
    service: 'atp',
    baseUrl: server.url,
    limiter: {
      run({ quota, priority }, task) {
        quotas.push(`${quota ?? ''} ${priority}`);
        return task();
      },
      hold: () => undefined,
      starts: () => ({}),
    },
  });
  return {
    atp: createAtpClient({ http, token: tokens, audience }),
    received: server.received,
    tokens,
    quotas,
  };
}
