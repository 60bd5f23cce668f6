import { describe, expect } from 'vitest';
import type { JsonObject } from '../simulator/json.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { it, line, moveTo, noteOf, past, posts, today, told, type Stage } from './rig.ts';

/** Two hosts with the address and the name of one machine, the one tagged for a block, the other for an unblock. */
function addOpposites({ simulator: { world } }: Stage, fields: Partial<SimMachine> = {}) {
  const { host: blocking, machine } = world.addPair({ tags: ['block'] }, fields);
  const { last_source, ip, name, host_artifact_set } = blocking;
  const releasing = world.addHost({ tags: ['unblock'], last_source, ip, name, host_artifact_set });
  return { blocking, releasing, machine };
}

/** The host's names contradict the machine's from now on. */
function contradict(host: SimHost): void {
  host.name = 'printer-9';
  host.host_artifact_set = [{ type: 'dhcp', value: 'printer-9' }];
}

function hasTrigger(host: SimHost): boolean {
  return host.tags.includes('block') || host.tags.includes('unblock');
}

describe('opposite requests of two hosts of one machine', () => {
  it('are a conflict when nothing speaks against either', async ({ start }) => {
    const stage = await start();
    const { blocking, releasing, machine } = addOpposites(stage);
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    for (const host of [blocking, releasing]) {
      expect(told(outcome, host).result).toBe('conflict');
      expect(hasTrigger(host)).toBe(true);
      expect(host.tags).toContain(`id: ${machine.id}`);
      expect(noteOf(host)).toContain('\n- Waiting: ');
    }
    expect(outcome.code).toBe(1);
  });

  it('are none when the evidence for the block is too weak: it is refused, and the release is done', async ({
    start,
  }) => {
    const stage = await start();
    const { blocking, releasing, machine } = addOpposites(stage);
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    contradict(blocking);

    const outcome = await stage.run(line);

    expect(told(outcome, blocking).result).toBe('refused');
    expect(blocking.tags).toContain('Manual block failed');
    expect(told(outcome, releasing).result).toBe('released');
    expect(releasing.tags).toContain('release: Pending');
    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect([blocking, releasing].filter((host) => hasTrigger(host))).toEqual([]);
    expect(outcome.code).toBe(1);
  });

  it('are none when the evidence for the release is too weak: it is refused, and the block is done', async ({
    start,
  }) => {
    const stage = await start();
    const { blocking, releasing, machine } = addOpposites(stage);
    contradict(releasing);

    const outcome = await stage.run(line);

    expect(told(outcome, releasing).result).toBe('refused');
    expect(releasing.tags).toContain('Manual unblock failed');
    expect(told(outcome, blocking).result).toBe('isolated');
    expect(blocking.tags).toContain('isolation: Pending');
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect([blocking, releasing].filter((host) => hasTrigger(host))).toEqual([]);
  });

  it.for<[string, JsonObject]>([
    ['a tag of its host', { tags: ['keep online'] }],
    ["the machine's platform", { osPlatforms: ['Windows*'] }],
    ['its name', { names: ['payroll-*'] }],
  ])(
    'are none when a guard rail forbids the block, by %s: the release is done',
    async ([, never], { start }) => {
      const stage = await start({ config: { isolation: { never } } });
      const { blocking, releasing, machine } = addOpposites(stage);
      past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
      machine.protected = true;
      blocking.tags.push('keep online');
      blocking.name = 'payroll-7';

      const outcome = await stage.run(line);

      expect(told(outcome, blocking).result).toBe('refused');
      expect(blocking.tags).toContain('Manual block failed');
      expect(told(outcome, releasing).result).toBe('released');
      expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
      expect([blocking, releasing].filter((host) => hasTrigger(host))).toEqual([]);
    },
  );

  it('are none when the platform forbids the isolation: the release is done', async ({ start }) => {
    const stage = await start();
    const { blocking, releasing } = addOpposites(stage, { osPlatform: 'iOS' });

    const first = await stage.run(line);
    moveTo(stage, 10);
    await stage.run(line);

    expect(told(first, releasing).result).toBe('released');
    expect(blocking.tags).toContain('Manual block failed');
    expect([blocking, releasing].filter((host) => hasTrigger(host))).toEqual([]);
  });

  it('are a conflict without the third host of the machine, whose block a guard rail forbids', async ({
    start,
  }) => {
    const stage = await start({ config: { isolation: { never: { tags: ['keep online'] } } } });
    const { blocking, releasing, machine } = addOpposites(stage);
    const third = stage.simulator.world.addHost({
      tags: ['block', 'keep online'],
      last_source: blocking.last_source,
      ip: blocking.ip,
      name: blocking.name,
      host_artifact_set: blocking.host_artifact_set,
    });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });

    const outcome = await stage.run(line);

    expect([blocking, releasing, third].map((host) => told(outcome, host).result)).toEqual([
      'conflict',
      'conflict',
      'refused',
    ]);
    expect(posts(stage)).toEqual([]);
  });
});

describe('a block and an unblock on one host', () => {
  it.for<[string, JsonObject, boolean]>([
    ['nothing', {}, false],
    ['a guard rail', { tags: ['keep online'] }, false],
    ['the evidence', {}, true],
  ])('are a conflict although %s speaks against the isolation', async ([, never, weak], { start }) => {
    const stage = await start({ config: { isolation: { never } } });
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block', 'keep online', 'unblock'] });
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') });
    if (weak) contradict(host);

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('conflict');
    expect(host.tags).toEqual(expect.arrayContaining(['block', 'unblock']));
    expect(host.tags).not.toContain('Manual block failed');
    expect(host.tags).not.toContain('Manual unblock failed');
    expect(noteOf(host)).toContain('\n- Waiting: ');
    expect(posts(stage)).toEqual([]);
    expect(outcome.code).toBe(1);
  });

  it('end when one of the tags goes, and the waiting line goes with the answer', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block', 'unblock'] });
    await stage.run(line);
    moveTo(stage, 10);
    stage.simulator.world.untagHost(host.id, 'unblock');

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(noteOf(host)).not.toContain('- Waiting: ');
  });
});
