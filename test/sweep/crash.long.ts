import { expect, it } from 'vitest';
import { crashPoints, sweepCrashes } from './crash.ts';
import { allScenes } from './scenes/all.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed, type Outcome } from './undisturbed.ts';

const outcomes: readonly (Outcome | undefined)[] = [undefined, 'Succeeded', 'Failed'];

it.each([smallScene, ...allScenes])(
  '$name: whichever request of a run it is killed at, the next runs finish its work',
  async (scene) => {
    const undisturbed = await playUndisturbed(scene);
    // What the killed run had asked for may have ended by the next one; hosts that share a machine then see another world.
    const outcomesHere = undisturbed.asks && !scene.sharesMachines ? outcomes : [undefined];
    const points = outcomesHere.flatMap((meanwhile) => crashPoints(undisturbed, meanwhile));

    const findings = await sweepCrashes(scene, undisturbed, points, { atATime: 4 });

    process.stdout.write(`crash sweep: ${points.length} crash points in "${scene.name}"\n`);
    expect(findings).toEqual([]);
  },
  3_600_000,
);
