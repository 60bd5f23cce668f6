import { caseOf, reasons, type Case, type Reason } from '../decide/case.ts';
import { failed } from '../decide/consequences.ts';
import { isOverByAge } from '../decide/news.ts';
import type { RequestKind } from '../decide/kinds.ts';
import { isHeld, isUnfinished, readTags, triggersAmong } from '../decide/tags.ts';
import type { HostPage, UnusableHost } from '../detect/client.ts';
import { buildHostQueries } from '../detect/query.ts';
import type { Host } from '../detect/schema.ts';
import type { RunContext, Triggers } from './context.ts';

const mostHosts = 500_000;

/** What the flags select. */
export interface Selection {
  cases: Case[];
  /** Names of hosts without an id: nothing can be done about them but say so. */
  nameless: string[];
  /** A list ended short of its own count, twice. */
  isShort: boolean;
}

/** What a search has listed. */
export interface Listed {
  hosts: Map<number, Host>;
  unusable: UnusableHost[];
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
  for (const query of buildHostQueries({ ...triggers, pending: asksForActions(triggers) })) {
    const listed = await listCompletely(query, run);
    isShort ||= listed.isShort;
    for (const host of listed.hosts.values()) {
      const one = caseFor(host, run);
      if (one.reasons.length > 0) selected.set(host.id, one);
    }
    for (const host of listed.unusable) {
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
  return {
    cases: cases.map((one) => ({ ...one, owed: journal.owed().get(one.host.id) })),
    nameless,
    isShort,
  };
}

function asksForActions({ blockTags, unblockTags }: Triggers): boolean {
  return blockTags.length > 0 || unblockTags.length > 0;
}

/** A list that ends short of its own count is read once more: hosts may have come and gone between its pages. */
async function listCompletely(query: string, run: RunContext): Promise<Listed> {
  const listed = await listHosts(query, run);
  return listed.isShort ? await listHosts(query, run) : listed;
}

/** Every page of the hosts that a query finds. */
export async function listHosts(query: string, { detect, clock, deadline }: RunContext): Promise<Listed> {
  const hosts = new Map<number, Host>();
  const unusable: UnusableHost[] = [];
  let count: number | undefined;
  let isCut = false;
  for (let page: number | undefined = 1; page !== undefined;) {
    const listed: HostPage = await detect.searchHosts(query, page);
    count ??= listed.count;
    const before = hosts.size + unusable.length;
    for (const host of listed.hosts) hosts.set(host.id, host);
    unusable.push(
      ...listed.unusable.filter(({ id }) => !unusable.some((known) => known.id === id && id !== undefined)),
    );
    // The time of the run, or a list of more hosts than any Detect has.
    isCut = hosts.size >= mostHosts || clock.now() > deadline;
    // A page without a new host is the end, whatever its link says.
    page = !isCut && hosts.size + unusable.length > before ? listed.next : undefined;
  }
  return { hosts, unusable, isShort: !isCut && hosts.size + unusable.length < (count ?? 0) };
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
    threat: undefined,
    certainty: undefined,
    lastSource: undefined,
    ip: undefined,
  };
  const host: Host = {
    id,
    name,
    tags: [],
    lastSeen: undefined,
    groups: undefined,
    artifacts: undefined,
    ...nothing,
  };
  const reason = tags.length > 0 ? 'tag' : tc ? 'tc' : blockTags.length > 0 ? 'block' : 'unblock';
  return {
    ...caseOf(host, [reason], []),
    ended: failed('its document in Detect has no tags and cannot be used'),
  };
}
