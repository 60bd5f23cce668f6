import type { MachineAction } from '../atp/machine.ts';
import { readComment } from '../decide/comment.ts';
import { kinds } from '../decide/kinds.ts';
import { createdAt, isLate, newestFirst, stateOf, type MachineRecord } from '../decide/machine-state.ts';
import { isHeld, isUnfinished, type TagState } from '../decide/tags.ts';

/** What Defender's list says of a machine, in the words of `--status`. */
export type DefenderWord =
  | 'isolated'
  | 'lapsed'
  | 'free'
  | 'isolation Pending'
  | 'isolation InProgress'
  | 'release Pending'
  | 'release InProgress'
  | 'unknown';

/** What Defender's list says of one machine, and the action that makes it so. */
export interface MachineStatus {
  defender: DefenderWord;
  /** When that action was created, ISO 8601. */
  since: string | null;
  /** When Defender lifts the isolation by itself, ISO 8601. */
  until: string | null;
  /** Who asked for that action. */
  by: string | null;
}

/** Of a machine that Defender was not asked about, or whose record can lag. */
export const unknownStatus: MachineStatus = { defender: 'unknown', since: null, until: null, by: null };

/** The status of a machine by its record alone. */
export function machineStatus(record: MachineRecord, endsAfterMs: number, now: number): MachineStatus {
  const nobody = { held: false, block: undefined, openRelease: undefined, unanswered: undefined };
  const { state, action, second } = stateOf(record, nobody, endsAfterMs, now);
  switch (state) {
    case 'both open':
      return bothOpen(newestFirst([action, second].flatMap((each) => each ?? []))[0], endsAfterMs);
    case 'undocumented state':
      return told('unknown', action, endsAfterMs);
    case 'unanswered':
    case 'silent, within an hour':
    case 'silent':
      return unknownStatus;
    default:
      return told(state, action, endsAfterMs);
  }
}

/** Of an isolation and a release that are open at once, the newer one. */
function bothOpen(action: MachineAction | undefined, endsAfterMs: number): MachineStatus {
  return action ? machineStatus([action], endsAfterMs, createdAt(action)) : unknownStatus;
}

function told(defender: DefenderWord, action: MachineAction | undefined, endsAfterMs: number): MachineStatus {
  const { createdAt: since } = action ?? {};
  const isLifted = action?.type === kinds.isolate.type && endsAfterMs > 0;
  return {
    defender,
    since: isoOf(since),
    until: isLifted ? isoOf(since && since + endsAfterMs) : null,
    by: action ? requesterOf(action) : null,
  };
}

function isoOf(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}

function requesterOf({ requestor, requestorComment }: MachineAction): string | null {
  const comment = readComment(requestorComment);
  return comment ? `atp for tag ${comment.trigger}` : (requestor ?? null);
}

/** Tells whether Defender may list the action of which a host's tags tell only later. */
export function mayLag(tags: TagState, record: MachineRecord, now: number): boolean {
  const [block] = tags.times.isolate;
  const [release] = tags.times.release;
  return (
    (isHeld(tags) && isLate(record, 'isolate', block, now)) ||
    (isUnfinished(tags, 'release') && isLate(record, 'release', release, now))
  );
}

/** What the tags of a host claim of its machine, and which words of Defender's fit that. */
const fitting = {
  isolation: [
    'isolation Pending',
    'isolation InProgress',
    'isolated',
    'release Pending',
    'release InProgress',
  ],
  'open release': ['release Pending', 'release InProgress', 'free'],
  'no isolation': ['release Pending', 'release InProgress', 'free', 'lapsed'],
} as const satisfies Record<string, readonly DefenderWord[]>;

function claimOf(tags: TagState): keyof typeof fitting | undefined {
  if (isUnfinished(tags, 'release')) return 'open release';
  if (isHeld(tags)) return 'isolation';
  return tags.statuses.length > 0 ? 'no isolation' : undefined;
}

/** Tells whether a host's tags and Defender agree; null where Defender's word is not known. */
export function agrees(tags: TagState, defender: DefenderWord): boolean | null {
  if (defender === 'unknown') return null;
  const claim = claimOf(tags);
  const words: readonly DefenderWord[] | undefined = claim && fitting[claim];
  return words?.includes(defender) ?? true;
}
