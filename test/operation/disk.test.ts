import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { errorsOf, it, logOf } from '../e2e/rig.ts';
import type { Simulator } from '../simulator/simulator.ts';

const command = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));

/** Mounting in a namespace of one's own needs root, or a kernel that lets everybody do it. */
const mayMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** Runs the command after a preparation in the shell, in a mount namespace of its own; `redirect` is for its streams. */
async function runAfter(
  simulator: Simulator,
  home: string,
  prepare: string,
  redirect = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  await writeFile(join(home, 'config.json'), JSON.stringify(simulator.config()), { mode: 0o600 });
  const run = `exec "${process.execPath}" "${command}" --config "$HOME/config.json" --tag host_context --json ${redirect}`;
  const shell =
    prepare === '' ? ['/bin/sh', '-c', run] : ['unshare', '-m', '/bin/sh', '-ec', `${prepare}\n${run}`];
  const path = `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const child = spawn('env', ['-i', `PATH=${path}`, `HOME=${home}`, ...shell], { cwd: home });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

describe.runIf(mayMount)('the cache is disposable', () => {
  it('when its disk is full: a warning, and the run is done', async ({ home, start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    await mkdir(join(home, '.cache'));
    const full =
      'mount -t tmpfs -o size=4k,mode=700 tmpfs "$HOME/.cache"; mkdir -m 700 "$HOME/.cache/atp"; head -c 4096 /dev/zero > "$HOME/.cache/full"';

    const result = await runAfter(simulator, home, full);

    expect(result.code).toBe(0);
    expect(logOf(result).filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: `the cache in ${home}/.cache/atp cannot be written: the disk is full` },
    ]);
    expect(host.tags).not.toContain('host_context');
  });

  it('when nothing at all can be written: a warning, and the run is done', async ({ home, start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await runAfter(
      simulator,
      home,
      'mount -o remount,bind,ro /; ! touch "$HOME/x" 2>/dev/null',
    );

    expect(result.code).toBe(0);
    expect(logOf(result).filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: `the cache is not used: ${home} cannot be written: the file system is read-only` },
    ]);
    expect(host.tags).not.toContain('host_context');
    expect(await readdir(home)).toEqual(['config.json']);
  });
});

describe('a full disk under the streams', () => {
  it('loses the report, says so, and no work', async ({ home, start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await runAfter(simulator, home, '', '> /dev/full');

    expect(result.code).toBe(1);
    expect(errorsOf(result)).toEqual([{ msg: 'standard output cannot be written: the disk is full' }]);
    expect(host.tags).not.toContain('host_context');
  });

  it('that takes a part of the report still loses it', async ({ home, start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['host_context'], name: 'n'.repeat(9_000) });
    if (!mayMount) return;
    const nearlyFull = 'mkdir "$HOME/small"; mount -t tmpfs -o size=4k tmpfs "$HOME/small"';

    const result = await runAfter(simulator, home, nearlyFull, '> "$HOME/small/report"');

    expect(result.code).toBe(1);
    expect(errorsOf(result)).toEqual([{ msg: 'standard output cannot be written: the disk is full' }]);
  });

  it('loses the log and no work', async ({ home, start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await runAfter(simulator, home, '', '2> /dev/full');

    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ exitCode: 0, counts: { enriched: 1 } });
    expect(host.tags).not.toContain('host_context');
  });
});
