import type { Case } from '../decide/case.ts';
import { weightier } from '../decide/consequences.ts';
import type { Rules } from '../decide/plan.ts';
import { isEndStatus } from '../decide/tags.ts';
import { ApiError, ExitCode } from '../errors.ts';
import type { RunContext } from './context.ts';
import { followHosts } from './follow.ts';
import type { HostOutcome } from './report.ts';
import { hostDone } from './outcome.ts';
import { asksOf, caseFor } from './select.ts';

/** Defender's record shows a new action after some seconds; its peers ask every five. */
const askEveryMs = 5_000;

/**
 * Follows the machine actions of this run for as long as `--wait` allows, and writes their end to the hosts.
 * An action that is still open then is left to the next run.
 * @returns the outcomes as they are then, and those of hosts that came to it
 */
export async function waitForActions(
  outcomes: readonly HostOutcome[],
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  const until = run.clock.now() + run.settings.waitMs;
  let current = [...outcomes];
  let deleted: HostOutcome[] = [];
  while (run.clock.now() < until) {
    const open = current.filter(
      ({ report: { id, action } }) =>
        action?.id && !isEndStatus(action.status) && deleted.every((outcome) => outcome.report.id !== id),
    );
    if (open.length === 0) break;
    await run.clock.sleep(Math.min(askEveryMs, until - run.clock.now()), run.stop);
    const followed = await followOnce(open, rules, run);
    deleted = [...deleted, ...followed.deleted];
    current = merged(current, [...followed.deleted, ...followed.later]);
  }
  return current;
}

async function followOnce(
  open: readonly HostOutcome[],
  rules: Rules,
  run: RunContext,
): Promise<{ deleted: HostOutcome[]; later: HostOutcome[] }> {
  try {
    const reads = await Promise.all(open.map((outcome) => readHost(outcome, run)));
    // A trigger that could not be taken off is answered by that action: its end is told by the run that takes it off.
    const cases = reads.flatMap((read) => ('host' in read && !hasTrigger(read, run) ? [read] : []));
    const deleted = reads.flatMap((read) => ('report' in read ? [read] : []));
    const unlimited = { ...run, deadline: Number.POSITIVE_INFINITY };
    return { deleted, later: await followHosts(cases, rules, unlimited) };
  } catch (error) {
    // Following is the next run's work as well: an outage now spoils nothing that was done.
    if (!(error instanceof ApiError) || run.stop.aborted) throw error;
    run.log.debug({ reason: error.message }, 'the machine actions could not be followed this time');
    return { deleted: [], later: [] };
  }
}

function hasTrigger({ host }: Case, { triggers }: RunContext): boolean {
  return asksOf(host.tags, triggers).length > 0;
}

/** The host as it is now; that it was deleted meanwhile is told, and its action followed no further. */
async function readHost({ report }: HostOutcome, run: RunContext): Promise<Case | HostOutcome> {
  const host = await run.detect.getHost(report.id);
  if (host) return { ...caseFor(host, run), reasons: ['pending'], asks: [] };
  const { action } = report;
  const what = action ? `; ${action.type} ${action.id ?? ''} was ${action.status} by then` : '';
  const gone = `host ${report.id} was deleted in Detect while its action was followed${what}`;
  const outcome: HostOutcome = {
    report: { ...report, result: 'failed', detail: gone },
    exitCodes: [ExitCode.incomplete],
    explanation: [],
  };
  return hostDone(outcome, run);
}

function merged(earlier: readonly HostOutcome[], later: readonly HostOutcome[]): HostOutcome[] {
  const byId = new Map(later.map((outcome) => [outcome.report.id, outcome]));
  const known = new Set(earlier.map(({ report }) => report.id));
  return [
    ...earlier.map((outcome) => merge(outcome, byId.get(outcome.report.id))),
    ...later.filter(({ report }) => !known.has(report.id)),
  ];
}

function merge(earlier: HostOutcome, later: HostOutcome | undefined): HostOutcome {
  if (!later?.report.action || later.report.result === 'unchanged') return earlier;
  const { report } = earlier;
  const { action, tags, note, result, detail } = later.report;
  return {
    ...earlier,
    exitCodes: [...earlier.exitCodes, ...later.exitCodes],
    report: {
      ...report,
      action,
      tags: {
        added: [...report.tags.added.filter((tag) => !tags.removed.includes(tag)), ...tags.added],
        removed: [...new Set([...report.tags.removed, ...tags.removed])],
      },
      note: report.note === 'created' ? 'created' : (note ?? report.note),
      result: weightier(report.result, result),
      detail: `${report.detail}; ${detail}`,
    },
  };
}
