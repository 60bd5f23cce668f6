import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isObject, parseJson, type JsonObject } from './json.ts';
import type { Simulator } from './simulator.ts';

export interface RunOptions {
  /** Whose configuration is written; `config` takes precedence. */
  simulator?: Pick<Simulator, 'config'> | undefined;
  config?: JsonObject | undefined;
  /** Merged into the simulator's configuration. */
  overrides?: JsonObject | undefined;
  /** Beside PATH and HOME, which are all that cron gives. */
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  /** A home directory that outlives the run, for its cache; otherwise each run has a new one. */
  home?: string | undefined;
  /** The script to run instead of the built command. */
  script?: string | undefined;
  /** Written to standard input, which is empty otherwise. */
  stdin?: string | undefined;
  /** Killed with SIGKILL after so long; default 60 seconds. */
  timeoutMs?: number | undefined;
  /** A signal sent so long after the start. */
  signalAfter?: { ms: number; signal: NodeJS.Signals } | undefined;
}

export interface RunResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Standard output parsed, when `--json` was among the arguments and it is an object. */
  report: JsonObject | undefined;
  /** From start to end, milliseconds. */
  ms: number;
}

export interface RunningAtp {
  readonly child: ChildProcess;
  readonly result: Promise<RunResult>;
}

const builtCommand = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));

/**
 * Starts the command as cron does: a bare environment, a shell, no terminal. The shell and `env` replace themselves, so
 * the child's process is the command's own.
 */
export function spawnAtp(args: readonly string[], options: RunOptions): RunningAtp {
  const scratch = mkdtempSync(join(tmpdir(), 'atp-run-'));
  const config = options.config ?? options.simulator?.config(options.overrides);
  const file = join(scratch, 'config.json');
  if (config) writeFileSync(file, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  const environment = {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: options.home ?? scratch,
    ...options.env,
  };
  const command = [
    'exec',
    process.execPath,
    options.script ?? builtCommand,
    ...(config ? ['--config', file] : []),
    ...args,
  ];
  const shell = command.map((part, at) => (at === 0 ? part : quote(part))).join(' ');
  const started = Date.now();
  const child = spawn(
    'env',
    ['-i', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`), '/bin/sh', '-c', shell],
    { cwd: options.cwd ?? scratch, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const timers: NodeJS.Timeout[] = [];
  timers.push(setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000));
  const { signalAfter } = options;
  if (signalAfter) timers.push(setTimeout(() => child.kill(signalAfter.signal), signalAfter.ms));
  const result = new Promise<RunResult>((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A command that never reads its input closes it: no failure.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
    child.once('error', reject);
    child.once('close', (code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      rmSync(scratch, { recursive: true, force: true });
      const parsed = args.includes('--json') ? parseJson(stdout) : undefined;
      const report = isObject(parsed) ? parsed : undefined;
      resolve({ code, signal, stdout, stderr, report, ms: Date.now() - started });
    });
  });
  return { child, result };
}

/** Runs the command to its end. */
export async function runAtp(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return spawnAtp(args, options).result;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
