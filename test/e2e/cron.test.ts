import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, vi } from 'vitest';
import { spawnAtp, type RunningAtp } from '../simulator/run-atp.ts';
import type { Simulator } from '../simulator/simulator.ts';
import {
  asked,
  contextOf,
  errorsOf,
  expectNoSecrets,
  hostIn,
  it,
  logOf,
  minute,
  onlyAsked,
  resultsOf,
  run,
  tags,
  tagsOf,
  typicalLine,
  textLike,
  textWith,
} from './rig.ts';

const line = [...typicalLine, '--json'];

describe.concurrent('a run that finds nothing to do', () => {
  it('prints nothing, and costs one search, whatever there is to warn about', async ({ start, home }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const held = world.addPair();
    const action = world.portalIsolate(held.machine.id);
    held.host.tags = [
      ...contextOf(held.machine),
      'isolation: Succeeded',
      `Manual block:${minute(action.createdAt)}`,
      'vip',
    ];
    world.addPair({ tags: ['host_context'], state: 'inactive' });
    const config = simulator.config({ detect: { insecure: true }, cacheDir: 'cache' });
    await writeFile(join(home, 'config.json'), JSON.stringify(config));
    // Others may read the secrets, and what is to be the cache is a file.
    await chmod(join(home, 'config.json'), 0o644);
    await writeFile(join(home, 'cache'), '');

    const result = await run(simulator, typicalLine, { config, env: { HOME: '' }, home, cwd: home });
    const readable = await spawnAtp([...typicalLine, '--config', join(home, 'config.json')], { home }).result;

    expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(readable).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(ledger.calls()).toEqual({ detect: 2, login: 0, atp: 0 });
  });

  it('prints the report that was asked for, and no log', async ({ start }) => {
    const simulator = await start();

    const result = await run(simulator, line);

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.report).toEqual({
      schema: 1,
      version: textLike(/^\d+\.\d+\.\d+$/),
      startedAt: textLike(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      finishedAt: textLike(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      dryRun: false,
      exitCode: 0,
      counts: {
        ...{ selected: 0, enriched: 0, isolated: 0, released: 0, unchanged: 0 },
        ...{ refused: 0, deferred: 0, conflict: 0, failed: 0 },
      },
      calls: { detect: 1, login: 0, atp: 0 },
      hosts: [],
    });
  });
});

describe.concurrent('the log of a run that does something', () => {
  it('is one line of JSON for each host, and a summary', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const enriched = world.addPair({ tags: ['host_context'] });
    const refused = world.addHost({ tags: ['block'] });

    const result = await run(simulator, typicalLine);

    expect(result).toMatchObject({ code: 1, stdout: '' });
    // A host's line comes when the host is done: requests first.
    expect(logOf(result)).toMatchObject([
      { level: 'warn', host: refused.id, result: 'refused', msg: textWith('no machine') },
      { level: 'info', host: enriched.host.id, result: 'enriched', machine: 'pc-1.contoso.example' },
      {
        level: 'info',
        msg: textLike(/^2 hosts selected: 1 enriched, 1 refused; .*; exit code 1$/),
      },
    ]);
  });

  it.for<[flag: string, levels: string[]]>([
    ['--quiet', ['warn']],
    ['--verbose', ['debug', 'info', 'warn']],
  ])('with %s has these levels: %s', async ([flag, levels], { start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['host_context'] });
    simulator.world.addHost({ tags: ['block'] });

    const result = await run(simulator, [...typicalLine, flag]);

    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect([...new Set(logOf(result).map(({ level }) => String(level)))].toSorted()).toEqual(levels);
  });

  it('with --quiet is empty when all went well', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await run(simulator, [...typicalLine, '--quiet']);

    expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(host.tags).not.toContain('host_context');
  });
});

