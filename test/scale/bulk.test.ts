import fc from 'fast-check';
import { expect } from 'vitest';
import { addFleet } from '../bench/fleet.ts';
import type { Harness } from '../harness.ts';
import type { HostReport } from '../../src/pipeline/report.ts';
import type { SimArtifact } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { it } from './rig.ts';

const minute = 60_000;

/** A machine that is the host beyond doubt. */
function plain(n: number): Scene {
  const known = { name: `pc-${n}`, domain: '.contoso.example', mac: '000000000000' } as const;
  const state = {
    healthStatus: 'Active',
    onboardingStatus: 'Onboarded',
    isMerged: false,
    isExcluded: false,
  } as const;
  return {
    hostName: `PC-${n}`,
    artifacts: [{ type: 'dhcp', value: `pc-${n}` }],
    minutesAgo: 5,
    devices: [{ ...known, ...state, alerts: [{ severity: 'High', isOld: false }], isEarlier: false }],
  };
}

/** Few names, so that hosts and machines meet; some say nothing, and two are the same to NetBIOS only. */
const name = fc.constantFrom(
  ...['alpha', 'BRAVO', 'charlie', 'workstation-in-room-7', 'workstation-in-room-8'],
  ...['localhost', 'ip-10-0-0-7', ''],
);
const mac = fc.constantFrom('005056AA0001', '005056AA0002', '000000000000');

const device = fc.record({
  name: fc.oneof({ weight: 5, arbitrary: name }, { weight: 1, arbitrary: fc.constant(null) }),
  domain: fc.constantFrom('', '.contoso.example', '.fabrikam.example'),
  mac,
  healthStatus: fc.constantFrom('Active', 'Active', 'Inactive', 'ImpairedCommunication'),
  onboardingStatus: fc.constantFrom('Onboarded', 'Onboarded', 'Onboarded', 'CanBeOnboarded'),
  isMerged: fc.constantFrom(false, false, false, true),
  isExcluded: fc.constantFrom(false, false, false, true),
  alerts: fc.array(fc.record({ severity: fc.constantFrom('High', 'Low'), isOld: fc.boolean() }), {
    maxLength: 2,
  }),
  /** It had the address until half an hour ago. */
  isEarlier: fc.constantFrom(false, false, false, true),
});
type Device = typeof device extends fc.Arbitrary<infer Value> ? Value : never;

const scene = fc.record({
  hostName: name,
  artifacts: fc.array(
    fc.oneof(
      fc.record({ type: fc.constantFrom('dhcp', 'kerberos', 'netbios', 'rdns'), value: name }),
      fc.record({ type: fc.constant('mac'), value: mac }),
    ),
    { maxLength: 3 },
  ),
  minutesAgo: fc.constantFrom(5, 5, 5, 120, 45 * 24 * 60),
  devices: fc.array(device, { maxLength: 2 }),
});
type Scene = typeof scene extends fc.Arbitrary<infer Value> ? Value : never;

function addScene(
  { simulator: { world }, clock }: Harness,
  { hostName, artifacts, minutesAgo, devices }: Scene,
  tag: string,
) {
  const now = clock.now();
  const host = world.addHost({
    name: hostName,
    tags: [tag, 'VIP'],
    last_seen: `${new Date(now - minutesAgo * minute).toISOString().slice(0, 19)}Z`,
    host_artifact_set: artifacts.map((artifact): SimArtifact => ({ ...artifact })),
  });
  for (const each of devices) addDevice(world, each, host.last_source ?? '', now);
}

function addDevice(world: Harness['simulator']['world'], given: Device, ip: string, now: number): void {
  const n = world.machines.size + 1;
  const address = given.isEarlier ? `10.99.${n >> 8}.${n & 255}` : ip;
  const machine: SimMachine = world.addMachine({
    computerDnsName: given.name === null ? null : `${given.name}${given.name === '' ? '' : given.domain}`,
    lastIpAddress: address,
    ipAddresses: [{ ipAddress: address, macAddress: given.mac }],
    healthStatus: given.healthStatus,
    onboardingStatus: given.onboardingStatus,
    mergedIntoMachineId: given.isMerged ? 'f'.repeat(40) : null,
    isExcluded: given.isExcluded,
    addresses: [{ ip, from: -Infinity, to: given.isEarlier ? now - 25 * minute : Infinity }],
  });
  for (const { severity, isOld } of given.alerts) {
    world.addAlert({ machineId: machine.id, severity, createdAt: now - (isOld ? 31 : 1) * 24 * 60 * minute });
  }
}

