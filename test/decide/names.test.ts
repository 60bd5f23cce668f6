import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weigh } from '../../src/decide/match.ts';
import {
  allNames,
  decisiveNames,
  firstLabel,
  hostMacs,
  isHollowName,
  keysOfHost,
  keysOfMachine,
  namesAgree,
  normalMac,
  supportingNames,
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
])('finds nobody behind the name %j', (name) => {
  expect(isHollowName(name)).toBe(true);
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
])('takes %j for a name', (name) => {
  expect(isHollowName(name)).toBe(false);
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
])('takes the first label of %j: %j', (name, label) => {
  expect(firstLabel(name)).toBe(label);
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
])('compares the %s name %j with the machine %j: %j', (source, label, machine, agree) => {
  expect(namesAgree({ source, label, text: label }, machine)).toBe(agree);
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
      'localhost',
      'IP-10.1.2.3',
    ];
    const types = ['dhcp', 'kerberos', 'netbios', 'dns', 'rdns', 'windows_defender_name'];
    const found = fc
      .record({
        type: fc.constantFrom(...types),
        value: fc.constantFrom(...labels, 'LAPTOP-7$', 'laptop-7.contoso.example'),
      })
      .map(({ type, value }) => `${type} ${value}`);
    const macs = fc.constantFrom('mac 00:50:56:ab:12:34', 'mac 00:00:00:00:00:00', 'mac 00:50:56:ff:ff:ff');
    const hosts = fc.record({
      name: fc.constantFrom(undefined, ...labels),
      lines: fc.array(fc.oneof(found, macs), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(hosts, fc.constantFrom('', ...labels), ({ name, lines }, computerDnsName) => {
        const host = buildHost({ name, artifacts: artifacts(...lines) });
        const machine = buildMachine({ computerDnsName });
        const addresses = machine.ipAddresses ?? [];
        const keys = keysOfMachine(
          computerDnsName,
          addresses.map(({ macAddress }) => macAddress),
        );

        if (weigh(host, machine).evidence !== 'confirmed') return;
        expect(keysOfHost(host).some((key) => keys.includes(key))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
