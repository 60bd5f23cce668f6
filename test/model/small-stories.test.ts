import { expect, it } from 'vitest';
import { smallEvents } from './small-events.ts';
import { printed, tellSmallStories } from './small-stories.ts';

it('whatever two things happen to one host, in any order, its machine and its tags come to a right end', async () => {
  const shard = { k: 1, n: 1 };
  const collection = await tellSmallStories({ length: 2, only: smallEvents, start: 'fresh', shard });
  expect(collection.groups, printed(collection)).toEqual([]);
  expect(collection.told).toBeGreaterThan(50);
}, 120_000);
