import { expect, it } from 'vitest';
import { faultNames } from './exit-codes.ts';
import { sweepFaults } from './fault.ts';
import { smallScene } from './scenes/small.ts';
import { playUndisturbed } from './undisturbed.ts';

it('whatever a request of a run is answered with, the run does no harm and the next ones finish its work', async () => {
  const undisturbed = await playUndisturbed(smallScene);
  // Each request with two of the faults in turn, once and for the rest of the run.
  const points = undisturbed.requests.flatMap((request, at) =>
    [at, at + 4].flatMap((turn) => {
      const fault = faultNames[turn % faultNames.length];
      return fault === undefined ? [] : [{ request, fault, lasts: turn > at }];
    }),
  );

  const findings = await sweepFaults(smallScene, undisturbed, points, { atATime: 8 });

  process.stdout.write(`fault sweep: ${points.length} faults in ${smallScene.name}\n`);
  expect(findings).toEqual([]);
}, 300_000);
