import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { Cache } from './cache.ts';

/** Start times of calls, by quota; milliseconds UTC. */
type Starts = Record<string, number[]>;

/** The calls of the last hour to one Defender, which count against its quotas in the next runs too. */
export interface CallLog {
  /** Those of earlier runs; a time ahead is of a clock that was wrong. */
  earlier(now: number): Promise<Starts>;
  /** Keeps these, beside those that another run has written for another Detect by the same application. */
  keep(starts: Starts, now: number): Promise<void>;
}

const hourMs = 3_600_000;
const KeptStarts = z.catch(z.record(z.string(), z.array(z.number())), {});

/** Opens the log of one application: the quotas are its own (MicrosoftDocs/microsoft-365-docs issue 10124). */
export function openCallLog(
  cache: Cache,
  { apiUrl, tenantId, appId }: { apiUrl: string; tenantId: string; appId: string },
): CallLog {
  const key = createHash('sha256').update([apiUrl, tenantId, appId].join('\n')).digest('hex');
  const name = `calls-${key.slice(0, 16)}`;

  async function kept(isWanted: (start: number) => boolean): Promise<Starts> {
    const stored = Object.entries(KeptStarts.parse(await cache.read(name)));
    return Object.fromEntries(stored.map(([quota, starts]) => [quota, starts.filter(isWanted)]));
  }

  return {
    earlier: (now) => kept((start) => start <= now),
    async keep(starts, now) {
      const others = await kept((start) => now - start < hourMs && start <= now);
      const quotas = new Set([...Object.keys(starts), ...Object.keys(others)]);
      const merged = [...quotas].map((quota): [string, number[]] => {
        const own = new Set(starts[quota]);
        const foreign = (others[quota] ?? []).filter((start) => !own.has(start));
        return [quota, [...(starts[quota] ?? []), ...foreign].sort((one, other) => one - other)];
      });
      await cache.write(name, Object.fromEntries(merged));
    },
  };
}
