import pLimit from 'p-limit';
import type { Case } from '../decide/case.ts';
import type { Rules } from '../decide/plan.ts';
import { isHeld, readTags } from '../decide/tags.ts';
import { AppError } from '../errors.ts';
import { act } from './act.ts';
import type { RunContext } from './context.ts';
import { readInventory, type Inventory } from './inventory.ts';
import { lookForEnrichment, needsMachine } from './look.ts';
import { hostDone, outcomeOf } from './outcome.ts';
import type { HostOutcome } from './report.ts';
import type { Resolvers } from './resolvers.ts';
import { tell } from './tell.ts';

/** So many that changes of a common tag, which wait for one of Detect's ten connections, fill their calls. */
const hostsAtATime = 50;
/** From so many hosts on, Defender's whole inventory costs less than asking for each host by itself. */
const bulkFrom = 40;

/** Enriches hosts and follows their unfinished actions, in the order given. */
export async function enrichAndFollow(
  cases: readonly Case[],
  resolvers: Resolvers,
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome[]> {
  const wanting = new Set(cases.filter((one) => !one.ended && needsMachine(one, run)));
  const inventory = await inventoryFor([...wanting], run);
  // Hosts that wait for Defender's quota hold up none of those that ask it nothing of their own.
  const asking = pLimit(hostsAtATime);
  const others = pLimit(hostsAtATime);
  return await Promise.all(
    cases.map((one) => {
      const isAnswered =
        inventory?.confirmed(one.host) !== undefined && !isHeld(readTags(one.tags, run.now()));
      // Of hosts that were not asked about when it was read, the inventory knows nothing.
      const shared = wanting.has(one) ? inventory : undefined;
      const limit = wanting.has(one) && !isAnswered ? asking : others;
      return limit(async () => hostDone(await handle(one, shared, resolvers, rules, run), run));
    }),
  );
}

async function handle(
  one: Case,
  inventory: Inventory | undefined,
  resolvers: Resolvers,
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome> {
  const looked = await lookForEnrichment(one, inventory, resolvers, run);
  return looked.ended ? outcomeOf(looked, [looked.ended]) : await tell(await act(looked, rules, run), run);
}

/** Reads the inventory when enough hosts need a machine; without it each host is asked for by itself. */
async function inventoryFor(wanting: readonly Case[], run: RunContext): Promise<Inventory | undefined> {
  if (wanting.length < bulkFrom) return undefined;
  try {
    return await readInventory(
      run.atp,
      wanting.map(({ host }) => host),
      run.now(),
    );
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const fields = { reason: error.message };
    run.log.debug(fields, 'the inventory could not be read; each host is asked for by itself');
    return undefined;
  }
}