const tags = ['one', 'two', 'three'];

/** What a run found out about a host and did to it. */
function outcome({ id, machine, tags: changed, note, result, detail }: HostReport) {
  return { id, machine, changed, note, result, detail };
}

it('comes to the same by the inventory as by asking for each host, host by host, tag by tag and note by note', async ({
  start,
}) => {
  let inBulk = 0;

  await fc.assert(
    fc.asyncProperty(fc.array(scene, { minLength: 30, maxLength: 30 }), async (scenes) => {
      const bulk = await start({ machinePageSize: 20, triggers: tags });
      const single = await start({ triggers: tags });
      for (const harness of [bulk, single]) {
        const all = [...scenes, ...Array.from({ length: 15 }, (_, n) => plain(n))];
        for (const [n, each] of all.entries()) addScene(harness, each, tags[n % 3] ?? '');
      }

      const { code, report } = await bulk.run(tags.flatMap((tag) => ['--tag', tag]));
      const runs = [];
      for (const tag of tags) runs.push(await single.run(['--tag', tag]));

      const hosts = runs.flatMap((run) => run.report?.hosts ?? []).sort((one, other) => one.id - other.id);
      expect(report?.hosts.map(outcome)).toEqual(hosts.map(outcome));
      expect(texts(bulk)).toEqual(texts(single));
      expect([code, ...runs.map((run) => run.code)]).toEqual([0, 0, 0, 0]);
      const [asked = 0, askedSingly = 0] = [bulk, single].map((one) =>
        one.simulator.ledger.count('findbyip'),
      );
      expect(asked).toBeLessThanOrEqual(askedSingly);
      expect(single.simulator.ledger.count('machines')).toBe(0);
      inBulk += askedSingly - asked;
    }),
    { numRuns: 2, seed: 7 },
  );

  // The worlds have hosts that the inventory answers for.
  expect(inBulk).toBeGreaterThan(10);
});

/** Tags and notes of all hosts. */
function texts({ simulator: { world } }: Harness) {
  return [...world.hosts.values()].map((host) => [
    host.id,
    host.tags.toSorted(),
    host.notes.map(({ note }) => note),
  ]);
}

it('does not answer for a host whose address a record has that cannot be read: it could make the only machine of two', async ({
  start,
}) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host } = world.addPair({ tags: ['host_context'] });
  world.addMachine({ lastIpAddress: host.last_source, overrides: { id: 'odd' } });
  addFleet(world, { hosts: 45 });

  const { code, report } = await harness.run(['--tag', 'host_context']);

  const [first, ...others] = report?.hosts ?? [];
  expect([code, first?.result]).toEqual([1, 'failed']);
  expect(host.tags).toContain('host_context');
  expect(others.map(({ result }) => result)).toEqual(Array(45).fill('enriched'));
});

it('takes nothing from a host whose hour ends while the run works, and which the inventory was not read for', async ({
  start,
}) => {
  const harness = await start();
  const { clock, simulator } = harness;
  const { host } = simulator.world.addPair({ threat: 90, certainty: 90 });
  await harness.run(['--tc', '75', '75']);
  const tagsBefore = [...host.tags];
  clock.advance(59.9 * minute);
  addFleet(simulator.world, { hosts: 60 });

  const { report } = await harness.run(['--tc', '75', '75'], {
    before({ call }) {
      if (call === 'machines') clock.advance(minute);
    },
  });

  expect(report?.counts).toMatchObject({ enriched: 60, unchanged: 1 });
  expect(host.tags).toEqual(tagsBefore);
});

it('reads the inventory also where the alerts are not to be had for half an hour', async ({ start }) => {
  const harness = await start();
  const { faults, ledger, world } = harness.simulator;
  const kind = { status: 429, headers: { 'retry-after': '1800' } };
  faults.add({ match: ({ call }) => call === 'alertlist', kind });
  addFleet(world, { hosts: 60 });

  const { code, report } = await harness.run(['--tag', 'host_context']);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ enriched: 60 })]);
  expect([ledger.count('machines'), ledger.count('findbyip')]).toEqual([1, 3]);
});
