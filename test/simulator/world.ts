import { createHostStore, type HostFields, type HostStore, type SimHost } from './hosts.ts';
import { createActionStore, type ActionStore } from './actions.ts';
import { createMachineStore, type MachineStore, type SimMachine } from './machines.ts';
import { createSearchIndex, type SearchIndex } from './search-index.ts';
import type { Settings } from './settings.ts';

/** What there is to compare before and after: no times, no ids of the simulator's making but those of actions. */
export interface Snapshot {
  hosts: Record<string, { tags: string[]; notes: { id: number; note: string }[] }>;
  actions: { id: string; type: string; status: string; machineId: string; comment: string }[];
  machines: Record<string, { isolated: boolean }>;
}

/** All the state behind the simulated services, and the hands of analysts on it. */
export interface World extends HostStore, MachineStore, ActionStore, SearchIndex {
  /** Harm done: foreign tags or notes lost, machines isolated twice or against protection, and mistakes of the simulator. */
  readonly violations: string[];
  /** A host and its machine, at one address and with one name: confirmed evidence. */
  addPair(host?: HostFields, machine?: Partial<SimMachine>): { host: SimHost; machine: SimMachine };
  /** A copy in plain JSON. */
  snapshot(): Snapshot;
}

/** An empty world. */
export function createWorld(settings: Settings, clock: { now(): number }): World {
  const violations: string[] = [];
  const report = (harm: string): void => {
    violations.push(harm);
  };
  const hostStore = createHostStore(settings, clock, report);
  const machineStore = createMachineStore(clock);
  const actionStore = createActionStore(machineStore, settings, clock, report);
  const index = createSearchIndex(hostStore, settings, clock);

  /** Lets the search index see the hosts before and after a change. */
  function observed<A extends unknown[], R>(change: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      index.observe();
      const result = change(...args);
      index.observe();
      return result;
    };
  }

  return {
    ...hostStore,
    ...machineStore,
    ...actionStore,
    view: index.view,
    indexFreeze: index.indexFreeze,
    indexThaw: index.indexThaw,
    addHost: observed(hostStore.addHost),
    tagHost: observed(hostStore.tagHost),
    untagHost: observed(hostStore.untagHost),
    writeNote: observed(hostStore.writeNote),
    deleteHost: observed(hostStore.deleteHost),
    setTags: observed(hostStore.setTags),
    putNote: observed(hostStore.putNote),
    violations,
    addPair(hostFields = {}, machineFields = {}) {
      const host = hostStore.addHost(hostFields);
      const machine = machineStore.addMachine({ lastIpAddress: host.last_source, ...machineFields });
      const [name = ''] = (machine.computerDnsName ?? '').split('.');
      if (!hostFields.host_artifact_set) host.host_artifact_set.push({ type: 'dhcp', value: name });
      if (hostFields.name === undefined) host.name = name;
      index.observe();
      return { host, machine };
    },
    snapshot() {
      actionStore.tick();
      return {
        hosts: Object.fromEntries(
          [...hostStore.hosts.values()].map((host) => [
            host.id,
            { tags: [...host.tags], notes: host.notes.map(({ id, note }) => ({ id, note })) },
          ]),
        ),
        actions: [...actionStore.actions.values()].map(
          ({ id, type, status, machineId, requestorComment }) => ({
            id,
            type,
            status,
            machineId,
            comment: requestorComment,
          }),
        ),
        machines: Object.fromEntries(
          [...machineStore.machines.values()].map(({ id, isolated }) => [id, { isolated }]),
        ),
      };
    },
  };
}
