import { describe, expect } from 'vitest';
import { expectQuiet } from './defender-scenes.ts';
import {
  addHeld,
  days,
  it,
  line,
  minute,
  minutes,
  moveHost,
  moveTo,
  ownPast,
  ownTags,
  past,
  posts,
  today,
  told,
} from './rig.ts';

describe('an isolation of this program in a state that nobody documents', () => {
  it('is followed, holds the host and ends when Defender says so', async ({ start }) => {
    const stage = await start();
    const { world, ledger } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    const [action] = [...world.actions.values()];
    world.advanceAction(action?.id ?? '', 'Queued');

    moveTo(stage, 10);
    const second = await stage.run(line);

    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Queued']);
    expect(told(second, host)).toMatchObject({ result: 'unchanged', action: { status: 'Queued' } });
    expect(second.code).toBe(0);

    moveTo(stage, 20);
    ledger.clear();
    const third = await stage.run(line);

    expect(told(third, host).result).toBe('unchanged');
    expect(third.code).toBe(0);
    expect(ledger.writes()).toEqual([]);

    world.advanceAction(action?.id ?? '', 'Succeeded');
    moveTo(stage, 30);
    const fourth = await stage.run(line);

    expect(ownTags(host)).toContain('isolation: Succeeded');
    expect(told(fourth, host).result).toBe('isolated');
    expect(fourth.code).toBe(0);
  });

  it.for([
    ['block', 'Isolate', 'isolation: Queued'],
    ['unblock', 'Isolate', 'isolation: Queued'],
    ['block', 'Unisolate', 'release: Queued'],
    ['unblock', 'Unisolate', 'release: Queued'],
  ] as const)(
    'makes the trigger %s wait (%s), asked of the machine of its id tag',
    async ([trigger, type, status], { start }) => {
      const stage = await start();
      const { world, ledger } = stage.simulator;
      const { host, machine } = addHeld(stage, { since: today('09:00') });
      if (type === 'Isolate') world.advanceAction([...world.actions.keys()][0] ?? '', 'Queued');
      else ownPast(stage, host, machine, { type, status: 'Queued', createdAt: today('11:00') });
      host.tags = host.tags.filter((tag) => !tag.startsWith('isolation: '));
      host.tags.push(
        status,
        trigger,
        ...(type === 'Unisolate' ? [`Manual unblock:${minute(today('11:00'))}`] : []),
      );
      moveHost(stage, host, world.addMachine({ computerDnsName: 'other.contoso.example' }));

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([]);
      expect(ledger.count('findbyip')).toBe(0);
      expect(told(outcome, host)).toMatchObject({
        result: 'deferred',
        machine: { id: machine.id, evidence: 'by id' },
      });
      expect(host.tags).toContain(trigger);
      expect(ownTags(host)).toContain(status);
      expect(outcome.code).toBe(1);
    },
  );

  it('counts for nothing after three days: its tag goes, once said', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    world.advanceAction([...world.actions.keys()][0] ?? '', 'Queued');
    moveTo(stage, 10);
    await stage.run(line);

    stage.clock.advance(days(3) - minutes(20));
    const early = await stage.run(line);
    expect(early.code).toBe(0);
    expect(ownTags(host)).toContain('isolation: Queued');

    stage.clock.advance(minutes(30));
    const late = await stage.run(line);

    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC']);
    expect(told(late, host).result).toBe('failed');
    expect(late.code).toBe(1);
    await expectQuiet(stage, 3 * 24 * 60 + 60);
  });

  it('makes no block wait longer than three days', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    world.advanceAction([...world.actions.keys()][0] ?? '', 'Queued');
    moveTo(stage, 10);
    await stage.run(line);
    world.tagHost(host.id, 'block');
    moveTo(stage, 20);
    expect(told(await stage.run(line), host).result).toBe('deferred');

    stage.clock.advance(days(3));
    moveHost(stage, host, machine);
    const late = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`, `isolate ${machine.id}`]);
    expect(told(late, host).result).toBe('isolated');
    expect(host.tags).not.toContain('block');
    expect(late.code).toBe(0);
  });

  it('makes no unblock wait longer than three days', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    world.advanceAction([...world.actions.keys()][0] ?? '', 'Queued');
    world.tagHost(host.id, 'unblock');
    moveTo(stage, 10);
    expect(told(await stage.run(line), host).result).toBe('deferred');

    stage.clock.advance(days(3));
    const late = await stage.run(line);

    expect(told(late, host).result).toBe('released');
    expect(host.tags).not.toContain('unblock');
    expect(late.code).toBe(0);
  });
});

describe("an isolation of nobody's in a state that nobody documents", () => {
  it.for([
    ['block', 'Skipped'],
    ['unblock', 'Skipped'],
    ['block', 'Queued'],
  ] as const)(
    'makes the trigger %s of a host that is not held wait for three days: %s',
    async ([trigger, status], { start }) => {
      const stage = await start();
      const { world } = stage.simulator;
      const { host, machine } = world.addPair({ tags: [trigger] });
      past(stage, machine, { status, requestor: null, createdAt: today('11:00') });

      const early = await stage.run(line);

      expect(posts(stage)).toEqual([]);
      expect(told(early, host).result).toBe('deferred');
      expect(host.tags).toContain(trigger);
      expect(early.code).toBe(1);

      stage.clock.advance(days(3));
      moveHost(stage, host, machine);
      const late = await stage.run(line);

      expect(posts(stage)).toEqual(trigger === 'block' ? [`isolate ${machine.id}`] : []);
      expect(told(late, host).result).toBe(trigger === 'block' ? 'isolated' : 'released');
      expect(host.tags).not.toContain(trigger);
      expect(late.code).toBe(0);
    },
  );
});