describe.concurrent('the access token', () => {
  const cacheOf = (home: string) => join(home, '.cache', 'atp');

  async function tokenFileIn(home: string): Promise<string> {
    const names = await readdir(cacheOf(home));
    return join(cacheOf(home), names.find((name) => name.startsWith('token-')) ?? '');
  }

  it('survives from one process to the next, where nobody else can read it', async ({ start, home }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    world.addPair({ tags: ['host_context'] });
    await run(simulator, typicalLine, { home });
    const logins = ledger.count('token');
    const { host, machine } = world.addPair({ tags: ['block'] });
    ledger.clear();

    const second = await run(simulator, line, { home });

    expect(logins).toBe(1);
    expect(second.code).toBe(0);
    expect(second.report).toMatchObject({ calls: { login: 0 } });
    expect(ledger.calls().login).toBe(0);
    expect(onlyAsked(simulator).machineId).toBe(machine.id);
    expect(host.tags).not.toContain('block');
    const modes = [cacheOf(home), await tokenFileIn(home)].map(
      async (path) => (await stat(path)).mode & 0o777,
    );
    expect(await Promise.all(modes)).toEqual([0o700, 0o600]);
  });

  it('is fetched anew when Defender refuses the one of the cache', async ({ start, home }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    world.addPair({ tags: ['host_context'] });
    await run(simulator, typicalLine, { home });
    simulator.revokeTokens();
    world.addPair({ tags: ['block'] });
    ledger.clear();

    const second = await run(simulator, line, { home });

    expect(second.code).toBe(0);
    expect(ledger.calls().login).toBe(1);
    expect(asked(simulator)).toHaveLength(1);
  });

  it('is fetched anew when the cache is damaged, which costs a warning and no run', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    world.addPair({ tags: ['host_context'] });
    await run(simulator, typicalLine, { home });
    const file = await tokenFileIn(home);
    await writeFile(file, '{"token":"eyJ');
    const { host } = world.addPair({ tags: ['host_context'] });
    ledger.clear();

    const second = await run(simulator, typicalLine, { home });

    expect(second.code).toBe(0);
    expect(ledger.calls().login).toBe(1);
    expect(logOf(second).filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: `${file} is ignored: it is damaged` },
    ]);
    expect(host.tags).not.toContain('host_context');
    expect(await readFile(file, 'utf8')).toContain('expiresAt');
  });

  it('is not kept without a home, and the run works all the same', async ({ start, home }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await run(simulator, typicalLine, { env: { HOME: '' }, cwd: home });

    expect(result.code).toBe(0);
    expect(logOf(result).filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: 'there is no cache, because $HOME is not set; name a directory with cacheDir to save calls' },
    ]);
    expect(await readdir(home)).toEqual([]);
    expect(host.tags).not.toContain('host_context');
  });
});

/** Waits until the services were called by that name. */
async function called(simulator: Simulator, call: string, times = 1): Promise<void> {
  await vi.waitUntil(() => simulator.ledger.count(call) >= times, { timeout: 30_000, interval: 5 });
}

/** Holds the answers to the calls of that name back until the gate is opened. */
function holdBack(simulator: Simulator, call: string): () => void {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  simulator.hooks.before = async (entry) => {
    if (entry.call === call) await opened;
  };
  return open;
}

