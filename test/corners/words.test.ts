import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import type { Outcome } from '../harness.ts';
import {
  actionLines,
  heldTags,
  isTagWrite,
  it,
  line,
  lineWithTag,
  minutes,
  moveTo,
  noteOf,
  ownPast,
  ownTags,
  past,
  postsTo,
  today,
  told,
  writesTo,
  type Stage,
} from './rig.ts';

describe('an action that this program asked for on behalf of another host', () => {
  const other = { id: 7, name: 'laptop-7' };

  function expectWords({ simulator: { settings } }: Stage, outcome: Outcome, host: SimHost): void {
    const { detail } = told(outcome, host);
    expect(detail).toContain('atp for host 7');
    expect(detail).not.toContain(settings.appId);
    expect(noteOf(host)).toContain('atp for host 7');
    expect(noteOf(host)).not.toContain(settings.appId);
  }

  it.for(['Succeeded', 'Pending', 'InProgress'])(
    'is told so when a block takes it over (%s)',
    async (status, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
      ownPast(stage, other, machine, { type: 'Isolate', status, createdAt: today('11:30') });

      const outcome = await stage.run(line);

      expect(told(outcome, host).result).toBe('isolated');
      expectWords(stage, outcome, host);
    },
  );

  it('is told so when an unblock takes it over', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    ownPast(stage, other, machine, { type: 'Unisolate', status: 'Pending', createdAt: today('11:30') });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('released');
    expectWords(stage, outcome, host);
  });

  it('is told so when it is the release that puts a tag right', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
    host.tags.push(...heldTags(machine, today('09:00')));
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    ownPast(stage, other, machine, { type: 'Unisolate', createdAt: today('10:00') });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('released');
    expect(host.tags).toContain('release: Succeeded');
    expectWords(stage, outcome, host);
  });
});

describe('a bad end of an earlier action', () => {
  it.for(['Failed', 'TimeOut'])(
    '(%s) that a new request overtakes in the same run is told, and is not the result',
    async (status, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
      host.tags.push(...heldTags(machine, today('11:00'), 'Pending'));
      ownPast(stage, host, machine, { type: 'Isolate', status, createdAt: today('11:00') });
      past(stage, machine, { type: 'Isolate', createdAt: today('11:30') });

      const outcome = await stage.run(line);

      expect(postsTo(stage, machine)).toEqual(['unisolate']);
      expect(told(outcome, host).result).toBe('released');
      expect(told(outcome, host).detail).toContain(status);
      expect(host.tags).not.toContain('unblock');
      expect(ownTags(host, machine)).toEqual([
        'Manual block:2026-11-24 11:00',
        'Manual unblock:2026-11-24 12:00',
        'id: PC',
        'release: Pending',
      ]);
      expect(actionLines(noteOf(host)).join('\n')).toContain(status);
    },
  );

  it('is the result when nothing overtakes it', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair();
    host.tags.push(...heldTags(machine, today('11:00'), 'Pending'));
    ownPast(stage, host, machine, { type: 'Isolate', status: 'Failed', createdAt: today('11:00') });

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], result: 'failed' });
    expect(told(outcome, host).detail).toContain('Failed');
    expect(outcome.code).toBe(1);
  });
});

it('a host that is deleted while --wait watches its isolation is said, with machine and action', async ({
  start,
}) => {
  const stage = await start({ actionDelayMs: 20_000 });
  const { world } = stage.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });

  const outcome = await stage.run([...line, '--wait', '60'], {
    after(entry) {
      if (isTagWrite(entry, 'tag-remove', 'block', host)) world.deleteHost(host.id);
    },
  });

  const [action] = [...world.actions.values()];
  expect(told(outcome, host)).toMatchObject({
    machine: { id: machine.id },
    action: { type: 'isolate', id: action?.id },
  });
  expect(told(outcome, host).detail).toMatch(/no longer exists|deleted/);
  expect(outcome.stderr).toContain(action?.id);
  expect(outcome.code).toBe(1);
});

describe('when runTimeoutMinutes is over', () => {
  const requestMs = 200;
  /** Ten requests of each service may be under way when the time is over. */
  const graceMs = 20 * requestMs;

  it.for([
    ['block', 30],
    ['unblock', 30],
    ['host_context', 60],
  ] as const)('hosts that were only read wait for the next run: %s', async ([trigger, count], { start }) => {
    const stage = await start({ requestMs, config: { runTimeoutMinutes: 1 } });
    const { world } = stage.simulator;
    const pairs = Array.from({ length: count }, () => world.addPair({ tags: [trigger] }));
    if (trigger === 'unblock') {
      for (const { machine } of pairs) past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    }
    const deadline = stage.clock.now() + minutes(1);

    await stage.run(lineWithTag);

    const firstWrites = pairs.flatMap(({ host }) => writesTo(stage, host)[0]?.at ?? []);
    expect(firstWrites.length).toBeGreaterThan(0);
    expect(firstWrites.length).toBeLessThan(count);
    expect(Math.max(...firstWrites)).toBeLessThanOrEqual(deadline + graceMs);
    const untouched = pairs.filter(({ host }) => writesTo(stage, host).length === 0);
    expect(untouched.every(({ host }) => host.tags.join() === trigger && host.notes.length === 0)).toBe(true);
    // Whoever was begun is finished.
    const begun = pairs.filter(({ host }) => writesTo(stage, host).length > 0);
    expect(begun.filter(({ host }) => host.tags.includes(trigger))).toEqual([]);
    for (let run = 1; run <= 8; run++) {
      moveTo(stage, run * 10);
      await stage.run(lineWithTag);
    }
    expect(pairs.filter(({ host }) => host.tags.includes(trigger))).toEqual([]);
  });
});
