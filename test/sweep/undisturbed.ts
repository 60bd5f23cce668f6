import { endActions, harmDone } from './recovery.ts';
import { createRig, type Rig, type Scene } from './rig.ts';
import { idleWritesOf, noteLinesOf, stateOf, writesOf } from './state.ts';

/** How the actions that the program asks for end. */
export type Outcome = 'Succeeded' | 'Failed';

/** What a scene comes to when nothing goes wrong. */
export interface Undisturbed {
  /** The requests of the first run, by their names. */
  requests: string[];
  exitCode: number | null;
  /** The first run asks Defender for isolations or releases. */
  asks: boolean;
  /** Everything after the runs, and again after Defender has carried out what is open and a run has followed it. */
  state: string[];
  settled: string[];
  /** Everything that is ever written, or is written already in the end. */
  writes: Set<string>;
  /** The same where nothing but the program's own actions goes on, and ends so. */
  ends: Record<Outcome, { state: string[]; writes: Set<string> }>;
}

/** Plays a scene without disturbance, and makes sure that the runs come to rest and do no harm. */
export async function playUndisturbed(scene: Scene): Promise<Undisturbed> {
  const rig = await createRig(scene);
  try {
    const { simulator } = rig;
    const noted = noteLinesOf(simulator, scene.twins);
    const requests: string[] = [];
    rig.hooks.before = (_entry, labels) => void requests.push(...labels);
    const { code: exitCode } = await rig.runHere();
    rig.hooks.before = undefined;
    const asks = ['isolate', 'unisolate'].some((call) => simulator.ledger.count(call) > 0);
    await expectRest(rig, scene);
    const state = stateOf(simulator, scene.twins);

    simulator.world.settleActions();
    await rig.runHere();
    await expectRest(rig, scene);
    const settled = stateOf(simulator, scene.twins);
    // A note that is brought up to date keeps the lines that stood in it.
    const writes = new Set([...allWrites(rig, scene), ...noted]);
    const ends = { Succeeded: await playTo('Succeeded', scene), Failed: await playTo('Failed', scene) };
    return { requests, exitCode, asks, state, settled, writes, ends };
  } finally {
    await rig.close();
  }
}

async function playTo(outcome: Outcome, scene: Scene): Promise<{ state: string[]; writes: Set<string> }> {
  const rig = await createRig(scene);
  try {
    do await rig.runHere();
    while (endActions(rig, outcome) > 0);
    await expectRest(rig, scene);
    return { state: stateOf(rig.simulator, scene.twins), writes: allWrites(rig, scene) };
  } finally {
    await rig.close();
  }
}

function allWrites({ simulator }: Rig, { twins }: Scene): Set<string> {
  return new Set([...writesOf(simulator, twins), ...idleWritesOf(simulator, twins)]);
}

async function expectRest(rig: Rig, { name }: Scene): Promise<void> {
  const { ledger } = rig.simulator;
  const before = ledger.writes().length;
  const { stderr } = await rig.runHere();
  const more = ledger.writes().slice(before);
  const words = [
    ...more.map(({ call, path, body }) => `not at rest: ${call} ${path} ${JSON.stringify(body)}`),
    ...harmDone(rig),
  ];
  if (words.length > 0) throw new Error(`${name}:\n${words.join('\n')}\n${stderr}`);
}
