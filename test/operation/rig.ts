import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/clock.ts';
import { abortReason } from '../../src/http/abort.ts';
import { main, type Io } from '../../src/main.ts';
import { parseOptions } from '../../src/command-line/options.ts';
import { isObject, parseJson, type JsonObject } from '../simulator/json.ts';

/** A clock for one run: the time as it is, but who sleeps wakes at once, and the time has moved on by as much. */
export function createImpatientClock(): Clock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.reject(abortReason(signal));
      ahead += Math.max(0, ms);
      return Promise.resolve();
    },
  };
}

export interface InProcess {
  code: number;
  stdout: string;
  stderr: string;
  /** Standard output, when it is a JSON object. */
  json: JsonObject | undefined;
}

/**
 * Runs the command in this process, over real sockets, with the system's clock unless `io` has another. Arguments are as on
 * the command line; the configuration is written to a file of its own, unless it is the path of one.
 */
export async function runInProcess(
  args: readonly string[],
  config: JsonObject | string,
  io: Partial<Io> = {},
): Promise<InProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'atp-operation-'));
  try {
    return await runIn(dir, args, config, io);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runIn(
  dir: string,
  args: readonly string[],
  config: JsonObject | string,
  io: Partial<Io>,
): Promise<InProcess> {
  const file = typeof config === 'string' ? config : join(dir, 'config.json');
  if (typeof config !== 'string') {
    writeFileSync(file, JSON.stringify({ cacheDir: join(dir, 'cache'), ...config }), { mode: 0o600 });
  }
  let stdout = '';
  let stderr = '';
  const output = {
    version: '0.0.0-test',
    writeOut: (text: string) => {
      stdout += text;
      return Promise.resolve();
    },
    writeErr: (text: string) => {
      stderr += text;
    },
  };
  const parsed = parseOptions([...args, '--config', file], output);
  const code =
    'exit' in parsed
      ? parsed.exit
      : await main(parsed, {
          ...output,
          env: {},
          cwd: dir,
          uid: process.getuid?.(),
          terminal: false,
          stop: new AbortController().signal,
          ...io,
        });
  const json = parseJson(stdout);
  return { code, stdout, stderr, json: isObject(json) ? json : undefined };
}

/** The lines of `--check --json`, each as `name state`, failures with their code. */
export function checkLines({ json }: Pick<InProcess, 'json'>): string[] {
  return checksOf({ json }).map(({ name, ok, code }) => {
    const state = ok === true ? 'ok' : code === 0 ? 'warn' : `FAIL ${String(code)}`;
    return `${String(name)}: ${state}`;
  });
}

/** The lines of `--check --json`. */
export function checksOf({ json }: Pick<InProcess, 'json'>): JsonObject[] {
  const checks = json?.['checks'];
  return Array.isArray(checks) ? checks.filter(isObject) : [];
}

/** The one line of that name. */
export function checkNamed(result: Pick<InProcess, 'json'>, name: string): JsonObject {
  const found = checksOf(result).filter((check) => check['name'] === name);
  const [check, ...more] = found;
  if (!check || more.length > 0) throw new Error(`there are ${found.length} lines "${name}"`);
  return check;
}
