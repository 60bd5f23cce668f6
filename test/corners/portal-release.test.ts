import { describe, expect } from 'vitest';
import {
  actionLines,
  addHeld,
  addTwin,
  breakCall,
  heldTags,
  isTagWrite,
  it,
  line,
  minutes,
  moveHost,
  moveTo,
  noteOf,
  ownTags,
  past,
  posts,
  postsTo,
  runKilled,
  today,
  told,
  toldIds,
  writesTo,
  type Stage,
} from './rig.ts';

/** Held for A since nine, released in the portal at ten; the address now belongs to B, which others isolated at eleven. */
function addMovedOn(stage: Stage) {
  const held = addHeld(stage);
  const release = past(stage, held.machine, { type: 'Unisolate', createdAt: today('10:00') });
  const other = stage.simulator.world.addMachine({ computerDnsName: 'other.contoso.example' });
  past(stage, other, { type: 'Isolate', createdAt: today('11:00') });
  moveHost(stage, held.host, other);
  return { ...held, release, other };
}

describe('an unblock of a host that was released in the portal and whose address belongs to another machine', () => {
  it.for([
    ['as this program left it', true],
    ['as the earlier tool left it, without a status tag', false],
  ] as const)('is met by the recorded release, held %s', async ([, hasStatus], { start }) => {
    const stage = await start();
    const { host, machine, release, other } = addMovedOn(stage);
    if (!hasStatus) host.tags = host.tags.filter((tag) => !tag.startsWith('isolation: '));
    host.tags.push('unblock');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(stage.simulator.ledger.count('findbyip')).toBe(0);
    expect(other.isolated).toBe(true);
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual unblock:2026-11-24 10:00',
      'id: PC',
      'release: Succeeded',
    ]);
    expect(host.tags).not.toContain('unblock');
    expect(told(outcome, host)).toMatchObject({
      result: 'released',
      machine: { id: machine.id, evidence: 'by id' },
      action: { type: 'release', id: release.id, status: 'Succeeded' },
    });
    expect(outcome.code).toBe(0);
    const [newest] = actionLines(noteOf(host));
    expect(newest).toContain('- 2026-11-24 10:00 UTC');
    expect(newest).toContain('analyst@contoso.example');
  });

  it('leaves nothing to do for the next run', async ({ start }) => {
    const stage = await start();
    const { host } = addMovedOn(stage);
    host.tags.push('unblock');
    await stage.run(line);
    stage.simulator.ledger.clear();
    moveTo(stage, 10);

    const outcome = await stage.run(line);

    expect(toldIds(outcome)).toEqual([]);
    expect(stage.simulator.ledger.writes()).toEqual([]);
  });

  it('sends the block that comes after it to the machine at the address', async ({ start }) => {
    const stage = await start();
    const { host, other } = addMovedOn(stage);
    host.tags.push('unblock');
    await stage.run(line);
    moveTo(stage, 10);
    stage.simulator.world.tagHost(host.id, 'block');

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'isolated', machine: { id: other.id } });
    expect(posts(stage)).toEqual([]);
    expect(ownTags(host, other)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual block:2026-11-24 11:00',
      'Manual unblock:2026-11-24 10:00',
      'id: PC',
      'isolation: Succeeded',
    ]);
  });
});

/** Two hosts held for one machine; a release for the first was asked for and carried out, which no run has seen yet. */
async function releasedThroughTheFirst(stage: Stage) {
  const { host: first, machine } = addHeld(stage, { tags: ['unblock'] });
  const second = addTwin(stage, first, ...heldTags(machine, today('09:00')));
  await stage.run(line);
  expect(ownTags(first)).toContain('release: Pending');
  stage.simulator.world.settleActions();
  moveTo(stage, 10);
  stage.simulator.ledger.clear();
  return { first, second, machine };
}

