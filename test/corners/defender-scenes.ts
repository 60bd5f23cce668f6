import { expect } from 'vitest';
import type { Outcome } from '../harness.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { line, moveTo, toldIds, type Stage } from './rig.ts';

/** A host whose tags tell of an action that Defender has never heard of, on its own machine. */
export function addOrphan(stage: Stage, ...tags: string[]): { host: SimHost; machine: SimMachine } {
  const { host, machine } = stage.simulator.world.addPair();
  host.tags.push(`id: ${machine.id}`, ...tags);
  return { host, machine };
}

/** So many minutes after the start, a run finds nothing to do: two calls to Detect, none to Defender, no write. */
export async function expectQuiet(stage: Stage, minutesAfterStart: number): Promise<void> {
  const { ledger } = stage.simulator;
  moveTo(stage, minutesAfterStart);
  ledger.clear();
  const outcome = await stage.run(line);
  expect(outcome.code).toBe(0);
  expect(toldIds(outcome)).toEqual([]);
  expect(ledger.writes()).toEqual([]);
  expect(ledger.calls()).toMatchObject({ login: 0, atp: 0 });
  expect(ledger.calls().detect).toBeLessThanOrEqual(2);
}

/** So many minutes after the start, open actions have been carried out, and a run tells so. */
export function settle(stage: Stage, minutesAfterStart: number): Promise<Outcome> {
  stage.simulator.world.settleActions();
  moveTo(stage, minutesAfterStart);
  return stage.run(line);
}
