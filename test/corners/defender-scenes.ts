import { expect } from 'vitest';
import type { Outcome } from '../harness.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { line, minute, moveTo, ownTags, told, toldIds, type Stage } from './rig.ts';

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

/** Moves the clock to the day so many days after the start, at the hour of the start. */
export function moveToDay(stage: Stage, day: number): void {
  moveTo(stage, day * 24 * 60);
}

/** Another machine, at an address of its own. */
export function addMachine({ simulator: { world } }: Stage, name: string): SimMachine {
  return world.addMachine({ computerDnsName: `${name}.contoso.example` });
}

/** When the isolation that the report names of the host ends, to the minute; `none` where no time is told. */
export function untilOf(outcome: Outcome, host: SimHost): string {
  const { action } = told(outcome, host);
  return typeof action?.until === 'string' ? minute(Date.parse(action.until)) : 'none';
}

/** What Defender may record of an isolation that it lifts by itself. */
export const recordedLifts = ['null comment', 'empty comment'] as const;

/** Day 0: a host was isolated for its block tag, and a run has told so. */
export async function isolateOnDay0(stage: Stage): Promise<{ host: SimHost; machine: SimMachine }> {
  const { world, ledger } = stage.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });
  await stage.run(line);
  await settle(stage, 10);
  expect(ownTags(host, machine)).toEqual(['Manual block:2026-11-24 12:00', 'id: PC', 'isolation: Succeeded']);
  ledger.clear();
  return { host, machine };
}

/** A host with this trigger and its machine, which nobody isolated. */
export function addAsking(
  { simulator: { world } }: Stage,
  trigger: string,
): { host: SimHost; machine: SimMachine } {
  return world.addPair({ tags: [trigger] });
}
