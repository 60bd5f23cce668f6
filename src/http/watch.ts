import type { Clock } from '../clock.ts';
import { whenAborted } from './abort.ts';

/** How long a write that is under way may go on after the signal to stop; the whole run has ten seconds to end. */
const graceMs = 8000;

interface Watch {
  /** Aborted when the request is to be broken off. */
  signal: AbortSignal;
  /** Why it was: told to stop, or out of time. */
  why(): 'stopped' | 'late' | undefined;
  /** Must be called when the request is over. */
  end(): void;
}

/**
 * Watches over one request: breaks it off after `timeoutMs`, and at the signal to stop, at once or, if it may finish, eight
 * seconds later. The time limit is real time, since it is about sockets; the eight seconds are those of the clock.
 */
export function watchRequest(options: {
  timeoutMs: number;
  clock: Clock;
  stop: AbortSignal | undefined;
  mayFinish: () => boolean;
}): Watch {
  const { timeoutMs, clock, stop, mayFinish } = options;
  const breakOff = new AbortController();
  let over: AbortController | undefined;
  let reason: 'stopped' | 'late' | undefined;

  function end(because: 'stopped' | 'late'): void {
    reason ??= because;
    breakOff.abort();
  }
  function onStop(): void {
    if (!mayFinish()) {
      end('stopped');
      return;
    }
    over = new AbortController();
    clock.sleep(graceMs, over.signal).then(
      () => {
        end('late');
      },
      () => {
        // The request was over in time.
      },
    );
  }
  const timer = setTimeout(end, timeoutMs, 'late');
  const forget = whenAborted(stop, onStop);

  return {
    signal: breakOff.signal,
    why: () => reason,
    end() {
      clearTimeout(timer);
      forget();
      over?.abort();
    },
  };
}
