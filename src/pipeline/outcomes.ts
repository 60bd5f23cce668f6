import { deferredEffect, summarise, type Effect, type ReportedAction } from '../decide/outcome.ts';
import type { Look } from '../decide/plan.ts';
import { ApiError, AppError, AuthError, ConfigError, ExitCode, PostponedError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { HostOutcome, HostReport } from './report.ts';
import type { SelectedHost } from './select.ts';
import { HostGoneError } from './writer.ts';

/** What has been done on a host so far, so that a failure in the middle can still be reported in full. */
export interface HostProgress {
  added: Set<string>;
  removed: Set<string>;
  note: HostReport['note'];
  action: ReportedAction | undefined;
  effects: Effect[];
  /** For the plan that a dry run prints. */
  explanation: string[];
}

/** The progress of a host of which so much is known before anything is done. */
export function startProgress(effects: readonly Effect[]): HostProgress {
  return {
    added: new Set(),
    removed: new Set(),
    note: null,
    action: undefined,
    effects: [...effects],
    explanation: [],
  };
}

/** Something that was to be done on a host could not be. */
export function failedEffect(detail: string, exitCode: ExitCode = ExitCode.incomplete): Effect {
  return { result: 'failed', detail, exitCode, settles: false };
}

/** A service that asks for more patience than this leaves the hosts concerned to the next run. */
const longestPauseMs = 60_000;

/** What an error means for the host on which it happened. */
export function failureEffect(
  error: unknown,
  run: Pick<RunContext, 'log' | 'stop'>,
  progress?: Pick<HostProgress, 'action'>,
): Effect {
  const done = progress?.action
    ? `; before that, ${progress.action.type} ${progress.action.id ?? ''} (${progress.action.status}) was accepted`
    : '';
  if (run.stop.aborted) return deferredEffect(`interrupted; the next run goes on with this host${done}`);
  if (error instanceof PostponedError) return deferredEffect(`${error.message}${done}`, error.exitCode);
  if (error instanceof AuthError || error instanceof ConfigError) {
    return failedEffect(`${error.message}${error.hint ? ` (${error.hint})` : ''}${done}`, error.exitCode);
  }
  if (error instanceof ApiError && (error.retryAfterMs ?? 0) > longestPauseMs) {
    const wait = `the service asks to wait for ${Math.ceil((error.retryAfterMs ?? 0) / 60_000)} minutes`;
    return deferredEffect(`${error.message}; ${wait}${done}`);
  }
  if (error instanceof HostGoneError || error instanceof ApiError)
    return failedEffect(`${error.message}${done}`);
  if (error instanceof AppError) return deferredEffect(`${error.message}${done}`);
  run.log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return failedEffect(`a bug in atp stopped the work on this host${done}`, ExitCode.bug);
}

/** The outcome of a host on which nothing was begun. */
export function outcomeWithout(selected: SelectedHost, effects: readonly Effect[]): HostOutcome {
  return outcomeOf(selected, undefined, startProgress(effects));
}

/** Puts the outcome of a host together. */
export function outcomeOf(
  { host, reasons }: SelectedHost,
  look: Look | undefined,
  progress: HostProgress,
): HostOutcome {
  const { result, detail, exitCodes } = summarise(progress.effects);
  const action = progress.action ?? progress.effects.findLast((effect) => effect.action)?.action;
  return {
    report: {
      id: host.id,
      name: host.name ?? null,
      reasons,
      machine: look ? machineOf(look) : null,
      action: action ?? null,
      tags: { added: [...progress.added], removed: [...progress.removed] },
      note: progress.note,
      result,
      detail: detail || 'nothing changed',
    },
    exitCodes,
    explanation: [
      ...(look?.resolution.kind === 'machine' ? [`matched: ${look.resolution.claim}`] : []),
      ...progress.explanation,
    ],
  };
}

function machineOf({ resolution }: Look): HostReport['machine'] {
  if (resolution.kind === 'gone')
    return { id: resolution.machineId, computerDnsName: null, evidence: 'by id' };
  if (resolution.kind !== 'machine') return null;
  const { machine, evidence } = resolution;
  return { id: machine.id, computerDnsName: machine.computerDnsName ?? null, evidence };
}
