import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weigh } from '../../src/decide/match.ts';
import {
  allNames,
  decisiveNames,
  firstLabel,
  fullName,
  hostMacs,
  keysOfHost,
  keysOfMachine,
  normalMac,
  supportingNames,
  tellingName,
} from '../../src/decide/names.ts';
import { artifacts, buildHost, buildMachine } from './samples.ts';

it.each([
  '',
  ' ',
  '$',
  '.contoso.example',
  'localhost',
  'LOCALHOST',
  ' localhost ',
  'localhost.localdomain',
  'localhost$',
  '10.1.2.3',
  ' 10.1.2.3 ',
  'fe80::1',
  '::1',
  'IP-10.1.2.3',
  'ip-10.1.2.3',
  'ip-10-1-2-3',
  'ip-10-1-2-3.ec2.internal',
  'ip-10.1.2.3.contoso.example',
  'IP 10.1.2.3',
  'IP_10.1.2.3',
  'ip10.1.2.3',
  'IP-192.168.100.200',
  'IP-fe80::1',
  'IP-2001:db8::17',
  'ip-2001-db8--17',
  'ip-2001-db8-0-0-0-0-0-17.contoso.example',
  'IP_fe80--1',
  'dhcp-10-5-0-12',
  'DHCP-010-005-000-012.contoso.example',
  'dhcp10.5.0.12',
  'dhcp_10_5_0_12',
  'host-10-1-2-3.contoso.example',
  'vpn-10-1-2-3.contoso.example',
  'pool-10-1-2-3.fabrikam.example',
  'dhcp-2001-db8--17',
  '10-1-2-3',
  '10-1-2-3.dynamic.fabrikam.example',
  '10.1.2.3.contoso.example',
  '3.2.1.10.in-addr.arpa',
  '3.2.1.10.IN-ADDR.ARPA.',
  '5.0/25.2.1.10.in-addr.arpa',
  'in-addr.arpa',
  'fe80--1.ipv6-literal.net',
  '7.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  'IP-10.1.2.3$',
  'host/10.1.2.3',
  'host/fe80::1',
  'host/ip-10-1-2-3.contoso.example@CONTOSO.EXAMPLE',
  'CORP\\IP-10.1.2.3$',
  'localhost$@CONTOSO.EXAMPLE',
  'CORP\\localhost$',
  'host/localhost.localdomain',
  '$@CONTOSO.EXAMPLE',
  '@CONTOSO.EXAMPLE',
  'CORP\\',
  'host/',
  'fe80::1%eth0',
])('finds nobody behind the name %j', (name) => {
  expect(tellingName(name)).toBeUndefined();
});

it.each([
  'laptop-7',
  'localhost7',
  'my-localhost',
  'IP-phone-17',
  'ipad-12-34',
  'IPC-01-02',
  'ip-cafe-1-2',
  'ip-1-2-3',
  'ip-1-2-3-4a',
  'IP-1-2-3-4-5',
  'IP-1234.1.2.3',
  'ip-10',
  'ip-',
  'voip-10.1.2.3',
  'voip-fe80--1',
  'voip fe80::1',
  'x-fe80::1',
  'ipfe80--1',
  'VMAL #2 windows 10.250.50.128 (endo-kao128)',
  '10',
  '10.1.2',
  'dhcp-17',
  'dhcp-10-5-0',
  'dhcp-10-5-0-512',
  'dhcp-server-10-5-0-12',
  'berlin-10-1-2-3',
  'host-cafe-1-2',
])('takes %j for a name', (name) => {
  expect(tellingName(name)).toBe(name.toLowerCase());
});

