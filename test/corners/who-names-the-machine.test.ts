import { describe, expect } from 'vitest';
import type { Entry } from '../simulator/ledger.ts';
import {
  breakCall,
  days,
  heldTags,
  it,
  line,
  lineWithTag,
  minute,
  moveHost,
  moveTo,
  ownPast,
  ownTags,
  past,
  posts,
  runKilled,
  runStopped,
  today,
  told,
  type Stage,
} from './rig.ts';

function isPost({ call }: Entry): boolean {
  return call === 'isolate';
}

function addElsewhere({ simulator: { world } }: Stage) {
  return world.addMachine({ computerDnsName: 'elsewhere.contoso.example' });
}

const ends = {
  'was killed': runKilled,
  'was stopped by SIGTERM': runStopped,
} as const;

/** A run ends right after its POST; the owner takes the tag off, and the host moves to another machine's address. */
async function leaveBehind(stage: Stage, how: keyof typeof ends) {
  const { world } = stage.simulator;
  const { host, machine } = world.addPair({ tags: ['VIP', 'block'] });
  await ends[how](stage, line, isPost);
  expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
  expect(host.tags).toContain(`id: ${machine.id}`);
  world.untagHost(host.id, 'block');
  world.settleActions();
  moveTo(stage, 20);
  const other = addElsewhere(stage);
  moveHost(stage, host, other);
  return { host, machine, other };
}

describe.each(['was killed', 'was stopped by SIGTERM'] as const)(
  'a run that %s right after its POST',
  (how) => {
    it('leaves a host whose id: tag outlives its enrichment, with its tags put right', async ({ start }) => {
      const stage = await start();
      const { host, machine, other } = await leaveBehind(stage, how);
      stage.simulator.world.tagHost(host.id, 'host_context');

      const outcome = await stage.run(lineWithTag);

      expect(ownTags(host, machine)).toEqual([
        'Manual block:2026-11-24 12:00',
        'id: PC',
        'isolation: Succeeded',
      ]);
      expect(told(outcome, host).machine?.id).toBe(machine.id);
      expect(other.isolated).toBe(false);
      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    });

    it('leaves a host whose unblock releases that machine, not the one at its address', async ({ start }) => {
      const stage = await start();
      const { host, machine } = await leaveBehind(stage, how);
      stage.simulator.world.tagHost(host.id, 'host_context');
      await stage.run(lineWithTag);
      moveTo(stage, 30);
      stage.simulator.world.tagHost(host.id, 'unblock');

      const outcome = await stage.run(lineWithTag);

      expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
      expect(posts(stage)).toEqual([`isolate ${machine.id}`, `unisolate ${machine.id}`]);
      expect(ownTags(host, machine)).toEqual([
        'Manual block:2026-11-24 12:00',
        'Manual unblock:2026-11-24 12:30',
        'id: PC',
        'release: Pending',
      ]);
    });

    it('leaves a host whose unblock releases that machine also without an enrichment before', async ({
      start,
    }) => {
      const stage = await start();
      const { host, machine } = await leaveBehind(stage, how);
      stage.simulator.world.tagHost(host.id, 'unblock');

      const outcome = await stage.run(line);

      expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
      expect(posts(stage)).toEqual([`isolate ${machine.id}`, `unisolate ${machine.id}`]);
      expect(host.tags).toContain(`id: ${machine.id}`);
    });
  },
);

it('an isolation that is still open keeps the id: tag of a host that is enriched, too', async ({ start }) => {
  const stage = await start();
  const { world } = stage.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });
  machine.online = false;
  await runKilled(stage, line, isPost);
  world.untagHost(host.id, 'block');
  moveTo(stage, 20);
  moveHost(stage, host, addElsewhere(stage));
  world.tagHost(host.id, 'host_context');

  await stage.run(lineWithTag);

  expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Pending']);
});

