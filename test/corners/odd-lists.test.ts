import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import { addAsking, expectQuiet, settle } from './defender-scenes.ts';
import {
  addHeld,
  breakCall,
  it,
  line,
  lineWithTag,
  moveTo,
  ownTags,
  past,
  posts,
  postsTo,
  today,
  told,
  toldIds,
} from './rig.ts';

/** Messages of the log that are more than information. */
function warnings(stderr: string): string {
  return stderr
    .split('\n')
    .filter((entry) => /"level":"(warn|error)"/.test(entry))
    .join('\n');
}

describe("a search that ends short of Detect's own count", () => {
  it('once is read once more, and nobody is missed', async ({ start }) => {
    const stage = await start({ shortSearches: 1 });
    const hosts = [1, 2, 3].map(() => addAsking(stage, 'block').host);

    const outcome = await stage.run(line);

    expect(toldIds(outcome).toSorted()).toEqual(hosts.map(({ id }) => id));
    expect(hosts.map((host) => told(outcome, host).result)).toEqual(['isolated', 'isolated', 'isolated']);
    expect(outcome.code).toBe(0);
  });

  it('once on its last page is read once more from the first', async ({ start }) => {
    const stage = await start({ shortSearches: 1, pageSize: 2 });
    const hosts = [1, 2, 3, 4, 5].map(() => addAsking(stage, 'host_context').host);

    const outcome = await stage.run(lineWithTag);

    expect(hosts.map((host) => told(outcome, host).result)).toEqual(hosts.map(() => 'enriched'));
    expect(outcome.code).toBe(0);
  });

  it('again and again is said and ends the run with 1; what was found is done', async ({ start }) => {
    const stage = await start({ shortSearches: Infinity });
    const { settings } = stage.simulator;
    const [first, second, missed] = [1, 2, 3].map(() => addAsking(stage, 'block').host) as [
      SimHost,
      SimHost,
      SimHost,
    ];

    const outcome = await stage.run(line);

    expect([first, second].map((host) => told(outcome, host).result)).toEqual(['isolated', 'isolated']);
    expect(toldIds(outcome)).not.toContain(missed.id);
    expect(missed.tags).toEqual(['block']);
    expect(warnings(outcome.stderr)).not.toBe('');
    expect(outcome.code).toBe(1);

    settings.shortSearches = 0;
    moveTo(stage, 10);
    const next = await stage.run(line);

    expect(told(next, missed).result).toBe('isolated');
    expect(next.code).toBe(0);
  });

  it('again and again with nobody found is no quiet tick', async ({ start }) => {
    const stage = await start({ shortSearches: Infinity });
    addAsking(stage, 'block');

    const outcome = await stage.run(line);

    expect(toldIds(outcome)).toEqual([]);
    expect(warnings(outcome.stderr)).not.toBe('');
    expect(outcome.code).toBe(1);
  });
});

describe('a document in a list of hosts', () => {
  it('with a null among the tags is used', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['VIP', 'block'], odd: ['null tag'] });

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(told(outcome, host).result).toBe('isolated');
    expect(host.tags).not.toContain('block');
    expect(outcome.code).toBe(0);
    await settle(stage, 10);
    expect(ownTags(host)).toContain('isolation: Succeeded');
    await expectQuiet(stage, 20);
  });

  it('with an id in quotes is used, and the report has the number', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({
      tags: ['block'],
      odd: ['quoted id', 'null tag'],
    });

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(told(outcome, host)).toMatchObject({ id: host.id, result: 'isolated' });
    expect(host.tags).not.toContain('block');
    expect(outcome.code).toBe(0);
  });

  it('with a null among the tags or an id in quotes is enriched', async ({ start }) => {
    const stage = await start();
    const { host } = stage.simulator.world.addPair({
      tags: ['host_context'],
      odd: ['quoted id', 'null tag'],
    });

    const outcome = await stage.run(lineWithTag);

    expect(told(outcome, host).result).toBe('enriched');
    expect(host.tags).not.toContain('host_context');
    expect(outcome.code).toBe(0);
  });

  it('without tags is named, counts as failed and spoils nobody else', async ({ start }) => {
    const stage = await start();
    const bare = stage.simulator.world.addPair({ name: 'BARE-7', tags: ['block'], odd: ['no tags'] });
    const other = addAsking(stage, 'block');

    const outcome = await stage.run(line);

    expect(postsTo(stage, bare.machine)).toEqual([]);
    expect(told(outcome, bare.host)).toMatchObject({ name: 'BARE-7', result: 'failed' });
    expect(outcome.report?.counts).toMatchObject({ failed: 1, isolated: 1 });
    expect(outcome.stderr).toContain('BARE-7');
    expect(bare.host.tags).toEqual(['block']);
    expect(told(outcome, other.host).result).toBe('isolated');
    expect(outcome.code).toBe(1);
  });

  it('without an id is named and ends the run with 1', async ({ start }) => {
    const stage = await start();
    const lost = stage.simulator.world.addPair({
      name: 'LOST-7',
      tags: ['block'],
      overrides: { id: undefined },
    });
    const other = addAsking(stage, 'block');

    const outcome = await stage.run(line);

    expect(postsTo(stage, lost.machine)).toEqual([]);
    expect(outcome.report?.counts).toMatchObject({ failed: 1, isolated: 1 });
    expect(warnings(outcome.stderr)).toContain('LOST-7');
    expect(told(outcome, other.host).result).toBe('isolated');
    expect(outcome.code).toBe(1);
  });
});

