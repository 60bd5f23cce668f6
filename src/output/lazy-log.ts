import type { Log } from './log.ts';

/** A log whose writer is loaded by its first line: a run that says nothing does without the time this takes. */
export interface LazyLog extends Log {
  /** Loads the writer before there is a line: resolves when each line is written at once, even if the process is killed then. */
  open(): Promise<void>;
  /** Resolves when every line is written. */
  flush(): Promise<void>;
}

const levels = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof levels)[number];

/** Creates the log; what is below `lowest` is dropped here, so `load` must give a log that writes from this level on. */
export function createLazyLog(lowest: Level, load: () => Promise<Log>): LazyLog {
  let log: Log | undefined;
  let loading: Promise<void> | undefined;
  const early: ((log: Log) => void)[] = [];

  async function start(): Promise<void> {
    log = await load();
    for (const write of early.splice(0)) write(log);
  }

  async function open(): Promise<void> {
    loading ??= start();
    await loading;
  }

  function writerOf(level: Level): Log[Level] {
    if (levels.indexOf(level) < levels.indexOf(lowest)) return () => undefined;
    return (...entry) => {
      if (log) {
        log[level](...entry);
        return;
      }
      early.push((opened) => {
        opened[level](...entry);
      });
      loading ??= start();
    };
  }

  return {
    debug: writerOf('debug'),
    info: writerOf('info'),
    warn: writerOf('warn'),
    error: writerOf('error'),
    open,
    async flush() {
      await loading;
    },
  };
}
