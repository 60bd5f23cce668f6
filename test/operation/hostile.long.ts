import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../http/server.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSimulator } from '../simulator/simulator.ts';
import { hostilities, runHostile } from './hostile.ts';

let visitors = 0;
const trap = createServer((_request, response) => response.end('{}'));
trap.on('connection', () => (visitors += 1));
let elsewhere: string;

beforeAll(async () => {
  elsewhere = `http://127.0.0.1:${await listen(trap)}`;
});
afterAll(() => {
  trap.close();
});

it('whatever the services answer, a run ends in an orderly way, harms nobody and goes nowhere else', async () => {
  await fc.assert(
    fc.asyncProperty(hostilities, async (hostile) => {
      const { complaints } = await runHostile(hostile, elsewhere);
      expect(complaints).toEqual([]);
      expect(visitors).toBe(0);
    }),
    { numRuns: Number(process.env['HOSTILE_RUNS'] ?? 600) },
  );
});

describe('answers of 50 MB fit into 256 MiB of heap', () => {
  const calls =
    'search tags host notes note-create tag-add token findbyip machineactions alerts isolate'.split(' ');
  /** Valid JSON, and of the kind that grows most when it is read. */
  const huge = `{"value":[${'{"id":"x"},'.repeat(4_500_000)}{}],"results":[]}`;

  it.each(calls)('to the call %s', async (call) => {
    const simulator = await createSimulator();
    simulator.world.addPair({ tags: ['block'] });
    simulator.world.addPair({ tags: ['host_context'] });
    simulator.hooks.answer = (entry, own) =>
      entry.call === call
        ? { status: 200, headers: { 'content-type': 'application/json' }, body: huge }
        : own;

    const { code, stderr } = await runAtp('--tag host_context --blocktag block --json'.split(' '), {
      simulator,
      env: { NODE_OPTIONS: '--max-old-space-size=256' },
      timeoutMs: 240_000,
    });
    await simulator.close();

    expect([0, 1, 69, 78]).toContain(code);
    expect(stderr).not.toMatch(/heap out of memory|a bug in atp/u);
  });
});
