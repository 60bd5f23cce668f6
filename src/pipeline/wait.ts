import { isOpenStatus } from '../decide/tags.ts';
import { weightier } from '../decide/outcome.ts';
import { ApiError } from '../errors.ts';
import { enrichAndFollow } from './enrich.ts';
import type { RunContext } from './context.ts';
import type { HostOutcome } from './report.ts';

/** Defender's record shows a new action after some seconds; its peers ask every five. */
const askEveryMs = 5_000;

/**
 * Follows the machine actions of this run for as long as `--wait` allows, and writes their end to the hosts.
 * An action that is still open then is left to the next run.
 */
export async function waitForActions(outcomes: HostOutcome[], run: RunContext): Promise<void> {
  const until = run.clock.now() + run.settings.waitMs;
  while (run.clock.now() < until) {
    const open = outcomes.filter(({ report }) => report.action?.id && isOpenStatus(report.action.status));
    if (open.length === 0) return;
    await run.clock.sleep(Math.min(askEveryMs, until - run.clock.now()), run.stop);
    await followOnce(open, run);
  }
}

async function followOnce(open: readonly HostOutcome[], run: RunContext): Promise<void> {
  try {
    const reads = await Promise.allSettled(open.map(({ report }) => run.detect.getHost(report.id)));
    const selected = reads.flatMap((read) =>
      read.status === 'fulfilled' && read.value ? [{ host: read.value, reasons: ['pending' as const] }] : [],
    );
    const deadline = Number.POSITIVE_INFINITY;
    for (const later of await enrichAndFollow(selected, { ...run, deadline })) {
      const earlier = open.find(({ report }) => report.id === later.report.id);
      if (earlier) merge(earlier, later);
    }
  } catch (error) {
    // Following is the next run's work as well: an outage now spoils nothing that was done.
    if (!(error instanceof ApiError) || run.stop.aborted) throw error;
    run.log.debug({ reason: error.message }, 'the machine actions could not be followed this time');
  }
}

function merge({ report, exitCodes }: HostOutcome, later: HostOutcome): void {
  const { action, tags, note, result, detail } = later.report;
  if (!action || result === 'unchanged') return;
  report.action = action;
  report.tags.added = [...report.tags.added.filter((tag) => !tags.removed.includes(tag)), ...tags.added];
  report.tags.removed = [...new Set([...report.tags.removed, ...tags.removed])];
  report.note = report.note === 'created' ? 'created' : (note ?? report.note);
  report.result = weightier(report.result, result);
  report.detail = `${report.detail}; ${detail}`;
  exitCodes.push(...later.exitCodes);
}
