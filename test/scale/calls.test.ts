import { expect } from 'vitest';
import { addFleet, typicalLine } from '../bench/fleet.ts';
import { defenderCalls, documented, it } from './rig.ts';

it('asks Detect once and Microsoft nothing when a tick of the typical line finds nothing', async ({
  start,
}) => {
  const harness = await start();
  harness.simulator.world.addPair({ tags: ['VIP', 'Manual block:2026-11-24 10:00'] });

  const { code, stderr } = await harness.run(typicalLine);

  expect(code).toBe(0);
  expect(stderr).toBe('');
  expect(harness.simulator.ledger.calls()).toEqual({ detect: 1, login: 0, atp: 0 });
});

it('enriches 60 hosts, 95 % of them confirmed, by 5 calls to Defender, and the same hosts within the hour by none', async ({
  start,
}) => {
  const harness = await start({ quotas: documented, pageSize: 15 });
  const { ledger, world } = harness.simulator;
  const hosts = addFleet(world, { hosts: 60 });

  const first = await harness.run(typicalLine);
  const firstCalls = defenderCalls(harness);
  const atOnce = ledger.peak('detect');
  const perHost = ledger.calls().detect / hosts.length;
  ledger.clear();
  harness.clock.advance(30 * 60_000);
  const second = await harness.run(typicalLine);

  expect([first.code, first.report?.counts]).toEqual([0, expect.objectContaining({ enriched: 60 })]);
  // One for each of the three that nothing confirms.
  expect(firstCalls).toEqual({ machines: 1, alertlist: 1, findbyip: 3 });
  expect(atOnce).toBeLessThanOrEqual(10);
  expect(perHost).toBeLessThan(7);
  expect([second.code, second.report?.counts]).toEqual([0, expect.objectContaining({ unchanged: 60 })]);
  expect(ledger.writes()).toEqual([]);
  // Four pages.
  expect(ledger.calls()).toEqual({ detect: 4, login: 0, atp: 0 });
});

it('writes nothing for hosts whose context is as it was, once the hour is over', async ({ start }) => {
  const harness = await start();
  const { ledger, world } = harness.simulator;
  addFleet(world, { hosts: 40 });
  await harness.run(['--tc', '75', '75']);
  ledger.clear();
  harness.clock.advance(61 * 60_000);

  const { code, report } = await harness.run(['--tc', '75', '75']);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ selected: 40, unchanged: 40 })]);
  expect(ledger.writes()).toEqual([]);
});

it('asks for the machines of a few hosts one by one, and never for the inventory', async ({ start }) => {
  const harness = await start();
  addFleet(harness.simulator.world, { hosts: 10, otherMachines: 300 });

  await harness.run(['--tag', 'host_context']);

  expect(defenderCalls(harness)).toEqual({ findbyip: 10, alerts: 10 });
});

it('follows 12 unfinished isolations by one call to Defender', async ({ start }) => {
  const harness = await start();
  const { ledger, world } = harness.simulator;
  for (let n = 0; n < 12; n += 1) world.addPair({ tags: ['block'] });
  await harness.run(typicalLine);
  world.settleActions();
  harness.clock.advance(5 * 60_000);
  ledger.clear();

  const { code, report } = await harness.run(typicalLine);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ selected: 12, isolated: 12 })]);
  expect(defenderCalls(harness)).toEqual({ machineactions: 1 });
});

it('isolates and releases by machines looked up afresh, however many hosts there are', async ({ start }) => {
  const harness = await start();
  const { ledger, world } = harness.simulator;
  addFleet(world, { hosts: 40 });
  const { host, machine } = world.addPair({ tags: ['block'] });

  const { code } = await harness.run(typicalLine);

  expect(code).toBe(0);
  expect(ledger.of('machines')).toHaveLength(1);
  const lookups = ledger.of('findbyip').map(({ path }) => path);
  expect(lookups.filter((path) => path.includes(`'${host.last_source ?? ''}'`))).toHaveLength(1);
  expect(ledger.of('isolate').map(({ path }) => path)).toEqual([`/api/machines/${machine.id}/isolate`]);
});

it('follows isolations of hosts with high scores by that one call as well, and leaves their context in peace for its hour', async ({
  start,
}) => {
  const harness = await start();
  const { ledger, world } = harness.simulator;
  for (let n = 0; n < 12; n += 1) world.addPair({ tags: ['block'], threat: 90, certainty: 90 });
  await harness.run(typicalLine);
  harness.clock.advance(5 * 60_000);
  ledger.clear();

  const soon = await harness.run(typicalLine);
  const callsSoon = defenderCalls(harness);
  harness.clock.advance(61 * 60_000);
  ledger.clear();
  const later = await harness.run(typicalLine);

  expect([soon.code, soon.report?.counts]).toEqual([0, expect.objectContaining({ unchanged: 12 })]);
  expect(callsSoon).toEqual({ machineactions: 1 });
  expect([later.code, defenderCalls(harness)]).toEqual([0, { machine: 12, machineactions: 1, alerts: 12 }]);
});

it.for(['that lost their times', 'that Defender does not list'])(
  'follows 30 unfinished isolations %s by one call',
  async (why, { start }) => {
    const harness = await start();
    const { ledger, world } = harness.simulator;
    for (let n = 0; n < 30; n += 1) world.addPair({ tags: ['block'] });
    await harness.run(typicalLine);
    if (why === 'that Defender does not list') world.actions.clear();
    else
      for (const host of world.hosts.values())
        world.untagHost(host.id, ...host.tags.filter((tag) => tag.startsWith('Manual block:')));
    harness.clock.advance(5 * 60_000);
    ledger.clear();

    const { code, report } = await harness.run(typicalLine);

    expect([code, report?.counts]).toEqual([0, expect.objectContaining({ unchanged: 30 })]);
    expect(defenderCalls(harness)).toEqual({ machineactions: 1 });
  },
);
