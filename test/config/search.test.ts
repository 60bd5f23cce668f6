import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { makeConfigDir, minimal } from './config-dir.ts';

const hint =
  'Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.';

describe('the search for the configuration', () => {
  test('takes ./config.json before the one of the user', async () => {
    const world = await makeConfigDir();
    const own = await world.put('config.json', minimal);
    await world.put('../home/.config/atp/config.json', minimal);

    expect((await world.load()).file).toBe(own);
  });

  test('takes the one in ~/.config/atp when there is none in the working directory', async () => {
    const world = await makeConfigDir();
    await world.put('../home/.config/atp/config.json', minimal);

    expect((await world.load()).file).toBe(join(world.home, '.config/atp/config.json'));
  });

  test('takes $XDG_CONFIG_HOME instead of ~/.config, if it is an absolute path', async () => {
    const world = await makeConfigDir();
    await world.put('../home/.config/atp/config.json', minimal);
    const moved = await world.put('xdg/atp/config.json', minimal);

    expect((await world.load({ env: { XDG_CONFIG_HOME: world.path('xdg') } })).file).toBe(moved);
    expect((await world.load({ env: { XDG_CONFIG_HOME: 'xdg' } })).file).toBe(
      join(world.home, '.config/atp/config.json'),
    );
  });

  test('takes the file of --config, relative to the working directory, before all others', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal);
    const environment = await world.put('environment.json', minimal);
    const named = await world.put('sub/named.json', minimal);

    expect((await world.load({ file: 'sub/named.json', env: { ATP_CONFIG: environment } })).file).toBe(named);
    expect((await world.load({ env: { ATP_CONFIG: 'environment.json' } })).file).toBe(environment);
    expect((await world.load({ env: { ATP_CONFIG: '' } })).file).toBe(world.path('config.json'));
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

    const failed = world.load();

    await expect(failed).rejects.toThrow(
      new ConfigError(
        [
          'no configuration; tried',
          `- ${world.path('config.json')}: there is no such file`,
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

    expect(await world.failure({ env: { HOME: undefined } })).toBe(
      [
        'no configuration; tried',
        `- ${world.path('config.json')}: there is no such file`,
        '- /etc/atp/config.json: there is no such file',
      ].join('\n'),
    );
  });

  test.each([
    ['--config', { file: 'missing.json' }],
    ['$ATP_CONFIG', { env: { ATP_CONFIG: 'missing.json' } }],
  ])('but named by %s is not replaced by another', async (by, options) => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal);

    expect(await world.failure(options)).toBe(
      `no configuration: ${by} names ${world.path('missing.json')}: there is no such file`,
    );
  });
});

describe('a configuration that is there but broken is not passed over:', () => {
  test('a directory', async () => {
    const world = await makeConfigDir();
    await mkdir(world.path('config.json'));
    await world.put('../home/.config/atp/config.json', minimal);

    expect(await world.failure()).toBe(
      `the configuration ${world.path('config.json')} cannot be read: it is a directory`,
    );
  });

  test('a symbolic link to itself', async () => {
    const world = await makeConfigDir();
    await symlink('config.json', world.path('config.json'));

    expect(await world.failure()).toBe(
      `the configuration ${world.path('config.json')} cannot be read: its symbolic links lead in a circle`,
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
