import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { type ConfigDir, makeConfigDir, minimal, notValid } from './config-dir.ts';

const hint =
  'Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.';

/** The environment of somebody who has named no file. */
const unnamed = { ATP_CONFIG: undefined };

/** Nothing of a pasted configuration may be repeated. */
const pasted = [
  '{"detect": {"token": "m1sl41d-s3cr3t/x.json"}}',
  'm1sl41d-s3cr3t',
  `/m1sl41d-s3cr3t/${'x'.repeat(256)}`,
];

async function putForUser(world: ConfigDir): Promise<string> {
  await world.put('../home/.config/atp/config.json', minimal);
  return join(world.home, '.config/atp/config.json');
}

describe('the search for the configuration', () => {
  test('takes the one in ~/.config/atp, and never ./config.json', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { of: 'somebody else' });
    const own = await putForUser(world);

    expect((await world.load({ env: unnamed })).file).toBe(own);
  });

  test('takes $XDG_CONFIG_HOME instead of ~/.config, if it is an absolute path', async () => {
    const world = await makeConfigDir();
    const own = await putForUser(world);
    const moved = await world.put('xdg/atp/config.json', minimal);

    expect((await world.load({ env: { ...unnamed, XDG_CONFIG_HOME: world.path('xdg') } })).file).toBe(moved);
    expect((await world.load({ env: { ...unnamed, XDG_CONFIG_HOME: 'xdg' } })).file).toBe(own);
  });

  test('takes the file of --config, relative to the working directory, before all others', async () => {
    const world = await makeConfigDir();
    const own = await putForUser(world);
    const environment = await world.put('environment.json', minimal);
    const named = await world.put('sub/named.json', minimal);

    expect((await world.load({ file: 'sub/named.json', env: { ATP_CONFIG: environment } })).file).toBe(named);
    expect((await world.load({ env: { ATP_CONFIG: 'environment.json' } })).file).toBe(environment);
    expect((await world.load({ env: { ATP_CONFIG: '' } })).file).toBe(own);
  });

  test('follows a symbolic link', async () => {
    const world = await makeConfigDir();
    await world.put('real.json', minimal);
    await symlink(world.path('real.json'), world.path('config.json'));

    expect((await world.load()).file).toBe(world.path('config.json'));
  });
});

describe('a configuration that is not found', () => {
  test('is told with every full path tried', async () => {
    const world = await makeConfigDir();

    const failed = world.load({ env: unnamed });

    await expect(failed).rejects.toThrow(
      new ConfigError(
        [
          'no configuration; tried',
          `- ${join(world.home, '.config/atp/config.json')}: there is no such file`,
          '- /etc/atp/config.json: there is no such file',
        ].join('\n'),
        hint,
      ),
    );
    await expect(failed).rejects.toMatchObject({ exitCode: 78, hint });
  });

  test('was not looked for in a home that is not set', async () => {
    const world = await makeConfigDir();

    expect(await world.failure({ env: { ...unnamed, HOME: undefined } })).toBe(
      ['no configuration; tried', '- /etc/atp/config.json: there is no such file'].join('\n'),
    );
  });

  test('although there is one in the current folder is told how that is used', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal);

    expect(await world.failure({ env: unnamed })).toBe(
      [
        'no configuration; tried',
        `- ${join(world.home, '.config/atp/config.json')}: there is no such file`,
        '- /etc/atp/config.json: there is no such file',
        'The config.json of the current folder is used only when it is named: --config ./config.json',
      ].join('\n'),
    );
  });

  test.each([
    ['--config', { file: 'missing.json' }],
    ['$ATP_CONFIG', { env: { ATP_CONFIG: 'missing.json' } }],
  ])('but named by %s is not replaced by another', async (by, options) => {
    const world = await makeConfigDir();
    await putForUser(world);

    expect(await world.failure(options)).toBe(
      `no configuration: ${by} names ${world.path('missing.json')}: there is no such file`,
    );
  });

  test.each(
    pasted.flatMap((text) => [
      ['--config', { file: text }],
      ['$ATP_CONFIG', { env: { ATP_CONFIG: text } }],
    ]) as [string, { file?: string; env?: NodeJS.ProcessEnv }][],
  )('but whose content was given to %s is not repeated (%j)', async (by, options) => {
    const world = await makeConfigDir();

    const failed = world.load(options);

    await expect(failed).rejects.toThrow(
      new ConfigError(
        `no configuration: ${by} names no file that can be read: there is no such file`,
        `Give ${by} the path of a file. What it holds now is not shown, since it may be a secret.`,
      ),
    );
  });

  test('because a name is too long for the system is told without it', async () => {
    const world = await makeConfigDir();

    expect(await world.failure({ file: `/${'m1sl41d-s3cr3t'.repeat(400)}` })).toBe(
      'no configuration: --config names no file that can be read: there is no such file',
    );
  });
});

describe('a file that the configuration names and that is not there', () => {
  test.each([
    ['keys/token', 'keys/token'],
    ['token.txt', 'token.txt'],
    ['/nowhere/m1sl41d', '/nowhere/m1sl41d'],
  ])('is told by its full path: %s', async (tokenFile, path) => {
    const world = await makeConfigDir();
    await world.put('config.json', { ...minimal, detect: { url: minimal.detect.url, tokenFile } });

    expect(await world.failure()).toBe(
      notValid(
        world,
        `detect.tokenFile: ${path.startsWith('/') ? path : world.path(path)} cannot be read: there is no such file`,
      ),
    );
  });

  test.each([
    ...pasted,
    'Ab8Q~x.y_z-0123456789',
    'Ab8Q~xyz0123456.7Bc',
    '-----BEGIN PRIVATE KEY-----\nAAAA/x.pem',
    "/it's.txt",
  ])('is not when the name may be a secret: %j', async (tokenFile) => {
    const world = await makeConfigDir();
    await world.put('config.json', { ...minimal, detect: { url: minimal.detect.url, tokenFile } });

    expect(await world.failure()).toMatch(
      /^the configuration \S+ is not valid:\n- detect\.tokenFile: the file named there cannot be read: (?:there is no such file|ENAMETOOLONG) \(relative paths start at \S+\)$/u,
    );
  });
});

describe('a configuration that is there but broken is not passed over:', () => {
  test('a directory', async () => {
    const world = await makeConfigDir();
    const path = join(world.home, '.config/atp/config.json');
    await mkdir(path, { recursive: true });

    expect(await world.failure({ env: unnamed })).toBe(
      `the configuration ${path} cannot be read: it is a directory`,
    );
  });

  test('a symbolic link to itself', async () => {
    const world = await makeConfigDir();
    const path = join(world.home, '.config/atp/config.json');
    await mkdir(join(path, '..'), { recursive: true });
    await symlink('config.json', path);

    expect(await world.failure({ env: unnamed })).toBe(
      `the configuration ${path} cannot be read: its symbolic links lead in a circle`,
    );
  });

  test('a device', async () => {
    const world = await makeConfigDir();

    expect(await world.failure({ file: '/dev/null' })).toBe(
      'the configuration /dev/null cannot be read: it is not a regular file',
    );
  });

  test('a file too large to be one', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', ' '.repeat(1024 * 1024 + 1));

    expect(await world.failure()).toBe(
      `the configuration ${world.path('config.json')} cannot be read: it is larger than 1 MiB`,
    );
  });

  test.skipIf(process.getuid?.() === 0)('a file that this user may not read', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal, 0o200);

    expect(await world.failure()).toBe(
      `the configuration ${world.path('config.json')} cannot be read: permission denied`,
    );
  });
});
