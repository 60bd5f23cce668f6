import type { MachineAction } from '../atp/schema.ts';
import { isEndStatus, isOpenStatus, minuteOf, type RequestKind } from './tags.ts';

/** Isolations and releases of one machine as Defender records them; the record can lag and can be incomplete. */
export type MachineRecord = readonly MachineAction[];

/** Which request an action answers, if it is an isolation or a release. */
export function kindOf(action: MachineAction): RequestKind | undefined {
  if (action.type === 'Isolate') return 'isolate';
  return action.type === 'Unisolate' ? 'release' : undefined;
}

/**
 * A record brought up to date with a later reading, which may show less: Defender lists actions late, and each by one id.
 * An action that has ended does not open again: such a reading lags, or was made in a dry run, which only pretends to cancel.
 */
export function updatedRecord(record: MachineRecord, later: MachineRecord): MachineAction[] {
  const isShown = (action: MachineAction) => later.some(({ id }) => id === action.id);
  const ended = record.filter(({ status }) => isEndStatus(status));
  const current = later.map((action) =>
    isOpenStatus(action.status) ? (ended.find(({ id }) => id === action.id) ?? action) : action,
  );
  return [...current, ...record.filter((action) => !isShown(action))];
}

function createdAt(action: MachineAction): number {
  return action.createdAt ?? 0;
}

/** Time of an action's last change; Defender's own order where it names none. */
export function updatedAt(action: MachineAction): number {
  return action.updatedAt ?? createdAt(action);
}

/** The isolations and releases in the record, the one created last first. */
export function newestFirst(record: MachineRecord): MachineAction[] {
  return record
    .filter((action) => kindOf(action) !== undefined)
    .sort((one, other) => createdAt(other) - createdAt(one));
}

/** The isolation in force: of all that Succeeded, the one updated last is an isolation. */
export function isolationInForce(record: MachineRecord): MachineAction | undefined {
  const last = lastSucceeded(record);
  return last?.type === 'Isolate' ? last : undefined;
}

function lastSucceeded(record: MachineRecord): MachineAction | undefined {
  return newestFirst(record)
    .filter((action) => action.status === 'Succeeded')
    .reduce<MachineAction | undefined>(
      (last, action) => (last === undefined || updatedAt(action) > updatedAt(last) ? action : last),
      undefined,
    );
}

/** The newest action of a kind that has not come to its end. */
export function openAction(record: MachineRecord, kind: RequestKind): MachineAction | undefined {
  return newestFirst(record).find((action) => kindOf(action) === kind && isOpenStatus(action.status));
}

function isTimeless({ status, createdAt, updatedAt }: MachineAction): boolean {
  return status === 'Succeeded' && createdAt === undefined && updatedAt === undefined;
}

/**
 * An isolation or release in a state that Defender does not document, unless a later one has Succeeded; or one that
 * Succeeded at a time not told, so that nothing says what is in force.
 */
export function unclearAction(record: MachineRecord): MachineAction | undefined {
  const last = lastSucceeded(record);
  return newestFirst(record).find(
    (action) =>
      isTimeless(action) ||
      (!isOpenStatus(action.status) &&
        !isEndStatus(action.status) &&
        (last === undefined || updatedAt(action) >= updatedAt(last))),
  );
}

/**
 * Tells whether the record reaches as far as a host's tags do: it holds the isolation of the minute of the host's newest
 * `Manual block:` tag, or one or a release that Succeeded since. A record that does not proves nothing about that host;
 * nor does an action that came later and changed nothing, as a release that Failed.
 */
export function reachesBackTo(record: MachineRecord, minute: number): boolean {
  return record.some((action) => {
    if (kindOf(action) === 'isolate' && minuteOf(createdAt(action)) === minute) return true;
    const isLater = createdAt(action) >= minute || updatedAt(action) >= minute + 60_000;
    return kindOf(action) !== undefined && action.status === 'Succeeded' && isLater;
  });
}

/**
 * The release that ended an isolation which the host's tags still tell of.
 * @param heldSince minute of the host's newest `Manual block:` tag, if it has one
 */
export function releaseShown(
  record: MachineRecord,
  heldSince: number | undefined,
): MachineAction | undefined {
  const last = lastSucceeded(record);
  if (last?.type !== 'Unisolate' || openAction(record, 'isolate') || openAction(record, 'release'))
    return undefined;
  if (heldSince === undefined) return last;
  const endsTheBlock =
    updatedAt(last) >= heldSince + 60_000 ||
    record.some(
      (action) =>
        action.type === 'Isolate' && createdAt(action) >= heldSince && createdAt(action) <= updatedAt(last),
    );
  return endsTheBlock ? last : undefined;
}
