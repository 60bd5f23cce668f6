import { describe, expect } from 'vitest';
import { startOfTime } from '../harness.ts';
import {
  addMachine,
  expectQuiet,
  isolateOnDay0,
  moveToDay,
  recordedLifts,
  settle,
  untilOf,
} from './defender-scenes.ts';
import { it, line, moveHost, ownTags, past, posts, told } from './rig.ts';

const day = 24 * 60;

describe('a host isolated on day 0 and blocked again', () => {
  it('on day 5 keeps the isolation of day 0, which is not renewed', async ({ start }) => {
    const stage = await start();
    const { host, machine } = await isolateOnDay0(stage);
    moveToDay(stage, 5);
    stage.simulator.world.tagHost(host.id, 'block');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(told(outcome, host).result).toBe('isolated');
    expect(untilOf(outcome, host)).toBe('2026-12-01 12:00');
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Succeeded',
    ]);
    expect(host.tags).not.toContain('block');
    expect(outcome.code).toBe(0);
  });

  it.for(['none', ...recordedLifts] as const)(
    'on day 8 is isolated anew (record of the lift: %s)',
    async (liftRecord, { start }) => {
      const stage = await start({ liftRecord });
      const { host, machine } = await isolateOnDay0(stage);
      moveToDay(stage, 8);
      expect(machine.isolated).toBe(false);
      moveHost(stage, host, machine);
      stage.simulator.world.tagHost(host.id, 'block');

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
      expect(told(outcome, host)).toMatchObject({ result: 'isolated', action: { status: 'Pending' } });
      expect(untilOf(outcome, host)).toBe('2026-12-09 12:00');
      expect(ownTags(host, machine)).toContain('isolation: Pending');
      expect(ownTags(host, machine)).toContain('Manual block:2026-12-02 12:00');
      expect(outcome.code).toBe(0);

      await settle(stage, 8 * day + 10);
      expect(machine.isolated).toBe(true);
      expect(ownTags(host)).toContain('isolation: Succeeded');
      await expectQuiet(stage, 8 * day + 20);
    },
  );

  it.for(['none', ...recordedLifts] as const)(
    'on day 8 is isolated at its address, not by a stale id tag (record of the lift: %s)',
    async (liftRecord, { start }) => {
      const stage = await start({ liftRecord });
      const { host, machine } = await isolateOnDay0(stage);
      moveToDay(stage, 8);
      const other = addMachine(stage, 'other');
      moveHost(stage, host, other);
      stage.simulator.world.tagHost(host.id, 'block');

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`isolate ${other.id}`]);
      expect(told(outcome, host)).toMatchObject({ result: 'isolated', machine: { id: other.id } });
      expect(ownTags(host)).toContain(`id: ${other.id}`);
      expect(ownTags(host)).not.toContain(`id: ${machine.id}`);
      expect(outcome.code).toBe(0);
    },
  );

  it('on day 20 is isolated at its address', async ({ start }) => {
    const stage = await start();
    const { host } = await isolateOnDay0(stage);
    moveToDay(stage, 11);
    await stage.run(line);
    moveToDay(stage, 20);
    const other = addMachine(stage, 'other');
    moveHost(stage, host, other);
    stage.simulator.world.tagHost(host.id, 'block');
    stage.simulator.ledger.clear();

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${other.id}`]);
    expect(told(outcome, host).result).toBe('isolated');
    expect(outcome.code).toBe(0);
  });
});

describe('a machine isolated on day 0 by somebody and blocked for the first time on day 8', () => {
  it.for(['none', ...recordedLifts] as const)(
    'is isolated (record of the lift: %s)',
    async (liftRecord, { start }) => {
      const stage = await start({ liftRecord });
      const { host, machine } = stage.simulator.world.addPair();
      past(stage, machine, { createdAt: startOfTime });
      moveToDay(stage, 8);
      moveHost(stage, host, machine);
      stage.simulator.world.tagHost(host.id, 'block');

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
      expect(told(outcome, host).result).toBe('isolated');
      expect(outcome.code).toBe(0);
    },
  );
});

describe('a host isolated on day 0 and unblocked', () => {
  it.for([8, 12, 20])(
    'on day %i has a release posted to the machine of its id tag',
    async (on, { start }) => {
      const stage = await start();
      const { host, machine } = await isolateOnDay0(stage);
      if (on === 20) {
        moveToDay(stage, 11);
        await stage.run(line);
      }
      moveToDay(stage, on);
      moveHost(stage, host, addMachine(stage, 'other'));
      stage.simulator.world.tagHost(host.id, 'unblock');

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
      expect(told(outcome, host)).toMatchObject({
        result: 'released',
        machine: { id: machine.id, evidence: 'by id' },
      });
      expect(ownTags(host)).toContain('release: Pending');
      expect(host.tags).not.toContain('unblock');
      expect(outcome.code).toBe(0);

      await settle(stage, on * day + 10);
      expect(ownTags(host)).toContain('release: Succeeded');
      expect(ownTags(host)).not.toContain('isolation: Succeeded');
      await expectQuiet(stage, on * day + 20);
    },
  );

  it.for([8, 12])(
    'on day %i is released by the answer that the machine is not isolated',
    async (on, { start }) => {
      const stage = await start({ releaseOfFree: 'refuse' });
      const { host, machine } = await isolateOnDay0(stage);
      moveToDay(stage, on);
      stage.simulator.world.tagHost(host.id, 'unblock');

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
      expect(told(outcome, host).result).toBe('released');
      expect(ownTags(host)).not.toContain('isolation: Succeeded');
      expect(ownTags(host)).not.toContain('Manual unblock failed');
      expect(host.tags).not.toContain('unblock');
      expect(outcome.code).toBe(0);
      await expectQuiet(stage, on * day + 10);
    },
  );

  it.for(recordedLifts)('on day 8 is released by the recorded lift (%s)', async (liftRecord, { start }) => {
    const stage = await start({ liftRecord });
    const { host, machine } = await isolateOnDay0(stage);
    moveToDay(stage, 8);
    moveHost(stage, host, addMachine(stage, 'other'));
    stage.simulator.world.tagHost(host.id, 'unblock');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(ownTags(host, machine)).toContain('release: Succeeded');
    expect(ownTags(host, machine)).toContain('Manual unblock:2026-12-01 12:00');
    expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
    expect(host.tags).not.toContain('unblock');
    expect(outcome.code).toBe(0);
    await expectQuiet(stage, 8 * day + 10);
  });
});

describe('a machine isolated by somebody on day 0, its host not held', () => {
  it('has a release posted for an unblock on day 8', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair();
    past(stage, machine, { createdAt: startOfTime });
    moveToDay(stage, 8);
    moveHost(stage, host, machine);
    stage.simulator.world.tagHost(host.id, 'unblock');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(told(outcome, host).result).toBe('released');
    expect(outcome.code).toBe(0);
  });
});
