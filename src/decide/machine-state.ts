import type { MachineAction } from '../atp/machine.ts';
import { readComment } from './comment.ts';
import { kinds, requestKinds, type RequestKind } from './kinds.ts';
import { isEndStatus, isOpenStatus, minuteOf } from './tags.ts';

/** Isolations and releases of one machine as Defender records them; the record can lag and can be incomplete. */
export type MachineRecord = readonly MachineAction[];

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** No longer does Defender let an action wait (learn.microsoft.com, respond-machine-alerts). */
export const longestWaitMs = 3 * dayMs;

/** Which request an action answers, if it is an isolation or a release. */
export function kindOf(action: MachineAction): RequestKind | undefined {
  return requestKinds.find((kind) => kinds[kind].type === action.type);
}

/**
 * A record brought up to date with a later reading, which may show less: Defender lists actions late, and each by one id.
 * An action that has ended does not open again: such a reading lags, or was made in a dry run, which only pretends to cancel.
 */
export function updatedRecord(record: MachineRecord, later: MachineRecord): MachineAction[] {
  const shown = new Set(later.map(({ id }) => id));
  const ended = new Map(
    record.filter(({ status }) => isEndStatus(status)).map((action) => [action.id, action]),
  );
  const current = later.map((action) =>
    isOpenStatus(action.status) ? (ended.get(action.id) ?? action) : action,
  );
  return [...current, ...record.filter(({ id }) => !shown.has(id))];
}

export function createdAt(action: MachineAction): number {
  return action.createdAt ?? 0;
}

/** Time of an action's last change. */
export function updatedAt(action: MachineAction): number {
  return action.updatedAt ?? createdAt(action);
}

/** The isolations and releases in the record, the one created last first. */
export function newestFirst(record: MachineRecord): MachineAction[] {
  return record
    .filter((action) => kindOf(action) !== undefined)
    .sort((one, other) => createdAt(other) - createdAt(one));
}

/** Of all isolations and releases that Succeeded, the one that did so last. */
export function lastSucceeded(record: MachineRecord): MachineAction | undefined {
  return newestFirst(record)
    .filter(({ status }) => status === 'Succeeded')
    .sort((one, other) => endedAt(other) - endedAt(one))[0];
}

/** An isolation at a time that is not told may be in force, and is not repeated. */
function endedAt(action: MachineAction): number {
  const isTimeless = action.createdAt === undefined && action.updatedAt === undefined;
  return isTimeless && kindOf(action) === 'isolate' ? Number.MAX_SAFE_INTEGER : updatedAt(action);
}

/** Tells whether an action is still to be carried out; one of an undocumented state is so for three days. */
export function isOpen({ status, createdAt }: MachineAction, now: number): boolean {
  if (isOpenStatus(status)) return true;
  return !isEndStatus(status) && (createdAt === undefined || now - createdAt < longestWaitMs);
}

/** The newest action of a kind that is Pending or InProgress. */
export function openAction(record: MachineRecord, kind: RequestKind): MachineAction | undefined {
  return newestFirst(record).find((action) => kindOf(action) === kind && isOpenStatus(action.status));
}

/**
 * Tells whether Defender has lifted an isolation by itself by now, which it need not record.
 * @param endsAfterMs after so long it does; 0: never
 */
export function hasLapsed({ createdAt }: MachineAction, endsAfterMs: number, now: number): boolean {
  return endsAfterMs > 0 && createdAt !== undefined && now - createdAt >= endsAfterMs;
}

/** The isolation in force: the last to succeed, unless it has lapsed. */
export function isolationInForce(
  record: MachineRecord,
  endsAfterMs: number,
  now: number,
): MachineAction | undefined {
  const last = lastSucceeded(record);
  return last && kindOf(last) === 'isolate' && !hasLapsed(last, endsAfterMs, now) ? last : undefined;
}

/**
 * The release that ended an isolation of which the host's tags still tell.
 * @param heldSince the host's newest `Manual block:`, if it has one
 */
export function releaseShown(
  record: MachineRecord,
  heldSince: number | undefined,
): MachineAction | undefined {
  const last = lastSucceeded(record);
  if (last === undefined || kindOf(last) !== 'release') return undefined;
  if (openAction(record, 'isolate') || openAction(record, 'release')) return undefined;
  if (heldSince === undefined || updatedAt(last) >= heldSince + 60_000) return last;
  const isBetween = ({ type, createdAt = 0 }: MachineAction) =>
    type === kinds.isolate.type && createdAt >= heldSince && createdAt <= updatedAt(last);
  return record.some(isBetween) ? last : undefined;
}

