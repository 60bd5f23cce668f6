import pLimit from 'p-limit';
import type { Clock } from '../clock.ts';
import { abortReason, whenAborted } from './abort.ts';
import type { Limiter, Priority } from './limiter.ts';

/** Whom a request waits for. */
interface Queue {
  /** Its pauses: the name of the quota, or of the service. */
  key: string;
  quota: string | undefined;
  priority: Priority;
}

interface Turns {
  /**
   * Runs the task when nothing holds it back: no pause, a free start in its quota, a free place on the wire. The task calls
   * the function it is given when the request leaves. Rejects with the reason of `stop` while the task waits, or
   * with the limiter's error; the task itself is never broken off.
   */
  take<T>(queue: Queue, task: (leaves: () => void) => Promise<T>): Promise<T>;
  /** Holds all requests of this key back for so many milliseconds, running ones excepted. */
  pause(key: string, ms: number): void;
}

/** Makes what decides when a request of one service may go. Who waits for time holds no place on the wire. */
export function createTurns(options: {
  clock: Clock;
  maxConcurrent: number;
  limiter: Limiter | undefined;
  stop: AbortSignal | undefined;
}): Turns {
  const { clock, limiter, stop } = options;
  const wire = pLimit(options.maxConcurrent);
  const pauses = new Map<string, number>();

  function pauseLeft(key: string): number {
    return Math.max(0, (pauses.get(key) ?? 0) - clock.now());
  }

  async function pauseOver(key: string): Promise<void> {
    for (let left = pauseLeft(key); left > 0; left = pauseLeft(key)) await clock.sleep(left, stop);
  }

  /** Runs the task when there is a place; a task that is still queued is given up at the signal to stop. */
  function onWire<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      function leave(): void {
        reject(abortReason(stop));
      }
      const forget = whenAborted(stop, leave);
      void wire(async () => {
        forget();
        if (stop?.aborted) leave();
        else await task().then(resolve, reject);
      });
    });
  }

  async function take<T>(queue: Queue, task: (leaves: () => void) => Promise<T>): Promise<T> {
    const { key, quota, priority } = queue;
    function isHeld(): boolean {
      return quota !== undefined && limiter?.isHeld(quota) === true;
    }

    for (;;) {
      stop?.throwIfAborted();
      const leaves =
        (quota === undefined ? undefined : await limiter?.acquire(quota, priority, stop)) ?? ignore;
      try {
        // Those that got their start before the service asked to wait give it back, and wait with the others.
        while (!isHeld()) {
          await pauseOver(key);
          stop?.throwIfAborted();
          const result = await onWire(async () => {
            // A pause that began while this waited for its place: the place is free for others meanwhile.
            return pauseLeft(key) > 0 || isHeld() ? undefined : { value: await task(leaves) };
          });
          if (result !== undefined) return result.value;
        }
        leaves(false);
      } finally {
        // A task that failed before it sent anything counts as a start too: that errs on the safe side.
        leaves();
      }
    }
  }

  function pause(key: string, ms: number): void {
    pauses.set(key, Math.max(pauses.get(key) ?? 0, clock.now() + ms));
  }

  return { take, pause };
}

function ignore(): void {
  // Requests without a quota are not counted.
}
