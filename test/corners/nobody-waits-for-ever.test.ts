import { describe, expect } from 'vitest';
import {
  addHeld,
  breakCall,
  days,
  heldTags,
  it,
  line,
  moveHost,
  moveTo,
  noteOf,
  ownTags,
  past,
  posts,
  postsTo,
  today,
  told,
  type Stage,
} from './rig.ts';

/** A host held by its tags, of whose isolation Defender records nothing. */
function addSilent(stage: Stage, since: number, ...tags: string[]) {
  const { host, machine } = stage.simulator.world.addPair();
  host.tags.push(...heldTags(machine, since), ...tags);
  return { host, machine };
}

function addElsewhere({ simulator: { world } }: Stage) {
  return world.addMachine({ computerDnsName: 'elsewhere.contoso.example' });
}

describe('tags of the earlier tool of which Defender records nothing', () => {
  it('let a block of the host through, with no id: tag', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({
      tags: ['Manual block:2024-03-05 10:00', 'block'],
    });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2024-03-05 10:00',
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Pending',
    ]);
    expect(host.tags).not.toContain('block');
  });

  it('let an unblock of the host through, with no id: tag', async ({ start }) => {
    const stage = await start();
    const { host } = stage.simulator.world.addPair({ tags: ['Manual block:2024-03-05 10:00', 'unblock'] });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('released');
    expect(host.tags).not.toContain('unblock');
    expect(ownTags(host)).toContain('Manual unblock:2026-11-24 12:00');
  });

  it('send an unblock to the machine of the id: tag, wherever the address leads', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['Manual block:2024-03-05 10:00'] });
    host.tags.push(`id: ${machine.id}`, 'unblock');
    machine.isolated = true;
    moveHost(stage, host, addElsewhere(stage));

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2024-03-05 10:00',
      'Manual unblock:2026-11-24 12:00',
      'id: PC',
      'release: Pending',
    ]);
  });

  it('let a block through when there are seven of them, of which four stay', async ({ start }) => {
    const stage = await start();
    const old = [1, 2, 3, 4, 5, 6, 7].map((day) => `Manual block:2026-03-0${day} 10:00`);
    const { host, machine } = stage.simulator.world.addPair({ tags: [...old, 'block'] });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(ownTags(host, machine)).toEqual([
      ...old.slice(3),
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Pending',
    ]);
  });
});

describe('a record that lacks the isolation which the tags tell of', () => {
  it('makes an unblock wait for an hour, and is believed then: a release goes to the machine of the id: tag', async ({
    start,
  }) => {
    const stage = await start();
    const { host, machine } = addSilent(stage, today('11:30'), 'unblock');
    machine.isolated = true;
    moveHost(stage, host, addElsewhere(stage));

    const early = await stage.run(line);
    expect(told(early, host)).toMatchObject({ result: 'deferred', machine: { id: machine.id } });
    expect(early.code).toBe(1);
    expect(host.tags).toContain('unblock');
    expect(posts(stage)).toEqual([]);
    moveTo(stage, 31);
    const later = await stage.run(line);

    expect(told(later, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(host.tags).not.toContain('unblock');
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 11:30',
      'Manual unblock:2026-11-24 12:31',
      'id: PC',
      'release: Pending',
    ]);
  });

  it('makes a block wait for an hour, and is believed then: the block goes by address', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addSilent(stage, today('11:30'), 'block');
    const other = addElsewhere(stage);
    moveHost(stage, host, other);

    const early = await stage.run(line);
    expect(told(early, host).result).toBe('deferred');
    expect(host.tags).toContain('block');
    expect(posts(stage)).toEqual([]);
    moveTo(stage, 31);
    const later = await stage.run(line);

    expect(told(later, host)).toMatchObject({ result: 'isolated', machine: { id: other.id } });
    expect(posts(stage)).toEqual([`isolate ${other.id}`]);
    expect(machine.isolated).toBe(false);
    expect(host.tags).not.toContain('block');
    expect(ownTags(host, other)).toEqual([
      'Manual block:2026-11-24 11:30',
      'Manual block:2026-11-24 12:31',
      'id: PC',
      'isolation: Pending',
    ]);
  });

  it('makes a block wait for an hour after a release that it lacks, too', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    host.tags.push(`id: ${machine.id}`, 'release: Pending');
    host.tags.push('Manual block:2026-11-24 09:00', 'Manual unblock:2026-11-24 11:30');

    const early = await stage.run(line);
    moveTo(stage, 31);
    const later = await stage.run(line);

    expect(told(early, host).result).toBe('deferred');
    expect(told(later, host).result).toBe('isolated');
    expect(posts(stage)).toEqual([]);
    expect(ownTags(host, machine)).toContain('isolation: Succeeded');
  });
});

