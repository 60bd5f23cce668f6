import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { typicalLine, type FleetOptions } from '../bench/fleet.ts';
import { builtCommand, measure, median, medianTimes, type Measured } from '../bench/measure.ts';
import { startServices, type Seen } from '../bench/services.ts';
import { isObject, parseJson } from '../simulator/json.ts';

const documented = { latencyMs: 20, quotas: { perMinute: 100, perHour: 1500 } };

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The services over a fleet, and the built command to run against them. */
async function start(
  fleet: FleetOptions,
  settings: Parameters<typeof startServices>[1] = documented,
  config: Record<string, unknown> = {},
) {
  const home = mkdtempSync(join(tmpdir(), 'atp-large-'));
  const services = await startServices(fleet, settings);
  cleanups.push(() => {
    rmSync(home, { recursive: true, force: true });
  }, services.close);
  const file = join(home, 'config.json');
  writeFileSync(file, JSON.stringify({ ...services.config, ...config }), { mode: 0o600 });

  async function run(...args: string[]): Promise<Measured & { seen: Seen; counts: unknown }> {
    const measured = await measure(['--config', file, '--json', '--quiet', ...args], { home });
    const seen = await services.seen();
    expect(seen.violations).toEqual([]);
    const report = parseJson(measured.stdout);
    return { ...measured, seen, counts: isObject(report) ? report['counts'] : undefined };
  }
  return { home, file, run };
}

it('enriches 1,000 hosts by tag in a minute, with at most 100 Defender calls and no 429', async () => {
  const { run } = await start({ hosts: 1000 });

  const { code, counts, seen, wallMs } = await run('--tag', 'host_context');

  expect([code, counts]).toEqual([0, expect.objectContaining({ enriched: 1000 })]);
  expect(seen.byService.atp).toBeLessThanOrEqual(100);
  expect(seen.throttled).toBe(0);
  expect(seen.peakAtDetect).toBeLessThanOrEqual(10);
  expect(wallMs).toBeLessThan(60_000);
});

it('enriches 5,000 hosts by score in one run, with at most 450 Defender calls, and again within the hour with none', async () => {
  const { run } = await start({ hosts: 5000 });

  const first = await run('--tc', '75', '75');
  const second = await run('--tc', '75', '75');

  expect([first.code, first.counts]).toEqual([0, expect.objectContaining({ enriched: 5000 })]);
  expect(first.seen.byService.atp).toBeLessThanOrEqual(450);
  expect(first.seen.throttled).toBe(0);
  expect([second.code, second.counts]).toEqual([0, expect.objectContaining({ unchanged: 5000 })]);
  // Ten pages of five hundred.
  expect(second.seen.byService).toEqual({ detect: 10, login: 0, atp: 0 });
  expect(second.seen.writes).toBe(0);
});

it('enriches 100 hosts in five seconds', async () => {
  const { run } = await start({ hosts: 100 });

  const { code, counts, wallMs } = await run('--tag', 'host_context');

  expect([code, counts]).toEqual([0, expect.objectContaining({ enriched: 100 })]);
  expect(wallMs).toBeLessThan(5_000);
});

it('selects 10,000 hosts and works on them in less than 250 MiB', async () => {
  const { run } = await start(
    { hosts: 10_000 },
    { latencyMs: 0, quotas: undefined },
    { runTimeoutMinutes: 2 },
  );

  const { code, counts, peakMiB } = await run(...typicalLine);

  expect([code, counts]).toEqual([0, expect.objectContaining({ selected: 10_000, failed: 0 })]);
  expect(peakMiB).toBeLessThan(250);
});

it('reads an inventory of 50,000 machines in less than 400 MiB, in time that grows with their number and no faster', async () => {
  const sizes = [0, 25_000, 50_000];
  const cpu: number[] = [];
  const peaks: number[] = [];
  for (const otherMachines of sizes) {
    const runs: Measured[] = [];
    for (let n = 0; n < 3; n += 1) {
      const { run } = await start({ hosts: 40, otherMachines }, { latencyMs: 0, quotas: undefined });
      const { seen, ...measured } = await run('--tag', 'host_context');
      expect([measured.code, seen.calls['machines']]).toEqual([0, Math.floor(otherMachines / 10_000) + 1]);
      runs.push(measured);
    }
    cpu.push(median(runs.map((run) => run.cpuMs)));
    peaks.push(median(runs.map((run) => run.peakMiB)));
  }

  const [none = NaN, half = NaN, all = NaN] = cpu;
  expect((all - none) / (half - none)).toBeLessThan(2.6);
  const [noneMiB = NaN, halfMiB = NaN, allMiB = NaN] = peaks;
  expect((allMiB - noneMiB) / (halfMiB - noneMiB)).toBeLessThan(2.6);
  expect(allMiB).toBeLessThan(400);
});

it('starts within twice the time of bare Node.js to tell its version, and ticks without the login', async () => {
  const { home, file, run } = await start({ hosts: 0 }, { latencyMs: 0, quotas: undefined });
  const lines = {
    bare: ['-e', '0'],
    version: [builtCommand, '--version'],
    help: [builtCommand, '--help'],
    idle: [builtCommand, '--config', file, ...typicalLine],
  };

  const times = await medianTimes(lines, { env: { PATH: '/usr/bin:/bin', HOME: home }, rounds: 15 });
  const { seen } = await run(...typicalLine);

  const [bare, version, help, idle] = ['bare', 'version', 'help', 'idle'].map(
    (name) => times.get(name)?.cpuMs ?? NaN,
  );
  expect((version ?? NaN) / (bare ?? NaN)).toBeLessThan(2);
  expect((help ?? NaN) / (bare ?? NaN)).toBeLessThan(2);
  // Each of the libraries takes its part; what stands here keeps it from growing.
  expect((idle ?? NaN) / (bare ?? NaN)).toBeLessThan(5);
  expect(seen.byService).toMatchObject({ login: 0, atp: 0 });
});