describe("another machine's action in a list of one machine's", () => {
  it('is no answer to a block: nothing is posted, the host is deferred', async ({ start }) => {
    const stage = await start({ machineFilterIgnored: true });
    const { world, settings } = stage.simulator;
    const { host, machine } = addAsking(stage, 'block');
    const other = world.addMachine({ computerDnsName: 'other.contoso.example' });
    past(stage, other, { createdAt: today('09:00') });

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(told(outcome, host)).toMatchObject({ result: 'deferred', action: null });
    expect(host.tags).toContain('block');
    expect(ownTags(host)).not.toContain('isolation: Succeeded');
    expect(outcome.code).toBe(1);

    settings.machineFilterIgnored = false;
    moveTo(stage, 10);
    const next = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(told(next, host).result).toBe('isolated');
    expect(next.code).toBe(0);
  });

  it('is no answer to an unblock either, though the machine is isolated', async ({ start }) => {
    const stage = await start({ machineFilterIgnored: true });
    const { world, settings } = stage.simulator;
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    const other = world.addMachine({ computerDnsName: 'other.contoso.example' });
    past(stage, other, { type: 'Unisolate', createdAt: today('10:00') });

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(told(outcome, host).result).toBe('deferred');
    expect(host.tags).toContain('unblock');
    expect(ownTags(host)).toContain('isolation: Succeeded');
    expect(outcome.code).toBe(1);

    settings.machineFilterIgnored = false;
    moveTo(stage, 10);
    const next = await stage.run(line);

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(told(next, host).result).toBe('released');
  });
});

describe('a tag and a note that Detect refuses', () => {
  it('hold no isolation back', async ({ start }) => {
    const stage = await start({ refusedTags: ['riskScore: None'] });
    const { host, machine } = addAsking(stage, 'block');
    const undo = breakCall(stage, 'note-create', { status: 403, body: { details: 'No.' } });

    const outcome = await stage.run(line);
    undo();

    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Pending']);
    expect(host.tags).not.toContain('riskScore: None');
    expect(host.tags).not.toContain('block');
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: null });
    expect(warnings(outcome.stderr)).toContain('riskScore: None');
  });

  it('send what is to be said to a new note', async ({ start }) => {
    const stage = await start();
    const { host } = addAsking(stage, 'block');
    const id = stage.simulator.world.writeNote(host.id, '## Microsoft Defender for Endpoint (atp)\n\nmine');
    const foreign = host.notes.find((note) => note.id === id);
    if (foreign) foreign.refuses = 403;

    const outcome = await stage.run(line);

    expect(foreign?.note).toBe('## Microsoft Defender for Endpoint (atp)\n\nmine');
    expect(
      host.notes.map(({ note }) => note).filter((note) => note.includes('isolation for tag')),
    ).toHaveLength(1);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: 'created' });
    expect(outcome.code).toBe(0);
  });
});
