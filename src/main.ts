import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createCache } from './local/cache.ts';
import type { Answers } from './check/context.ts';
import type { Line } from './check/line.ts';
import { createClients } from './pipeline/clients.ts';
import { createServiceClock, systemClock, type Clock } from './clock.ts';
import { loadConfig, type Config } from './config/config.ts';
import { warningText } from './config/findings.ts';
import { AppError, ExitCode, LockedError, OverdueError, type Service } from './errors.ts';
import { createBreaker } from './http/breaker.ts';
import { createLimiter } from './http/limiter.ts';
import { openCallLog } from './local/call-log.ts';
import { openJournal } from './local/journal.ts';
import { acquireLock } from './local/lock.ts';
import { createLog, escapeControls, type Log } from './output/log.ts';
import type { Options } from './command-line/options.ts';
import { loadFreshness } from './local/freshness.ts';
import { buildReport, didSomething, planText, summaryLine } from './pipeline/report.ts';
import { createDryRunWriter, createWriter } from './pipeline/writer.ts';
import { createNoProgress, createProgress, type Progress } from './output/progress.ts';
import { run, type RunResult } from './run.ts';
import { createSecrets, type Secrets } from './output/secrets.ts';

/** The world of a process, so that tests can give it another. */
export interface Io {
  env: NodeJS.ProcessEnv;
  cwd: string;
  uid: number | undefined;
  version: string;
  writeOut(text: string): void;
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
  config: Config;
  io: Io;
  clock: Clock;
  log: Log;
  secrets: Secrets;
  progress: Progress;
  /** Aborted when the run is told to stop, or is overdue. */
  stop: AbortSignal;
  startedAt: number;
  /** No new host is begun after this, milliseconds UTC. */
  deadline: number;
  calls: Record<Service, number>;
  warnings: string[];
  /** What to do about the failures of calls, each said once, however many hosts they concerned. */
  hints: Set<string>;
}

