import type { Scene } from '../rig.ts';
import { blockScenes } from './block.ts';
import { enrichScenes } from './enrich.ts';
import { followScenes } from './follow.ts';
import { releaseScenes } from './release.ts';
import { opposedScene, sharedScene } from './shared.ts';

/** A world with every kind of host, in parts: what is done for one part does not depend on the others. */
export const allScenes: readonly Scene[] = [
  ...enrichScenes,
  ...blockScenes,
  ...releaseScenes,
  sharedScene,
  opposedScene,
  ...followScenes,
];
