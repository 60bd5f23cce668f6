import * as z from 'zod/mini';
import type { Cache } from './cache.ts';
import type { Case } from '../decide/case.ts';
import { carriesContext } from '../decide/tags.ts';

/** When each host was last enriched and had its last turn, and since when it waits for one, remembered between runs. */
export interface Freshness {
  /** Hosts that only their scores selected, or an unfinished action beside them, enriched so recently that nothing need be asked, and that still carry it. */
  isFresh(selected: Pick<Case, 'host' | 'reasons'>, now: number): boolean;
  enriched(hostId: number, now: number): void;
  /** The host had its turn, whatever came of it. */
  served(hostId: number, now: number): void;
  /** The host could not have its turn. */
  postponed(hostId: number, now: number): void;
  /**
   * Negative when the first of two hosts is to have its turn before the other: first those that were postponed, the longest
   * ago first, then those whose last turn was longest ago. So every host has its turn, however many there are.
   */
  compare(one: number, other: number): number;
  /** Writes what has changed since the last time. */
  save(now: number): Promise<void>;
}

/** Milliseconds UTC; 0 for never. */
interface Times {
  enriched: number;
  turn: number;
  /** When it was postponed for the first time since its last turn. */
  waiting: number;
}

const time = z.number();
const KeptTimes = z.catch(z.array(z.tuple([time, time, time, time])), []);
/** More than the hosts of a large brain, in three megabytes; beyond it those that changed longest ago are forgotten. */
const mostHosts = 50_000;
const never: Times = { enriched: 0, turn: 0, waiting: 0 };

/** Reads the remembered times of one Detect; a cache that cannot be used forgets them. */
export async function loadFreshness(cache: Cache, cacheKey: string, maxAgeMs: number): Promise<Freshness> {
  const name = `enriched-${cacheKey}`;
  const kept = KeptTimes.parse(await cache.read(name));
  const times = new Map(
    kept.map(([id, enriched, turn, waiting]): [number, Times] => [id, { enriched, turn, waiting }]),
  );
  let changed = false;

  function of(hostId: number): Times {
    return times.get(hostId) ?? never;
  }

  /** What changed last comes last. */
  function put(hostId: number, now: Times): void {
    times.delete(hostId);
    times.set(hostId, now);
    changed = true;
  }

  return {
    isFresh({ host, reasons }, now) {
      const { enriched: at } = of(host.id);
      return (
        reasons.includes('tc') &&
        reasons.every((reason) => reason === 'tc' || reason === 'pending') &&
        at <= now &&
        now - at < maxAgeMs &&
        carriesContext(host.tags)
      );
    },
    enriched(hostId, now) {
      put(hostId, { enriched: now, turn: now, waiting: 0 });
    },
    served(hostId, now) {
      put(hostId, { ...of(hostId), turn: now, waiting: 0 });
    },
    postponed(hostId, now) {
      const { waiting, ...known } = of(hostId);
      put(hostId, { ...known, waiting: waiting || now });
    },
    compare(one, other) {
      const since = ({ waiting }: Times) => (waiting === 0 ? Number.MAX_SAFE_INTEGER : waiting);
      const [first, second] = [of(one), of(other)];
      return since(first) - since(second) || first.turn - second.turn;
    },
    async save(now) {
      if (!changed) return;
      changed = false;
      const rows = [...times]
        .map(([id, { enriched, turn, waiting }]) => [id, enriched, turn, waiting])
        // Times of a clock that ran ahead would keep a host back until then.
        .filter(([, ...row]) => row.every((at) => at <= now));
      await cache.write(name, rows.slice(-mostHosts));
    },
  };
}
