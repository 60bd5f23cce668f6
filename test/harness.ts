import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../src/clock.ts';
import { InterruptedError } from '../src/errors.ts';
import { main } from '../src/main.ts';
import { parseOptions } from '../src/command-line/options.ts';
import type { JsonObject } from './simulator/json.ts';
import type { Entry } from './simulator/ledger.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from './simulator/simulator.ts';

/** 2026-11-24T12:00:20Z, a Tuesday: not on a full minute, since tags keep minutes. */
export const startOfTime = Date.UTC(2026, 10, 24, 12, 0, 20);

/** A clock for the program and the simulator alike, that stands still unless somebody sleeps or it is moved. */
export interface SharedClock extends Clock {
  advance(ms: number): void;
}

/** Real milliseconds for which nothing but sleepers may be left before time jumps to the first of them. */
const settleMs = 2;

/** Makes the clock. Who sleeps is woken in order of time, each after a moment in which requests under way can end. */
export function createSharedClock(start = startOfTime): SharedClock {
  let time = start;
  let timer: NodeJS.Timeout | undefined;
  const sleepers = new Set<{ at: number; wake: () => void }>();

  function wakeNext(): void {
    timer = undefined;
    const next = [...sleepers].sort((one, other) => one.at - other.at)[0];
    if (!next) return;
    time = Math.max(time, next.at);
    sleepers.delete(next);
    next.wake();
    arm();
  }

  function arm(): void {
    if (sleepers.size > 0) timer ??= setTimeout(wakeNext, settleMs);
  }

  return {
    now: () => time,
    advance(ms) {
      time += ms;
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        const sleeper = { at: time + Math.max(0, ms), wake };
        function wake(): void {
          signal?.removeEventListener('abort', stop);
          resolve();
        }
        function stop(): void {
          sleepers.delete(sleeper);
          const reason: unknown = signal?.reason;
          reject(reason instanceof Error ? reason : new Error('woken early'));
        }
        if (signal?.aborted) {
          stop();
          return;
        }
        signal?.addEventListener('abort', stop, { once: true });
        sleepers.add(sleeper);
        arm();
      });
    },
  };
}

const result = z.enum([
  'conflict',
  'failed',
  'deferred',
  'refused',
  'isolated',
  'released',
  'enriched',
  'unchanged',
]);
const count = z.int().nonnegative();
const HostReport = z.strictObject({
  id: z.int(),
  name: z.string().nullable(),
  reasons: z.array(z.enum(['tag', 'tc', 'block', 'unblock', 'pending'])).min(1),
  machine: z
    .strictObject({
      id: z.string(),
      computerDnsName: z.string().nullable(),
      evidence: z.enum(['confirmed', 'ip only', 'conflict', 'by id']),
    })
    .nullable(),
  action: z
    .strictObject({
      type: z.enum(['isolate', 'release']),
      id: z.string().nullable(),
      status: z.string(),
      /** When Defender lifts the isolation by itself; null for a release, or where it never does. */
      until: z.iso.datetime().nullable(),
    })
    .nullable(),
  tags: z.strictObject({ added: z.array(z.string()), removed: z.array(z.string()) }),
  note: z.enum(['created', 'updated', 'unchanged']).nullable(),
  result,
  detail: z.string().min(1),
});
const Report = z.strictObject({
  schema: z.literal(1),
  version: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  dryRun: z.boolean(),
  exitCode: z.int(),
  counts: z.strictObject({
    selected: count,
    ...Object.fromEntries(result.options.map((name) => [name, count])),
  }),
  calls: z.strictObject({ detect: count, login: count, atp: count }),
  hosts: z.array(HostReport),
});
export type Report = z.infer<typeof Report>;

/** What a run in this process came to. */
export interface Outcome {
  code: number;
  /** The JSON report, its form verified; undefined where none was printed. */
  report: Report | undefined;
  /** Standard output as it is. */
  stdout: string;
  /** The log, JSON lines. */
  stderr: string;
}

export interface Harness {
  readonly simulator: Simulator;
  readonly clock: SharedClock;
  /** The folder with the configuration and, in `cache`, the cache. */
  readonly dir: string;
  /**
   * Runs the command in this process, over real sockets, with `--json` and a configuration for the simulator. The cache
   * is kept from run to run.
   * @param args as on the command line, e.g. `--blocktag block`
   */
  run(
    args: readonly string[],
    options?: {
      /** Merged into the configuration for this run. */
      overrides?: JsonObject;
      /** Before each request of this run is carried out. */
      before?: (entry: Entry, stop: () => void) => void | Promise<void>;
      /** After each request was carried out, before it is answered. */
      after?: (entry: Entry) => void | Promise<void>;
    },
  ): Promise<Outcome>;
  close(): Promise<void>;
}

/** Starts a simulator and gets ready to run the command against it, both by one clock. */
export async function createHarness(
  options: SimulatorOptions & {
    config?: JsonObject;
    /** By how much each request moves the clock. */
    requestMs?: number;
  } = {},
): Promise<Harness> {
  const { config = {}, requestMs = 40, ...simulated } = options;
  const clock = createSharedClock();
  const simulator = await createSimulator({ ...simulated, clock });
  const dir = mkdtempSync(join(tmpdir(), 'atp-harness-'));
  const file = join(dir, 'config.json');

  return {
    simulator,
    clock,
    dir,
    async run(args, { overrides = {}, before, after } = {}) {
      const whole = simulator.config({ cacheDir: join(dir, 'cache'), ...config });
      writeFileSync(file, JSON.stringify(merge(whole, overrides)), { mode: 0o600 });
      const stop = new AbortController();
      simulator.hooks.before = async (entry) => {
        clock.advance(requestMs);
        await before?.(entry, () => {
          stop.abort(new InterruptedError('SIGTERM'));
        });
      };
      simulator.hooks.after = after;
      let stdout = '';
      let stderr = '';
      const io = {
        version: '0.0.0-test',
        writeOut: (text: string) => {
          stdout += text;
          return Promise.resolve();
        },
        writeErr: (text: string) => {
          stderr += text;
        },
      };
      const parsed = parseOptions([...args, '--json', '--config', file], io);
      const code =
        'exit' in parsed
          ? parsed.exit
          : await main(parsed, {
              ...io,
              env: {},
              cwd: dir,
              uid: process.getuid?.(),
              terminal: false,
              stop: stop.signal,
              clock,
            });
      simulator.hooks.before = undefined;
      simulator.hooks.after = undefined;
      const report = stdout === '' ? undefined : Report.parse(JSON.parse(stdout));
      return { code, report, stdout, stderr };
    },
    async close() {
      await simulator.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: JsonObject = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    merged[name] = isPlain(below) && isPlain(value) ? merge(below, value) : value;
  }
  return merged;
}

function isPlain(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
