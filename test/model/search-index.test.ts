import { describe, expect, it } from 'vitest';
import { createHarness, type Harness } from '../harness.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/* Detect's search is a hint: it cuts tags into words and lags. What a run does is decided by what is so. */

const line = ['--tag', 'host_context', '--blocktag', 'block', '--unblocktag', 'unblock'];

async function withPair(
  tags: string[],
  test: (stage: { harness: Harness; host: SimHost; machine: SimMachine }) => Promise<void>,
): Promise<void> {
  const harness = await createHarness();
  try {
    await test({ harness, ...harness.simulator.world.addPair({ tags }) });
    expect(harness.simulator.world.violations).toEqual([]);
  } finally {
    await harness.close();
  }
}

function found({ simulator }: Harness): number {
  return simulator.ledger.count('search');
}

describe.concurrent('the search index', () => {
  it.each([
    'Manual block:2026-11-24 09:00',
    'Manual block failed',
    'block-list of the proxy',
    'do not block',
    'Block: no',
  ])('finds the word block in the tag "%s", and nothing is done', async (tag) => {
    await withPair([tag], async ({ harness, host }) => {
      const { code, report } = await harness.run(line);
      expect(found(harness)).toBe(1);
      expect({ code, hosts: report?.hosts, tags: host.tags }).toEqual({ code: 0, hosts: [], tags: [tag] });
      expect(harness.simulator.ledger.calls()).toEqual({ detect: 1, login: 0, atp: 0 });
    });
  });

  it('takes a tag in another case for the block tag, as a person does', async () => {
    await withPair(['BLOCK'], async ({ harness, host, machine }) => {
      await harness.run(line);
      harness.simulator.world.settleActions();
      expect(machine.isolated).toBe(true);
      expect(host.tags).not.toContain('BLOCK');
    });
  });

  it('still shows a block tag that was taken off a minute ago, and nothing is done', async () => {
    await withPair(['block'], async ({ harness, host, machine }) => {
      const { world, ledger } = harness.simulator;
      world.indexFreeze(host.id);
      world.untagHost(host.id, 'block');
      harness.clock.advance(60_000);
      const { code, report } = await harness.run(line);
      expect(code).toBe(0);
      expect(report?.hosts.map(({ result }) => result)).toEqual(['unchanged']);
      expect(ledger.writes()).toEqual([]);
      expect(machine.isolated).toBe(false);
      expect(host.tags).toEqual([]);
    });
  });

  it('still shows a block tag that its owner changed into an unblock tag: the next run does it', async () => {
    await withPair(['block'], async ({ harness, host }) => {
      const { world, ledger } = harness.simulator;
      world.indexFreeze(host.id);
      world.untagHost(host.id, 'block');
      world.tagHost(host.id, 'unblock');
      await harness.run(line);
      expect(ledger.writes().filter(({ service }) => service === 'atp')).toEqual([]);
      expect(host.tags).toContain('unblock');
      world.indexThaw(host.id);
      const { report } = await harness.run(line);
      expect(report?.hosts.map(({ result }) => result)).toEqual(['released']);
      expect(host.tags).not.toContain('unblock');
    });
  });

  it('does not show a block tag that was just added: the next run isolates', async () => {
    await withPair([], async ({ harness, host, machine }) => {
      const { world } = harness.simulator;
      harness.simulator.settings.indexLagMs = 90_000;
      harness.clock.advance(600_000);
      world.tagHost(host.id, 'block');
      harness.clock.advance(60_000);
      expect((await harness.run(line)).report?.hosts).toEqual([]);
      harness.clock.advance(60_000);
      expect((await harness.run(line)).report?.hosts.map(({ result }) => result)).toEqual(['isolated']);
      world.settleActions();
      expect(machine.isolated).toBe(true);
    });
  });

  it('does not show an unblock tag beside the block tag: the tags read decide, and it is a conflict', async () => {
    await withPair(['block'], async ({ harness, host, machine }) => {
      const { world, ledger } = harness.simulator;
      world.indexFreeze(host.id);
      world.tagHost(host.id, 'unblock');
      const { code, report } = await harness.run(line);
      expect(code).toBe(1);
      expect(report?.hosts.map(({ result }) => result)).toEqual(['conflict']);
      expect(ledger.writes().filter(({ service }) => service === 'atp')).toEqual([]);
      world.settleActions();
      expect(machine.isolated).toBe(false);
      expect(host.tags).toContain('block');
      expect(host.tags).toContain('unblock');
    });
  });

  it('lags behind the tags that a run has just written: the next run repeats nothing', async () => {
    await withPair(['block'], async ({ harness, host }) => {
      const { world, ledger } = harness.simulator;
      world.indexFreeze(host.id);
      await harness.run(line);
      expect(ledger.count('isolate')).toBe(1);
      const tags = [...host.tags];
      ledger.clear();
      harness.clock.advance(60_000);
      await harness.run(line);
      expect(ledger.writes()).toEqual([]);
      expect(host.tags).toEqual(tags);
    });
  });

  it('still shows a host that was deleted: it is reported and spoils nothing', async () => {
    await withPair(['block'], async ({ harness, host }) => {
      const { world } = harness.simulator;
      const second = world.addPair({ tags: ['block'] });
      world.indexFreeze(host.id);
      world.deleteHost(host.id);
      const { code, report } = await harness.run(line);
      expect(code).toBe(1);
      expect(report?.hosts.map(({ id, result }) => [id, result])).toEqual([
        [host.id, 'deferred'],
        [second.host.id, 'isolated'],
      ]);
    });
  });

  it('shows a host on a page twice and an old page again: the host is done once', async () => {
    await withPair(['block', 'host_context'], async ({ harness }) => {
      harness.simulator.settings.pageSize = 1;
      const second = harness.simulator.world.addPair({ tags: ['block'] });
      const { report } = await harness.run(line);
      expect(report?.hosts.map(({ result }) => result)).toEqual(['isolated', 'isolated']);
      expect(report?.hosts[1]?.id).toBe(second.host.id);
      expect(harness.simulator.ledger.count('isolate')).toBe(2);
    });
  });
});
