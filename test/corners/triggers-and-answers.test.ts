import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import {
  addHeld,
  addTwin,
  breakCall,
  days,
  heldTags,
  it,
  line,
  lineWithTag,
  moveHost,
  moveTo,
  ownPast,
  ownTags,
  past,
  posts,
  runKilled,
  today,
  told,
  type Stage,
} from './rig.ts';

const tenMinutesLate = { actionIndexLagMs: 600_000 };
const vipIsSafe = { config: { isolation: { never: { tags: ['vip'] } } } };

function isPost({ call }: Entry): boolean {
  return call === 'isolate' || call === 'unisolate';
}

function adds(beginning: string) {
  return ({ call, body }: Entry) =>
    call === 'tag-add' && isObject(body) && String(body['tag']).startsWith(beginning);
}

/** The host moves to a machine that an analyst has isolated. */
function moveToForeign(stage: Stage, host: SimHost) {
  const other = stage.simulator.world.addMachine({ computerDnsName: 'other.contoso.example' });
  past(stage, other, { type: 'Isolate', createdAt: today('11:00') });
  moveHost(stage, host, other);
  return other;
}

describe('an opposite tag that comes while another host of the machine is worked on', () => {
  it('makes an unblock a conflict, and never an isolation', async ({ start }) => {
    const stage = await start({ config: { isolation: { never: { names: ['*'] } } } });
    const { world, faults } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['unblock'] });
    const twin = addTwin(stage, host, 'unblock');
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00') - days(8) });
    const kind = { status: 409, body: { error: { code: 'Odd', message: 'odd' } } };
    faults.add({ match: ({ call }) => call === 'unisolate', kind, times: 1 });

    const outcome = await stage.run(line, {
      before({ call }) {
        if (call === 'unisolate') world.tagHost(twin.id, 'block');
      },
    });

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(told(outcome, twin).result).toBe('conflict');
    expect(twin.tags).toEqual(expect.arrayContaining(['block', 'unblock']));
  });

  it('makes a block a conflict that keeps both tags', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const twin = addTwin(stage, host, 'block');

    const outcome = await stage.run(line, {
      after({ call }) {
        if (call === 'isolate') world.tagHost(twin.id, 'unblock');
      },
    });

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(told(outcome, twin).result).toBe('conflict');
    expect(twin.tags).toEqual(expect.arrayContaining(['block', 'unblock']));
  });
});

describe('a call without an answer', () => {
  it('is not forgotten because another host of the machine would be refused', async ({ start }) => {
    const stage = await start({ ...tenMinutesLate, ...vipIsSafe });
    const { world, faults } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    faults.add({ match: ({ call }) => call === 'isolate', kind: 'reset-after', times: 1 });
    await stage.run(line);
    const twin = addTwin(stage, host, 'block', 'vip');

    for (const minutes of [4, 8, 16]) {
      moveTo(stage, minutes);
      await stage.run(line);
    }

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(host.tags).not.toContain('block');
    expect(twin.tags).toContain('Manual block failed');
  });

  it('keeps the block of a killed run from being refused before it is known', async ({ start }) => {
    const stage = await start({ ...tenMinutesLate, ...vipIsSafe });
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await runKilled(stage, line, isPost);
    world.tagHost(host.id, 'vip');
    moveTo(stage, 4);

    const early = await stage.run(line);

    expect(told(early, host).result).toBe('deferred');
    expect(host.tags).toContain('block');
    world.untagHost(host.id, 'vip');
    world.untagHost(host.id, 'block');
    world.tagHost(host.id, 'unblock');
    world.settleActions();
    for (const minutes of [9, 20]) {
      moveTo(stage, minutes);
      await stage.run(line);
    }
    expect(posts(stage)).toEqual([`isolate ${machine.id}`, `unisolate ${machine.id}`]);
  });
});

