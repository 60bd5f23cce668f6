import type { MachineAction } from '../atp/machine.ts';
import { cleanText } from '../output/clean.ts';
import { isCancelledByAtp, isCancelledFor, isOwnAction, type Owner } from './comment.ts';
import { kinds, type RequestKind } from './kinds.ts';
import {
  createdAt,
  isLate,
  isOpen,
  isolationInForce,
  kindOf,
  newestFirst,
  stateOf,
  updatedAt,
  type MachineRecord,
  type MachineState,
  type Situation,
  type Told,
} from './machine-state.ts';
import { isEndStatus, isOpenStatus, isUnfinished, minuteOf, minuteText, type TagState } from './tags.ts';

/**
 * How a request is met: `adopt` takes an action over that is there, `post` asks Defender for one, `cancel` calls off the
 * opposite that is Pending and decides again, `done` finds nothing to do, `wait` leaves it to a later run.
 */
export type Answer = 'adopt' | 'post' | 'cancel' | 'done' | 'wait';

/** How each request is met, by what is known of the machine; the first state that applies. */
export const answers = {
  //                          a block             an unblock
  unanswered: { isolate: 'wait', release: 'wait' },
  'silent, within an hour': { isolate: 'wait', release: 'wait' },
  'both open': { isolate: 'wait', release: 'wait' },
  'undocumented state': { isolate: 'wait', release: 'wait' },
  'isolation Pending': { isolate: 'adopt', release: 'cancel' },
  'isolation InProgress': { isolate: 'adopt', release: 'wait' },
  'release Pending': { isolate: 'cancel', release: 'adopt' },
  'release InProgress': { isolate: 'wait', release: 'adopt' },
  isolated: { isolate: 'adopt', release: 'post' },
  lapsed: { isolate: 'post', release: 'post' },
  silent: { isolate: 'post', release: 'post' },
  free: { isolate: 'post', release: 'done' },
} as const satisfies Record<MachineState, Record<RequestKind, Answer>>;

/** How one request is met. */
export type Decision =
  | { kind: 'adopt'; action: MachineAction }
  | { kind: 'cancel'; action: MachineAction; isNamedOnly: boolean }
  | { kind: 'post' }
  | { kind: 'done' }
  /** A run cancelled the pending isolation for this request, before it could take the trigger off. */
  | { kind: 'cancelled'; action: MachineAction }
  /** `waiting` is set where it takes a person: what somebody has to do, without anything that changes by itself. */
  | { kind: 'wait'; reason: string; waiting?: string | undefined };

