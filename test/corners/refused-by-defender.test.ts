import { describe, expect } from 'vitest';
import { addAsking, expectQuiet, settle } from './defender-scenes.ts';
import {
  addHeld,
  breakCall,
  it,
  line,
  lineWithTag,
  moveTo,
  noteOf,
  ownTags,
  posts,
  postsTo,
  told,
} from './rig.ts';

describe('a machine whose onboarding forbids isolation', () => {
  it.for([
    ['code', 'The requested operation is disallowed.'],
    ['sentence', "The operation isn't allowed on the device"],
  ] as const)(
    'is refused for good, with the words of Defender (by its %s)',
    async ([restricted, words], { start }) => {
      const stage = await start();
      const { host, machine } = stage.simulator.world.addPair({ tags: ['VIP', 'block'] }, { restricted });
      const other = addAsking(stage, 'block');

      const outcome = await stage.run(line);

      expect(postsTo(stage, machine)).toEqual(['isolate']);
      expect(told(outcome, host)).toMatchObject({ result: 'refused', action: null });
      expect(host.tags).toContain('VIP');
      expect(host.tags).not.toContain('block');
      expect(ownTags(host, machine)).toEqual(['Manual block failed', 'id: PC']);
      expect(told(outcome, host).detail).toContain(words);
      expect(noteOf(host)).toContain(words);
      expect(outcome.stderr).toContain(words);
      expect(told(outcome, other.host).result).toBe('isolated');
      expect(outcome.code).toBe(1);

      await settle(stage, 10);
      expect(ownTags(other.host)).toContain('isolation: Succeeded');
      await expectQuiet(stage, 20);
    },
  );

  it('stops nobody else, however many there are in a row', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const restricted = (['code', 'sentence', 'code', 'sentence', 'code', 'code', 'sentence'] as const).map(
      (how) => world.addPair({ tags: ['block'] }, { restricted: how }),
    );
    const others = [1, 2, 3].map(() => addAsking(stage, 'block'));

    const outcome = await stage.run(line);

    expect(restricted.map(({ host }) => told(outcome, host).result)).toEqual(restricted.map(() => 'refused'));
    expect(others.map(({ host }) => told(outcome, host).result)).toEqual(others.map(() => 'isolated'));
    expect(outcome.code).toBe(1);
  });

  it('has its context all the same, and is released like any other', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addHeld(stage);
    machine.restricted = 'code';
    host.tags.push('unblock');

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['unisolate']);
    expect(told(outcome, host).result).toBe('released');
    expect(outcome.code).toBe(0);
  });
});

const sentences = {
  permissions:
    'The application does not have any of the required application permissions (Machine.Isolate) to access the resource.',
  roles:
    'Missing application roles. API required roles: Machine.Isolate, application roles: Machine.Read.All.',
};

/** Defender refuses every isolation and release for want of a role that the token shows. */
function refuseRole(message: string) {
  return { status: 403, body: { error: { code: 'Forbidden', message, target: 'c0ffee' } } };
}

describe('a role that Defender misses', () => {
  it.for(['permissions', 'roles'] as const)(
    'ends the run with 77 and keeps the trigger, in either wording (%s)',
    async (wording, { start }) => {
      const stage = await start();
      const block = addAsking(stage, 'block');
      const held = addHeld(stage, { tags: ['unblock'] });
      const mend = ['isolate', 'unisolate'].map((call) =>
        breakCall(stage, call, refuseRole(sentences[wording])),
      );

      const outcome = await stage.run(line);

      expect(outcome.code).toBe(77);
      expect(told(outcome, block.host).result).toBe('failed');
      expect(told(outcome, held.host).result).toBe('failed');
      expect(block.host.tags).toContain('block');
      expect(held.host.tags).toContain('unblock');
      expect(ownTags(block.host)).not.toContain('Manual block failed');
      expect(ownTags(held.host)).toContain('isolation: Succeeded');
      expect(noteOf(block.host)).toMatch(/^- Waiting: .*block/m);
      expect(outcome.stderr).toContain('Machine.Isolate');

      for (const take of mend) take();
      moveTo(stage, 10);
      const next = await stage.run(line);

      expect(told(next, block.host).result).toBe('isolated');
      expect(told(next, held.host).result).toBe('released');
      expect(noteOf(block.host)).not.toContain('- Waiting:');
      expect(next.code).toBe(0);
    },
  );

  it('is not tried when the token shows that it is missing', async ({ start }) => {
    const stage = await start({ roles: ['Machine.Read.All', 'Alert.Read.All'] });
    const { host } = addAsking(stage, 'block');

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([]);
    expect(host.tags).toContain('block');
    expect(noteOf(host)).toMatch(/^- Waiting: .*block/m);
    expect(outcome.code).toBe(77);
  });

  it.for([
    ['inactive', 'Account mode is inactive'],
    ['unprovisioned', 'Account is not provisioned'],
  ] as const)(
    'is none when the tenant has no licence, which is said: %s',
    async ([account, words], { start }) => {
      const stage = await start({ account });
      const { host } = addAsking(stage, 'block');

      const outcome = await stage.run(line);

      expect(outcome.code).toBe(77);
      expect(host.tags).toEqual(['block']);
      expect(host.notes).toEqual([]);
      expect(outcome.stderr).toContain(words);
      expect(outcome.stderr).toMatch(/licen[cs]e/i);
    },
  );

  it('is not needed for reading when the token has the roles that write', async ({ start }) => {
    const stage = await start({ roles: ['Machine.ReadWrite.All', 'Alert.ReadWrite.All', 'Machine.Isolate'] });
    const { world } = stage.simulator;
    const block = addAsking(stage, 'block');
    const enriched = addAsking(stage, 'host_context');
    world.addAlert({ machineId: enriched.machine.id, severity: 'High' });
    const held = addHeld(stage, { tags: ['unblock'] });

    const outcome = await stage.run(lineWithTag);

    expect(told(outcome, block.host).result).toBe('isolated');
    expect(told(outcome, held.host).result).toBe('released');
    expect(told(outcome, enriched.host).result).toBe('enriched');
    expect(noteOf(enriched.host)).toContain('High');
    expect(outcome.code).toBe(0);
  });
});

