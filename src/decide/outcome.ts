import type { MachineAction } from '../atp/schema.ts';
import { cleanText } from '../clean.ts';
import { ExitCode } from '../errors.ts';
import { isCancelledByAtp, isOwnAction, readComment, type Owner } from './comment.ts';
import { code, type NoteEntry } from './note.ts';
import { updatedAt } from './record.ts';
import { minuteText, type RequestKind } from './tags.ts';

/** What became of a host; of several, the first in this order counts. */
export const results = [
  'conflict',
  'failed',
  'deferred',
  'refused',
  'isolated',
  'released',
  'enriched',
  'unchanged',
] as const;
export type Result = (typeof results)[number];

/** The machine action as the report names it; `id` is null in a dry run. */
export interface ReportedAction {
  type: RequestKind;
  id: string | null;
  status: string;
}

/** What one event (an action accepted, refused, followed …) does to a host's tags, note and report. */
export interface Effect {
  result: Result;
  /** One sentence for a person. */
  detail: string;
  exitCode: ExitCode;
  /** The request has its answer, so that its trigger tag goes. */
  settles: boolean;
  slot?: { kind: RequestKind; status: string } | undefined;
  failure?: RequestKind | 'none' | undefined;
  history?: { kind: RequestKind; time: number } | undefined;
  entry?: NoteEntry | undefined;
  action?: ReportedAction | undefined;
}

/** What a request is called in notes and messages. */
export const requestNouns = { isolate: 'isolation', release: 'release' } as const satisfies Record<
  RequestKind,
  string
>;
const pastWords = { isolate: 'isolated', release: 'released' } as const satisfies Record<RequestKind, Result>;

/** Tells whether an action ended in a way that nobody asked for. */
export function endedBadly(action: MachineAction): boolean {
  if (action.status === 'Failed' || action.status === 'TimeOut') return true;
  return action.status === 'Cancelled' && !isCancelledByAtp(action);
}

function reported(kind: RequestKind, action: MachineAction): ReportedAction {
  return { type: kind, id: action.id === '' ? null : action.id, status: action.status };
}

function requestorOf(action: MachineAction): string {
  return cleanText(action.requestor ?? '', 80) || 'unknown';
}

/** The note's line on an action: the same whichever run writes it, because it is made of Defender's record alone. */
function actionEntry(
  kind: RequestKind,
  action: MachineAction,
  owner: Owner,
  trigger: string,
  now: number,
): NoteEntry {
  const comment = readComment(action.requestorComment);
  const noun = requestNouns[kind];
  let what: string;
  if (isOwnAction(action, owner)) what = `${noun} for tag ${code(comment?.trigger ?? trigger)}`;
  else if (comment)
    what = `${noun} by atp for host ${comment.hostId} of ${code(comment.brain)}, taken over for tag ${code(trigger)}`;
  else what = `${noun} by ${code(requestorOf(action))}, taken over for tag ${code(trigger)}`;
  return { time: action.createdAt ?? now, what, action: { id: action.id, status: action.status } };
}

function badEnd(kind: RequestKind, action: MachineAction): string {
  const tag = kind === 'isolate' ? 'block' : 'unblock';
  const why =
    action.status === 'TimeOut'
      ? 'the machine was not reached within three days'
      : action.status === 'Cancelled'
        ? 'somebody cancelled it'
        : 'Defender gives no reason in its record';
  return `${requestNouns[kind]} ${action.id} ended in ${action.status} (${why}); tag the host for ${tag} again if it is still wanted`;
}

/** An action was posted, taken over, or found to be the answer to the trigger now on the host. */
export function acceptedEffect(
  kind: RequestKind,
  action: MachineAction,
  how: 'posted' | 'adopted',
  trigger: string,
  owner: Owner,
  now: number,
): Effect {
  const bad = endedBadly(action);
  const by = isOwnAction(action, owner) ? '' : ` by ${requestorOf(action)}`;
  const taken =
    how === 'posted'
      ? `${requestNouns[kind]} asked for (${action.status})`
      : `${requestNouns[kind]} of ${minuteText(action.createdAt ?? now)} UTC${by} taken over (${action.status})`;
  return {
    result: bad ? 'failed' : pastWords[kind],
    detail: bad ? badEnd(kind, action) : taken,
    exitCode: bad ? ExitCode.incomplete : ExitCode.done,
    settles: true,
    slot: { kind, status: action.status },
    failure: bad ? kind : 'none',
    history: { kind, time: action.createdAt ?? now },
    entry: actionEntry(kind, action, owner, trigger, now),
    action: reported(kind, action),
  };
}

/** A release was met by cancelling an isolation that was still Pending. */
export function cancelledEffect(action: MachineAction, trigger: string, now: number): Effect {
  return {
    result: 'released',
    detail: `the pending isolation ${action.id} was cancelled`,
    exitCode: ExitCode.done,
    settles: true,
    slot: { kind: 'isolate', status: 'Cancelled' },
    failure: 'none',
    history: { kind: 'release', time: now },
    entry: { time: now, what: cancelledEntry(action, trigger) },
    action: { ...reported('isolate', action), status: 'Cancelled' },
  };
}