describe('the end of an action whose trigger is still on the host', () => {
  it('is left to the request by --wait, so that no other machine is released', async ({ start }) => {
    const stage = await start({ actionDelayMs: 10_000 });
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    moveToForeign(stage, host);
    const { faults } = stage.simulator;
    let isAccepted = false;
    faults.add({ match: ({ call }) => isAccepted && call === 'tags', kind: '500', times: 4 });

    await stage.run([...line, '--wait', '60'], {
      after({ call }) {
        if (call === 'unisolate') isAccepted = true;
      },
    });
    faults.clear();
    moveTo(stage, 10);
    await stage.run(line);

    expect(posts(stage)).toEqual([`unisolate ${machine.id}`]);
    expect(host.tags).not.toContain('unblock');
    expect(ownTags(host, machine)).toContain('release: Succeeded');
  });

  it.for([
    ['block', 'Failed', 'isolation: Failed'],
    ['unblock', 'Succeeded', 'release: Succeeded'],
  ] as const)('is left to the request by a conflict (%s, %s)', async ([trigger, end, status], { start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const held = trigger === 'unblock';
    const { host, machine } = held ? addHeld(stage, { tags: [trigger] }) : world.addPair({ tags: [trigger] });
    if (held) moveToForeign(stage, host);
    await runKilled(stage, line, adds(held ? 'Manual unblock:' : 'Manual block:'));
    const opposite = held ? 'block' : 'unblock';
    world.tagHost(host.id, opposite);
    for (const action of world.actions.values())
      if (action.status === 'Pending') world.advanceAction(action.id, end);
    moveTo(stage, 5);
    await stage.run(line);
    world.untagHost(host.id, opposite);
    moveTo(stage, 10);

    await stage.run(line);

    expect(posts(stage)).toHaveLength(1);
    expect(host.tags).not.toContain(trigger);
    expect(ownTags(host, machine)).toContain(status);
  });
});

describe('two id: tags', () => {
  it('leave a killed run its machine, wherever the host moves', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await runKilled(stage, line, isPost);
    const other = world.addMachine({ computerDnsName: 'other.contoso.example' });
    host.tags.push(`id: ${other.id}`);
    moveHost(stage, host, other);
    moveTo(stage, 20);

    await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(host.tags).toContain(`id: ${machine.id}`);
  });
});

describe('the other hosts of a released machine', () => {
  it('are found again by the next run when their tags could not be written', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addHeld(stage);
    const twin = addTwin(stage, host, ...heldTags(machine, today('09:00')));
    host.tags.push('unblock');
    await stage.run(line);
    stage.simulator.world.settleActions();
    const undo = breakCall(stage, 'tag-add', '500');
    moveTo(stage, 5);
    const broken = await stage.run(line);
    undo();
    moveTo(stage, 10);

    const whole = await stage.run(line);

    expect(broken.code).toBeGreaterThan(0);
    expect(ownTags(host, machine)).toContain('release: Succeeded');
    expect(ownTags(twin, machine)).toContain('release: Succeeded');
    expect(whole.code).toBe(0);
  });

  it('keep no block waiting when their tags cannot be written', async ({ start }) => {
    const stage = await start();
    const { world, faults } = stage.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const twin = addTwin(stage, host, ...heldTags(machine, today('09:00')));
    ownPast(stage, twin, machine, { type: 'Isolate', createdAt: today('09:00') });
    past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });
    faults.add({ match: adds('release: '), kind: '500' });

    const outcome = await stage.run(line);

    expect(posts(stage)).toEqual([`isolate ${machine.id}`]);
    expect(told(outcome, host).result).toBe('isolated');
    expect(told(outcome, twin).result).toBe('failed');
  });

  it('are put right also when an enrichment learns of the release', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addHeld(stage, { tags: ['host_context'] });
    const twin = addTwin(stage, host, ...heldTags(machine, today('09:00')));
    ownPast(stage, twin, machine, { type: 'Isolate', createdAt: today('09:00') });
    past(stage, machine, { type: 'Unisolate', createdAt: today('10:00') });

    const outcome = await stage.run(lineWithTag);

    expect(ownTags(twin, machine)).toContain('release: Succeeded');
    expect(told(outcome, twin)).toMatchObject({ reasons: ['pending'], result: 'released' });
  });
});
