import { expect, it } from 'vitest';
import { faultNames } from './exit-codes.ts';
import { sweepFaults } from './fault.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed } from './undisturbed.ts';

it('whatever a request of a run is answered with, the run does no harm and the next ones finish its work', async () => {
  const undisturbed = await playUndisturbed(smallScene);
  // Each request with one of the faults in turn; every other one lasts for the rest of the run.
  const points = undisturbed.requests.flatMap((request, at) => {
    const fault = faultNames[at % faultNames.length];
    return fault === undefined ? [] : [{ request, fault, lasts: at % 2 === 1 }];
  });

  const findings = await sweepFaults(smallScene, undisturbed, points, { atATime: 4 });

  process.stdout.write(`fault sweep: ${points.length} faults in ${smallScene.name}\n`);
  expect(findings).toEqual([]);
}, 300_000);
