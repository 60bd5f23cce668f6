import type { SimAction } from '../simulator/actions.ts';
import type { HostFields, SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { contextOf } from '../e2e/rig.ts';
import { startOfTime } from '../harness.ts';

/** The hands that set a scene: hosts as earlier runs, people and the earlier tool left them. */
export interface Stage {
  readonly world: Simulator['world'];
  /** Milliseconds UTC of so many minutes before the first run. */
  ago(minutes: number): number;
  /** A host and its machine of the same name, at one address. A machine may not be isolated unless `protected` is false. */
  pair(id: number, tags: string[], host?: HostFields, machine?: Partial<SimMachine>): Pair;
  /** A host that the program isolated, or asked to be, so many minutes ago. */
  held(
    id: number,
    tags: string[],
    fields?: Held,
    host?: HostFields,
    machine?: Partial<SimMachine>,
  ): Pair & { action: SimAction };
  /** An action that the program posted for a host. */
  ownAction(
    host: SimHost,
    machine: SimMachine,
    fields?: Partial<SimAction> & { minutes?: number },
  ): SimAction;
  /** An action that somebody asked for in the portal. */
  portalAction(machine: SimMachine, fields?: Partial<SimAction> & { minutes?: number }): SimAction;
  /** The program's note as an earlier run left it, told of an action, with what people wrote below it. */
  noted(of: Pair & { action?: SimAction }, theirs?: string): void;
  /** The six tags of a machine. */
  context(machine: SimMachine): string[];
}

interface Pair {
  host: SimHost;
  machine: SimMachine;
}

interface Held {
  /** What the status tag says; the action's own status if left out. */
  tagged?: string;
  status?: string;
  minutes?: number;
}

const fullDay = 1440;

/** A time as tags and notes print it. */
export function minuteText(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

/** The host is another machine by now, of its name and at its address; the old one has no address. */
export function moveOn(world: Simulator['world'], { host, machine }: Pair): SimMachine {
  for (const address of machine.addresses) address.to = -Infinity;
  const { computerDnsName, protected: isProtected } = machine;
  return world.addMachine({ lastIpAddress: host.last_source, computerDnsName, protected: isProtected });
}

export function createStage({ world, detectUrl, settings }: Simulator): Stage {
  let actions = 0;
  settings.triggers.push('please enrich');

  function ago(minutes: number): number {
    return Math.floor(startOfTime / 60_000 - minutes) * 60_000;
  }

  function seedAction(fields: Partial<SimAction> & { machineId: string; minutes?: number }): SimAction {
    const { minutes = fullDay, ...rest } = fields;
    actions += 1;
    // Some seconds into its minute, and changed within it.
    const createdAt = ago(minutes) + 7_000;
    return world.addAction({ id: `seed-${actions}`, createdAt, updatedAt: createdAt + 9_000, ...rest });
  }

  function ownAction(
    host: SimHost,
    machine: SimMachine,
    fields: Partial<SimAction> & { minutes?: number } = {},
  ): SimAction {
    const kind = fields.type === 'Unisolate' ? 'release' : 'isolate';
    const trigger = fields.type === 'Unisolate' ? 'unblock' : 'block';
    const at = new Date(ago(fields.minutes ?? fullDay) + 7_000).toISOString().slice(0, 19);
    return seedAction({
      machineId: machine.id,
      requestor: settings.appId,
      requestSource: 'PublicApi',
      requestorComment: `atp ${kind}; brain ${new URL(detectUrl).host}; host ${host.id}; tag ${trigger}; ${at}Z; ${host.name}`,
      ...fields,
    });
  }

  function pair(id: number, tags: string[], host: HostFields = {}, machine: Partial<SimMachine> = {}): Pair {
    return world.addPair(
      { id, tags, ...host },
      { computerDnsName: `pc-${id}.contoso.example`, protected: true, ...machine },
    );
  }

  return {
    world,
    ago,
    pair,
    ownAction,
    context: contextOf,
    held(id, tags, { tagged, status = 'Succeeded', minutes = fullDay } = {}, host = {}, machine = {}) {
      const made = pair(id, [], host, { isolated: status === 'Succeeded', ...machine });
      made.host.tags = [
        ...contextOf(made.machine),
        `isolation: ${tagged ?? status}`,
        `Manual block:${minuteText(ago(minutes))}`,
        ...tags,
      ];
      return { ...made, action: ownAction(made.host, made.machine, { status, minutes }) };
    },
    portalAction: (machine, fields = {}) => seedAction({ machineId: machine.id, ...fields }),
    noted({ host, machine, action }, theirs = '') {
      const line = action
        ? `- ${minuteText(action.createdAt)} UTC: isolation for tag \`block\`: ${action.status}, action ${action.id}`
        : undefined;
      const text = [
        '## Microsoft Defender for Endpoint (atp)',
        '',
        `- **Machine:** \`${machine.computerDnsName ?? machine.id}\`, id ${machine.id}, platform \`Windows10\``,
        '- **Matched:** by its name',
        '- **Alerts & severity:** 0 in the last 30 days, 0 open',
        ...(line === undefined ? [] : ['', '**Actions**', '', line]),
        '',
        `_Kept up to date by atp. Add your own text below this line._${theirs}`,
      ];
      world.writeNote(host.id, text.join('\n'));
    },
  };
}
