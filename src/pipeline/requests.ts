import pLimit from 'p-limit';
import type { Case } from '../decide/case.ts';
import { macsOfSeveral } from '../decide/match.ts';
import { machineIdOf } from '../decide/resolution.ts';
import type { RunContext } from './context.ts';
import { chooseAgain } from './look-up.ts';
import { lookForAction } from './look.ts';
import type { Resolvers } from './resolvers.ts';

const hostsAtATime = 10;

/** Finds the machines of the hosts that ask for an isolation or a release: the one barrier, since caps and conflicts need them all. */
export async function resolveAll(
  asking: readonly Case[],
  resolvers: Resolvers,
  run: RunContext,
): Promise<Case[]> {
  const limit = pLimit(hostsAtATime);
  const resolved = await Promise.all(asking.map((one) => limit(() => lookForAction(one, resolvers, run))));
  return withoutSharedMacs(resolved);
}

/** Chooses again where a MAC address turns out to be one that several machines of the run have. */
function withoutSharedMacs(cases: readonly Case[]): Case[] {
  const machines = cases.flatMap(({ found }) =>
    found?.kind === 'machine' ? (found.choice?.found ?? [found.machine]) : [],
  );
  const sharedMacs = macsOfSeveral(machines);
  if (sharedMacs.size === 0) return [...cases];
  return cases.map((one) => {
    const { found, host } = one;
    if (found?.kind !== 'machine' || !found.choice) return one;
    const again = chooseAgain(host, found, sharedMacs);
    if (again.kind !== 'machine') return { ...one, found: again, machineIds: [], record: { record: [] } };
    // Another machine's record was not read.
    return machineIdOf(again) === machineIdOf(found)
      ? { ...one, found: again }
      : { ...one, found: again, record: { unreadable: 'its machine was chosen anew' } };
  });
}
