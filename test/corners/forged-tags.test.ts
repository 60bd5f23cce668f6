import { describe, expect } from 'vitest';
import {
  it,
  line,
  minute,
  minutes,
  moveTo,
  noteOf,
  ownTags,
  past,
  posts,
  postsTo,
  today,
  told,
} from './rig.ts';

const tomorrow = 'Manual block:2026-11-25 09:00';

describe('a history tag of the future', () => {
  it.for([tomorrow, 'Manual unblock:2027-01-01 00:00', 'Manual block:2026-11-24 14:00'])(
    'keeps no block waiting (%s)',
    async (tag, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: [tag, 'block'] });

      const outcome = await stage.run(line);

      expect(told(outcome, host).result).toBe('isolated');
      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
      expect(host.tags).not.toContain('block');
      expect(ownTags(host, machine)).toEqual(
        expect.arrayContaining(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Pending']),
      );
    },
  );

  it.for([tomorrow, 'Manual unblock:2027-01-01 00:00', 'Manual block:2026-11-24 14:00'])(
    'keeps no unblock waiting (%s)',
    async (tag, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: [tag, 'unblock'] });
      past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });

      const outcome = await stage.run(line);

      expect(told(outcome, host).result).toBe('released');
      expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
      expect(host.tags).not.toContain('unblock');
    },
  );

  it('does not make a host held: an unblock goes by address, not by the id: tag', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: [tomorrow, 'unblock'] });
    const other = world.addMachine();
    host.tags.push(`id: ${other.id}`);
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
  });

  it('does not hide that the own isolation is followed to its end', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    world.settleActions();
    world.tagHost(host.id, 'Manual block:2027-01-01 00:00', 'Manual unblock:2027-01-01 00:00');
    moveTo(stage, 10);

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'isolated', action: { status: 'Succeeded' } });
    expect(ownTags(host, machine)).toEqual(
      expect.arrayContaining(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Succeeded']),
    );
  });

  it('does not hide a release in the portal from an unblock of a held host', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock', tomorrow] });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });
    host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('released');
    expect(posts(stage)).toEqual([]);
    expect(ownTags(host, machine)).toEqual(
      expect.arrayContaining(['Manual unblock:2026-11-24 10:00', 'release: Succeeded']),
    );
  });

  it('is the first to go when five are kept', async ({ start }) => {
    const stage = await start();
    const real = [1, 2, 3, 4].map((day) => `Manual block:2026-03-0${day} 10:00`);
    const forged = ['Manual block:2027-01-01 00:00', 'Manual block:2099-12-31 23:59'];
    const { host, machine } = stage.simulator.world.addPair({ tags: [...forged, ...real, 'block'] });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expect(ownTags(host, machine)).toEqual([
      ...real,
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Pending',
    ]);
  });
});

it('a history tag that is ten minutes ahead at most is read as it is: clocks differ', async ({ start }) => {
  const stage = await start();
  const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
  const ahead = minute(stage.clock.now() + minutes(5));
  host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', `Manual block:${ahead}`);

  const early = await stage.run(line);
  moveTo(stage, 70);
  const later = await stage.run(line);

  expect(told(early, host).result).toBe('deferred');
  expect(told(later, host).result).toBe('released');
  expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
});

it.for(['block', 'unblock'])(
  'a forged history tag of the last hour delays a %s by an hour at most',
  async (trigger, { start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: [trigger] });
    if (trigger === 'unblock') past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    host.tags.push(
      `id: ${machine.id}`,
      `Manual ${trigger === 'block' ? 'unblock' : 'block'}:2026-11-24 11:55`,
    );

    await stage.run(line);
    moveTo(stage, 56);
    const outcome = await stage.run(line);

    expect(host.tags).not.toContain(trigger);
    expect(postsTo(stage, machine)).toEqual([trigger === 'block' ? 'isolate' : 'unisolate']);
    expect(outcome.report?.hosts.map(({ result }) => result)).not.toContain('deferred');
  },
);

describe('an opposite tag that somebody puts on a host', () => {
  it.for([
    ['block', 'unblock'],
    ['unblock', 'block'],
  ] as const)('is a veto against its %s tag until it is taken off', async ([asked, veto], { start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: [asked, veto] });
    if (asked === 'unblock') past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });

    for (const at of [0, 10, 20]) {
      moveTo(stage, at);
      const outcome = await stage.run(line);
      expect(told(outcome, host).result).toBe('conflict');
      expect(outcome.code).toBe(1);
    }
    expect(posts(stage)).toEqual([]);
    expect(host.tags).toEqual(expect.arrayContaining([asked, veto]));
    expect(noteOf(host)).toContain('\n- Waiting: ');
    world.untagHost(host.id, veto);
    moveTo(stage, 30);
    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe(asked === 'block' ? 'isolated' : 'released');
    expect(posts(stage)).toEqual([`${asked === 'block' ? 'isolate' : 'unisolate'} ${machine.id}`]);
    expect(noteOf(host)).not.toContain('- Waiting: ');
  });

  it('stops an isolation also when it is put on in the middle of the run', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host } = world.addPair({ tags: ['block'] });

    const outcome = await stage.run(line, {
      after({ call }) {
        if (call === 'machineactions' && !host.tags.includes('unblock')) world.tagHost(host.id, 'unblock');
      },
    });

    expect(told(outcome, host).result).toBe('conflict');
    expect(posts(stage)).toEqual([]);
    expect(host.tags).toEqual(expect.arrayContaining(['block', 'unblock']));
  });
});
