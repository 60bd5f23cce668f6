import pLimit from 'p-limit';
import type { Caller } from '../atp/client.ts';
import type { MachineAction } from '../atp/schema.ts';
import { deferredEffect, unchangedEffect } from '../decide/outcome.ts';
import type { Look, RecordRead, Rules } from '../decide/plan.ts';
import { isHeld, isUnfinished, readTags, triggersAmong, type TagState } from '../decide/tags.ts';
import { ApiError, AppError, ExitCode } from '../errors.ts';
import { applyHost } from './apply.ts';
import type { RunContext } from './context.ts';
import { followEffects } from './follow.ts';
import { readInventory, type Inventory } from './inventory.ts';
import { failureEffect, outcomeWithout } from './outcomes.ts';
import type { HostOutcome } from './report.ts';
import { readRecordOf, resolveHost } from './resolve.ts';
import type { SelectedHost } from './select.ts';
import { HostGoneError } from './writer.ts';

/** So many that changes of a common tag, which wait for one of Detect's ten connections, fill their calls. */
const hostsAtATime = 50;

/** Enriches hosts and follows their unfinished actions, in the order given. */
export async function enrichAndFollow(
  selected: readonly SelectedHost[],
  run: RunContext,
): Promise<HostOutcome[]> {
  const now = run.clock.now();
  const records = createActionList(selected, now);
  const wanting = new Set(selected.filter((host) => wantsMachine(host, run, now)));
  const inventory = await inventoryFor([...wanting], run, now);
  // Hosts that wait for Defender's quota hold up none of those that ask it nothing of their own.
  const asking = pLimit(hostsAtATime);
  const others = pLimit(hostsAtATime);
  return await Promise.all(
    selected.map((each) => {
      const wants = wanting.has(each);
      const isAnswered = inventory?.confirmed(each.host) !== undefined && !isHeld(readTags(each.host.tags));
      // Of hosts that were not asked about when it was read, the inventory knows nothing.
      const shared = { records, inventory: wants ? inventory : undefined };
      return (wants && !isAnswered ? asking : others)(() =>
        handleHost(each, wants, shared, run).finally(run.progress.done),
      );
    }),
  );
}

/** Tells whether the host's machine is to be looked for. */
function wantsMachine(selected: SelectedHost, { freshness }: RunContext, now: number): boolean {
  return selected.reasons.some((reason) => reason !== 'pending') && !freshness.isFresh(selected, now);
}

/** What is read once for many hosts. */
interface Shared {
  records: ActionList;
  inventory: Inventory | undefined;
}

/** From so many hosts on, Defender's whole inventory costs less than asking for each host by itself. */
const bulkFrom = 40;

/** Reads the inventory when enough hosts need a machine; without it each host is asked for by itself. */
async function inventoryFor(
  wanting: readonly SelectedHost[],
  run: RunContext,
  now: number,
): Promise<Inventory | undefined> {
  if (wanting.length < bulkFrom) return undefined;
  try {
    const hosts = wanting.map(({ host }) => host);
    return await readInventory(run.atp, hosts, now);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    run.log.debug(
      { reason: error.message },
      'the inventory could not be read; each host is asked for by itself',
    );
    return undefined;
  }
}

/** What the host's tags ask for at this moment. */
interface Asked {
  tags: string[];
  state: TagState;
  enrichTriggers: string[];
  enrich: boolean;
  follow: boolean;
}

/** @param wants its scores are a reason to enrich it: the last time is not recent enough. */
async function readAsked(selected: SelectedHost, wants: boolean, run: RunContext): Promise<Asked> {
  const tags = await run.detect.getTags(selected.host.id);
  if (!tags) throw new HostGoneError(selected.host.id);
  const state = readTags(tags);
  const enrichTriggers = triggersAmong(tags, run.triggers.tags);
  return {
    tags,
    state,
    enrichTriggers,
    enrich: enrichTriggers.length > 0 || (wants && selected.reasons.includes('tc')),
    follow: selected.reasons.includes('pending') && isUnfinished(state),
  };
}

/** Waiting for a quota can take minutes, in which the owner of a tag changes his mind. */
const tagsHoldMs = 5_000;