it.each([
  ['laptop-7', 'laptop-7'],
  ['LAPTOP-7.Contoso.Example', 'laptop-7'],
  [' laptop-7 ', 'laptop-7'],
  ['LAPTOP-7$', 'laptop-7'],
  ['LAPTOP-7$.contoso.example', 'laptop-7'],
  ['lap$top', 'lap$top'],
  ['laptop$$', 'laptop$'],
  ['', ''],
  ['.contoso', ''],
  ['pc-a$@CONTOSO.EXAMPLE', 'pc-a'],
  ['pc-a@CONTOSO.EXAMPLE', 'pc-a'],
  ['CORP\\PC-A$', 'pc-a'],
  ['corp.contoso.example\\PC-A$', 'pc-a'],
  ['CORP\\\\PC-A$', 'pc-a'],
  ['CORP\\PC-A$@CONTOSO.EXAMPLE', 'pc-a'],
  ['host/pc-a.contoso.example', 'pc-a'],
  ['HOST/PC-A', 'pc-a'],
  ['cifs/pc-a.contoso.example@CONTOSO.EXAMPLE', 'pc-a'],
  ['RestrictedKrbHost/PC-A$', 'pc-a'],
  ['ldap/pc-a.contoso.example/contoso.example', 'pc-a'],
  // NFD, as some directories keep it: o and two dots above.
  ['bu\u0308ro-7.contoso.example', 'b\u00fcro-7'],
  ['BU\u0308RO-7', 'b\u00fcro-7'],
  ['B\u00dcRO-7', 'b\u00fcro-7'],
  // A person's words before a slash are no service.
  ['Finance team/laptop-7', 'finance team/laptop-7'],
])('takes the first label of %j: %j', (name, label) => {
  expect(firstLabel(fullName(name))).toBe(label);
});

describe('the names of a host', () => {
  const host = buildHost({
    name: 'Key asset: finance',
    artifacts: artifacts(
      'dhcp LAPTOP-7',
      'kerberos laptop-7$',
      'netbios LAPTOP-7',
      'dns laptop-7.contoso.example',
      'windows_defender_name Laptop-7.corp',
      'rdns dhcp-17.contoso.example',
      'mac 00:50:56:ab:12:34',
      'vmachine_info vm-99',
      'dhcp localhost',
      'dns ip-10-1-2-3.contoso.example',
      'rdns IP-10.1.2.3',
      'netbios  ',
    ),
  });

  it('decide when they come from its own traffic, hollow ones left out', () => {
    expect(decisiveNames(host)).toEqual([
      { label: 'laptop-7', text: 'LAPTOP-7', source: 'dhcp' },
      { label: 'laptop-7', text: 'laptop-7$', source: 'kerberos' },
      { label: 'laptop-7', text: 'LAPTOP-7', source: 'netbios' },
      { label: 'laptop-7', text: 'laptop-7.contoso.example', source: 'dns' },
      { label: 'laptop-7', text: 'Laptop-7.corp', source: 'windows_defender_name' },
    ]);
  });

  it('support only when they come from reverse DNS or from the host itself', () => {
    expect(supportingNames(host)).toEqual([
      { label: 'dhcp-17', text: 'dhcp-17.contoso.example', source: 'rdns' },
      { label: 'key asset: finance', text: 'Key asset: finance', source: 'host name' },
    ]);
  });

  it('are trimmed where they are shown', () => {
    expect(decisiveNames(buildHost({ artifacts: artifacts('dhcp  LAPTOP-7 ') }))).toEqual([
      { label: 'laptop-7', text: 'LAPTOP-7', source: 'dhcp' },
    ]);
  });

  it('are all of them, hollow ones included, for rules about names', () => {
    expect(allNames(host)).toEqual([
      'Key asset: finance',
      'LAPTOP-7',
      'laptop-7$',
      'LAPTOP-7',
      'laptop-7.contoso.example',
      'Laptop-7.corp',
      'dhcp-17.contoso.example',
      'localhost',
      'ip-10-1-2-3.contoso.example',
      'IP-10.1.2.3',
    ]);
  });

  it('are none where Detect gives none', () => {
    const nobody = buildHost({ name: undefined, artifacts: undefined });

    expect(decisiveNames(nobody)).toEqual([]);
    expect(supportingNames(nobody)).toEqual([]);
    expect(allNames(nobody)).toEqual([]);
    expect(hostMacs(nobody)).toEqual([]);
  });
});

