import type { Clock } from '../clock.ts';

/** The error that a promise broken off by this signal rejects with. */
export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('broken off', { cause: reason });
}

const heard = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls a function when the signal is aborted, unless the function that is returned is called before.
 *
 * All hearers share one listener. Node.js keeps the listeners of a signal in a chain; with several for each request, those
 * taken off drag the whole state of later requests along to where only a full garbage collection finds it, and
 * a run over thousands of hosts takes half as much memory again.
 */
export function whenAborted(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const hearers = heard.get(signal) ?? listenTo(signal);
  hearers.add(act);
  return () => {
    hearers.delete(act);
  };
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const hearers = new Set<() => void>();
  heard.set(signal, hearers);
  signal.addEventListener('abort', () => {
    // One that another forgets meanwhile is not called.
    for (const act of [...hearers]) if (hearers.delete(act)) act();
  });
  return hearers;
}

/** The promise's own outcome, or the signal's reason if that comes first; the promise itself goes on unheard. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    function leave(): void {
      reject(abortReason(signal));
    }
    if (signal.aborted) leave();
    promise.then(resolve, reject).finally(whenAborted(signal, leave));
  });
}

/**
 * A signal that is aborted after `timeoutMs` of real time, since it is about sockets, or once `stop` is: at once, or
 * `graceMs` later by the clock. `end` must be called when there is nothing left to break off.
 */
export function limitTime(options: {
  timeoutMs: number;
  stop: AbortSignal | undefined;
  grace?: { ms: number; clock: Clock } | undefined;
}): { signal: AbortSignal; end: () => void } {
  const { timeoutMs, stop, grace } = options;
  const breakOff = new AbortController();
  const ended = new AbortController();
  function abort(): void {
    breakOff.abort();
  }
  function onStop(): void {
    if (grace === undefined) abort();
    else grace.clock.sleep(grace.ms, ended.signal).then(abort, onEnded);
  }
  const timer = setTimeout(abort, timeoutMs);
  const forget = whenAborted(stop, onStop);

  return {
    signal: breakOff.signal,
    end() {
      clearTimeout(timer);
      forget();
      ended.abort();
    },
  };
}

function onEnded(): void {
  // It was over in time.
}
