import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { createRig, type Rig, type Scene } from './rig.ts';
import { createEnds, finishAfter, finishRuns, type Ends } from './recovery.ts';
import type { Outcome, Undisturbed } from './undisturbed.ts';

/** Where a run is killed: before a request takes effect, or after it did and before its answer leaves. */
export interface CrashPoint {
  request: string;
  when: 'before' | 'after';
}

/** How what the killed run has asked of Defender ends before the next run; undefined: it is still open. */
export type Meanwhile = Outcome | undefined;

/** Two points for each request of the undisturbed run. */
export function crashPoints({ requests }: Undisturbed): CrashPoint[] {
  return requests.flatMap((request) => [
    { request, when: 'before' as const },
    { request, when: 'after' as const },
  ]);
}

/**
 * Kills a run at each point, lets others finish its work after each of what may happen meanwhile, and returns what is
 * wrong then, in words.
 */
export async function sweepCrashes(
  scene: Scene,
  undisturbed: Undisturbed,
  points: readonly CrashPoint[],
  options: { atATime: number; meanwhile?: readonly Meanwhile[] },
): Promise<string[]> {
  const limit = pLimit(options.atATime);
  const { meanwhile = [undefined] } = options;
  const ends = createEnds();
  const findings = await Promise.all(
    points.map((point) => limit(() => crashOnce({ scene, undisturbed, point, meanwhile, ends }))),
  );
  return findings.flat();
}

function titleOf({ name }: Scene, { request, when }: CrashPoint, meanwhile: Meanwhile): string {
  const ended = meanwhile === undefined ? '' : `, what it had asked for then ${meanwhile}`;
  return `${name}, killed ${when} ${request}${ended}`;
}

async function crashOnce(told: {
  scene: Scene;
  undisturbed: Undisturbed;
  point: CrashPoint;
  meanwhile: readonly Meanwhile[];
  ends: Ends;
}): Promise<string[]> {
  const { scene, undisturbed, point, ends } = told;
  const rig = await createRig(scene);
  try {
    const wrong = await killAt(rig, point);
    wrong.push(...namelessIsolations(rig));
    // What the killed run sent at last may still be on its way.
    await sleep(10);
    const saved = rig.save();
    const findings: string[] = [];
    for (const outcome of told.meanwhile) {
      const later = await ends(`${outcome ?? 'open'}\n${saved.print}`, () => {
        saved.restore();
        return outcome === undefined
          ? finishRuns(rig, scene, undisturbed)
          : finishAfter(rig, scene, undisturbed, outcome);
      });
      const all = [...wrong, ...later];
      if (all.length > 0) findings.push(`${titleOf(scene, point, outcome)}:\n  ${all.join('\n  ')}`);
    }
    return findings;
  } finally {
    await rig.close();
  }
}

/** Runs the command until the request arrives, or was carried out, and no further. */
async function killAt(rig: Rig, { request, when }: CrashPoint): Promise<string[]> {
  const { child, result } = rig.spawn();
  const kills: boolean[] = [];
  rig.hooks[when] = async (_entry, labels) => {
    if (kills.length > 0 || !labels.includes(request)) return;
    kills.push(child.kill('SIGKILL'));
    await result;
    // Nobody waits for this request any more; before its effect, it is to have none.
    if (when === 'before') await new Promise(() => undefined);
  };
  const { signal, code, stderr } = await result;
  rig.hooks[when] = undefined;
  return kills.length > 0 && signal === 'SIGKILL'
    ? []
    : [`the run did not make this request, but ended with ${String(code)}\n${stderr}`];
}

/** Isolations asked for by the killed run whose machine no host names: nobody could release it. */
function namelessIsolations({ simulator: { world } }: Rig): string[] {
  const asked = [...world.actions.values()].filter(
    ({ id, type }) => type === 'Isolate' && !id.startsWith('seed-'),
  );
  const named = new Set([...world.hosts.values()].flatMap(({ tags }) => tags));
  return asked
    .filter(({ machineId }) => !named.has(`id: ${machineId}`))
    .map(({ machineId }) => `machine ${machineId} was isolated and no host carries its id`);
}
