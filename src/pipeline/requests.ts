import pLimit from 'p-limit';
import {
  opposedHosts,
  othersUnfinished,
  planRequests,
  type Look,
  type RequestHost,
  type RequestPlan,
  type Rules,
} from '../decide/plan.ts';
import { conflictEffect, deferredEffect, unchangedEffect } from '../decide/outcome.ts';
import { unknownGroups } from '../decide/guard.ts';
import { updatedRecord } from '../decide/record.ts';
import { machineIdOf } from '../decide/resolution.ts';
import { isHeld, isUnfinished, readTags, triggersAmong, type RequestKind } from '../decide/tags.ts';
import { AppError, ExitCode, PostponedError } from '../errors.ts';
import { applyHost, isById, type Fresh, type HostWork } from './apply.ts';
import type { RunContext, Triggers } from './context.ts';
import { followEffects } from './follow.ts';
import { failureEffect, outcomeWithout } from './outcomes.ts';
import type { HostOutcome } from './report.ts';
import { readRecordOf, resolveHost } from './resolve.ts';
import type { SelectedHost } from './select.ts';
import { HostGoneError } from './writer.ts';

const hostsAtATime = 10;

/** A selected host whose trigger tags, read afresh, ask for an isolation or a release. */
export interface Request {
  selected: SelectedHost;
  kinds: RequestKind[];
  work?: Omit<HostWork, 'request'>;
  look: RequestHost['look'];
}

/** What a host's tags ask for. */
function kindsAsked(tags: readonly string[], { blockTags, unblockTags }: Triggers): RequestKind[] {
  const kinds: RequestKind[] = [];
  if (triggersAmong(tags, blockTags).length > 0) kinds.push('isolate');
  if (triggersAmong(tags, unblockTags).length > 0) kinds.push('release');
  return kinds;
}

/**
 * Finds the machines of the hosts that ask for an isolation or a release, and reads what Defender records of them.
 * @param all every selected host: one that only waits for its action may have asked for it on the same machine
 */
export async function resolveRequests(
  selected: readonly SelectedHost[],
  all: readonly SelectedHost[],
  run: RunContext,
): Promise<Request[]> {
  const limit = pLimit(hostsAtATime);
  const requests = await Promise.all(selected.map((host) => limit(() => resolveRequest(host, run))));
  if (requests.length === 0) return requests;
  const unfinished = all
    .map(({ host }) => ({ hostId: host.id, state: readTags(host.tags) }))
    .filter(({ state }) => isUnfinished(state));
  for (const { look, selected: own } of requests) {
    if (!('failed' in look)) look.others = othersUnfinished(own.host.id, look.machineIds, unfinished);
  }
  return requests;
}

/** What shall be done about each request, by host id, and the rules it was planned by. */
export interface RequestPlans {
  byHost: ReadonlyMap<number, RequestPlan>;
  rules: Rules;
}

/** Plans all requests of a run before the first is done, so that guard rails and `maxPerRun` stop them in time. */
export async function planAllRequests(requests: readonly Request[], run: RunContext): Promise<RequestPlans> {
  const rules = await loadRules(requests, run);
  // Also where no isolation comes as far as that rule: whoever misspelt a group is to know.
  if (rules.groupsProblem) run.log.warn(rules.groupsProblem.reason);
  const hosts = requests.map((request) => ({ ...request, hostId: request.selected.host.id }));
  return { byHost: planRequests(hosts, rules, run.clock.now()), rules };
}

/** Carries the plans out, machine by machine. */
export async function applyRequests(
  requests: readonly Request[],
  plans: RequestPlans,
  run: RunContext,
): Promise<HostOutcome[]> {
  const limit = pLimit(hostsAtATime);
  const groups = groupByMachine(requests).map(
    (group) =>
      new Promise<HostOutcome[]>((resolve, reject) => {
        // A host that has its answer and waits for alerts, whose quota is another, holds up no isolation.
        const actThenLeave = (leave: () => void) => {
          void applyGroup(group, plans, run, leave).then(resolve, reject).finally(leave);
        };
        void limit(() => new Promise<void>(actThenLeave));
      }),
  );
  return (await Promise.all(groups)).flat();
}

