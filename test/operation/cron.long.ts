import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createSimulator } from '../simulator/simulator.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const line = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock';
const table = '/etc/cron.d/atp-test';

/** Debian's cron reads its tables in places that only root may write to. */
const mayRun = process.getuid?.() === 0 && spawnSync('cron', ['--version']).error === undefined;

/** Somebody without any rights, as the README advises. */
const user = 'nobody';

/** Whether this machine has a cron daemon at work; one that was killed leaves its number behind. */
async function isRunning(): Promise<boolean> {
  const pid = await readFile('/var/run/crond.pid', 'utf8').catch(() => '');
  const name = await readFile(`/proc/${pid.trim()}/comm`, 'utf8').catch(() => '');
  return pid.trim() !== '' && name.trim() === 'cron';
}

async function makeDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'atp-cron-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await chmod(dir, 0o755);
  return dir;
}

it.runIf(mayRun)(
  "the packed command runs from a crontab line of Debian's cron, in the environment that cron gives, and an idle tick says nothing",
  { timeout: 150_000 },
  async () => {
    const dir = await makeDir();
    const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) =>
      Number(execFileSync('id', [flag, user], { encoding: 'utf8' })),
    );
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', dir], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    const install = ['install', '--global', '--silent', '--prefix', join(dir, 'prefix'), join(dir, packed)];
    execFileSync('npm', install, { stdio: 'ignore' });

    const busy = await createSimulator();
    const idle = await createSimulator();
    for (const simulator of [busy, idle]) onTestFinished(() => simulator.close());
    const enriched = busy.world.addPair({ tags: ['host_context', 'vip'] });
    const blocked = busy.world.addPair({ tags: ['block'] });
    const path = `PATH=${dirname(process.execPath)}:/usr/bin:/bin`;
    const rows: string[] = [];
    for (const [name, simulator] of Object.entries({ busy, idle })) {
      const home = join(dir, name);
      await mkdir(home);
      await chown(home, uid, gid);
      const config = join(home, 'config.json');
      await writeFile(config, JSON.stringify(simulator.config({ cacheDir: 'cache' })), { mode: 0o600 });
      await chown(config, uid, gid);
      const atp = `${join(dir, 'prefix/bin/atp')} --config ${config} ${line}`;
      rows.push(`* * * * * ${user} cd ${home}; env > environment; ${atp} > log 2>&1; echo $? > code`);
    }
    onTestFinished(() => rm(table, { force: true }));
    await writeFile(table, ['MAILTO=""', path, ...rows, ''].join('\n'), { mode: 0o644 });
    const daemon = (await isRunning()) ? undefined : spawn('cron', ['-f'], { stdio: 'ignore' });
    onTestFinished(() => void daemon?.kill());

    const codes = ['busy/code', 'idle/code'].map((name) => join(dir, name));
    const isOver = () => codes.every((file) => existsSync(file));
    await vi.waitUntil(isOver, { timeout: 90_000, interval: 200 });
    await rm(table);

    const read = (name: string) => readFile(join(dir, name), 'utf8');
    expect([await read('busy/code'), await read('idle/code')]).toEqual(['0\n', '0\n']);
    const log = (await read('busy/log')).trim().split('\n');
    // What Defender accepted, two hosts, the summary.
    expect(log).toHaveLength(4);
    expect(log.at(-1)).toMatch(/"msg":"2 hosts selected: 1 enriched, 1 isolated; .*; exit code 0"/u);
    expect(await read('idle/log')).toBe('');
    expect(enriched.host.tags).toEqual(expect.arrayContaining(['vip', `id: ${enriched.machine.id}`]));
    expect(blocked.host.tags).toContain('isolation: Pending');
    expect(busy.ledger.count('isolate')).toBe(1);
    expect(idle.ledger.calls()).toEqual({ detect: 1, login: 0, atp: 0 });
    expect([...busy.world.violations, ...idle.world.violations]).toEqual([]);
    const environment = await read('busy/environment');
    expect(environment).toMatch(/^LOGNAME=nobody$/mu);
    expect(environment).not.toMatch(/^(?:TERM|XDG_\w+|ATP_\w+)=/mu);
  },
);
