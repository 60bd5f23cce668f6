import * as z from 'zod';
import type { Cache } from '../cache.ts';
import { carriesContext } from '../decide/tags.ts';
import type { SelectedHost } from './select.ts';

/** When each host was last enriched, remembered between runs. */
export interface Freshness {
  /** Hosts that only their scores selected, enriched so recently that nothing need be asked, and that still carry it. */
  isFresh(selected: SelectedHost, now: number): boolean;
  enriched(hostId: number, now: number): void;
  /** Milliseconds UTC of a host's last enrichment; 0 for one that was never enriched. */
  lastEnriched(hostId: number): number;
  save(now: number): Promise<void>;
}

const cacheName = 'enriched';
const KeptTimes = z.array(z.tuple([z.number(), z.number()])).catch([]);
/** More than the hosts of a large brain; beyond it the oldest times are forgotten. */
const mostHosts = 50_000;

/** Reads the remembered times; a cache that cannot be used forgets them. */
export async function loadFreshness(cache: Cache, cacheKey: string, maxAgeMs: number): Promise<Freshness> {
  const name = `${cacheName}-${cacheKey}`;
  const times = new Map(KeptTimes.parse(await cache.read(name)));
  let changed = false;

  return {
    isFresh({ host, reasons }, now) {
      const at = times.get(host.id);
      return (
        reasons.every((reason) => reason === 'tc') &&
        at !== undefined &&
        at <= now &&
        now - at < maxAgeMs &&
        carriesContext(host.tags)
      );
    },
    enriched(hostId, now) {
      times.delete(hostId);
      times.set(hostId, now);
      changed = true;
    },
    lastEnriched: (hostId) => times.get(hostId) ?? 0,
    async save(now) {
      if (!changed) return;
      const kept = [...times].filter(([, at]) => at <= now).slice(-mostHosts);
      await cache.write(name, kept);
    },
  };
}