const busy = { status: 409, code: 'DeviceBusy', message: 'The device 0a1b2c3d is busy; come back later.' };

describe('a refusal that is not known', () => {
  it.for(['block', 'unblock'] as const)(
    'fails its %s alone, which waits for a person',
    async (trigger, { start }) => {
      const stage = await start();
      const { host, machine } =
        trigger === 'block' ? addAsking(stage, 'block') : addHeld(stage, { tags: ['unblock'] });
      machine.refusal = busy;
      const others = [1, 2].map(() => addAsking(stage, 'block'));

      const outcome = await stage.run(line);

      expect(told(outcome, host).result).toBe('failed');
      expect(host.tags).toContain(trigger);
      expect(ownTags(host)).not.toContain(`Manual ${trigger} failed`);
      expect(noteOf(host)).toMatch(/^- Waiting: .*DeviceBusy.*come back later/m);
      expect(outcome.stderr).toContain('DeviceBusy');
      expect(others.map((other) => told(outcome, other.host).result)).toEqual(['isolated', 'isolated']);
      expect(outcome.code).toBe(1);

      const { note } = host.notes[0] ?? {};
      moveTo(stage, 10);
      expect((await stage.run(line)).code).toBe(1);
      expect(host.notes.map((kept) => kept.note)).toEqual([note]);

      machine.refusal = undefined;
      moveTo(stage, 20);
      const last = await stage.run(line);

      expect(told(last, host).result).toBe(trigger === 'block' ? 'isolated' : 'released');
      expect(host.tags).not.toContain(trigger);
      expect(noteOf(host)).not.toContain('- Waiting:');
      expect(last.code).toBe(0);
    },
  );

  it('counts for nobody else, however many there are in a row', async ({ start }) => {
    const stage = await start();
    const refused = Array.from({ length: 7 }, () => addAsking(stage, 'block'));
    for (const { machine } of refused) machine.refusal = busy;
    const other = addAsking(stage, 'block');

    const outcome = await stage.run(line);

    expect(refused.map(({ machine }) => postsTo(stage, machine))).toEqual(refused.map(() => ['isolate']));
    expect(told(outcome, other.host).result).toBe('isolated');
    expect(outcome.code).toBe(1);
  });
});

describe('a 404 that passes', () => {
  it('costs an unblock no id tag, and the release is posted once more', async ({ start }) => {
    const stage = await start();
    const { clock } = stage;
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    machine.missingUntil = Infinity;

    const outcome = await stage.run(line, {
      after(entry) {
        if (entry.call === 'unisolate') machine.missingUntil = clock.now() + 1_000;
      },
    });

    expect(postsTo(stage, machine)).toEqual(['unisolate', 'unisolate']);
    expect(told(outcome, host)).toMatchObject({ result: 'released', machine: { id: machine.id } });
    expect(ownTags(host, machine)).toEqual([
      'Manual block:2026-11-24 09:00',
      'Manual unblock:2026-11-24 12:00',
      'id: PC',
      'release: Pending',
    ]);
    expect(host.tags).not.toContain('unblock');
    expect(outcome.code).toBe(0);
  });

  it('before the release is posted costs nothing', async ({ start }) => {
    const stage = await start();
    const { clock } = stage;
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    machine.missingUntil = Infinity;

    const outcome = await stage.run(line, {
      after(entry) {
        if (entry.call === 'machine') machine.missingUntil = clock.now();
      },
    });

    expect(postsTo(stage, machine)).toEqual(['unisolate']);
    expect(told(outcome, host).result).toBe('released');
    expect(ownTags(host, machine)).toContain('id: PC');
    expect(outcome.code).toBe(0);
  });

  it('to a block costs no more than a run: the next one isolates at the latest', async ({ start }) => {
    const stage = await start();
    const { clock } = stage;
    const { host, machine } = addAsking(stage, 'block');
    machine.missingUntil = Infinity;

    await stage.run(line, {
      after(entry) {
        if (entry.call === 'isolate') machine.missingUntil = clock.now() + 1_000;
      },
    });
    moveTo(stage, 10);
    await stage.run(line);

    expect(ownTags(host, machine)).toContain('id: PC');
    expect(ownTags(host)).toContain('isolation: Pending');
    expect(ownTags(host)).not.toContain('Manual block failed');
    expect(host.tags).not.toContain('block');
    expect(stage.simulator.world.actions.size).toBe(1);
  });

  it('that does not pass takes the id tag and the status tag to the note', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    machine.missingUntil = Infinity;

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['unisolate', 'unisolate']);
    expect(told(outcome, host).result).toBe('refused');
    expect(ownTags(host)).toEqual(['Manual block:2026-11-24 09:00', 'Manual unblock failed']);
    expect(noteOf(host)).toContain(machine.id);
    expect(outcome.code).toBe(1);
  });
});
