import type { Case } from '../decide/case.ts';
import { unchanged } from '../decide/consequences.ts';
import { releaseShown } from '../decide/machine-state.ts';
import type { Rules } from '../decide/plan.ts';
import { isHeld, isUnfinished, readTags } from '../decide/tags.ts';
import { act } from './act.ts';
import type { RunContext } from './context.ts';
import { enrichAndFollow } from './enrich.ts';
import { endOf, hostDone, outcomeOf } from './outcome.ts';
import type { HostOutcome } from './report.ts';
import { createResolvers } from './resolvers.ts';
import { asksOf } from './select.ts';
import { findSiblings, heldBack } from './siblings.ts';
import { tell } from './tell.ts';
import { HostGoneError } from './writer.ts';

/** Follows the unfinished actions of hosts, and puts the other hosts of their machines right. */
export async function followHosts(
  cases: readonly Case[],
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  const resolvers = createResolvers(cases, rules, run);
  const siblings = await findSiblings([], cases, resolvers, rules, run);
  const putRight = await putSiblingsRight(siblings.cases, rules, run);
  const left = heldBack(cases, siblings, putRight, run.now());
  return [...putRight, ...(await enrichAndFollow(left, resolvers, rules, run))];
}

/** Puts the tags of hosts right whose machine was released through another host. */
export async function putSiblingsRight(
  siblings: readonly Case[],
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  return await Promise.all(
    siblings.map(async (one) => {
      const fresh = await readAfresh(one, run);
      const outcome = fresh.ended
        ? outcomeOf(fresh, [fresh.ended])
        : await tell(await act(fresh, rules, run), run);
      return hostDone(outcome, run);
    }),
  );
}

async function readAfresh(one: Case, run: RunContext): Promise<Case> {
  try {
    run.stop.throwIfAborted();
    const tags = await run.detect.getTags(one.host.id);
    if (!tags) throw new HostGoneError(one.host.id);
    const state = readTags(tags, run.now());
    const isStill = isHeld(state) && !isUnfinished(state) && state.ids.join() === one.machineIds.join();
    const record = 'record' in one.record ? one.record.record : [];
    const isLater = releaseShown(record, state.times.isolate[0]) === undefined;
    const isAsked = asksOf(tags, run.triggers).length > 0;
    const isLeft = !isStill || isLater || isAsked;
    return { ...one, tags, ended: isLeft ? unchanged('its tags tell of something else by now') : undefined };
  } catch (error) {
    return { ...one, ended: endOf(one, error, run) };
  }
}
