import { expect, it } from 'vitest';
import { tellStories } from './story.ts';

const perSeed = 100;
const seeds = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

it.each(seeds)(
  'whatever people, machines and services do, only what was asked for is isolated and released, once (%i)',
  async (seed) => {
    const told = await tellStories({ count: perSeed, seed, longest: 24 });
    process.stdout.write(`model test, seed ${seed}: ${told} stories\n`);
    expect(told).toBe(perSeed);
  },
  1_800_000,
);
