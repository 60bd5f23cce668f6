import type { Case } from './decide/case.ts';
import { unknownGroups } from './decide/guard.ts';
import { groupByMachine, planTargets, type Rules } from './decide/plan.ts';
import { AppError, ExitCode, type Service } from './errors.ts';
import { keepHeapSmall } from './pipeline/heap.ts';
import { applyTargets } from './pipeline/apply.ts';
import type { RunContext } from './pipeline/context.ts';
import { enrichAndFollow } from './pipeline/enrich.ts';
import { putSiblingsRight } from './pipeline/follow.ts';
import type { Freshness } from './local/freshness.ts';
import { buildReport, type HostOutcome, type Report } from './pipeline/report.ts';
import { resolveAll } from './pipeline/requests.ts';
import { createResolvers } from './pipeline/resolvers.ts';
import { selectHosts, type Selection } from './pipeline/select.ts';
import { findSiblings, heldBack } from './pipeline/siblings.ts';
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

/** One run: select → resolve → plan → apply → report. */
export async function run(
  context: RunContext,
  about: { version: string; dryRun: boolean; calls: Record<Service, number> },
): Promise<RunResult> {
  const startedAt = context.clock.now();
  let selection: Selection = { cases: [], nameless: [], isShort: false };
  let rules: Rules | undefined;
  let outcomes: HostOutcome[] = [];
  let fatal: unknown;
  try {
    selection = await selectHosts(context);
    const { cases } = selection;
    context.progress.expect(cases.length);
    if (cases.length >= manyHosts) await keepHeapSmall();
    const asking = cases.filter(({ asks, ended }) => asks.length > 0 && !ended);
    const isAsking = new Set(asking);
    const others = cases.filter((one) => !isAsking.has(one));

    rules = await loadRules(asking, context);
    const resolvers = createResolvers(cases, rules, context);
    const resolved = await resolveAll(asking, resolvers, context);
    const targets = planTargets(groupByMachine(resolved), rules, context.now());
    const planned = targets.flatMap((target) => target.cases);
    const siblings = await findSiblings(planned, others, resolvers, rules, context);

    // First the other hosts of released machines: a killed run is to find them again through the host that led to them.
    outcomes = await putSiblingsRight(siblings.cases, rules, context);
    const now = context.now();
    const ready = targets.map((target) => ({
      ...target,
      cases: heldBack(target.cases, siblings, outcomes, now),
    }));
    const putRight = new Set(siblings.cases.map(({ host }) => host.id));
    const left = heldBack(
      others.filter(({ host }) => !putRight.has(host.id)),
      siblings,
      outcomes,
      now,
    );
    outcomes = outcomes.concat(await applyTargets(ready, rules, context));
    // Acting may have ended what others wait for.
    const later = targets.length > 0 ? createResolvers(cases, rules, context) : resolvers;
    outcomes = outcomes.concat(await enrichAndFollow(left, later, rules, context));
    outcomes = await waitForActions(outcomes, rules, context);
  } catch (error) {
    fatal = error;
  }
  const now = context.clock.now();
  rememberTurns(outcomes, context.freshness, now);
  const ordered = outcomes.toSorted((one, other) => one.report.id - other.report.id);
  const exitCodes = exitCodesOf(context, selection, rules, fatal);
  const nameless = selection.nameless.length;
  const report = buildReport({
    ...about,
    startedAt,
    finishedAt: now,
    outcomes: ordered,
    nameless,
    exitCodes,
  });
  return { report, outcomes: ordered, fatal };
}

/** Who could not have his turn is among the first of the next run. */
function rememberTurns(outcomes: readonly HostOutcome[], freshness: Freshness, now: number): void {
  for (const { report } of outcomes) {
    if (report.result === 'deferred') freshness.postponed(report.id, now);
    else if (report.result !== 'unchanged') freshness.served(report.id, now);
  }
}

/** Verifies the exclusion groups, which only matters when somebody asks for an isolation. */
async function loadRules(asking: readonly Case[], { settings, detect, log }: RunContext): Promise<Rules> {
  const { brain, match, never, maxPerRun, endsAfterMs } = settings;
  const rules: Rules = { brain, match, never, maxPerRun, endsAfterMs };
  if (never.groups.length === 0 || !asking.some(({ asks }) => asks.includes('isolate'))) return rules;
  const problem = (why: string, exitCode: ExitCode, waiting?: string): Rules => {
    const reason = `no isolation in this run: ${why}`;
    // Also where no isolation comes as far as that rule: whoever misspelt a group is to know.
    log.warn(reason);
    return { ...rules, groupsProblem: { reason, exitCode, waiting } };
  };
  try {
    const unknown = unknownGroups(never.groups, await detect.listGroupNames()).map((name) => `"${name}"`);
    if (unknown.length === 0) return rules;
    const why = `isolation.never.groups names ${unknown.join(', ')}, which Detect does not know`;
    return problem(
      why,
      ExitCode.config,
      'isolation.never.groups names a group that Detect does not know; correct the configuration',
    );
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const why = `the groups that isolation.never.groups names could not be looked up (${error.message})`;
    return problem(why, error.exitCode === ExitCode.unavailable ? ExitCode.incomplete : error.exitCode);
  }
}

/** Exit codes that belong to the run and not to a host. */
function exitCodesOf(
  { stop, breaker }: RunContext,
  { nameless, isShort }: Selection,
  rules: Rules | undefined,
  fatal: unknown,
): ExitCode[] {
  const codes: ExitCode[] = [];
  const reason: unknown = stop.aborted ? stop.reason : undefined;
  if (reason instanceof AppError) codes.push(reason.exitCode);
  if (breaker.givenUp()) codes.push(ExitCode.unavailable);
  if (rules?.groupsProblem) codes.push(rules.groupsProblem.exitCode);
  if (isShort || nameless.length > 0) codes.push(ExitCode.incomplete);
  if (fatal !== undefined && !stop.aborted)
    codes.push(fatal instanceof AppError ? fatal.exitCode : ExitCode.bug);
  return codes;
}
