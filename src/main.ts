import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { z } from 'zod';
import { createAtpClient } from './atp/client.ts';
import { createTokenSource } from './atp/token.ts';
import { createCache, type Cache } from './cache.ts';
import type { CheckContext } from './check.ts';
import { systemClock, type Clock } from './clock.ts';
import { loadConfig, type Config } from './config/config.ts';
import { createDetectClient } from './detect/client.ts';
import { ApiError, AppError, ExitCode, LockedError, serviceNames, type Service } from './errors.ts';
import { createHttp, type HttpClient } from './http/http.ts';
import { createLimiter, type Limiter } from './http/limiter.ts';
import { acquireLock } from './lock.ts';
import { createLog, type Log } from './log.ts';
import type { Options } from './options.ts';
import { loadFreshness } from './pipeline/freshness.ts';
import { createHealth } from './pipeline/health.ts';
import { buildReport, didSomething, planText, summaryLine } from './pipeline/report.ts';
import { createDryRunWriter, createWriter } from './pipeline/writer.ts';
import { run, type RunResult } from './run.ts';
import { createSecrets, type Secrets } from './secrets.ts';

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
}

/** Detect answers a single client; more at a time only queue there. */
const detectConcurrency = 10;
const defenderConcurrency = 10;

/** Runs the command with parsed options, and returns its exit code. */
export async function main(options: Options, io: Io): Promise<ExitCode> {
  const secrets = createSecrets();
  const log = createLog({
    level: ({ verbose: 'debug', normal: 'info', quiet: 'warn' } as const)[options.verbosity],
    destination: { write: io.writeErr },
    terminal: io.terminal,
    scrub: secrets.scrub,
  });
  let config: Config;
  try {
    config = await loadConfig({ ...io, file: options.config, registerSecret: secrets.register });
  } catch (error) {
    return logFailure(error, log);
  }
  const session = createSession(options, config, io, log, secrets);
  try {
    return await session();
  } catch (error) {
    return logFailure(error, log);
  }
}

