import type { Case } from '../decide/case.ts';
import { deferred, unchanged } from '../decide/consequences.ts';
import { isHeld, isUnfinished, readTags, triggersAmong } from '../decide/tags.ts';
import { ExitCode, PostponedError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { Inventory } from './inventory.ts';
import { endOf } from './outcome.ts';
import { resolve } from './resolve.ts';
import type { Resolvers } from './resolvers.ts';
import { asksOf, isPending } from './select.ts';
import { HostGoneError } from './writer.ts';

/** Reads a host that asks for an isolation or a release, and finds its machine. It never rejects. */
export async function lookForAction(one: Case, resolvers: Resolvers, run: RunContext): Promise<Case> {
  try {
    run.stop.throwIfAborted();
    if (run.clock.now() > run.deadline) throw new PostponedError('the time of this run was over');
    const { id } = one.host;
    const tags = await run.detect.getTags(id);
    // The index may still show where the host was before; nobody is isolated, or refused, for an old address.
    const host = tags && (await run.detect.getHost(id));
    if (!host) throw new HostGoneError(id);
    const asks = asksOf(tags, run.triggers).filter((kind) => one.asks.includes(kind));
    const enriches = asks.length > 0 || isWanted({ ...one, tags }, run);
    const read = { ...one, host, tags, asks, enriches };
    const resolver = asks.length > 0 ? resolvers.forAction(read) : resolvers.forEnrichment(read, undefined);
    return await resolve(read, resolver);
  } catch (error) {
    const { detail, exitCode } = endOf(one, error, run);
    const tags = readTags(one.tags, run.now());
    const machineIds = isHeld(tags) && tags.ids.length === 1 ? tags.ids : [];
    return { ...one, machineIds, ended: deferred(detail, exitCode) };
  }
}

/** Tells whether something beside a request wants the host's context. */
export function isWanted({ reasons, tags }: Case, { triggers }: RunContext): boolean {
  return reasons.includes('tc') || triggersAmong(tags, triggers.tags).length > 0;
}

/** Tells whether the host's machine is to be looked for. */
export function needsMachine({ host, reasons }: Case, { freshness, clock }: RunContext): boolean {
  return reasons.some((reason) => reason !== 'pending') && !freshness.isFresh({ host, reasons }, clock.now());
}

/** Waiting for a quota can take minutes, in which the owner of a tag changes his mind. */
const tagsHoldMs = 5_000;

/**
 * Reads a host that only wants context, or waits for its action, and finds its machine where that is needed. It never
 * rejects.
 */
export async function lookForEnrichment(
  one: Case,
  inventory: Inventory | undefined,
  resolvers: Resolvers,
  run: RunContext,
): Promise<Case> {
  if (one.ended) return one;
  const wants = needsMachine(one, run);
  const isIdle = !wants && !one.reasons.includes('pending') && !one.owed;
  if (isIdle) return { ...one, ended: unchanged('its context is younger than enrich.maxAgeMinutes') };
  try {
    run.stop.throwIfAborted();
    const began = run.clock.now();
    if (began > run.deadline)
      return {
        ...one,
        ended: deferred('the time of this run was over; the next run does it', ExitCode.done),
      };
    const read = await readTagsOf(one, wants, run);
    if (read.ended) return read;
    const looked = await lookAt(read, inventory, resolvers, run);
    if (run.clock.now() - began <= tagsHoldMs) return looked;
    const later = await readTagsOf(one, wants, run);
    if (later.ended) return later;
    if (!isSame(read, later, run.now()))
      return { ...later, ended: deferred('its tags changed while the run worked; the next run does it') };
    return { ...looked, tags: later.tags };
  } catch (error) {
    return { ...one, ended: endOf(one, error, run) };
  }
}

/** Its request is about the machine that its tags hold it to: nothing is put right before. */
const hasNewTrigger = 'a block or unblock tag came while the run worked; the next run meets it';

async function readTagsOf(one: Case, wants: boolean, run: RunContext): Promise<Case> {
  const tags = await run.detect.getTags(one.host.id);
  if (!tags) throw new HostGoneError(one.host.id);
  const hasTrigger = triggersAmong(tags, run.triggers.tags).length > 0;
  const enriches = hasTrigger || (wants && one.reasons.includes('tc'));
  const follows = one.reasons.includes('pending') && isPending(tags, run.settings.endsAfterMs, run.now());
  const isIdle = !enriches && !follows && !one.owed;
  if (asksOf(tags, run.triggers).length > 0) return { ...one, tags, ended: unchanged(hasNewTrigger) };
  // The owner took the tag away while the search index still showed it.
  return {
    ...one,
    tags,
    enriches,
    ended: isIdle ? unchanged('the tag that selected it is gone') : undefined,
  };
}

async function lookAt(
  one: Case,
  inventory: Inventory | undefined,
  resolvers: Resolvers,
  run: RunContext,
): Promise<Case> {
  const looked = await resolve(one, resolvers.forEnrichment(one, one.enriches ? inventory : undefined));
  // Its trigger stays: what the record shows is to be told.
  if ('unreadable' in looked.record) {
    const reason = `Defender's record of its machine could not be read: ${looked.record.unreadable}`;
    return { ...looked, ended: deferred(reason) };
  }
  const isIdle = !one.enriches && !one.owed && looked.news.every(({ event }) => event === 'unchanged');
  if (isIdle) return { ...looked, ended: looked.news[0] ?? unchanged('nothing has changed') };
  if (!one.enriches || looked.found?.kind !== 'machine') return looked;
  const { id } = looked.found.machine;
  const caller = { host: one.host.id, priority: 'enrichment' } as const;
  return { ...looked, alerts: inventory?.alertsOf(id) ?? (await run.atp.listAlerts(id, caller)) };
}

/** Tells whether both call the same machine the host's, and want the same. */
function isSame(one: Case, other: Case, now: number): boolean {
  const [was, is] = [readTags(one.tags, now), readTags(other.tags, now)];
  return (
    one.enriches === other.enriches &&
    was.ids.join() === is.ids.join() &&
    isHeld(was) === isHeld(is) &&
    isUnfinished(was) === isUnfinished(is)
  );
}
