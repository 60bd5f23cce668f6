import pLimit from 'p-limit';
import { createRig, type Rig, type Scene } from './rig.ts';
import { finishAfter, finishRuns } from './recovery.ts';
import type { Outcome, Undisturbed } from './undisturbed.ts';

/** Where a run is killed: before a request takes effect, or after it did and before its answer leaves. */
export interface CrashPoint {
  request: string;
  when: 'before' | 'after';
  /** How what the killed run has asked of Defender ends before the next run; still open if left out. */
  meanwhile?: Outcome | undefined;
}

/** Two points for each request of the undisturbed run. */
export function crashPoints({ requests }: Undisturbed, meanwhile?: Outcome): CrashPoint[] {
  return requests.flatMap((request) => [
    { request, when: 'before' as const, meanwhile },
    { request, when: 'after' as const, meanwhile },
  ]);
}

/** Kills a run at each point, lets others finish its work, and returns what is wrong then, in words. */
export async function sweepCrashes(
  scene: Scene,
  undisturbed: Undisturbed,
  points: readonly CrashPoint[],
  options: { atATime: number },
): Promise<string[]> {
  const limit = pLimit(options.atATime);
  const findings = await Promise.all(
    points.map((point) =>
      limit(async () => {
        const wrong = await crashOnce(scene, undisturbed, point);
        return wrong.length === 0 ? [] : [`${titleOf(scene, point)}:\n  ${wrong.join('\n  ')}`];
      }),
    ),
  );
  return findings.flat();
}

function titleOf({ name }: Scene, { request, when, meanwhile }: CrashPoint): string {
  const ended = meanwhile === undefined ? '' : `, what it had asked for then ${meanwhile}`;
  return `${name}, killed ${when} ${request}${ended}`;
}

async function crashOnce(scene: Scene, undisturbed: Undisturbed, point: CrashPoint): Promise<string[]> {
  const rig = await createRig(scene);
  try {
    const wrong = await killAt(rig, point);
    wrong.push(...namelessIsolations(rig));
    const { meanwhile } = point;
    const later =
      meanwhile === undefined
        ? await finishRuns(rig, scene, undisturbed)
        : await finishAfter(rig, scene, undisturbed, meanwhile);
    return [...wrong, ...later];
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