async function handleHost(
  selected: SelectedHost,
  wants: boolean,
  { records, inventory }: Shared,
  run: RunContext,
): Promise<HostOutcome> {
  const { host, reasons } = selected;
  const caller: Caller = { host: host.id, priority: 'enrichment' };
  try {
    run.stop.throwIfAborted();
    const now = run.clock.now();
    if (!wants && !reasons.includes('pending')) {
      return outcomeWithout(selected, [unchangedEffect('its context is younger than enrich.maxAgeMinutes')]);
    }
    if (now > run.deadline) {
      return outcomeWithout(selected, [
        deferredEffect('the time of this run was over; the next run does it', ExitCode.done),
      ]);
    }
    let asked = await readAsked(selected, wants, run);
    // The owner took the tag away while the search index still showed it.
    if (!asked.enrich && !asked.follow) return outcomeWithout(selected, [unchangedEffect(tagIsGone)]);

    const look = await lookAt(selected, asked.tags, asked.enrich, { records, inventory }, run);
    const owner = { brain: run.settings.brain, hostId: host.id };
    const listed = isUnfinished(asked.state) ? await records.read(asked.state, host.id, run) : undefined;
    if (run.clock.now() - now > tagsHoldMs) {
      const { state: before, enrich: wasEnriched } = asked;
      asked = await readAsked(selected, wants, run);
      if (!asked.enrich && !asked.follow) return outcomeWithout(selected, [unchangedEffect(tagIsGone)]);
      const isOther = asked.enrich !== wasEnriched || !isSameMachine(before, asked.state);
      if (isOther) return outcomeWithout(selected, [deferredEffect(tagsHaveChanged)]);
      look.tags = asked.tags;
    }
    const { tags, state, enrich, enrichTriggers } = asked;
    if (listed && 'unreadable' in listed && !enrich) {
      return outcomeWithout(selected, [
        deferredEffect(`its machine action could not be followed: ${listed.unreadable}`),
      ]);
    }
    // Its trigger stays: a release that the record shows is to be told.
    if (enrich && isHeld(state) && 'unreadable' in look.record) {
      return outcomeWithout(selected, [
        deferredEffect(`Defender's record of its machine could not be read: ${look.record.unreadable}`),
      ]);
    }
    const known = listed && 'record' in listed ? listed.record : [];
    let effects = followEffects(tags, known, owner, now, look.corrected);
    if (listed && effects.length === 0 && reachOf(state) === undefined) {
      // Without a time, it may be older than the list of all reaches back.
      const own = await readRecordOf(run.atp, state.ids, caller);
      if ('record' in own) effects = followEffects(tags, own.record, owner, now, look.corrected);
    }
    if (!enrich && effects.every((effect) => effect.result === 'unchanged')) {
      return outcomeWithout(selected, effects);
    }
    const work = { selected, look, enrich, effects, enrichTriggers };
    return await applyHost(work, { tags }, noRequests(run), run);
  } catch (error) {
    return outcomeWithout(selected, [failureEffect(error, run)]);
  }
}

const tagIsGone = 'the tag that selected it is gone';
const tagsHaveChanged = 'its tags changed while the run worked; the next run does it';

/** Tells whether both call the same machine the host's, and both or neither call it held or unfinished. */
function isSameMachine(one: TagState, other: TagState): boolean {
  return (
    one.ids.join() === other.ids.join() &&
    isHeld(one) === isHeld(other) &&
    isUnfinished(one) === isUnfinished(other)
  );
}

/** The rules of a host that asks for nothing: none of them is ever tried. */
function noRequests({ settings }: RunContext): Rules {
  return { brain: settings.brain, match: settings.match, never: settings.never, maxPerRun: 0 };
}

async function lookAt(
  { host }: SelectedHost,
  tags: string[],
  enrich: boolean,
  { records, inventory }: Shared,
  run: RunContext,
): Promise<Look> {
  if (!enrich) {
    const resolution = { kind: 'none', why: 'only followed' } as const;
    return { host, tags, resolution, record: { record: [] }, machineIds: [] };
  }
  const { detect, atp, settings, clock } = run;
  const look = await resolveHost(host, tags, undefined, {
    detect,
    atp,
    brain: settings.brain,
    inventory,
    now: () => clock.now(),
    readRecord: async (machineIds, state) => {
      const read = await records.read(state, host.id, run);
      if ('unreadable' in read) return read;
      return { record: read.record.filter((action) => machineIds.includes(action.machineId)) };
    },
  });
  if (look.resolution.kind === 'machine') {
    const { id } = look.resolution.machine;
    look.alerts =
      inventory?.alertsOf(id) ?? (await atp.listAlerts(id, { host: host.id, priority: 'enrichment' }));
  }
  return look;
}

/** One list of machine actions for all hosts that the tags call held or unfinished, whatever their number. */
interface ActionList {
  /** The list, read once and only when needed; for a host it does not reach back to, its machines' own records. */
  read(state: TagState, hostId: number, run: RunContext): Promise<RecordRead>;
}

const dayMs = 86_400_000;

/** Where the list of all begins for a status tag that has lost its time: an action ends by itself after three days. */
function beforeAnyOpen(now: number): number {
  return (Math.floor(now / dayMs) - 4) * dayMs;
}

function createActionList(selected: readonly SelectedHost[], now: number): ActionList {
  const states = selected.map(({ host }) => readTags(host.tags));
  let oldest = states.some((state) => isUnfinished(state)) ? beforeAnyOpen(now) : undefined;
  for (const state of states) {
    const reach = isHeld(state) || isUnfinished(state) ? reachOf(state) : undefined;
    if (reach !== undefined) oldest = Math.min(oldest ?? reach, reach);
  }
  let list: Promise<MachineAction[]> | undefined;

  return {
    async read(state, host, { atp }) {
      const reach = isUnfinished(state) ? (reachOf(state) ?? beforeAnyOpen(now)) : reachOf(state);
      if (oldest === undefined || reach === undefined || reach < oldest)
        return await readRecordOf(atp, state.ids, { host, priority: 'enrichment' });
      try {
        list ??= atp.listActionsSince(oldest, { host, priority: 'action' });
        return { record: await list };
      } catch (error) {
        if (error instanceof ApiError) return { unreadable: error.message };
        throw error;
      }
    },
  };
}

/** How far back the actions of a host must be known: to the `Manual …:` tag that its status belongs to, or its newest. */
function reachOf({ newest, slots }: TagState): number | undefined {
  const times = slots.length > 0 ? slots.map(({ kind }) => newest[kind]) : [newest.isolate, newest.release];
  const known = times.filter((time) => time !== undefined);
  if (slots.length > 0) return known.length === slots.length ? Math.min(...known) : undefined;
  return known.length > 0 ? Math.max(...known) : undefined;
}
