import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isObject, parseJson } from '../simulator/json.ts';
import { typicalLine } from './fleet.ts';
import { builtCommand, measure, medianTimes, type Measured } from './measure.ts';
import { startServices, type Seen, type Services } from './services.ts';
import { table } from './table.ts';

const { values } = parseArgs({
  options: {
    /** Numbers of hosts. */
    worlds: { type: 'string', default: '10,100,1000,10000' },
    /** Numbers of machines in Defender, for the comparison of single lookups with the inventory. */
    inventories: { type: 'string', default: '100,10000,50000' },
    /** How long the services hold each answer back, milliseconds. */
    latency: { type: 'string', default: '20' },
    /** What Defender allows of each call; 0: as many as you like. */
    'per-minute': { type: 'string', default: '100' },
    'per-hour': { type: 'string', default: '1500' },
    /** How often start-up is measured; 0: not at all. */
    rounds: { type: 'string', default: '15' },
  },
});
const latencyMs = Number(values.latency);
const rounds = Number(values.rounds);
const quotas =
  Number(values['per-minute']) > 0
    ? { perMinute: Number(values['per-minute']), perHour: Number(values['per-hour']) }
    : undefined;

/** From so many hosts on, the command reads the inventory. */
const bulkFrom = 40;
/** A first run that leaves hosts to the next, and the runs thereafter. */
const mostRuns = 4;

const runHeadings = [
  ...['run', 'hosts', 'done', 'Detect', 'login', 'Defender', 'calls/host'],
  ...['refused', 'wall s', 'CPU s', 'peak MiB'],
] as const;