it.each([
  ['dhcp', 'laptop-7', 'laptop-7', true],
  ['dhcp', 'laptop-7', 'laptop-8', false],
  ['dhcp', 'finance-laptop-1', 'finance-laptop-', false],
  ['dhcp', 'finance-laptop-', 'finance-laptop-1', false],
  // Fifteen characters are all that NetBIOS keeps.
  ['netbios', 'finance-laptop-', 'finance-laptop-17', true],
  ['netbios', 'finance-laptop-', 'finance-laptop-', true],
  ['netbios', 'finance-laptop', 'finance-laptop-', false],
  ['netbios', 'finance-laptop-', 'finance-laptop', false],
  ['netbios', 'finance-laptop', 'finance-laptop', true],
  ['netbios', 'finance-laptop-18', 'finance-laptop-17', true],
  ['netbios', 'laptop', 'laptop-7', false],
  // A computer account is cut like a NetBIOS name, a DNS name in a ticket is not.
  ['kerberos', 'WORKSTATION-FIN$', 'workstation-finance-07.contoso.example', true],
  ['kerberos', 'WORKSTATION-FIN$@CONTOSO.EXAMPLE', 'workstation-finance-07', true],
  ['kerberos', 'CORP\\WORKSTATION-FIN$', 'workstation-finance-07', true],
  ['kerberos', 'host/WORKSTATION-FIN', 'workstation-finance-07', true],
  ['kerberos', 'WORKSTATION-FIN$', 'workstation-fin', true],
  ['kerberos', 'WORKSTATION-FI$', 'workstation-finance-07', false],
  ['kerberos', 'host/workstation-finance-08', 'workstation-finance-07', false],
  ['kerberos', 'host/workstation-finance-07', 'workstation-finance-07', true],
  ['kerberos', 'host/workstation-fin.contoso.example', 'workstation-finance-07', false],
  ['kerberos', 'host/workstation-fin.contoso.example', 'workstation-fin', true],
  ['kerberos', 'pc-a.corp.local$', 'pc-a', true],
  ['dhcp', 'WORKSTATION-FIN', 'workstation-finance-07', false],
  ['dns', 'workstation-fin.contoso.example', 'workstation-finance-07', false],
  // Fifteen characters, whatever their number of bytes or combining marks.
  ['netbios', 'BU\u0308RO-SU\u0308D-PC-000', 'b\u00fcro-s\u00fcd-pc-00017', true],
  ['kerberos', 'BU\u0308RO-SU\u0308D-PC-000$', 'b\u00fcro-s\u00fcd-pc-00017', true],
  ['dhcp', 'bu\u0308ro-7', 'b\u00fcro-7.contoso.example', true],
  ['dhcp', 'b\u00fcro-7', 'BU\u0308RO-7', true],
])('compares the %s name %j with the machine %j: %j', (source, value, computerDnsName, agree) => {
  const host = buildHost({ artifacts: [{ type: source, value }] });
  const machine = buildMachine({ computerDnsName, ipAddresses: [] });

  expect(weigh(host, machine).evidence).toBe(agree ? 'confirmed' : 'conflict');
});

it.each([
  ['00:50:56:AB:12:34', '005056ab1234'],
  ['00-50-56-ab-12-34', '005056ab1234'],
  ['0050.56ab.1234', '005056ab1234'],
  ['005056AB1234', '005056ab1234'],
  [' 00:50:56:ab:12:34 ', '005056ab1234'],
  ['00:00:00:00:00:00', undefined],
  ['000000000000', undefined],
  ['000000000001', '000000000001'],
  ['100000000000', '100000000000'],
  ['null', undefined],
  ['', undefined],
  [undefined, undefined],
  ['00:50:56:ab:12', undefined],
  ['00:50:56:ab:12:34:56', undefined],
  ['0050-56AB-1234', '005056ab1234'],
  ['02:50:56:ab:12:34', '025056ab1234'],
  // Nobody's own: broadcast, IPv4 and IPv6 multicast, other groups.
  ['ff:ff:ff:ff:ff:ff', undefined],
  ['FFFFFFFFFFFF', undefined],
  ['01:00:5e:00:00:fb', undefined],
  ['33:33:00:00:00:01', undefined],
  ['09-00-2b-00-00-05', undefined],
  ['03:50:56:ab:12:34', undefined],
  // Every client's: AnyConnect, GlobalProtect, Teredo and ISATAP.
  ['00:05:9a:3c:7a:00', undefined],
  ['00059A3C7A00', undefined],
  ['0005.9a3c.7a00', undefined],
  ['02:50:41:00:00:01', undefined],
  ['02-50-41-00-00-01', undefined],
  ['00:00:00:00:00:e0', undefined],
  ['0000000000E0', undefined],
  ['00:00:00:00:00:00:00:e0', undefined],
  ['02:50:41:00:00:02', '025041000002'],
  ['00:05:9a:3c:78:00', '00059a3c7800'],
  // No address, though twelve hexadecimal digits are in it.
  ['nic 005056b1234f', undefined],
  ['unknown: 00:50:56:ab:12', undefined],
  ['facade efface', undefined],
  ['00:50:56:ab:12:34 (dock)', undefined],
  ['00:50-56:ab-12:34', undefined],
  ['00::50:56:ab:12:34', undefined],
  ['0:050:56:ab:12:34', undefined],
  ['005:056:ab1:234', undefined],
  ['00 50 56 ab 12 34', undefined],
  ['00:50:56:ab:12:34\u0661', undefined],
])('reads the MAC address %j as %j', (text, mac) => {
  expect(normalMac(text)).toBe(mac);
});

