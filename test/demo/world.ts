import { seconds, type HostFields, type SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Simulator } from '../simulator/simulator.ts';

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** Builds hosts and machines of the demo, and the traces that earlier runs have left on them. */
export interface Stage {
  /** Start of the minute in which the demo begins, milliseconds UTC. */
  readonly now: number;
  /** A host with an address of its own; it knows its own name from DHCP. */
  readonly host: (name: string, fields?: HostFields) => SimHost;
  /** A machine at the address of a host. */
  readonly machine: (owner: SimHost, name: string, fields?: Partial<SimMachine>) => SimMachine;
  /** An isolation that atp asked for in an earlier run, and the tags which that run left, `tagged` with the status of then. */
  readonly isolatedEarlier: (
    owner: SimHost,
    target: SimMachine,
    about: { at: number; status: string; tagged: string },
  ) => void;
  /** An isolation by the Python tool that atp follows: its comment, and its tags, which tell no status. */
  readonly isolatedByEarlierTool: (owner: SimHost, target: SimMachine, at: number) => void;
}

/** An empty stage in the world of a simulator. */
export function createStage({ world, settings, detectUrl }: Simulator): Stage {
  const now = Math.floor(Date.now() / minute) * minute;
  let last = 1000;

  function isolation(target: SimMachine, at: number, status: string, requestorComment: string): void {
    world.addAction({
      machineId: target.id,
      status,
      createdAt: at + 20_000,
      updatedAt: at + minute,
      requestor: settings.appId,
      requestorComment,
      requestSource: 'PublicApi',
    });
  }

  return {
    now,
    host(name, fields = {}) {
      last += 1;
      return world.addHost({
        id: last,
        name,
        last_source: `10.20.0.${last - 1000}`,
        host_artifact_set: [{ type: 'dhcp', value: name.toLowerCase() }],
        last_seen: seconds(now - 2 * hour),
        ...fields,
      });
    },
    machine: (owner, name, fields = {}) =>
      world.addMachine({
        computerDnsName: `${name}.contoso.example`,
        lastIpAddress: owner.last_source,
        ...fields,
      }),
    isolatedEarlier(owner, target, { at, status, tagged }) {
      const brain = new URL(detectUrl).host;
      const comment = `atp isolate; brain ${brain}; host ${owner.id}; tag block; ${seconds(at)}; ${owner.name}`;
      isolation(target, at, status, comment);
      owner.tags.push(...contextOf(target), `isolation: ${tagged}`, `Manual block:${minuteText(at)}`);
    },
    isolatedByEarlierTool(owner, target, at) {
      const comment = `Machine isolated with ATP / Vectra API integration ${minuteText(at)}`;
      isolation(target, at, 'Succeeded', comment);
      owner.tags.push(...contextOf(target), `Manual block:${minuteText(at)}`);
    },
  };
}

/** The six tags that an enrichment writes. */
function contextOf(machine: SimMachine): string[] {
  const names = [
    'computerDnsName',
    'osPlatform',
    'healthStatus',
    'riskScore',
    'exposureLevel',
    'id',
  ] as const;
  return names.map((name) => `${name}: ${machine[name] ?? 'Unknown'}`);
}

/** A time as the history tags print it, UTC. */
function minuteText(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}
