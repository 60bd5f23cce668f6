import { expect, it } from 'vitest';
import { choicesOf, printed, tellSmallStories } from './small-stories.ts';

it.each(choicesOf(process.env))(
  'whatever happens to one host, $start at first, in any order, its machine and its tags come to a right end',
  async (choice) => {
    const collection = await tellSmallStories(choice);
    process.stdout.write(`small stories, ${choice.start} at first: ${printed(collection)}\n`);
    expect(collection.groups.map(({ what, stories }) => `${stories.length} × ${what}`)).toEqual([]);
  },
  7_200_000,
);
