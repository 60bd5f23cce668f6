import { caseOf, reasons, type Case, type Reason } from '../decide/case.ts';
import { failed } from '../decide/consequences.ts';
import { isOverByAge } from '../decide/news.ts';
import type { RequestKind } from '../decide/kinds.ts';
import { isHeld, isUnfinished, readTags, triggersAmong } from '../decide/tags.ts';
import type { Host } from '../detect/host.ts';
import type { HostSelection } from '../detect/search.ts';
import type { RunContext, Triggers } from './context.ts';

/** What the flags select. */
export interface Selection {
  cases: Case[];
  /** Names of hosts without an id: nothing can be done about them but say so. */
  nameless: string[];
  /** A list ended short of its own count, twice. */
  isShort: boolean;
}

/**
 * Asks Detect for the hosts that the flags select: every page, before anything is written, because writing changes the
 * result set. The search index tokenises tags and lags, so only what a host's own document says counts. Those that
 * wait for their turn come first.
 */
export async function selectHosts(run: RunContext): Promise<Selection> {
  const { triggers, freshness, journal, log } = run;
  const selected = new Map<number, Case>();
  const nameless: string[] = [];
  let isShort = false;
  for await (const found of run.detect.findHosts(selectionBy(triggers), () => isOverdue(run))) {
    isShort ||= found.isShort;
    for (const host of found.hosts) {
      const one = caseFor(host, run);
      if (one.reasons.length > 0) selected.set(host.id, one);
    }
    for (const host of found.unusable) {
      if (host.id === undefined) nameless.push(host.name ?? '(no name)');
      else selected.set(host.id, unusable(host.id, host.name, triggers));
    }
  }
  if (asksForActions(triggers))
    for (const one of await owedHosts(selected, run)) selected.set(one.host.id, one);
  for (const name of nameless)
    log.error({ name }, 'Detect lists this host without an id; nothing can be done about it');
  if (isShort) log.error("Detect's list of hosts ended short of its own count, twice; hosts may be missing");
  const cases = [...selected.values()].sort(
    ({ host: one }, { host: other }) => freshness.compare(one.id, other.id) || one.id - other.id,
  );
  const owed = journal.owed();
  return {
    cases: cases.map((one) => ({ ...one, owed: owed.get(one.host.id) })),
    nameless,
    isShort,
  };
}

function asksForActions({ blockTags, unblockTags }: Triggers): boolean {
  return blockTags.length > 0 || unblockTags.length > 0;
}

function selectionBy(triggers: Triggers): HostSelection {
  const { tags, tc, blockTags, unblockTags } = triggers;
  const pending = asksForActions(triggers);
  return { activeTags: tags, activeScores: tc, tags: [...blockTags, ...unblockTags], pending };
}

/** Tells whether the time of the run is over, in which a list that never ends is left. */
export function isOverdue({ clock, deadline }: RunContext): boolean {
  return clock.now() > deadline;
}

/** The case of a host, with the flags that its own document answers to. */
export function caseFor(
  host: Host,
  { triggers, settings, now }: Pick<RunContext, 'triggers' | 'settings' | 'now'>,
): Case {
  return caseOf(host, reasonsFor(host, triggers, settings.endsAfterMs, now()), asksOf(host.tags, triggers));
}

/** What block and unblock tags ask for. */
export function asksOf(tags: readonly string[], { blockTags, unblockTags }: Triggers): RequestKind[] {
  const asks: RequestKind[] = [];
  if (triggersAmong(tags, blockTags).length > 0) asks.push('isolate');
  if (triggersAmong(tags, unblockTags).length > 0) asks.push('release');
  return asks;
}

/** Which flags a host's own document answers to. */
export function reasonsFor(host: Host, triggers: Triggers, endsAfterMs: number, now: number): Reason[] {
  const isActive = (host.state ?? 'active').toLowerCase() === 'active';
  const carries = (tags: readonly string[]) => triggersAmong(host.tags, tags).length > 0;
  const { tc } = triggers;
  const holds = {
    tag: isActive && carries(triggers.tags),
    tc:
      isActive &&
      tc !== undefined &&
      (host.threat ?? -1) >= tc.threat &&
      (host.certainty ?? -1) >= tc.certainty,
    block: carries(triggers.blockTags),
    unblock: carries(triggers.unblockTags),
    pending: asksForActions(triggers) && isPending(host.tags, endsAfterMs, now),
  } satisfies Record<Reason, boolean>;
  return reasons.filter((reason) => holds[reason]);
}

/** Tells whether an earlier run left something on the host to follow, or an isolation that may be surely over. */
export function isPending(tags: readonly string[], endsAfterMs: number, now: number): boolean {
  const state = readTags(tags, now);
  return (
    isUnfinished(state) ||
    (state.statuses.length > 0 && isHeld(state) && isOverByAge(state, endsAfterMs, now))
  );
}

/** Further hosts whose notes lack a line that an earlier run could not write. */
async function owedHosts(selected: ReadonlyMap<number, Case>, run: RunContext): Promise<Case[]> {
  const cases: Case[] = [];
  for (const hostId of run.journal.owed().keys()) {
    if (selected.has(hostId)) continue;
    const host = await run.detect.getHost(hostId);
    if (host) cases.push(pendingCase(host, run));
    else await run.journal.paid(hostId);
  }
  return cases;
}

function pendingCase(host: Host, run: RunContext): Case {
  const one = caseFor(host, run);
  return { ...one, reasons: reasons.filter((each) => each === 'pending' || one.reasons.includes(each)) };
}

/** A host of which only the id is known. Which flag listed it, its document does not tell. */
function unusable(id: number, name: string | undefined, { tags, tc, blockTags }: Triggers): Case {
  const nothing = {
    state: undefined,
    lastSource: undefined,
    ip: undefined,
    lastSeen: undefined,
    groups: undefined,
  };
  const host: Host = { id, name, tags: [], artifacts: undefined, ...nothing };
  const reason = tags.length > 0 ? 'tag' : tc ? 'tc' : blockTags.length > 0 ? 'block' : 'unblock';
  return {
    ...caseOf(host, [reason], []),
    ended: failed('its document in Detect has no tags and cannot be used'),
  };
}
