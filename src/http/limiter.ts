import type { Clock } from '../clock.ts';
import { PostponedError } from '../errors.ts';
import { abortReason, whenAborted } from './abort.ts';

/** What a call is for: isolations and releases go before enrichment and may use what enrichment must leave. */
export type Priority = 'enrichment' | 'action';

/** At most `limit` starts in any span of `ms` milliseconds. */
interface Window {
  limit: number;
  ms: number;
}

export interface Limiter {
  /**
   * Waits for a free start, first come first served within a priority, actions first. The start is counted from here
   * on; call the function it resolves with when the request leaves, so that the windows are measured from that moment,
   * or with `false` when it will not leave, so that others have the start.
   * Rejects with a {@link PostponedError} as soon as it is certain that the wait would pass the deadline, and with the
   * signal's reason when that is aborted.
   */
  acquire(quota: string, priority: Priority, signal?: AbortSignal): Promise<(hasLeft?: boolean) => void>;
  /**
   * Lets nobody start before a time (ms UTC), because the service has said so. As long as that is more than a minute
   * away, nobody waits for it: {@link Limiter.acquire} rejects at once.
   */
  hold(quota: string, until: number): void;
  isHeld(quota: string): boolean;
  /** Start times (ms UTC, ascending) that still count, for each quota that has any; the next run wants them as `earlier`. */
  starts(): Record<string, number[]>;
}

interface Waiter {
  priority: Priority;
  grant: () => void;
  refuse: (error: PostponedError) => void;
}

interface Quota {
  name: string;
  /** When requests left, ascending. */
  starts: number[];
  /** Granted, but not on the wire yet. */
  granted: number;
  /** Milliseconds UTC; in the past when the service has not asked to wait. */
  heldUntil: number;
  waiting: Record<Priority, Waiter[]>;
  /** Ends the sleep of the one loop that serves this queue; undefined while no loop runs. */
  wake: (() => void) | undefined;
}

/** MicrosoftDocs defender-docs states these two limits on the page of each call used here, counted for each call by itself. */
const defenderWindows: readonly Window[] = [
  { limit: 100, ms: 60_000 },
  { limit: 1500, ms: 3_600_000 },
];

/** The longest time for which the program waits because a service asks it to. */
export const longestPauseMs = 60_000;

/**
 * Paces calls so that no quota exceeds any of its windows, whichever moment it is measured at (a log of start times,
 * not a bucket that empties at fixed times). `reserve` is the share of each window that enrichment leaves to actions.
 */
export function createLimiter(options: {
  clock: Clock;
  /** @default 100 a minute and 1,500 an hour */
  windows?: readonly Window[];
  /** @default 0.2 */
  reserve?: number;
  /** Milliseconds UTC; nobody waits longer. */
  deadline: number;
  /** What {@link Limiter.starts} of earlier runs said. */
  earlier?: Record<string, number[]>;
}): Limiter {
  const { clock, windows = defenderWindows, reserve = 0.2, deadline, earlier = {} } = options;
  const longest = Math.max(...windows.map(({ ms }) => ms));
  const quotas = new Map<string, Quota>();

  for (const [name, starts] of Object.entries(earlier)) {
    const now = clock.now();
    // A start in the future was written by a clock that has been set back since.
    quotaOf(name).starts = starts.map((start) => Math.min(start, now)).sort((a, b) => a - b);
  }

  function quotaOf(name: string): Quota {
    let quota = quotas.get(name);
    if (quota === undefined) {
      const waiting = { action: [], enrichment: [] };
      quota = { name, starts: [], granted: 0, heldUntil: 0, waiting, wake: undefined };
      quotas.set(name, quota);
    }
    return quota;
  }

  function prune(quota: Quota): void {
    const oldest = clock.now() - longest;
    const kept = quota.starts.findIndex((start) => start > oldest);
    quota.starts.splice(0, kept === -1 ? quota.starts.length : kept);
  }

  function limitOf(window: Window, priority: Priority): number {
    // The little extra undoes what binary fractions do to a product like 10 * (1 - 0.9).
    const share = priority === 'action' ? 1 : 1 - reserve;
    return Math.max(1, Math.floor(window.limit * share + 1e-9));
  }

  /** The earliest time at which the last of these, one after the other, could start. */
  function earliest(quota: Quota, queue: readonly Priority[]): number {
    const now = clock.now();
    const log = [...quota.starts, ...Array<number>(quota.granted).fill(now)];
    let at = Math.max(now, quota.heldUntil);
    for (const priority of queue) {
      for (const window of windows) {
        at = Math.max(at, (log.at(-limitOf(window, priority)) ?? Number.NEGATIVE_INFINITY) + window.ms);
      }
      log.push(at);
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

  async function serve(quota: Quota): Promise<void> {
    const { action, enrichment } = quota.waiting;
    for (;;) {
      const queue = action.length > 0 ? action : enrichment;
      const first = queue[0];
      if (first === undefined) break;
      prune(quota);
      const free = earliest(quota, [first.priority]);
      const refused = refusal(quota, free);
      if (refused) {
        queue.shift();
        first.refuse(refused);
      } else if (free <= clock.now()) {
        queue.shift();
        quota.granted += 1;
        first.grant();
      } else {
        const awake = new AbortController();
        quota.wake = () => {
          awake.abort();
        };
        await clock.sleep(free - clock.now(), awake.signal).catch(onWaking);
      }
    }
    quota.wake = undefined;
  }

  function acquire(
    name: string,
    priority: Priority,
    signal?: AbortSignal,
  ): Promise<(hasLeft?: boolean) => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortReason(signal));
        return;
      }
      const quota = quotaOf(name);
      const queue = quota.waiting[priority];
      prune(quota);
      const before =
        priority === 'action' ? quota.waiting.action : [...quota.waiting.action, ...quota.waiting.enrichment];
      const free = earliest(quota, [...before.map((waiter) => waiter.priority), priority]);
      const refused = refusal(quota, free);
      if (refused) {
        reject(refused);
        return;
      }

      const waiter: Waiter = {
        priority,
        grant() {
          forget();
          let left = false;
          resolve((hasLeft = true) => {
            if (left) return;
            left = true;
            quota.granted -= 1;
            if (hasLeft) quota.starts.push(clock.now());
            else quota.wake?.();
          });
        },
        refuse(error) {
          forget();
          reject(error);
        },
      };
      function leave(): void {
        queue.splice(queue.indexOf(waiter), 1);
        quota.wake?.();
        reject(abortReason(signal));
      }
      const forget = whenAborted(signal, leave);
      queue.push(waiter);
      if (quota.wake === undefined) void serve(quota);
      else if (priority === 'action') quota.wake();
    });
  }

  function hold(name: string, until: number): void {
    const quota = quotaOf(name);
    quota.heldUntil = Math.max(quota.heldUntil, until);
    quota.wake?.();
  }

  function starts(): Record<string, number[]> {
    const log: Record<string, number[]> = {};
    for (const quota of quotas.values()) {
      prune(quota);
      if (quota.starts.length > 0) log[quota.name] = [...quota.starts];
    }
    return log;
  }

  return { acquire, hold, isHeld: (name) => quotaOf(name).heldUntil > clock.now(), starts };
}

function onWaking(): void {
  // Woken because the queue has changed: whose turn it is, and when, is worked out afresh.
}

function isoSeconds(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
