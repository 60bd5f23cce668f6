import { describe, expect, it } from 'vitest';
import { createHarness, type Harness } from '../harness.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimulatorOptions } from '../simulator/simulator.ts';

const line = '--tag host_context --blocktag block --unblocktag unblock'.split(' ');

async function withHarness(
  options: SimulatorOptions,
  scene: (harness: Harness) => Promise<void>,
): Promise<void> {
  const harness = await createHarness(options);
  try {
    await scene(harness);
    expect(harness.simulator.world.violations).toEqual([]);
  } finally {
    await harness.close();
  }
}

describe('a role that the token is seen to lack', () => {
  it('is not tried: nobody isolates, the trigger stays, the rest is done, and the run ends with 77', async () => {
    await withHarness({ roles: ['Machine.Read.All'] }, async ({ simulator, run }) => {
      const { world, ledger } = simulator;
      const blocked = world.addPair({ tags: ['block'] });
      const tagged = world.addPair({ tags: ['host_context'] });

      const { code, report } = await run(line);

      expect(code).toBe(77);
      expect(report?.hosts.map(({ result }) => result)).toEqual(['failed', 'enriched']);
      expect(report?.hosts[0]?.detail).toContain(
        'the application lacks the permission Machine.Isolate to isolate and release machines, which --blocktag and --unblocktag need: its token does not have it, so that the call was not tried',
      );
      expect(ledger.count('isolate') + ledger.count('alerts') + ledger.count('alertlist')).toBe(0);
      expect(blocked.host.tags).toContain('block');
      expect(tagged.host.tags).not.toContain('host_context');
      expect(tagged.host.notes[0]?.note).toContain('\n- **Alerts & severity:** unknown\n');
    });
  });

  it('is looked for in a fresh token, when the one of the cache is older than the role', async () => {
    await withHarness({ roles: ['Machine.Read.All'] }, async ({ simulator, run }) => {
      const { world, ledger, settings } = simulator;
      world.addPair({ tags: ['host_context'] });
      await run(line);
      settings.roles = ['Machine.Read.All', 'Machine.Isolate'];
      const { host } = world.addPair({ tags: ['block'] });
      ledger.clear();

      const { code, report } = await run(line);

      expect(code).toBe(0);
      expect(report?.hosts).toMatchObject([{ id: host.id, result: 'isolated' }]);
      expect(ledger.count('isolate')).toBe(1);
    });
  });
});

it('a token with the ReadWrite roles alone is enough', async () => {
  const roles = ['Machine.ReadWrite.All', 'Alert.ReadWrite.All', 'Machine.Isolate'];
  await withHarness({ roles }, async ({ simulator, run }) => {
    const { host, machine } = simulator.world.addPair({ tags: ['block', 'host_context'] });
    simulator.world.addAlert({ machineId: machine.id, severity: 'High' });

    const { code, report } = await run(line);

    expect(code).toBe(0);
    expect(report?.hosts).toMatchObject([{ id: host.id, result: 'isolated' }]);
    expect(host.notes[0]?.note).toContain('High');
  });
});

/** Breaks one call of one service, for hosts that this is true of. */
function breaks(harness: Harness, call: string, kind: FaultKind, part = ''): void {
  harness.simulator.faults.add({
    match: (entry) => entry.call === call && entry.path.includes(part),
    kind,
  });
}

describe('a service that fails', () => {
  it.each<[string, string]>([
    ['Defender', 'findbyip'],
    ['the login service', 'token'],
  ])('for every host of a small run is given up: %s', async (_name, call) => {
    await withHarness({}, async (harness) => {
      const hosts = [1, 2].map(() => harness.simulator.world.addPair({ tags: ['host_context'] }).host);
      breaks(harness, call, '500');

      const { code } = await harness.run(line);

      expect(code).toBe(69);
      expect(hosts.map(({ tags }) => tags)).toEqual([['host_context'], ['host_context']]);
      expect(harness.simulator.ledger.writes()).toEqual([]);
    });
  });

  it('for one of two hosts is not given up', async () => {
    await withHarness({}, async (harness) => {
      const [first, second] = [1, 2].map(() => harness.simulator.world.addPair({ tags: ['host_context'] }));
      breaks(harness, 'findbyip', '500', `ip='${first?.host.last_source ?? ''}'`);

      const { code } = await harness.run(line);

      expect(code).toBe(1);
      expect(first?.host.tags).toEqual(['host_context']);
      expect(second?.host.tags).not.toContain('host_context');
    });
  });

  it('in the middle of the only host is not given up, since it answered before', async () => {
    await withHarness({}, async (harness) => {
      const { host } = harness.simulator.world.addPair({ tags: ['block'] });
      breaks(harness, 'isolate', '500');

      const { code, report } = await harness.run(line);

      expect(code).toBe(1);
      expect(report?.hosts).toMatchObject([{ id: host.id, result: 'deferred' }]);
    });
  });
});
