import { describe, expect } from 'vitest';
import {
  actionLines,
  addHeld,
  addTwin,
  breakNotes,
  isTagWrite,
  it,
  line,
  minute,
  moveTo,
  noteOf,
  onlyPosted,
  ownTags,
  past,
  posts,
  runKilled,
  today,
  told,
  toldIds,
} from './rig.ts';

it('an isolation that is taken over while no note could be written loses its trigger, and its line comes later', async ({
  start,
}) => {
  const stage = await start();
  const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
  const portal = past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
  const mend = breakNotes(stage);

  const early = await stage.run(line);
  expect(told(early, host)).toMatchObject({ result: 'isolated', note: null });
  expect(host.tags).not.toContain('block');
  mend();
  moveTo(stage, 10);
  const later = await stage.run(line);

  expect(told(later, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
  expect(actionLines(noteOf(host)).join('\n')).toContain(portal.id);
});

it('a line that is owed outlives a run that is killed right after the trigger went', async ({ start }) => {
  const stage = await start();
  const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
  const portal = past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
  const mend = breakNotes(stage);
  await runKilled(stage, line, (entry) => isTagWrite(entry, 'tag-remove', 'block', host));
  expect(host.notes).toEqual([]);
  mend();
  moveTo(stage, 10);

  const outcome = await stage.run(line);

  expect(told(outcome, host)).toMatchObject({ reasons: ['pending'], note: 'created' });
  const lines = actionLines(noteOf(host));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(portal.id);
  expect(lines[0]).toContain('`block`');
});

describe('a status tag that was put right while no note could be written', () => {
  it('by following: the tag is written at once, the line by a later run', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await stage.run(line);
    world.advanceAction(onlyPosted(stage).id, 'Failed');
    const mend = breakNotes(stage);
    moveTo(stage, 10);

    const early = await stage.run(line);
    expect(told(early, host)).toMatchObject({ reasons: ['pending'], result: 'failed', note: null });
    expect(ownTags(host, machine)).toEqual([
      'Manual block failed',
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Failed',
    ]);
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 20);
    const later = await stage.run(line);

    expect(told(later, host)).toMatchObject({ reasons: ['pending'], note: 'updated' });
    expect(actionLines(noteOf(host))).toHaveLength(1);
    expect(noteOf(host)).toContain('Failed');
    expect(later.code).toBe(0);
    moveTo(stage, 30);
    expect(toldIds(await stage.run(line))).toEqual([]);
  });

  it('by a release through another host of the machine', async ({ start }) => {
    const stage = await start();
    const { host: first, machine } = addHeld(stage);
    const second = addTwin(stage, first, ...first.tags);
    second.tags.push('unblock');
    const release = past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });
    const mend = breakNotes(stage);

    const early = await stage.run(line);
    expect(told(early, first)).toMatchObject({ result: 'released', note: null });
    expect(ownTags(first)).toContain('release: Succeeded');
    mend();
    moveTo(stage, 10);
    await stage.run(line);

    for (const host of [first, second]) {
      expect(noteOf(host)).toContain(minute(release.createdAt));
      expect(noteOf(host)).toContain('analyst@contoso.example');
    }
  });
});

describe('a request that Defender has not answered', () => {
  it('keeps its trigger when it is refused and the note cannot be written, not its other tags', async ({
    start,
  }) => {
    const stage = await start({ config: { isolation: { never: { tags: ['keep online'] } } } });
    const { host } = stage.simulator.world.addPair({ tags: ['block', 'keep online'] });
    const mend = breakNotes(stage);

    const early = await stage.run(line);
    expect(told(early, host)).toMatchObject({ note: null });
    expect(host.tags).toEqual(expect.arrayContaining(['block', 'Manual block failed']));
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 10);
    const later = await stage.run(line);

    expect(told(later, host)).toMatchObject({ result: 'refused', note: 'created' });
    expect(host.tags).not.toContain('block');
    expect(posts(stage)).toEqual([]);
  });

  it('keeps its trigger when it is an enrichment', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'] });
    const mend = breakNotes(stage);

    const early = await stage.run(['--tag', 'host_context']);
    expect(host.tags).toContain('host_context');
    expect(host.tags).toContain(`id: ${machine.id}`);
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 10);
    await stage.run(['--tag', 'host_context']);

    expect(host.tags).not.toContain('host_context');
    expect(noteOf(host)).toContain(machine.id);
  });
});
