import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { JsonObject } from '../simulator/json.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import { closeUnharmed, errorsOf, expectNoSecrets, it, logOf, run } from './rig.ts';

const example = fileURLToPath(new URL('../../config.example.json', import.meta.url));

let simulator: Simulator;

beforeAll(async () => {
  simulator = await createSimulator();
});

afterAll(async () => {
  await closeUnharmed(simulator);
});

async function save(file: string, content: unknown, mode = 0o600): Promise<void> {
  const text = typeof content === 'string' ? content : JSON.stringify(content, undefined, 2);
  await writeFile(file, text, { mode });
}

/** A run with the file of that name, of which nothing may have come. */
async function refused(
  home: string,
  args: readonly string[] = ['--config', 'config.json'],
): Promise<unknown> {
  simulator.ledger.clear();
  const result = await runAtp(['--tag', 'host_context', ...args], { home, cwd: home });
  expect(result).toMatchObject({ code: 78, stdout: '' });
  expectNoSecrets(simulator, result);
  expect(simulator.ledger.entries).toEqual([]);
  const [error, ...more] = errorsOf(result);
  expect(more).toEqual([]);
  return error;
}

const notValid = (home: string, ...problems: string[]) => ({
  msg: [
    `the configuration ${join(home, 'config.json')} is not valid:`,
    ...problems.map((text) => `- ${text}`),
  ].join('\n'),
});

const startHint =
  'Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.';

describe('a configuration that cannot be read ends with 78', () => {
  it('when the named file is missing, and no other is tried', async ({ home }) => {
    await save(join(home, 'config.json'), simulator.config());

    expect(await refused(home, ['--config', 'other.json'])).toEqual({
      msg: `no configuration: --config names ${join(home, 'other.json')}: there is no such file`,
      hint: startHint,
    });
  });

  it('when there is none at all, with every path that was tried', async ({ home }) => {
    const tried = join(home, '.config/atp/config.json');

    expect(await refused(home, [])).toEqual({
      msg: [
        'no configuration; tried',
        ...[tried, '/etc/atp/config.json'].map((path) => `- ${path}: there is no such file`),
      ].join('\n'),
      hint: startHint,
    });
  });

  it('when the only one is in the current folder, with the flag that uses it', async ({ home }) => {
    await save(join(home, 'config.json'), simulator.config());

    expect(await refused(home, [])).toEqual({
      msg: [
        'no configuration; tried',
        ...[join(home, '.config/atp/config.json'), '/etc/atp/config.json'].map(
          (path) => `- ${path}: there is no such file`,
        ),
        'The config.json of the current folder is used only when it is named: --config ./config.json',
      ].join('\n'),
      hint: startHint,
    });
  });

  it.for(['--config', '$ATP_CONFIG'])(
    'when %s has the configuration itself, which is not shown',
    async (by, { home }) => {
      const text = JSON.stringify(simulator.config());
      const isFlag = by === '--config';

      const result = await runAtp(['--tag', 'host_context', ...(isFlag ? ['--config', text] : [])], {
        home,
        cwd: home,
        env: isFlag ? {} : { ATP_CONFIG: text },
      });

      expect(result).toMatchObject({ code: 78, stdout: '' });
      expectNoSecrets(simulator, result);
      expect(errorsOf(result)).toEqual([
        {
          msg: `no configuration: ${by} names no file that can be read: there is no such file`,
          hint: `Give ${by} the path of a file. What it holds now is not shown, since it may be a secret.`,
        },
      ]);
      expect(result.stderr).not.toContain('tenantId');
    },
  );

  it('when it is a directory', async ({ home }) => {
    await mkdir(join(home, 'config.json'));

    expect(await refused(home)).toEqual({
      msg: `the configuration ${join(home, 'config.json')} cannot be read: it is a directory`,
    });
  });

  it('when its links lead in a circle', async ({ home }) => {
    await symlink('config.json', join(home, 'config.json'));

    expect(await refused(home)).toEqual({
      msg: `the configuration ${join(home, 'config.json')} cannot be read: its symbolic links lead in a circle`,
    });
  });

  // Nothing is unreadable for root.
  it.skipIf(process.getuid?.() === 0)('when its permissions forbid it', async ({ home }) => {
    await save(join(home, 'config.json'), simulator.config(), 0o000);

    expect(await refused(home)).toEqual({
      msg: `the configuration ${join(home, 'config.json')} cannot be read: permission denied`,
    });
  });
});

