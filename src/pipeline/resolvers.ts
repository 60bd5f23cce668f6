import type { Caller } from '../atp/client.ts';
import type { Case } from '../decide/case.ts';
import type { Rules } from '../decide/plan.ts';
import { isUnfinished, readTags, type TagState } from '../decide/tags.ts';
import { createActionList } from './action-list.ts';
import type { RunContext } from './context.ts';
import type { Inventory } from './inventory.ts';
import { readRecordOf } from './look-up.ts';
import type { Resolver } from './resolve.ts';

/** Makes what resolving works with, with as much shared between hosts as the care for each allows. */
export interface Resolvers {
  /** Reads everything for this host alone. */
  forAction(one: Case): Resolver;
  /** Reads one list of actions for all hosts. */
  forEnrichment(one: Case, inventory: Inventory | undefined): Resolver;
}

/** @param all every selected host: one that only waits for its action may have asked for it on the machine of another */
export function createResolvers(all: readonly Case[], rules: Rules, run: RunContext): Resolvers {
  const { detect, atp, journal } = run;
  const unfinished = unfinishedByMachine(all, run.now());
  const list = createActionList(atp, all, { ...rules, now: run.now() });

  async function witnessesOf(hostId: number, machineIds: readonly string[]) {
    const named = new Map(machineIds.flatMap((id) => [...(unfinished.get(id) ?? [])]));
    named.delete(hostId);
    return { others: [...named.values()], unanswered: await journal.unanswered(machineIds, run.now()) };
  }

  function common(caller: Caller) {
    const readWhole = (machineIds: readonly string[]) => readRecordOf(atp, machineIds, caller);
    return { detect, atp, caller, now: run.now(), rules, witnessesOf, readWhole };
  }

  return {
    forAction({ host }) {
      const shared = common({ host: host.id, priority: 'action' });
      const { readWhole } = shared;
      return { ...shared, readRecord: readWhole, isWhole: true, readMoved: (id) => readWhole([id]) };
    },
    forEnrichment({ host }, inventory) {
      const caller = { host: host.id, priority: 'enrichment' } as const;
      return {
        ...common(caller),
        inventory,
        isWhole: false,
        readRecord: (machineIds) => list.ofHeld({ machineIds, hostId: host.id }, caller),
        readMoved: (machineId) => list.ofMoved({ machineIds: [machineId], hostId: host.id }, caller),
      };
    },
  };
}

/** Hosts whose tags tell of an unfinished action, with these tags, by the machines that they name. */
function unfinishedByMachine(cases: readonly Case[], now: number): Map<string, Map<number, TagState>> {
  const found = new Map<string, Map<number, TagState>>();
  for (const { host, tags } of cases) {
    const state = readTags(tags, now);
    if (!isUnfinished(state)) continue;
    for (const id of state.ids) {
      const hosts = found.get(id) ?? new Map<number, TagState>();
      found.set(id, hosts.set(host.id, state));
    }
  }
  return found;
}