describe('a release through one of two hosts of a machine', () => {
  it('puts the other right in the run that sees it succeed', async ({ start }) => {
    const stage = await start();
    const { first, second, machine } = await releasedThroughTheFirst(stage);

    const outcome = await stage.run(line);

    expect(told(outcome, first).result).toBe('released');
    expect(told(outcome, second)).toMatchObject({
      reasons: ['pending'],
      result: 'released',
      machine: { id: machine.id },
      note: 'created',
    });
    expect(ownTags(second, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'id: PC',
      'release: Succeeded',
    ]);
    expect(actionLines(noteOf(second))).toHaveLength(1);
    expect(outcome.code).toBe(0);
    expect(posts(stage)).toEqual([]);
    moveTo(stage, 20);
    expect(toldIds(await stage.run(line))).toEqual([]);
  });

  it('is found with one search, however many machines and hosts there are', async ({ start }) => {
    const stage = await start();
    const usual = await start();
    await usual.run(line);
    const pairs = Array.from({ length: 5 }, () => addHeld(stage, { tags: ['unblock'] }));
    const others = pairs.flatMap(({ host, machine }) => [
      addTwin(stage, host, ...heldTags(machine, today('09:00'))),
      addTwin(stage, host, ...heldTags(machine, today('09:00'))),
    ]);
    await stage.run(line);
    stage.simulator.world.settleActions();
    moveTo(stage, 10);
    stage.simulator.ledger.clear();

    const outcome = await stage.run(line);

    expect(others.map((host) => told(outcome, host).result)).toEqual(others.map(() => 'released'));
    const searches = stage.simulator.ledger.count('search') - usual.simulator.ledger.count('search');
    expect(searches).toBe(1);
  });

  it('puts the other right before the host through which it was found', async ({ start }) => {
    const stage = await start();
    const { first, second } = await releasedThroughTheFirst(stage);

    await runKilled(stage, line, (entry) => isTagWrite(entry, 'tag-add', 'release: Succeeded', first));

    expect(ownTags(second)).toContain('release: Succeeded');
    expect(ownTags(second)).not.toContain('isolation: Succeeded');
    expect(actionLines(noteOf(second))).toHaveLength(1);
  });

  it('is found again when the run was killed at the other host', async ({ start }) => {
    const stage = await start();
    const { first, second, machine } = await releasedThroughTheFirst(stage);

    await runKilled(stage, line, (entry) => isTagWrite(entry, 'tag-add', 'release: Succeeded', second));
    expect(ownTags(first)).toContain('release: Pending');
    moveTo(stage, 20);
    const outcome = await stage.run(line);

    expect(outcome.code).toBe(0);
    expect(ownTags(second, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'id: PC',
      'release: Succeeded',
    ]);
    expect(ownTags(first)).toContain('release: Succeeded');
    expect(actionLines(noteOf(second))).toHaveLength(1);
  });

  it('puts the other right also when it was done in the portal and an unblock of the first is met by it', async ({
    start,
  }) => {
    const stage = await start();
    const { host: first, machine } = addHeld(stage, { tags: ['unblock'] });
    const second = addTwin(stage, first, ...heldTags(machine, today('09:00')));
    past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });

    const outcome = await stage.run(line);

    expect(told(outcome, second)).toMatchObject({ reasons: ['pending'], result: 'released' });
    expect(ownTags(second)).toContain('release: Succeeded');
    expect(posts(stage)).toEqual([]);
  });

  it('leaves a host alone whose isolation is newer than the release', async ({ start }) => {
    const stage = await start();
    const { first, second, machine } = await releasedThroughTheFirst(stage);
    past(stage, machine, { type: 'Isolate', createdAt: stage.clock.now() - minutes(5) });
    second.tags = heldTags(machine, stage.clock.now() - minutes(5));
    const before = [...second.tags];

    await stage.run(line);

    expect(ownTags(first).some((tag) => tag.startsWith('release: '))).toBe(true);
    expect(second.tags).toEqual(before);
    expect(writesTo(stage, second)).toEqual([]);
  });

  it('leaves a host with a block tag to its own request', async ({ start }) => {
    const stage = await start();
    const { second, machine } = await releasedThroughTheFirst(stage);
    stage.simulator.world.tagHost(second.id, 'block');

    const outcome = await stage.run(line);

    expect(told(outcome, second)).toMatchObject({ reasons: ['block'], result: 'isolated' });
    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(ownTags(second, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual block:2026-11-24 12:10',
      'id: PC',
      'isolation: Pending',
    ]);
  });

  it('leaves a host with an unblock tag to its own request, which that release meets', async ({ start }) => {
    const stage = await start();
    const { second, machine } = await releasedThroughTheFirst(stage);
    stage.simulator.world.tagHost(second.id, 'unblock');

    const outcome = await stage.run(line);

    expect(told(outcome, second)).toMatchObject({ reasons: ['unblock'], result: 'released' });
    expect(posts(stage)).toEqual([]);
    expect(ownTags(second, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual unblock:2026-11-24 12:00',
      'id: PC',
      'release: Succeeded',
    ]);
  });

  it('waits for the notes of the other without isolating or releasing anything', async ({ start }) => {
    const stage = await start();
    const { second } = await releasedThroughTheFirst(stage);
    const mend = breakCall(stage, 'note-create', '500');

    const early = await stage.run(line);
    mend();
    moveTo(stage, 20);
    const later = await stage.run(line);

    expect(early.code).toBe(1);
    expect(told(early, second)).toMatchObject({ result: 'released', note: null });
    expect(ownTags(second)).toContain('release: Succeeded');
    expect(told(later, second)).toMatchObject({ reasons: ['pending'], note: 'created' });
    expect(later.code).toBe(0);
    expect(posts(stage)).toEqual([]);
  });
});
