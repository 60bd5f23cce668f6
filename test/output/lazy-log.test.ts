import { describe, expect, test } from 'vitest';
import { createLazyLog } from '../../src/output/lazy-log.ts';
import { createLog } from '../../src/output/log.ts';

function start(level: 'debug' | 'info' | 'warn') {
  const written: unknown[] = [];
  const seen = { loads: 0 };
  const log = createLazyLog(level, () => {
    seen.loads += 1;
    const destination = {
      write: (text: string) => {
        const { msg, host } = JSON.parse(text) as Record<string, unknown>;
        written.push(host === undefined ? msg : [msg, host]);
      },
    };
    return Promise.resolve(createLog({ level, destination, terminal: false, scrub: (text) => text }));
  });
  return { log, written, seen };
}

describe('a log whose writer is loaded by its first line', () => {
  test('loads nothing for lines below its level', async () => {
    const { log, written, seen } = start('warn');

    log.debug({ host: 1 }, 'request');
    log.info('done');
    await log.flush();

    expect(seen.loads).toBe(0);
    expect(written).toEqual([]);
  });

  test('writes the first lines in their order, and later ones at once', async () => {
    const { log, written, seen } = start('info');

    log.info({ host: 1 }, 'first');
    log.debug('dropped');
    log.error('second');
    await log.flush();
    log.warn('third');

    expect(written).toEqual([['first', 1], 'second', 'third']);
    expect(seen.loads).toBe(1);
  });
});
