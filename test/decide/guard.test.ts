import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/atp/schema.ts';
import type { Host } from '../../src/detect/schema.ts';
import { checkGuardRails, globMatches, unknownGroups, type NeverRules } from '../../src/decide/guard.ts';
import { artifacts, buildHost, buildMachine } from './samples.ts';

const none: NeverRules = { names: [], ips: [], tags: [], groups: [], osPlatforms: [], machineTags: [] };

function check(rules: Partial<NeverRules>, host: Partial<Host> = {}, machine: Partial<Machine> = {}) {
  return checkGuardRails({ ...none, ...rules }, buildHost(host), buildMachine(machine));
}

function refused(rule: keyof NeverRules, pattern: string, fact: string) {
  return [{ rule, refuses: true, why: `isolation.never.${rule} "${pattern}" protects ${fact}` }];
}

function unjudged(rule: keyof NeverRules, missing: string) {
  return [{ rule, refuses: true, why: `isolation.never.${rule} cannot be judged without ${missing}` }];
}

function passed(rule: keyof NeverRules) {
  return [{ rule, refuses: false, why: `isolation.never.${rule} does not apply` }];
}

it('says nothing of rules that are not configured, whatever is missing', () => {
  const nothingKnown = {
    host: { name: undefined, groups: undefined, artifacts: undefined, lastSource: undefined, ip: undefined },
    machine: {
      computerDnsName: undefined,
      osPlatform: undefined,
      machineTags: undefined,
      ipAddresses: undefined,
    },
  };

  expect(check({}, nothingKnown.host, nothingKnown.machine)).toEqual([]);
});

it('tries every configured rule, in one order, those that let pass included', () => {
  const verdicts = check(
    {
      machineTags: ['crown-jewel'],
      osPlatforms: ['WindowsServer*'],
      groups: ['NoBlock'],
      tags: ['vip'],
      ips: ['10.1.0.0/16'],
      names: ['dc*'],
    },
    { groups: ['noblock'] },
  );

  expect(verdicts).toEqual([
    ...passed('names'),
    ...refused('ips', '10.1.0.0/16', '10.1.2.3'),
    ...passed('tags'),
    ...refused('groups', 'NoBlock', 'noblock'),
    ...passed('osPlatforms'),
    ...passed('machineTags'),
  ]);
});

it('names the first pattern of a rule that meets a fact', () => {
  expect(check({ tags: ['nobody', 'v?p', 'vip'] }, { tags: ['other', 'VIP'] })).toEqual(
    refused('tags', 'v?p', 'VIP'),
  );
});

