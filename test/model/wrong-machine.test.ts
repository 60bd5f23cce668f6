import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, startOfTime, type Harness, type Report } from '../harness.ts';
import { seconds, type SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * Who is isolated when the host's address leads to a machine that may be another one, under each policy: the machine's
 * name in the scenario, or a refusal with its words. A release by address goes by the same evidence.
 */

const policies = ['ip', 'no-conflict', 'confirmed'] as const;
type Policy = (typeof policies)[number];

interface Scenario {
  name: string;
  /** Puts the host's machines into the world and returns them by the names used below. */
  arrange(host: SimHost, network: Network): Record<string, SimMachine>;
  /** For each policy the machine that is acted upon, or undefined for a refusal. */
  chosen: Record<Policy, string | undefined>;
  /** Parts of the refusal: both sides where they contradict each other. */
  says?: string[];
}

const minute = 60_000;
const hour = 60 * minute;
/** The host's last traffic. */
const lastSeen = startOfTime - 5 * minute;

const always = (name: string) => ({ ip: name, 'no-conflict': name, confirmed: name });
const never = { ip: undefined, 'no-conflict': undefined, confirmed: undefined };
const onlyByIp = (name: string) => ({ ip: name, 'no-conflict': undefined, confirmed: undefined });
const unlessConfirmed = (name: string) => ({ ip: name, 'no-conflict': name, confirmed: undefined });

function knownAs(host: SimHost, ...artifacts: [type: string, value: string][]): void {
  host.host_artifact_set = artifacts.map(([type, value]) => ({ type, value }));
}

/** Machines at the address of a scenario's host. */
interface Network {
  readonly ip: string;
  /** A machine that has had the address all along. */
  at(computerDnsName: string, mac?: string): SimMachine;
  /** A machine that had the address from one time to another. */
  atFrom(computerDnsName: string, from: number, to: number): SimMachine;
  /** A machine at another address. */
  elsewhere(computerDnsName: string): SimMachine;
}

function createNetwork({ simulator }: Harness, ip: string): Network {
  const { world } = simulator;
  function at(computerDnsName: string, mac?: string): SimMachine {
    const interfaces = mac === undefined ? {} : { ipAddresses: [{ ipAddress: ip, macAddress: mac }] };
    return world.addMachine({ computerDnsName, lastIpAddress: ip, ...interfaces });
  }
  return {
    ip,
    at,
    atFrom: (computerDnsName, from, to) =>
      Object.assign(at(computerDnsName), { addresses: [{ ip, from, to }] }),
    elsewhere: (computerDnsName) => world.addMachine({ computerDnsName }),
  };
}

const scenarios: Scenario[] = [
  {
    name: 'DHCP gave the address to another machine after the host was last seen',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      host.last_seen = seconds(startOfTime - 3 * hour);
      return {
        laptop: network.atFrom('laptop-7.contoso.example', -Infinity, startOfTime - 2 * hour),
        desktop: network.atFrom('desktop-9.contoso.example', startOfTime - 2 * hour, Infinity),
      };
    },
    chosen: always('laptop'),
  },
  {
    name: 'DHCP gave the address to another machine before Detect noticed',
    arrange(host, network) {
      knownAs(host, ['kerberos', 'LAPTOP-7$']);
      return {
        laptop: network.atFrom('laptop-7.contoso.example', -Infinity, lastSeen - 2 * hour),
        desktop: network.atFrom('desktop-9.contoso.example', lastSeen - 2 * hour, Infinity),
      };
    },
    chosen: onlyByIp('desktop'),
    says: ['{ip} at 2026-11-24 11:55Z is desktop-9.contoso.example in Defender', 'LAPTOP-7$ (kerberos)'],
  },
  {
    name: 'DHCP gave the address to another machine within the quarter of an hour that Defender looks at',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        laptop: network.atFrom('laptop-7.contoso.example', -Infinity, lastSeen - 5 * minute),
        desktop: network.atFrom('desktop-9.contoso.example', lastSeen - 5 * minute, Infinity),
      };
    },
    chosen: always('laptop'),
  },
  {
    name: 'the same, and Detect knows no name of the host',
    arrange: (_host, network) => ({
      laptop: network.atFrom('laptop-7.contoso.example', -Infinity, lastSeen - 5 * minute),
      desktop: network.atFrom('desktop-9.contoso.example', lastSeen - 5 * minute, Infinity),
    }),
    chosen: never,
    says: ['2 machines at {ip}', 'laptop-7.contoso.example', 'desktop-9.contoso.example'],
  },
  {
    name: 'DHCP gave the address to a machine without an agent',
    arrange: (host, network) => {
      knownAs(host, ['dhcp', 'printer-3']);
      return { laptop: network.atFrom('laptop-7.contoso.example', -Infinity, lastSeen - 2 * hour) };
    },
    chosen: never,
    says: ['no machine', '{ip}'],
  },
  {
    name: 'sensors report late: the machine is known at the address only half an hour earlier, by its name',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        laptop: network.atFrom('laptop-7.contoso.example', -Infinity, lastSeen - 20 * minute),
      };
    },
    chosen: always('laptop'),
  },
  {
    name: 'half an hour earlier a machine of another name had the address',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        desktop: network.atFrom('desktop-9.contoso.example', -Infinity, lastSeen - 20 * minute),
      };
    },
    chosen: never,
    says: ['no machine', '{ip}'],
  },
  {
    name: 'half an hour earlier a machine had the address, and Detect knows no name of the host',
    arrange: (_host, network) => ({
      desktop: network.atFrom('desktop-9.contoso.example', -Infinity, lastSeen - 20 * minute),
    }),
    chosen: never,
    says: ['no machine'],
  },
  {
    name: 'a VPN pool: three laptops had the address, one of them has the name of the host',
    arrange(host, network) {
      knownAs(host, ['netbios', 'LAPTOP-7']);
      return {
        first: network.atFrom('laptop-5.contoso.example', -Infinity, lastSeen - 8 * minute),
        second: network.atFrom('laptop-7.contoso.example', lastSeen - 8 * minute, lastSeen + minute),
        third: network.atFrom('laptop-9.contoso.example', lastSeen + minute, Infinity),
      };
    },
    chosen: always('second'),
  },
  {
    name: 'a VPN pool: two laptops had the address, none with the name of the host',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        first: network.atFrom('laptop-5.contoso.example', -Infinity, lastSeen),
        second: network.atFrom('laptop-9.contoso.example', lastSeen, Infinity),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}', 'laptop-5.contoso.example', 'laptop-9.contoso.example'],
  },
  {
    name: 'two agents behind one NAT address',
    arrange: (host, network) => {
      host.name = 'NAT gateway';
      return {
        one: network.at('laptop-5.contoso.example'),
        two: network.at('laptop-7.contoso.example'),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'two agents behind one NAT address that both carry a name of the host',
    arrange: (host, network) => {
      knownAs(host, ['dhcp', 'laptop-5'], ['kerberos', 'laptop-7']);
      return {
        one: network.at('laptop-5.contoso.example'),
        two: network.at('laptop-7.contoso.example'),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'machines of one name in two domains behind one NAT address',
    arrange: (host, network) => {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        one: network.at('laptop-7.contoso.example'),
        two: network.at('laptop-7.fabrikam.example'),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'a reinstalled device with its stale twin',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const stale = network.at('laptop-7.contoso.example');
      stale.healthStatus = 'Inactive';
      // The time of the full report alone would choose the wrong one.
      stale.lastSeen = startOfTime;
      return { stale, live: network.at('LAPTOP-7.contoso.example') };
    },
    chosen: always('live'),
  },
  {
    name: 'a reinstalled device with its stale twin, and Detect knows no name of the host',
    arrange(_host, network) {
      const stale = network.at('laptop-7.contoso.example');
      stale.healthStatus = 'Inactive';
      return { stale, live: network.at('laptop-7.contoso.example') };
    },
    chosen: unlessConfirmed('live'),
    says: ['laptop-7.contoso.example', 'isolation.match "confirmed"'],
  },
  {
    name: 'two stale records of one device: the newer counts',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const older = network.at('laptop-7.contoso.example');
      const newer = network.at('laptop-7.contoso.example');
      Object.assign(older, { healthStatus: 'Inactive', lastSeen: startOfTime - 9 * hour });
      Object.assign(newer, { healthStatus: 'Inactive', lastSeen: startOfTime - 8 * hour });
      return { older, newer };
    },
    chosen: always('newer'),
  },
  {
    name: 'two active records of one name: two devices',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      return {
        one: network.at('laptop-7.contoso.example'),
        two: network.at('laptop-7.contoso.example'),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'two records without a name, one of them stale: nothing says that they are one device',
    arrange(_host, network) {
      const stale = network.at('');
      stale.healthStatus = 'Inactive';
      return { stale, live: network.at('') };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'a record merged into another',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const merged = network.at('laptop-7.contoso.example');
      const heir = network.at('laptop-7.contoso.example');
      merged.mergedIntoMachineId = heir.id;
      return { merged, heir };
    },
    chosen: always('heir'),
  },
  {
    name: 'nothing but a record that was merged into another',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const merged = network.at('laptop-7.contoso.example');
      merged.mergedIntoMachineId = network.elsewhere('laptop-7.contoso.example').id;
      return { merged };
    },
    chosen: never,
    says: ['no machine'],
  },
  {
    name: 'nothing but a machine that is not onboarded',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const machine = network.at('laptop-7.contoso.example');
      machine.onboardingStatus = 'CanBeOnboarded';
      return { machine };
    },
    chosen: never,
    says: ['no machine'],
  },
  {
    name: 'an excluded record beside the one that counts',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7']);
      const excluded = network.at('laptop-7.contoso.example');
      excluded.isExcluded = true;
      return { excluded, live: network.at('laptop-7.contoso.example') };
    },
    chosen: always('live'),
  },
  {
    name: 'a name cut to its NetBIOS length',
    arrange(host, network) {
      knownAs(host, ['netbios', 'FINANCE-LAPTOP-']);
      return { laptop: network.at('finance-laptop-0042.contoso.example') };
    },
    chosen: always('laptop'),
  },
  {
    name: 'a name cut to its NetBIOS length that two machines share',
    arrange(host, network) {
      knownAs(host, ['netbios', 'FINANCE-LAPTOP-']);
      return {
        one: network.at('finance-laptop-0042.contoso.example'),
        two: network.at('finance-laptop-0043.contoso.example'),
      };
    },
    chosen: never,
    says: ['2 machines at {ip}'],
  },
  {
    name: 'a cut name that is not from NetBIOS',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'finance-laptop-']);
      return { laptop: network.at('finance-laptop-0042.contoso.example') };
    },
    chosen: onlyByIp('laptop'),
    says: ['finance-laptop-0042.contoso.example in Defender', 'finance-laptop- (dhcp)'],
  },
  {
    name: 'the name is in use on another machine with another MAC address',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7'], ['mac', '00:50:56:aa:aa:01']);
      return { namesake: network.at('laptop-7.contoso.example', '005056BBBBBB') };
    },
    // A name that agrees confirms; MAC addresses are a matter of the docking station.
    chosen: always('namesake'),
  },
  {
    name: 'the MAC address is in use under another name (a docking station)',
    arrange(host, network) {
      knownAs(host, ['dhcp', 'laptop-7'], ['mac', '00:50:56:aa:aa:02']);
      return { desktop: network.at('desktop-9.contoso.example', '005056AAAA02') };
    },
    chosen: unlessConfirmed('desktop'),
    says: ['desktop-9.contoso.example in Defender', 'laptop-7 (dhcp)', 'isolation.match "confirmed"'],
  },
  {
    name: 'a host named by its address, with a MAC address in common',
    arrange(host, network) {
      host.name = `IP-${network.ip}`;
      knownAs(host, ['mac', '00:50:56:aa:aa:03']);
      return { laptop: network.at('laptop-7.contoso.example', '005056AAAA03') };
    },
    chosen: always('laptop'),
  },
  {
    name: 'a MAC address of zeros in common',
    arrange(host, network) {
      knownAs(host, ['mac', '00:00:00:00:00:00']);
      return { laptop: network.at('laptop-7.contoso.example', '000000000000') };
    },
    chosen: unlessConfirmed('laptop'),
    says: ['laptop-7.contoso.example in Defender', 'ip only'],
  },
  {
    name: 'a host named by its address, without artifacts',
    arrange: (host, network) => {
      host.name = `IP-${network.ip}`;
      return { laptop: network.at('laptop-7.contoso.example') };
    },
    chosen: unlessConfirmed('laptop'),
    says: ['{ip} at 2026-11-24 11:55Z is laptop-7.contoso.example in Defender', 'ip only'],
  },
  {
    name: 'a host named by its address on a machine named by its address',
    arrange: (host, network) => {
      host.name = `IP-${network.ip}`;
      return { cloud: network.at(`ip-${network.ip.replaceAll('.', '-')}.compute.example`) };
    },
    chosen: unlessConfirmed('cloud'),
    says: ['ip only'],
  },
  {
    name: 'a key asset that a person renamed',
    arrange: (host, network) => {
      host.name = 'CFO laptop (do not touch)';
      return { laptop: network.at('laptop-7.contoso.example') };
    },
    chosen: unlessConfirmed('laptop'),
    says: ['ip only'],
  },
  {
    name: 'a key asset that a person renamed, with a name from its traffic',
    arrange: (host, network) => {
      host.name = 'CFO laptop (do not touch)';
      knownAs(host, ['kerberos', 'laptop-7$']);
      return { laptop: network.at('laptop-7.contoso.example') };
    },
    chosen: always('laptop'),
  },
  {
    name: 'reverse DNS still names another machine',
    arrange: (host, network) => {
      knownAs(host, ['rdns', 'desktop-9.contoso.example.']);
      return { laptop: network.at('laptop-7.contoso.example') };
    },
    chosen: unlessConfirmed('laptop'),
    says: ['ip only'],
  },
  {
    name: 'a machine without a name, while Detect knows the host by one',
    arrange: (host, network) => {
      knownAs(host, ['dhcp', 'laptop-7']);
      return { nameless: network.at('') };
    },
    chosen: unlessConfirmed('nameless'),
    says: ['ip only'],
  },
];

