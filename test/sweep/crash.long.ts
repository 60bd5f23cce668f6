import { expect, it } from 'vitest';
import { crashPoints, sweepCrashes, type Meanwhile } from './crash.ts';
import { allScenes } from './scenes/all.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed } from './undisturbed.ts';

const outcomes: readonly Meanwhile[] = [undefined, 'Succeeded', 'Failed'];

it.each([smallScene, ...allScenes])(
  '$name: whichever request of a run it is killed at, the next runs finish its work',
  async (scene) => {
    const undisturbed = await playUndisturbed(scene);
    // What the killed run had asked for may have ended by the next one; hosts that share a machine then see another world.
    const meanwhile = undisturbed.asks && !scene.sharesMachines ? outcomes : [undefined];
    const points = crashPoints(undisturbed);

    const findings = await sweepCrashes(scene, undisturbed, points, { atATime: 4, meanwhile });

    process.stdout.write(
      `crash sweep: ${points.length * meanwhile.length} crash points in "${scene.name}"\n`,
    );
    expect(findings).toEqual([]);
  },
  3_600_000,
);