describe('a rule about names', () => {
  it.each<[string, string, Partial<Host>, Partial<Machine>, string]>([
    ["the host's name", 'finance*', { name: 'Finance server' }, {}, 'Finance server'],
    ["the first label of the host's name", 'dc01', { name: 'DC01.contoso.example' }, {}, 'dc01'],
    ["the machine's full name", 'laptop-7.contoso.example', {}, {}, 'laptop-7.contoso.example'],
    ["the first label of the machine's name", 'laptop-7', {}, {}, 'laptop-7'],
    ['a DHCP name', 'dc01', { artifacts: artifacts('dhcp DC01') }, {}, 'DC01'],
    ['a NetBIOS name', 'dc01', { artifacts: artifacts('netbios dc01') }, {}, 'dc01'],
    [
      'a DNS name',
      '*.corp.example',
      { artifacts: artifacts('dns dc01.corp.example') },
      {},
      'dc01.corp.example',
    ],
    ['a reverse DNS name', 'dc01', { artifacts: artifacts('rdns dc01.corp.example') }, {}, 'dc01'],
    ["Defender's name in Detect", 'dc01', { artifacts: artifacts('windows_defender_name dc01') }, {}, 'dc01'],
    ['a computer account', 'dc01', { artifacts: artifacts('kerberos DC01$') }, {}, 'dc01'],
    ['a computer account in full', 'dc01$', { artifacts: artifacts('kerberos DC01$') }, {}, 'DC01$'],
    [
      'a name with the dot of the DNS root',
      '*.corp.example',
      { artifacts: artifacts('rdns dc01.corp.example.') },
      {},
      'dc01.corp.example',
    ],
    ['a name with blanks around it', 'finance', { name: ' finance ' }, {}, 'finance'],
    ['a full name with blanks around it', 'dc01.corp', { name: ' dc01.corp ' }, {}, 'dc01.corp'],
    ['the name of an address', 'IP-10.1.*', {}, {}, 'IP-10.1.2.3'],
    ['localhost', 'localhost', { artifacts: artifacts('dhcp localhost') }, {}, 'localhost'],
  ])('protects by %s', (_, pattern, host, machine, fact) => {
    expect(check({ names: [pattern] }, host, machine)).toEqual(refused('names', pattern, fact));
  });

  it.each([
    ['a part of a label', 'laptop'],
    ['a domain alone', 'contoso.example'],
    ['the second label', 'contoso'],
    ['an artifact that is no name', '00:50*'],
    ['a name inside another', '?aptop-7.contoso'],
  ])('does not protect by %s', (_, pattern) => {
    expect(check({ names: [pattern] }, { artifacts: artifacts('mac 00:50:56:ab:12:34') })).toEqual(
      passed('names'),
    );
  });

  it.each<[string, Partial<Host>, Partial<Machine>, string]>([
    ["the host's name", { name: undefined }, {}, 'the name of the host'],
    ["an empty host's name", { name: ' ' }, {}, 'the name of the host'],
    ['artifacts', { artifacts: undefined }, {}, 'the artifacts of the host'],
    ["the machine's name", {}, { computerDnsName: undefined }, "the machine's name"],
    ["an empty machine's name", {}, { computerDnsName: '' }, "the machine's name"],
    [
      'all of them',
      { name: undefined, artifacts: undefined },
      { computerDnsName: ' ' },
      "the name of the host and the artifacts of the host and the machine's name",
    ],
  ])('refuses without %s', (_, host, machine, missing) => {
    expect(check({ names: ['dc*'] }, host, machine)).toEqual(unjudged('names', missing));
  });

  it('takes an empty list of artifacts for a fact', () => {
    expect(check({ names: ['dc*'] }, { artifacts: [] })).toEqual(passed('names'));
  });

  it('names the pattern that bites before what is missing', () => {
    expect(check({ names: ['dc*'] }, { name: 'dc01', artifacts: undefined })).toEqual(
      refused('names', 'dc*', 'dc01'),
    );
  });
});

