import { createAtpClient, type AtpClient } from '../../src/atp/client.ts';
import type { TokenSource } from '../../src/atp/token.ts';
import { createRig } from '../http/rig.ts';
import { startServer, type Answer, type Received } from '../http/server.ts';

export const audience = 'https://api.securitycenter.microsoft.com';
/** Whose calls tests make, unless it matters. */
export const asAction = { host: 7, priority: 'action' } as const;
export const asEnrichment = { host: 7, priority: 'enrichment' } as const;
export const machineId = '0e23b8b23abcdefabcdef6f877b45d19c04a522d';

/** Gives out `token-1` until that is dropped, then `token-2`, and so on. */
export function createTokens(isFirstCached = false): TokenSource & { dropped: string[] } {
  const dropped: string[] = [];
  return {
    dropped,
    get: () => Promise.resolve(`token-${dropped.length + 1}`),
    drop(token) {
      if (token === `token-${dropped.length + 1}`) dropped.push(token);
      return Promise.resolve();
    },
    cameFromCache: (token) => isFirstCached && token === 'token-1',
  };
}

/** A client and the server it talks to, whose answers are given in turn, the last one over and over. */
export async function startDefender(
  answers: Answer | Answer[],
  options: { isTokenCached?: boolean } = {},
): Promise<{
  atp: AtpClient;
  received: Received[];
  tokens: ReturnType<typeof createTokens>;
  quotas: string[];
}> {
  const server = await startServer(answers);
  const tokens = createTokens(options.isTokenCached);
  const quotas: string[] = [];
  const { http } = createRig({
    service: 'atp',
    baseUrl: server.url,
    limiter: {
      acquire(quota, priority) {
        quotas.push(`${quota} ${priority}`);
        return Promise.resolve(() => undefined);
      },
      hold: () => undefined,
      isHeld: () => false,
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