describe('a configuration that is not valid ends with 78', () => {
  it.for<[line: string, text: string, problem: string]>([
    ['is empty', '', 'line 1, column 1: expected a value, but the file ends here'],
    [
      'is cut short',
      '{\n  "detect": {\n    "url": "https://detect.exam',
      'line 3, column 12: this string has no end on its line, or a backslash or control character that JSON forbids',
    ],
    ['is no object', '[]', 'the file: expected an object in braces'],
  ])('because it %s', async ([, text, problem], { home }) => {
    await save(join(home, 'config.json'), text);

    expect(await refused(home)).toEqual(notValid(home, problem));
  });

  it.for<[line: string, change: JsonObject, problems: string[]]>([
    [
      'has values of the wrong type, all named at once',
      {
        detect: { url: 'https://detect.example', token: 7, apiVersion: 2.5 },
        isolation: { maxPerRun: '50', never: { names: 'dc*', ips: ['10.0.0.0/33'] } },
        runTimeoutMinutes: true,
      },
      [
        'detect.token: expected text in quotes',
        'detect.apiVersion: expected "2.2", "2.3", "2.4" or "2.5", in quotes',
        'isolation.maxPerRun: expected a whole number from 0 to 1000',
        'isolation.never.names: expected a list in brackets',
        'isolation.never.ips[0]: expected a prefix length from 0 to 32 after the slash',
        'runTimeoutMinutes: expected a number from 0.1 to 1440',
      ],
    ],
    [
      'misspells a guard rail, which must not be ignored',
      { isolation: { never: { osPlatform: ['WindowsServer*'] }, maxPerRum: 5 } },
      [
        'isolation.never.osPlatform: unknown key; did you mean isolation.never.osPlatforms?',
        'isolation.maxPerRum: unknown key; did you mean isolation.maxPerRun?',
      ],
    ],
    [
      'names another host by http:',
      { detect: { url: 'http://detect.example.com' }, atp: { apiUrl: 'http://api.example.com' } },
      [
        'detect.url: must begin with https:// (http:// is for loopback addresses only)',
        'atp.apiUrl: must begin with https:// (http:// is for loopback addresses only)',
      ],
    ],
    [
      'names the cloud product',
      { detect: { url: 'https://123.uw2.portal.vectra.ai' } },
      [
        'detect.url: the cloud product (*.portal.vectra.ai, API v3) is not supported: the tags of its hosts can only be replaced as a whole, which would lose those of others; atp works with Detect appliances',
      ],
    ],
    [
      'has two sources for a secret, and two credentials',
      { detect: { tokenFile: 'token' }, atp: { federatedTokenFile: 'oidc' } },
      [
        'detect.token: give either this or detect.tokenFile, not both',
        'atp: has more than one credential (atp.appSecret, atp.federatedTokenFile); keep one',
      ],
    ],
  ])('because it %s', async ([, change, problems], { home }) => {
    await save(join(home, 'config.json'), simulator.config(change));

    expect(await refused(home)).toEqual(notValid(home, ...problems));
  });

  it('because it is the example, and its placeholders still stand', async ({ home }) => {
    await copyFile(example, join(home, 'config.json'));
    await chmod(join(home, 'config.json'), 0o600);

    expect(await refused(home)).toEqual(
      notValid(
        home,
        ...['detect.url', 'detect.token', 'atp.tenantId', 'atp.appId', 'atp.appSecret'].map(
          (key) => `${key}: still holds the placeholder of config.example.json`,
        ),
      ),
    );
  });

  it('because a file for a secret is empty', async ({ home }) => {
    await save(
      join(home, 'config.json'),
      simulator.config({ detect: { token: undefined, tokenFile: 'token' } }),
    );
    await save(join(home, 'token'), '\n');

    expect(await refused(home)).toEqual(notValid(home, 'detect.tokenFile: the file named there is empty'));
  });

  it('because others may write to it', async ({ home }) => {
    const file = join(home, 'config.json');
    await save(file, simulator.config());
    await chmod(file, 0o662);

    expect(await refused(home)).toEqual(
      notValid(home, `permissions: ${file} can be changed by others: chmod go-w ${file}`),
    );
  });
});

