import { readdir } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject, type JsonObject } from '../simulator/json.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { detectState, errorsOf, it, logOf, minute, run } from './rig.ts';

const line = '--status --blocktag block --unblocktag unblock'.split(' ');
const json = [...line, '--json'];
const dayMs = 86_400_000;

/** A host whose machine this program isolated so many milliseconds ago. */
function addHeld(
  { world, settings, detectUrl }: Simulator,
  ago = dayMs,
  more: readonly string[] = [],
): { host: SimHost; machine: SimMachine; since: string } {
  const { host, machine } = world.addPair();
  const createdAt = Math.floor(Date.now() / 1_000) * 1_000 - ago;
  const asked = new Date(createdAt).toISOString().slice(0, 19);
  const comment = `atp isolate; brain ${new URL(detectUrl).host}; host ${host.id}; tag block; ${asked}Z; ${host.name}`;
  world.addAction({
    machineId: machine.id,
    createdAt,
    updatedAt: createdAt,
    requestor: settings.appId,
    requestorComment: comment,
    requestSource: 'PublicApi',
  });
  host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', `Manual block:${minute(createdAt)}`, ...more);
  return { host, machine, since: new Date(createdAt).toISOString() };
}

function listOf({ report }: RunResult, name: 'hosts' | 'machines'): JsonObject[] {
  const list = report?.[name];
  return Array.isArray(list) ? list.filter((each: unknown) => isObject(each)) : [];
}

describe.concurrent('--status', () => {
  it('lists who is isolated, by whom and since when, changes nothing and keeps nothing', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    const { host, machine, since } = addHeld(simulator);
    simulator.world.addPair({ tags: ['host_context'] });
    const before = detectState(simulator);

    const result = await run(simulator, json, { home });
    const table = await run(simulator, line, { home });

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.report).toEqual({
      schema: 1,
      exitCode: 0,
      hosts: [
        {
          id: host.id,
          name: host.name,
          machine: { id: machine.id, computerDnsName: machine.computerDnsName },
          tag: 'isolation: Succeeded',
          defender: 'isolated',
          since,
          until: new Date(Date.parse(since) + 7 * dayMs).toISOString(),
          by: 'atp for tag block',
          waiting: null,
          agrees: true,
        },
      ],
      machines: [],
    });
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toContain(`${host.name} (${host.id})`);
    for (const text of table.stdout.split('\n')) expect(text.length).toBeLessThanOrEqual(80);
    expect(simulator.ledger.writes()).toEqual([]);
    expect(detectState(simulator)).toEqual(before);
    expect(await readdir(home)).toEqual([]);
  });

  it('shows where tags and Defender disagree, and ends with 1', async ({ start }) => {
    const simulator = await start();
    const released = addHeld(simulator);
    simulator.world.portalRelease(released.machine.id);
    const lapsed = addHeld(simulator, 8 * dayMs);
    const unknown = addHeld(simulator);
    for (const [id, action] of simulator.world.actions)
      if (action.machineId === unknown.machine.id) simulator.world.actions.delete(id);

    const result = await run(simulator, json);

    expect(result.code).toBe(1);
    expect(listOf(result, 'hosts')).toMatchObject([
      { id: released.host.id, defender: 'free', by: 'analyst@contoso.example', agrees: false },
      { id: lapsed.host.id, defender: 'lapsed', agrees: false },
      { id: unknown.host.id, defender: 'free', agrees: false },
    ]);
  });

  it('lists machines that are isolated and that no host names', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const lone = world.addMachine();
    world.portalIsolate(lone.id);
    const named = world.addPair();
    named.host.tags.push(`id: ${named.machine.id}`);
    world.portalIsolate(named.machine.id);
    world.addAction({
      machineId: world.addMachine().id,
      createdAt: Date.now() - 9 * dayMs,
      updatedAt: Date.now() - 9 * dayMs,
    });

    const result = await run(simulator, json);

    expect(result.code).toBe(0);
    expect(listOf(result, 'hosts')).toEqual([]);
    expect(listOf(result, 'machines')).toMatchObject([
      {
        id: lone.id,
        computerDnsName: lone.computerDnsName,
        defender: 'isolated',
        by: 'analyst@contoso.example',
      },
    ]);
  });

  it('says what waits for whom, with the trigger flags, and ends with 1', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['Block'] });
    const both = simulator.world.addPair({ tags: ['block', 'unblock'] });

    const result = await run(simulator, json);
    const without = await run(simulator, ['--status', '--json']);

    expect(result.code).toBe(1);
    expect(listOf(result, 'hosts')).toMatchObject([
      { id: host.id, waiting: 'isolation for tag Block: the next run' },
      {
        id: both.host.id,
        waiting:
          'isolation for tag block and release for tag unblock: a person has to take one of the tags off',
      },
    ]);
    expect(without).toMatchObject({ code: 0, report: { hosts: [], machines: [] } });
  });

  it('prints the tags when Defender cannot be asked, with the exit code of that', async ({ start }) => {
    const simulator = await start({ roles: ['Machine.Isolate'] });
    const { host } = addHeld(simulator);

    const result = await run(simulator, json);

    expect(result.code).toBe(77);
    expect(listOf(result, 'hosts')).toMatchObject([
      { id: host.id, tag: 'isolation: Succeeded', defender: 'unknown', since: null, by: null, agrees: null },
    ]);
    expect(errorsOf(result)).toHaveLength(1);
  });

  it('prints an empty report when Detect refuses the token', async ({ start }) => {
    const simulator = await start();

    const result = await run(simulator, json, { overrides: { detect: { token: 'not-the-token' } } });

    expect(result).toMatchObject({ code: 77, report: { schema: 1, exitCode: 77, hosts: [], machines: [] } });
    expect(logOf(result).map(({ level }) => level)).toContain('error');
  });

  it('prints no table with --quiet', async ({ start }) => {
    const simulator = await start();
    addHeld(simulator, dayMs, ['unblock']);

    expect(await run(simulator, [...line, '--quiet'])).toMatchObject({ code: 1, stdout: '', stderr: '' });
  });

  it('takes no lock', async ({ start }) => {
    const simulator = await start();
    addHeld(simulator);

    const results = await Promise.all([run(simulator, json), run(simulator, json), run(simulator, json)]);

    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
  });

  it('asks little whatever the number of hosts', async ({ start }) => {
    const simulator = await start();
    for (let n = 0; n < 1_500; n += 1) addHeld(simulator);

    const result = await run(simulator, json);

    expect(listOf(result, 'hosts')).toHaveLength(1_500);
    expect(result.code).toBe(0);
    expect(simulator.ledger.entries.length).toBeLessThanOrEqual(20);
  });
});
