import type { HostStore, SimHost } from './hosts.ts';
import type { Settings } from './settings.ts';

/** Detect's search index: copies of hosts, as old as the settings and the tests want them. */
export interface SearchIndex {
  /** The hosts as the search sees them now, by id. */
  readonly view: () => SimHost[];
  /** From now on the search shows this host as it is now, even after its deletion. */
  readonly indexFreeze: (id: number) => void;
  readonly indexThaw: (id: number) => void;
}

interface Version {
  at: number;
  /** Undefined: deleted. */
  host: SimHost | undefined;
  print: string;
}

/** Follows the hosts of a store; `observe` is to be called around each change. */
export function createSearchIndex(
  store: HostStore,
  settings: Settings,
  clock: { now(): number },
): SearchIndex & { observe(): void } {
  const versions = new Map<number, Version[]>();
  const frozen = new Map<number, SimHost>();

  function observe(): void {
    if (settings.indexLagMs === 0) return;
    for (const id of new Set([...store.hosts.keys(), ...versions.keys()])) {
      const host = store.hosts.get(id);
      const list = versions.get(id) ?? [];
      const print = host ? JSON.stringify(host) : '';
      if (list.at(-1)?.print === print) continue;
      // A host seen for the first time has been in the index all along.
      list.push({ at: list.length === 0 ? -Infinity : clock.now(), host: structuredClone(host), print });
      versions.set(id, list);
    }
  }

  function indexed(): SimHost[] {
    if (settings.indexLagMs === 0) return [...store.hosts.values()];
    observe();
    const reached = clock.now() - settings.indexLagMs;
    return [...versions.values()].flatMap(
      (list) => list.findLast((version) => version.at <= reached)?.host ?? [],
    );
  }

  return {
    observe,
    view() {
      const current = indexed().filter((host) => !frozen.has(host.id));
      return [...current, ...frozen.values()].sort((one, other) => one.id - other.id);
    },
    indexFreeze(id) {
      frozen.set(id, structuredClone(store.host(id)));
    },
    indexThaw(id) {
      frozen.delete(id);
    },
  };
}
