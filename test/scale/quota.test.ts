import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as z from 'zod';
import { addFleet, typicalLine } from '../bench/fleet.ts';
import type { Harness } from '../harness.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { defenderCalls, documented, it } from './rig.ts';

const minute = 60_000;
const Token = z.object({ access_token: z.string() });

/** Hosts of which nothing tells what they are, so that each is looked up by itself. */
function addNameless({ simulator: { world } }: Harness, count: number): SimHost[] {
  return Array.from(
    { length: count },
    () => world.addPair({ name: 'IP-10.0.0.1', host_artifact_set: [], tags: ['host_context'] }).host,
  );
}

/** Another tool makes so many of one of Defender's calls. */
async function useUp({ simulator: { apiUrl, loginUrl, settings } }: Harness, path: string, times: number) {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: settings.appId,
    client_secret: settings.appSecret,
    scope: `${settings.audience}/.default`,
  });
  const login = await fetch(`${loginUrl}/${settings.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body: form,
  });
  const { access_token: token } = Token.parse(await login.json());
  for (let n = 0; n < times; n += 1) {
    await fetch(`${apiUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
  }
}

it('takes longer and loses nobody when Defender allows half of what it documents', async ({ start }) => {
  const harness = await start({ quotas: { perMinute: 50, perHour: 750 } });
  const hosts = addNameless(harness, 55);
  const began = harness.clock.now();

  const { code, report } = await harness.run(['--tag', 'host_context']);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ enriched: 55 })]);
  expect(defenderCalls(harness)['refused']).toBeGreaterThan(0);
  expect(harness.clock.now() - began).toBeGreaterThan(minute);
  expect(hosts.filter(({ tags }) => tags.includes('host_context'))).toEqual([]);
});

it('stays below the documented limits by itself', async ({ start }) => {
  const harness = await start({ quotas: documented });
  addNameless(harness, 82);

  const { code, report } = await harness.run(['--tag', 'host_context']);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ enriched: 82 })]);
  expect(defenderCalls(harness)).toEqual({ machines: 1, alertlist: 1, findbyip: 82 });
});

it('leaves isolations to the next run when another tool has used up the hour, and asks no more than once or twice', async ({
  start,
}) => {
  const harness = await start({ quotas: { perMinute: 100, perHour: 60 } });
  const { world } = harness.simulator;
  const hosts = Array.from({ length: 8 }, () => world.addPair({ tags: ['block', 'VIP'] }).host);
  const nobody = `/api/machines/${'0'.repeat(40)}`;
  await useUp(harness, `${nobody}/isolate`, 60);
  harness.simulator.ledger.clear();

  const first = await harness.run(typicalLine);
  const refused = defenderCalls(harness)['refused'];
  harness.clock.advance(61 * minute);
  const later = await harness.run(typicalLine);

  expect([first.code, first.report?.counts]).toEqual([1, expect.objectContaining({ deferred: 8 })]);
  expect(refused).toBeLessThanOrEqual(8);
  expect(first.report?.hosts[7]?.detail).toMatch(
    /^the service takes no more isolate calls until 2026-11-24T\d\d:\d\d:\d\dZ; enriched, found by address /,
  );
  expect([later.code, later.report?.counts]).toEqual([0, expect.objectContaining({ isolated: 8 })]);
  expect(hosts.filter(({ tags }) => tags.includes('block'))).toEqual([]);
});

it('keeps the trigger tags of isolations that the quota defers', async ({ start }) => {
  const harness = await start();
  const { faults, world } = harness.simulator;
  const headers = { 'retry-after': '1800' };
  faults.add({ match: ({ call }) => call === 'isolate', kind: { status: 429, headers } });
  const hosts = Array.from({ length: 6 }, () => world.addPair({ tags: ['block', 'VIP'] }).host);

  const { code, report } = await harness.run(typicalLine);

  expect([code, report?.counts]).toEqual([1, expect.objectContaining({ deferred: 6 })]);
  for (const { tags } of hosts) expect(tags).toEqual(expect.arrayContaining(['block', 'VIP']));
});

