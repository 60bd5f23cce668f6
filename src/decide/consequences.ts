import { ExitCode } from '../errors.ts';
import { kinds, type RequestKind } from './kinds.ts';
import type { NoteEntry } from './note.ts';
import type { Accepted } from './tag-change.ts';
import type { Status } from './tags.ts';

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

/** The machine action as the report names it. */
export interface ReportedAction {
  type: RequestKind;
  /** Null in a dry run. */
  id: string | null;
  status: string;
  /** When Defender lifts the isolation by itself, ISO 8601; null where it does not. */
  until: string | null;
}

/** What an event does: the exit code, the trigger tag of the request, the status tag, the failure tag, the history tag. */
type Rule = readonly [
  exitCode: ExitCode,
  trigger: 'goes' | 'stays',
  status: 'its word' | 'Cancelled' | 'goes' | 'stays',
  failure: 'comes' | 'goes' | 'stays',
  history: 'its time' | 'now' | 'none',
];

/** Everything that can happen to a host, and what it does: first to a request, then to the tags of an earlier one. */
export const consequences = {
  //                   exit code, trigger, status, failure, history
  accepted: [0, 'goes', 'its word', 'goes', 'its time'],
  'accepted, ended badly': [1, 'goes', 'its word', 'comes', 'its time'],
  'pending isolation cancelled': [0, 'goes', 'Cancelled', 'goes', 'now'],
  'nothing in force': [0, 'goes', 'stays', 'goes', 'now'],
  'nothing in force any more': [0, 'goes', 'goes', 'goes', 'now'],
  refused: [1, 'goes', 'stays', 'comes', 'none'],
  'machine unknown to Defender': [1, 'goes', 'goes', 'comes', 'none'],
  deferred: [1, 'stays', 'stays', 'stays', 'none'],
  failed: [1, 'stays', 'stays', 'stays', 'none'],
  conflict: [1, 'stays', 'stays', 'stays', 'none'],

  'action moved on': [0, 'stays', 'its word', 'goes', 'none'],
  'action ended badly': [1, 'stays', 'its word', 'comes', 'none'],
  'released by others': [0, 'stays', 'its word', 'goes', 'none'],
  'taken up': [0, 'stays', 'its word', 'goes', 'its time'],
  lapsed: [1, 'stays', 'goes', 'stays', 'none'],
  'action unknown to Defender': [1, 'stays', 'goes', 'stays', 'none'],
  unchanged: [0, 'stays', 'stays', 'stays', 'none'],
} as const satisfies Record<string, Rule>;
export type Event = keyof typeof consequences;

/** Events whose story is over once a request of the same run takes the status tag. */
export const silentWhenOvertaken: readonly Event[] = ['lapsed', 'action unknown to Defender'];

/** What one event does to a host's tags, note and report. */
export interface Consequence {
  event: Event;
  result: Result;
  /** One sentence for a person. */
  detail: string;
  exitCode: ExitCode;
  /** The request has its answer, so that its trigger tag goes. */
  settles: boolean;
  status?: Status | 'none' | undefined;
  failure?: RequestKind | 'none' | undefined;
  accepted?: Accepted | undefined;
  entry?: NoteEntry | undefined;
  action?: ReportedAction | undefined;
  /** What somebody has to do before the request can be met, without anything that changes by itself. */
  waiting?: string | undefined;
}

/** The facts of an event. */
interface Facts {
  kind: RequestKind;
  result: Result;
  detail: string;
  /** Of the action: its word, and when it was created or, of a request without one, met. */
  word?: string | undefined;
  time?: number | undefined;
  exitCode?: ExitCode | undefined;
  entry?: NoteEntry | undefined;
  action?: ReportedAction | undefined;
}

/** Applies the table to the facts of an event. */
export function consequenceOf(event: Event, facts: Facts): Consequence {
  const [exitCode, trigger, status, failure, history]: Rule = consequences[event];
  const { kind, time, result, detail, entry, action } = facts;
  const statuses = {
    'its word': { kind, status: facts.word ?? '' },
    Cancelled: { kind: 'isolate', status: 'Cancelled' } as const,
    goes: 'none' as const,
    stays: undefined,
  };
  return {
    ...{ event, result, detail, entry, action },
    exitCode: facts.exitCode ?? exitCode,
    settles: trigger === 'goes',
    status: statuses[status],
    failure: { comes: kind, goes: 'none' as const, stays: undefined }[failure],
    accepted: history === 'none' || time === undefined ? undefined : { kind, time },
  };
}

/** A request waits for a later run; its trigger stays and nothing is written about it. */
export function deferred(detail: string, exitCode: ExitCode = ExitCode.incomplete): Consequence {
  return consequenceOf('deferred', { kind: 'isolate', result: 'deferred', detail, exitCode });
}

/** Something that was to be done on a host could not be. */
export function failed(detail: string, exitCode: ExitCode = ExitCode.incomplete): Consequence {
  return consequenceOf('failed', { kind: 'isolate', result: 'failed', detail, exitCode });
}

/** Opposite requests meet on one machine. */
export function conflicting(detail: string): Consequence {
  return consequenceOf('conflict', { kind: 'isolate', result: 'conflict', detail });
}

/** Nothing had to be done. */
export function unchanged(detail: string, exitCode: ExitCode = ExitCode.done): Consequence {
  return consequenceOf('unchanged', { kind: 'isolate', result: 'unchanged', detail, exitCode });
}

/**
 * What remains of the news of a host once its request was met: what the request overtakes is told in the detail, and is
 * no failure any more.
 */
export function overtaken(news: readonly Consequence[], met: Consequence): Consequence[] {
  if (!met.settles) return news.filter(({ event }) => event !== 'unchanged');
  return news
    .filter(({ event }) => event !== 'unchanged')
    .filter(({ event }) => met.status === undefined || !silentWhenOvertaken.includes(event))
    .map((each) =>
      met.status === undefined || each.event !== 'action ended badly'
        ? each
        : { ...each, result: 'unchanged', exitCode: ExitCode.done },
    );
}

/** Place of a result in the order; isolated and released share one, so that of these what happened last counts. */
function rankOf(result: Result): number {
  return results.indexOf(result === kinds.release.past ? kinds.isolate.past : result);
}

/** Which of two results of a host counts. */
export function weightier(earlier: Result, later: Result): Result {
  return rankOf(later) <= rankOf(earlier) ? later : earlier;
}

/** The result, sentence and exit codes of a host to which several things happened, in the order in which they did. */
export function summarise(events: readonly Consequence[]): {
  result: Result;
  detail: string;
  exitCodes: ExitCode[];
} {
  const ordered = [...events].sort((one, other) => rankOf(one.result) - rankOf(other.result));
  return {
    result: events.map(({ result }) => result).reduce(weightier, 'unchanged'),
    detail: ordered.map(({ detail }) => detail).join('; '),
    exitCodes: events.map(({ exitCode }) => exitCode),
  };
}