async function resolveRequest(selected: SelectedHost, run: RunContext): Promise<Request> {
  const { host } = selected;
  const kinds = kindsAsked(host.tags, run.triggers);
  try {
    run.stop.throwIfAborted();
    if (run.clock.now() > run.deadline) throw new PostponedError('the time of this run was over');
    const { detect, atp } = run;
    const tags = await detect.getTags(host.id);
    if (!tags) throw new HostGoneError(host.id);
    const asked = kindsAsked(tags, run.triggers).filter((kind) => kinds.includes(kind));
    const resolver = {
      detect,
      atp,
      brain: run.settings.brain,
      now: () => run.clock.now(),
      readRecord: (ids: readonly string[]) => readRecordOf(atp, ids, { host: host.id, priority: 'action' }),
    };
    // The index may still show where the host was before; nobody is isolated, or refused, for an old address.
    const current = await detect.getHost(host.id);
    if (!current) throw new HostGoneError(host.id);
    const look = await resolveHost(current, tags, asked[0] ?? kinds[0], resolver);
    return { selected, kinds: asked, look, work: workOf(selected, look, run) };
  } catch (error) {
    const { detail, exitCode } = failureEffect(error, run);
    const state = readTags(host.tags);
    const heldMachineId = isHeld(state) && state.ids.length === 1 ? state.ids[0] : undefined;
    const code = exitCode === ExitCode.done ? ExitCode.incomplete : exitCode;
    return { selected, kinds, look: { failed: detail, exitCode: code, heldMachineId } };
  }
}

function workOf(selected: SelectedHost, look: Look, run: RunContext): Omit<HostWork, 'request'> {
  const now = run.clock.now();
  const owner = { brain: run.settings.brain, hostId: selected.host.id };
  const record = 'record' in look.record ? look.record.record : [];
  // While the machine of the `id:` tag may be isolated for all that is known, no other machine takes its place.
  const enrich = 'record' in look.record || isById(look);
  return {
    selected,
    look,
    enrich,
    effects: followEffects(look.tags, record, owner, now, look.corrected),
    enrichTriggers: enrich ? triggersAmong(look.tags, run.triggers.tags) : [],
  };
}

/** Verifies the exclusion groups, which only matters when somebody asks for an isolation. */
async function loadRules(requests: readonly Request[], { settings, detect }: RunContext): Promise<Rules> {
  const { brain, match, never, maxPerRun } = settings;
  const rules: Rules = { brain, match, never, maxPerRun };
  if (never.groups.length === 0 || !requests.some(({ kinds }) => kinds.includes('isolate'))) return rules;
  try {
    const unknown = unknownGroups(never.groups, await detect.listGroupNames());
    if (unknown.length === 0) return rules;
    const reason = `no isolation in this run: isolation.never.groups names ${unknown.map((name) => `"${name}"`).join(', ')}, which Detect does not know`;
    return { ...rules, groupsProblem: { reason, exitCode: ExitCode.config } };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const reason = `no isolation in this run: the groups that isolation.never.groups names could not be looked up (${error.message})`;
    const exitCode = error.exitCode === ExitCode.unavailable ? ExitCode.incomplete : error.exitCode;
    return { ...rules, groupsProblem: { reason, exitCode } };
  }
}

function groupByMachine(requests: readonly Request[]): Request[][] {
  const groups = new Map<string, Request[]>();
  for (const request of requests) {
    const machineId = 'failed' in request.look ? undefined : machineIdOf(request.look.resolution);
    const key = machineId ?? `host ${request.selected.host.id}`;
    groups.set(key, [...(groups.get(key) ?? []), request]);
  }
  return [...groups.values()];
}

/** A request whose host was read afresh, right before acting. */
interface Ready {
  request: Request;
  work: Omit<HostWork, 'request'>;
  fresh: Fresh;
  /** What its tags ask for at this moment. */
  kinds: RequestKind[];
}

