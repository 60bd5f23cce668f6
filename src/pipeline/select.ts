import { isUnfinished, readTags, triggersAmong } from '../decide/tags.ts';
import { buildHostQueries } from '../detect/query.ts';
import type { Host } from '../detect/schema.ts';
import type { RunContext, Triggers } from './context.ts';

/** Why a host was selected, in the order in which the report names it. */
export const reasons = ['tag', 'tc', 'block', 'unblock', 'pending'] as const;
export type Reason = (typeof reasons)[number];

const mostHosts = 500_000;

export interface SelectedHost {
  host: Host;
  reasons: Reason[];
}

/**
 * Asks Detect for the hosts that the flags select: every page, before anything is written, because writing changes the
 * result set. The search index tokenises tags and lags, so only what a host's own document says counts. Those that
 * wait for their turn come first.
 */
export async function selectHosts({
  detect,
  triggers,
  log,
  clock,
  deadline,
  freshness,
}: RunContext): Promise<SelectedHost[]> {
  const selected = new Map<number, SelectedHost>();
  const pending = asksForActions(triggers);
  for (const query of buildHostQueries({ ...triggers, pending })) {
    const seen = new Set<number>();
    let page: number | undefined = 1;
    while (page !== undefined) {
      const listed: Awaited<ReturnType<typeof detect.searchHosts>> = await detect.searchHosts(query, page);
      if (listed.unusable.length > 0) {
        log.warn(
          { skipped: listed.unusable.length },
          'Detect listed hosts without a usable id; they were left out',
        );
      }
      const before = seen.size;
      for (const host of listed.hosts) {
        seen.add(host.id);
        const why = reasonsFor(host, triggers);
        if (why.length > 0) selected.set(host.id, { host, reasons: why });
      }
      // A page without a new host is the end, whatever its link says; and so is the time of the run, or a list of
      // more hosts than any Detect has.
      const goesOn = seen.size > before && seen.size < mostHosts && clock.now() <= deadline;
      page = goesOn ? listed.next : undefined;
    }
  }
  return [...selected.values()].sort(
    ({ host: one }, { host: other }) => freshness.compare(one.id, other.id) || one.id - other.id,
  );
}

function asksForActions({ blockTags, unblockTags }: Triggers): boolean {
  return blockTags.length > 0 || unblockTags.length > 0;
}

/** Which flags a host's own document answers to. */
export function reasonsFor(host: Host, triggers: Triggers): Reason[] {
  const isActive = (host.state ?? 'active').toLowerCase() === 'active';
  const carries = (tags: readonly string[]) => triggersAmong(host.tags, tags).length > 0;
  const { tc } = triggers;
  const holds = {
    tag: isActive && carries(triggers.tags),
    tc:
      isActive &&
      tc !== undefined &&
      host.threat !== undefined &&
      host.certainty !== undefined &&
      host.threat >= tc.threat &&
      host.certainty >= tc.certainty,
    block: carries(triggers.blockTags),
    unblock: carries(triggers.unblockTags),
    pending: asksForActions(triggers) && isUnfinished(readTags(host.tags)),
  } satisfies Record<Reason, boolean>;
  return reasons.filter((reason) => holds[reason]);
}
