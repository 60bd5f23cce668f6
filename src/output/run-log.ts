import { AppError, ExitCode, OverdueError } from '../errors.ts';
import { didSomething, summaryLine, type HostOutcome } from '../pipeline/report.ts';
import type { RunResult } from '../run.ts';
import type { Log } from './log.ts';

/** Logs what became of one host; where nothing did, at debug level. */
export function logHost({ report }: HostOutcome, log: Log): void {
  const { result, detail, id, name, machine, action } = report;
  const fields = {
    host: id,
    name,
    result,
    machine: machine?.computerDnsName ?? undefined,
    action: action?.id ?? undefined,
  };
  if (result === 'unchanged') log.debug(fields, detail);
  else if (['conflict', 'failed', 'deferred', 'refused'].includes(result)) log.warn(fields, detail);
  else log.info(fields, detail);
}

/** Logs what a run came to beside its hosts: warnings, hints, failure, and the summary. An idle run is told at debug level only. */
export function logRun(
  { report, fatal }: RunResult,
  about: {
    log: Log;
    warnings: readonly string[];
    /** What to do about the failures of calls, each said once, however many hosts they concerned. */
    hints: ReadonlySet<string>;
    stop: AbortSignal;
    /** Somebody watches, who wants to see an idle run end as well. */
    isWatched: boolean;
  },
): void {
  const { log, warnings, hints, stop, isWatched } = about;
  const isBusy = didSomething(report) || isWatched;
  for (const warning of new Set(warnings)) {
    if (isBusy) log.warn(warning);
    else log.debug(warning);
  }
  const said = fatal instanceof AppError ? fatal.hint : undefined;
  for (const hint of hints) if (hint !== said) log.warn(hint);
  const reason: unknown = stop.aborted ? stop.reason : fatal;
  if (reason instanceof OverdueError || (reason !== undefined && !stop.aborted)) logFailure(reason, log);
  if (isBusy) log.info(summaryLine(report));
  else log.debug(summaryLine(report));
}

/** Logs the failure of the whole command, and returns its exit code. */
export function logFailure(error: unknown, log: Log): ExitCode {
  if (error instanceof AppError) {
    log.error(error.hint === undefined ? {} : { hint: error.hint }, error.message);
    return error.exitCode;
  }
  log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return ExitCode.bug;
}
