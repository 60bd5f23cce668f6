import { AppError, ExitCode, type Service } from './errors.ts';
import { keepHeapSmall } from './heap.ts';
import type { RunContext } from './pipeline/context.ts';
import { enrichAndFollow } from './pipeline/enrich.ts';
import { buildReport, type HostOutcome, type Report } from './pipeline/report.ts';
import { applyRequests, planAllRequests, resolveRequests } from './pipeline/requests.ts';
import { selectHosts } from './pipeline/select.ts';
import { waitForActions } from './pipeline/wait.ts';

/** From so many hosts on, a run is careful with memory. */
const manyHosts = 1_000;

/** What a run came to. */
export interface RunResult {
  report: Report;
  outcomes: HostOutcome[];
  /** The error that ended the run before its hosts were done, if one did. */
  fatal: unknown;
}

/**
 * One run: select → resolve → plan → apply → report. Hosts with a block or unblock tag go through it together and
 * first; the others one by one after them.
 */
export async function run(
  context: RunContext,
  about: { version: string; dryRun: boolean; calls: Record<Service, number> },
): Promise<RunResult> {
  const startedAt = context.clock.now();
  let outcomes: HostOutcome[] = [];
  let fatal: unknown;
  let rulesCode: ExitCode | undefined;
  try {
    const selected = await selectHosts(context);
    context.progress.expect(selected.length);
    if (selected.length >= manyHosts) await keepHeapSmall();
    const asks = (host: (typeof selected)[number]) =>
      host.reasons.includes('block') || host.reasons.includes('unblock');

    const requests = await resolveRequests(selected.filter(asks), selected, context);
    const plans = await planAllRequests(requests, context);
    rulesCode = plans.rules.groupsProblem?.exitCode;
    outcomes = await applyRequests(requests, plans, context);

    const others = selected.filter((host) => !asks(host));
    outcomes = outcomes.concat(await enrichAndFollow(others, context));
    await waitForActions(outcomes, context);
  } catch (error) {
    fatal = error;
  }
  const now = context.clock.now();
  for (const { report } of outcomes) {
    if (report.result === 'deferred') context.freshness.postponed(report.id, now);
    else if (report.result !== 'unchanged') context.freshness.served(report.id, now);
  }
  const report = buildReport({
    ...about,
    startedAt,
    finishedAt: now,
    outcomes: outcomes.sort((one, other) => one.report.id - other.report.id),
    exitCodes: [...runExitCodes(context, fatal), ...(rulesCode === undefined ? [] : [rulesCode])],
  });
  return { report, outcomes, fatal };
}

function runExitCodes({ stop, breaker }: RunContext, fatal: unknown): ExitCode[] {
  const codes: ExitCode[] = [];
  const reason: unknown = stop.aborted ? stop.reason : undefined;
  if (reason instanceof AppError) codes.push(reason.exitCode);
  if (breaker.givenUp()) codes.push(ExitCode.unavailable);
  if (fatal !== undefined && !stop.aborted)
    codes.push(fatal instanceof AppError ? fatal.exitCode : ExitCode.bug);
  return codes;
}