describe('a rule about addresses', () => {
  const elsewhere = {
    host: { lastSource: '192.0.2.1', ip: '192.0.2.2' },
    machine: {
      lastIpAddress: '192.0.2.3',
      ipAddresses: [{ ipAddress: '192.0.2.4', macAddress: undefined }],
    },
  };

  it.each<[string, string, string]>([
    ['last_source', '192.0.2.1', '192.0.2.1'],
    ['ip', '192.0.2.2', '192.0.2.2'],
    ['lastIpAddress', '192.0.2.3', '192.0.2.3'],
    ['ipAddresses', '192.0.2.4', '192.0.2.4'],
    ['a network of one', '192.0.2.4/32', '192.0.2.4'],
    ['a network', '192.0.2.0/24', '192.0.2.1'],
    ['a network written with the bits of a host', '192.0.2.77/24', '192.0.2.1'],
    ['everything', '0.0.0.0/0', '192.0.2.1'],
    ['an address wrapped in IPv6', '::ffff:192.0.2.3', '192.0.2.3'],
    ['a network wrapped in IPv6', '::ffff:192.0.2.0/120', '192.0.2.1'],
  ])('protects by %s', (_, pattern, fact) => {
    expect(check({ ips: [pattern] }, elsewhere.host, elsewhere.machine)).toEqual(
      refused('ips', pattern, fact),
    );
  });

  it.each<[string, string, string]>([
    ['2001:db8::17', '2001:db8:0:0:0:0:0:17', '2001:db8::17'],
    ['2001:db8::17', '2001:DB8::/32', '2001:db8::17'],
    ['fe80::1%eth0', 'fe80::/10', 'fe80::1'],
    ['fe80::1', 'fe80::1%eth0', 'fe80::1'],
    ['fe80::1', 'fe80::%eth0/64', 'fe80::1'],
    ['::ffff:192.0.2.9', '192.0.2.8/29', '192.0.2.9'],
    ['::FFFF:192.0.2.9', '192.0.2.9', '192.0.2.9'],
    ['::ffff:10.20.30.40', '10.20.0.0/16', '10.20.30.40'],
    ['::ffff:c000:209', '192.0.2.9', '::ffff:c000:209'],
    [' 192.0.2.9 ', '192.0.2.9', '192.0.2.9'],
  ])('knows %j in %j', (address, pattern, fact) => {
    const ipAddresses = [{ ipAddress: address, macAddress: undefined }];

    expect(check({ ips: [pattern] }, elsewhere.host, { ...elsewhere.machine, ipAddresses })).toEqual(
      refused('ips', pattern, fact),
    );
  });

  it.each(['192.0.2.5', '192.0.2.128/25', '2001:db8::/32', '::1', '192.0.3.0/24'])(
    'does not protect by %s',
    (pattern) => {
      expect(check({ ips: [pattern] }, elsewhere.host, elsewhere.machine)).toEqual(passed('ips'));
    },
  );

  it.each(['1::ffff:10.0.0.9', '::ffff:0:10.0.0.9'])(
    'does not take %s for the IPv4 address in it',
    (address) => {
      const ipAddresses = [{ ipAddress: address, macAddress: undefined }];

      expect(check({ ips: ['10.0.0.9'] }, {}, { ipAddresses })).toEqual(passed('ips'));
    },
  );

  it('passes over empty and missing addresses in a list, and takes an empty list for a fact', () => {
    const empty = [
      { ipAddress: '', macAddress: undefined },
      { ipAddress: undefined, macAddress: '005056AB1234' },
    ];

    expect(check({ ips: ['127.0.0.0/8'] }, {}, { ipAddresses: empty })).toEqual(passed('ips'));
    expect(check({ ips: ['127.0.0.0/8'] }, {}, { ipAddresses: [] })).toEqual(passed('ips'));
  });

  it.each<[string, Partial<Host>, Partial<Machine>, string]>([
    ['last_source', { lastSource: undefined }, {}, "the host's last_source"],
    ['ip', { ip: undefined }, {}, "the host's ip"],
    ['lastIpAddress', {}, { lastIpAddress: undefined }, "the machine's lastIpAddress"],
    ['an empty lastIpAddress', {}, { lastIpAddress: '' }, "the machine's lastIpAddress"],
    ['ipAddresses', {}, { ipAddresses: undefined }, "the machine's ipAddresses"],
    ['a readable address', { ip: 'unknown' }, {}, 'an address in place of "unknown"'],
    [
      'several',
      { lastSource: undefined, ip: '10.1.2' },
      { lastIpAddress: undefined, ipAddresses: undefined },
      "the host's last_source and the machine's lastIpAddress and the machine's ipAddresses and an address in place of \"10.1.2\"",
    ],
  ])('refuses without %s', (_, host, machine, missing) => {
    expect(check({ ips: ['192.0.2.0/24'] }, host, machine)).toEqual(unjudged('ips', missing));
  });
});

