import { describe, expect } from 'vitest';
import {
  actionLines,
  addHeld,
  breakCall,
  breakNotes,
  it,
  line,
  moveTo,
  noteOf,
  onlyPosted,
  ownTags,
  past,
  posts,
  today,
  told,
  toldIds,
} from './rig.ts';

describe('an isolation that was granted while no note could be written', () => {
  it('loses its trigger at once, and the run ends with 1', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    breakNotes(stage);

    const outcome = await stage.run(line);

    expect(host.tags).not.toContain('block');
    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Pending']);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: null });
    expect(outcome.code).toBe(1);
    expect(host.notes).toEqual([]);
  });

  it('is not asked for again after a person released the machine in the portal', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const mend = breakNotes(stage);
    await stage.run(line);
    world.settleActions();
    moveTo(stage, 3);
    world.portalRelease(machine.id);

    for (const minutesLater of [5, 10, 70, 130]) {
      moveTo(stage, minutesLater);
      const outcome = await stage.run(line);
      expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], note: null });
      expect(outcome.code).toBe(1);
    }
    mend();
    moveTo(stage, 140);
    const mended = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(machine.isolated).toBe(false);
    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'release: Succeeded']);
    expect(told(mended, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
    expect(mended.code).toBe(0);
    expect(actionLines(noteOf(host)).some((text) => text.includes(onlyPosted(stage).id))).toBe(true);
  });

  it('has its line written as soon as notes can be written again, and then no more', async ({ start }) => {
    const stage = await start();
    const { world, ledger } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const mend = breakNotes(stage);
    await stage.run(line);
    world.settleActions();
    moveTo(stage, 10);
    await stage.run(line);
    expect(ownTags(host, machine)).toContain('isolation: Succeeded');
    mend();
    moveTo(stage, 20);

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
    expect(outcome.code).toBe(0);
    const [text, ...more] = actionLines(noteOf(host));
    expect(text).toContain('- 2026-11-24 12:00 UTC');
    expect(text).toContain('`block`');
    expect(text).toContain('Succeeded');
    expect(text).toContain(onlyPosted(stage).id);
    expect(more).toEqual([]);
    ledger.clear();
    moveTo(stage, 30);
    expect(toldIds(await stage.run(line))).toEqual([]);
    expect(ledger.writes()).toEqual([]);
  });

  it('has its line written also when the notes could not even be read', async ({ start }) => {
    const stage = await start();
    const { host } = stage.simulator.world.addPair({ tags: ['block'], notes: ['as discussed by phone'] });
    const mend = breakCall(stage, 'notes', '500');

    const early = await stage.run(line);
    expect(told(early, host)).toMatchObject({ result: 'isolated', note: null });
    expect(host.tags).not.toContain('block');
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 10);
    const later = await stage.run(line);

    expect(told(later, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
    expect(actionLines(noteOf(host))).toHaveLength(1);
    expect(later.code).toBe(0);
  });

  it('has its line written in a run that has only the other flag', async ({ start }) => {
    const stage = await start();
    const { host } = stage.simulator.world.addPair({ tags: ['block'] });
    const mend = breakNotes(stage);
    await stage.run(line);
    mend();
    moveTo(stage, 10);

    const outcome = await stage.run(['--unblocktag', 'unblock']);

    expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
  });
});

describe('a release that was granted while no note could be written', () => {
  it('is not asked for again after a person isolated the machine in the portal', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    const mend = breakNotes(stage);

    const first = await stage.run(line);
    expect(told(first, host)).toMatchObject({ result: 'released', note: null });
    expect(host.tags).not.toContain('unblock');
    expect(first.code).toBe(1);
    world.settleActions();
    moveTo(stage, 3);
    world.portalIsolate(machine.id);
    for (const minutesLater of [5, 10, 70]) {
      moveTo(stage, minutesLater);
      expect((await stage.run(line)).code).toBe(1);
    }
    mend();
    moveTo(stage, 80);
    const mended = await stage.run(line);

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(machine.isolated).toBe(true);
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual unblock:2026-11-24 12:00',
      'id: PC',
      'release: Succeeded',
    ]);
    expect(told(mended, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
    expect(actionLines(noteOf(host)).join('\n')).toContain('`unblock`');
    expect(mended.code).toBe(0);
  });

  it.for(['nothing in force', 'a pending isolation'] as const)(
    'loses its trigger also when it is met by %s',
    async (what, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
      machine.online = false;
      if (what === 'a pending isolation') {
        past(stage, machine, { type: 'Isolate', status: 'Pending', createdAt: today('11:30') });
      }
      const mend = breakNotes(stage);

      const early = await stage.run(line);
      expect(told(early, host)).toMatchObject({ result: 'released', note: null });
      expect(host.tags).not.toContain('unblock');
      expect(host.tags).toContain('Manual unblock:2026-11-24 12:00');
      expect(early.code).toBe(1);
      mend();
      moveTo(stage, 10);
      const later = await stage.run(line);

      expect(told(later, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
      const [text] = actionLines(noteOf(host));
      expect(text).toContain('- 2026-11-24 12:00 UTC');
      expect(text).toContain('`unblock`');
      expect(posts(stage)).toEqual([]);
      expect(later.code).toBe(0);
    },
  );
});