const home = mkdtempSync(join(tmpdir(), 'atp-bench-'));
try {
  const limit = quotas ? `${quotas.perMinute} a minute and ${quotas.perHour} an hour` : 'no limit';
  print(`atp on Node.js ${process.version}, ${process.platform}, ${availableParallelism()} processors`);
  print(`simulated services: ${latencyMs} ms a call, ${limit} for each of Defender's calls\n`);
  if (rounds > 0) {
    print('Start-up, medians of runs in turn, in the environment that cron gives\n');
    print(await startUp({ PATH: '/usr/bin:/bin', HOME: home }));
    // Both are known to make every start of Node.js slower.
    if (process.env['NODE_EXTRA_CA_CERTS'] || process.env['NODE_OPTIONS']) {
      print("The same in this shell's environment, which has NODE_EXTRA_CA_CERTS or NODE_OPTIONS\n");
      print(await startUp({ ...process.env, HOME: home }));
    }
  }
  const worlds = numbers(values.worlds);
  if (worlds.length > 0) {
    print('The typical line, once and again within the hour\n');
    const rows: string[][] = [];
    for (const hosts of worlds) rows.push(...(await enrichment(hosts)));
    print(`${table(runHeadings, rows)}\n`);
  }
  const inventories = numbers(values.inventories);
  if (inventories.length > 0) {
    print('Machines asked for one by one, and read from the inventory\n');
    const rows: string[][] = [];
    for (const machines of inventories) {
      for (const hosts of [bulkFrom - 1, bulkFrom]) rows.push(await lookups(hosts, machines));
    }
    print(`${table(['machines', ...runHeadings], rows)}\n`);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function numbers(list: string): number[] {
  return list.split(',').filter(Boolean).map(Number);
}

/** Start-up and the tick that finds nothing, against bare Node.js and the least program of two calls, in the same minutes. */
async function startUp(env: NodeJS.ProcessEnv): Promise<string> {
  const services = await startServices({ hosts: 0 }, { latencyMs: 0, quotas });
  try {
    const idle = [builtCommand, '--config', writeConfig(services), ...typicalLine];
    const lines = {
      'node -e 0': ['-e', '0'],
      'two calls': [writeLeastProgram(services)],
      'atp --version': [builtCommand, '--version'],
      'atp --help': [builtCommand, '--help'],
      'idle tick': idle,
    };
    const times = await medianTimes(lines, { env, rounds });
    const bare = times.get('node -e 0')?.cpuMs ?? NaN;
    const least = times.get('two calls')?.cpuMs ?? NaN;
    const rows = [...times].map(([name, { wallMs, cpuMs }]) => [
      name,
      wallMs.toFixed(0),
      cpuMs.toFixed(0),
      (cpuMs / bare).toFixed(2),
      (cpuMs / least).toFixed(2),
    ]);
    const { byService } = await services.seen();
    // One more than is measured: the first of each warms the disk cache.
    const ticks = rounds + 1;
    // The two calls of the least program go to Detect as well.
    const detect = byService.detect / ticks - 2;
    return `${table(['process', 'wall ms', 'CPU ms', '× node -e 0', '× two calls'], rows)}
an idle tick: ${detect} Detect calls, ${(byService.login + byService.atp) / ticks} Microsoft calls\n`;
  } finally {
    await services.close();
  }
}

/** A world that is enriched until nothing is left to do, and once more. */
async function enrichment(hosts: number): Promise<string[][]> {
  const services = await startServices({ hosts }, { latencyMs, quotas });
  try {
    const line = ['--config', writeConfig(services), '--json', '--quiet', ...typicalLine];
    const rows: string[][] = [];
    for (let run = 1; run <= mostRuns; run += 1) {
      const measured = await measure(line, { home });
      const seen = await services.seen();
      rows.push(rowOf(String(run), hosts, measured, seen));
      if (seen.byService.atp === 0) break;
    }
    return rows;
  } finally {
    await services.close();
  }
}

/** Some hosts, alone or among many machines. */
async function lookups(hosts: number, machines: number): Promise<string[]> {
  const services = await startServices({ hosts, otherMachines: machines - hosts }, { latencyMs, quotas });
  try {
    const line = ['--config', writeConfig(services), '--json', '--quiet', '--tag', 'host_context'];
    const measured = await measure(line, { home });
    const seen = await services.seen();
    const way = seen.calls['machines'] ? 'inventory' : 'one by one';
    return [String(machines), ...rowOf(way, hosts, measured, seen)];
  } finally {
    await services.close();
  }
}

function rowOf(name: string, hosts: number, run: Measured, seen: Seen): string[] {
  const { detect, login, atp } = seen.byService;
  if (seen.violations.length > 0) throw new Error(seen.violations.join('\n'));
  if (run.code !== 0) throw new Error(`atp ended with ${run.code ?? 'a signal'}\n${run.stderr}`);
  const report = parseJson(run.stdout);
  const counts = isObject(report) && isObject(report['counts']) ? report['counts'] : {};
  const done = Number(counts['enriched']) + Number(counts['unchanged']);
  return [
    name,
    ...[hosts, done, detect, login, atp].map(String),
    ((detect + login + atp) / hosts).toFixed(2),
    String(seen.throttled),
    (run.wallMs / 1000).toFixed(1),
    (run.cpuMs / 1000).toFixed(1),
    run.peakMiB.toFixed(0),
  ];
}

/** The least that Node.js can do to ask a server twice: what an idle tick is measured against. */
function writeLeastProgram({ config }: Services): string {
  const { url = '' } = isObject(config['detect']) ? config['detect'] : {};
  const file = join(home, 'two-calls.cjs');
  writeFileSync(
    file,
    `const { get } = require('node:http');
function ask(then) {
  get(${JSON.stringify(`${String(url)}/api/v2.5/search/hosts`)}, (answer) => answer.resume().on('end', then));
}
ask(() => ask(() => undefined));`,
  );
  return file;
}

/** A cache of its own for each world: their hosts have the same numbers. */
function writeConfig({ config }: Services): string {
  const cacheDir = mkdtempSync(join(home, 'cache-'));
  const file = join(home, 'config.json');
  writeFileSync(file, JSON.stringify({ ...config, cacheDir }), { mode: 0o600 });
  return file;
}
