import pLimit from 'p-limit';
import { allowedExits, type FaultName } from './exit-codes.ts';
import { createEnds, finishRuns, harmDone, strayWrites, type Ends } from './recovery.ts';
import { createRig, type Rig, type Scene } from './rig.ts';
import { differences, stateOf, type Twins } from './state.ts';
import type { Undisturbed } from './undisturbed.ts';

/** One request of a run that meets a fault: only once, or as often as the run makes it. */
export interface FaultPoint {
  request: string;
  fault: FaultName;
  lasts: boolean;
}

/** Plays each fault in a run of its own, lets others finish the work, and returns what is wrong then, in words. */
export async function sweepFaults(
  scene: Scene,
  undisturbed: Undisturbed,
  points: readonly FaultPoint[],
  options: { atATime: number },
): Promise<string[]> {
  const limit = pLimit(options.atATime);
  const ends = createEnds();
  const findings = await Promise.all(
    points.map((point) =>
      limit(async () => {
        const wrong = await faultOnce(scene, undisturbed, point, ends);
        const { fault, lasts, request } = point;
        const title = `${scene.name}, ${fault} ${lasts ? 'every time' : 'once'} for ${request}`;
        return wrong.length === 0 ? [] : [`${title}:\n  ${wrong.join('\n  ')}`];
      }),
    ),
  );
  return findings.flat();
}

async function faultOnce(told: Scene, usual: Undisturbed, point: FaultPoint, ends: Ends): Promise<string[]> {
  const blurred = blurredBy(point, told);
  const scene = { ...told, twins: [...(told.twins ?? []), ...blurred] };
  const undisturbed = blur(usual, blurred);
  const rig = await createRig(scene, { http: { timeoutSeconds: 1 } });
  try {
    const wrong = await runWithFault(rig, scene, undisturbed, point);
    const isDone = differences(undisturbed.state, stateOf(rig.simulator, scene.twins)).length === 0;
    if (isDone) wrong.push(...harmDone(rig), ...strayWrites(rig, scene, undisturbed.writes));
    else {
      // What may differ in the end is part of what is expected of it.
      const from = `${blurred.map(([twin]) => String(twin)).join('\n')}\n${rig.save().print}`;
      wrong.push(...(await ends(from, () => finishRuns(rig, scene, undisturbed))));
    }
    return wrong;
  } finally {
    await rig.close();
  }
}

/** The answer to a request does not wait for alerts: its note may say that they are not known, until the next enrichment. */
const anyAlerts = [/(\*\*Alerts & severity:\*\* ).*/gu, '$1<somehow>'] as const;

/** While the record of a held machine is not known, its note tells of the machine of the `id:` tag. */
const anyMachine = [/^(note .*- \*\*(?:Machine|Portal):\*\* ).*/u, '$1<somehow>'] as const;

/** What may differ after a fault of this request, so that it is told alike everywhere. */
function blurredBy({ request }: FaultPoint, { lostNotes = [] }: Scene): Twins {
  if (request.startsWith('alerts ')) return [anyAlerts];
  if (request.startsWith('machineactions ')) return [anyMachine];
  return request.startsWith('note') ? lostNotes : [];
}

function blur({ state, settled, writes, ...others }: Undisturbed, blurred: Twins): Undisturbed {
  const neutral = (line: string) => blurred.reduce((left, [twin, usual]) => left.replace(twin, usual), line);
  const lines = (all: readonly string[]) => all.map(neutral).filter((line) => line !== '');
  return { ...others, state: lines(state), settled: lines(settled), writes: new Set(lines([...writes])) };
}

async function runWithFault(
  rig: Rig,
  scene: Scene,
  { exitCode, state }: Undisturbed,
  { request, fault, lasts }: FaultPoint,
): Promise<string[]> {
  const { faults } = rig.simulator;
  const subject = request.replace(/ #\d+$/u, '');
  let played = '';
  faults.add({
    kind: fault,
    match(entry) {
      const labels = rig.labelsOf(entry);
      const isMeant = lasts
        ? labels.some((label) => label.startsWith(`${subject} #`))
        : labels.includes(request);
      if (isMeant) played = entry.call;
      return isMeant;
    },
  });
  const { code, stderr } = await rig.runHere();
  faults.clear();

  if (played === '') return ['the run did not make this request'];
  const allowed = allowedExits({ call: played, fault, lasts, otherwise: exitCode });
  // Who has done all there is to do, by another way, says so.
  const isDone = differences(state, stateOf(rig.simulator, scene.twins)).length === 0;
  return allowed.includes(code ?? -1) || (isDone && code === exitCode && fault !== '401')
    ? []
    : [`the run ended with ${String(code)} instead of ${allowed.join(' or ')}\n${stderr}`];
}
