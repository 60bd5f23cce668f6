import { expect, it } from 'vitest';
import { faultNames, isFinal } from './exit-codes.ts';
import { sweepFaults } from './fault.ts';
import { allScenes } from './scenes/all.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed } from './undisturbed.ts';

it.each([smallScene, ...allScenes])(
  '$name: whatever a request of a run is answered with, the run does no harm and the next ones finish its work',
  async (scene) => {
    const undisturbed = await playUndisturbed(scene);
    const points = undisturbed.requests.flatMap((request) =>
      faultNames.flatMap((fault) =>
        [false, true]
          .filter((lasts) => !(scene.contradictsItself && (lasts || isFinal(fault))))
          .map((lasts) => ({ request, fault, lasts })),
      ),
    );

    const findings = await sweepFaults(scene, undisturbed, points, { atATime: 8 });

    process.stdout.write(`fault sweep: ${points.length} faults in "${scene.name}"\n`);
    expect(findings).toEqual([]);
  },
  3_600_000,
);
