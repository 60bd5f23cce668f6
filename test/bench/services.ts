import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { Settings } from '../simulator/settings.ts';
import { createSimulator } from '../simulator/simulator.ts';
import { addFleet, type FleetOptions } from './fleet.ts';

/** What the services have seen since they were last asked. */
const Seen = z.object({
  /** How often each call came, by its name in the simulator's ledger. */
  calls: z.record(z.string(), z.number()),
  byService: z.object({ detect: z.number(), login: z.number(), atp: z.number() }),
  writes: z.number(),
  /** Answers that refused a call for its quota. */
  throttled: z.number(),
  /** The most requests that Detect had at once. */
  peakAtDetect: z.number(),
  violations: z.array(z.string()),
});
export type Seen = z.infer<typeof Seen>;

const Ready = z.object({ config: z.record(z.string(), z.unknown()) });

const Ask = z.union([
  z.object({
    fleet: z.object({
      hosts: z.number(),
      otherMachines: z.number().optional(),
    }),
    settings: z.object({
      latencyMs: z.number(),
      quotas: z.object({ perMinute: z.number(), perHour: z.number() }).optional(),
    }),
  }),
  z.literal('seen'),
]);
type Ask = z.infer<typeof Ask>;

/** The simulated services in a process of their own, so that their work is not measured as the command's. */
export interface Services {
  /** A whole, valid configuration of atp for these services. */
  readonly config: Record<string, unknown>;
  /** What they have seen since the last time; the count begins anew. */
  seen(): Promise<Seen>;
  close(): Promise<void>;
}

/** Starts the services over a fleet. */
export async function startServices(
  fleet: FleetOptions,
  settings: Pick<Settings, 'latencyMs' | 'quotas'>,
): Promise<Services> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { execArgv: ['--import', 'tsx'] });
  const { config } = Ready.parse(await ask(child, { fleet, settings }));
  return {
    config,
    async seen() {
      return Seen.parse(await ask(child, 'seen'));
    },
    close() {
      return new Promise((resolve) => {
        child.once('exit', () => {
          resolve();
        });
        child.disconnect();
      });
    },
  };
}

function ask(child: ChildProcess, message: Ask): Promise<unknown> {
  return new Promise((resolve, reject) => {
    function fail(): void {
      reject(new Error('the services have ended'));
    }
    child.once('exit', fail);
    child.once('message', (answer) => {
      child.off('exit', fail);
      resolve(answer);
    });
    child.send(message);
  });
}

/** The services' side: one question, one answer, until the other side goes. */
async function serve(): Promise<void> {
  const simulators: Awaited<ReturnType<typeof createSimulator>>[] = [];
  process.once('disconnect', () => {
    process.exit();
  });
  for await (const message of messages()) {
    const asked = Ask.parse(message);
    if (asked === 'seen') {
      process.send?.(simulators.map((simulator) => look(simulator))[0]);
      continue;
    }
    const simulator = await createSimulator(asked.settings);
    addFleet(simulator.world, asked.fleet);
    simulators.push(simulator);
    process.send?.({ config: simulator.config() });
  }
}

async function* messages(): AsyncGenerator {
  for (;;) {
    yield await new Promise((resolve) => process.once('message', resolve));
  }
}

function look({ ledger, world }: Awaited<ReturnType<typeof createSimulator>>): Seen {
  const calls: Record<string, number> = {};
  for (const { call } of ledger.entries) calls[call] = (calls[call] ?? 0) + 1;
  const seen: Seen = {
    calls,
    byService: ledger.calls(),
    writes: ledger.writes().length,
    throttled: ledger.entries.filter(({ status }) => status === 429).length,
    peakAtDetect: ledger.peak('detect'),
    violations: [...world.violations],
  };
  ledger.clear();
  return seen;
}

if (process.argv[2] === 'serve') await serve();