/** Runs the command with parsed options, and returns its exit code. */
export async function main(options: Options, io: Io): Promise<ExitCode> {
  const { secrets = createSecrets(), clock = systemClock } = io;
  const isWatched = io.terminal && !options.json && !options.check && options.verbosity !== 'quiet';
  const progress = isWatched ? createProgress(io.writeErr) : createNoProgress();
  const log = createLog({
    level: ({ verbose: 'debug', normal: 'info', quiet: 'warn' } as const)[options.verbosity],
    destination: {
      write(text) {
        progress.clear();
        io.writeErr(text);
      },
    },
    terminal: io.terminal,
    scrub: secrets.scrub,
  });
  let config: Config;
  try {
    config = await loadConfig({ ...io, file: options.config, registerSecret: secrets.register });
  } catch (error) {
    progress.end();
    if (!options.check || !(error instanceof AppError)) return logFailure(error, log);
    const { unusableConfiguration } = await import('./check/check.ts');
    return await printCheck([unusableConfiguration(error)], options, io, secrets);
  }
  log.debug({ file: config.file }, 'this configuration is used');
  try {
    return await inTime(options, config, io, async (stop) => {
      const startedAt = clock.now();
      const session: Session = {
        ...{ options, config, io, clock, log, secrets, progress, stop, startedAt },
        deadline: startedAt + config.runTimeoutMinutes * 60_000,
        calls: { detect: 0, login: 0, atp: 0 },
        warnings: config.warnings.map(warningText),
        hints: new Set(),
      };
      return await (options.check ? check(session) : runOnce(session));
    });
  } catch (error) {
    return logFailure(error, log);
  } finally {
    progress.end();
  }
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
async function check(session: Session): Promise<ExitCode> {
  const { options, config, io, clock, secrets, stop, deadline } = session;
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
  return await printCheck(lines, options, io, secrets, stop);
}

async function printCheck(
  lines: readonly Line[],
  { json }: Options,
  { writeOut }: Io,
  secrets: Secrets,
  stop?: AbortSignal,
): Promise<ExitCode> {
  const { checkExitCode, checkJson, checkTable } = await import('./check/line.ts');
  const reason: unknown = stop?.aborted ? stop.reason : undefined;
  const exitCode = reason instanceof AppError ? reason.exitCode : checkExitCode(lines);
  writeOut(secrets.scrub(json ? checkJson(lines, exitCode) : checkTable(lines)));
  return exitCode;
}

/** The run, under the lock unless it is dry. */
async function runOnce(session: Session): Promise<ExitCode> {
  const { options, config, io, clock, startedAt, calls, warnings } = session;
  if (options.dryRun) return finish(session, await work(session));
  try {
    const lock = await acquireLock(config.detect.url);
    if (lock.warning !== undefined) warnings.push(lock.warning);
    try {
      return finish(session, await work(session));
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    const report = buildReport({
      version: io.version,
      startedAt,
      finishedAt: clock.now(),
      dryRun: false,
      calls,
      outcomes: [],
      exitCodes: [],
    });
    report.exitCode = error.exitCode;
    return finish(session, { report, outcomes: [], fatal: error });
  }
}

/** Often enough that what is lost matters to no quota, rarely enough to cost nothing. */
const keepEveryMs = 15_000;

async function work(session: Session): Promise<RunResult> {
  const { options, config, io, clock, log, progress, stop, deadline, calls, warnings, hints } = session;
  const cache = createCache({
    dir: config.cacheDir,
    warn(message) {
      warnings.push(message);
    },
    readOnly: options.dryRun,
  });
  const cacheKey = createHash('sha256').update(config.detect.url).digest('hex').slice(0, 16);
  const callLog = openCallLog(cache, config.atp);
  const limiter = createLimiter({ clock, deadline, earlier: await callLog.earlier(clock.now()) });
  const breaker = createBreaker();
  const { now, learn } = createServiceClock(clock);
  const clients = createClients(config, {
    ...session,
    limiter,
    breaker,
    cache,
    onOutcome(service, { failure, serverTime }) {
      learn(service, serverTime);
      if (failure?.hint !== undefined) hints.add(failure.hint);
    },
  });
  const journal = await openJournal(cache, cacheKey);
  const freshness = await loadFreshness(cache, cacheKey, config.enrich.maxAgeMinutes * 60_000);

  /** Also while the run works, so that not even a killed one forgets the calls it made. */
  async function keep(): Promise<void> {
    await freshness.save(clock.now());
    if (calls.atp > 0) await callLog.keep(limiter.starts(), clock.now());
  }
  const keeping = setInterval(() => void keep(), keepEveryMs).unref();
  try {
    return await run(
      {
        triggers: options,
        settings: {
          brain: new URL(config.detect.url).host,
          isolationType: config.isolation.type,
          maxPerRun: config.isolation.maxPerRun,
          match: config.isolation.match,
          never: config.isolation.never,
          endsAfterMs: config.isolation.endsAfterDays * 86_400_000,
          portal: { url: config.atp.portalUrl, tenantId: config.atp.tenantId },
          waitMs: options.dryRun ? 0 : options.waitSeconds * 1_000,
        },
        ...{ clock, now, log, progress, deadline, stop, freshness, journal },
        ...clients,
        writer: options.dryRun
          ? createDryRunWriter(now)
          : createWriter({ ...clients, journal, clock, now, stop }),
        breaker,
      },
      { version: io.version, dryRun: options.dryRun, calls },
    );
  } finally {
    clearInterval(keeping);
    await keep();
  }
}

/** Says what there is to say about a run, and returns its exit code. */
function finish(
  { options, io, log, secrets, progress, stop, warnings, hints }: Session,
  { report, outcomes, fatal }: RunResult,
): ExitCode {
  progress.end();
  const busy = didSomething(report) || io.terminal;
  for (const warning of new Set(warnings)) {
    if (busy) log.warn(warning);
    else log.debug(warning);
  }
  for (const { result, detail, id, name, machine, action } of report.hosts) {
    const fields = {
      host: id,
      name,
      result,
      machine: machine?.computerDnsName ?? undefined,
      action: action?.id ?? undefined,
    };
    if (result === 'unchanged') log.debug(fields, detail);
    else if (['conflict', 'failed', 'deferred', 'refused'].includes(result)) log.warn(fields, detail);
    else log.info(fields, detail);
  }
  if (fatal instanceof AppError && fatal.hint !== undefined) hints.delete(fatal.hint);
  for (const hint of hints) log.warn(hint);
  const reason: unknown = stop.aborted ? stop.reason : fatal;
  if (reason instanceof OverdueError || (reason !== undefined && !stop.aborted)) logFailure(reason, log);
  if (busy) log.info(summaryLine(report));
  else log.debug(summaryLine(report));
  if (options.json) {
    io.writeOut(secrets.scrub(`${escapeControls(JSON.stringify(report, null, 2))}\n`));
  } else if (options.dryRun) {
    io.writeOut(secrets.scrub(planText(outcomes)));
  }
  return report.exitCode;
}

function logFailure(error: unknown, log: Log): ExitCode {
  if (error instanceof AppError) {
    log.error(error.hint === undefined ? {} : { hint: error.hint }, error.message);
    return error.exitCode;
  }
  log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return ExitCode.bug;
}