describe('a good configuration', () => {
  it('is the example with its placeholders filled', async ({ home }) => {
    const filled = (await readFile(example, 'utf8'))
      .replace('https://<your Detect appliance>', simulator.detectUrl)
      .replace('<your API token>', simulator.settings.detectToken)
      .replace('<your tenant id>', simulator.settings.tenantId)
      .replace('<your application id>', simulator.settings.appId)
      .replace('<your client secret>', simulator.settings.appSecret);
    await save(join(home, 'config.json'), filled);

    const result = await runAtp(['--tag', 'host_context', '--config', 'config.json'], { home, cwd: home });

    expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it.for<[line: string, files: string[], env: Record<string, string>, args: string[], expected: string]>([
    [
      '--config before $ATP_CONFIG',
      ['a.json', 'b.json', 'config.json'],
      { ATP_CONFIG: 'b.json' },
      ['--config', 'a.json'],
      'a.json',
    ],
    [
      '$ATP_CONFIG before that of the user',
      ['b.json', '.config/atp/config.json'],
      { ATP_CONFIG: 'b.json' },
      [],
      'b.json',
    ],
    [
      '$XDG_CONFIG_HOME before ~/.config',
      ['xdg/atp/config.json', '.config/atp/config.json'],
      { XDG_CONFIG_HOME: 'xdg' },
      [],
      'xdg/atp/config.json',
    ],
    [
      '~/.config, and not from the current folder',
      ['config.json', '.config/atp/config.json'],
      {},
      [],
      '.config/atp/config.json',
    ],
  ])('is taken from %s', async ([, files, env, args, expected], { home }) => {
    for (const file of files) {
      await mkdir(join(home, file, '..'), { recursive: true });
      // What is asked of Detect tells which file was read.
      const apiVersion = file === expected ? '2.4' : '2.3';
      await save(join(home, file), simulator.config({ detect: { apiVersion } }));
    }
    simulator.ledger.clear();
    const absolute = Object.fromEntries(Object.entries(env).map(([name, path]) => [name, join(home, path)]));

    const result = await runAtp(['--tag', 'host_context', ...args], { home, cwd: home, env: absolute });

    expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(simulator.ledger.entries.map(({ path }) => path)).toEqual(['/api/v2.4/search/hosts']);
  });

  it('may have its secrets in files beside it, or in the environment', async ({ home, start }) => {
    const services = await start();
    const { detectToken, appSecret } = services.settings;
    const { host } = services.world.addPair({ tags: ['host_context'] });
    const keys = { detect: { token: undefined, tokenFile: 'token' }, atp: { appSecret: undefined } };
    await save(join(home, 'config.json'), services.config(keys));
    await save(join(home, 'token'), `${detectToken}\n`);

    const result = await runAtp(['--tag', 'host_context', '--verbose'], {
      home,
      cwd: home,
      env: { ATP_APP_SECRET: appSecret, ATP_CONFIG: 'config.json' },
    });

    expect(result.code).toBe(0);
    expect(logOf(result)[0]).toMatchObject({
      level: 'debug',
      msg: 'this configuration is used',
      file: join(home, 'config.json'),
    });
    expectNoSecrets(services, result);
    expect(host.tags).not.toContain('host_context');
  });

  it('that others may read is warned about, with the command that mends it, by a run that does something', async ({
    home,
    start,
  }) => {
    const services = await start();
    services.world.addPair({ tags: ['host_context'] });
    const file = join(home, 'config.json');
    await save(file, services.config());
    await chmod(file, 0o644);
    const args = ['--tag', 'host_context', '--config', 'config.json'];

    const busy = await runAtp(args, { home, cwd: home });
    const idle = await runAtp(args, { home, cwd: home });

    expect(busy.code).toBe(0);
    expect(logOf(busy).filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: `${file} holds secrets and others may read it: chmod 600 ${file}` },
    ]);
    expect(idle).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('that trusts every certificate says so in every run that does something', async ({ start }) => {
    const services = await start();
    services.world.addPair({ tags: ['host_context'] });

    const result = await run(services, ['--tag', 'host_context'], {
      overrides: { detect: { insecure: true } },
    });

    expect(result.code).toBe(0);
    expect(logOf(result).filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});
