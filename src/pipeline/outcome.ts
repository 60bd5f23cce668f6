import type { Case } from '../decide/case.ts';
import {
  deferred,
  failed,
  summarise,
  type Consequence,
  type ReportedAction,
} from '../decide/consequences.ts';
import { ApiError, AppError, AuthError, ConfigError, ExitCode, PostponedError } from '../errors.ts';
import { logHost } from '../output/run-log.ts';
import type { RunContext } from './context.ts';
import type { HostOutcome, HostReport } from './report.ts';
import { HostGoneError } from './writer.ts';

/** A service that asks for more patience than this leaves the hosts concerned to the next run. */
const longestPauseMs = 60_000;

/** What an error means for the host on which it happened. */
function consequenceOfError(
  error: unknown,
  run: Pick<RunContext, 'log' | 'stop'>,
  accepted: ReportedAction | undefined,
): Consequence {
  const done = accepted
    ? `; before that, ${accepted.type} ${accepted.id ?? ''} (${accepted.status}) was accepted`
    : '';
  if (run.stop.aborted) return deferred(`interrupted; the next run goes on with this host${done}`);
  if (error instanceof PostponedError) return deferred(`${error.message}${done}`, error.exitCode);
  if (error instanceof AuthError || error instanceof ConfigError) {
    return failed(`${error.message}${error.hint ? ` (${error.hint})` : ''}${done}`, error.exitCode);
  }
  if (error instanceof ApiError && (error.retryAfterMs ?? 0) > longestPauseMs) {
    const wait = `the service asks to wait for ${Math.ceil((error.retryAfterMs ?? 0) / 60_000)} minutes`;
    return deferred(`${error.message}; ${wait}${done}`);
  }
  if (error instanceof HostGoneError || error instanceof ApiError) return failed(`${error.message}${done}`);
  if (error instanceof AppError) return deferred(`${error.message}${done}`);
  run.log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return failed(`a bug in atp stopped the work on this host${done}`, ExitCode.bug);
}

/** The same for a host that may ask for an isolation or a release: one that is put off is a failure of the run. */
export function endOf(
  { asks }: Pick<Case, 'asks'>,
  error: unknown,
  run: Pick<RunContext, 'log' | 'stop'>,
  accepted?: ReportedAction,
): Consequence {
  const end = consequenceOfError(error, run, accepted);
  const isPutOff = asks.length > 0 && end.exitCode === ExitCode.done;
  return isPutOff ? { ...end, exitCode: ExitCode.incomplete } : end;
}

/** What was written to a host. */
export interface Written {
  added: readonly string[];
  removed: readonly string[];
  note: HostReport['note'];
}

const nothing: Written = { added: [], removed: [], note: null };

/** Puts the outcome of a host together. */
export function outcomeOf(
  one: Case,
  events: readonly Consequence[],
  written: Written = nothing,
): HostOutcome {
  const { result, detail, exitCodes } = summarise(events);
  const { host, found, plan } = one;
  return {
    report: {
      id: host.id,
      name: host.name ?? null,
      reasons: [...one.reasons],
      machine: machineOf(one),
      action: events.findLast((event) => event.action)?.action ?? null,
      tags: { added: [...written.added], removed: [...written.removed] },
      note: written.note,
      result,
      detail: detail || 'nothing changed',
    },
    exitCodes,
    explanation: [
      ...(found?.kind === 'machine' ? [`matched: ${found.claim}`] : []),
      ...(plan?.verdicts.map(({ why }) => why) ?? []),
    ],
  };
}

/** Tells log and progress that a host is done; returns its outcome. */
export function hostDone(outcome: HostOutcome, { log, progress }: RunContext): HostOutcome {
  logHost(outcome, log);
  progress.done();
  return outcome;
}

function machineOf({ found }: Case): HostReport['machine'] {
  if (found?.kind === 'gone') return { id: found.machineId, computerDnsName: null, evidence: 'by id' };
  if (found?.kind !== 'machine') return null;
  const { machine, evidence } = found;
  return { id: machine.id, computerDnsName: machine.computerDnsName ?? null, evidence };
}