describe('the id: tag of a host that moved to another address', () => {
  it('gives way to the machine that is there when nothing was asked for by this host', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'] });
    await stage.run(lineWithTag);
    expect(host.tags).toContain(`id: ${machine.id}`);
    past(stage, machine, { type: 'Isolate', createdAt: stage.clock.now() });
    moveTo(stage, 20);
    const other = addElsewhere(stage);
    moveHost(stage, host, other);
    stage.simulator.world.tagHost(host.id, 'host_context');

    await stage.run(lineWithTag);

    expect(ownTags(host, other)).toEqual(['id: PC']);
  });

  it('gives way when what this host asked for was released since', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'] });
    host.tags.push(`id: ${machine.id}`);
    ownPast(stage, host, machine, { type: 'Isolate', createdAt: today('09:00') });
    past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });
    const other = addElsewhere(stage);
    moveHost(stage, host, other);

    await stage.run(lineWithTag);

    expect(ownTags(host, other)).toEqual(['id: PC']);
  });

  it('stays while the actions cannot be read', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'] });
    await stage.run(lineWithTag);
    moveTo(stage, 20);
    const other = addElsewhere(stage);
    moveHost(stage, host, other);
    stage.simulator.world.tagHost(host.id, 'host_context');
    breakCall(stage, 'machineactions', '500');

    await stage.run(lineWithTag);

    expect(host.tags).toContain(`id: ${machine.id}`);
    expect(host.tags).not.toContain(`id: ${other.id}`);
  });

  it('costs one list of actions for all such hosts of a run', async ({ start }) => {
    const stage = await start();
    const { world, ledger } = stage.simulator;
    const hosts = Array.from({ length: 6 }, () => world.addPair({ tags: ['host_context'] }).host);
    await stage.run(lineWithTag);
    moveTo(stage, 20);
    for (const host of hosts) {
      const other = world.addMachine();
      moveHost(stage, host, other);
      world.tagHost(host.id, 'host_context');
    }
    ledger.clear();

    await stage.run(lineWithTag);

    expect(ledger.count('machineactions')).toBe(1);
    expect(hosts.filter(({ tags }) => tags.includes('host_context'))).toEqual([]);
  });
});

describe('a block of a host whose id: tag is stale goes to the machine at its address', () => {
  it.for(['never held', 'released', 'a silent record', 'a lapsed isolation'] as const)(
    '(%s)',
    async (what, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
      const since = what === 'a lapsed isolation' ? stage.clock.now() - days(8) : today('09:00');
      if (what === 'never held') host.tags.push(`id: ${machine.id}`);
      else host.tags.push(...heldTags(machine, since));
      if (what === 'released' || what === 'a lapsed isolation') {
        ownPast(stage, host, machine, { type: 'Isolate', createdAt: since });
        machine.isolated = false;
      }
      if (what === 'released') {
        past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });
        host.tags = host.tags.map((tag) => (tag === 'isolation: Succeeded' ? 'release: Succeeded' : tag));
        host.tags.push('Manual unblock:2026-11-24 10:00');
      }
      const other = addElsewhere(stage);
      moveHost(stage, host, other);

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`isolate ${other.id}`]);
      expect(told(outcome, host)).toMatchObject({ result: 'isolated', machine: { id: other.id } });
      expect(ownTags(host).filter((tag) => tag.startsWith('id: '))).toEqual([`id: ${other.id}`]);
      expect(host.tags).toContain(`Manual block:${minute(stage.clock.now())}`);
    },
  );
});

describe('a run that was killed right after its POST', () => {
  it('leaves a host whose id: tag stays also when the index still shows the trigger', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['VIP', 'block', 'host_context'] });
    await runKilled(stage, line, isPost);
    world.settleActions();
    moveTo(stage, 20);
    world.indexFreeze(host.id);
    world.untagHost(host.id, 'block');
    const other = addElsewhere(stage);
    moveHost(stage, host, other);

    await stage.run(lineWithTag);

    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Succeeded',
    ]);
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
  });

  it('leaves a host whose id: tag stays while Defender does not list the action yet', async ({ start }) => {
    const stage = await start({ actionIndexLagMs: 600_000 });
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['VIP', 'block', 'host_context'] });
    await runKilled(stage, line, isPost);
    world.untagHost(host.id, 'block');
    const other = addElsewhere(stage);
    moveHost(stage, host, other);
    moveTo(stage, 5);

    const outcome = await stage.run(lineWithTag);

    expect(ownTags(host, machine)).toEqual(['id: PC']);
    expect(told(outcome, host).result).toBe('deferred');
    expect(host.tags).toContain('host_context');
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
  });
});
