import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import {
  addHeld,
  addTwin,
  breakCall,
  heldTags,
  it,
  line,
  minutes,
  moveTo,
  ownTags,
  posts,
  runKilled,
  today,
  told,
  type Stage,
} from './rig.ts';

/*
 * Defender lists an action ten minutes after its creation, and a run comes every five minutes. Machines carry out at once
 * what they are asked for.
 */

const losses = ['the answer is lost', 'the run is killed'] as const;
const requests = [
  { trigger: 'block', call: 'isolate', opposite: 'unblock', answer: 'unisolate' },
  { trigger: 'unblock', call: 'unisolate', opposite: 'block', answer: 'isolate' },
] as const;
type Request = (typeof requests)[number];

/** The host that asks: for a block never held, for an unblock held since nine. */
function addAsking(stage: Stage, { trigger }: Request): { host: SimHost; machine: SimMachine } {
  return trigger === 'block'
    ? stage.simulator.world.addPair({ tags: ['block'] })
    : addHeld(stage, { tags: ['unblock'] });
}

function addSecond(stage: Stage, host: SimHost, machine: SimMachine, { trigger }: Request): SimHost {
  return trigger === 'block'
    ? addTwin(stage, host, 'block')
    : addTwin(stage, host, ...heldTags(machine, today('09:00')), 'unblock');
}

/** The first run, whose POST for this call takes effect and is not answered. */
async function loseFirst(stage: Stage, loss: (typeof losses)[number], { call }: Request): Promise<void> {
  const isPost = (entry: Entry) => entry.call === call;
  if (loss === 'the run is killed') {
    await runKilled(stage, line, isPost);
  } else {
    breakCall(stage, call, 'reset-after', 1);
    await stage.run(line);
  }
  stage.simulator.world.settleActions();
}

/** Runs every five minutes, the last one after so many; what is asked for is carried out after each. */
async function runUntil(stage: Stage, first: number, last: number): Promise<void> {
  for (let at = first; at <= last; at += 5) {
    moveTo(stage, at);
    await stage.run(line);
    stage.simulator.world.settleActions();
  }
}

const cases = losses.flatMap((loss) => requests.map((request) => ({ loss, ...request })));

describe.each(cases)('when $loss of a POST for $trigger and the list is ten minutes late', (about) => {
  it('asks once', async ({ start }) => {
    const stage = await start({ actionIndexLagMs: minutes(10) });
    const { host, machine } = addAsking(stage, about);
    await loseFirst(stage, about.loss, about);

    moveTo(stage, 5);
    const early = await stage.run(line);
    expect(told(early, host).result).toBe('deferred');
    expect(host.tags).toContain(about.trigger);
    await runUntil(stage, 10, 35);

    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`]);
    expect(host.tags).not.toContain(about.trigger);
    expect(machine.isolated).toBe(about.trigger === 'block');
    expect(ownTags(host, machine)).toEqual(
      about.trigger === 'block'
        ? ['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Succeeded']
        : [
            'Manual block:2026-11-24 09:00',
            'Manual unblock:2026-11-24 12:00',
            'id: PC',
            'release: Succeeded',
          ],
    );
  });

  it('asks once for each when the other trigger takes its place meanwhile', async ({ start }) => {
    const stage = await start({ actionIndexLagMs: minutes(10) });
    const { world } = stage.simulator;
    const { host, machine } = addAsking(stage, about);
    await loseFirst(stage, about.loss, about);
    world.untagHost(host.id, about.trigger);
    world.tagHost(host.id, about.opposite);

    moveTo(stage, 5);
    const early = await stage.run(line);
    expect(told(early, host).result).toBe('deferred');
    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`]);
    await runUntil(stage, 10, 60);

    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`, `${about.answer} ${machine.id}`]);
    expect(host.tags).not.toContain(about.opposite);
    expect(machine.isolated).toBe(about.opposite === 'block');
    expect(ownTags(host)).toContain(
      about.opposite === 'block' ? 'isolation: Succeeded' : 'release: Succeeded',
    );
  });

  it('asks once when two hosts are that machine', async ({ start }) => {
    const stage = await start({ actionIndexLagMs: minutes(10) });
    const { host, machine } = addAsking(stage, about);
    const second = addSecond(stage, host, machine, about);

    await loseFirst(stage, about.loss, about);
    await runUntil(stage, 5, 35);

    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`]);
    for (const each of [host, second]) {
      expect(each.tags).not.toContain(about.trigger);
      expect(ownTags(each)).toContain(
        about.trigger === 'block' ? 'isolation: Succeeded' : 'release: Succeeded',
      );
    }
  });

  it('asks nothing of the machine for another host that comes in meanwhile', async ({ start }) => {
    const stage = await start({ actionIndexLagMs: minutes(10) });
    const { world } = stage.simulator;
    const { host, machine } = addAsking(stage, about);
    await loseFirst(stage, about.loss, about);
    world.untagHost(host.id, about.trigger);
    const second = addTwin(stage, host, about.opposite);

    for (const at of [3, 6, 9]) {
      moveTo(stage, at);
      const outcome = await stage.run(line);
      expect(told(outcome, second).result).toBe('deferred');
    }
    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`]);
    await runUntil(stage, 15, 60);

    expect(posts(stage)).toEqual([`${about.call} ${machine.id}`, `${about.answer} ${machine.id}`]);
    expect(second.tags).not.toContain(about.opposite);
    expect(machine.isolated).toBe(about.opposite === 'block');
  });
});

it('a POST that was certainly not carried out is asked for again by the next run', async ({ start }) => {
  const stage = await start({ actionIndexLagMs: minutes(10) });
  const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
  const mend = breakCall(stage, 'isolate', '429');
  const first = await stage.run(line);
  expect(told(first, host).result).toBe('deferred');
  mend();
  moveTo(stage, 5);

  const second = await stage.run(line);

  expect(told(second, host).result).toBe('isolated');
  expect(stage.simulator.world.actions.size).toBe(1);
  expect([...stage.simulator.world.actions.values()][0]?.machineId).toBe(machine.id);
});

it('a lost answer to a POST that never took effect is asked for again after a quarter of an hour', async ({
  start,
}) => {
  const stage = await start({ actionIndexLagMs: minutes(10) });
  const { host } = stage.simulator.world.addPair({ tags: ['block'] });
  breakCall(stage, 'isolate', 'reset-before', 1);
  await stage.run(line);
  moveTo(stage, 5);
  await stage.run(line);
  expect(stage.simulator.ledger.count('isolate')).toBe(1);
  moveTo(stage, 16);

  const outcome = await stage.run(line);

  expect(told(outcome, host).result).toBe('isolated');
  expect(stage.simulator.ledger.count('isolate')).toBe(2);
});
