import type { Clock } from '../clock.ts';
import { PostponedError } from '../errors.ts';
import { abortReason, whenAborted } from './abort.ts';

/** What a call is for: isolations and releases go before enrichment and may use what enrichment must leave. */
export type Priority = 'enrichment' | 'action';

/** At most `limit` calls in any span of `ms` milliseconds. */
interface Window {
  limit: number;
  ms: number;
}

export interface Limiter {
  /**
   * Runs the task when a connection is free and its quota lets it go: first come first served, actions first. Who waits
   * for time holds no connection. Rejects with a {@link PostponedError} as soon as it is certain that the wait would
   * pass the deadline, and with the signal's reason when that is aborted before the task begins.
   */
  run<Value>(turn: Turn, task: () => Promise<Value>): Promise<Value>;
  /**
   * Lets nobody start before a time (ms UTC), because the service has said so. As long as that is more than a minute
   * away, nobody waits for it: {@link Limiter.run} rejects at once.
   */
  hold(quota: string | undefined, until: number): void;
  /** Times of calls that still count (ms UTC, ascending), by quota; the next run wants them as `earlier`. */
  starts(): Record<string, number[]>;
}

/** What a call waits for. */
interface Turn {
  /** Undefined for calls that nothing counts; they share their connections and their holds. */
  quota: string | undefined;
  priority: Priority;
  signal?: AbortSignal | undefined;
}

interface Waiter {
  quota: Quota;
  priority: Priority;
  grant: () => void;
  refuse: (error: PostponedError) => void;
}

interface Quota {
  name: string;
  windows: readonly Window[];
  /** When calls ended that still count, ascending. */
  ended: number[];
  running: number;
  /** Milliseconds UTC; in the past when the service has not asked to wait. */
  heldUntil: number;
}

/** MicrosoftDocs defender-docs states these two limits on the page of each call used here, counted for each call by itself. */
const defenderWindows: readonly Window[] = [
  { limit: 100, ms: 60_000 },
  { limit: 1500, ms: 3_600_000 },
];

/** The longest time for which the program waits because a service asks it to. */
export const longestPauseMs = 60_000;

/**
 * Decides when calls to a service may go. A quota counts a call from its grant until its end has left the window: when it
 * reaches the service is not known, but it is in between. So no window is ever exceeded, whichever moment it is
 * measured at, and however long connections and answers take.
 */