/** Works on the hosts of one machine one after the other, so that the second takes over what the first asked for. */
async function applyGroup(
  group: readonly Request[],
  { byHost, rules }: RequestPlans,
  run: RunContext,
  onActed: () => void,
): Promise<HostOutcome[]> {
  const outcomes: HostOutcome[] = [];
  const ready: Ready[] = [];
  for (const request of group) {
    const read = await makeReady(request, byHost.get(request.selected.host.id), run);
    if ('report' in read) outcomes.push(read);
    else ready.push(read);
  }
  const opposed = opposedHosts(
    ready.map(({ request, kinds }) => ({ hostId: request.selected.host.id, kinds, look: request.look })),
  );
  let shared: Look['record'] | undefined;
  for (const [at, first] of ready.entries()) {
    const { request, work } = first;
    const plan = byHost.get(request.selected.host.id);
    // Acting on the hosts before may have taken seconds in which the owner of this one's tag changed his mind.
    const now = at === 0 ? first : await makeReady(request, plan, run);
    if ('report' in now) {
      outcomes.push(now);
      continue;
    }
    if (shared) {
      work.look.record = broughtUpToDate(work.look.record, shared);
      // What was done for the host before it may have ended this host's own action.
      work.effects = workOf(request.selected, work.look, run).effects;
    }
    outcomes.push(await applyReady(now, plan, opposed.get(request.selected.host.id), rules, run, onActed));
    shared = work.look.record;
  }
  group.forEach(run.progress.done);
  return outcomes;
}

/** A host's record with what the hosts of the same machine before it came to; unknown once that is. */
function broughtUpToDate(earlier: Look['record'], later: Look['record']): Look['record'] {
  if ('unreadable' in earlier || 'unreadable' in later) return later;
  return { record: updatedRecord(earlier.record, later.record) };
}

/** Reads a host afresh; its outcome instead, where there is nothing to act on. */
async function makeReady(
  request: Request,
  plan: RequestPlan | undefined,
  run: RunContext,
): Promise<Ready | HostOutcome> {
  const { selected, work, kinds } = request;
  if (!work) {
    if (plan?.kind === 'conflict') {
      // Its tags alone are a conflict; that it could not be read, for refused credentials perhaps, is told as well.
      const { look } = request;
      const unread = 'failed' in look ? [deferredEffect(look.failed, look.exitCode)] : [];
      return outcomeWithout(selected, [conflictEffect(plan.reason), ...unread]);
    }
    if (plan?.kind === 'defer') return outcomeWithout(selected, [deferredEffect(plan.reason, plan.exitCode)]);
    return outcomeWithout(selected, [deferredEffect('it could not be planned')]);
  }
  try {
    const fresh = await readAfresh(selected.host.id, kinds, run);
    return { request, work, fresh, kinds: kindsAsked(fresh.tags, run.triggers) };
  } catch (error) {
    return outcomeWithout(selected, [failureEffect(error, run)]);
  }
}

async function applyReady(
  { request, work, fresh, kinds }: Ready,
  planned: RequestPlan | undefined,
  opposed: string | undefined,
  rules: Rules,
  run: RunContext,
  onActed: () => void,
): Promise<HostOutcome> {
  const { selected } = request;
  const kind = request.kinds.find((asked) => kinds.includes(asked));
  const isIdle = work.effects.every((effect) => effect.result === 'unchanged');
  if (kind === undefined && isIdle && !isEnrichedAnyway(selected, fresh, run)) {
    return outcomeWithout(selected, [unchangedEffect('its trigger tag was removed before the run acted')]);
  }
  const both = kinds.length > 1 ? 'the host carries a block and an unblock tag at once' : undefined;
  const reason = opposed ?? both;
  const plan: RequestPlan | undefined =
    reason === undefined ? planned : { kind: 'conflict', reason, verdicts: planned?.verdicts ?? [] };
  const flagTags = kind === 'isolate' ? run.triggers.blockTags : run.triggers.unblockTags;
  const triggers = triggersAmong(fresh.tags, flagTags);
  const full: HostWork = { ...work, ...(kind && plan ? { request: { kind, triggers, plan } } : {}) };
  return await applyHost(full, fresh, rules, run, onActed);
}

function isEnrichedAnyway(selected: SelectedHost, fresh: Fresh, run: RunContext): boolean {
  return selected.reasons.includes('tc') || triggersAmong(fresh.tags, run.triggers.tags).length > 0;
}

async function readAfresh(hostId: number, kinds: readonly RequestKind[], run: RunContext): Promise<Fresh> {
  run.stop.throwIfAborted();
  const { detect } = run;
  const host = kinds.includes('isolate') ? await detect.getHost(hostId) : undefined;
  // The tags come last: they are what the owner of a trigger changes.
  const tags = await detect.getTags(hostId);
  if (!tags || (kinds.includes('isolate') && !host)) throw new HostGoneError(hostId);
  return { tags, host };
}
