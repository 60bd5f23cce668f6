import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, type Harness, type Report } from '../harness.ts';
import type { HostFields, SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * Guard rails see what a person sees, in a whole run: each of these machines reads as one that `isolation.never` protects,
 * though a tag, a name, a group, a platform or an address is written in another way. None may be isolated.
 */

const never = {
  names: ['dc*', 'b\u00fcro-ost', 'strasse-7'],
  ips: ['10.77.0.0/16', 'fd00:7::/32'],
  tags: ['crown jewel', 'no isolation*'],
  groups: ['Domain Controllers', 'B\u00fcro Ost'],
  osPlatforms: ['WindowsServer*', 'Linux'],
  machineTags: ['no-isolate', 'b\u00fcro'],
};

interface Protected {
  name: string;
  host?: HostFields;
  machine?: Partial<SimMachine>;
  reason: string;
}

function tagged(tag: string): HostFields {
  return { tags: ['block', tag] };
}

function known(type: string, value: string): HostFields {
  return { host_artifact_set: [{ type, value }] };
}

function alsoAt(ipAddress: string): Partial<SimMachine> {
  return { ipAddresses: [{ ipAddress, macAddress: '005056AAAAAA' }] };
}

const machines: Protected[] = [
  { name: 'a blank behind a tag', host: tagged('crown jewel '), reason: 'tags "crown jewel"' },
  { name: 'two blanks in a tag', host: tagged('Crown  Jewel'), reason: 'tags "crown jewel"' },
  { name: 'a no-break space in a tag', host: tagged('crown\u00a0jewel'), reason: 'tags "crown jewel"' },
  { name: 'a zero-width space in a tag', host: tagged('crown jew\u200bel'), reason: 'tags "crown jewel"' },
  { name: 'wide letters in a tag', host: tagged('\uff4eo isolation!'), reason: 'tags "no isolation*"' },
  { name: 'a group in NFD', host: { groups: ['Bu\u0308ro Ost'] }, reason: 'groups "B\u00fcro Ost"' },
  {
    name: 'a group with a blank too many',
    host: { groups: ['Domain  Controllers '] },
    reason: 'groups "Domain Controllers"',
  },
  { name: 'a host name in NFD', host: { name: 'BU\u0308RO-OST' }, reason: 'names "b\u00fcro-ost"' },
  { name: 'a sharp s in a host name', host: { name: 'Stra\u00dfe-7' }, reason: 'names "strasse-7"' },
  { name: 'an account with its domain', host: known('kerberos', 'CORP\\DC7$'), reason: 'names "dc*"' },
  { name: 'an account with its realm', host: known('kerberos', 'host/dc7.corp@CORP'), reason: 'names "dc*"' },
  {
    name: 'an invisible character in the machine’s name',
    machine: { computerDnsName: '\u2060DC7.contoso.example' },
    reason: 'names "dc*"',
  },
  {
    name: 'a machine’s name that nobody can read',
    machine: { computerDnsName: '\u200b' },
    reason: "names cannot be judged without the machine's name",
  },
  { name: 'a blank behind the platform', machine: { osPlatform: 'Linux ' }, reason: 'osPlatforms "Linux"' },
  {
    name: 'a no-break space before the platform',
    machine: { osPlatform: '\u00a0WindowsServer2022' },
    reason: 'osPlatforms "WindowsServer*"',
  },
  {
    name: 'a soft hyphen in a machine tag',
    machine: { machineTags: ['no-\u00adisolate'] },
    reason: 'machineTags "no-isolate"',
  },
  {
    name: 'a machine tag in NFD',
    machine: { machineTags: ['bu\u0308ro'] },
    reason: 'machineTags "b\u00fcro"',
  },
  {
    name: 'a mapped address in hexadecimal',
    machine: alsoAt('::ffff:a4d:102'),
    reason: 'ips "10.77.0.0/16" protects 10.77.1.2',
  },
  {
    name: 'an address of NAT64',
    machine: alsoAt('64:ff9b::10.77.1.2'),
    reason: 'ips "10.77.0.0/16" protects 10.77.1.2',
  },
  { name: 'an address with a zone', machine: alsoAt('FD00:7::9%12'), reason: 'ips "fd00:7::/32"' },
  {
    name: 'an address with a leading zero',
    machine: alsoAt('10.9.0.05'),
    reason: 'ips cannot be judged without an address in place of "10.9.0.05"',
  },
];

describe('a block leaves alone the machine that a person takes for protected', () => {
  const hosts: SimHost[] = [];
  let harness: Harness;
  let report: Report | undefined;
  let free: SimMachine;

  beforeAll(async () => {
    harness = await createHarness({ requestMs: 1, config: { isolation: { match: 'ip', never } } });
    const { world } = harness.simulator;
    world.addGroup({ name: 'Domain  Controllers ' });
    for (const [at, { host, machine }] of machines.entries()) {
      const ip = `10.8.${at}.12`;
      hosts.push(world.addHost({ last_source: ip, tags: ['block'], ...host }));
      world.addMachine({ computerDnsName: `pc-${at}`, lastIpAddress: ip, protected: true, ...machine });
    }
    world.addHost({ last_source: '10.8.200.12', tags: ['block'] });
    free = world.addMachine({ computerDnsName: 'pc-free', lastIpAddress: '10.8.200.12' });
    ({ report } = await harness.run(['--blocktag', 'block']));
    world.settleActions();
  }, 60_000);

  afterAll(async () => {
    await harness.close();
  });

  it.each(machines.map(({ name, reason }, at) => ({ name, reason, at })))('$name', ({ at, reason }) => {
    const host = hosts[at];
    const told = report?.hosts.find(({ id }) => id === host?.id);

    expect(told?.result).toBe('refused');
    expect(told?.detail).toContain(`isolation.never.${reason}`);
    expect(host?.tags).toContain('Manual block failed');
    expect(host?.tags).not.toContain('block');
  });

  it('but isolates the others, since Detect knows the groups', () => {
    expect(free.isolated).toBe(true);
    expect(report?.counts).toMatchObject({ isolated: 1, refused: machines.length });
  });

  it('does no harm', () => {
    expect(harness.simulator.world.violations).toEqual([]);
  });
});