describe.concurrent('two runs at once', () => {
  it('do the work once: the second ends with 75 and touches nothing', async ({ start }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const open = holdBack(simulator, 'findbyip');
    const first = spawnAtp(line, { simulator });
    await called(simulator, 'findbyip');
    const calls = ledger.entries.length;

    const second = await run(simulator, line);
    const callsThen = ledger.entries.length;
    open();
    const worked = await first.result;

    expect(second.code).toBe(75);
    expect(errorsOf(second)).toEqual([{ msg: `another run for ${simulator.detectUrl} is still at work` }]);
    expect(second.report).toMatchObject({ exitCode: 75, hosts: [], calls: { detect: 0, login: 0, atp: 0 } });
    expect(callsThen).toBe(calls);
    expect(worked.code).toBe(0);
    expect(onlyAsked(simulator).machineId).toBe(machine.id);
    expect(host.tags).not.toContain('block');
  });

  it('for two Detects do not mind each other, nor does a dry run', async ({ start }) => {
    const simulator = await start();
    const other = await start();
    for (const { world } of [simulator, other]) world.addPair({ tags: ['host_context'] });
    const open = holdBack(simulator, 'findbyip');
    const first = spawnAtp(line, { simulator });
    await called(simulator, 'findbyip');

    const second = await run(other, line);
    const dry = spawnAtp([...line, '--dry-run'], { simulator });
    await called(simulator, 'findbyip', 2);
    open();

    expect([second.code, (await dry.result).code, (await first.result).code]).toEqual([0, 0, 0]);
  });

  it('leave no lock behind, not even when they are killed', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    const open = holdBack(simulator, 'findbyip');
    const first = spawnAtp(line, { simulator });
    await called(simulator, 'findbyip');
    first.child.kill('SIGKILL');
    await first.result;
    open();

    const second = await run(simulator, line);

    expect(second.code).toBe(0);
    expect(host.tags).not.toContain('host_context');
  });
});

/** Sends a signal, and returns how the run ended and how long after, in milliseconds. */
async function interrupt({ child, result }: RunningAtp, signal: 'SIGINT' | 'SIGTERM') {
  const sent = Date.now();
  child.kill(signal);
  const ended = await result;
  return { ...ended, after: Date.now() - sent };
}

describe.concurrent('a signal', () => {
  it.for<[signal: 'SIGINT' | 'SIGTERM', code: number]>([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])(
    '%s ends the run cleanly: its report is written, and the next run does the rest',
    async ([signal, code], { start }) => {
      const simulator = await start({ latencyMs: 40 });
      const { world } = simulator;
      const pairs = Array.from({ length: 30 }, () =>
        world.addPair({ tags: ['vip', 'host_context'], notes: ['mine'] }),
      );
      const running = spawnAtp(line, { simulator });
      await called(simulator, 'note-create', 3);

      const interrupted = await interrupt(running, signal);
      expectNoSecrets(simulator, interrupted);
      simulator.settings.latencyMs = 0;
      const next = await run(simulator, line);

      expect(interrupted).toMatchObject({ code, signal: null });
      expect(interrupted.after).toBeLessThan(10_000);
      expect(interrupted.report).toMatchObject({ exitCode: code, counts: { selected: 30 } });
      const deferred = pairs.filter(({ host }) => hostIn(interrupted, host.id)['result'] === 'deferred');
      expect(deferred.length).toBeGreaterThan(0);
      expect(next.code).toBe(0);
      expect(next.report).toMatchObject({ counts: { enriched: deferred.length } });
      expect(pairs.map(({ host }) => tagsOf(host))).toEqual(
        pairs.map(({ machine }) => tags(['vip'], contextOf(machine))),
      );
      expect(pairs.every(({ host }) => host.notes.length === 2)).toBe(true);
    },
  );

  it('breaks off reads that would take for ever', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['block'] });
    simulator.faults.add({ match: ({ call }) => call === 'findbyip', kind: 'hang' });
    const running = spawnAtp(line, { simulator });
    await called(simulator, 'findbyip');

    const interrupted = await interrupt(running, 'SIGTERM');

    expect(interrupted.code).toBe(143);
    expect(interrupted.after).toBeLessThan(5_000);
    expect(resultsOf(interrupted, [host])).toEqual(['deferred']);
    expect(host.tags).toEqual(['block']);
  });

  it('breaks off pauses that a service asks for', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    const headers = { 'retry-after': '50' };
    simulator.faults.add({ match: ({ call }) => call === 'findbyip', kind: { status: 429, headers } });
    const running = spawnAtp(line, { simulator });
    await called(simulator, 'findbyip');

    const interrupted = await interrupt(running, 'SIGINT');

    expect(interrupted.code).toBe(130);
    expect(interrupted.after).toBeLessThan(5_000);
    expect(host.tags).toEqual(['host_context']);
  });

  it('ends --wait', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['block'] });
    const running = spawnAtp([...line, '--wait', '600'], { simulator });
    await called(simulator, 'tag-remove');
    await vi.waitUntil(() => !host.tags.includes('block'), { timeout: 30_000 });

    const interrupted = await interrupt(running, 'SIGTERM');

    expect(interrupted.code).toBe(143);
    expect(interrupted.after).toBeLessThan(5_000);
    expect(hostIn(interrupted, host.id)).toMatchObject({ result: 'isolated', action: { status: 'Pending' } });
  });

  it('lets an isolation under way be finished, within ten seconds', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    const open = holdBack(simulator, 'isolate');
    const running = spawnAtp(line, { simulator });
    await called(simulator, 'isolate');
    setTimeout(open, 1_000);

    const interrupted = await interrupt(running, 'SIGTERM');
    const next = await run(simulator, line);

    expect(interrupted.code).toBe(143);
    const action = onlyAsked(simulator);
    expect(hostIn(interrupted, host.id)['detail']).toContain(action.id);
    expect(next.code).toBe(0);
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
    );
  });

  it('is over within ten seconds, though an isolation is never answered', async ({ start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block'] });
    const open = holdBack(simulator, 'isolate');
    const running = spawnAtp(line, { simulator });
    await called(simulator, 'isolate');

    const interrupted = await interrupt(running, 'SIGTERM');
    open();

    expect(interrupted.code).toBe(143);
    expect(interrupted.after).toBeLessThan(10_000);
    expect(interrupted.report).toMatchObject({ exitCode: 143 });
  });

  it('that comes twice ends the run at once', async ({ start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block'] });
    const open = holdBack(simulator, 'isolate');
    const running = spawnAtp(line, { simulator });
    await called(simulator, 'isolate');
    running.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));

    const interrupted = await interrupt(running, 'SIGINT');
    open();

    expect(interrupted.code).toBe(130);
    expect(interrupted.after).toBeLessThan(3_000);
  });
});

