import type { AtpClient, Caller } from '../atp/client.ts';
import { indexActions, type ActionIndex } from '../decide/action-index.ts';
import type { Case, RecordRead } from '../decide/case.ts';
import { longestWaitMs } from '../decide/machine-state.ts';
import { isHeld, isUnfinished, readTags, type TagState } from '../decide/tags.ts';
import { ApiError } from '../errors.ts';

const dayMs = 86_400_000;
/** Defender keeps its records for so long (learn.microsoft.com, data storage and privacy). */
const retentionMs = 180 * dayMs;

/** Whose actions are asked for: those of machines, and those that this program asked for on behalf of a host. */
export interface Whose {
  machineIds: readonly string[];
  hostId: number;
}

/** One list of machine actions for all hosts whose tags tell of one, whatever their number. */
export interface ActionList {
  /** As far back as the times of the hosts that are followed, or of those that are held. */
  ofHeld(whose: Whose, caller: Caller): Promise<RecordRead>;
  /** As far back as an isolation may be in force: for hosts whose `id:` tag is to give way to another. */
  ofMoved(whose: Whose, caller: Caller): Promise<RecordRead>;
}

/** Makes the lists of a run; each is read when it is first needed, and once. */
export function createActionList(
  atp: AtpClient,
  cases: readonly Case[],
  { brain, endsAfterMs, now }: { brain: string; endsAfterMs: number; now: number },
): ActionList {
  const reaches = cases.flatMap(({ tags }) => reachOf(readTags(tags, now), now) ?? []);
  const sinceHeld = reaches.reduce((oldest, reach) => Math.min(oldest, reach), now);
  const sinceMoved = beforeAnyInForce(endsAfterMs, now);
  const lists = new Map<number, Promise<ActionIndex>>();

  async function read(since: number, { machineIds, hostId }: Whose, caller: Caller): Promise<RecordRead> {
    try {
      // One call for all: it is worth what is kept for isolations and releases.
      const list =
        lists.get(since) ??
        atp
          .listActionsSince(since, { ...caller, priority: 'action' })
          .then((all) => indexActions(all, brain));
      lists.set(since, list);
      const { ofMachine, ofHost } = await list;
      const actions = [...machineIds.flatMap((id) => ofMachine.get(id) ?? []), ...(ofHost.get(hostId) ?? [])];
      return { record: [...new Set(actions)] };
    } catch (error) {
      if (error instanceof ApiError) return { unreadable: error.message };
      throw error;
    }
  }

  return {
    ofHeld: (whose, caller) => read(sinceHeld, whose, caller),
    ofMoved: (whose, caller) => read(Math.min(sinceMoved, sinceHeld), whose, caller),
  };
}

/** So far back an isolation may be in force, or an action open. */
export function beforeAnyInForce(endsAfterMs: number, now: number): number {
  return startOfDay(now - (endsAfterMs > 0 ? endsAfterMs + longestWaitMs : retentionMs));
}

/** A dry run and the run after it ask for the same. */
function startOfDay(time: number): number {
  return Math.floor(time / dayMs) * dayMs;
}

/** How far back a host's actions must be known: to the oldest time of the kind that its status names. */
export function reachOf(tags: TagState, now: number): number | undefined {
  if (!isHeld(tags) && !isUnfinished(tags)) return undefined;
  const kinds = tags.statuses.map(({ kind }) => kind);
  const times = [...(kinds.length > 0 ? kinds : (['isolate'] as const))].flatMap((kind) => tags.times[kind]);
  // A status without a time: an action ends by itself after three days.
  const beforeAnyOpen = startOfDay(now - longestWaitMs - dayMs);
  return Math.min(...times, ...(isUnfinished(tags) ? [beforeAnyOpen] : []), now);
}
