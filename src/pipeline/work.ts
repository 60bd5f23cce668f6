import { createHash } from 'node:crypto';
import { createServiceClock, type Clock } from '../clock.ts';
import type { Options } from '../command-line/options.ts';
import type { Config } from '../config/config.ts';
import type { Service } from '../errors.ts';
import { createBreaker } from '../http/breaker.ts';
import { createLimiter } from '../http/limiter.ts';
import { createCache } from '../local/cache.ts';
import { openCallLog } from '../local/call-log.ts';
import { loadFreshness } from '../local/freshness.ts';
import { openJournal } from '../local/journal.ts';
import type { LazyLog } from '../output/lazy-log.ts';
import type { Progress } from '../output/progress.ts';
import type { Secrets } from '../output/secrets.ts';
import { run, type RunResult } from '../run.ts';
import { createClients } from './clients.ts';
import { createDryRunWriter, createWriter } from './writer.ts';

/** What one run is to do, and what it fills while it does. */
export interface Job {
  options: Options;
  config: Config;
  version: string;
  clock: Clock;
  log: LazyLog;
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

/** Often enough that what is lost matters to no quota, rarely enough to cost nothing. */
const keepEveryMs = 15_000;

/** Runs the pipeline with its clients and with what earlier runs have left in the cache, and keeps there what the next is to know. */
export async function work(job: Job): Promise<RunResult> {
  const { options, config, version, clock, stop, deadline, calls, warnings, hints } = job;
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
    ...job,
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
        ...job,
        ...clients,
        ...{ now, freshness, journal, breaker },
        writer: options.dryRun
          ? createDryRunWriter(now)
          : createWriter({ ...clients, journal, clock, now, stop, log: job.log }),
      },
      { version, dryRun: options.dryRun, calls },
    );
  } finally {
    clearInterval(keeping);
    await keep();
  }
}
