import type { MachineAction } from '../atp/machine.ts';
import { untoldAction } from './answer.ts';
import { isOwnAction, readComment } from './comment.ts';
import { unchanged, type Consequence } from './consequences.ts';
import { actionUnknown, followed, lapsed, releasedByOthers, takenUp, type Telling } from './events.ts';
import { kinds } from './kinds.ts';
import {
  createdAt,
  isOpen,
  isolationInForce,
  kindOf,
  longestWaitMs,
  newestFirst,
  releaseShown,
  type MachineRecord,
} from './machine-state.ts';
import {
  isEndStatus,
  isHeld,
  isUnfinished,
  minuteOf,
  triggersAmong,
  type Status,
  type TagState,
} from './tags.ts';

/** How late Defender may list an action. */
const lagMs = 3_600_000;

/** What Defender's record tells of a host's machine and the host's tags do not. */
export interface News {
  events: readonly Consequence[];
  /** The tags call the machine isolated, and it surely is not any more. */
  endsHold: boolean;
  /** The release that ended the hold. */
  release?: MachineAction | undefined;
  /** An action that no tag tells of holds the host to its machine. */
  holds: boolean;
  /** A status tag speaks of an action that is not listed: the machine's own record must tell what becomes of the tag. */
  isUnclear: boolean;
}

/** Defender's actions, as far as they were read for one host. */
export interface Listed {
  /** Of the host's machine, and this host's own on other machines. */
  record: MachineRecord;
  /** Ids under which Defender keeps the machine's actions. */
  machineIds: readonly string[];
  /** It is the machine's own record; a list of many machines may not reach back far enough. */
  isWhole: boolean;
  /** The host's tags: while the trigger that asked for an action is among them, its request tells how the action ended. */
  carried: readonly string[];
}

/** Reads the news for one host. */
export function newsOf(
  tags: TagState,
  { record, machineIds, isWhole, carried }: Listed,
  telling: Telling,
): News {
  const { owner, endsAfterMs, now } = telling;
  const ofMachine = record.filter(({ machineId }) => machineIds.includes(machineId));
  const untold = untoldAction(ofMachine, { owner, tags, endsAfterMs, now });
  const events: Consequence[] = [];
  let isUnclear = false;

  for (const status of tags.statuses) {
    if (isEndStatus(status.status)) continue;
    const action = followedAction(record, machineIds, status, tags, telling);
    if (action && isLeftToRequest(action, carried, telling)) events.push(leftToRequest(action));
    else if (action) events.push(followed(status.kind, status.status, action, telling));
    else if (isListedLater(status, tags, now)) events.push(notListedYet(status));
    else if (!isWhole) isUnclear = true;
    else events.push(putRight(status, ofMachine, untold, telling));
  }
  const isFollowed = isUnfinished(tags);
  const isMoot = events.some(({ event }) => event === 'action unknown to Defender');
  if (untold && !isFollowed) events.push(takenUp(untold, telling));

  const shown = isFollowed && !isSettled(events) ? undefined : releaseOf(tags, ofMachine);
  const release = shown && !isLeftToRequest(shown, carried, telling) ? shown : undefined;
  if (release && !events.some(({ action }) => action?.id === release.id))
    events.push(releasedByOthers(release, telling));
  const over = !release && !isFollowed && !untold ? overNews(tags, ofMachine, telling) : undefined;
  if (over) events.push(...over.events);
  return {
    events,
    endsHold: release !== undefined || isMoot || over?.isOver === true,
    release,
    holds: untold !== undefined || events.some(({ event }) => event === 'taken up'),
    isUnclear,
  };
}

/** An end that the tags told would leave the trigger without its answer: it would ask again. */
function isLeftToRequest(action: MachineAction, carried: readonly string[], { owner }: Telling): boolean {
  const trigger = isOwnAction(action, owner) ? readComment(action.requestorComment)?.trigger : undefined;
  return trigger !== undefined && isEndStatus(action.status) && triggersAmong(carried, [trigger]).length > 0;
}

function leftToRequest({ id }: MachineAction): Consequence {
  return unchanged(`the end of action ${id} is left to its request, whose trigger tag is still on the host`);
}

/** Tells whether a followed action has come to its end, so that a release after it can be told. */
function isSettled(events: readonly Consequence[]): boolean {
  return events.some(
    ({ status }) => status !== undefined && status !== 'none' && status.status === 'Succeeded',
  );
}

