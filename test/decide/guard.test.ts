import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/atp/machine.ts';
import type { Host } from '../../src/detect/host.ts';
import { checkGuardRails, unknownGroups, type NeverRules } from '../../src/decide/guard.ts';
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

/** Tells whether a glob matches: a group that it names is known. */
function globMatches(glob: string, text: string): boolean {
  return unknownGroups([glob], [text]).length === 0;
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
    ['everything that is mapped', '::ffff:0:0/96', '192.0.2.1'],
    ['everything that NAT64 knows', '64:ff9b::/96', '192.0.2.1'],
    ['everything that NAT64 knows, and more', '64:ff9b::/64', '192.0.2.1'],
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
    ['::ffff:c000:209', '192.0.2.9', '192.0.2.9'],
    ['::ffff:c000:209', '192.0.2.8/29', '192.0.2.9'],
    ['0:0:0:0:0:FFFF:C000:0209', '192.0.2.9', '192.0.2.9'],
    ['::ffff:c000:209%eth0', '192.0.2.9', '192.0.2.9'],
    ['::ffff:0.0.2.9', '0.0.2.9', '0.0.2.9'],
    ['64:ff9b::192.0.2.9', '192.0.2.9', '192.0.2.9'],
    ['64:ff9b::c000:209', '192.0.2.8/29', '192.0.2.9'],
    ['0064:FF9B:0:0:0:0:c000:209', '192.0.2.9', '192.0.2.9'],
    ['64:ff9b::9', '0.0.0.9', '0.0.0.9'],
    ['64:ff9b::', '0.0.0.0', '0.0.0.0'],
    // A rule may be written in either form too.
    ['192.0.2.9', '::ffff:c000:209', '192.0.2.9'],
    ['192.0.2.9', '::ffff:c000:208/125', '192.0.2.9'],
    ['192.0.2.9', '64:ff9b::192.0.2.9', '192.0.2.9'],
    ['192.0.2.9', '64:ff9b::c000:208/125', '192.0.2.9'],
    ['64:ff9b::c000:209', '::ffff:192.0.2.9', '192.0.2.9'],
    ['::ffff:192.0.2.9', '64:ff9b::c000:209', '192.0.2.9'],
    ['64:ff9b::c6ef:1', '64:ff9a::/31', '198.239.0.1'],
    ['64:ff9b::c6ef:1', '64:ff9b::c6ef:0/112', '198.239.0.1'],
    ['2001:db8::17%25eth0', '2001:db8::17', '2001:db8::17'],
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

  it.each([
    '1::ffff:10.0.0.9',
    '::ffff:0:10.0.0.9',
    '64:ff9b:1::10.0.0.9',
    '64:ff9a::10.0.0.9',
    '64:ff9b::1:10.0.0.9',
    '::10.0.0.9',
  ])('does not take %s for the IPv4 address in it', (address) => {
    const ipAddresses = [{ ipAddress: address, macAddress: undefined }];

    expect(check({ ips: ['10.0.0.9'] }, {}, { ipAddresses })).toEqual(passed('ips'));
  });

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
    ['a decimal octet', {}, { lastIpAddress: '10.9.0.05' }, 'an address in place of "10.9.0.05"'],
    ['an address alone', { ip: '10.9.0.5/24' }, {}, 'an address in place of "10.9.0.5/24"'],
    ['an address without brackets', { ip: '[::1]' }, {}, 'an address in place of "[::1]"'],
    ['an address without a port', { ip: '10.9.0.5:443' }, {}, 'an address in place of "10.9.0.5:443"'],
    ['four octets', { ip: '168361989' }, {}, 'an address in place of "168361989"'],
    ['an address before a zone', { ip: '%eth0' }, {}, 'an address in place of "%eth0"'],
    [
      'a readable one among several',
      {},
      { ipAddresses: [{ ipAddress: '10.9.0.5, 10.9.0.6', macAddress: undefined }] },
      'an address in place of "10.9.0.5, 10.9.0.6"',
    ],
    [
      'a blank address',
      {},
      { ipAddresses: [{ ipAddress: ' ', macAddress: undefined }] },
      'an address in place of " "',
    ],
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

describe('a rule and its fact are compared as a person reads them', () => {
  const forms: [string, string, string][] = [
    ['a blank at the end', 'crown jewel', 'crown jewel '],
    ['a blank before', 'crown jewel', '\t crown jewel'],
    ['two blanks', 'crown jewel', 'crown  jewel'],
    ['two blanks in the rule', 'crown  jewel', 'crown jewel'],
    ['a line break', 'crown jewel', 'crown\r\njewel'],
    ['a no-break space', 'crown jewel', 'crown\u00a0jewel'],
    ['a no-break space in the rule', 'crown\u00a0jewel', 'crown jewel'],
    ['an ideographic space', 'crown jewel', 'crown\u3000jewel'],
    ['a thin and a zero-width space', 'crown jewel', 'crown\u2009\u200bjewel'],
    ['a blank of Braille', 'crown jewel', 'crown\u2800jewel'],
    ['NFD', 'b\u00fcro', 'bu\u0308ro'],
    ['NFC', 'bu\u0308ro', 'b\u00fcro'],
    ['NFD in capitals', 'b\u00fcro', 'BU\u0308RO'],
    ['an invisible character inside a letter', 'b\u00fcro', 'bu\u200d\u0308ro'],
    ['wide letters', 'vip', '\uff36\uff29\uff30'],
    ['mathematical letters', 'vip', '\u{1d42f}\u{1d422}\u{1d429}'],
    ['a ligature', 'finance', '\ufb01nance'],
    ['a letter in a circle', 'vip', '\u24cbi\u24df'],
    ['a zero-width space', 'vip', 'v\u200bi\u200bp'],
    ['a zero-width joiner', 'vip', 'v\u200dip'],
    ['a zero-width non-joiner', 'vip', 'v\u200cip'],
    ['a word joiner', 'vip', 'v\u2060ip'],
    ['a byte order mark', 'vip', '\ufeffv\ufeffip'],
    ['a soft hyphen', 'vip', 'v\u00adip'],
    ['a variation selector', 'vip', 'v\ufe0fip'],
    ['a grapheme joiner', 'vip', 'v\u034fip'],
    ['a filler of Hangul', 'vip', 'v\u3164ip'],
    ['a tag character', 'vip', 'v\u{e0069}ip'],
    ['an override of the direction', 'vip', '\u202evip\u202c'],
    ['a control character', 'vip', 'v\u0000i\u0085p\u007f'],
    ['half a surrogate pair', 'vip', 'vi\ud83dp'],
    ['an invisible character in the rule', 'v\u200bip', 'vip'],
    ['a sharp s', 'strasse', 'Stra\u00dfe'],
    ['a sharp s in the rule', 'stra\u00dfe', 'STRASSE'],
    ['a capital sharp s', 'stra\u00dfe', 'STRA\u1e9eE'],
    ['a capital sharp s against two', 'strasse', 'STRA\u1e9eE'],
    ['a long s', 'strasse', 'stra\u017fse'],
    ['a sigma at the end', '\u039f\u0394\u039f\u03a3', '\u03bf\u03b4\u03bf\u03c2'],
    ['a sigma before a star', '\u039f\u0394\u039f\u03a3*', '\u03bf\u03b4\u03bf\u03c3-1'],
    ['a capital i of Turkish', 'i\u0307', '\u0130'],
    ['an i without its dot', 'VIP', 'v\u0131p'],
    ['the sign of Kelvin', 'kelvin', '\u212aelvin'],
    ['a wide star in the rule', 'vip\uff0a', 'vip-7'],
  ];

  const rules: [keyof NeverRules, (fact: string) => [Partial<Host>, Partial<Machine>]][] = [
    ['names', (name) => [{ name }, {}]],
    ['names', (value) => [{ artifacts: [{ type: 'dhcp', value }] }, {}]],
    ['names', (computerDnsName) => [{}, { computerDnsName }]],
    ['tags', (tag) => [{ tags: ['other', tag] }, {}]],
    ['groups', (group) => [{ groups: ['other', group] }, {}]],
    ['osPlatforms', (osPlatform) => [{}, { osPlatform }]],
    ['machineTags', (tag) => [{}, { machineTags: ['other', tag] }]],
  ];

  it.each(forms)('%s', (_, pattern, fact) => {
    for (const [rule, facts] of rules) {
      const [verdict] = check({ [rule]: [pattern] }, ...facts(fact));

      expect(verdict, rule).toMatchObject({ rule, refuses: true });
      expect(verdict?.why, rule).toContain(`isolation.never.${rule} "${pattern}" protects `);
    }
  });

  it.each(forms)('%s, in the groups of Detect', (_, pattern, group) => {
    expect(unknownGroups([pattern], ['other', group])).toEqual([]);
  });

  it.each([
    ['a blank inside', 'vip', 'v ip'],
    ['another letter', 'vip', 'vlp'],
    ['an accent', 'buro', 'b\u00fcro'],
    ['one s', 'strase', 'stra\u00dfe'],
  ])('but not %s', (_, pattern, fact) => {
    for (const [rule, facts] of rules)
      expect(check({ [rule]: [pattern] }, ...facts(fact))).toEqual(passed(rule));
    expect(unknownGroups([pattern], [fact])).toEqual([pattern]);
  });

  it.each<[keyof NeverRules, Partial<Host>, Partial<Machine>, string]>([
    ['names', { name: '\u200b\u2800 ' }, {}, 'the name of the host'],
    ['names', {}, { computerDnsName: '\u200b' }, "the machine's name"],
    ['osPlatforms', {}, { osPlatform: ' \u00a0\ufeff' }, "the machine's osPlatform"],
  ])('so that %s refuse where nothing can be read', (rule, host, machine, missing) => {
    expect(check({ [rule]: ['x'] }, host, machine)).toEqual(unjudged(rule, missing));
  });

  it('and shows the fact as it stands', () => {
    expect(check({ tags: ['crown jewel'] }, { tags: ['Crown\u00a0 Jewel '] })).toEqual(
      refused('tags', 'crown jewel', 'Crown\u00a0 Jewel '),
    );
  });

  it('whatever the name is wrapped in', () => {
    const wrapped = [
      'DC01$@CORP.EXAMPLE',
      'CORP\\DC01$',
      'host/dc01.corp.example',
      'ldap/dc01.corp.example/corp.example@CORP.EXAMPLE',
      '\uff24\uff23\uff10\uff11\uff0ecorp.example',
      'CORP\u200b\\d\u200bc01\uff04',
      'dc01.corp.example.',
    ];
    for (const value of wrapped)
      expect(check({ names: ['dc01'] }, { artifacts: [{ type: 'kerberos', value }] })).toEqual(
        refused('names', 'dc01', 'dc01'),
      );
    expect(check({ names: ['dc01.corp.example'] }, { name: 'host/DC01.corp.example@CORP' })).toEqual(
      refused('names', 'dc01.corp.example', 'dc01.corp.example'),
    );
  });
});

it('judges very many facts by very many rules in no long time', () => {
  const many = (text: string) => Array.from({ length: 5_000 }, (_, at) => `${text}${at}`);
  const rules = Array.from({ length: 20 }, (_, at) => `*rule ${at}*`);
  const ipAddresses = many('').map((_, at) => ({
    ipAddress: `10.20.${at >> 8}.${at & 255}`,
    macAddress: undefined,
  }));

  expect(
    check(
      { tags: rules, groups: rules, machineTags: rules, ips: rules.map((_, at) => `192.168.${at}.0/24`) },
      { tags: many('tag '), groups: many('group ') },
      { machineTags: many('machine tag '), ipAddresses },
    ).map(({ refuses }) => refuses),
  ).toEqual([false, false, false, false]);
  expect(unknownGroups(rules, many('group '))).toEqual(rules);
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
    ['dc01 ', 'dc01', true],
  ])('%j matches %j: %j', (glob, text, matches) => {
    expect(globMatches(glob, text)).toBe(matches);
  });

  it('matches what the regular expression of the same meaning does', () => {
    const text = (...letters: string[]) =>
      fc.array(fc.constantFrom(...letters), { maxLength: 10 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        text('a', 'b', 'B', '.', '*', '?', '-', '$'),
        text('a', 'A', 'b', 'B', '.', '*', '-', '$'),
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
