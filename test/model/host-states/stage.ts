import type { Harness } from '../../harness.ts';
import type { SimAction } from '../../simulator/actions.ts';
import type { FaultKind } from '../../simulator/faults.ts';
import type { SimHost } from '../../simulator/hosts.ts';
import { isObject } from '../../simulator/json.ts';
import type { Entry } from '../../simulator/ledger.ts';
import type { SimMachine } from '../../simulator/machines.ts';

export type Ask = 'block' | 'unblock' | undefined;

/** A run: what was asked of Defender, the host's own tags afterwards, and what the report says. */
export interface Expected {
  /** Undefined: the run does not select the host. */
  result: string | undefined;
  /** `isolate PC`, `unisolate PC`, `cancel`, in order; default none. */
  asks?: string[];
  /** Own tags but for the five that describe a machine; default: as after the run before. */
  tags?: string[];
  /** The trigger tag is still there; default no. */
  kept?: boolean;
  /** Parts of the report's sentence. */
  says?: string[];
}

export interface Stage {
  harness: Harness;
  host: SimHost;
  /** The host's machine, `PC` in the rows: found by its address, confirmed by name. */
  machine: SimMachine;
  /** `OTHER`: another machine, at another address. */
  other: SimMachine;
  act(fields: Partial<SimAction>): SimAction;
  /** An action that an earlier run asked for. */
  own(fields: Partial<SimAction> & { type: 'Isolate' | 'Unisolate' }, at: string): SimAction;
  /** Something goes wrong with calls that name the machine. */
  fault(call: string, kind: FaultKind, times: number): void;
}

export interface State {
  name: string;
  arrange(stage: Stage): void;
  /** What happens between the runs; by default all open actions are carried out. */
  between?(stage: Stage, run: number): void;
  rows: { ask: Ask; runs: [Expected, Expected, Expected] }[];
}

/** A time of the day of the tests, in milliseconds UTC. */
export function time(clock: string): number {
  return Date.parse(`2026-11-24T${clock}:00Z`);
}

export const unselected: Expected = { result: undefined };
export function setStage(harness: Harness): Stage {
  const { world, faults } = harness.simulator;
  const { host, machine } = world.addPair();
  machine.computerDnsName = `laptop-${host.id}.contoso.example`;
  host.host_artifact_set = [{ type: 'dhcp', value: `laptop-${host.id}` }];
  const other = world.addMachine({ computerDnsName: `desktop-${host.id}.contoso.example` });
  const brain = new URL(harness.simulator.detectUrl).host;

  function act(fields: Partial<SimAction>): SimAction {
    return world.addAction({ machineId: machine.id, ...fields });
  }
  return {
    harness,
    host,
    machine,
    other,
    act,
    own(fields, at) {
      const verb = fields.type === 'Isolate' ? 'isolate' : 'release';
      const tag = fields.type === 'Isolate' ? 'block' : 'unblock';
      return act({
        createdAt: time(at) + 5_000,
        requestorComment: `atp ${verb}; brain ${brain}; host ${host.id}; tag ${tag}; 2026-11-24T${at}:04Z; laptop`,
        requestor: harness.simulator.settings.appId,
        requestSource: 'PublicApi',
        ...fields,
      });
    },
    fault(call, kind, times) {
      const names = (entry: Entry) =>
        entry.path.includes(machine.id) || (entry.query['$filter'] ?? '').includes(machine.id);
      faults.add({ match: (entry) => entry.call === call && names(entry), kind, times });
    },
  };
}

/** Tags in the words of the rows. */
export function inWords({ host, machine, other }: Stage): string[] {
  return host.tags
    .filter((tag) => !/^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): /.test(tag))
    .filter((tag) => tag !== 'VIP' && tag !== 'block' && tag !== 'unblock')
    .map((tag) => tag.replace('2026-11-24 ', '').replace(machine.id, 'PC').replace(other.id, 'OTHER'))
    .sort();
}

export function asksOf({ harness, machine, other }: Stage): string[] {
  const { ledger, world } = harness.simulator;
  return ledger.writes().flatMap(({ service, call, path }) => {
    if (service !== 'atp') return [];
    const id = path.split('/').at(-2) ?? '';
    if (call === 'cancel') return world.action(id).machineId === machine.id ? ['cancel'] : [];
    if (id === machine.id) return [`${call} PC`];
    return id === other.id ? [`${call} OTHER`] : [];
  });
}

/** How often the host's tags and notes were written to. */
export function writesTo({ harness, host }: Stage): number {
  return harness.simulator.ledger.writes().filter(({ path, body }) => {
    const ids = isObject(body) ? body['objectIds'] : undefined;
    return path.includes(`/${host.id}/`) || (Array.isArray(ids) && ids.includes(host.id));
  }).length;
}

/** Every open action of the machines is carried out. */
export function carryOut({ harness, machine, other }: Stage): void {
  const { actions, advanceAction } = harness.simulator.world;
  for (const { id, status, machineId } of [...actions.values()]) {
    const target = [machine, other].find((candidate) => candidate.id === machineId);
    if (target?.online && (status === 'Pending' || status === 'InProgress')) advanceAction(id, 'Succeeded');
  }
}
