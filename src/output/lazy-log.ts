import type { Log } from './log.ts';

/** A log whose writer is loaded by its first line: a run that says nothing does without the time this takes. */
export interface LazyLog extends Log {
  /** Resolves when every line is written; thereafter each is written at once. */
  flush(): Promise<void>;
}

const levels = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof levels)[number];

/** Creates the log; what is below `lowest` is dropped here, so `load` must give a log that writes from this level on. */
export function createLazyLog(lowest: Level, load: () => Promise<Log>): LazyLog {
  let log: Log | undefined;
  let loading: Promise<void> | undefined;
  const early: ((log: Log) => void)[] = [];

  async function open(): Promise<void> {
    log = await load();
    for (const write of early.splice(0)) write(log);
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
      loading ??= open();
    };
  }

  return {
    debug: writerOf('debug'),
    info: writerOf('info'),
    warn: writerOf('warn'),
    error: writerOf('error'),
    async flush() {
      await loading;
    },
  };
}
