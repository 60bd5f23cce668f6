import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isObject, parseJson } from '../simulator/json.ts';
import { builtCommand, measure, medianTimes, type Measured } from './measure.ts';
import { startServices, type Seen, type Services } from './services.ts';
import { table } from './table.ts';

const typicalLine = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock'.split(' ');

const { values } = parseArgs({
  options: {
    /** Sizes of the worlds. */
    worlds: { type: 'string', default: '10,100,1000,10000' },
    /** How long the services hold each answer back, milliseconds. */
    latency: { type: 'string', default: '20' },
    /** What Defender allows of each call; 0: as many as you like. */
    'per-minute': { type: 'string', default: '100' },
    'per-hour': { type: 'string', default: '1500' },
    /** How often start-up is measured. */
    rounds: { type: 'string', default: '15' },
  },
});
const latencyMs = Number(values.latency);
const quotas =
  Number(values['per-minute']) > 0
    ? { perMinute: Number(values['per-minute']), perHour: Number(values['per-hour']) }
    : undefined;

const home = mkdtempSync(join(tmpdir(), 'atp-bench-'));
try {
  print(`atp on Node.js ${process.version}, ${process.platform}, ${availableParallelism()} processors`);
  print(
    `Defender and Detect are simulated: ${latencyMs} ms a call, ${quotaWords()} for each Defender call\n`,
  );
  print(await startUp());
  const rows: string[][] = [];
  for (const hosts of values.worlds.split(',').map(Number)) rows.push(...(await enrichment(hosts)));
  print(
    table(
      [
        'run',
        'hosts',
        'done',
        'Detect',
        'login',
        'Defender',
        'calls/host',
        'wall s',
        'CPU s',
        'peak MiB',
        '429',
      ],
      rows,
    ),
  );
} finally {
  rmSync(home, { recursive: true, force: true });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function quotaWords(): string {
  return quotas ? `${quotas.perMinute} a minute and ${quotas.perHour} an hour` : 'no limit';
}

/** Start-up and the tick that finds nothing, against bare Node.js in the same minutes. */
async function startUp(): Promise<string> {
  const services = await startServices({ hosts: 0 }, { latencyMs: 0, quotas });
  try {
    const config = writeConfig(services);
    const idle = [builtCommand, '--config', config, ...typicalLine];
    await medianTimes({ idle }, { home, rounds: 1 });
    await services.seen();
    const rounds = Number(values.rounds);
    const lines = {
      'node -e 0': ['-e', '0'],
      'atp --version': [builtCommand, '--version'],
      'atp --help': [builtCommand, '--help'],
      'idle tick': idle,
    };
    const times = await medianTimes(lines, { home, rounds });
    const { byService } = await services.seen();
    const bare = times.get('node -e 0');
    const rows = [...times].map(([name, { wallMs, cpuMs }]) => [
      name,
      wallMs.toFixed(0),
      cpuMs.toFixed(0),
      (wallMs / (bare?.wallMs ?? NaN)).toFixed(2),
      (cpuMs / (bare?.cpuMs ?? NaN)).toFixed(2),
    ]);
    const perTick = (calls: number): string => String(calls / (rounds + 1));
    return `${table(['process', 'wall ms', 'CPU ms', '× wall', '× CPU'], rows)}
an idle tick: ${perTick(byService.detect)} Detect calls, ${perTick(byService.login + byService.atp)} Microsoft calls\n`;
  } finally {
    await services.close();
  }
}

/** A world that is enriched for the first time, and once more within the hour. */
async function enrichment(hosts: number): Promise<string[][]> {
  const services = await startServices({ hosts }, { latencyMs, quotas });
  try {
    const line = ['--config', writeConfig(services), '--json', '--quiet', ...typicalLine];
    const rows: string[][] = [];
    for (const name of ['first', 'second']) {
      const run = await measure(line, { home });
      rows.push(rowOf(name, hosts, run, await services.seen()));
    }
    return rows;
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
    String(hosts),
    String(done),
    String(detect),
    String(login),
    String(atp),
    ((detect + login + atp) / hosts).toFixed(2),
    (run.wallMs / 1000).toFixed(1),
    (run.cpuMs / 1000).toFixed(1),
    run.peakMiB.toFixed(0),
    String(seen.throttled),
  ];
}

/** A cache of its own for each world: their hosts have the same numbers. */
function writeConfig({ config }: Services): string {
  const cacheDir = mkdtempSync(join(home, 'cache-'));
  const file = join(home, 'config.json');
  writeFileSync(file, JSON.stringify({ ...config, cacheDir }), { mode: 0o600 });
  return file;
}