/** What a request is judged by beside Defender's record. */
export interface Judged {
  owner: Owner;
  /** The host's own tags. */
  tags: TagState;
  /** What the host's tags, those of other hosts of the machine, and the journal tell. */
  told: Told;
  /** Actions of which the note tells the end. */
  toldEnds: readonly string[];
  /** Only an `id:` tag names the machine: it is never isolated anew, since addresses move and tags can be forged. */
  isNamedOnly: boolean;
  /** After so many milliseconds Defender lifts an isolation by itself; 0: never. */
  endsAfterMs: number;
  /** Defender's time. */
  now: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Decides how a block or an unblock is met: by what answers it already, else by the table. */
export function decide(request: RequestKind, record: MachineRecord, judged: Judged): Decision {
  const answer = answeredBy(request, record, judged);
  if (answer) return { kind: 'adopt', action: answer };
  const { told, endsAfterMs, now } = judged;
  if (request === 'isolate' && isLate(record, 'release', told.openRelease, now))
    return { kind: 'wait', reason: unlisted('release', told.openRelease, 'isolation') };

  const situation = stateOf(record, told, endsAfterMs, now);
  const word: Answer = answers[situation.state][request];
  if (word === 'wait') {
    const waiting = situation.state === 'both open' ? bothOpen : undefined;
    return { kind: 'wait', reason: reasonToWait(request, situation, told), waiting };
  }
  const { isNamedOnly } = judged;
  if (word === 'post' && request === 'isolate' && isNamedOnly) return { kind: 'wait', reason: goesByAddress };
  const cancelled = word === 'done' ? cancelledFor(record, judged) : undefined;
  if (cancelled) return { kind: 'cancelled', action: cancelled };
  if (word === 'post' || word === 'done') return { kind: word };
  const { action } = situation;
  if (!action) throw new TypeError(`nothing to ${word} in state ${situation.state}`);
  return word === 'cancel' ? { kind: word, action, isNamedOnly } : { kind: word, action };
}

const bothOpen =
  'Defender has an isolation and a release of the machine open at once; cancel one of them in the portal';
const goesByAddress =
  'nothing is in force any more on the machine that the id: tag names; the next run looks for the machine at the address of the host';

/**
 * The one question of recovery: has the trigger that is on the host now been answered, and by what? It was, by the newest
 * action of the machine, when a run posted or cancelled that for this host and was ended before its tags could tell.
 */
export function answeredBy(
  request: RequestKind,
  record: MachineRecord,
  { owner, tags, toldEnds, now }: Judged,
): MachineAction | undefined {
  const [newest] = newestFirst(record);
  const isAnswer =
    newest !== undefined &&
    isOwnAction(newest, owner) &&
    kindOf(newest) === request &&
    (isOpenStatus(newest.status) || isEndStatus(newest.status)) &&
    !isTold(newest, tags) &&
    !toldEnds.includes(newest.id) &&
    now - createdAt(newest) < dayMs &&
    // Cancelled for the opposite request, which came later: the trigger now on the host is newer than both.
    !isCancelledByAtp(newest);
  return isAnswer ? newest : undefined;
}

/** Tells whether the host's tags tell of an action, and of its end once it has one. */
export function isTold(action: MachineAction, tags: TagState): boolean {
  const kind = kindOf(action) ?? 'isolate';
  const [newest] = tags.times[kind];
  if (newest === undefined) return false;
  const minute = minuteOf(createdAt(action));
  // Killed with all but the trigger written, a run leaves a status that calls the action open.
  return minute < newest || (minute === newest && !isUnfinished(tags, kind));
}

/** The pending isolation that a run cancelled for the unblock that is on the host now. */
export function cancelledFor(
  record: MachineRecord,
  { owner, tags, now }: Pick<Judged, 'owner' | 'tags' | 'now'>,
): MachineAction | undefined {
  const [newest] = newestFirst(record);
  if (newest?.status !== 'Cancelled' || kindOf(newest) !== 'isolate' || !isCancelledFor(newest, owner))
    return undefined;
  // The host was blocked again since, and Defender does not list that isolation yet.
  const isOlder = minuteOf(createdAt(newest)) < (tags.times.isolate[0] ?? -Infinity);
  const at = updatedAt(newest);
  // A run may have been killed with all but the trigger written: for an hour that is not told from a new request.
  const isToldLongAgo = minuteOf(at) <= (tags.times.release[0] ?? -Infinity) && now - at >= hourMs;
  return !isOlder && !isToldLongAgo && now - at < dayMs ? newest : undefined;
}

/** Tells whether the host's tags tell of a cancellation; killed with all but the trigger written, they do. */
export function isCancellationTold(action: MachineAction, { statuses, times }: TagState): boolean {
  const hasStatus = statuses.some(({ kind, status }) => kind === 'isolate' && status === action.status);
  return hasStatus && minuteOf(updatedAt(action)) <= (times.release[0] ?? -Infinity);
}

/**
 * An action of this host that no tag tells of, open or in force: a run died before it could write. It holds the host to
 * its machine, whatever the address says by now.
 */
export function untoldAction(
  record: MachineRecord,
  { owner, tags, endsAfterMs, now }: Pick<Judged, 'owner' | 'tags' | 'endsAfterMs' | 'now'>,
): MachineAction | undefined {
  const inForce = isolationInForce(record, endsAfterMs, now);
  return newestFirst(record).find(
    (action) =>
      isOwnAction(action, owner) &&
      minuteOf(createdAt(action)) > (tags.times[kindOf(action) ?? 'isolate'][0] ?? -Infinity) &&
      (isOpen(action, now) || action === inForce),
  );
}

function reasonToWait(request: RequestKind, { state, action, second }: Situation, told: Told): string {
  const { noun } = kinds[request];
  switch (state) {
    case 'unanswered':
      return `whether Defender carried out the ${kinds[told.unanswered?.kind ?? request].noun} of ${minuteText(told.unanswered?.time ?? 0)} UTC is not known yet: its answer was lost and its list can lag, so nothing is asked of the machine for fifteen minutes`;
    case 'silent, within an hour':
      return unlisted('isolation', told.block, noun);
    case 'both open':
      return `Defender has isolation ${nameOf(action)} and release ${nameOf(second)} open at once; nothing is asked for until one of them has ended`;
    case 'undocumented state':
      return `Defender gives the state of ${wordFor(action)} ${action?.id ?? ''} as "${cleanText(action?.status ?? '', 40)}", which is not known here; nothing is asked for until it has ended, at most for three days`;
    default:
      return `${wordFor(action)} ${action?.id ?? ''} is ${action?.status ?? ''} and cannot be cancelled any more; asked again when it has ended`;
  }
}

function nameOf(action: MachineAction | undefined): string {
  return `${action?.id ?? ''} (${action?.status ?? ''})`;
}

function wordFor(action: MachineAction | undefined): string {
  return kinds[(action && kindOf(action)) ?? 'isolate'].noun;
}

function unlisted(noun: string, minute: number | undefined, asked: string): string {
  return `Defender does not list the ${noun} of ${minuteText(minute ?? 0)} UTC yet; its record can lag, so the ${asked} waits for up to an hour`;
}
