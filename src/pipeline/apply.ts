import pLimit from 'p-limit';
import type { Case } from '../decide/case.ts';
import { conflicting, unchanged, type Consequence } from '../decide/consequences.ts';
import { updatedRecord } from '../decide/machine-state.ts';
import { judgeAgain, withConflicts, type Rules, type Target } from '../decide/plan.ts';
import { act } from './act.ts';
import type { RunContext } from './context.ts';
import { isWanted } from './look.ts';
import { endOf, hostDone, outcomeOf } from './outcome.ts';
import type { HostOutcome } from './report.ts';
import { newsAgain } from './resolve.ts';
import { asksOf } from './select.ts';
import { tell } from './tell.ts';
import { HostGoneError } from './writer.ts';

const machinesAtATime = 10;

/** Carries the plans out, machine by machine. */
export async function applyTargets(
  targets: readonly Target[],
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  const limit = pLimit(machinesAtATime);
  const outcomes = await Promise.all(
    targets.map(async (target) => {
      const told = await limit(() => applyTarget(target, rules, run));
      return await Promise.all(told);
    }),
  );
  return outcomes.flat();
}

/**
 * Acts on the hosts of one machine one after the other, so that the second takes over what the first asked for. What is
 * returned goes on telling: a host that waits for alerts, whose quota is another, holds up no isolation.
 */
async function applyTarget(
  { machineId, cases }: Target,
  rules: Rules,
  run: RunContext,
): Promise<Promise<HostOutcome>[]> {
  const read = await Promise.all(cases.map((one) => readAfresh(one, rules, run)));
  const fresh = withConflicts(machineId, read);
  const told: Promise<HostOutcome>[] = [];
  let shared: Case | undefined;
  for (const [at, first] of fresh.entries()) {
    const planned = cases[at];
    // Acting on the hosts before may have taken seconds in which the owner of this one's tag changed his mind.
    const mayHaveChanged = !first.ended && first.plan?.kind !== 'conflict';
    const one =
      shared && planned && mayHaveChanged
        ? await readAfresh(withRecord(planned, shared, rules, run), rules, run)
        : first;
    const acted = one.ended ? undefined : await act(one, rules, run);
    if (acted) shared = acted.one;
    const outcome = acted ? tell(acted, run) : Promise.resolve(outcomeOf(one, eventsOf(one)));
    told.push(outcome.then((done) => hostDone(done, run)));
  }
  return told;
}

/** Conflicts are told also of a host that could not be read. */
function eventsOf({ plan, ended }: Case): Consequence[] {
  const conflict = plan?.kind === 'conflict' ? [conflicting(`${plan.reason}; remove one of the tags`)] : [];
  return [...conflict, ...(ended ? [ended] : [])];
}

/** A case with what the hosts of the same machine before it came to; unknown once that is. */
function withRecord(one: Case, { record: later }: Case, rules: Rules, run: RunContext): Case {
  if ('unreadable' in one.record || 'unreadable' in later) return { ...one, record: later };
  const record = { record: updatedRecord(one.record.record, later.record) };
  return newsAgain({ ...one, record }, rules, run.now());
}

/**
 * Reads a host afresh, right before acting, and judges its request again. The tags come last: they are what the owner of
 * a trigger changes.
 */
async function readAfresh(one: Case, rules: Rules, run: RunContext): Promise<Case> {
  if (one.ended) return one;
  const { id } = one.host;
  try {
    run.stop.throwIfAborted();
    const mustRead = one.asks.includes('isolate');
    const host = mustRead ? await run.detect.getHost(id) : one.host;
    const tags = await run.detect.getTags(id);
    if (!tags || !host) throw new HostGoneError(id);
    const fresh = { ...one, host, tags, readAt: run.clock.now(), asks: asksLeft(one, tags, run) };
    return withPlan(one, fresh, rules, run);
  } catch (error) {
    return { ...one, ended: endOf(one, error, run) };
  }
}

/** What its tags ask for at this moment. What is new may make a request a conflict, and is none of its own. */
function asksLeft({ asks }: Case, tags: readonly string[], run: RunContext): Case['asks'] {
  const now = asksOf(tags, run.triggers);
  return asks.some((kind) => now.includes(kind)) ? now : [];
}

function withPlan(before: Case, fresh: Case, rules: Rules, run: RunContext): Case {
  const kind = before.asks.find((asked) => fresh.asks.includes(asked));
  if (kind !== undefined) {
    const planned = { ...fresh, request: kind, plan: judgeAgain(kind, before, fresh, rules, run.now()) };
    // Its own tags may have become a conflict; those of the other hosts are judged with all of them.
    return withConflicts(undefined, [planned])[0] ?? planned;
  }
  const enriches = fresh.enriches && isWanted(fresh, run);
  const isIdle = !enriches && fresh.news.every(({ event }) => event === 'unchanged') && !fresh.owed;
  const ended = isIdle ? unchanged('its trigger tag was removed before the run acted') : undefined;
  return { ...fresh, enriches, plan: undefined, ended };
}
