import type { Harness } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import { seconds, type SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { deviceNames, type DeviceName, type HostName, type Setting, type Step } from './steps.ts';

const minute = 60_000;

/** What the cast can do; the rest is up to whoever tells the story. */
export type Deed = Exclude<Step, { do: 'run' | 'notes' }>;

/** The hosts and devices of a story, and the hands that move them. */
export interface Cast {
  /** The host, or undefined once it was deleted. */
  host(name: HostName): SimHost | undefined;
  hostName(id: number): HostName | undefined;
  /** The live record of a device. */
  record(device: DeviceName): SimMachine;
  deviceName(machineId: string): DeviceName | undefined;
  play(step: Deed): void;
}

/** What a step did to a machine, for those who keep the books. */
export interface Witness {
  /** Somebody else than this program's runs asked for it. */
  portal(machineId: string, want: 'isolated' | 'free', action: SimAction): void;
  /** The record of a device has another in its place. */
  merged(from: SimMachine, to: SimMachine): void;
  /** A person asked for it by a tag. */
  asked(hostId: number, kind: 'isolate' | 'release'): void;
  /** Somebody took tags of the program's own off. */
  tidied(hostId: number): void;
}

/** Where each host's traffic comes from: a device, and which of its addresses. */
const homes: Record<HostName, { device: DeviceName; slot: number }> = {
  alpha: { device: 'laptop-1', slot: 0 },
  bravo: { device: 'laptop-2', slot: 0 },
  charlie: { device: 'server-3', slot: 0 },
  delta: { device: 'laptop-1', slot: 1 },
};

/**
 * Sets up the world of a story: alpha is confirmed, bravo known by its address only, charlie a server, and delta a second
 * host of alpha's machine.
 */
export function createCast(
  { simulator, clock }: Harness,
  witness: Witness,
  { held, heldBy }: Pick<Setting, 'held' | 'heldBy'>,
): Cast {
  const { world, settings } = simulator;
  const records = new Map<DeviceName, SimMachine[]>();
  const addresses = new Map<SimMachine, string[]>();
  const ids = new Map<number, HostName>();
  let lastAddress = 100;

  world.addGroup({ name: 'Crown jewels' });
  for (const device of deviceNames) {
    const machine = world.addMachine({
      computerDnsName: `${device}.contoso.example`,
      osPlatform: device === 'server-3' ? 'WindowsServer2022' : 'Windows11',
      protected: device === 'server-3',
      addresses: [],
      lastIpAddress: null,
    });
    records.set(device, [machine]);
    addresses.set(machine, []);
    lease(machine, 0, nextAddress(), -Infinity);
    if (device === 'laptop-1') lease(machine, 1, nextAddress(), -Infinity);
  }
  addHost('alpha', 'laptop-1', [{ type: 'dhcp', value: 'laptop-1' }]);
  addHost('bravo', '', []);
  addHost('charlie', 'server-3', [{ type: 'netbios', value: 'SERVER-3' }]);
  addHost('delta', '', [{ type: 'kerberos', value: 'LAPTOP-1$' }]);

  for (const name of held) hold(name);

  /** Three hours ago a run isolated the host's machine, or took the isolation over. */
  function hold(name: HostName): void {
    const target = host(name);
    const machine = record(homes[name].device);
    if (!target) return;
    const at = clock.now() - 180 * minute;
    const minuteText = new Date(at).toISOString().slice(0, 16).replace('T', ' ');
    const tags = [`id: ${machine.id}`, `Manual block:${minuteText}`];
    world.tagHost(target.id, ...tags, ...(heldBy === 'atp' ? ['isolation: Succeeded'] : []));
    if (machine.isolated) return;
    const { host: brain } = new URL(simulator.detectUrl);
    const comment = `atp isolate; brain ${brain}; host ${target.id}; tag block; ${seconds(at)}; ${target.name}`;
    const action = world.addAction({
      machineId: machine.id,
      type: 'Isolate',
      createdAt: at,
      requestor: heldBy === 'atp' ? settings.appId : 'vectra-atp',
      requestorComment: heldBy === 'atp' ? comment : 'Isolated by Vectra',
    });
    witness.portal(machine.id, 'isolated', action);
  }

  function addHost(name: HostName, called: string, artifacts: SimHost['host_artifact_set']): void {
    const { device, slot } = homes[name];
    const ip = addressOf(record(device), slot);
    const host = world.addHost({
      name: called === '' ? `IP-${ip}` : called,
      last_source: ip,
      last_seen: seconds(clock.now() - 3 * minute),
      host_artifact_set: artifacts,
      tags: ['VIP'],
      notes: ['Known to the help desk.'],
    });
    ids.set(host.id, name);
  }

  function host(name: HostName): SimHost | undefined {
    return [...ids].flatMap(([id, called]) => (called === name ? (world.hosts.get(id) ?? []) : []))[0];
  }

  function record(device: DeviceName): SimMachine {
    const live = records.get(device)?.at(-1);
    if (!live) throw new Error(`no ${device}`);
    return live;
  }

  function nextAddress(): string {
    lastAddress += 1;
    return `10.20.0.${lastAddress}`;
  }

  function addressOf(machine: SimMachine, slot: number): string {
    const held = addresses.get(machine) ?? [];
    return held[slot] ?? held[0] ?? '';
  }

  function lease(machine: SimMachine, slot: number, ip: string, from = clock.now()): void {
    const held = addresses.get(machine) ?? [];
    const before = held[slot];
    for (const span of machine.addresses) if (span.ip === before) span.to = Math.min(span.to, from);
    held[slot] = ip;
    addresses.set(machine, held);
    machine.addresses.push({ ip, from, to: Infinity });
    machine.lastIpAddress = held[0] ?? ip;
    const mac = machine.ipAddresses[0]?.macAddress ?? null;
    machine.ipAddresses = held.map((ipAddress) => ({ ipAddress, macAddress: mac }));
  }

  function isCutOff(machine: SimMachine): boolean {
    return machine.isolated || !machine.online;
  }

  /** Live machines have traffic, by which Detect knows where their hosts are. */
  function traffic(): void {
    for (const [id, name] of ids) {
      const seen = world.hosts.get(id);
      const { device, slot } = homes[name];
      const machine = record(device);
      if (!seen) continue;
      if (isCutOff(machine)) {
        if (clock.now() - Date.parse(seen.last_seen ?? '') > 7 * 1440 * minute) seen.state = 'inactive';
        continue;
      }
      Object.assign(seen, {
        state: 'active',
        last_source: addressOf(machine, slot),
        last_seen: seconds(clock.now() - 2 * minute),
      });
    }
  }

  function openOn(machineId: string): SimAction[] {
    return [...world.actions.values()].filter(
      ({ machineId: of, status }) => of === machineId && (status === 'Pending' || status === 'InProgress'),
    );
  }

  function portal(machine: SimMachine, what: 'isolates' | 'releases', atOnce: boolean): void {
    if (machine.vanished) return;
    const open = openOn(machine.id);
    const isIsolation = what === 'isolates';
    const isWanted = isIsolation ? 'Isolate' : 'Unisolate';
    // The portal offers neither twice.
    if (open.some(({ type }) => type === isWanted) || machine.isolated === isIsolation) return;
    if (!isIsolation && open.length > 0) return;
    const status = atOnce && machine.online && open.length === 0 ? 'Succeeded' : 'Pending';
    const action = isIsolation
      ? world.portalIsolate(machine.id, status)
      : world.portalRelease(machine.id, status);
    witness.portal(machine.id, isIsolation ? 'isolated' : 'free', action);
    // Late lists are tried with the program's own actions; of others it cannot know before they are listed.
    clock.advance(settings.actionIndexLagMs);
  }

  function progress(machine: SimMachine, to: 'InProgress' | 'Succeeded' | 'Failed'): void {
    const [oldest] = openOn(machine.id);
    if (!oldest || (to !== 'Failed' && !machine.online)) return;
    if (to === 'Succeeded' && oldest.stuck && machine.isolated) return;
    if (oldest.status !== to) world.advanceAction(oldest.id, to);
  }

  /** Another record takes the place of a device's; the addresses go with it. */
  function succeed(device: DeviceName, fields: Partial<SimMachine>): { old: SimMachine; heir: SimMachine } {
    const old = record(device);
    const heir = world.addMachine({
      computerDnsName: old.computerDnsName,
      osPlatform: old.osPlatform,
      protected: old.protected,
      machineTags: [...old.machineTags],
      lastIpAddress: null,
      addresses: [],
      online: old.online,
      ...fields,
    });
    records.get(device)?.push(heir);
    addresses.set(heir, []);
    for (const [slot, ip] of (addresses.get(old) ?? []).entries()) {
      for (const span of old.addresses) if (span.ip === ip) span.to = Math.min(span.to, clock.now());
      lease(heir, slot, ip);
    }
    // Nothing is heard of the old record any more.
    old.online = false;
    return { old, heir };
  }

  function play(step: Deed): void {
    switch (step.do) {
      case 'ask': {
        const target = host(step.host);
        if (!target) return;
        world.untagHost(target.id, ...target.tags.filter((tag) => /^(un)?block$/i.test(tag)));
        world.tagHost(target.id, step.tag);
        witness.asked(target.id, kindOf(step.tag));
        return;
      }
      case 'tag': {
        const target = host(step.host);
        if (!target || target.tags.includes(step.tag)) return;
        world.tagHost(target.id, step.tag);
        if (/^(un)?block$/i.test(step.tag)) witness.asked(target.id, kindOf(step.tag));
        return;
      }
      case 'untag': {
        const target = host(step.host);
        if (target) world.untagHost(target.id, step.tag);
        return;
      }
      case 'tidy': {
        const target = host(step.host);
        const tags = target?.tags.filter((tag) => tag.startsWith(step.beginning)) ?? [];
        if (!target) return;
        world.untagHost(target.id, ...tags);
        witness.tidied(target.id);
        return;
      }
      case 'note': {
        const target = host(step.host);
        const own = target?.notes.find(({ note }) => note.startsWith('## Microsoft Defender'));
        if (target && !step.own) world.writeNote(target.id, 'Asked the owner: <on leave> & unaware.');
        if (target && step.own && own)
          world.writeNote(target.id, `${own.note}\n\nSee ticket 12 & "13".`, own.id);
        return;
      }
      case 'group': {
        const target = host(step.host);
        if (target) target.groups = step.joins ? ['Crown jewels'] : [];
        return;
      }
      case 'critical':
        record(step.device).machineTags = step.is ? ['critical'] : [];
        return;
      case 'power':
        world.setOnline(record(step.device).id, step.online);
        return;
      case 'lease': {
        const machine = record(step.device);
        if (isCutOff(machine) || step.from === step.device) return;
        if (step.from === 'the pool') {
          lease(machine, 0, nextAddress());
          return;
        }
        const holder = record(step.from);
        const ip = addressOf(holder, 0);
        lease(holder, 0, nextAddress());
        lease(machine, 0, ip);
        return;
      }
      case 'mistake': {
        const target = host(step.host);
        const machine = record(step.device);
        if (!target || isCutOff(machine)) return;
        Object.assign(target, {
          last_source: addressOf(machine, 0),
          last_seen: seconds(clock.now() - minute),
        });
        return;
      }
      case 'portal':
        portal(record(step.device), step.what, step.atOnce);
        return;
      case 'portal cancels':
        for (const action of openOn(record(step.device).id)) {
          if (action.status === 'Pending') world.cancel(action, 'analyst@contoso.example', 'not needed');
        }
        return;
      case 'progress':
        progress(record(step.device), step.to);
        return;
      case 'reinstall': {
        const { old } = succeed(step.device, {});
        old.healthStatus = 'Inactive';
        return;
      }
      case 'merge': {
        const { old, heir } = succeed(step.device, { isolated: record(step.device).isolated });
        old.mergedIntoMachineId = heir.id;
        witness.merged(old, heir);
        return;
      }
      case 'vanish':
        world.deleteMachine(record(step.device).id, { acceptsActions: step.acceptsActions });
        return;
      case 'delete': {
        const target = host(step.host);
        if (target) world.deleteHost(target.id);
        return;
      }
      case 'wait':
        clock.advance(step.minutes * minute);
        world.tick();
        traffic();
        return;
      case 'index': {
        const target = host(step.host);
        if (step.follows) for (const [id, name] of ids) if (name === step.host) world.indexThaw(id);
        if (target && !step.follows) world.indexFreeze(target.id);
        return;
      }
      case 'lag':
        settings.actionIndexLagMs = step.seconds * 1_000;
        return;
    }
  }

  return {
    host,
    hostName: (id) => ids.get(id),
    record,
    deviceName: (machineId) => [...records].find(([, all]) => all.some(({ id }) => id === machineId))?.[0],
    play,
  };
}

function kindOf(tag: string): 'isolate' | 'release' {
  return tag.toLowerCase() === 'block' ? 'isolate' : 'release';
}