it('isolates as soon as Defender says it may, when that is within a minute', async ({ start }) => {
  const harness = await start();
  const { faults, ledger, world } = harness.simulator;
  const kind = { status: 429, headers: { 'retry-after': '45' } };
  faults.add({ match: ({ call }) => call === 'isolate', kind, times: 1 });
  world.addPair({ tags: ['block'] });

  const { code, report } = await harness.run(typicalLine);

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ isolated: 1 })]);
  const [refused, accepted] = ledger.of('isolate').map(({ at }) => at);
  expect((accepted ?? 0) - (refused ?? 0)).toBeGreaterThanOrEqual(45_000);
});

it('isolates and releases while enrichment has used up its share of the quota', async ({ start }) => {
  const harness = await start({ quotas: documented, config: { runTimeoutMinutes: 1 } });
  const { world } = harness.simulator;
  addNameless(harness, 100);
  await harness.run(['--tag', 'host_context'], { overrides: { runTimeoutMinutes: 0.02 } });
  const { host } = world.addPair({ tags: ['block'] });

  const { report } = await harness.run(typicalLine, { overrides: { runTimeoutMinutes: 0.1 } });

  expect(report?.hosts.find(({ id }) => id === host.id)?.result).toBe('isolated');
});

it('counts the calls of the last hour over runs, those of an interrupted and of a failed one included', async ({
  start,
}) => {
  const harness = await start({ quotas: documented });
  const { faults, ledger } = harness.simulator;
  addNameless(harness, 35);
  await harness.run(['--tag', 'host_context']);
  addNameless(harness, 35);
  const interrupted = await harness.run(['--tag', 'host_context'], {
    before({ call }, stop) {
      if (call === 'findbyip' && ledger.count('findbyip') === 60) stop();
    },
  });
  faults.add({ match: ({ call }) => call === 'search', kind: '500', times: 4 });
  const failed = await harness.run(['--tag', 'host_context']);
  addNameless(harness, 30);
  ledger.clear();

  const { code } = await harness.run(['--tag', 'host_context']);

  expect([interrupted.code, failed.code, code]).toEqual([143, 69, 0]);
  expect(defenderCalls(harness)['refused']).toBeUndefined();
});

it('starts with the hosts that quota and time have left over, so that none starves while others come in', async ({
  start,
}) => {
  const harness = await start({
    quotas: { perMinute: 15, perHour: 750 },
    config: { runTimeoutMinutes: 0.5 },
  });
  const { world } = harness.simulator;
  const early = addNameless(harness, 30);
  let number = 0;
  // As many as a run can do come in before every run, and would be first by their numbers.
  function addNew(): void {
    number += 1;
    world.addPair({ id: number, name: 'IP-10.0.0.1', host_artifact_set: [], tags: ['host_context'] });
  }

  const counts: unknown[] = [];
  const waiting: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    for (let n = 0; n < 15; n += 1) addNew();
    const { code, report } = await harness.run(['--tag', 'host_context']);
    counts.push([code, report?.counts]);
    waiting.push(early.filter(({ tags }) => tags.includes('host_context')).length);
    harness.clock.advance(5 * minute);
  }

  const everyTime = [0, expect.objectContaining({ enriched: 15, deferred: 30 })];
  expect(counts).toEqual([everyTime, everyTime, everyTime, everyTime, everyTime]);
  expect(waiting[0]).toBeGreaterThan(15);
  expect(waiting[4]).toBe(0);
});

it('lets hosts whose work fails again and again go behind those that wait', async ({ start }) => {
  const harness = await start({
    quotas: { perMinute: 20, perHour: 750 },
    config: { runTimeoutMinutes: 0.5 },
  });
  const { faults } = harness.simulator;
  const bad = addNameless(harness, 20);
  const good = addNameless(harness, 15);
  const paths = new Set(bad.map((host) => `ip='${host.last_source ?? ''}'`));
  faults.add({
    match: ({ call, path }) => call === 'findbyip' && [...paths].some((part) => path.includes(part)),
    kind: { status: 400, body: { error: { code: 'BadRequest', message: 'no' } } },
  });

  for (let run = 0; run < 2; run += 1) {
    await harness.run(['--tag', 'host_context']);
    harness.clock.advance(5 * minute);
  }

  expect(good.filter(({ tags }) => tags.includes('host_context'))).toEqual([]);
});

