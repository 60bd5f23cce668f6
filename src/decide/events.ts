import type { MachineAction } from '../atp/machine.ts';
import { cleanText } from '../output/clean.ts';
import { isCancelledByAtp, isOwnAction, readComment, type Owner } from './comment.ts';
import {
  consequenceOf,
  unchanged,
  type Consequence,
  type Event,
  type ReportedAction,
} from './consequences.ts';
import { kinds, type RequestKind } from './kinds.ts';
import { kindOf, updatedAt } from './machine-state.ts';
import { code, type NoteEntry } from './note.ts';
import { minuteText } from './tags.ts';

/** What the words of an event are made of beside the action. */
export interface Telling {
  owner: Owner;
  /** After so many milliseconds Defender lifts an isolation by itself; 0: never. */
  endsAfterMs: number;
  /** Defender's time. */
  now: number;
}

const dayMs = 86_400_000;

/** Tells whether an action ended in a way that nobody asked for. */
export function endedBadly(action: MachineAction): boolean {
  if (action.status === 'Failed' || action.status === 'TimeOut') return true;
  return action.status === 'Cancelled' && !isCancelledByAtp(action);
}

/** When Defender lifts an isolation by itself, milliseconds UTC. */
function endOf(action: MachineAction, { endsAfterMs }: Pick<Telling, 'endsAfterMs'>): number | undefined {
  const { createdAt } = action;
  if (kindOf(action) !== 'isolate' || endsAfterMs === 0 || createdAt === undefined) return undefined;
  return createdAt + endsAfterMs;
}

function reported(kind: RequestKind, action: MachineAction, telling: Telling): ReportedAction {
  const end = endOf(action, telling);
  const until = end === undefined ? null : new Date(end).toISOString();
  return { type: kind, id: action.id === '' ? null : action.id, status: action.status, until };
}

/** Who asked for an action; this program by the host it was for. */
function askedBy(action: MachineAction, { brain }: Owner): string {
  const comment = readComment(action.requestorComment);
  if (!comment) return code(cleanText(action.requestor ?? '', 80) || 'unknown');
  const place = comment.brain === brain.toLowerCase() ? '' : ` of ${code(cleanText(comment.brain, 80))}`;
  return `atp for host ${comment.hostId}${place}`;
}

/** The same for the log, without the note's marks. */
function askedByPlainly(action: MachineAction, owner: Owner): string {
  return askedBy(action, owner).replaceAll('`', '');
}

/** The note's line on an action: the same whichever run writes it, because it is made of Defender's record alone. */
function actionEntry(kind: RequestKind, action: MachineAction, trigger: string, telling: Telling): NoteEntry {
  const { owner, now } = telling;
  const isOwn = isOwnAction(action, owner);
  const tag = isOwn ? (readComment(action.requestorComment)?.trigger ?? trigger) : trigger;
  const what = isOwn
    ? `${kinds[kind].noun} for tag ${code(tag)}`
    : `${kinds[kind].noun} by ${askedBy(action, owner)}, taken over for tag ${code(tag)}`;
  return { time: action.createdAt ?? now, what, action: noteActionOf(action, telling) };
}

/** An action as the note's line shows it. */
export function noteActionOf(
  action: MachineAction,
  telling: Pick<Telling, 'endsAfterMs'>,
): NonNullable<NoteEntry['action']> {
  const end = endOf(action, telling);
  return { id: action.id, status: action.status, until: end === undefined ? undefined : minuteText(end) };
}

function untilWords(action: MachineAction, telling: Telling): string {
  const end = endOf(action, telling);
  return end === undefined || endedBadly(action) || action.status === 'Cancelled'
    ? ''
    : `, until ${minuteText(end)} UTC`;
}

function badEnd(kind: RequestKind, action: MachineAction): string {
  const why = {
    TimeOut: 'the machine was not reached within three days',
    Cancelled: 'somebody cancelled it',
  }[action.status];
  const { noun, word } = kinds[kind];
  return `${noun} ${action.id} ended in ${action.status} (${why ?? 'Defender gives no reason in its record'}); tag the host for ${word} again if it is still wanted`;
}

/** An action was posted, taken over, or found to be the answer to the trigger now on the host. */
export function accepted(
  kind: RequestKind,
  action: MachineAction,
  how: 'posted' | 'adopted',
  trigger: string,
  telling: Telling,
): Consequence {
  const { noun, past } = kinds[kind];
  const bad = endedBadly(action);
  const by = isOwnAction(action, telling.owner) ? '' : ` by ${askedByPlainly(action, telling.owner)}`;
  const until = untilWords(action, telling);
  const taken =
    how === 'posted'
      ? `${noun} asked for (${action.status})${until}`
      : `${noun} of ${minuteText(action.createdAt ?? telling.now)} UTC${by} taken over (${action.status})${until}`;
  return consequenceOf(bad ? 'accepted, ended badly' : 'accepted', {
    kind,
    result: bad ? 'failed' : past,
    detail: bad ? badEnd(kind, action) : taken,
    word: action.status,
    time: action.createdAt ?? telling.now,
    entry: actionEntry(kind, action, trigger, telling),
    action: reported(kind, action, telling),
  });
}

