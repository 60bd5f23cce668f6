import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createNoProgress, createProgress } from '../../src/output/progress.ts';
import { it } from '../e2e/rig.ts';
import type { Simulator } from '../simulator/simulator.ts';

describe('the line of progress', () => {
  let written: string[];
  beforeEach(() => {
    vi.useFakeTimers();
    written = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function start() {
    return createProgress((text) => written.push(text));
  }

  test('appears after two seconds, and not before', () => {
    const progress = start();
    progress.expect(40);
    progress.done();
    vi.advanceTimersByTime(1_999);
    expect(written).toEqual([]);

    vi.advanceTimersByTime(1);

    expect(written).toEqual(['… 1 of 40 hosts']);
    progress.end();
  });

  test('is never seen when the run is over sooner', () => {
    const progress = start();
    progress.expect(1);
    vi.advanceTimersByTime(1_500);

    progress.end();
    vi.advanceTimersByTime(60_000);

    expect(written).toEqual([]);
  });

  test('says that hosts are being selected as long as their number is not known', () => {
    const progress = start();
    vi.advanceTimersByTime(2_000);
    progress.expect(3);

    expect(written).toEqual(['… selecting hosts', '\r\u001b[K… 0 of 3 hosts']);
    progress.end();
  });

  test('is renewed in its place, gives way to the log, and leaves nothing behind', () => {
    const progress = start();
    progress.expect(2);
    vi.advanceTimersByTime(2_000);
    progress.done();
    vi.advanceTimersByTime(250);
    progress.clear();
    progress.done();
    progress.done();
    vi.advanceTimersByTime(250);
    progress.end();

    expect(written).toEqual([
      '… 0 of 2 hosts',
      '\r\u001b[K… 1 of 2 hosts',
      '\r\u001b[K',
      '… 2 of 2 hosts',
      '\r\u001b[K',
    ]);
  });

  test('does not exist where nobody watches', () => {
    const progress = createNoProgress();
    progress.expect(2);
    progress.done();
    vi.advanceTimersByTime(60_000);
    progress.clear();
    progress.end();

    expect(written).toEqual([]);
  });
});

const command = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));
/** A terminal of its own comes from script(1) of util-linux. */
const hasScript = spawnSync('script', ['--version']).status === 0;

/** What a person at a terminal sees of a run: both streams as they come. */
async function onTerminal(
  simulator: Simulator,
  home: string,
  flags: string,
  env: Record<string, string> = {},
): Promise<{ code: number | null; seen: string }> {
  await writeFile(join(home, 'config.json'), JSON.stringify(simulator.config()), { mode: 0o600 });
  const run = `'${process.execPath}' '${command}' --config '${join(home, 'config.json')}' ${flags}`;
  const child = spawn('script', ['-qec', run, '/dev/null'], {
    env: { PATH: process.env['PATH'], HOME: home, TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let seen = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (seen += part));
  await once(child, 'close');
  return { code: child.exitCode, seen };
}

describe.runIf(hasScript).concurrent('on a terminal', () => {
  it('a long run shows how far it is, in place, and its log for people, in colour', async ({
    home,
    start,
  }) => {
    const simulator = await start({ latencyMs: 150 });
    simulator.world.addPair({ tags: ['host_context'] });
    simulator.world.addHost({ tags: ['block'] });

    const { code, seen } = await onTerminal(simulator, home, '--tag host_context --blocktag block');

    expect(code).toBe(1);
    expect(seen).toMatch(/… [012] of 2 hosts/u);
    expect(seen.split('…').length - 1).toBeLessThanOrEqual(seen.split('\r\u001b[K').length);
    expect(seen).toContain('\u001b[33mwarning:');
    expect(seen.trimEnd()).toMatch(/2 hosts selected: 1 enriched, 1 refused; .*; exit code 1$/u);
    expect(seen).not.toContain('"level"');
  });

  it('NO_COLOR takes the colour away, and an idle run says that it is idle', async ({ home, start }) => {
    const simulator = await start();

    const { code, seen } = await onTerminal(simulator, home, '--tag host_context --dry-run', {
      NO_COLOR: '1',
    });

    expect(code).toBe(0);
    expect(seen).toMatch(
      /^\d\d:\d\d:\d\dZ dry run, nothing was written: 0 hosts selected; calls: Detect 1, login 0, Defender 0; exit code 0\r\nnothing to do: no host is selected\r\n$/u,
    );
  });
});
