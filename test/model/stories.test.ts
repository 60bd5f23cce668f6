import { describe, expect, it } from 'vitest';
import { tellStories } from './story.ts';

describe.concurrent('whatever people, machines and services do', () => {
  it.each([1, 2, 3])(
    'isolates and releases only what was asked for, once, and writes the truth back (%i)',
    async (seed) => {
      expect(await tellStories({ count: 12, seed, longest: 14 })).toBe(12);
    },
    120_000,
  );
});
