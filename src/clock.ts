import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Service } from './errors.ts';

/** Time as the program sees it, so that tests can move it. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Waits so many milliseconds; rejects with the signal's reason as soon as the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await sleepFor(ms, undefined, signal ? { signal } : undefined);
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

/** The time of the services, by which tags and actions are dated. */
export interface ServiceClock {
  /** Milliseconds UTC: Defender's time; Detect's as long as Defender was not asked, and before that one's own. */
  now: () => number;
  /** Told of the `Date` header of each answer. The first one of a service counts: time is not to jump within a run. */
  learn: (service: Service, serverTime: number | undefined) => void;
}

/** A `Date` header has whole seconds and its answer was on the way: so small a difference is none. */
const negligibleMs = 5_000;

/** Makes the clock of a run. */
export function createServiceClock(clock: Clock): ServiceClock {
  const differences = new Map<Service, number>();
  return {
    now: () => clock.now() + (differences.get('atp') ?? differences.get('detect') ?? 0),
    learn(service, serverTime) {
      if (serverTime === undefined || differences.has(service)) return;
      const difference = serverTime - clock.now();
      differences.set(service, Math.abs(difference) < negligibleMs ? 0 : difference);
    },
  };
}
