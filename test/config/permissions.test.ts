import { chown, rename } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { warningText } from '../../src/config/findings.ts';
import { appId, atp, detect, makeConfigDir, minimal, notValid, tenantId, token } from './config-dir.ts';

const isRoot = process.getuid?.() === 0;
const me = process.getuid?.() ?? 0;
const somebody = 4711;

const withoutSecrets = {
  detect: { url: detect.url, tokenFile: 'token' },
  atp: { tenantId, appId, appSecretFile: 'secret' },
};

describe('a configuration file', () => {
  test.each([
    [0o600, []],
    [0o400, []],
    [0o640, ['chmod 600']],
    [0o604, ['chmod 600']],
    [0o644, ['chmod 600']],
  ])(
    'with secrets and mode %o is used, with a warning for whatever others may read',
    async (mode, commands) => {
      const world = await makeConfigDir();
      const path = await world.put('config.json', minimal, mode);

      expect((await world.load()).warnings.map(warningText)).toEqual(
        commands.map((command) => `${path} holds secrets and others may read it: ${command} ${path}`),
      );
    },
  );

  test('without secrets may be read by everybody', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', withoutSecrets, 0o644);
    await world.put('token', token);
    await world.put('secret', 'x-secret');

    expect((await world.load()).warnings.map(warningText)).toEqual([]);
  });

  test('with no secret but the password of a proxy counts as one with secrets', async () => {
    const world = await makeConfigDir();
    const path = await world.put(
      'config.json',
      { ...withoutSecrets, http: { proxy: 'http://u:pass@p:1' } },
      0o644,
    );
    await world.put('token', token);
    await world.put('secret', 'x-secret');

    expect((await world.load()).warnings.map(warningText)).toEqual([
      `${path} holds secrets and others may read it: chmod 600 ${path}`,
    ]);
  });

  test.each([0o620, 0o602, 0o666])('that others may write to (mode %o) is refused', async (mode) => {
    const world = await makeConfigDir();
    const path = await world.put('config.json', minimal, mode);

    expect(await world.failure()).toBe(
      notValid(world, `permissions: ${path} can be changed by others: chmod go-w ${path}`),
    );
  });

  test('that others may write to is refused together with its other problems', async () => {
    const world = await makeConfigDir();
    const path = await world.put('config.json', { ...minimal, x: 1 }, 0o666);

    expect(await world.failure()).toBe(
      notValid(world, `permissions: ${path} can be changed by others: chmod go-w ${path}`, 'x: unknown key'),
    );
  });

  test('is named in the command as a shell takes it', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal, 0o644);
    const path = world.path("it's mine.json");
    await rename(world.path('config.json'), path);

    expect((await world.load({ file: path })).warnings.map(warningText)).toEqual([
      `${path} holds secrets and others may read it: chmod 600 '${world.dir}/it'\\''s mine.json'`,
    ]);
  });

  test('of another user is refused', async () => {
    const world = await makeConfigDir();
    const path = await world.put('config.json', minimal);
    if (isRoot) await chown(path, somebody, somebody);
    const uid = isRoot ? 0 : somebody;

    expect(await world.failure({ uid })).toBe(
      notValid(
        world,
        `permissions: ${path} belongs to another user, who could change it: chown ${uid} ${path}`,
      ),
    );
  });

  test('is not judged where there are no users', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal, 0o666);
    const { loadConfig } = await import('../../src/config/config.ts');

    const config = await loadConfig({
      file: 'config.json',
      env: { HOME: world.home },
      cwd: world.dir,
      uid: undefined,
      registerSecret: () => undefined,
    });

    expect(config.warnings.map(warningText)).toEqual([]);
  });

  describe.runIf(isRoot)('of root, read by another user', () => {
    test.each([
      [0o600, undefined],
      [0o640, undefined],
      [0o644, 'chmod o= FILE'],
      [0o604, 'chown 4711 FILE && chmod 600 FILE'],
    ])(
      'with mode %o is trusted, and kept from everybody else by a command that keeps it readable',
      async (mode, command) => {
        const world = await makeConfigDir();
        const path = await world.put('config.json', minimal, mode);

        const config = await world.load({ uid: somebody });

        expect(config.warnings.map(warningText)).toEqual(
          command === undefined
            ? []
            : [`${path} holds secrets and others may read it: ${command.replaceAll('FILE', path)}`],
        );
      },
    );
  });
});

describe('a file that the configuration names', () => {
  test('is warned about when it holds a secret that others may read', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', withoutSecrets);
    const tokenPath = await world.put('token', token, 0o640);
    const secretPath = await world.put('secret', 'x-secret', 0o604);

    expect((await world.load()).warnings.map(warningText)).toEqual([
      `${tokenPath} holds secrets and others may read it: chmod 600 ${tokenPath}`,
      `${secretPath} holds secrets and others may read it: chmod 600 ${secretPath}`,
    ]);
  });

  test('is refused when others may write to it', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...detect, caFile: 'ca.pem' }, atp: withoutSecrets.atp });
    const ca = await world.put('ca.pem', 'x', 0o666);
    const secret = await world.put('secret', 'x-secret', 0o620);

    expect(await world.failure()).toBe(
      notValid(
        world,
        `detect.caFile: ${ca} can be changed by others: chmod go-w ${ca}`,
        'detect.caFile: the file named there has no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
        `atp.appSecretFile: ${secret} can be changed by others: chmod go-w ${secret}`,
      ),
    );
  });

  test.runIf(isRoot)('is refused when it belongs to another user', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: withoutSecrets.detect, atp });
    const path = await world.put('token', token);
    await chown(path, somebody, somebody);

    expect(await world.failure({ uid: me })).toBe(
      notValid(
        world,
        `detect.tokenFile: ${path} belongs to another user, who could change it: chown ${me} ${path}`,
      ),
    );
  });
});
