import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHarness, startOfTime } from '../harness.ts';
import type { JsonObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import { spawnAtp, type RunningAtp } from '../simulator/run-atp.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { createLabels } from './labels.ts';
import { createStage, type Stage } from './stage.ts';
import { save, type Saved } from './saved.ts';
import type { Twins } from './state.ts';

/** Hosts and machines at the start, and the command line that is run on them. */
export interface Scene {
  name: string;
  args: readonly string[];
  /** Beside the simulator's configuration. */
  config: JsonObject;
  build(stage: Stage): void;
  /** Hosts of the scene are one machine, so that what is done for one depends on what became of the other. */
  sharesMachines?: boolean;
  /** A host that is not read in a run leaves the other one's request to be met by itself: nobody knows of the first. */
  contradictsItself?: boolean;
  /** What is missing from the notes, and why, when they cannot be read or written for a whole run. */
  lostNotes?: Twins;
  /** What a killed run may change in the words of its successor's notes, and why, is told where a scene has some. */
  twins?: Twins;
}

/** How a run ended that was not killed. */
export interface RunEnd {
  code: number | null;
  /** The log. */
  stderr: string;
}

/** Called for a request of a run; `stop` interrupts a run in this process as SIGTERM does. */
export type Hook = (entry: Entry, labels: readonly string[], stop: () => void) => void | Promise<void>;

/** One simulator with one scene, and a cache that outlives the runs; each run begins two minutes after the one before. */
export interface Rig {
  readonly simulator: Simulator;
  /** Called around each request, with its names in the run that goes on, as {@link createLabels} makes them. */
  readonly hooks: { before?: Hook | undefined; after?: Hook | undefined };
  /** Names of a request of the run that goes on. */
  labelsOf(entry: Entry): readonly string[];
  /** A run of the built command. */
  spawn(): RunningAtp;
  /** A run in this process, over real sockets. */
  runHere(): Promise<RunEnd>;
  /** Everything as it is between two runs, the time included. */
  save(): Saved;
  /** Lets sixteen minutes pass: a POST without an answer holds its machine for fifteen. */
  outwait(): void;
  close(): Promise<void>;
}

const betweenRuns = 120_000;
const holdMs = 16 * 60_000;
const nothing = (): void => undefined;

/** Sets a scene up. */
export async function createRig(scene: Scene, overrides: JsonObject = {}): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'atp-sweep-'));
  const cacheDir = join(dir, 'cache');
  const config = { ...scene.config, ...overrides, cacheDir };
  const harness = await createHarness({ config, requestMs: 1 });
  const { simulator, clock } = harness;
  scene.build(createStage(simulator));
  const hooks: Rig['hooks'] = {};
  let runs = 0;
  let waitedMs = 0;
  let labels = createLabels();

  function beginRun(): void {
    clock.advance(Math.max(0, startOfTime + runs * betweenRuns + waitedMs - clock.now()));
    runs += 1;
    labels = createLabels();
  }

  /** Every request is named when it arrives, whoever asks for its name later. */
  function before(entry: Entry, stop: () => void = nothing): void | Promise<void> {
    const names = labels.of(entry);
    return hooks.before?.(entry, names, stop);
  }

  function after(entry: Entry): void | Promise<void> {
    return hooks.after?.(entry, labels.of(entry), nothing);
  }

  return {
    simulator,
    hooks,
    labelsOf: (entry) => labels.of(entry),
    spawn() {
      beginRun();
      const shift = join(dir, 'shift.cjs');
      const offset = String(clock.now() - Date.now());
      writeFileSync(shift, `const now = Date.now; Date.now = () => now() + ${offset};\n`);
      Object.assign(simulator.hooks, { before, after });
      return spawnAtp(scene.args, {
        config: simulator.config(config),
        env: { NODE_OPTIONS: `--require=${shift}` },
      });
    },
    runHere() {
      beginRun();
      return harness.run(scene.args, { before, after });
    },
    save() {
      const kept = { runs, waitedMs, now: clock.now() };
      const { print, restore } = save(simulator, cacheDir);
      return {
        print,
        restore() {
          ({ runs, waitedMs } = kept);
          clock.advance(kept.now - clock.now());
          restore();
        },
      };
    },
    outwait() {
      waitedMs += holdMs;
    },
    async close() {
      await harness.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
