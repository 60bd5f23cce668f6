import { once } from 'node:events';
import { mkdir, readFile, stat, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Server as ProxyServer } from 'proxy-chain';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { closedPort } from '../http/server.ts';
import { spawnAtp, runAtp } from '../simulator/run-atp.ts';
import {
  calls,
  echo,
  echoes,
  groupRule,
  markedCredentials,
  marks,
  resetWorld,
  startMarked,
  type Marked,
} from './marked.ts';

let marked: Marked;

beforeAll(async () => {
  marked = await startMarked();
});
afterAll(() => marked.close());

beforeEach(() => {
  resetWorld(marked.simulator);
});

afterEach(() => {
  expect(marked.simulator.world.violations).toEqual([]);
});

const line = '--tag host_context --blocktag block --unblocktag unblock --json'.split(' ');

/** Runs the line, which may fail in any way but through a bug, and must leak nothing. */
async function expectNoLeak(
  ...parameters: Parameters<Marked['run']>
): Promise<{ code: number; stderr: string }> {
  const { code, stdout, stderr } = await marked.run(...parameters);
  expect(code).not.toBe(70);
  expect(await marked.findLeaks(stdout + stderr)).toEqual([]);
  return { code, stderr };
}

it('the search for leaks finds what it looks for', async () => {
  const { detectToken, appSecret, proxyPassword, clientSecret } = marks;
  const printed = [
    `x ${detectToken.slice(0, 12)}`,
    `client_secret=${encodeURIComponent(appSecret)}`,
    `Basic ${Buffer.from(`svc:${proxyPassword}`).toString('base64')}`,
    `Basic ${Buffer.from(`svc:${clientSecret}`).toString('base64')}`,
    `Bearer detect.${'x'.repeat(40)}`,
    'Bearer eyJhbGciOiJSUzI1NiIs.x.y',
  ];

  for (const text of printed) expect(await marked.findLeaks(text)).not.toEqual([]);
});

describe('no secret is told when a service says it back', () => {
  it.each(calls.map((call, at): [string, number] => [call, at]))('to the call %s', async (call, at) => {
    const answer = echoes[at % echoes.length];
    if (answer) marked.simulator.hooks.answer = (entry, own) => (entry.call === call ? answer(entry) : own);
    const credential = call === 'detect-token' ? 'client' : (markedCredentials[at % 3] ?? 'secret');
    const config = marked.config(credential, call === 'groups' ? groupRule : {});

    await expectNoLeak(line, config);
  });
});

describe('no secret is told when', () => {
  it('the configuration is wrong in many ways', async () => {
    const config = marked.config('secret', {
      detect: {
        url: `https://u:${encodeURIComponent(marks.proxyPassword)}@x.example`,
        token: `${marks.detectToken} x`,
      },
      atp: {
        appSecrett: marks.appSecret,
        tenantId: marks.appSecret,
        privateKeyPassphrase: marks.passphrase,
        apiUrl: marks.detectToken,
      },
      http: { proxy: `socks://svc:${encodeURIComponent(marks.proxyPassword)}@127.0.0.1` },
    });

    const { code } = await expectNoLeak(line, config);

    expect(code).toBe(78);
  });

  it('the configuration is not JSON', async () => {
    const file = join(marked.dir, 'broken.json');
    await writeFile(file, `{"detect": {"token": "${marks.detectToken}", 'x': 1}`, { mode: 0o600 });

    await expectNoLeak(line, file);
  });

  it('secrets are misplaced', async () => {
    const file = join(marked.dir, 'misplaced');
    await writeFile(file, `${marks.detectToken}\n${marks.appSecret}\n`, { mode: 0o600 });
    const config = marked.config('secret', {
      detect: { url: marks.detectToken, tokenFile: file, caFile: file },
      atp: { appSecretFile: file, certificateFile: file, privateKeyFile: marks.appSecret },
    });

    await expectNoLeak(line, config, {
      ATP_DETECT_TOKEN: marks.detectToken,
      ATP_APP_SECRET: marks.appSecret,
    });
  });

  it('the passphrase is wrong', async () => {
    const config = marked.config('certificate');
    Object.assign(config['atp'] ?? {}, { privateKeyPassphrase: `${marks.passphrase}, wrong` });

    const { stderr } = await expectNoLeak(line, config);

    expect(stderr).toContain('cannot be decrypted with the passphrase given');
  });

  it.each(['right', 'wrong'])('a proxy with a %s password is in between', async (which) => {
    const proxy = new ProxyServer({
      port: 0,
      host: '127.0.0.1',
      prepareRequestFunction: ({ password }) => ({
        requestAuthentication: which === 'wrong' || password !== marks.proxyPassword,
      }),
    });
    await proxy.listen();
    try {
      const config = marked.config('secret', {
        detect: { url: `https://brain.invalid:${await closedPort()}`, token: marks.detectToken },
        http: { proxy: `http://svc:${encodeURIComponent(marks.proxyPassword)}@127.0.0.1:${proxy.port}` },
      });

      const { code } = await expectNoLeak(line, config);

      expect(code).toBe(69);
    } finally {
      await proxy.close(true);
    }
  });

  it('the check fails', async () => {
    marked.simulator.hooks.answer = (entry, own) =>
      entry.call === 'search' || entry.call === 'token' ? echo(403, 'json')(entry) : own;

    await expectNoLeak(['--check', '--json'], marked.config('certificate'));
  });

  it('the program itself breaks in a way that nobody foresaw', async () => {
    const preload = join(marked.dir, 'break.mjs');
    const text = JSON.stringify(`\u001b[31m${marks.detectToken} and ${marks.appSecret}`);
    await writeFile(
      preload,
      `setTimeout(() => { throw Object.assign(new Error(${text}), { token: ${text} }); }, 4_000);`,
    );
    marked.simulator.faults.add({ match: ({ call }) => call === 'search', kind: 'hang' });

    const { code, stdout, stderr } = await runAtp(line, {
      config: marked.config('secret'),
      env: { NODE_OPTIONS: `--import ${preload}` },
    });

    expect(code).toBe(70);
    expect(stderr).toMatch(
      /^a bug in atp: please report it with this stack\nError: \[31m\[secret\] and \[secret\]\n {4}at /u,
    );
    expect(await marked.findLeaks(stdout + stderr)).toEqual([]);
  });
});

it('no secret is to be seen in the list of processes, and the token that is kept is for its owner alone', async () => {
  const cacheDir = join(marked.dir, 'of-a-process');
  await mkdir(cacheDir, { mode: 0o700 });
  const config = marked.config('secret', { cacheDir });
  const atp: unknown = config['atp'];
  const running = spawnAtp(line, {
    config: { ...config, atp: { ...(typeof atp === 'object' ? atp : {}), appSecret: undefined } },
    env: { ATP_APP_SECRET: marks.appSecret },
  });
  marked.simulator.faults.add({ match: ({ call }) => call === 'machineactions', kind: 'hang' });
  await vi.waitUntil(() => marked.simulator.ledger.count('machineactions') > 0, { timeout: 20_000 });

  const { pid = 0 } = running.child;
  const shown = [await readFile(`/proc/${pid}/cmdline`, 'utf8'), await readFile(`/proc/${pid}/comm`, 'utf8')];
  const [file = ''] = (await readdir(cacheDir)).filter((name) => name.startsWith('token-'));
  running.child.kill('SIGKILL');
  await once(running.child, 'close');

  expect(await marked.findLeaks(shown.join('\n'))).toEqual([]);
  expect(shown[0]).toContain('--config');
  expect((await stat(join(cacheDir, file))).mode & 0o777).toBe(0o600);
});