it('knows the MAC addresses of a host from its artifacts', () => {
  const found = artifacts('mac 00:50:56:ab:12:34', 'mac 00:00:00:00:00:00', 'dhcp 005056ab9999', 'mac null');

  expect(hostMacs(buildHost({ artifacts: found }))).toEqual(['005056ab1234']);
});

describe('the keys by which a host may be found in an inventory', () => {
  it('are its names, and its MAC addresses', () => {
    const host = buildHost({
      name: 'Finance',
      artifacts: artifacts(
        'dhcp LAPTOP-7.contoso.example',
        'netbios FINANCE-LAPTOP-17',
        'rdns pool-17.contoso.example',
        'dns localhost',
        'mac 00:50:56:AB:12:34',
        'mac 00:00:00:00:00:00',
      ),
    });

    expect(keysOfHost(host)).toEqual([
      'name laptop-7',
      'netbios finance-laptop-',
      'name pool-17',
      'name finance',
      'mac 005056ab1234',
    ]);
  });

  it('are those of a machine that has its name or one of its MAC addresses', () => {
    expect(
      keysOfMachine('Finance-Laptop-17.contoso.example', ['0050-56AB-1234', '000000000000', undefined]),
    ).toEqual(['name finance-laptop-17', 'netbios finance-laptop-', 'mac 005056ab1234']);
    expect(keysOfMachine('localhost', ['005056AB1234'])).toEqual(['mac 005056ab1234']);
    expect(keysOfMachine('', [])).toEqual([]);
  });

  it('have one in common whenever name or MAC address confirms the machine', () => {
    const labels = [
      'laptop-7',
      'finance-laptop-1',
      'finance-laptop-2',
      'finance-laptop-',
      'b\u00fcro-7',
      'bu\u0308ro-7',
      'localhost',
      'IP-10.1.2.3',
      'dhcp-10-5-0-12',
    ];
    const spellings = fc.constantFrom<(label: string) => string>(
      (label) => label,
      (label) => label.toUpperCase(),
      (label) => `${label}.contoso.example`,
      (label) => `CORP\\${label}$@CONTOSO.EXAMPLE`,
      (label) => `host/${label}.contoso.example`,
    );
    const name = fc.tuple(fc.constantFrom(...labels), spellings).map(([label, spell]) => spell(label));
    const types = ['dhcp', 'kerberos', 'netbios', 'dns', 'rdns', 'windows_defender_name'];
    const named = fc.record({ type: fc.constantFrom(...types), value: name });
    const macs = [
      '00:50:56:ab:12:34',
      '005056ffffff',
      '00:00:00:00:00:00',
      '02-50-41-00-00-01',
      'no 005056ab1234',
    ];
    const mac = fc.record({ type: fc.constant('mac'), value: fc.constantFrom(...macs) });
    const hosts = fc.record({
      name: fc.option(name, { nil: undefined }),
      artifacts: fc.array(fc.oneof(named, mac), { maxLength: 4 }),
    });
    const machines = fc.record({
      computerDnsName: fc.oneof(fc.constant(''), name),
      ipAddresses: fc.array(
        fc.record({ ipAddress: fc.constant('10.1.2.3'), macAddress: fc.constantFrom(undefined, ...macs) }),
        { maxLength: 2 },
      ),
    });
    fc.assert(
      fc.property(hosts, machines, (hostFields, machineFields) => {
        const host = buildHost(hostFields);
        const machine = buildMachine(machineFields);
        const keys = keysOfMachine(
          machineFields.computerDnsName,
          machineFields.ipAddresses.map(({ macAddress }) => macAddress),
        );

        if (weigh(host, machine).evidence !== 'confirmed') return;
        expect(keysOfHost(host).some((key) => keys.includes(key))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
