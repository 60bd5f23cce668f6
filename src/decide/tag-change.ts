import type { RequestKind } from './kinds.ts';
import {
  failureTags,
  historyTag,
  historyTime,
  isFailureTag,
  isMachineTag,
  isStatusTag,
  readTags,
  statusTag,
  type Status,
} from './tags.ts';

const keptTimes = 5;

/** An isolation or a release that was accepted, by the time at which Defender created it; milliseconds UTC. */
export interface Accepted {
  kind: RequestKind;
  time: number;
}

/** What a host's own tags are to become; what is left out stays as it is. */
export interface WantedTags {
  /** The whole set of machine tags. */
  machine?: readonly string[] | undefined;
  status?: Status | 'none' | undefined;
  failure?: RequestKind | 'none' | undefined;
  /** To remember; where there is none, not even the oldest times are touched. */
  accepted?: readonly Accepted[] | undefined;
}

export interface TagChange {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** Of one slot: the tags it is to hold, and those it holds. */
interface Slot {
  wanted: readonly string[];
  held: readonly string[];
}

/**
 * The smallest change that makes a host's own tags what is wanted; no foreign tag is ever in it.
 * @param now Defender's time, milliseconds UTC
 */
export function changeTags(current: readonly string[], wanted: WantedTags, now: number): TagChange {
  const slots = [
    wanted.machine && { wanted: wanted.machine, held: current.filter(isMachineTag) },
    wanted.status && { wanted: statusTags(wanted.status), held: current.filter(isStatusTag) },
    wanted.failure && { wanted: failureTagsOf(wanted.failure), held: current.filter(isFailureTag) },
    ...(wanted.accepted ?? []).map((accepted) =>
      historySlot(current, wanted.accepted ?? [], accepted.kind, now),
    ),
  ].filter((slot): slot is Slot => slot !== undefined);
  const target = new Set(slots.flatMap((slot) => slot.wanted));
  const held = new Set(current);
  // The `id:` tag comes first and goes last: a run that is killed in between leaves no status without its machine.
  const leaving = slots.toReversed().flatMap((slot) => slot.held);
  return {
    add: [...target].filter((tag) => !held.has(tag)),
    remove: [...new Set(leaving)].filter((tag) => !target.has(tag)),
  };
}

function statusTags(status: Status | 'none'): string[] {
  return status === 'none' ? [] : [statusTag(status.kind, status.status)];
}

function failureTagsOf(kind: RequestKind | 'none'): string[] {
  return kind === 'none' ? [] : [failureTags[kind]];
}

/** The newest five times of a kind, and always those that are to be remembered now: by them an action is followed. */
function historySlot(
  current: readonly string[],
  accepted: readonly Accepted[],
  kind: RequestKind,
  now: number,
): Slot {
  const held = current.filter((tag) => historyTime(tag)?.kind === kind);
  const fresh = accepted.filter((each) => each.kind === kind).map(({ time }) => historyTag(kind, time));
  // A time that lies ahead is nobody's, and the first to go.
  const newest = readTags([...held, ...fresh], now).times[kind];
  const kept = [...new Set(newest)].slice(0, keptTimes).map((time) => historyTag(kind, time));
  return { wanted: [...new Set([...fresh, ...kept])], held };
}

/** The tags of a host after a change. */
export function withChange(current: readonly string[], change: TagChange): string[] {
  const removed = new Set(change.remove);
  return [...current.filter((tag) => !removed.has(tag)), ...change.add];
}

export function isEmptyChange(change: TagChange): boolean {
  return change.add.length === 0 && change.remove.length === 0;
}