it.for(['500', 'reset-before'] as const)(
  'gives Defender up at once when it is down (%s), however many hosts there are',
  async (kind, { start }) => {
    const harness = await start({ quotas: documented });
    const { faults, world } = harness.simulator;
    faults.add({ match: ({ service }) => service === 'atp', kind });
    const fleet = addFleet(world, { hosts: 300 });

    const { code, report } = await harness.run(['--tag', 'host_context']);

    // Four attempts each: inventory, alerts, five hosts, and those that were let through meanwhile.
    expect(report?.calls.atp).toBeLessThan(60);
    expect(code).toBe(69);
    const results = report?.hosts.map(({ result }) => result);
    expect(results?.filter((result) => !['failed', 'deferred'].includes(result))).toEqual([]);
    expect(results).toHaveLength(300);
    expect(fleet.filter(({ tags }) => !tags.includes('host_context'))).toEqual([]);
  },
);

it('leaves a host alone whose owner takes the tag away while it waits for the quota', async ({ start }) => {
  const harness = await start({ quotas: documented });
  const { ledger, world } = harness.simulator;
  const last = addNameless(harness, 82).at(-1);
  const tagsBefore = last?.tags.filter((tag) => tag !== 'host_context');

  const { code, report } = await harness.run(['--tag', 'host_context'], {
    before({ call }) {
      if (call === 'findbyip' && ledger.count('findbyip') === 78 && last)
        world.untagHost(last.id, 'host_context');
    },
  });

  expect([code, report?.counts]).toEqual([0, expect.objectContaining({ enriched: 81, unchanged: 1 })]);
  expect(report?.hosts.find(({ id }) => id === last?.id)).toMatchObject({
    detail: 'the tag that selected it is gone',
    tags: { added: [], removed: [] },
    note: null,
  });
  expect(last?.tags).toEqual(tagsBefore);
});

it('forgets no call that a run for another Detect has written down meanwhile', async ({ start }) => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'atp-quota-'));
  const harness = await start({ config: { cacheDir } });
  addNameless(harness, 2);
  await harness.run(['--tag', 'host_context']);
  const name = readdirSync(cacheDir).find((file) => file.startsWith('calls-')) ?? '';
  const file = join(cacheDir, name);
  const others = Array.from({ length: 50 }, (_, n) => harness.clock.now() - 10_000 + n);
  addNameless(harness, 3);

  await harness.run(['--tag', 'host_context'], {
    before({ call }) {
      if (call === 'search') writeFileSync(file, JSON.stringify({ findbyip: others }), { mode: 0o600 });
    },
  });

  const kept = z.object({ findbyip: z.array(z.number()) }).parse(JSON.parse(readFileSync(file, 'utf8')));
  rmSync(cacheDir, { recursive: true });
  expect(kept.findbyip).toEqual(kept.findbyip.toSorted((one, other) => one - other));
  expect(kept.findbyip).toHaveLength(2 + 50 + 3);
});

it('loses nobody when Defender allows half of what it documents in an hour, and the next hour does the rest', async ({
  start,
}) => {
  const harness = await start({ quotas: { perMinute: 100, perHour: 75 } });
  const hosts = addNameless(harness, 90).filter((_, n) => n >= 60);
  for (const { id } of hosts) harness.simulator.world.untagHost(id, 'host_context');
  await harness.run(['--tag', 'host_context']);
  harness.clock.advance(10 * minute);
  for (const { id } of hosts) harness.simulator.world.tagHost(id, 'host_context');

  const first = await harness.run(['--tag', 'host_context']);
  harness.clock.advance(55 * minute);
  const second = await harness.run(['--tag', 'host_context']);

  expect(first.report?.counts).toMatchObject({ failed: 0 });
  expect(first.report?.hosts.map(({ result }) => result)).toContain('deferred');
  expect([second.code, second.report?.counts]).toEqual([
    0,
    expect.objectContaining({ failed: 0, deferred: 0 }),
  ]);
  expect(hosts.filter(({ tags }) => tags.includes('host_context'))).toEqual([]);
});