const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];

/** All scenarios in one world, done by one run. */
function describeRun(verb: 'block' | 'unblock', policy: Policy): void {
  const stages: { scenario: Scenario; host: SimHost; machines: Record<string, SimMachine> }[] = [];
  let harness: Harness;
  let report: Report | undefined;
  let isolated: string[];

  beforeAll(async () => {
    harness = await createHarness({ requestMs: 1, config: { isolation: { match: policy } } });
    const { world } = harness.simulator;
    for (const [at, scenario] of scenarios.entries()) {
      const ip = `10.1.${at}.3`;
      const tags = ['VIP', verb];
      const host = world.addHost({ name: `IP-${ip}`, last_source: ip, last_seen: seconds(lastSeen), tags });
      const machines = scenario.arrange(host, createNetwork(harness, ip));
      stages.push({ scenario, host, machines });
      if (verb === 'block') continue;
      for (const { id } of Object.values(machines)) {
        world.addAction({ machineId: id, type: 'Isolate', createdAt: startOfTime - 4 * hour });
      }
    }
    ({ report } = await harness.run(line));
    world.settleActions();
    isolated = [...world.machines.values()].filter((machine) => machine.isolated).map(({ id }) => id);
  }, 60_000);

  afterAll(async () => {
    await harness.close();
  });

  it.each(scenarios.map((scenario, at) => ({ ...scenario, at, whom: scenario.chosen[policy] ?? 'nobody' })))(
    '$name: $whom',
    ({ at, chosen, says = [] }) => {
      const { host, machines } = stages[at] ?? {};
      const told = report?.hosts.find(({ id }) => id === host?.id);
      const name = chosen[policy];
      const chosenId = name === undefined ? undefined : machines?.[name]?.id;
      const ids = Object.values(machines ?? {}).map(({ id }) => id);
      const left =
        verb === 'block' ? ids.filter((id) => id === chosenId) : ids.filter((id) => id !== chosenId);
      const done = verb === 'block' ? 'isolated' : 'released';
      const failure = verb === 'block' ? 'Manual block failed' : 'Manual unblock failed';

      expect(told?.result).toBe(name === undefined ? 'refused' : done);
      expect(isolated.filter((id) => ids.includes(id))).toEqual(left);
      expect(host?.tags).toContain('VIP');
      expect(host?.tags).not.toContain(verb);
      expect(host?.tags.includes(failure)).toBe(name === undefined);
      if (name !== undefined) {
        expect(host?.tags).toContain(`id: ${chosenId ?? ''}`);
        return;
      }
      for (const words of says.map((text) => text.replace('{ip}', host?.last_source ?? ''))) {
        expect(told?.detail).toContain(words);
        expect(host?.notes[0]?.note).toContain(words);
      }
    },
  );

  it('does no harm', () => {
    expect(harness.simulator.world.violations).toEqual([]);
  });
}

describe.each(policies)('whom a block isolates under isolation.match %s', (policy) => {
  describeRun('block', policy);
});

describe.each(policies)('whom an unblock releases under isolation.match %s', (policy) => {
  describeRun('unblock', policy);
});