describe('a device that was onboarded anew, whose old record is gone and silent', () => {
  function arrange(stage: Stage, trigger: string) {
    const { host, machine } = addSilent(stage, today('09:00'), trigger);
    stage.simulator.world.deleteMachine(machine.id);
    const { computerDnsName, lastIpAddress } = machine;
    const anew = stage.simulator.world.addMachine({ computerDnsName, lastIpAddress });
    return { host, machine, anew };
  }

  it('is isolated by its address', async ({ start }) => {
    const stage = await start();
    const { host, anew } = arrange(stage, 'block');

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'isolated', machine: { id: anew.id } });
    expect(posts(stage)).toEqual([`isolate ${anew.id}`]);
    expect(ownTags(host, anew)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual block:2026-11-24 12:00',
      'id: PC',
      'isolation: Pending',
    ]);
  });

  it('has a release refused once Defender answered 404 twice, and the id: and status tag go to the note', async ({
    start,
  }) => {
    const stage = await start();
    const { host, machine } = arrange(stage, 'unblock');

    const outcome = await stage.run(line);

    const asked = stage.simulator.ledger.of('unisolate');
    expect(asked.map(({ path, status }) => [path.includes(machine.id), status])).toEqual([
      [true, 404],
      [true, 404],
    ]);
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
    expect(told(outcome, host).result).toBe('refused');
    expect(outcome.code).toBe(1);
    expect(host.tags).not.toContain('unblock');
    expect(host.tags).not.toContain(`id: ${machine.id}`);
    expect(ownTags(host).filter((tag) => !tag.startsWith('id: '))).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual unblock failed',
    ]);
    expect(noteOf(host)).toContain(machine.id);
  });

  it('is found by its address by the block that comes after that', async ({ start }) => {
    const stage = await start();
    const { host, anew } = arrange(stage, 'unblock');
    await stage.run(line);
    moveTo(stage, 10);
    stage.simulator.world.tagHost(host.id, 'block');

    const outcome = await stage.run(line);

    expect(told(outcome, host)).toMatchObject({ result: 'isolated', machine: { id: anew.id } });
    expect(postsTo(stage, anew)).toEqual(['isolate']);
  });
});

it('a 404 to a release that passes costs no id: tag', async ({ start }) => {
  const stage = await start();
  const { host, machine } = addHeld(stage, { tags: ['unblock'] });
  const body = { error: { code: 'ResourceNotFound', message: `Machine ${machine.id} was not found` } };
  breakCall(stage, 'unisolate', { status: 404, body }, 1);

  const outcome = await stage.run(line);

  expect(told(outcome, host).result).toBe('released');
  expect(posts(stage)).toEqual([`unisolate ${machine.id}`, `unisolate ${machine.id}`]);
  expect(outcome.code).toBe(0);
  expect(ownTags(host, machine)).toEqual([
    'Manual block:2026-11-24 09:00',
    'Manual unblock:2026-11-24 12:00',
    'id: PC',
    'release: Pending',
  ]);
});

describe("another host's isolation: Pending that Defender knows nothing of, with the same id: tag,", () => {
  it.for(['block', 'unblock'])('keeps nobody waiting (%s)', async (trigger, { start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: [trigger] });
    if (trigger === 'unblock') past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    const orphan = stage.simulator.world.addHost({
      tags: heldTags(machine, today('12:00') - days(30), 'Pending'),
    });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe(trigger === 'block' ? 'isolated' : 'released');
    expect(host.tags).not.toContain(trigger);
    expect(posts(stage)).toEqual([`${trigger === 'block' ? 'isolate' : 'unisolate'} ${machine.id}`]);
    expect(orphan.tags).not.toContain('release: Pending');
  });

  it('waits for no run itself: the tag is put right from the record', async ({ start }) => {
    const stage = await start();
    const { host: orphan } = stage.simulator.world.addPair();
    const machine = stage.simulator.world.addMachine();
    orphan.tags.push(...heldTags(machine, today('12:00') - days(2), 'Pending'));

    const first = await stage.run(line);
    moveTo(stage, 10);
    const second = await stage.run(line);

    expect(told(first, orphan)).toMatchObject({ reasons: ['pending'], result: 'failed' });
    expect(first.code).toBe(1);
    expect(ownTags(orphan, machine)).toEqual(['Manual block:2026-11-22 12:00', 'id: PC']);
    expect(second.report?.hosts).toEqual([]);
    expect(second.code).toBe(0);
  });
});
