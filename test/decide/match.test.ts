import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/atp/machine.ts';
import {
  chooseMachine,
  isSureEnough,
  macsOfSeveral,
  weigh,
  type Evidence,
  type Match,
  type MatchPolicy,
} from '../../src/decide/match.ts';
import { caseOf } from '../../src/decide/case.ts';
import { judge, type Plan } from '../../src/decide/plan.ts';
import type { Resolution } from '../../src/decide/resolution.ts';
import type { Host } from '../../src/detect/host.ts';
import { artifacts, buildHost, buildMachine, machineId, noon, otherId, day } from './samples.ts';

const thirdId = 'c04a522d0e23b8b23abcdefabcdef6f877b45d19';
const mac = 'mac 00:50:56:ab:12:34';
const noMacs: Partial<Machine> = { ipAddresses: undefined };

describe('the evidence that a machine is the host', () => {
  it.each<[string, Partial<Host>, Partial<Machine>, string, string]>([
    ['a DHCP name', { artifacts: artifacts('dhcp LAPTOP-7') }, noMacs, 'confirmed', 'name LAPTOP-7 (dhcp)'],
    [
      'a computer account of Kerberos',
      { artifacts: artifacts('kerberos laptop-7$') },
      noMacs,
      'confirmed',
      'name laptop-7$ (kerberos)',
    ],
    [
      'a DNS name of another domain',
      { artifacts: artifacts('dns laptop-7.fabrikam.example') },
      noMacs,
      'confirmed',
      'name laptop-7.fabrikam.example (dns)',
    ],
    [
      "Defender's own name",
      { artifacts: artifacts('windows_defender_name Laptop-7') },
      noMacs,
      'confirmed',
      'name Laptop-7 (windows_defender_name)',
    ],
    [
      'a NetBIOS name cut at fifteen characters',
      { artifacts: artifacts('netbios FINANCE-LAPTOP-') },
      { computerDnsName: 'finance-laptop-17.contoso.example', ...noMacs },
      'confirmed',
      'name FINANCE-LAPTOP- (netbios)',
    ],
    [
      'a reverse DNS name',
      { artifacts: artifacts('rdns laptop-7.contoso.example') },
      noMacs,
      'confirmed',
      'name laptop-7.contoso.example (rdns)',
    ],
    ["the host's own name", { name: 'LAPTOP-7' }, noMacs, 'confirmed', 'name LAPTOP-7 (host name)'],
    [
      'one name that agrees among others that do not',
      { artifacts: artifacts('dhcp printer', 'netbios OTHER', 'dns laptop-7') },
      noMacs,
      'confirmed',
      'name laptop-7 (dns)',
    ],
    [
      "the host's own name against a contradicting one",
      { name: 'laptop-7', artifacts: artifacts('dhcp printer') },
      noMacs,
      'confirmed',
      'name laptop-7 (host name)',
    ],
    ['a MAC address', { artifacts: artifacts(mac) }, {}, 'confirmed', 'MAC address 005056ab1234'],
    [
      'a MAC address behind a stale reverse DNS name',
      { name: 'Finance server', artifacts: artifacts(mac, 'rdns other.contoso.example') },
      {},
      'confirmed',
      'MAC address 005056ab1234',
    ],
    [
      'a MAC address of a machine without a name',
      { artifacts: artifacts(mac, 'dhcp printer') },
      { computerDnsName: '' },
      'confirmed',
      'MAC address 005056ab1234',
    ],
    [
      'a MAC address of a machine called localhost',
      { artifacts: artifacts(mac, 'dhcp printer') },
      { computerDnsName: 'localhost' },
      'confirmed',
      'MAC address 005056ab1234',
    ],
    [
      'a MAC address and a hollow name',
      { artifacts: artifacts(mac, 'dhcp localhost', 'dns ip-10-1-2-3.contoso.example') },
      {},
      'confirmed',
      'MAC address 005056ab1234',
    ],
    [
      'a MAC address and a contradicting name',
      { artifacts: artifacts(mac, 'dhcp printer') },
      {},
      'ip only',
      'MAC address 005056ab1234 is common to both, but Detect knows this host as printer (dhcp)',
    ],
    [
      'another name',
      { artifacts: artifacts('dhcp laptop-8') },
      {},
      'conflict',
      'Detect knows this host as laptop-8 (dhcp)',
    ],
    [
      'another name and another MAC address',
      { artifacts: artifacts('dhcp laptop-8', 'mac 00:50:56:ab:99:99') },
      {},
      'conflict',
      'Detect knows this host as laptop-8 (dhcp)',
    ],
    [
      'four other names, one of them twice',
      { artifacts: artifacts('dhcp one', 'dhcp one', 'dns two', 'netbios three', 'kerberos four$') },
      {},
      'conflict',
      'Detect knows this host as one (dhcp), two (dns), three (netbios)',
    ],
    [
      'another NetBIOS name of fifteen characters',
      { artifacts: artifacts('netbios FINANCE-DESKTOP') },
      { computerDnsName: 'finance-desktop' + '7', ...noMacs },
      'confirmed',
      'name FINANCE-DESKTOP (netbios)',
    ],
    [
      'a name that NetBIOS would have cut, from DHCP',
      { artifacts: artifacts('dhcp FINANCE-LAPTOP-') },
      { computerDnsName: 'finance-laptop-17' },
      'conflict',
      'Detect knows this host as FINANCE-LAPTOP- (dhcp)',
    ],
    [
      'a computer account that is cut at fifteen characters',
      { artifacts: artifacts('kerberos WORKSTATION-FIN$') },
      { computerDnsName: 'workstation-finance-07.contoso.example', ...noMacs },
      'confirmed',
      'name WORKSTATION-FIN$ (kerberos)',
    ],
    [
      'the principal of a host in Kerberos',
      { artifacts: artifacts('kerberos host/laptop-7.contoso.example@CONTOSO.EXAMPLE') },
      noMacs,
      'confirmed',
      'name host/laptop-7.contoso.example@CONTOSO.EXAMPLE (kerberos)',
    ],
    [
      'a computer account behind its domain',
      { artifacts: artifacts('windows_defender_name CORP\\LAPTOP-7$') },
      noMacs,
      'confirmed',
      'name CORP\\LAPTOP-7$ (windows_defender_name)',
    ],
    [
      'a name that one side writes in NFC and the other in NFD',
      { artifacts: artifacts('dhcp b\u00fcro-7') },
      { computerDnsName: 'BU\u0308RO-7.contoso.example', ...noMacs },
      'confirmed',
      'name b\u00fcro-7 (dhcp)',
    ],
    [
      'names that DHCP made of the address on both sides',
      { artifacts: artifacts('dhcp dhcp-10-1-2-3', 'dns 3.2.1.10.in-addr.arpa') },
      { computerDnsName: 'dhcp-10-1-2-3.contoso.example', ...noMacs },
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    ['nothing to compare', {}, {}, 'ip only', 'no name to compare and no MAC address in common'],
    [
      'a reverse DNS name that is another: it never contradicts',
      { artifacts: artifacts('rdns printer.contoso.example') },
      {},
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'a name that a person chose: it never contradicts',
      { name: 'Finance server' },
      {},
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'another MAC address: it never contradicts',
      { artifacts: artifacts('mac 00:50:56:ab:99:99') },
      {},
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'names on one side only',
      { artifacts: artifacts('dhcp laptop-7', 'netbios LAPTOP-7') },
      { computerDnsName: undefined, ...noMacs },
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'localhost on both sides',
      { name: 'localhost', artifacts: artifacts('dhcp localhost') },
      { computerDnsName: 'localhost', ...noMacs },
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'a name of the address on both sides',
      { name: 'IP-10.1.2.3', artifacts: artifacts('dns ip-10-1-2-3.ec2.internal') },
      { computerDnsName: 'ip-10-1-2-3.ec2.internal', ...noMacs },
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'zero and null MAC addresses on both sides',
      { artifacts: artifacts('mac 00:00:00:00:00:00', 'mac null') },
      {
        ipAddresses: [
          { ipAddress: '127.0.0.1', macAddress: '000000000000' },
          { ipAddress: '10.1.2.3', macAddress: undefined },
        ],
      },
      'ip only',
      'no name to compare and no MAC address in common',
    ],
    [
      'artifacts missing',
      { name: undefined, artifacts: undefined },
      {},
      'ip only',
      'no name to compare and no MAC address in common',
    ],
  ])('%s', (_, host, machine, evidence, because) => {
    expect(weigh(buildHost(host), buildMachine(machine))).toEqual({ evidence, because });
  });

  it('finds the MAC address that is common among several', () => {
    const host = buildHost({ artifacts: artifacts('mac 00:50:56:ab:99:99', mac) });
    const machine = buildMachine({
      ipAddresses: [
        { ipAddress: '127.0.0.1', macAddress: '000000000000' },
        { ipAddress: '10.9.9.9', macAddress: '0050-56ff-ffff' },
        { ipAddress: '10.1.2.3', macAddress: '00-50-56-AB-12-34' },
      ],
    });

    expect(weigh(host, machine)).toEqual({ evidence: 'confirmed', because: 'MAC address 005056ab1234' });
  });
});

describe('a MAC address that several machines have', () => {
  const dock = { ipAddresses: [{ ipAddress: '10.1.2.3', macAddress: '005056AB1234' }] };
  const own = { ipAddresses: [{ ipAddress: '10.1.2.3', macAddress: '005056CD0001' }] };
  const one = { id: machineId, computerDnsName: 'laptop-7', ...dock };
  const other = { id: otherId, computerDnsName: 'desktop-1', ...dock };
  const host = { artifacts: artifacts(mac) };

  it.each<[string, Partial<Machine>[], string[]]>([
    ['no machine has one', [{ ipAddresses: undefined }], []],
    ['one machine has it alone', [one, { ...other, ...own }], []],
    ['two machines have it', [one, other], ['005056ab1234']],
    ['three machines have it', [one, other, { ...other, id: thirdId }], ['005056ab1234']],
    ['one machine is named twice', [one, { ...one, computerDnsName: 'renamed' }], []],
    [
      'one machine has it on two interfaces',
      [{ ...one, ipAddresses: [...dock.ipAddresses, ...dock.ipAddresses] }],
      [],
    ],
    [
      'the two write it differently',
      [one, { ...other, ipAddresses: [{ ipAddress: '', macAddress: '00-50-56-ab-12-34' }] }],
      ['005056ab1234'],
    ],
    [
      'one of the two is not onboarded',
      [one, { ...other, onboardingStatus: 'Unsupported' }],
      ['005056ab1234'],
    ],
    ['one of the two is excluded', [one, { ...other, isExcluded: true }], ['005056ab1234']],
    [
      'one of the two is the stale record of the other',
      [one, { ...one, id: otherId, healthStatus: 'Inactive' }],
      [],
    ],
    ['two of one name are Active', [one, { ...one, id: otherId }], ['005056ab1234']],
    ['one of the two was merged into the other', [one, { ...other, mergedIntoMachineId: machineId }], []],
    [
      'two machines without a name have it',
      [
        { ...one, computerDnsName: '', healthStatus: 'Inactive' },
        { ...other, computerDnsName: '' },
      ],
      ['005056ab1234'],
    ],
    [
      'two machines have the address of a VPN adapter, which never counts',
      [one, { ...other, ipAddresses: [{ ipAddress: '', macAddress: '00059A3C7A00' }] }],
      [],
    ],
  ])('is found: %s', (_, machines, shared) => {
    expect([...macsOfSeveral(machines.map(buildMachine))]).toEqual(shared);
  });

  it('confirms nobody', () => {
    const shared = new Set(['005056ab1234']);
    const noEvidence = { evidence: 'ip only', because: 'no name to compare and no MAC address in common' };

    expect(weigh(buildHost(host), buildMachine(one), shared)).toEqual(noEvidence);
    expect(weigh(buildHost(host), buildMachine(one), new Set(['005056cd0001'])).evidence).toBe('confirmed');
  });

  it('takes nothing from a contradiction', () => {
    const printer = buildHost({ artifacts: artifacts(mac, 'dhcp printer') });

    expect(weigh(printer, buildMachine(one), new Set(['005056ab1234']))).toEqual({
      evidence: 'conflict',
      because: 'Detect knows this host as printer (dhcp)',
    });
  });

  it('leaves a second one, that is the machine’s own, to confirm', () => {
    const known = buildHost({ artifacts: artifacts(mac, 'mac 00:50:56:cd:00:01') });
    const machine = buildMachine({ ipAddresses: [...dock.ipAddresses, ...own.ipAddresses] });

    expect(weigh(known, machine, new Set(['005056ab1234']))).toEqual({
      evidence: 'confirmed',
      because: 'MAC address 005056cd0001',
    });
  });

  it.each<[string, Partial<Machine>[], string | string[]]>([
    ['two have it', [one, other], [machineId, otherId]],
    ['of two that have it, one has no name', [{ ...one, computerDnsName: '' }, other], [machineId, otherId]],
    ['another that is excluded has it', [one, { ...other, isExcluded: true }], 'none'],
    ['another that is not onboarded has it', [one, { ...other, onboardingStatus: 'Unsupported' }], 'none'],
    ['its stale record has it', [one, { ...one, id: otherId, healthStatus: 'Inactive' }], machineId],
    ['a record merged into it has it', [one, { ...other, mergedIntoMachineId: machineId }], machineId],
  ])('confirms nobody at an address where %s', (_, machines, expected) => {
    const found = machines.map(buildMachine);
    const match = chooseMachine(buildHost(host), found, { confirmedOnly: typeof expected === 'string' });

    expect(chosen(match)).toEqual(expected);
  });

  it('confirms nobody where another host of the run has such a machine', () => {
    const sharedMacs = new Set(['005056ab1234']);

    expect(chooseMachine(buildHost(host), [buildMachine(one)], { sharedMacs })).toMatchObject({
      finding: { evidence: 'ip only' },
    });
    expect(
      chosen(chooseMachine(buildHost(host), [buildMachine(one)], { sharedMacs, confirmedOnly: true })),
    ).toBe('none');
  });
});

it('chooses among very many machines of one name and one MAC address, for a host of very many names', () => {
  const lines = Array.from({ length: 1_000 }, (_, at) => `dhcp other-${at}`);
  const host = buildHost({ artifacts: artifacts(mac, ...lines) });
  const machines = Array.from({ length: 20_000 }, (_, at) =>
    buildMachine({ id: `${at}`, healthStatus: 'Inactive' }),
  );

  expect(chosen(chooseMachine(host, machines))).toBe('0');
  expect(
    chosen(
      chooseMachine(
        host,
        machines.map((machine) => ({ ...machine, healthStatus: 'Active' })),
      ),
    ),
  ).toHaveLength(20_000);
  expect(macsOfSeveral(machines.map((machine) => ({ ...machine, computerDnsName: machine.id })))).toEqual(
    new Set(['005056ab1234']),
  );
});

it.each<[Evidence, MatchPolicy, boolean]>([
  ['confirmed', 'ip', true],
  ['confirmed', 'no-conflict', true],
  ['confirmed', 'confirmed', true],
  ['ip only', 'ip', true],
  ['ip only', 'no-conflict', true],
  ['ip only', 'confirmed', false],
  ['conflict', 'ip', true],
  ['conflict', 'no-conflict', false],
  ['conflict', 'confirmed', false],
  ['by id', 'ip', true],
  ['by id', 'no-conflict', true],
  ['by id', 'confirmed', true],
])('the evidence %j is enough for isolation.match %j: %j', (evidence, policy, enough) => {
  expect(isSureEnough(evidence, policy)).toBe(enough);
});

/** Id of the one machine, ids of several, or `none`. */
function chosen(match: Match): string | string[] {
  if (match.kind === 'one') return match.machine.id;
  return match.kind === 'none' ? 'none' : match.machines.map(({ id }) => id);
}

describe('the choice among the machines at an address', () => {
  const laptop = { id: machineId, computerDnsName: 'laptop-7' };
  const desktop = { id: otherId, computerDnsName: 'desktop-1' };
  const third = { id: thirdId, computerDnsName: 'server-3' };
  const knownAsLaptop = { artifacts: artifacts('dhcp laptop-7') };

  it.each<[string, Partial<Host>, Partial<Machine>[], string | string[]]>([
    ['none is found', {}, [], 'none'],
    ['one is found', {}, [laptop], machineId],
    ['one is found twice', {}, [laptop, laptop], machineId],
    ['one is found whose name is another', { artifacts: artifacts('dhcp x') }, [laptop], machineId],
    ['two are found, neither confirmed', {}, [laptop, desktop], [machineId, otherId]],
    ['two are found, one confirmed', knownAsLaptop, [desktop, laptop], machineId],
    ['three are found, one confirmed', knownAsLaptop, [desktop, laptop, third], machineId],
    [
      'two are found, both confirmed',
      { artifacts: artifacts('dhcp laptop-7', 'dns desktop-1') },
      [laptop, desktop],
      [machineId, otherId],
    ],
    [
      'three are found, two confirmed',
      { artifacts: artifacts('dhcp laptop-7', 'dns desktop-1') },
      [laptop, desktop, third],
      [machineId, otherId, thirdId],
    ],
    ['one is merged into another', {}, [{ ...laptop, mergedIntoMachineId: otherId }, desktop], otherId],
    ['the only one is merged', knownAsLaptop, [{ ...laptop, mergedIntoMachineId: otherId }], 'none'],
    ['one is not onboarded', {}, [{ ...laptop, onboardingStatus: 'CanBeOnboarded' }, desktop], otherId],
    ['the only one is not onboarded', {}, [{ ...laptop, onboardingStatus: 'Unsupported' }], 'none'],
    ['the status is written in small letters', {}, [{ ...laptop, onboardingStatus: 'onboarded' }], machineId],
    ['the status is missing', {}, [{ ...laptop, onboardingStatus: undefined }], machineId],
    ['one is excluded', {}, [{ ...laptop, isExcluded: true }, desktop], otherId],
    ['the confirmed one is excluded', knownAsLaptop, [{ ...laptop, isExcluded: true }, desktop], otherId],
    ['only an excluded one is left', {}, [{ ...laptop, isExcluded: true }], machineId],
    [
      'an excluded one is left when the others do not count',
      {},
      [
        { ...laptop, isExcluded: true },
        { ...desktop, mergedIntoMachineId: machineId },
        { ...third, onboardingStatus: 'InsufficientInfo' },
      ],
      machineId,
    ],
    [
      'only excluded ones are left',
      {},
      [
        { ...laptop, isExcluded: true },
        { ...desktop, isExcluded: true },
      ],
      [machineId, otherId],
    ],
  ])('%s', (_, host, machines, expected) => {
    expect(chosen(chooseMachine(buildHost(host), machines.map(buildMachine)))).toEqual(expected);
  });

  it('carries the evidence with the machine', () => {
    const machine = buildMachine(laptop);

    expect(chooseMachine(buildHost(knownAsLaptop), [machine, buildMachine(desktop)])).toEqual({
      kind: 'one',
      machine,
      finding: { evidence: 'confirmed', because: 'name laptop-7 (dhcp)' },
    });
  });

  it('takes the later of two answers about one machine', () => {
    const later = buildMachine({ riskScore: 'Low' });

    expect(chooseMachine(buildHost(), [buildMachine(), later])).toMatchObject({ machine: later });
  });

  it.each<[string, Partial<Host>, Partial<Machine>[], string | string[]]>([
    ['none is found', {}, [], 'none'],
    ['one is found that nothing confirms', {}, [laptop], 'none'],
    ['one is found whose name is another', { artifacts: artifacts('dhcp x') }, [laptop], 'none'],
    ['one is found and confirmed', knownAsLaptop, [laptop], machineId],
    ['one of two is confirmed', knownAsLaptop, [desktop, laptop], machineId],
    ['two are found, neither confirmed', {}, [laptop, desktop], 'none'],
    [
      'two of three are confirmed',
      { artifacts: artifacts('dhcp laptop-7', 'dns desktop-1') },
      [laptop, desktop, third],
      [machineId, otherId],
    ],
  ])('at an earlier time, when it must be confirmed: %s', (_, host, machines, expected) => {
    expect(
      chosen(chooseMachine(buildHost(host), machines.map(buildMachine), { confirmedOnly: true })),
    ).toEqual(expected);
  });
});

describe('several records of one name', () => {
  const active = buildMachine({ id: machineId, lastSeen: 2_000 });
  const stale = buildMachine({ id: otherId, healthStatus: 'Inactive', lastSeen: 1_000 });
  const staler = buildMachine({ id: thirdId, healthStatus: 'NoSensorData', lastSeen: 500 });

  it.each<[string, Machine[], string | string[]]>([
    ['the Active one counts', [stale, active], machineId],
    [
      'the Active one counts, even when its last full report is older',
      [{ ...active, lastSeen: 1 }, stale],
      machineId,
    ],
    [
      'the Active one counts, whatever the case of its state',
      [stale, { ...active, healthStatus: 'ACTIVE' }],
      machineId,
    ],
    ['the newest counts where none is Active', [staler, stale], otherId],
    ['the newest counts, whichever comes first', [stale, staler], otherId],
    ['a record without a time is the oldest', [{ ...staler, lastSeen: undefined }, stale], otherId],
    [
      'a record without a time is the oldest, even when it comes last',
      [stale, { ...staler, lastSeen: undefined }],
      otherId,
    ],
    ['a state that is missing is not Active', [{ ...staler, healthStatus: undefined }, active], machineId],
    ['two Active ones are two', [active, { ...stale, healthStatus: 'Active' }], [machineId, otherId]],
    [
      'two Active ones and a stale one are three',
      [active, { ...stale, healthStatus: 'Active' }, staler],
      [machineId, otherId, thirdId],
    ],
    [
      'names are one whatever their case and the blanks around them',
      [stale, { ...active, computerDnsName: ' LAPTOP-7.Contoso.Example ' }],
      machineId,
    ],
    [
      'the full name counts, not its first label',
      [active, { ...stale, computerDnsName: 'laptop-7.fabrikam.example' }],
      [machineId, otherId],
    ],
    [
      'empty names are never one',
      [
        { ...active, computerDnsName: '' },
        { ...stale, computerDnsName: '' },
      ],
      [machineId, otherId],
    ],
    [
      'missing names are never one',
      [
        { ...active, computerDnsName: undefined },
        { ...stale, computerDnsName: undefined },
      ],
      [machineId, otherId],
    ],
    [
      'localhost is never one',
      [
        { ...active, computerDnsName: 'localhost' },
        { ...stale, computerDnsName: 'localhost' },
      ],
      [machineId, otherId],
    ],
    [
      'names of addresses are never one',
      [
        { ...active, computerDnsName: 'IP-10.1.2.3' },
        { ...stale, computerDnsName: 'IP-10.1.2.3' },
      ],
      [machineId, otherId],
    ],
    [
      'names are one whatever their Unicode form',
      [
        { ...active, computerDnsName: 'b\u00fcro-7.contoso.example' },
        { ...stale, computerDnsName: 'BU\u0308RO-7.contoso.example' },
      ],
      machineId,
    ],
    [
      'names that DHCP made of an address are never one',
      [
        { ...active, computerDnsName: 'dhcp-10-1-2-3' },
        { ...stale, computerDnsName: 'dhcp-10-1-2-3' },
      ],
      [machineId, otherId],
    ],
    ['a merged twin does not count', [{ ...active, mergedIntoMachineId: otherId }, stale], otherId],
  ])('%s', (_, machines, expected) => {
    expect(chosen(chooseMachine(buildHost(), machines))).toEqual(expected);
  });
});

/** What the pipeline makes of a choice, with the words of the test. */
function resolutionOf(match: Match): Resolution {
  if (match.kind === 'none') return { kind: 'none', why: 'nobody there' };
  if (match.kind === 'ambiguous') return { ...match, why: 'several there' };
  const { machine, finding } = match;
  const { evidence, because } = finding;
  return { kind: 'machine', machine, evidence, how: 'by address', because, claim: because };
}

function block(host: Host, at: readonly Machine[], match: MatchPolicy): Plan {
  const never = { names: [], ips: [], tags: [], groups: [], osPlatforms: [], machineTags: [] };
  const one = { ...caseOf(host, ['block'], ['isolate']), found: resolutionOf(chooseMachine(host, at)) };
  return judge('isolate', one, { brain: 'b', match, never, maxPerRun: 50, endsAfterMs: 7 * day }, noon);
}

describe('whose machine is isolated', () => {
  const laptop = buildMachine();
  const desktop = buildMachine({
    id: otherId,
    computerDnsName: 'desktop-1',
    ipAddresses: [{ ipAddress: '10.1.2.3', macAddress: '005056FF0001' }],
  });
  const isolated = 'isolated';

  it.each<[string, Partial<Host>, Machine[], Record<MatchPolicy, string>]>([
    [
      'the laptop itself',
      { artifacts: artifacts('dhcp laptop-7', mac) },
      [laptop],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'DHCP moved on: the address is another machine’s by now',
      { name: 'laptop-7', artifacts: artifacts('dhcp laptop-7', 'kerberos laptop-7$', mac) },
      [desktop],
      {
        ip: isolated,
        'no-conflict':
          'Detect knows this host as laptop-7 (dhcp), laptop-7$ (kerberos); isolation.match "no-conflict" demands more',
        confirmed:
          'Detect knows this host as laptop-7 (dhcp), laptop-7$ (kerberos); isolation.match "confirmed" demands more',
      },
    ],
    [
      'DHCP moved on within the same quarter of an hour: both are found',
      { artifacts: artifacts('dhcp laptop-7') },
      [desktop, laptop],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'an address of a VPN pool, known by reverse DNS alone',
      { name: 'vpn-10-1-2-3', artifacts: artifacts('rdns vpn-10-1-2-3.contoso.example') },
      [laptop],
      {
        ip: isolated,
        'no-conflict': isolated,
        confirmed:
          'no name to compare and no MAC address in common; isolation.match "confirmed" demands more',
      },
    ],
    [
      'two agents behind one NAT address, neither known',
      { artifacts: artifacts('dhcp nat-router') },
      [laptop, desktop],
      { ip: 'several there', 'no-conflict': 'several there', confirmed: 'several there' },
    ],
    [
      'two agents behind one NAT address, both known',
      { artifacts: artifacts('dhcp laptop-7', 'netbios DESKTOP-1') },
      [laptop, desktop],
      { ip: 'several there', 'no-conflict': 'several there', confirmed: 'several there' },
    ],
    [
      'two long names that NetBIOS cuts to one',
      { artifacts: artifacts('netbios FINANCE-LAPTOP-') },
      [
        buildMachine({ computerDnsName: 'finance-laptop-17' }),
        buildMachine({ id: otherId, computerDnsName: 'finance-laptop-18' }),
      ],
      { ip: 'several there', 'no-conflict': 'several there', confirmed: 'several there' },
    ],
    [
      'a long name that NetBIOS cuts',
      { artifacts: artifacts('netbios FINANCE-LAPTOP-') },
      [buildMachine({ computerDnsName: 'finance-laptop-17' })],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'a reinstalled device with its stale twin',
      { artifacts: artifacts('dhcp laptop-7') },
      [buildMachine({ id: otherId, healthStatus: 'Inactive' }), laptop],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'a reinstalled device with its stale twin, known by nothing',
      {},
      [buildMachine({ id: otherId, healthStatus: 'Inactive' }), laptop],
      {
        ip: isolated,
        'no-conflict': isolated,
        confirmed:
          'no name to compare and no MAC address in common; isolation.match "confirmed" demands more',
      },
    ],
    [
      'a record that was merged, and its heir not seen there',
      { artifacts: artifacts('dhcp laptop-7') },
      [buildMachine({ mergedIntoMachineId: otherId })],
      {
        ip: 'no machine: nobody there',
        'no-conflict': 'no machine: nobody there',
        confirmed: 'no machine: nobody there',
      },
    ],
    [
      'the name is another machine’s by now, with another MAC address',
      { artifacts: artifacts('dhcp laptop-7', 'mac 00:50:56:ab:99:99') },
      [laptop],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'the MAC address is another machine’s by now (a dock), with another name',
      { artifacts: artifacts('dhcp desktop-9', mac) },
      [laptop],
      {
        ip: isolated,
        'no-conflict': isolated,
        confirmed:
          'MAC address 005056ab1234 is common to both, but Detect knows this host as desktop-9 (dhcp); isolation.match "confirmed" demands more',
      },
    ],
    [
      'a host named IP-… without artifacts',
      { name: 'IP-10.1.2.3', artifacts: [] },
      [laptop],
      {
        ip: isolated,
        'no-conflict': isolated,
        confirmed:
          'no name to compare and no MAC address in common; isolation.match "confirmed" demands more',
      },
    ],
    [
      'a host called IPC-01-02: that is a name, and another one',
      { artifacts: artifacts('dhcp IPC-01-02') },
      [laptop],
      {
        ip: isolated,
        'no-conflict':
          'Detect knows this host as IPC-01-02 (dhcp); isolation.match "no-conflict" demands more',
        confirmed: 'Detect knows this host as IPC-01-02 (dhcp); isolation.match "confirmed" demands more',
      },
    ],
    [
      'a key asset that a person renamed, known by DHCP',
      { name: 'Finance: the CFO', artifacts: artifacts('dhcp laptop-7') },
      [laptop],
      { ip: isolated, 'no-conflict': isolated, confirmed: isolated },
    ],
    [
      'a key asset that a person renamed, known by nothing else',
      { name: 'Finance: the CFO' },
      [laptop],
      {
        ip: isolated,
        'no-conflict': isolated,
        confirmed:
          'no name to compare and no MAC address in common; isolation.match "confirmed" demands more',
      },
    ],
    [
      'nobody at the address',
      { artifacts: artifacts('dhcp laptop-7') },
      [],
      {
        ip: 'no machine: nobody there',
        'no-conflict': 'no machine: nobody there',
        confirmed: 'no machine: nobody there',
      },
    ],
  ])('%s', (_, fields, found, expected) => {
    for (const policy of ['ip', 'no-conflict', 'confirmed'] as const) {
      const plan = block(buildHost(fields), found, policy);
      const outcome = plan.kind === 'go' && plan.decision.kind === 'post' ? isolated : plan;

      expect(outcome, policy).toEqual(
        expected[policy] === isolated ? isolated : { kind: 'refuse', reason: expected[policy], verdicts: [] },
      );
    }
  });
});
