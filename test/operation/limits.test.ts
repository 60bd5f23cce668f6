import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHarness, type Harness } from '../harness.ts';
import { errorsOf } from '../e2e/rig.ts';
import { isObject } from '../simulator/json.ts';
import { runInProcess } from './rig.ts';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(async () => {
  await harness.close();
});

describe('a list that never ends', () => {
  it('of hosts ends with the time of the run, and what was found waits for the next', async () => {
    const { simulator, run } = harness;
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    const { host: blocked } = simulator.world.addPair({ tags: ['block'] });
    let id = 100_000;
    simulator.hooks.answer = (entry, own) => {
      if (entry.call !== 'search') return own;
      const page = Number(entry.query['page']);
      const first = isObject(own.body) && page === 1 ? own.body['results'] : undefined;
      const results = first ?? [{ id: (id += 1), tags: [] }];
      return { status: 200, body: { results, next: `https://elsewhere.example/?page=${page + 1}` } };
    };

    const { code, report } = await run(['--tag', 'host_context', '--blocktag', 'block'], {
      overrides: { runTimeoutMinutes: 0.2 },
    });

    expect(code).toBe(1);
    expect(report?.hosts.map((each) => [each.id, each.result])).toEqual([
      [host.id, 'deferred'],
      [blocked.id, 'deferred'],
    ]);
    expect(simulator.ledger.writes()).toEqual([]);
  });

  it('of groups isolates nobody', async () => {
    const { simulator, run } = harness;
    const { host } = simulator.world.addPair({ tags: ['block'] });
    let id = 0;
    simulator.hooks.answer = (entry, own) => {
      if (entry.call !== 'groups') return own;
      const results = Array.from({ length: 5_000 }, () => ({ name: `group ${(id += 1)}` }));
      return { status: 200, body: { results, next: 'x' } };
    };

    const { code } = await run(['--blocktag', 'block'], {
      overrides: { isolation: { never: { groups: ['x*'] } } },
    });

    expect(code).toBe(1);
    expect(simulator.ledger.count('groups')).toBeLessThan(30);
    expect(simulator.ledger.count('isolate')).toBe(0);
    expect(host.tags).toContain('block');
  });

  it('of machine actions is given up at its quota, and isolates nobody', async () => {
    const { simulator, run } = harness;
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    let id = 0;
    simulator.hooks.answer = (entry, own) => {
      if (entry.call !== 'machineactions') return own;
      id += 1;
      const value = [{ id: `action ${id}`, type: 'Other', status: 'Succeeded', machineId: machine.id }];
      return { status: 200, body: { value, '@odata.nextLink': `https://elsewhere.example/?$skip=${id}` } };
    };

    const { code, report } = await run(['--blocktag', 'block'], { overrides: { runTimeoutMinutes: 2 } });

    expect(code).toBe(1);
    expect(report?.hosts[0]?.result).toBe('deferred');
    expect(simulator.ledger.count('machineactions')).toBeLessThanOrEqual(300);
    expect(simulator.ledger.count('isolate')).toBe(0);
    expect(host.tags).toContain('block');
  });
});

describe('a service that is too slow', () => {
  it('and drips its answer is broken off at the time limit of the request, and what it did is looked up', async () => {
    const { simulator } = harness;
    simulator.faults.add({ match: ({ call }) => call === 'note-create', kind: 'drip' });
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    const started = Date.now();

    const { code } = await harness.run(['--tag', 'host_context'], {
      overrides: { http: { timeoutSeconds: 1 } },
    });

    expect(code).toBe(0);
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(host.notes).toHaveLength(1);
  });

  it('for longer than the run can be is broken off like an interrupted run: nothing new, the report, 69', async () => {
    const { simulator } = harness;
    const { host } = simulator.world.addPair({ tags: ['host_context', 'vip'] });
    simulator.faults.add({ match: ({ call }) => call === 'findbyip', kind: 'hang' });
    const config = simulator.config({ runTimeoutMinutes: 0.1 });

    // Half a second after the start, rather than minutes after its time.
    const result = await runInProcess(['--tag', 'host_context', '--json'], config, {
      graceMs: -5_500,
      clock: harness.clock,
    });

    expect(result.code).toBe(69);
    expect(errorsOf(result)).toEqual([
      {
        msg: 'the run was broken off: long after runTimeoutMinutes, a service was still answering, but never to the end',
        hint: 'Look with --verbose which calls take so long; the next run goes on with the hosts that are left.',
      },
    ]);
    expect(result.json).toMatchObject({ exitCode: 69, hosts: [{ id: host.id, result: 'deferred' }] });
    expect(host.tags).toEqual(['host_context', 'vip']);
  });
});