/** What tags, and the journal of earlier runs, tell of a machine beside Defender's record. */
export interface Told {
  /** They say that it is, or may be, isolated. */
  held: boolean;
  /** The newest `Manual block:` of those that say so. */
  block: number | undefined;
  /** The `Manual unblock:` of a release that has not come to its end. */
  openRelease: number | undefined;
  /** A call whose answer is not known. */
  unanswered: { kind: RequestKind; time: number } | undefined;
}

export const machineStates = [
  'unanswered',
  'silent, within an hour',
  'both open',
  'undocumented state',
  'isolation Pending',
  'isolation InProgress',
  'release Pending',
  'release InProgress',
  'isolated',
  'lapsed',
  'silent',
  'free',
] as const;
export type MachineState = (typeof machineStates)[number];

/** The state of a machine with the action that makes it so, if it is one. */
export interface Situation {
  state: MachineState;
  action?: MachineAction | undefined;
  /** Where an isolation and a release are open: the release. */
  second?: MachineAction | undefined;
}

/** What is known of a machine: the first state that applies. The only function of containment with conditions. */
export function stateOf(record: MachineRecord, told: Told, endsAfterMs: number, now: number): Situation {
  if (told.unanswered && !lists(record, told.unanswered)) return { state: 'unanswered' };
  if (isLate(record, 'isolate', told.held ? told.block : undefined, now))
    return { state: 'silent, within an hour' };

  const isolation = openAction(record, 'isolate');
  const release = openAction(record, 'release');
  if (isolation && release) return { state: 'both open', action: isolation, second: release };
  const odd = newestFirst(record).find((action) => !isOpenStatus(action.status) && isOpen(action, now));
  if (odd) return { state: 'undocumented state', action: odd };
  if (isolation) return { state: stateWhileOpen('isolation', isolation), action: isolation };
  if (release) return { state: stateWhileOpen('release', release), action: release };

  const last = lastSucceeded(record);
  if (last && kindOf(last) === 'isolate')
    return { state: hasLapsed(last, endsAfterMs, now) ? 'lapsed' : 'isolated', action: last };
  if (told.held && !reachesBack(record, told.block)) return { state: 'silent' };
  return { state: 'free', action: last };
}

function stateWhileOpen<Noun extends string>(noun: Noun, { status }: MachineAction) {
  return `${noun} ${status === 'Pending' ? 'Pending' : 'InProgress'}` as const;
}

/** Tells whether Defender may list the action of a tag's time only later. */
export function isLate(
  record: MachineRecord,
  kind: RequestKind,
  minute: number | undefined,
  now: number,
): boolean {
  if (minute === undefined || now - minute >= hourMs) return false;
  return !newestFirst(record).some(
    (action) =>
      minuteOf(createdAt(action)) >= minute && (kindOf(action) === kind || action.status === 'Succeeded'),
  );
}

/** Tells whether the record shows the action of a call of this program. Two clocks may differ by a little. */
function lists(record: MachineRecord, { kind, time }: { kind: RequestKind; time: number }): boolean {
  return record.some(
    (action) =>
      kindOf(action) === kind &&
      createdAt(action) >= time - 60_000 &&
      readComment(action.requestorComment) !== undefined,
  );
}

/**
 * Tells whether the record reaches as far as the tags do: it holds the isolation of that minute, or an isolation or a
 * release that Succeeded since. An action that came later and changed nothing, as a release that Failed, proves nothing;
 * nor does one in a state that nobody documents.
 */
function reachesBack(record: MachineRecord, minute: number | undefined): boolean {
  const known = newestFirst(record).filter(({ status }) => isOpenStatus(status) || isEndStatus(status));
  return known.some((action) => {
    // Without a time, any isolation may be the one.
    if (minute === undefined) return kindOf(action) === 'isolate' || action.status === 'Succeeded';
    if (kindOf(action) === 'isolate' && minuteOf(createdAt(action)) === minute) return true;
    const isLater = createdAt(action) >= minute || updatedAt(action) >= minute + 60_000;
    return action.status === 'Succeeded' && isLater;
  });
}
