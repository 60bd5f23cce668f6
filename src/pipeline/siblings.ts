import type { MachineAction } from '../atp/machine.ts';
import { caseOf, type Case } from '../decide/case.ts';
import { deferred } from '../decide/consequences.ts';
import { releasedByOthers } from '../decide/events.ts';
import { lastSucceeded, releaseShown } from '../decide/machine-state.ts';
import type { Rules } from '../decide/plan.ts';
import { isHeld, isUnfinished, readTags } from '../decide/tags.ts';
import type { Host } from '../detect/host.ts';
import { AppError } from '../errors.ts';
import type { RunContext } from './context.ts';
import { needsMachine } from './look.ts';
import type { HostOutcome } from './report.ts';
import { readNews } from './resolve.ts';
import type { Resolvers } from './resolvers.ts';
import { asksOf, isOverdue } from './select.ts';

/** Machines of which this run learns that they are released, and their other hosts. */
export interface Siblings {
  released: ReadonlyMap<string, MachineAction>;
  cases: readonly Case[];
  /** The search for them did not fail. */
  isComplete: boolean;
}

/**
 * The hosts that must not tell of a release yet: where their siblings could not be put right, the next run is to find those
 * again through them. A block is held back by nobody's tags: it tells of no release.
 */
export function heldBack(
  leaders: readonly Case[],
  { released, cases, isComplete }: Siblings,
  outcomes: readonly HostOutcome[],
  now: number,
): Case[] {
  const failing = new Set(
    outcomes
      .filter(({ report }) => ['failed', 'deferred'].includes(report.result))
      .map(({ report }) => report.id),
  );
  const ids = new Set(
    cases.filter(({ host }) => failing.has(host.id)).flatMap(({ machineIds }) => machineIds),
  );
  const reason = 'other hosts of its released machine could not be put right; the next run does it';
  return leaders.map((one) => {
    const machines = [...one.machineIds, ...readTags(one.tags, now).ids];
    const isBack = machines.some((id) => ids.has(id) || (!isComplete && released.has(id)));
    const isFree = one.ended !== undefined || one.request === 'isolate';
    return isBack && !isFree ? { ...one, ended: deferred(reason) } : one;
  });
}

/**
 * Finds the other hosts of machines of which this run learns that they are released: their tags are put right in the same
 * run, by one search. A host that was selected, or that has a trigger of its own, is left to that.
 * @param asking hosts that were looked at
 * @param others hosts that may wait for an action
 */
export async function findSiblings(
  asking: readonly Case[],
  others: readonly Case[],
  resolvers: Resolvers,
  rules: Rules,
  run: RunContext,
): Promise<Siblings> {
  const followers = others.filter((one) => !one.ended && mayLearnOfRelease(one, run));
  const followed = await Promise.all(followers.map((one) => followedBy(one, resolvers, run)));
  const released = releasedMachines([...asking, ...followed], run.now());
  const found = { released, cases: [], isComplete: true };
  if (released.size === 0) return found;
  try {
    // A host whose context is young enough is selected and would not be looked at.
    const looked = others.filter((one) => one.reasons.includes('pending') || needsMachine(one, run));
    const known = new Set([...asking, ...looked].map(({ host }) => host.id));
    const siblings: Case[] = [];
    const tags = [...released.keys()].map((id) => `id: ${id}`);
    for await (const { hosts } of run.detect.findHosts({ tags }, () => isOverdue(run))) {
      for (const host of hosts)
        if (!known.has(host.id)) siblings.push(...siblingOf(host, released, rules, run));
    }
    return { ...found, cases: siblings };
  } catch (error) {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    run.log.warn({ reason: error.message }, 'the other hosts of released machines could not be looked for');
    return { ...found, isComplete: false };
  }
}

/** Tells whether the run reads what Defender records of the host's machine. */
function mayLearnOfRelease(one: Case, run: RunContext): boolean {
  const isEnriched = needsMachine(one, run) && isHeld(readTags(one.tags, run.now()));
  return one.reasons.includes('pending') || isEnriched;
}

/** The host with what the one list of actions tells of it; nobody is kept from anything where that cannot be read. */
async function followedBy(one: Case, resolvers: Resolvers, run: RunContext): Promise<Case> {
  try {
    return await readNews(one, resolvers.forEnrichment(one, undefined));
  } catch (error) {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    return one;
  }
}

/** Machines of which the news of a host, or what its request is met by, is a release that Succeeded. */
function releasedMachines(cases: readonly Case[], now: number): Map<string, MachineAction> {
  const released = new Map<string, MachineAction>();
  const releases = new Map<string, MachineAction>();
  for (const { news, plan, record, tags } of cases) {
    // A request reads the whole record of its machine, whatever the host's own tags say.
    const last = plan && 'record' in record ? lastSucceeded(record.record)?.id : undefined;
    const told = news.filter(({ action }) => action?.type === 'release' && action.status === 'Succeeded');
    const ids = new Set([...told.map(({ action }) => action?.id ?? ''), last ?? '']);
    for (const action of 'record' in record ? record.record : []) {
      const isRelease = action.type === 'Unisolate' && action.status === 'Succeeded' && ids.has(action.id);
      if (!isRelease) continue;
      released.set(action.machineId, action);
      releases.set(action.id, action);
    }
    // The action of a merged record stays under its old id, and hosts may name the heir.
    const [action] = [...ids].flatMap((id) => releases.get(id) ?? []);
    if (action) for (const id of readTags(tags, now).ids) released.set(id, action);
  }
  return released;
}

function siblingOf(
  host: Host,
  released: ReadonlyMap<string, MachineAction>,
  { brain, endsAfterMs }: Rules,
  run: RunContext,
): Case[] {
  const now = run.now();
  const tags = readTags(host.tags, now);
  const release = tags.ids.length === 1 ? released.get(tags.ids[0] ?? '') : undefined;
  const isOver =
    release && isHeld(tags) && !isUnfinished(tags) && releaseShown([release], tags.times.isolate[0]);
  if (!isOver || asksOf(host.tags, run.triggers).length > 0) return [];
  const telling = { owner: { brain, hostId: host.id }, endsAfterMs, now };
  return [
    {
      ...caseOf(host, ['pending'], []),
      found: { kind: 'gone', machineId: release.machineId },
      record: { record: [release] },
      machineIds: tags.ids,
      held: 'by id',
      news: [releasedByOthers(release, telling)],
    },
  ];
}
