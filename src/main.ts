import { setMaxListeners } from 'node:events';
import { createCache } from './local/cache.ts';
import type { Answers } from './check/context.ts';
import type { Line } from './check/line.ts';
import { createClients } from './pipeline/clients.ts';
import { createServiceClock, systemClock, type Clock } from './clock.ts';
import { loadConfig, type Config } from './config/config.ts';
import { warningText } from './config/findings.ts';
import { AppError, LockedError, OverdueError, worstExitCode, type ExitCode, type Service } from './errors.ts';
import { createBreaker } from './http/breaker.ts';
import { createLimiter } from './http/limiter.ts';
import { openCallLog } from './local/call-log.ts';
import { acquireLock, type Lock } from './local/lock.ts';
import { escapeControls } from './output/clean.ts';
import { createLazyLog, type LazyLog } from './output/lazy-log.ts';
import type { Options } from './command-line/options.ts';
import { buildReport, planText } from './pipeline/report.ts';
import { createNoProgress, createProgress, type Progress } from './output/progress.ts';
import { work, type Job } from './pipeline/work.ts';
import type { RunResult } from './run.ts';
import { logFailure, logRun } from './output/run-log.ts';
import { createSecrets, type Secrets } from './output/secrets.ts';

/** The world of a process, so that tests can give it another. */
export interface Io {
  env: NodeJS.ProcessEnv;
  cwd: string;
  uid: number | undefined;
  version: string;
  /** Resolves when all is written, or nobody reads it any more; rejects with an AppError when it cannot be written. */
  writeOut(text: string): Promise<void>;
  writeErr(text: string): void;
  /** Standard error is a terminal. */
  terminal: boolean;
  /** Aborted by SIGINT or SIGTERM with an `InterruptedError`. */
  stop: AbortSignal;
  clock?: Clock;
  /** Filled with the secret values of the run, for whoever has to print what the run cannot. */
  secrets?: Secrets;
  /** How long after `runTimeoutMinutes` a run is broken off, milliseconds. Default: a minute and two requests. */
  graceMs?: number;
}

/** What all parts of one command share. */
interface Session {
  options: Options;
  io: Io;
  clock: Clock;
  log: LazyLog;
  secrets: Secrets;
  progress: Progress;
}

/** The same, when the configuration is known. */
interface Ready extends Session, Job {}

/** Runs the command with parsed options, and returns its exit code. */
export async function main(options: Options, io: Io): Promise<ExitCode> {
  const { secrets = createSecrets(), clock = systemClock } = io;
  const isWatched = io.terminal && !options.json && !options.check && options.verbosity !== 'quiet';
  const progress = isWatched ? createProgress(io.writeErr) : createNoProgress();
  const level = ({ verbose: 'debug', normal: 'info', quiet: 'warn' } as const)[options.verbosity];
  const log = createLazyLog(level, async () => {
    const { createLog } = await import('./output/log.ts');
    const destination = {
      write(text: string) {
        progress.clear();
        io.writeErr(text);
      },
    };
    return createLog({ level, destination, terminal: io.terminal, scrub: secrets.scrub });
  });
  try {
    return await command({ options, io, clock, log, secrets, progress });
  } catch (error) {
    return logFailure(error, log);
  } finally {
    progress.end();
    await log.flush();
  }
}

async function command(session: Session): Promise<ExitCode> {
  const { options, io, secrets, clock } = session;
  let config: Config;
  try {
    config = await loadConfig({ ...io, file: options.config, registerSecret: secrets.register });
  } catch (error) {
    if (!options.check || !(error instanceof AppError)) throw error;
    const { unusableConfiguration } = await import('./check/check.ts');
    return await printCheck([unusableConfiguration(error)], session, io.stop);
  }
  session.log.debug({ file: config.file }, 'this configuration is used');
  return await inTime(options, config, io, async (stop) => {
    const startedAt = clock.now();
    const deadline = startedAt + config.runTimeoutMinutes * 60_000;
    const ready: Ready = {
      ...{ ...session, config, stop, startedAt, deadline, version: io.version },
      ...{
        calls: { detect: 0, login: 0, atp: 0 },
        warnings: config.warnings.map(warningText),
        hints: new Set(),
      },
    };
    return await (options.check ? check(ready) : options.status ? status(ready) : runOnce(ready));
  });
}

/**
 * Gives the work a signal that ends it: that of the process, or a limit long after `runTimeoutMinutes`, which only services
 * that answer without an end can reach. The limit is real time, since sockets are what it is about.
 */
