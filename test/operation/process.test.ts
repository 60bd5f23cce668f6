import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, vi } from 'vitest';
import { acquireLock } from '../../src/local/lock.ts';
import { it, logOf } from '../e2e/rig.ts';
import type { JsonObject } from '../simulator/json.ts';

const command = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url));

/** A name server of one's own needs a mount namespace for /etc/resolv.conf, and the port 53. */
const mayMount = spawnSync('unshare', ['-m', 'true']).status === 0;
const silentServer = '127.0.0.99';

interface Ended {
  /** As a shell sees it: 128 and the number of the signal for a process that a signal has ended. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** From the signal, or else the start, to the end of the process, milliseconds. */
  ms: number;
}

interface Running {
  child: ChildProcess;
  /** Resolves when the process is gone, whoever still has its streams. */
  ended: Promise<Ended>;
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGUSR1'): void;
}

/** Starts the command in the environment of cron. `wrap` is the shell's line; `$ATP` stands for the command and its flags. */
async function start(
  home: string,
  config: JsonObject,
  flags: string,
  options: { wrap?: string; env?: Record<string, string>; reads?: boolean; outer?: string[] } = {},
): Promise<Running> {
  const { wrap = 'exec $ATP', env = {}, reads = true, outer = [] } = options;
  const file = join(home, 'config.json');
  await writeFile(file, JSON.stringify({ cacheDir: join(home, 'cache'), ...config }), { mode: 0o600 });
  const script = wrap.replaceAll('$ATP', `"${process.execPath}" "${command}" --config "${file}" ${flags}`);
  const path = `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const child = spawn('env', [...outer, '/bin/sh', '-c', script], {
    cwd: home,
    env: { PATH: path, HOME: home, ...env },
  });
  let since = Date.now();
  let [stdout, stderr] = ['', ''];
  if (reads) {
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  }
  const ended = once(child, reads ? 'close' : 'exit').then((): Ended => {
    const numbers: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 130, SIGTERM: 143 };
    const code = child.signalCode === null ? child.exitCode : (numbers[child.signalCode] ?? null);
    return { code, stdout, stderr, ms: Date.now() - since };
  });
  return {
    child,
    ended,
    signal(name) {
      since = Date.now();
      child.kill(name);
    },
  };
}

/** Fails when the lock of this Detect is taken, as the next tick would. */
async function expectFreeLock(detectUrl: string): Promise<void> {
  const lock = await acquireLock(detectUrl);
  await lock.release();
}

describe.runIf(mayMount)('a name server that never answers', () => {
  it('holds up neither the end after a signal nor the next tick', async ({ home }) => {
    const server = createSocket('udp4');
    let questions = 0;
    server.on('message', () => (questions += 1));
    server.bind(53, silentServer);
    await once(server, 'listening');
    await writeFile(join(home, 'resolv.conf'), `nameserver ${silentServer}\n`);
    const url = 'https://brain.example.org';
    const config = {
      detect: { url, token: 'a1b2c3d4e5f6' },
      atp: {
        tenantId: '9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77',
        appId: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
        appSecret: 'sim~Secret+with/odd',
      },
    };
    try {
      const running = await start(home, config, '--tag host_context --json', {
        outer: ['unshare', '-m'],
        wrap: 'mount --bind "$HOME/resolv.conf" /etc/resolv.conf && exec $ATP',
      });
      await vi.waitUntil(() => questions > 0, { timeout: 30_000, interval: 20 });
      await expect(acquireLock(url)).rejects.toThrow('still at work');

      running.signal('SIGTERM');
      const { code, stdout, ms } = await running.ended;

      expect(code).toBe(143);
      expect(ms).toBeLessThan(5_000);
      expect(JSON.parse(stdout)).toMatchObject({ exitCode: 143 });
      await expectFreeLock(url);
    } finally {
      server.close();
    }
  });
});

describe.concurrent('a reader that has stopped', () => {
  it.for<[what: string, wrap: string]>([
    ['a socket', 'exec $ATP'],
    // Open for reading as well, so that it has a reader, which reads nothing.
    ['a pipe', 'mkfifo pipe; exec 3<>pipe; exec $ATP 2>pipe'],
  ])(
    'of the log does not hold up a run, and a signal ends it (%s)',
    async ([, wrap], { home, start: begin }) => {
      const simulator = await begin({ latencyMs: 20 });
      const { world } = simulator;
      // More lines than a pipe holds.
      for (let count = 0; count < 400; count += 1)
        world.addPair({ tags: ['host_context'], name: 'n'.repeat(900) });
      simulator.faults.add({ match: ({ call }) => call === 'note-create', kind: 'hang' });

      const running = await start(home, simulator.config(), '--verbose --tag host_context', {
        wrap,
        reads: false,
      });
      await vi.waitUntil(() => simulator.ledger.count('note-create') > 0, { timeout: 60_000, interval: 20 });
      running.signal('SIGTERM');
      const { code, ms } = await running.ended;

      expect(code).toBe(143);
      expect(ms).toBeLessThan(10_000);
      await expectFreeLock(simulator.detectUrl);
    },
  );

  it('of the report is waited for five seconds, without the lock', async ({ home, start: begin }) => {
    const simulator = await begin();
    const hosts = Array.from({ length: 60 }, () => {
      const { host } = simulator.world.addPair({ tags: ['host_context'], name: 'n'.repeat(4_000) });
      return host;
    });

    const running = await start(home, simulator.config(), '--json --tag host_context', {
      wrap: 'exec $ATP 2>log',
      reads: false,
    });
    await vi.waitUntil(() => !hosts.some(({ tags }) => tags.includes('host_context')), { timeout: 60_000 });
    await vi.waitUntil(
      () =>
        expectFreeLock(simulator.detectUrl).then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    );
    const free = Date.now();
    const stillThere = running.child.exitCode === null;
    const { code } = await running.ended;

    expect(stillThere).toBe(true);
    expect(Date.now() - free).toBeLessThan(9_000);
    expect(code).toBe(1);
    const log = spawnSync('tail', ['-1', join(home, 'log')], { encoding: 'utf8' }).stdout;
    expect(JSON.parse(log)).toMatchObject({
      level: 'error',
      msg: 'standard output cannot be written: its reader has stopped reading',
    });
  });

  it('of both is waited for once', async ({ home, start: begin }) => {
    const simulator = await begin();
    const hosts = Array.from({ length: 60 }, () => {
      const { host } = simulator.world.addPair({ tags: ['host_context'], name: 'n'.repeat(8_000) });
      return host;
    });

    const running = await start(home, simulator.config(), '--json --tag host_context', { reads: false });
    await vi.waitUntil(() => !hosts.some(({ tags }) => tags.includes('host_context')), { timeout: 60_000 });
    const done = Date.now();
    const { code } = await running.ended;

    expect(code).toBe(1);
    expect(Date.now() - done).toBeLessThan(9_000);
  });
});

describe.concurrent('output that cannot be written', () => {
  it.for(['--json', '--dry-run', '--check', '--check --json'])(
    'is exit 1 and a line of the log (%s)',
    async (flags, { home, start: begin }) => {
      const simulator = await begin();
      simulator.world.addPair({ tags: ['host_context'] });

      const running = await start(home, simulator.config(), `--tag host_context ${flags}`, {
        wrap: 'exec $ATP >/dev/full',
      });
      const result = await running.ended;

      expect(result.code).toBe(1);
      expect(logOf(result).at(-1)).toMatchObject({
        level: 'error',
        msg: 'standard output cannot be written: the disk is full',
      });
    },
  );

  it('is exit 1 and one line where there is no log yet', async ({ home }) => {
    const running = await start(home, {}, '--help', { wrap: 'exec $ATP >/dev/full' });

    expect(await running.ended).toMatchObject({
      code: 1,
      stderr: 'atp: standard output cannot be written: the disk is full\n',
    });
  });
});

describe.concurrent('what others could do to a run', () => {
  it('SIGUSR1 opens no inspector', async ({ home, start: begin }) => {
    const simulator = await begin();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    simulator.hooks.before = async ({ call }) => {
      if (call === 'findbyip') await opened;
    };
    const running = await start(home, simulator.config(), '--tag host_context');
    await vi.waitUntil(() => simulator.ledger.count('findbyip') > 0, { timeout: 30_000, interval: 20 });

    running.signal('SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const socket = connect(9229, '127.0.0.1');
    const [problem] = (await once(socket, 'error')) as [Error];
    open();
    const { code, stderr } = await running.ended;

    expect(problem.message).toContain('ECONNREFUSED');
    expect(stderr).not.toContain('Debugger');
    expect(code).toBe(0);
    expect(host.tags).not.toContain('host_context');
  });

  it("DEBUG prints no proxy's password", async ({ home, start: begin }) => {
    const simulator = await begin();
    const config = simulator.config({
      detect: { url: 'https://brain.example.org' },
      http: { proxy: 'http://ann:pr0xy-Pass@127.0.0.1:9', timeoutSeconds: 2 },
    });

    const running = await start(home, config, '--tag host_context --verbose', { env: { DEBUG: '*' } });
    const { code, stdout, stderr } = await running.ended;

    expect(code).toBe(69);
    expect(stdout + stderr).not.toContain('pr0xy-Pass');
    expect(stdout + stderr).not.toContain('https-proxy-agent');
  });
});
