/** A line on a terminal that tells how far a run has come, and leaves nothing behind. */
export interface Progress {
  /** So many more hosts are to be worked on. */
  expect(hosts: number): void;
  /** One of them is done. */
  done(): void;
  /** Takes the line away, before something else is written; it comes back by itself. */
  clear(): void;
  /** Takes the line away for good. */
  end(): void;
}

/** A run that is over sooner needs no line. */
const patienceMs = 2_000;
const everyMs = 250;

/** Back to the start of the line, and what is on it erased (ECMA-48: EL). */
const eraseLine = '\r\u001b[K';

/** Shows nothing at all, as for everything that is not a terminal. */
export function createNoProgress(): Progress {
  function ignore(): void {
    // Nobody watches.
  }
  return { expect: ignore, done: ignore, clear: ignore, end: ignore };
}

/** Starts the line, which appears after two seconds. Its time is real, whatever the clock of the run says: people watch it. */
export function createProgress(write: (text: string) => void): Progress {
  let total = 0;
  let finished = 0;
  let isShown = false;
  let isDue = false;

  function show(): void {
    isDue = true;
    const words = total === 0 ? 'selecting hosts' : `${Math.min(finished, total)} of ${total} hosts`;
    write(`${isShown ? eraseLine : ''}… ${words}`);
    isShown = true;
  }
  function clear(): void {
    if (isShown) write(eraseLine);
    isShown = false;
  }

  let repeat: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    show();
    repeat = setInterval(show, everyMs).unref();
  }, patienceMs).unref();

  return {
    expect(hosts) {
      total += hosts;
      if (isDue) show();
    },
    done() {
      finished += 1;
    },
    clear,
    end() {
      clearTimeout(first);
      clearInterval(repeat);
      clear();
    },
  };
}