async function inTime<Value>(
  { waitSeconds }: Options,
  { runTimeoutMinutes, http }: Config,
  { stop, graceMs = 60_000 + 2_000 * http.timeoutSeconds }: Io,
  work: (stop: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const overdue = new AbortController();
  const timer = setTimeout(
    () => {
      overdue.abort(new OverdueError());
    },
    runTimeoutMinutes * 60_000 + waitSeconds * 1_000 + graceMs,
  );
  const either = AbortSignal.any([stop, overdue.signal]);
  // Every request under way listens for it.
  setMaxListeners(0, either);
  try {
    return await work(either);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks every service once, with a token that is really asked for, and prints what came of it. */
async function check(session: Ready): Promise<ExitCode> {
  const { options, config, clock, stop, deadline } = session;
  const { runChecks } = await import('./check/check.ts');
  const answers: Record<Service, Answers> = {
    detect: { failure: undefined, clocks: [] },
    login: { failure: undefined, clocks: [] },
    atp: { failure: undefined, clocks: [] },
  };
  const clients = createClients(config, {
    ...session,
    limiter: createLimiter({ clock, deadline }),
    breaker: createBreaker(),
    cache: createCache({ dir: undefined, warn: () => undefined, readOnly: true }),
    onOutcome(service, { failure, serverTime }) {
      answers[service].failure = failure;
      if (serverTime !== undefined) answers[service].clocks.push({ theirs: serverTime, ours: clock.now() });
    },
  });
  const { detect } = clients;
  const lines = await runChecks({
    config,
    triggers: options,
    detect,
    ...(await clients.microsoft()),
    answers,
  });
  return await printCheck(lines, session, stop);
}

/** Compares tags with Defender's list, and prints the table; takes no lock and keeps nothing. */
async function status(session: Ready): Promise<ExitCode> {
  const { options, config, clock, log, warnings, deadline, stop } = session;
  const { readStatus } = await import('./status/status.ts');
  const { statusJson, statusTable } = await import('./status/table.ts');
  const cache = createCache({ dir: config.cacheDir, warn: (text) => warnings.push(text), readOnly: true });
  const earlier = await openCallLog(cache, config.atp).earlier(clock.now());
  const { now, learn } = createServiceClock(clock);
  const { detect, atp } = createClients(config, {
    ...session,
    cache,
    limiter: createLimiter({ clock, deadline, earlier }),
    breaker: createBreaker(),
    onOutcome(service, { serverTime }) {
      learn(service, serverTime);
    },
  });
  const brain = new URL(config.detect.url).host;
  const endsAfterMs = config.isolation.endsAfterDays * 86_400_000;
  const report = await readStatus({ brain, endsAfterMs, triggers: options, detect, atp, now, log, stop });
  if (session.io.terminal) for (const warning of warnings) log.warn(warning);
  if (!options.json && options.verbosity === 'quiet') return report.exitCode;
  return await print(options.json ? statusJson(report) : statusTable(report), report.exitCode, session);
}

async function printCheck(
  lines: readonly Line[],
  session: Session,
  { aborted, reason }: AbortSignal,
): Promise<ExitCode> {
  const { checkExitCode, checkJson, checkTable } = await import('./check/line.ts');
  const exitCode = aborted && reason instanceof AppError ? reason.exitCode : checkExitCode(lines);
  return await print(
    session.options.json ? checkJson(lines, exitCode) : checkTable(lines),
    exitCode,
    session,
  );
}

/** Prints what was asked for, and returns the exit code: the one given, or a worse one where it cannot be printed. */
async function print(text: string, exitCode: ExitCode, { io, log, secrets }: Session): Promise<ExitCode> {
  try {
    await log.flush();
    await io.writeOut(secrets.scrub(text));
    return exitCode;
  } catch (error) {
    return worstExitCode([exitCode, logFailure(error, log)]);
  }
}

/** The run and what is said of it, under the lock unless it is dry. */
async function runOnce(session: Ready): Promise<ExitCode> {
  const { options, io, progress } = session;
  // Here the lock is given back already: a reader that has stopped is not to hold up the next run.
  const result = await (options.dryRun ? work(session) : workLocked(session));
  progress.end();
  logRun(result, { ...session, isWatched: io.terminal });
  const { report, outcomes } = result;
  if (options.json) {
    return await print(`${escapeControls(JSON.stringify(report, null, 2))}\n`, report.exitCode, session);
  }
  return options.dryRun ? await print(planText(outcomes), report.exitCode, session) : report.exitCode;
}

async function workLocked(session: Ready): Promise<RunResult> {
  const { config, version, clock, startedAt, calls, warnings } = session;
  let lock: Lock;
  try {
    lock = await acquireLock(config.detect.url);
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    const report = buildReport({
      ...{ version, startedAt, finishedAt: clock.now(), dryRun: false, calls },
      ...{ outcomes: [], exitCodes: [error.exitCode] },
    });
    return { report, outcomes: [], fatal: error };
  }
  if (lock.warning !== undefined) warnings.push(lock.warning);
  try {
    return await work(session);
  } finally {
    await lock.release();
  }
}