export function createLimiter(options: {
  clock: Clock;
  /** Calls under way at the same time, of all quotas together. @default 10 */
  maxConcurrent?: number;
  /** Of each quota by itself. @default 100 a minute and 1,500 an hour */
  windows?: readonly Window[];
  /** The share of each window that enrichment leaves to actions. @default 0.2 */
  reserve?: number;
  /** Milliseconds UTC; nobody waits longer. @default none */
  deadline?: number;
  /** What {@link Limiter.starts} of earlier runs said. */
  earlier?: Record<string, number[]>;
}): Limiter {
  const { clock, maxConcurrent = 10, windows = defenderWindows, reserve = 0.2, earlier = {} } = options;
  const { deadline = Number.POSITIVE_INFINITY } = options;
  const longest = Math.max(0, ...windows.map(({ ms }) => ms));
  const quotas = new Map<string | undefined, Quota>();
  const waiting: Record<Priority, Waiter[]> = { action: [], enrichment: [] };
  let running = 0;
  let alarm: { at: number; off: AbortController } | undefined;

  for (const [name, times] of Object.entries(earlier)) {
    const now = clock.now();
    // A time in the future was written by a clock that has been set back since.
    quotaOf(name).ended = times.map((time) => Math.min(time, now)).sort((a, b) => a - b);
  }

  function quotaOf(name: string | undefined): Quota {
    let quota = quotas.get(name);
    if (quota === undefined) {
      const counted = name === undefined ? [] : windows;
      quota = { name: name ?? '', windows: counted, ended: [], running: 0, heldUntil: 0 };
      quotas.set(name, quota);
    }
    return quota;
  }

  function prune(quota: Quota): void {
    const oldest = clock.now() - longest;
    const kept = quota.ended.findIndex((time) => time > oldest);
    quota.ended.splice(0, kept === -1 ? quota.ended.length : kept);
  }

  function limitOf(window: Window, priority: Priority): number {
    // The little extra undoes what binary fractions do to a product like 10 * (1 - 0.9).
    const share = priority === 'action' ? 1 : 1 - reserve;
    return Math.max(1, Math.floor(window.limit * share + 1e-9));
  }

  /** The earliest time at which the last of these, one after the other, could start. */
  function earliest(quota: Quota, queue: readonly Priority[]): number {
    const now = clock.now();
    let at = Math.max(now, quota.heldUntil);
    if (quota.windows.length === 0) return at;
    const planned: number[] = [];
    function nthLast(n: number): number {
      if (n <= planned.length) return planned.at(-n) ?? now;
      const past = n - planned.length - quota.running;
      return past <= 0 ? now : (quota.ended.at(-past) ?? Number.NEGATIVE_INFINITY);
    }
    for (const priority of queue) {
      for (const window of quota.windows) at = Math.max(at, nthLast(limitOf(window, priority)) + window.ms);
      planned.push(at);
    }
    return at;
  }

  /** Why nobody waits until a start is free; undefined when that is worth waiting for. */
  function refusal({ name, heldUntil }: Quota, free: number): PostponedError | undefined {
    const now = clock.now();
    if (heldUntil - now > longestPauseMs)
      return new PostponedError(`the service takes no more ${name} calls until ${isoSeconds(heldUntil)}`);
    if (free <= now || free <= deadline) return undefined;
    return new PostponedError(
      `the quota for ${name} calls is used up until ${isoSeconds(free)}, and this run ends at ${isoSeconds(deadline)}`,
    );
  }

  /** Starts all who can go, in their turn, and sets the alarm for the next whom only time keeps back. */
  function serve(): void {
    if (running === maxConcurrent) return;
    const keptBack = new Map<Quota, number>();
    for (const { quota, priority, grant, refuse } of [...waiting.action, ...waiting.enrichment]) {
      if (keptBack.has(quota)) continue;
      const free = earliest(quota, [priority]);
      const refused = refusal(quota, free);
      if (refused) refuse(refused);
      else if (free > clock.now()) keptBack.set(quota, free);
      else grant();
      if (running === maxConcurrent) return;
    }
    setAlarm(Math.min(...keptBack.values()));
  }

  function setAlarm(at: number): void {
    if (alarm?.at === at) return;
    alarm?.off.abort();
    alarm = undefined;
    if (!Number.isFinite(at)) return;
    const off = new AbortController();
    alarm = { at, off };
    clock.sleep(at - clock.now(), off.signal).then(() => {
      if (alarm?.off === off) alarm = undefined;
      serve();
    }, onAlarmOff);
  }

  function granted({ quota: name, priority, signal }: Turn): Promise<Quota> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortReason(signal));
        return;
      }
      const quota = quotaOf(name);
      const before = priority === 'action' ? waiting.action : [...waiting.action, ...waiting.enrichment];
      const queue = [
        ...before.filter((other) => other.quota === quota).map((other) => other.priority),
        priority,
      ];
      const refused = refusal(quota, earliest(quota, queue));
      if (refused) {
        reject(refused);
        return;
      }

      const waiter: Waiter = {
        quota,
        priority,
        grant() {
          leave();
          running += 1;
          quota.running += 1;
          resolve(quota);
        },
        refuse(error) {
          leave();
          reject(error);
        },
      };
      function leave(): void {
        waiting[priority].splice(waiting[priority].indexOf(waiter), 1);
        forget();
      }
      const forget = whenAborted(signal, () => {
        leave();
        reject(abortReason(signal));
        serve();
      });
      waiting[priority].push(waiter);
      serve();
    });
  }

  async function run<Value>(turn: Turn, task: () => Promise<Value>): Promise<Value> {
    const quota = await granted(turn);
    try {
      return await task();
    } finally {
      running -= 1;
      quota.running -= 1;
      if (quota.windows.length > 0) quota.ended.push(clock.now());
      prune(quota);
      serve();
    }
  }

  function hold(name: string | undefined, until: number): void {
    const quota = quotaOf(name);
    quota.heldUntil = Math.max(quota.heldUntil, until);
    serve();
  }

  function starts(): Record<string, number[]> {
    const log: Record<string, number[]> = {};
    for (const quota of quotas.values()) {
      prune(quota);
      if (quota.ended.length > 0) log[quota.name] = [...quota.ended];
    }
    return log;
  }

  return { run, hold, starts };
}

function onAlarmOff(): void {
  // Who goes next, and when, has been worked out afresh.
}

function isoSeconds(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
