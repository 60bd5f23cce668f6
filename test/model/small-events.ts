import type { Harness } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import { seconds, type SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Witness } from './cast.ts';
import { isOpen } from './oracle.ts';

/** Everything that may happen in a small story, each in the words in which it is told. */
export const eventWords = {
  block: 'an analyst tags the host with "block"',
  unblock: 'an analyst tags the host with "unblock"',
  'trigger off': 'an analyst takes the newest trigger tag off',
  'portal isolates': 'somebody isolates the machine at the address in the portal',
  'portal releases': 'somebody releases the isolated machine in the portal',
  power: 'the machine at the address goes off, or on again',
  'ends well': 'the oldest open action Succeeded',
  'ends badly': 'the oldest open action Failed',
  moves: "the host moves to the other machine's address",
  enrichment: 'an analyst tags the host with "host_context"',
  'eight days': 'eight days pass',
  run: 'atp runs',
  'killed run': 'atp runs and is killed right after its POST',
  'noteless run': 'atp runs, and every call for notes fails',
} as const;

export type SmallEvent = keyof typeof eventWords;
export const smallEvents = Object.keys(eventWords) as SmallEvent[];
/** What is not a run. */
export type Happening = Exclude<SmallEvent, 'run' | 'killed run' | 'noteless run'>;

const minute = 60_000;
const day = 1440 * minute;
const betweenEvents = 7 * minute;

/** The one host and the two machines of a small story, and the hands that move them. */
export interface SmallWorld {
  readonly host: SimHost;
  /** The machine at whose address the host begins, and the one that it may move to. */
  readonly machines: readonly [SimMachine, SimMachine];
  /** True when the event changes anything now; a story in which it does not is the story without it. */
  can(event: Happening): boolean;
  play(event: Happening): void;
  /** Lets time pass, with what Defender and the machines do in it. */
  pass(ms: number): void;
  /** Both machines are online, and every open action is carried out. */
  settle(): void;
}

/** Sets up the world of a small story: a host known by its address alone. */
export function createSmallWorld({ simulator, clock }: Harness, witness: Witness): SmallWorld {
  const { world } = simulator;
  const home = world.addMachine({ computerDnsName: 'laptop-1.contoso.example' });
  const away = world.addMachine({ computerDnsName: 'laptop-2.contoso.example' });
  const host = world.addHost({
    name: `IP-${home.lastIpAddress ?? ''}`,
    last_source: home.lastIpAddress,
    last_seen: seconds(clock.now() - 3 * minute),
    tags: ['VIP'],
    notes: ['Known to the help desk.'],
  });

  function here(): SimMachine {
    return host.last_source === home.lastIpAddress ? home : away;
  }

  function there(): SimMachine {
    return here() === home ? away : home;
  }

  /** Isolations and releases that have not ended, oldest first. */
  function open(of?: SimMachine): SimAction[] {
    return [...world.actions.values()].filter(
      (action) => isOpen(action) && (of === undefined || action.machineId === of.id),
    );
  }

  function isolated(): SimMachine | undefined {
    return [here(), there()].find((machine) => machine.isolated);
  }

  function trigger(): string | undefined {
    return host.tags.findLast((tag) => tag === 'block' || tag === 'unblock');
  }

  /** The open action that ends next; only an online machine carries one out. */
  function nextToEnd(event: 'ends well' | 'ends badly'): SimAction | undefined {
    return open().find(({ machineId }) => event === 'ends badly' || world.machine(machineId).online);
  }

  const rules: Record<Happening, () => boolean> = {
    block: () => !host.tags.includes('block'),
    unblock: () => !host.tags.includes('unblock'),
    'trigger off': () => trigger() !== undefined,
    'portal isolates': () => !here().isolated && open(here()).every(({ type }) => type !== 'Isolate'),
    'portal releases': () => {
      const machine = isolated();
      return machine !== undefined && open(machine).length === 0;
    },
    power: () => true,
    'ends well': () => nextToEnd('ends well') !== undefined,
    'ends badly': () => nextToEnd('ends badly') !== undefined,
    moves: () => !isCutOff(there()),
    enrichment: () => !host.tags.includes('host_context'),
    'eight days': () => true,
  };

  const deeds: Record<Happening, () => void> = {
    block() {
      world.tagHost(host.id, 'block');
      witness.asked(host.id, 'isolate');
    },
    unblock() {
      world.tagHost(host.id, 'unblock');
      witness.asked(host.id, 'release');
    },
    'trigger off'() {
      world.untagHost(host.id, trigger() ?? '');
    },
    'portal isolates'() {
      const machine = here();
      const isAtOnce = machine.online && open(machine).length === 0;
      const action = world.portalIsolate(machine.id, isAtOnce ? 'Succeeded' : 'Pending');
      witness.portal(machine.id, 'isolated', action);
    },
    'portal releases'() {
      const machine = isolated();
      if (machine === undefined) return;
      const action = world.portalRelease(machine.id, machine.online ? 'Succeeded' : 'Pending');
      witness.portal(machine.id, 'free', action);
    },
    power() {
      world.setOnline(here().id, !here().online);
    },
    'ends well'() {
      const action = nextToEnd('ends well');
      if (action) world.advanceAction(action.id, 'Succeeded');
    },
    'ends badly'() {
      const action = nextToEnd('ends badly');
      if (action) world.advanceAction(action.id, 'Failed');
    },
    moves() {
      host.last_source = there().lastIpAddress;
      host.last_seen = seconds(clock.now());
    },
    enrichment() {
      world.tagHost(host.id, 'host_context');
    },
    'eight days'() {
      pass(8 * day);
    },
  };

  /** A live machine has traffic, by which Detect knows where its host is. */
  function traffic(): void {
    if (isCutOff(here())) {
      if (clock.now() - Date.parse(host.last_seen ?? '') > 7 * day) host.state = 'inactive';
      return;
    }
    Object.assign(host, { state: 'active', last_seen: seconds(clock.now() - 2 * minute) });
  }

  function pass(ms: number): void {
    clock.advance(ms);
    world.tick();
    traffic();
  }

  return {
    host,
    machines: [home, away],
    can: (event) => rules[event](),
    play(event) {
      deeds[event]();
      pass(betweenEvents);
    },
    pass,
    settle() {
      for (const { id } of [home, away]) world.setOnline(id, true);
      world.settleActions();
    },
  };
}

function isCutOff({ isolated, online }: SimMachine): boolean {
  return isolated || !online;
}
