import { describe, expect } from 'vitest';
import { expectQuiet, isolateOnDay0, moveToDay, recordedLifts, settle, untilOf } from './defender-scenes.ts';
import { actionLines, days, it, line, moveHost, noteOf, ownTags, past, posts, today, told } from './rig.ts';

const lifted = 'lifted by Defender after 7 days, as documented; no release is recorded';
const day = 24 * 60;

describe('the end of an isolation that is to come', () => {
  it('is in report, note and log when it is asked for and when it is carried out', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host } = world.addPair({ tags: ['block'] });

    const asked = await stage.run(line);

    expect(told(asked, host).action?.status).toBe('Pending');
    expect(untilOf(asked, host)).toBe('2026-12-01 12:00');
    expect(noteOf(host)).toContain('2026-12-01 12:00');
    expect(asked.stderr).toMatch(/2026-12-01[T ]12:00/);

    const done = await settle(stage, 10);

    expect(told(done, host).action?.status).toBe('Succeeded');
    expect(untilOf(done, host)).toBe('2026-12-01 12:00');
    expect(noteOf(host)).toContain('2026-12-01 12:00');
  });

  it("counts from the day of somebody's isolation that is taken over, with whose it is", async ({
    start,
  }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    past(stage, machine, { createdAt: today('09:00') - days(2) });

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(untilOf(outcome, host)).toBe('2026-11-29 09:00');
    const note = noteOf(host);
    expect(note).toContain('2026-11-22 09:00');
    expect(note).toContain('analyst@contoso.example');
    expect(note).toContain('2026-11-29 09:00');
    expect(outcome.stderr).toMatch(/2026-11-29[T ]09:00/);
    expect(outcome.code).toBe(0);
  });

  it('comes after the days that are configured', async ({ start }) => {
    const stage = await start({ isolationEndsAfterDays: 3, config: { isolation: { endsAfterDays: 3 } } });
    const { host } = stage.simulator.world.addPair({ tags: ['block'] });

    expect(untilOf(await stage.run(line), host)).toBe('2026-11-27 12:00');
  });

  it('is null for a release, and is not said', async ({ start }) => {
    const stage = await start();
    const { host } = await isolateOnDay0(stage);
    stage.simulator.world.tagHost(host.id, 'unblock');

    const outcome = await stage.run(line);

    expect(told(outcome, host).action).toMatchObject({ type: 'release', until: null });
    expect(actionLines(noteOf(host))[0]).not.toContain('2026-12-01');
  });
});

describe('with isolation.endsAfterDays 0', () => {
  const never = { isolationEndsAfterDays: 0, config: { isolation: { endsAfterDays: 0 } } };

  it('no isolation ends by itself, and none says when', async ({ start }) => {
    const stage = await start(never);
    const { world } = stage.simulator;
    const { host } = world.addPair({ tags: ['block'] });

    const outcome = await stage.run(line);

    expect(told(outcome, host).action).toMatchObject({ type: 'isolate', until: null });
    expect(noteOf(host)).not.toContain('2026-12-01');

    await settle(stage, 10);
    await expectQuiet(stage, 11 * day);
    await expectQuiet(stage, 170 * day);
  });

  it('a block of day 60 adopts the isolation of day 0', async ({ start }) => {
    const stage = await start(never);
    const { host, machine } = await isolateOnDay0(stage);
    moveToDay(stage, 60);
    moveHost(stage, host, machine);
    stage.simulator.world.tagHost(host.id, 'block');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', action: { until: null } });
    expect(outcome.code).toBe(0);
  });
});

describe('nobody asks for a host isolated on day 0', () => {
  it('its tag goes on day 11, not before, with one line in the note and exit 1 once', async ({ start }) => {
    const stage = await start();
    const { host, machine } = await isolateOnDay0(stage);
    await expectQuiet(stage, 6 * day);
    await expectQuiet(stage, 9 * day);
    expect(ownTags(host)).toContain('isolation: Succeeded');

    stage.simulator.ledger.clear();
    moveToDay(stage, 11);
    const outcome = await stage.run(line);

    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC']);
    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], result: 'failed' });
    expect(told(outcome, host).detail).toContain(lifted);
    expect(noteOf(host).split(lifted)).toHaveLength(2);
    expect(outcome.stderr).toContain(lifted);
    expect(outcome.code).toBe(1);
    expect(posts(stage)).toEqual([]);

    await expectQuiet(stage, 11 * day + 5);
    await expectQuiet(stage, 30 * day);
    expect(noteOf(host).split(lifted)).toHaveLength(2);
  });

  it.for(recordedLifts)(
    'its tag tells of the release when the lift is recorded (%s)',
    async (liftRecord, { start }) => {
      const stage = await start({ liftRecord });
      const { host } = await isolateOnDay0(stage);
      moveToDay(stage, 11);

      const outcome = await stage.run(line);

      expect(ownTags(host)).toContain('release: Succeeded');
      expect(ownTags(host)).not.toContain('isolation: Succeeded');
      expect(noteOf(host)).not.toContain(lifted);
      expect(told(outcome, host).result).toBe('released');
      expect(outcome.code).toBe(0);
      await expectQuiet(stage, 11 * day + 5);
    },
  );

  it('the note says so after the days that are configured', async ({ start }) => {
    const stage = await start({ isolationEndsAfterDays: 2, config: { isolation: { endsAfterDays: 2 } } });
    const { host } = await isolateOnDay0(stage);
    moveToDay(stage, 6);

    const outcome = await stage.run(line);

    expect(noteOf(host)).toContain('lifted by Defender after 2 days, as documented; no release is recorded');
    expect(outcome.code).toBe(1);
  });

  it("somebody's isolation of day 9 is taken up on day 11", async ({ start }) => {
    const stage = await start();
    const { host, machine } = await isolateOnDay0(stage);
    moveToDay(stage, 9);
    stage.simulator.world.portalIsolate(machine.id);
    moveToDay(stage, 11);

    const outcome = await stage.run(line);

    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 12:00',
      'Manual block:2026-12-03 12:00',
      'id: PC',
      'isolation: Succeeded',
    ]);
    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], result: 'isolated' });
    expect(untilOf(outcome, host)).toBe('2026-12-10 12:00');
    expect(noteOf(host)).not.toContain(lifted);
    expect(outcome.code).toBe(0);
    await expectQuiet(stage, 11 * day + 5);

    // Of this one, too, nobody is told that it ended.
    moveToDay(stage, 20);
    const last = await stage.run(line);
    expect(ownTags(host)).not.toContain('isolation: Succeeded');
    expect(last.code).toBe(1);
  });

  it('an isolation that somebody asked for on day 10 and that is open holds the tag', async ({ start }) => {
    const stage = await start();
    const { host, machine } = await isolateOnDay0(stage);
    moveToDay(stage, 10);
    stage.simulator.world.portalIsolate(machine.id, 'Pending');
    moveToDay(stage, 11);

    const outcome = await stage.run(line);

    expect(noteOf(host)).not.toContain(lifted);
    expect(outcome.code).toBe(0);

    await settle(stage, 11 * day + 10);
    expect(ownTags(host)).toContain('isolation: Succeeded');
    expect(ownTags(host)).toContain('Manual block:2026-12-04 12:00');
  });
});
