import type { Rig, Scene } from './rig.ts';
import { differences, stateOf, writesOf } from './state.ts';
import type { Outcome, Undisturbed } from './undisturbed.ts';

const mostRuns = 3;
const mostRounds = 5;

/** Returns what is wrong in the end; `play` finds it out. */
export type Ends = (from: string, play: () => Promise<string[]>) => Promise<string[]>;

/** What is the same in all that the next run can see ends the same: it is played once. `from` names it. */
export function createEnds(): Ends {
  const known = new Map<string, Promise<string[]>>();
  return (from, play) => {
    const end = known.get(from) ?? play();
    known.set(from, end);
    return end;
  };
}

/** Lets undisturbed runs finish what a disturbed one began, and returns what is not as it should be then. */
export async function finishRuns(rig: Rig, scene: Scene, undisturbed: Undisturbed): Promise<string[]> {
  const { world } = rig.simulator;
  const wrong = await runUntil(rig, scene, undisturbed.state, 'after the runs');
  world.settleActions();
  wrong.push(...(await runUntil(rig, scene, undisturbed.settled, 'after Defender has done what was asked')));
  return [...wrong, ...harmDone(rig), ...strayWrites(rig, scene, undisturbed.writes)];
}

async function runUntil(
  rig: Rig,
  scene: Scene,
  expected: readonly string[],
  when: string,
): Promise<string[]> {
  for (let run = 1; ; run++) {
    const { code, stderr } = await rig.runHere();
    if (code === 70) return [`a bug in a later run:\n${stderr}`];
    const wrong = differences(expected, stateOf(rig.simulator, scene.twins));
    if (wrong.length === 0) return [];
    if (run === mostRuns) return wrong.map((line) => `${when}: ${line}`);
    rig.outwait();
  }
}

/** The same, with what the program asked of Defender ending so before each of the runs. */
export async function finishAfter(
  rig: Rig,
  scene: Scene,
  undisturbed: Undisturbed,
  outcome: Outcome,
): Promise<string[]> {
  const expected = undisturbed.ends[outcome];
  let wrong: string[] = [];
  for (let round = 1; round <= mostRounds; round++) {
    endActions(rig, outcome);
    const { code, stderr } = await rig.runHere();
    if (code === 70) return [`a bug in a later run:\n${stderr}`];
    wrong = differences(expected.state, stateOf(rig.simulator, scene.twins));
    if (wrong.length === 0) break;
    rig.outwait();
  }
  return [...wrong, ...harmDone(rig), ...strayWrites(rig, scene, expected.writes)];
}

/** The open actions that the program asked for end so. */
export function endActions({ simulator: { world } }: Rig, outcome: Outcome): number {
  const open = [...world.actions.values()].filter(
    ({ id, status, machineId }) =>
      !id.startsWith('seed-') && status === 'Pending' && world.machine(machineId).online,
  );
  for (const { id } of open) world.advanceAction(id, outcome);
  return open.length;
}

/** Harm that the simulator has seen. */
export function harmDone({ simulator: { world } }: Rig): string[] {
  return world.violations.map((harm) => `harm: ${harm}`);
}

/** What was written that an undisturbed run never writes. */
export function strayWrites(rig: Rig, scene: Scene, writes: ReadonlySet<string>): string[] {
  return [...writesOf(rig.simulator, scene.twins)]
    .filter((words) => !writes.has(words))
    .map((words) => `stray write: ${words}`);
}
