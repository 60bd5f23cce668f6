import pLimit from 'p-limit';
import type { MachineAction } from '../atp/schema.ts';
import {
  opposedHosts,
  planRequests,
  type Look,
  type RequestHost,
  type RequestPlan,
  type Rules,
} from '../decide/plan.ts';
import { deferredEffect, unchangedEffect } from '../decide/outcome.ts';
import { unknownGroups } from '../decide/guard.ts';
import { machineIdOf } from '../decide/resolution.ts';
import { triggersAmong, type RequestKind } from '../decide/tags.ts';
import { AppError, ExitCode } from '../errors.ts';
import { applyHost, failureEffect, outcomeWithout, type Fresh, type HostWork } from './apply.ts';
import type { RunContext, Triggers } from './context.ts';
import { followEffects } from './follow.ts';
import type { HostOutcome } from './report.ts';
import { readRecordOf, resolveHost } from './resolve.ts';
import type { SelectedHost } from './select.ts';
import { HostGoneError } from './writer.ts';

const hostsAtATime = 10;

/** A selected host whose trigger tags, read afresh, ask for an isolation or a release. */
interface Request {
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

/** Resolves, plans and carries out the blocks and unblocks of a run: all are planned before the first is done. */
export async function handleRequests(
  selected: readonly SelectedHost[],
  run: RunContext,
): Promise<HostOutcome[]> {
  if (selected.length === 0) return [];
  const limit = pLimit(hostsAtATime);
  const requests = await Promise.all(selected.map((host) => limit(() => lookAt(host, run))));
  const rules = await loadRules(requests, run);
  const plans = planRequests(
    requests.map((request) => ({ ...request, hostId: request.selected.host.id })),
    rules,
    run.clock.now(),
  );
  const groups = groupByMachine(requests);
  const outcomes = await Promise.all(
    groups.map((group) =>
      limit(() =>
        applyGroup(group, plans, rules, run).finally(() => {
          group.forEach(run.progress.done);
        }),
      ),
    ),
  );
  return outcomes.flat();
}

async function lookAt(selected: SelectedHost, run: RunContext): Promise<Request> {
  const { host } = selected;
  const kinds = kindsAsked(host.tags, run.triggers);
  try {
    run.stop.throwIfAborted();
    if (run.clock.now() > run.deadline) {
      return {
        selected,
        kinds,
        look: { failed: 'the time of this run was over', exitCode: ExitCode.incomplete },
      };
    }
    const detect = run.health.watch(run.detect, 'detect', host.id);
    const atp = run.health.watch(run.atp, 'atp', host.id);
    const tags = await detect.getTags(host.id);
    if (!tags) throw new HostGoneError(host.id);
    const asked = kindsAsked(tags, run.triggers).filter((kind) => kinds.includes(kind));
    const resolver = {
      detect,
      atp,
      brain: run.settings.brain,
      now: () => run.clock.now(),
      readRecord: (ids: readonly string[]) => readRecordOf(atp, ids),
    };
    const look = await resolveHost(host, tags, asked[0] ?? kinds[0], resolver);
    const machineId = look.resolution.kind === 'machine' ? look.resolution.machine.id : undefined;
    // Alerts are context: when they cannot be read, an isolation does not wait for them.
    look.alerts =
      machineId === undefined ? undefined : await atp.listAlerts(machineId).catch(unknownUnlessStopped(run));
    const notes = (await detect.listNotes(host.id)) ?? [];
    return { selected, kinds: asked, look, work: { ...workOf(selected, look, run), notes } };
  } catch (error) {
    const { detail, exitCode } = failureEffect(error, run);
    return {
      selected,
      kinds,
      look: { failed: detail, exitCode: exitCode === ExitCode.done ? ExitCode.incomplete : exitCode },
    };
  }
}

function unknownUnlessStopped(run: RunContext): (error: unknown) => 'unknown' {
  return (error) => {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    run.log.warn({ reason: error.message }, "the machine's alerts could not be read");
    return 'unknown';
  };
}

function workOf(selected: SelectedHost, look: Look, run: RunContext): Omit<HostWork, 'request' | 'notes'> {
  const now = run.clock.now();
  const owner = { brain: run.settings.brain, hostId: selected.host.id };
  const record = 'record' in look.record ? look.record.record : [];
  return {
    selected,
    look,
    enrich: true,
    effects: followEffects(look.tags, record, owner, now, look.corrected),
    enrichTriggers: triggersAmong(look.tags, run.triggers.tags),
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

/** Works on the hosts of one machine one after the other, so that the second takes over what the first asked for. */
async function applyGroup(
  group: readonly Request[],
  plans: ReadonlyMap<number, RequestPlan>,
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  const outcomes: HostOutcome[] = [];
  const ready: { request: Request; work: Omit<HostWork, 'request'>; fresh: Fresh; kinds: RequestKind[] }[] =
    [];
  for (const request of group) {
    const { selected, work, kinds } = request;
    const plan = plans.get(selected.host.id);
    if (!work) {
      const effect =
        plan?.kind === 'defer'
          ? deferredEffect(plan.reason, plan.exitCode)
          : deferredEffect('it could not be planned');
      outcomes.push(outcomeWithout(selected, [effect]));
      continue;
    }
    try {
      const fresh = await readAfresh(selected.host.id, kinds, run);
      ready.push({ request, work, fresh, kinds: kindsAsked(fresh.tags, run.triggers) });
    } catch (error) {
      outcomes.push(outcomeWithout(selected, [failureEffect(error, run)]));
    }
  }

  const opposed = opposedHosts(
    ready.map(({ request, kinds }) => ({ hostId: request.selected.host.id, kinds, look: request.look })),
  );
  let shared: Look['record'] | undefined;
  for (const { request, work, fresh, kinds } of ready) {
    const { selected } = request;
    const kind = request.kinds.find((asked) => kinds.includes(asked));
    const plan = plans.get(selected.host.id);
    if (shared) {
      work.look.record = brought(work.look.record, shared);
      // What was done for the host before it may have ended this host's own action.
      work.effects = workOf(selected, work.look, run).effects;
    }
    const reason = opposed.get(selected.host.id);
    const current: RequestPlan | undefined =
      reason === undefined ? plan : { kind: 'conflict', reason, verdicts: plan?.verdicts ?? [] };
    if (
      kind === undefined &&
      work.effects.every((effect) => effect.result === 'unchanged') &&
      !isEnrichedAnyway(selected, fresh, run)
    ) {
      outcomes.push(
        outcomeWithout(selected, [unchangedEffect('its trigger tag was removed before the run acted')]),
      );
      continue;
    }
    const triggers = triggersAmong(
      fresh.tags,
      kind === 'isolate' ? run.triggers.blockTags : run.triggers.unblockTags,
    );
    const full: HostWork = {
      ...work,
      ...(kind && current ? { request: { kind, triggers, plan: current } } : {}),
    };
    outcomes.push(await applyHost(full, fresh, rules, watched(run, selected.host.id)));
    shared = 'record' in work.look.record ? work.look.record : shared;
  }
  return outcomes;
}

/** A record brought up to date with another of the same machine, which may have been read under fewer ids. */
function brought(record: Look['record'], later: Look['record']): Look['record'] {
  if (!('record' in record) || !('record' in later)) return later;
  const isLater = (action: MachineAction) => later.record.some(({ id }) => id === action.id);
  return { record: [...later.record, ...record.record.filter((action) => !isLater(action))] };
}

function isEnrichedAnyway(selected: SelectedHost, fresh: Fresh, run: RunContext): boolean {
  return selected.reasons.includes('tc') || triggersAmong(fresh.tags, run.triggers.tags).length > 0;
}

async function readAfresh(hostId: number, kinds: readonly RequestKind[], run: RunContext): Promise<Fresh> {
  run.stop.throwIfAborted();
  const detect = run.health.watch(run.detect, 'detect', hostId);
  const host = kinds.includes('isolate') ? await detect.getHost(hostId) : undefined;
  // The tags come last: they are what the owner of a trigger changes.
  const tags = await detect.getTags(hostId);
  if (!tags || (kinds.includes('isolate') && !host)) throw new HostGoneError(hostId);
  return { tags, host };
}

/** The run's context with clients that count failures against this host. */
export function watched(run: RunContext, hostId: number): RunContext {
  return {
    ...run,
    detect: run.health.watch(run.detect, 'detect', hostId),
    atp: run.health.watch(run.atp, 'atp', hostId),
  };
}
