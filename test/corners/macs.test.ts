import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHarness, type Harness, type Report } from '../harness.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * MAC addresses that are no evidence, in a whole run that isolates confirmed machines only: those that nobody has alone,
 * and those that several machines of the run have.
 */

const ip = '10.6.0.12';
const line = ['--blocktag', 'block'];

let harness: Harness;

beforeEach(async () => {
  harness = await createHarness({ requestMs: 1, config: { isolation: { match: 'confirmed' } } });
});

afterEach(async () => {
  expect(harness.simulator.world.violations).toEqual([]);
  await harness.close();
});

/** A host at an address that Detect knows by a MAC address alone, tagged for isolation. */
function hostWith(value: string, at = ip): SimHost {
  return harness.simulator.world.addHost({
    name: `IP-${at}`,
    last_source: at,
    host_artifact_set: [{ type: 'mac', value }],
    tags: ['block'],
  });
}

function machineWith(macAddress: string, computerDnsName: string, at = ip): SimMachine {
  return harness.simulator.world.addMachine({
    computerDnsName,
    lastIpAddress: at,
    ipAddresses: [{ ipAddress: at, macAddress }],
  });
}

async function run(): Promise<Report['hosts']> {
  const { report } = await harness.run(line);
  harness.simulator.world.settleActions();
  return report?.hosts ?? [];
}

describe('a block under isolation.match confirmed', () => {
  it.each([
    ['zeros', '00:00:00:00:00:00'],
    ['broadcast', 'ff:ff:ff:ff:ff:ff'],
    ['a multicast group of IPv4', '01:00:5e:00:00:fb'],
    ['a multicast group of IPv6', '33:33:00:00:00:01'],
    ['the adapter of AnyConnect', '00:05:9a:3c:7a:00'],
    ['the adapter of GlobalProtect', '02:50:41:00:00:01'],
    ['a tunnel of Teredo or ISATAP', '00:00:00:00:00:e0'],
  ])('isolates nobody by %s', async (_, mac) => {
    const host = hostWith(mac);
    const machine = machineWith(mac.replaceAll(':', '').toUpperCase(), 'laptop-7');

    const [told] = await run();

    expect(told).toMatchObject({
      id: host.id,
      result: 'refused',
      machine: { id: machine.id, evidence: 'ip only' },
    });
    expect(told?.detail).toContain('no name to compare and no MAC address in common');
    expect(machine.isolated).toBe(false);
  });

  it('isolates nobody by a text that merely holds twelve hexadecimal digits', async () => {
    hostWith('dock 0050 56ab 1234');
    const machine = machineWith('005056AB1234', 'laptop-7');

    expect(await run()).toMatchObject([{ result: 'refused' }]);
    expect(machine.isolated).toBe(false);
  });

  it('isolates the machine whose own MAC address the host has', async () => {
    hostWith('00:50:56:ab:12:34');
    const machine = machineWith('005056AB1234', 'laptop-7');

    expect(await run()).toMatchObject([{ result: 'isolated', machine: { evidence: 'confirmed' } }]);
    expect(machine.isolated).toBe(true);
  });

  it('isolates nobody by a docking station that two machines at the address have, one of them without a name', async () => {
    const host = hostWith('00:50:56:ab:12:34');
    host.host_artifact_set.push({ type: 'dhcp', value: 'desktop-1' });
    const nameless = machineWith('005056AB1234', '');
    const laptop = machineWith('005056AB1234', 'laptop-7');

    const [told] = await run();

    expect(told?.result).toBe('refused');
    expect(told?.detail).toContain(`2 machines at ${ip} and not exactly one of them confirmed`);
    expect([nameless.isolated, laptop.isolated]).toEqual([false, false]);
  });

  it('isolates a reinstalled machine by its MAC address, which its stale record has too', async () => {
    hostWith('00:50:56:ab:12:34');
    const stale = machineWith('005056AB1234', 'laptop-7');
    stale.healthStatus = 'Inactive';
    const machine = machineWith('005056AB1234', 'laptop-7');

    expect(await run()).toMatchObject([{ result: 'isolated', machine: { id: machine.id } }]);
    expect([stale.isolated, machine.isolated]).toEqual([false, true]);
  });

  // The run as a whole does not say yet what several of its machines have.
  it('isolates nobody by a MAC address that machines of two hosts have', async () => {
    const elsewhere = '10.6.1.12';
    hostWith('00:50:56:ab:12:34');
    hostWith('00:50:56:ab:12:34', elsewhere);
    const machines = [
      machineWith('005056AB1234', 'laptop-7'),
      machineWith('005056AB1234', 'laptop-8', elsewhere),
    ];

    expect(await run()).toMatchObject([{ result: 'refused' }, { result: 'refused' }]);
    expect(machines.map(({ isolated }) => isolated)).toEqual([false, false]);
  });
});
