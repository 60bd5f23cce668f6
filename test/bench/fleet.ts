import type { SimHost } from '../simulator/hosts.ts';
import type { World } from '../simulator/world.ts';

/** The production line that the README shows; it selects all hosts of a fleet. */
export const typicalLine = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock'.split(' ');

/** What a fleet of hosts is made of. */
export interface FleetOptions {
  /** Each of them carries the tag `host_context` and scores of 80 and 80, so that the flags decide what selects it. */
  hosts: number;
  /** Machines in Defender's inventory that are no host of the fleet. @default 0 */
  otherMachines?: number | undefined;
}

/** Tags are copied for each host. */
const marks = { tags: ['VIP', 'host_context'], threat: 80, certainty: 80 };

/** One host in so many is not confirmed by a name or a MAC address. */
const unconfirmedEvery = 20;

/**
 * Adds hosts and their machines to a world, the same for the same options: 95 % of them are confirmed by a name or a MAC
 * address; the others have no machine, one that nothing confirms, one that is called otherwise, or two.
 */
export function addFleet(world: World, options: FleetOptions): SimHost[] {
  const { otherMachines = 0 } = options;
  const hosts = Array.from({ length: options.hosts }, (_, n) => addOne(world, n));
  for (let n = 0; n < otherMachines; n += 1) world.addMachine();
  return hosts;
}

function addOne(world: World, n: number): SimHost {
  if (n % unconfirmedEvery === unconfirmedEvery - 1) {
    return addUnconfirmed(world, Math.floor(n / unconfirmedEvery) % 4);
  }
  const { host, machine } =
    n % 5 === 3 ? world.addPair({ ...marks, name: `IP-10.0.0.${n % 250}` }) : world.addPair(marks);
  if (n % 5 === 3) {
    host.host_artifact_set = [{ type: 'mac', value: machine.ipAddresses[0]?.macAddress ?? '' }];
  }
  if (n % 10 === 0) world.addAlert({ machineId: machine.id, severity: n % 20 === 0 ? 'High' : 'Low' });
  if (n % 30 === 0) world.addAlert({ machineId: machine.id, status: 'Resolved' });
  return host;
}

function addUnconfirmed(world: World, kind: number): SimHost {
  switch (kind) {
    case 0:
      return world.addHost(marks);
    case 1:
      return world.addPair({ ...marks, name: 'IP-10.0.0.1', host_artifact_set: [] }).host;
    case 2:
      return world.addPair({
        ...marks,
        name: 'somebody-else',
        host_artifact_set: [{ type: 'kerberos', value: 'SOMEBODY-ELSE$' }],
      }).host;
    default: {
      const { host } = world.addPair({ ...marks, name: 'IP-10.0.0.1', host_artifact_set: [] });
      world.addMachine({ lastIpAddress: host.last_source });
      return host;
    }
  }
}
