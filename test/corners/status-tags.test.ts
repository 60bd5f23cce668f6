import { describe, expect } from 'vitest';
import { addOrphan, expectQuiet, settle } from './defender-scenes.ts';
import { it, line, moveTo, noteOf, ownTags, past, posts, today, told, writesTo } from './rig.ts';

const unknown = 'Defender knows no such action';

describe('a status tag whose action Defender does not list', () => {
  it.for([
    ['isolation: Pending', ['Manual block:2026-11-20 09:00']],
    ['isolation: InProgress', ['Manual block:2026-11-24 10:00']],
    ['release: Pending', ['Manual unblock:2026-11-20 09:00']],
    ['isolation: Pending', []],
  ] as const)('is said once and gone: %s with %j', async ([status, history], { start }) => {
    const stage = await start();
    const { host, machine } = addOrphan(stage, status, ...history);

    const outcome = await stage.run(line);

    expect(ownTags(host, machine)).toEqual([...history, 'id: PC'].toSorted());
    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], result: 'failed' });
    expect(told(outcome, host).detail).toContain(unknown);
    expect(noteOf(host)).toContain(unknown);
    expect(outcome.code).toBe(1);
    expect(posts(stage)).toEqual([]);
    await expectQuiet(stage, 10);
    await expectQuiet(stage, 20);
  });

  it('is gone without an id tag too, and costs no call afterwards', async ({ start }) => {
    const stage = await start();
    const host = stage.simulator.world.addHost({ tags: ['VIP', 'isolation: Pending'] });

    const outcome = await stage.run(line);

    expect(host.tags).toEqual(['VIP']);
    expect(told(outcome, host)).toMatchObject({ result: 'failed', machine: null });
    expect(outcome.code).toBe(1);
    await expectQuiet(stage, 10);
  });

  it('is gone from all hosts of a restored brain in one run', async ({ start }) => {
    const stage = await start();
    const orphans = Array.from({ length: 30 }, (_, at) =>
      addOrphan(
        stage,
        'isolation: Pending',
        `Manual block:2026-11-${String(1 + (at % 20)).padStart(2, '0')} 09:00`,
      ),
    );

    const outcome = await stage.run(line);

    expect(outcome.code).toBe(1);
    expect(outcome.report?.counts).toMatchObject({ selected: 30, failed: 30 });
    for (const { host } of orphans) {
      expect(ownTags(host)).not.toContain('isolation: Pending');
      expect(noteOf(host).split(unknown)).toHaveLength(2);
    }
    await expectQuiet(stage, 10);
  });

  it('waits for an hour, in which the list may lag, and says nothing until then', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addOrphan(stage, 'isolation: Pending', 'Manual block:2026-11-24 11:40');

    const early = await stage.run(line);

    expect(early.code).toBe(0);
    expect(told(early, host).result).toBe('unchanged');
    expect(writesTo(stage, host)).toEqual([]);

    moveTo(stage, 60);
    const late = await stage.run(line);

    expect(late.code).toBe(1);
    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 11:40', 'id: PC']);
    await expectQuiet(stage, 70);
  });

  it.for(['isolation: Pending', 'release: Pending'])(
    "is put right from somebody's isolation in force: %s",
    async (status, { start }) => {
      const stage = await start();
      const history = status.startsWith('isolation') ? 'Manual block' : 'Manual unblock';
      const { host, machine } = addOrphan(stage, status, `${history}:2026-11-22 09:00`);
      past(stage, machine, { createdAt: today('07:00') });

      const outcome = await stage.run(line);

      expect(ownTags(host, machine)).toContain('isolation: Succeeded');
      expect(ownTags(host, machine)).toContain('Manual block:2026-11-24 07:00');
      expect(ownTags(host)).not.toContain(status);
      expect(told(outcome, host).result).toBe('isolated');
      expect(noteOf(host)).not.toContain(unknown);
      expect(outcome.code).toBe(0);
      await expectQuiet(stage, 10);
    },
  );

  it('is put right from an open isolation, which is followed to its end', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addOrphan(stage, 'isolation: InProgress', 'Manual block:2026-11-22 09:00');
    past(stage, machine, { createdAt: today('11:00'), status: 'Pending' });

    expect((await stage.run(line)).code).toBe(0);
    expect(ownTags(host)).toContain('isolation: Pending');
    expect(ownTags(host)).toContain('Manual block:2026-11-24 11:00');

    await settle(stage, 10);
    expect(ownTags(host)).toContain('isolation: Succeeded');
  });

  it('gives its place to the answer of a block in the same run, and nothing is said of it', async ({
    start,
  }) => {
    const stage = await start();
    const { host, machine } = addOrphan(
      stage,
      'isolation: Pending',
      'Manual block:2026-11-22 09:00',
      'block',
    );

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-22 09:00',
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Pending',
    ]);
    expect(host.tags).not.toContain('block');
    expect(noteOf(host)).not.toContain(unknown);
    expect(told(outcome, host).detail).not.toContain(unknown);
    expect(outcome.code).toBe(0);
  });
});

describe('an isolation taken over that is older than the five times a host keeps', () => {
  const times = ['01', '02', '03', '04', '05'].map((hour) => `2026-11-24 ${hour}:00`);

  it.for(['Succeeded', 'Failed'])('is followed to its end: %s', async (end, { start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair();
    host.tags.push(
      ...times.map((time) => `Manual block:${time}`),
      ...times.map((time) => `Manual unblock:${time.replace(':00', ':30')}`),
      'block',
    );
    const open = past(stage, machine, { status: 'Pending', createdAt: Date.parse('2026-11-23T20:00:05Z') });

    const first = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(told(first, host)).toMatchObject({
      result: 'isolated',
      action: { id: open.id, status: 'Pending' },
    });
    expect(ownTags(host)).toContain('isolation: Pending');
    expect(ownTags(host)).toContain('Manual block:2026-11-23 20:00');

    world.advanceAction(open.id, end);
    moveTo(stage, 10);
    const second = await stage.run(line);

    expect(ownTags(host)).toContain(`isolation: ${end}`);
    expect(told(second, host).result).toBe(end === 'Failed' ? 'failed' : 'isolated');
    expect(second.code).toBe(end === 'Failed' ? 1 : 0);
    await expectQuiet(stage, 20);
  });
});
