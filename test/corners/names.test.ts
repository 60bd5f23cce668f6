import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, startOfTime, type Harness, type Report } from '../harness.ts';
import { seconds, type SimArtifact, type SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * Names as directories write them, in a whole run that isolates confirmed machines only: a computer account without its
 * tail, with realm, domain or service, in another Unicode form; and names that are made of addresses and name nobody.
 */

interface Scenario {
  name: string;
  artifacts: SimArtifact[];
  computerDnsName: string;
  isolated: boolean;
}

function known(type: string, value: string): SimArtifact {
  return { type, value };
}

const scenarios: Scenario[] = [
  {
    name: 'the account of a longer name',
    artifacts: [known('kerberos', 'WORKSTATION-FIN$')],
    computerDnsName: 'workstation-finance-07.contoso.example',
    isolated: true,
  },
  {
    name: 'the account of another longer name',
    artifacts: [known('kerberos', 'WORKSTATION-HR-$')],
    computerDnsName: 'workstation-finance-08.contoso.example',
    isolated: false,
  },
  {
    name: 'an account with its realm',
    artifacts: [known('kerberos', 'pc-a$@CONTOSO.EXAMPLE')],
    computerDnsName: 'pc-a.contoso.example',
    isolated: true,
  },
  {
    name: 'an account behind its domain',
    artifacts: [known('kerberos', 'CORP\\PC-B$')],
    computerDnsName: 'pc-b.contoso.example',
    isolated: true,
  },
  {
    name: 'the principal of a host',
    artifacts: [known('kerberos', 'host/pc-c.contoso.example')],
    computerDnsName: 'pc-c.contoso.example',
    isolated: true,
  },
  {
    name: 'NFD in Detect, NFC in Defender',
    artifacts: [known('dhcp', 'bu\u0308ro-7')],
    computerDnsName: 'b\u00fcro-7.contoso.example',
    isolated: true,
  },
  {
    name: 'a name that DHCP made of the address, on both sides',
    artifacts: [known('dhcp', 'dhcp-10-5-0-12')],
    computerDnsName: 'dhcp-10-5-0-12.contoso.example',
    isolated: false,
  },
  {
    name: 'a zone of reverse DNS for a name, and a MAC address in common',
    artifacts: [known('dns', '12.0.5.10.in-addr.arpa'), known('mac', '00:50:56:aa:00:07')],
    computerDnsName: 'pc-d.contoso.example',
    isolated: true,
  },
];

describe('whom a block isolates under isolation.match confirmed, by names as directories write them', () => {
  const stages: { host: SimHost; machine: SimMachine }[] = [];
  let harness: Harness;
  let report: Report | undefined;

  beforeAll(async () => {
    harness = await createHarness({ requestMs: 1, config: { isolation: { match: 'confirmed' } } });
    const { world } = harness.simulator;
    for (const [at, { artifacts, computerDnsName }] of scenarios.entries()) {
      const ip = `10.5.${at}.12`;
      const host = world.addHost({
        name: `IP-${ip}`,
        last_source: ip,
        last_seen: seconds(startOfTime - 5 * 60_000),
        host_artifact_set: artifacts,
        tags: ['block'],
      });
      const machine = world.addMachine({
        computerDnsName,
        lastIpAddress: ip,
        ipAddresses: [{ ipAddress: ip, macAddress: `005056AA000${at}` }],
      });
      stages.push({ host, machine });
    }
    ({ report } = await harness.run(['--blocktag', 'block']));
    world.settleActions();
  }, 60_000);

  afterAll(async () => {
    await harness.close();
  });

  it.each(
    scenarios.map((scenario, at) => ({ ...scenario, at, whom: scenario.isolated ? 'isolated' : 'refused' })),
  )('$name: $whom', ({ at, isolated, whom }) => {
    const { host, machine } = stages[at] ?? {};
    const told = report?.hosts.find(({ id }) => id === host?.id);

    expect(told?.result).toBe(whom);
    expect(machine?.isolated).toBe(isolated);
    expect(host?.tags).not.toContain('block');
  });

  it('does no harm', () => {
    expect(harness.simulator.world.violations).toEqual([]);
  });
});
