import { expect, it } from 'vitest';
import { crashPoints, sweepCrashes } from './crash.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed } from './undisturbed.ts';

it('whichever request of a run it is killed at, the next runs finish its work', async () => {
  const undisturbed = await playUndisturbed(smallScene);
  // Before a request the world is as after the one before: the other half is told by the long sweep.
  const points = crashPoints(undisturbed).filter(({ when }) => when === 'after');

  const findings = await sweepCrashes(smallScene, undisturbed, points, { atATime: 2 });

  process.stdout.write(`crash sweep: ${points.length} crash points in ${smallScene.name}\n`);
  expect(findings).toEqual([]);
  expect(undisturbed.exitCode).toBe(0);
  expect(points.length).toBeGreaterThan(50);
}, 300_000);
