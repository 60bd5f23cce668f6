import { describe, expect, it } from 'vitest';
import { createHarness } from '../harness.ts';
import type { FaultKind } from '../simulator/faults.ts';

const line = '--tag host_context --blocktag block --unblocktag unblock'.split(' ');

const odd: [string, FaultKind][] = [
  ['a page of HTML', 'html-200'],
  ['nothing', 'empty-200'],
  ['half an answer', 'truncated'],
  ['JSON of another shape', { status: 200, body: { status: 'starting' } }],
];

describe('an answer that cannot be read is asked for again before anything is concluded', () => {
  it.each(odd)('%s, once to each read', async (_name, kind) => {
    const { simulator, run, close } = await createHarness();
    const { host } = simulator.world.addPair({ tags: ['block'] });
    const reads = ['search', 'tags', 'host', 'notes', 'token', 'findbyip', 'machineactions', 'alerts'];
    for (const call of reads) simulator.faults.add({ match: (entry) => entry.call === call, kind, times: 1 });

    const { code, report } = await run(line);

    expect(code).toBe(0);
    expect(report?.hosts).toMatchObject([{ id: host.id, result: 'isolated', note: 'created' }]);
    expect(simulator.ledger.count('isolate')).toBe(1);
    expect(simulator.ledger.entries.filter(({ fault }) => fault !== undefined).length).toBeGreaterThan(5);
    expect(simulator.world.violations).toEqual([]);
    await close();
  });

  it.each(odd)('%s, over and over, is no Detect', async (_name, kind) => {
    const { simulator, run, close } = await createHarness();
    simulator.world.addPair({ tags: ['block'] });
    simulator.faults.add({ match: ({ call }) => call === 'search', kind });

    const { code } = await run(line);

    expect(code).toBe(78);
    expect(simulator.ledger.count('search')).toBe(4);
    expect(simulator.ledger.calls()).toMatchObject({ login: 0, atp: 0 });
    await close();
  });
});

describe("a list of one machine's actions that holds another machine's is no answer", () => {
  it('and nothing is posted by it', async () => {
    const { simulator, run, close } = await createHarness();
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    const foreign = {
      ...{ id: '38199c68-823c-4e6c-8a33-52a5f23ccdf1', type: 'Isolate', status: 'Succeeded' },
      ...{ machineId: 'f'.repeat(40), creationDateTimeUtc: '2026-11-24T11:00:00Z' },
    };
    simulator.faults.add({
      match: ({ call }) => call === 'machineactions',
      kind: { status: 200, body: { value: [foreign] } },
    });

    const { code, report } = await run(line);

    expect(code).toBe(1);
    expect(report?.hosts).toMatchObject([{ id: host.id, result: 'deferred' }]);
    expect(report?.hosts[0]?.detail).toContain(
      `Defender's answer to GET /api/machineactions cannot be read (expected actions of machine ${machine.id} only)`,
    );
    expect(simulator.ledger.count('isolate')).toBe(0);
    expect(host.tags).toContain('block');
    await close();
  });
});