const command = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));

/** Runs a shell's line as cron does; `atp` stands for the command with its configuration. */
async function shell(
  simulator: Simulator,
  home: string,
  text: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const file = join(home, 'config.json');
  await writeFile(file, JSON.stringify(simulator.config()), { mode: 0o600 });
  const script = text.replaceAll('atp ', `${process.execPath} ${command} --config ${file} `);
  const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
  const child = spawn('env', ['-i', `PATH=${path}`, `HOME=${home}`, '/bin/sh', '-c', script], { cwd: home });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

describe.concurrent('a shell', () => {
  it('may cut the output short (| head -1)', async ({ start, home }) => {
    const simulator = await start();
    // More than a pipe holds.
    const hosts = Array.from({ length: 60 }, () => {
      const { host } = simulator.world.addPair({ tags: ['host_context'], name: 'n'.repeat(2_000) });
      return host;
    });

    const result = await shell(
      simulator,
      home,
      '{ atp --tag host_context --json; echo $? >code; } | head -1',
    );

    expect(result).toMatchObject({ code: 0, stdout: '{\n' });
    expect(result.stderr).not.toMatch(/EPIPE|"level":"error"/);
    expect(await readFile(join(home, 'code'), 'utf8')).toBe('0\n');
    expect(hosts.some((host) => host.tags.includes('host_context'))).toBe(false);
  });

  it.for(['>&-', '>&- 2>&- <&-'])('may close the streams (%s)', async (redirection, { start, home }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await shell(simulator, home, `atp --tag host_context --json ${redirection}`);

    expect(result.code).toBe(0);
    expect(host.tags).not.toContain('host_context');
  });

  it('may stand in a directory that is gone', async ({ start, home }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });

    const result = await shell(simulator, home, 'mkdir gone; cd gone; rmdir ../gone; atp --tag host_context');

    expect(result.code).toBe(0);
    expect(host.tags).not.toContain('host_context');
  });
});