function releaseOf(tags: TagState, ofMachine: MachineRecord): MachineAction | undefined {
  const isIsolated =
    isHeld(tags) && !tags.statuses.some(({ kind, status }) => kind === 'release' && !isEndStatus(status));
  return isIsolated ? releaseShown(ofMachine, tags.times.isolate[0]) : undefined;
}

/**
 * The action that a status tag speaks of: the newest of that kind that is the host's own and later than all its times (a
 * run died), else one of the minute of a time on the machine of the `id:` tag, own or taken over.
 */
function followedAction(
  record: MachineRecord,
  machineIds: readonly string[],
  { kind }: Status,
  tags: TagState,
  { owner, now }: Telling,
): MachineAction | undefined {
  const times = tags.times[kind];
  const isMine = (action: MachineAction) =>
    isOwnAction(action, owner) || machineIds.includes(action.machineId);
  const ofKind = newestFirst(record).filter((action) => kindOf(action) === kind && isMine(action));
  const isOld = (action: MachineAction) => !isEndStatus(action.status) && !isOpen(action, now);
  const untold = ofKind.find(
    (action) => isOwnAction(action, owner) && minuteOf(createdAt(action)) > (times[0] ?? -Infinity),
  );
  if (untold) return isOld(untold) ? undefined : untold;

  const byMinute = new Map<number, MachineAction>();
  for (const action of ofKind) {
    const minute = minuteOf(createdAt(action));
    const known = byMinute.get(minute);
    if (!known || (!isOwnAction(known, owner) && isOwnAction(action, owner))) byMinute.set(minute, action);
  }
  const matches = times.flatMap((time) => byMinute.get(time) ?? []);
  const open = matches.find((action) => isOpen(action, now));
  if (open) return open;
  const [newest] = matches.filter((action) => !isOld(action));
  if (!newest) return undefined;
  // An action that something came after has had its end told: the tag speaks of another, which is not listed.
  const isOfNewestTime = minuteOf(createdAt(newest)) === times[0];
  const isLast = newestFirst(record).find(({ machineId }) => machineId === newest.machineId) === newest;
  return isOfNewestTime || (isLast && !isRecent(times[0], now)) ? newest : undefined;
}

function isRecent(minute: number | undefined, now: number): boolean {
  return minute !== undefined && now - minute < lagMs;
}

function isListedLater({ kind }: Status, tags: TagState, now: number): boolean {
  return isRecent(tags.times[kind][0], now);
}

function notListedYet({ kind, status }: Status): Consequence {
  return unchanged(`Defender does not list the ${kinds[kind].noun} yet that the tag calls ${status}`);
}

/** The status of an action that Defender does not list, put right from the machine's record. */
function putRight(
  { kind, status }: Status,
  ofMachine: MachineRecord,
  untold: MachineAction | undefined,
  telling: Telling,
): Consequence {
  const { endsAfterMs, now } = telling;
  const standing = untold ?? openIsolation(ofMachine, now) ?? isolationInForce(ofMachine, endsAfterMs, now);
  return standing ? takenUp(standing, telling) : actionUnknown(kind, status, telling);
}

function openIsolation(record: MachineRecord, now: number): MachineAction | undefined {
  return newestFirst(record).find((action) => kindOf(action) === 'isolate' && isOpen(action, now));
}

/** Tells whether the isolation of a host's newest `Manual block:` is surely over, by its age alone. */
export function isOverByAge(tags: TagState, endsAfterMs: number, now: number): boolean {
  const [block] = tags.times.isolate;
  return endsAfterMs > 0 && block !== undefined && now - block >= endsAfterMs + longestWaitMs;
}

function overNews(
  tags: TagState,
  ofMachine: MachineRecord,
  telling: Telling,
): { isOver: boolean; events: Consequence[] } | undefined {
  const { endsAfterMs, now } = telling;
  if (!isHeld(tags) || !isOverByAge(tags, endsAfterMs, now)) return undefined;
  const inForce = isolationInForce(ofMachine, endsAfterMs, now);
  if (inForce) return { isOver: false, events: [takenUp(inForce, telling)] };
  if (openIsolation(ofMachine, now)) return undefined;
  // The earlier tool wrote no status: there is nothing to put right, and nothing to say in every run.
  return { isOver: true, events: tags.statuses.length > 0 ? [lapsed(telling)] : [] };
}