describe('rules about tags, groups, platforms and machine tags', () => {
  it.each<[keyof NeverRules, string, Partial<Host>, Partial<Machine>, string]>([
    ['tags', 'vip*', { tags: ['x', 'VIP customer'] }, {}, 'VIP customer'],
    ['groups', 'Domain Controllers', { groups: ['domain controllers'] }, {}, 'domain controllers'],
    ['osPlatforms', 'windowsserver*', {}, { osPlatform: 'WindowsServer2022' }, 'WindowsServer2022'],
    ['machineTags', '*jewel', {}, { machineTags: ['a', 'Crown-Jewel'] }, 'Crown-Jewel'],
  ])('%s protect by the glob %j', (rule, pattern, host, machine, fact) => {
    expect(check({ [rule]: [pattern] }, host, machine)).toEqual(refused(rule, pattern, fact));
  });

  it.each<[keyof NeverRules, string]>([
    ['tags', 'vip'],
    ['groups', 'NoBlock'],
    ['osPlatforms', 'WindowsServer*'],
    ['machineTags', 'crown-jewel'],
  ])('%s let pass what they do not name', (rule, pattern) => {
    const host = { tags: ['vip customer'], groups: ['NoBlock2'] };

    expect(check({ [rule]: [pattern] }, host, { machineTags: ['crown'] })).toEqual(passed(rule));
  });

  it.each<[keyof NeverRules, Partial<Host>, Partial<Machine>]>([
    ['tags', { tags: [] }, {}],
    ['groups', { groups: [] }, {}],
    ['machineTags', {}, { machineTags: [] }],
  ])('%s take an empty list for a fact', (rule, host, machine) => {
    expect(check({ [rule]: ['*'] }, host, machine)).toEqual(passed(rule));
  });

  it.each<[keyof NeverRules, Partial<Host>, Partial<Machine>, string]>([
    ['groups', { groups: undefined }, {}, 'the groups of the host'],
    ['osPlatforms', {}, { osPlatform: undefined }, "the machine's osPlatform"],
    ['osPlatforms', {}, { osPlatform: '' }, "the machine's osPlatform"],
    ['machineTags', {}, { machineTags: undefined }, "the machine's tags"],
  ])('%s refuse when their fact is missing', (rule, host, machine, missing) => {
    expect(check({ [rule]: ['x'] }, host, machine)).toEqual(unjudged(rule, missing));
  });
});

describe('a glob', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['***', 'a', true],
    ['?', 'a', true],
    ['?', '', false],
    ['?', 'ab', false],
    ['?', '🛡', true],
    ['a', 'A', true],
    ['A', 'a', true],
    ['dc*', 'DC01', true],
    ['dc*', 'adc01', false],
    ['*dc', 'xdcdc', true],
    ['*dc', 'dcx', false],
    ['a*b*c', 'aXbXbXc', true],
    ['a*b*c', 'acb', false],
    ['a*?', 'a', false],
    ['a*?', 'ab', true],
    ['ab', 'a', false],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
    ['dc01 ', 'dc01', false],
  ])('%j matches %j: %j', (glob, text, matches) => {
    expect(globMatches(glob, text)).toBe(matches);
  });

  it('matches what the regular expression of the same meaning does', () => {
    const text = (...letters: string[]) =>
      fc.array(fc.constantFrom(...letters), { maxLength: 10 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        text('a', 'b', 'B', '.', '*', '?', '\n', '$'),
        text('a', 'A', 'b', 'B', '.', '*', '\n', '$'),
        (glob, subject) => {
          const words = glob
            .replaceAll(/[.$]/gu, String.raw`\$&`)
            .replaceAll('*', '.*')
            .replaceAll('?', '.');

          expect(globMatches(glob, subject)).toBe(new RegExp(`^${words}$`, 'isu').test(subject));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('takes no longer for a pattern made to be slow', () => {
    expect(globMatches('*a'.repeat(40), 'a'.repeat(10_000) + 'b')).toBe(false);
  });
});

it('finds the groups that Detect does not know', () => {
  const known = ['NoBlock', 'Domain controllers'];

  expect(unknownGroups(['noblock', 'domain*', 'Servers', 'No'], known)).toEqual(['Servers', 'No']);
  expect(unknownGroups(['NoBlock'], [])).toEqual(['NoBlock']);
  expect(unknownGroups([], known)).toEqual([]);
});