function createSession(
  options: Options,
  config: Config,
  io: Io,
  log: Log,
  secrets: Secrets,
): () => Promise<ExitCode> {
  // Every request under way listens for it.
  setMaxListeners(0, io.stop);
  const clock = io.clock ?? systemClock;
  const startedAt = clock.now();
  const deadline = startedAt + config.runTimeoutMinutes * 60_000;
  const calls: Record<Service, number> = { detect: 0, login: 0, atp: 0 };
  const warnings = [...config.warnings];

  /** Asks every service once, with a token that is really asked for, and prints what came of it. */
  async function check(): Promise<ExitCode> {
    const { checkExitCode, checkTable, runChecks } = await import('./check.ts');
    const clocks: CheckContext['clocks'] = [];
    const nothingKept = createCache({ dir: undefined, warn: () => undefined, readOnly: true });
    const limiter = createLimiter({ clock, deadline });
    const parts = { clock, limiter, cache: nothingKept, calls, log, secrets, stop: io.stop };
    const clients = createClients(config, {
      ...parts,
      onServerTime: (service, theirs) =>
        clocks.push({ name: serviceNames[service], theirs, ours: clock.now() }),
    });
    const checks = await runChecks({ config, triggers: options, ...clients, clocks, warnings });
    const exitCode = checkExitCode(checks);
    const text = options.json
      ? `${JSON.stringify({ schema: 1, exitCode, checks }, null, 2)}\n`
      : checkTable(checks);
    io.writeOut(secrets.scrub(text));
    return exitCode;
  }

  async function work(): Promise<RunResult> {
    const cache = createCache({
      dir: config.cacheDir,
      warn(message) {
        warnings.push(message);
      },
      readOnly: options.dryRun,
    });
    const cacheKey = createHash('sha256').update(config.detect.url).digest('hex').slice(0, 16);
    const limiter = await createPacer(cache, config, clock, deadline);
    const clients = createClients(config, { clock, limiter, cache, calls, log, secrets, stop: io.stop });
    const freshness = await loadFreshness(cache, cacheKey, config.enrich.maxAgeMinutes * 60_000);
    const result = await run(
      {
        triggers: options,
        settings: {
          brain: new URL(config.detect.url).host,
          isolationType: config.isolation.type,
          maxPerRun: config.isolation.maxPerRun,
          match: config.isolation.match,
          never: config.isolation.never,
          portal: { url: config.atp.portalUrl, tenantId: config.atp.tenantId },
          waitMs: options.dryRun ? 0 : options.waitSeconds * 1_000,
        },
        clock,
        log,
        ...clients,
        writer: options.dryRun
          ? createDryRunWriter(clock)
          : createWriter(clients.detect, clients.atp, clock, io.stop),
        health: createHealth(),
        freshness,
        deadline,
        stop: io.stop,
      },
      { version: io.version, dryRun: options.dryRun, calls },
    );
    await freshness.save(clock.now());
    if (calls.atp > 0) await cache.write(pacerName(config), limiter.starts());
    return result;
  }

  function finish({ report, outcomes, fatal }: RunResult): ExitCode {
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
    if (fatal !== undefined && !io.stop.aborted) logFailure(fatal, log);
    if (didSomething(report)) log.info(summaryLine(report));
    else log.debug(summaryLine(report));
    if (options.json) io.writeOut(secrets.scrub(`${JSON.stringify(report, null, 2)}\n`));
    else if (options.dryRun) io.writeOut(secrets.scrub(planText(outcomes)));
    return report.exitCode;
  }

  return async () => {
    if (options.check) return await check();
    if (options.dryRun) return finish(await work());
    try {
      const lock = await acquireLock(config.detect.url);
      if (lock.warning !== undefined) warnings.push(lock.warning);
      try {
        return finish(await work());
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
      return finish({ report, outcomes: [], fatal: error });
    }
  };
}

function pacerName({ atp }: Config): string {
  const key = createHash('sha256').update([atp.apiUrl, atp.tenantId, atp.appId].join('\n')).digest('hex');
  return `calls-${key.slice(0, 16)}`;
}

/** Start times of the calls of earlier runs, by quota. */
const KeptStarts = z.record(z.string(), z.array(z.number())).catch({});

async function createPacer(cache: Cache, config: Config, clock: Clock, deadline: number): Promise<Limiter> {
  const stored = KeptStarts.parse(await cache.read(pacerName(config)));
  const now = clock.now();
  const earlier = Object.fromEntries(
    Object.entries(stored).map(([quota, starts]) => [quota, starts.filter((start) => start <= now)]),
  );
  return createLimiter({ clock, deadline, earlier });
}

interface Parts {
  clock: Clock;
  limiter: Limiter;
  cache: Cache;
  calls: Record<Service, number>;
  log: Log;
  secrets: Secrets;
  stop: AbortSignal;
  /** Told the time in the `Date` header of each answer. */
  onServerTime?: (service: Service, time: number) => void;
}

/** Builds the clients of the three services; nothing is sent until something is asked of them. */
export function createClients(config: Config, parts: Parts) {
  const { clock, limiter, cache, calls, log, secrets, stop, onServerTime } = parts;
  const { detect, atp } = config;
  const timeoutMs = config.http.timeoutSeconds * 1_000;

  function http(
    service: Service,
    baseUrl: string,
    more: Partial<Parameters<typeof createHttp>[0]>,
  ): HttpClient {
    const client = createHttp({
      service,
      baseUrl,
      timeoutMs,
      clock,
      stop,
      proxy: config.http.proxy,
      maxConcurrent: defenderConcurrency,
      onAttempt(attempt) {
        calls[service] += 1;
        log.debug(attempt, 'request');
      },
      ...more,
    });
    return onServerTime
      ? tellingTime(client, (time) => {
          onServerTime(service, time);
        })
      : client;
  }

  const microsoftTls = atp.ca === undefined ? {} : { tls: { ca: atp.ca } };
  const login = http('login', atp.loginUrl, microsoftTls);
  const token = createTokenSource({
    http: login,
    config: atp,
    cache,
    clock,
    log,
    registerSecret: secrets.register,
  });
  return {
    token,
    detect: createDetectClient({
      http: http('detect', detect.url, {
        maxConcurrent: detectConcurrency,
        tls: {
          insecure: detect.insecure,
          ...(detect.ca === undefined ? {} : { ca: detect.ca }),
          ...(detect.fingerprint256 === undefined ? {} : { fingerprint256: detect.fingerprint256 }),
        },
      }),
      apiVersion: detect.apiVersion,
      token: detect.token,
    }),
    atp: createAtpClient({
      http: http('atp', atp.apiUrl, { ...microsoftTls, limiter }),
      token,
      audience: atp.audience,
    }),
  };
}

function tellingTime(client: HttpClient, tell: (time: number) => void): HttpClient {
  return {
    async request(request) {
      try {
        const response = await client.request(request);
        if (response.serverTime !== undefined) tell(response.serverTime);
        return response;
      } catch (error) {
        if (error instanceof ApiError && error.serverTime !== undefined) tell(error.serverTime);
        throw error;
      }
    },
  };
}

function logFailure(error: unknown, log: Log): ExitCode {
  if (error instanceof AppError) {
    log.error(error.hint === undefined ? {} : { hint: error.hint }, error.message);
    return error.exitCode;
  }
  log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return ExitCode.bug;
}