/** The note's words for a release that cancelled an isolation. */
export function cancelledEntry(action: MachineAction, trigger: string): string {
  return `release for tag ${code(trigger)}: the pending isolation ${action.id} was cancelled`;
}

/** The note's words for a release that found nothing to release. */
export function nothingInForceEntry(trigger: string): string {
  return `release for tag ${code(trigger)}: nothing was in force`;
}

/** A release found nothing in force. */
export function nothingInForceEffect(trigger: string, now: number): Effect {
  return {
    result: 'released',
    detail: 'nothing to release: Defender records no isolation in force',
    exitCode: ExitCode.done,
    settles: true,
    failure: 'none',
    history: { kind: 'release', time: now },
    entry: { time: now, what: nothingInForceEntry(trigger) },
  };
}

/** The note's words for a refusal. */
export function refusedEntry(kind: RequestKind, trigger: string, reason: string): string {
  const plain = cleanText(reason, 600).replaceAll(/[<>[\]`*|\\]/gu, ' ');
  return `${requestNouns[kind]} for tag ${code(trigger)} refused: ${plain}`;
}

/** A request is refused for good. */
export function refusedEffect(kind: RequestKind, trigger: string, reason: string, now: number): Effect {
  return {
    result: 'refused',
    detail: `${requestNouns[kind]} refused: ${reason}`,
    exitCode: ExitCode.incomplete,
    settles: true,
    failure: kind,
    entry: { time: now, what: refusedEntry(kind, trigger, reason) },
  };
}

/** A request waits for a later run; its trigger stays and nothing is written about it. */
export function deferredEffect(reason: string, exitCode: ExitCode = ExitCode.incomplete): Effect {
  return { result: 'deferred', detail: reason, exitCode, settles: false };
}

/** Nothing had to be done. */
export function unchangedEffect(detail: string): Effect {
  return { result: 'unchanged', detail, exitCode: ExitCode.done, settles: false };
}

/** Opposite requests meet on one machine. */
export function conflictEffect(reason: string): Effect {
  return { result: 'conflict', detail: reason, exitCode: ExitCode.incomplete, settles: false };
}

/** An unfinished action of an earlier run was looked up. */
export function followedEffect(
  kind: RequestKind,
  was: string,
  action: MachineAction,
  owner: Owner,
  now: number,
): Effect {
  if (action.status === was) {
    return {
      result: 'unchanged',
      detail: `${requestNouns[kind]} ${action.id} is still ${was}`,
      exitCode: ExitCode.done,
      settles: false,
      action: reported(kind, action),
    };
  }
  const bad = endedBadly(action);
  const cancelled = action.status === 'Cancelled' && !bad;
  // A release that was cancelled for a block leaves the machine isolated, as a cancelled isolation leaves it free.
  const moved: Result = pastWords[cancelled === (kind === 'isolate') ? 'release' : 'isolate'];
  return {
    result: bad ? 'failed' : moved,
    detail: bad
      ? badEnd(kind, action)
      : `${requestNouns[kind]} ${action.id} went from ${was} to ${action.status}`,
    exitCode: bad ? ExitCode.incomplete : ExitCode.done,
    settles: false,
    slot: { kind, status: action.status },
    failure: bad ? kind : 'none',
    // Whoever asked for the cancellation says so in a line of its own.
    entry: cancelled
      ? undefined
      : actionEntry(kind, action, owner, kind === 'isolate' ? 'block' : 'unblock', now),
    action: reported(kind, action),
  };
}

/** Defender's record shows a release that the tags do not know of. */
export function correctedEffect(action: MachineAction, now: number): Effect {
  const by = requestorOf(action);
  return {
    result: 'released',
    detail: `released at ${minuteText(updatedAt(action))} UTC by ${by}, as Defender's record shows`,
    exitCode: ExitCode.done,
    settles: false,
    slot: { kind: 'release', status: 'Succeeded' },
    failure: 'none',
    entry: {
      time: action.createdAt ?? now,
      what: `release by ${code(by)}`,
      action: { id: action.id, status: action.status },
    },
    action: reported('release', action),
  };
}

/** Place of a result in the order; isolated and released share one, so that of these what happened last counts. */
function rankOf(result: Result): number {
  return results.indexOf(result === 'released' ? 'isolated' : result);
}

/** Which of two results of a host counts. */
export function weightier(earlier: Result, later: Result): Result {
  return rankOf(later) <= rankOf(earlier) ? later : earlier;
}

/** The result, sentence and exit codes of a host to which several things happened, in the order in which they did. */
export function summarise(effects: readonly Effect[]): {
  result: Result;
  detail: string;
  exitCodes: ExitCode[];
} {
  const ordered = [...effects].sort((one, other) => rankOf(one.result) - rankOf(other.result));
  return {
    result: effects.map((effect) => effect.result).reduce(weightier, 'unchanged'),
    detail: ordered.map((effect) => effect.detail).join('; '),
    exitCodes: effects.map((effect) => effect.exitCode),
  };
}
