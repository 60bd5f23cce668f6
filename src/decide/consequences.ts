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

/** What an event does to the host's tags and to the exit code. */
interface Rule {
  exitCode: ExitCode;
  /** Of the request. */
  trigger: 'goes' | 'stays';
  /** The `isolation:` or `release:` tag. */
  status: 'word of the action' | 'isolation: Cancelled' | 'goes' | 'stays';
  /** `Manual block failed` or `Manual unblock failed`. */
  failure: 'comes' | 'goes' | 'stays';
  /** The time of the `Manual block:` or `Manual unblock:` that comes. */
  history: 'time of the action' | 'time of the run' | 'none';
}

/** Everything that can happen to a host, and what it does. */
export const consequences = {
  accepted: {
    exitCode: 0,
    trigger: 'goes',
    status: 'word of the action',
    failure: 'goes',
    history: 'time of the action',
  },
  'accepted, ended badly': {
    exitCode: 1,
    trigger: 'goes',
    status: 'word of the action',
    failure: 'comes',
    history: 'time of the action',
  },
  cancelled: {
    exitCode: 0,
    trigger: 'goes',
    status: 'isolation: Cancelled',
    failure: 'goes',
    history: 'time of the run',
  },
  'nothing in force': {
    exitCode: 0,
    trigger: 'goes',
    status: 'stays',
    failure: 'goes',
    history: 'time of the run',
  },
  'nothing in force any more': {
    exitCode: 0,
    trigger: 'goes',
    status: 'goes',
    failure: 'goes',
    history: 'time of the run',
  },
  refused: { exitCode: 1, trigger: 'goes', status: 'stays', failure: 'comes', history: 'none' },
  'machine unknown to Defender': {
    exitCode: 1,
    trigger: 'goes',
    status: 'goes',
    failure: 'comes',
    history: 'none',
  },
  deferred: { exitCode: 1, trigger: 'stays', status: 'stays', failure: 'stays', history: 'none' },
  failed: { exitCode: 1, trigger: 'stays', status: 'stays', failure: 'stays', history: 'none' },
  conflict: { exitCode: 1, trigger: 'stays', status: 'stays', failure: 'stays', history: 'none' },
  'action moved on': {
    exitCode: 0,
    trigger: 'stays',
    status: 'word of the action',
    failure: 'goes',
    history: 'none',
  },
  'action ended badly': {
    exitCode: 1,
    trigger: 'stays',
    status: 'word of the action',
    failure: 'comes',
    history: 'none',
  },
  'released by others': {
    exitCode: 0,
    trigger: 'stays',
    status: 'word of the action',
    failure: 'goes',
    history: 'none',
  },
  'taken up': {
    exitCode: 0,
    trigger: 'stays',
    status: 'word of the action',
    failure: 'goes',
    history: 'time of the action',
  },
  lapsed: { exitCode: 1, trigger: 'stays', status: 'goes', failure: 'stays', history: 'none' },
  'action unknown to Defender': {
    exitCode: 1,
    trigger: 'stays',
    status: 'goes',
    failure: 'stays',
    history: 'none',
  },
  unchanged: { exitCode: 0, trigger: 'stays', status: 'stays', failure: 'stays', history: 'none' },
} as const satisfies Record<string, Rule>;
export type Event = keyof typeof consequences;

/** Events whose story is over once a request of the same run takes the status tag. */
const silentWhenOvertaken: readonly Event[] = ['lapsed', 'action unknown to Defender'];

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
  const rule: Rule = consequences[event];
  const { kind, time } = facts;
  return {
    event,
    result: facts.result,
    detail: facts.detail,
    exitCode: facts.exitCode ?? rule.exitCode,
    settles: rule.trigger === 'goes',
    status: {
      'word of the action': { kind, status: facts.word ?? '' },
      'isolation: Cancelled': { kind: 'isolate', status: 'Cancelled' } as const,
      goes: 'none' as const,
      stays: undefined,
    }[rule.status],
    failure: { comes: kind, goes: 'none' as const, stays: undefined }[rule.failure],
    accepted: rule.history === 'none' || time === undefined ? undefined : { kind, time },
    entry: facts.entry,
    action: facts.action,
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
