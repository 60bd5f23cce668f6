import { expect, it } from 'vitest';
import { choiceOf, printed, tellSmallStories } from './small-stories.ts';

it('whatever happens to one host, in any order, its machine and its tags come to a right end', async () => {
  const collection = await tellSmallStories(choiceOf(process.env));
  process.stdout.write(`small stories: ${printed(collection)}\n`);
  expect(collection.groups.map(({ what, stories }) => `${stories.length} × ${what}`)).toEqual([]);
}, 7_200_000);
