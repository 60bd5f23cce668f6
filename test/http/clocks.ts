import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/clock.ts';

/** 2026-11-24T10:00:00Z, a Tuesday. */
export const noon = Date.UTC(2026, 10, 24, 10);

interface Sleeper {
  at: number;
  wake: () => void;
}

export interface VirtualClock extends Clock {
  /** Milliseconds of each sleep asked for, in order. */
  readonly sleeps: number[];
  /** Moves the time and wakes whom that concerns, each at its own time. */
  advance(ms: number): Promise<void>;
  /** Moves the time from one sleeper to the next until nobody sleeps. */
  runOut(): Promise<void>;
}

/** A clock that stands still until it is told to go on. */
export function createVirtualClock(start = noon): VirtualClock {
  let time = start;
  const sleepers = new Set<Sleeper>();
  const sleeps: number[] = [];

  async function wakeNext(until: number): Promise<boolean> {
    await setImmediate();
    const next = [...sleepers].sort((a, b) => a.at - b.at)[0];
    if (next === undefined || next.at > until) return false;
    time = Math.max(time, next.at);
    sleepers.delete(next);
    next.wake();
    await setImmediate();
    return true;
  }

  return {
    sleeps,
    now: () => time,
    sleep(ms, signal) {
      sleeps.push(ms);
      return new Promise((resolve, reject) => {
        const sleeper = { at: time + Math.max(0, ms), wake: resolve };
        function stop(): void {
          sleepers.delete(sleeper);
          const reason: unknown = signal?.reason;
          reject(reason instanceof Error ? reason : new Error('aborted'));
        }
        if (signal?.aborted) stop();
        else {
          sleepers.add(sleeper);
          signal?.addEventListener('abort', stop, { once: true });
        }
      });
    },
    async advance(ms) {
      const until = time + ms;
      while (await wakeNext(until));
      time = until;
    },
    async runOut() {
      while (await wakeNext(Number.POSITIVE_INFINITY));
    },
  };
}

export interface HastyClock extends Clock {
  readonly sleeps: number[];
}

/** A clock whose sleeps end at once, having moved the time; for tests with one sleeper at a time. */
export function createHastyClock(start = noon): HastyClock {
  let time = start;
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => time,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
      time += ms;
      await setImmediate();
    },
  };
}
