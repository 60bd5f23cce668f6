import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The command as `npm run build` leaves it. */
export const builtCommand = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));

/** What a process of Node.js took. */
export interface Measured {
  code: number | null;
  stdout: string;
  stderr: string;
  wallMs: number;
  /** User and system time of the process. */
  cpuMs: number;
  /** The most memory it had at once. */
  peakMiB: number;
}

/**
 * Runs before the program and reports at its end on the fourth file descriptor. Linux counts the peak of a new program
 * from the memory of the process that started it (`ru_maxrss`), `VmHWM` from the program itself: that is taken where
 * there is one.
 */
const probe = `import { readFileSync, writeSync } from 'node:fs';
process.once('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  let peakKiB = maxRSS;
  try {
    peakKiB = Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  } catch {}
  writeSync(3, JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1000, peakMiB: peakKiB / 1024 }));
});`;

/** Runs a script of Node.js to its end, in the bare environment of cron. */
export async function measure(
  args: readonly string[],
  options: { home: string; script?: string; nodeOptions?: readonly string[] },
): Promise<Measured> {
  const { home, script = builtCommand, nodeOptions = [] } = options;
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(probe)}`];
  const started = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, ...preload, script, ...args], {
    cwd: home,
    env: { PATH: '/usr/bin:/bin', HOME: home },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const texts = ['', '', ''];
  for (const at of [1, 2, 3]) {
    child.stdio[at]?.on('data', (bytes: unknown) => {
      if (Buffer.isBuffer(bytes)) texts[at - 1] = `${texts[at - 1] ?? ''}${bytes.toString('utf8')}`;
    });
  }
  await once(child, 'close');
  const wallMs = performance.now() - started;
  const [stdout = '', stderr = '', used = ''] = texts;
  const read: unknown = used === '' ? {} : JSON.parse(used);
  return {
    code: child.exitCode,
    stdout,
    stderr,
    wallMs,
    cpuMs: numberIn(read, 'cpuMs'),
    peakMiB: numberIn(read, 'peakMiB'),
  };
}

function numberIn(value: unknown, name: string): number {
  if (typeof value !== 'object' || value === null || !(name in value)) return NaN;
  const found: unknown = Object.entries(value).find(([key]) => key === name)?.[1];
  return typeof found === 'number' ? found : NaN;
}

/** Wall and CPU time of a whole process, its start and end included. */
export interface Times {
  wallMs: number;
  cpuMs: number;
}

/**
 * Runs each of several command lines of Node.js in turn, so many rounds, and gives the median of each. The times are
 * those of bash, which counts a process until it is gone.
 */
export async function medianTimes<Name extends string>(
  lines: Record<Name, readonly string[]>,
  options: { env: NodeJS.ProcessEnv; rounds: number },
): Promise<Map<string, Times>> {
  const names = Object.keys(lines);
  const all = new Map<string, Times[]>(names.map((name) => [name, []]));
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const [name, line] of Object.entries<readonly string[]>(lines)) {
      const times = await timesOf([process.execPath, ...line], options.env);
      // The first round warms the disk cache.
      if (round > 0) all.get(name)?.push(times);
    }
  }
  return new Map([...all].map(([name, times]) => [name, medianOf(times)]));
}

async function timesOf(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Times> {
  const script = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" >/dev/null 2>&1 </dev/null; } 2>&1';
  const child = spawn('bash', ['-c', script, 'bash', ...command], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  const [real = NaN, user = NaN, system = NaN] = text.trim().split(' ').map(Number);
  return { wallMs: real * 1000, cpuMs: (user + system) * 1000 };
}

function medianOf(times: readonly Times[]): Times {
  return { wallMs: median(times.map((one) => one.wallMs)), cpuMs: median(times.map((one) => one.cpuMs)) };
}

/** The middle of some numbers; the mean of the two middle ones where there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (low + high) / 2;
}