/** A release was met by cancelling an isolation that was still Pending. */
export function cancelled(
  action: MachineAction,
  trigger: string,
  time: number,
  telling: Telling,
): Consequence {
  return consequenceOf('pending isolation cancelled', {
    kind: 'release',
    result: 'released',
    detail: `the pending isolation ${action.id} was cancelled`,
    time,
    entry: {
      time,
      what: `release for tag ${code(trigger)}: the pending isolation ${action.id} was cancelled`,
    },
    action: { ...reported('isolate', action, telling), status: 'Cancelled' },
  });
}

/**
 * A release found nothing in force.
 * @param isUntrue the host's status tag is not true any more
 */
export function nothingInForce(trigger: string, time: number, isUntrue: boolean): Consequence {
  return consequenceOf(isUntrue ? 'nothing in force any more' : 'nothing in force', {
    kind: 'release',
    result: 'released',
    detail: 'nothing to release: Defender records no isolation in force',
    time,
    entry: { time, what: `release for tag ${code(trigger)}: nothing was in force` },
  });
}

/** A request is refused for good. */
export function refused(
  kind: RequestKind,
  trigger: string,
  reason: string,
  now: number,
  event: Extract<Event, 'refused' | 'machine unknown to Defender'> = 'refused',
): Consequence {
  const { noun } = kinds[kind];
  // It quotes names that others chose, or Defender.
  const what = `${noun} for tag ${code(trigger)} refused: ${code(cleanText(reason, 600))}`;
  return consequenceOf(event, {
    kind,
    result: 'refused',
    detail: `${noun} refused: ${reason}`,
    entry: { time: now, what },
  });
}

/** An unfinished action of an earlier run was looked up. */
export function followed(
  kind: RequestKind,
  was: string,
  action: MachineAction,
  telling: Telling,
): Consequence {
  const { noun, word } = kinds[kind];
  if (action.status === was) {
    const still = unchanged(`${noun} ${action.id} is still ${was}`);
    return { ...still, action: reported(kind, action, telling) };
  }
  const bad = endedBadly(action);
  const wasCancelled = action.status === 'Cancelled' && !bad;
  const isOdd = !['Pending', 'InProgress', 'Succeeded', 'Cancelled'].includes(action.status) && !bad;
  // A release that was cancelled for a block leaves the machine isolated, as a cancelled isolation leaves it free.
  const moved = kinds[wasCancelled === (kind === 'isolate') ? 'release' : 'isolate'].past;
  return consequenceOf(bad ? 'action ended badly' : 'action moved on', {
    kind,
    result: bad ? 'failed' : isOdd ? 'unchanged' : moved,
    detail: bad
      ? badEnd(kind, action)
      : `${noun} ${action.id} went from ${was} to ${action.status}${untilWords(action, telling)}`,
    word: action.status,
    // Whoever asked for the cancellation says so in a line of its own.
    entry: wasCancelled ? undefined : actionEntry(kind, action, word, telling),
    action: reported(kind, action, telling),
  });
}

/** Defender's record shows a release that the tags do not know of. */
export function releasedByOthers(action: MachineAction, telling: Telling): Consequence {
  const { owner, now } = telling;
  return consequenceOf('released by others', {
    kind: 'release',
    result: 'released',
    detail: `released at ${minuteText(updatedAt(action))} UTC by ${askedByPlainly(action, owner)}, as Defender's record shows`,
    word: action.status,
    entry: {
      time: action.createdAt ?? now,
      what: `release by ${askedBy(action, owner)}`,
      action: noteActionOf(action, telling),
    },
    action: reported('release', action, telling),
  });
}

/** Defender's record shows an action of which no tag of the host tells. */
export function takenUp(action: MachineAction, telling: Telling): Consequence {
  const kind = kindOf(action) ?? 'isolate';
  const { noun, past, word } = kinds[kind];
  const { owner, now } = telling;
  const by = isOwnAction(action, owner) ? '' : ` by ${askedByPlainly(action, owner)}`;
  return consequenceOf('taken up', {
    kind,
    result: past,
    detail: `${noun} of ${minuteText(action.createdAt ?? now)} UTC${by} (${action.status}) is in Defender's record and no tag told of it; the tags are put right${untilWords(action, telling)}`,
    word: action.status,
    time: action.createdAt ?? now,
    entry: actionEntry(kind, action, word, telling),
    action: reported(kind, action, telling),
  });
}

/** The isolation is surely over, and no release is recorded. */
export function lapsed({ endsAfterMs, now }: Telling): Consequence {
  const detail = `lifted by Defender after ${endsAfterMs / dayMs} days, as documented; no release is recorded`;
  return consequenceOf('lapsed', {
    kind: 'isolate',
    result: 'failed',
    detail,
    entry: { time: now, what: detail },
  });
}

/** The status tag speaks of an action that Defender does not list. */
export function actionUnknown(kind: RequestKind, was: string, { now }: Telling): Consequence {
  const { noun } = kinds[kind];
  const detail = `the tag ${noun}: ${was} was taken off: Defender knows no such action`;
  return consequenceOf('action unknown to Defender', {
    kind,
    result: 'failed',
    detail,
    entry: { time: now, what: detail },
  });
}
