import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { isOwnTag } from '../simulator/own-forms.ts';
import {
  days,
  it,
  line,
  minute,
  minutes,
  moveTo,
  ownPast,
  ownTags,
  past,
  posts,
  told,
  type Stage,
} from './rig.ts';

const requests = [
  { trigger: 'block', type: 'Isolate', call: 'isolate', done: 'isolated', slot: 'isolation' },
  { trigger: 'unblock', type: 'Unisolate', call: 'unisolate', done: 'released', slot: 'release' },
] as const;

/** A host without tags of this program; its machine is isolated by others where a release is asked for. */
function addClean(stage: Stage, trigger: string): { host: SimHost; machine: SimMachine } {
  const pair = stage.simulator.world.addPair({ tags: [trigger] });
  if (trigger === 'unblock') {
    past(stage, pair.machine, { type: 'Isolate', createdAt: stage.clock.now() - days(2) });
  }
  return pair;
}

function cleanUp({ simulator: { world } }: Stage, host: SimHost): void {
  world.untagHost(host.id, ...host.tags.filter((tag) => isOwnTag(tag)));
}

describe.each(requests)(
  'an own action for $trigger that Failed, of which no tag tells any more,',
  (about) => {
    it.for([
      ['20 days', days(20)],
      ['25 hours', minutes(25 * 60)],
    ] as const)('is no answer after %s: the request is carried out', async ([, age], { start }) => {
      const stage = await start();
      const { host, machine } = addClean(stage, about.trigger);
      const createdAt = stage.clock.now() - age;
      ownPast(stage, host, machine, { type: about.type, status: 'Failed', createdAt });

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`${about.call} ${machine.id}`]);
      expect(told(outcome, host).result).toBe(about.done);
      expect(outcome.code).toBe(0);
      expect(host.tags).not.toContain(about.trigger);
      expect(ownTags(host, machine)).toEqual([
        `Manual ${about.trigger}:2026-11-24 12:00`,
        'id: PC',
        `${about.slot}: Pending`,
      ]);
    });

    it('is the answer within the day, when the note has not told its end', async ({ start }) => {
      const stage = await start();
      const { host, machine } = addClean(stage, about.trigger);
      const createdAt = stage.clock.now() - minutes(23 * 60);
      const action = ownPast(stage, host, machine, { type: about.type, status: 'Failed', createdAt });

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([]);
      expect(told(outcome, host)).toMatchObject({
        result: 'failed',
        action: { id: action.id, status: 'Failed' },
      });
      expect(outcome.code).toBe(1);
      expect(host.tags).not.toContain(about.trigger);
      expect(ownTags(host, machine)).toEqual([
        `Manual ${about.trigger} failed`,
        `Manual ${about.trigger}:${minute(createdAt)}`,
        'id: PC',
        `${about.slot}: Failed`,
      ]);
    });

    it('is no answer within the day, when the note has told its end', async ({ start }) => {
      const stage = await start();
      const { world } = stage.simulator;
      const { host, machine } = addClean(stage, about.trigger);
      await stage.run(line);
      const [action] = [...world.actions.values()].filter(
        ({ requestSource }) => requestSource === 'PublicApi',
      );
      world.advanceAction(action?.id ?? '', 'Failed');
      moveTo(stage, 10);
      const failed = await stage.run(line);
      expect(told(failed, host).result).toBe('failed');
      cleanUp(stage, host);
      moveTo(stage, 60);
      world.tagHost(host.id, about.trigger);

      const outcome = await stage.run(line);

      expect(posts(stage)).toEqual([`${about.call} ${machine.id}`, `${about.call} ${machine.id}`]);
      expect(told(outcome, host).result).toBe(about.done);
      expect(ownTags(host, machine)).toEqual([
        `Manual ${about.trigger}:2026-11-24 13:00`,
        'id: PC',
        `${about.slot}: Pending`,
      ]);
    });
  },
);

it('an own isolation that Succeeded and was told is no answer after a release in the portal, with the tags cleaned up', async ({
  start,
}) => {
  const stage = await start();
  const { world } = stage.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });
  await stage.run(line);
  world.settleActions();
  moveTo(stage, 10);
  await stage.run(line);
  world.portalRelease(machine.id);
  cleanUp(stage, host);
  moveTo(stage, 30);
  world.tagHost(host.id, 'block');

  const outcome = await stage.run(line);

  expect(told(outcome, host).result).toBe('isolated');
  expect(posts(stage)).toEqual([`isolate ${machine.id}`, `isolate ${machine.id}`]);
});

it('the notes are read for an old answer only where such an action exists', async ({ start }) => {
  const stage = await start();
  const { host } = stage.simulator.world.addPair({ tags: ['block'], notes: ['a colleague wrote this'] });

  await stage.run(line);

  expect(host.tags).not.toContain('block');
  expect(stage.simulator.ledger.count('notes')).toBe(1);
});
