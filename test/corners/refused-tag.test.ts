import { describe, expect } from 'vitest';
import { isObject } from '../simulator/json.ts';
import {
  actionLines,
  isTagWrite,
  it,
  line,
  lineWithTag,
  moveTo,
  noteOf,
  ownTags,
  past,
  posts,
  today,
  told,
  type Stage,
} from './rig.ts';

/** Detect refuses to add tags that begin so. */
function refuseTags({ simulator: { faults } }: Stage, beginning: string): () => void {
  return faults.add({
    match: ({ call, body }) =>
      call === 'tag-add' && isObject(body) && String(body['tag']).startsWith(beginning),
    kind: { status: 400, body: { status: 'failure', message: 'Invalid request', invalid_tags: [beginning] } },
  });
}

describe('a context tag that Detect refuses', () => {
  it('is logged and holds no isolation back', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    refuseTags(stage, 'osPlatform: ');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: 'created' });
    expect(host.tags).not.toContain('block');
    expect(host.tags).not.toContain('osPlatform: Windows11');
    expect(host.tags).toContain('riskScore: None');
    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Pending']);
    expect(actionLines(noteOf(host))).toHaveLength(1);
    expect(outcome.stderr).toContain('osPlatform: Windows11');
  });

  it('holds no release back', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['unblock'] });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    refuseTags(stage, 'computerDnsName: ');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(told(outcome, host).result).toBe('released');
    expect(host.tags).not.toContain('unblock');
  });

  it('keeps the trigger of an enrichment, and the other tags are written', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'] });
    const mend = refuseTags(stage, 'osPlatform: ');

    const early = await stage.run(lineWithTag);
    expect(host.tags).toContain('host_context');
    expect(host.tags).toEqual(expect.arrayContaining([`id: ${machine.id}`, 'riskScore: None']));
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 10);
    const later = await stage.run(lineWithTag);

    expect(told(later, host).result).toBe('enriched');
    expect(host.tags).not.toContain('host_context');
    expect(host.tags).toContain('osPlatform: Windows11');
  });

  it('keeps only the trigger of the enrichment when the host asks for both', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context', 'block'] });
    refuseTags(stage, 'osPlatform: ');

    await stage.run(lineWithTag);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(host.tags).not.toContain('block');
    expect(host.tags).toContain('host_context');
    moveTo(stage, 10);
    await stage.run(lineWithTag);
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
  });
});

describe('an id: tag that Detect refuses', () => {
  it('holds the isolation back and keeps its trigger', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    const mend = refuseTags(stage, 'id: ');

    const early = await stage.run(line);
    expect(posts(stage)).toEqual([]);
    expect(host.tags).toContain('block');
    expect(['failed', 'deferred']).toContain(told(early, host).result);
    expect(early.code).toBe(1);
    mend();
    moveTo(stage, 10);
    const later = await stage.run(line);

    expect(told(later, host).result).toBe('isolated');
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
  });

  it('holds the isolation back also of a host that had its other context tags already', async ({ start }) => {
    const stage = await start();
    const { host } = stage.simulator.world.addPair({ tags: ['host_context'] });
    await stage.run(lineWithTag);
    stage.simulator.world.untagHost(host.id, ...host.tags.filter((tag) => tag.startsWith('id: ')));
    stage.simulator.world.tagHost(host.id, 'block');
    refuseTags(stage, 'id: ');
    moveTo(stage, 10);

    await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(host.tags).toContain('block');
  });
});

describe('a status or history tag that Detect refuses', () => {
  it.for(['isolation: ', 'Manual block:'])(
    'keeps the trigger (%s), and nothing is asked for twice',
    async (beginning, { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
      const mend = refuseTags(stage, beginning);

      const early = await stage.run(line);
      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
      expect(host.tags).toContain('block');
      expect(early.code).toBe(1);
      mend();
      stage.simulator.world.settleActions();
      moveTo(stage, 10);
      const later = await stage.run(line);

      expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
      expect(told(later, host).result).toBe('isolated');
      expect(ownTags(host, machine)).toEqual([
        'Manual block:2026-11-24 12:00',
        'id: PC',
        'isolation: Succeeded',
      ]);
      expect(host.tags).not.toContain('block');
    },
  );
});

it('a tag that Detect takes and then does not show is written once more before the trigger goes', async ({
  start,
}) => {
  const stage = await start();
  const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
  let taken = 0;

  await stage.run(line, {
    after(entry) {
      if (!isTagWrite(entry, 'tag-add', 'isolation: Pending', host) || ++taken > 1) return;
      stage.simulator.world.untagHost(host.id, 'isolation: Pending');
    },
  });

  expect(taken).toBe(2);
  expect(ownTags(host, machine)).toContain('isolation: Pending');
  expect(host.tags).not.toContain('block');
});
