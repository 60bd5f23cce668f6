import type { Caller } from '../atp/client.ts';
import type { Case } from '../decide/case.ts';
import type { Rules } from '../decide/plan.ts';
import { isUnfinished, readTags } from '../decide/tags.ts';
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
  const unfinished = all
    .map(({ host, tags }) => ({ hostId: host.id, tags: readTags(tags, run.now()) }))
    .filter(({ tags }) => isUnfinished(tags));
  const list = createActionList(atp, all, { ...rules, now: run.now() });

  async function witnessesOf(hostId: number, machineIds: readonly string[]) {
    const others = unfinished
      .filter((other) => other.hostId !== hostId && other.tags.ids.some((id) => machineIds.includes(id)))
      .map(({ tags }) => tags);
    return { others, unanswered: await journal.unanswered(machineIds, run.now()) };
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
