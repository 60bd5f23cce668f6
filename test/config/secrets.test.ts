import { symlink } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { warningText } from '../../src/config/findings.ts';
import { appId, appSecret, atp, detect, makeConfigDir, notValid, tenantId, token } from './config-dir.ts';

const bareAtp = { tenantId, appId };
const bareDetect = { url: detect.url };

describe('the token of Detect', () => {
  test.each([
    ['its own key', { token }, {}],
    ['a file, without the line break at its end', { tokenFile: 'token' }, {}],
    ['the environment', {}, { ATP_DETECT_TOKEN: token }],
    ['its key rather than the environment', { token }, { ATP_DETECT_TOKEN: 'another' }],
    ['a file rather than the environment', { tokenFile: 'token' }, { ATP_DETECT_TOKEN: 'another' }],
  ])('comes from %s', async (_what, keys, env) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, ...keys }, atp });
    await world.put('token', `${token}\r\n`);

    expect((await world.load({ env })).detect.credential).toEqual({ kind: 'token', token });

    expect([...world.registered].map((secret) => secret.trim())).toContain(token);
  });

  test('is found in a file relative to the configuration, not to the working directory', async () => {
    const world = await makeConfigDir();
    await world.put('etc/config.json', { detect: { ...bareDetect, tokenFile: '../secrets/token' }, atp });
    await world.put('secrets/token', token);

    expect((await world.load({ file: 'etc/config.json' })).detect.credential).toEqual({
      kind: 'token',
      token,
    });
  });

  test.each([
    [{ token, tokenFile: 'token' }, {}, 'detect.token: give either this or detect.tokenFile, not both'],
    [{ tokenFile: 'empty' }, {}, 'detect.tokenFile: the file named there is empty'],
    [{ tokenFile: 'blank' }, {}, 'detect.tokenFile: the file named there is empty'],
    [{ tokenFile: 'lines' }, {}, 'detect.tokenFile: the file named there has more than one line'],
    [
      { tokenFile: 'placeholder' },
      {},
      'detect.tokenFile: the file named there still holds the placeholder of config.example.json',
    ],
    [{ tokenFile: 'utf16' }, {}, 'detect.tokenFile: the file named there is not text in UTF-8'],
    [{ token: '' }, { ATP_DETECT_TOKEN: token }, 'detect.token: is empty'],
    [{ token: 'Token abc' }, {}, 'detect.token: has blanks; only the token itself belongs there'],
    [{ token: ` ${token}` }, {}, 'detect.token: has blanks around it'],
    [{ token: `${token}\n` }, {}, 'detect.token: has more than one line'],
    [{ token: 'a\u0007b' }, {}, 'detect.token: has control characters'],
    [{ token: 'tökén' }, {}, 'detect.token: has characters that no token has'],
    [{}, { ATP_DETECT_TOKEN: 'a b' }, '$ATP_DETECT_TOKEN: has blanks; only the token itself belongs there'],
    [
      {},
      { ATP_DETECT_TOKEN: '<your API token>' },
      '$ATP_DETECT_TOKEN: still holds the placeholder of config.example.json',
    ],
    [
      {},
      { ATP_DETECT_TOKEN: '' },
      'detect.token: is required: give detect.token, detect.tokenFile or $ATP_DETECT_TOKEN (in Detect: My Profile, API token), or detect.clientId with detect.clientSecret (in Detect: Manage, API Clients)',
    ],
  ])('is refused from %j and %j', async (keys, env, problem) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, ...keys }, atp });
    await world.put('token', token);
    await world.put('empty', '');
    await world.put('blank', ' \n\n');
    await world.put('lines', `${token}\n${token}\n`);
    await world.put('placeholder', '<your API token>\n');
    await world.put('utf16', Buffer.from(`\ufeff${token}`, 'utf16le'));

    expect(await world.failure({ env })).toBe(notValid(world, problem));
  });

  test('pasted where its file should be named is not repeated', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, tokenFile: token }, atp });

    expect(await world.failure()).toBe(
      notValid(
        world,
        `detect.tokenFile: the file named there cannot be read: there is no such file (relative paths start at ${world.dir})`,
      ),
    );
  });

  test('in a directory in place of a file is told', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, tokenFile: '.' }, atp });

    expect(await world.failure()).toBe(
      notValid(
        world,
        `detect.tokenFile: the file named there cannot be read: it is a directory (relative paths start at ${world.dir})`,
      ),
    );
  });
});

describe('an API client of Detect', () => {
  const client = { clientId: 'client-7', clientSecret: 'c1ient~secret' };

  test.each([
    ['two keys', client, {}],
    ['a file', { clientId: 'client-7', clientSecretFile: 'secret' }, {}],
    ['the environment', { clientId: 'client-7' }, { ATP_DETECT_CLIENT_SECRET: 'c1ient~secret' }],
    [
      'its keys rather than the environment',
      client,
      { ATP_DETECT_CLIENT_SECRET: 'x', ATP_DETECT_TOKEN: 'another' },
    ],
  ])('comes from %s', async (_what, keys, env) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, ...keys }, atp });
    await world.put('secret', 'c1ient~secret\n');

    expect((await world.load({ env })).detect.credential).toEqual({
      kind: 'client',
      id: 'client-7',
      secret: 'c1ient~secret',
    });
    expect([...world.registered].map((secret) => secret.trim())).toContain('c1ient~secret');
  });

  test.each([
    [{ ...client, token }, 'detect: has more than one credential (detect.token, detect.clientId); keep one'],
    [
      { clientId: 'client-7' },
      'detect.clientSecret: is required for the credential with detect.clientId: give it, detect.clientSecretFile or $ATP_DETECT_CLIENT_SECRET',
    ],
    [{ clientSecret: 'x' }, 'detect.clientId: is required for the credential with detect.clientSecret'],
    [
      { ...client, clientSecretFile: 'secret' },
      'detect.clientSecret: give either this or detect.clientSecretFile, not both',
    ],
    [
      { ...client, apiVersion: '2.4' },
      'detect.apiVersion: must be "2.5" for the credential with detect.clientId',
    ],
    [
      { clientId: 'client-7', clientSecretFile: 'empty' },
      'detect.clientSecretFile: the file named there is empty',
    ],
    [
      { ...client, clientId: 'a:b' },
      'detect.clientId: expected the id of an API client, without colons and blanks',
    ],
    [
      { ...client, clientSecret: '<your client secret>' },
      'detect.clientSecret: still holds the placeholder of config.example.json',
    ],
  ])('is refused from %j', async (keys, problem) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...bareDetect, ...keys }, atp });
    await world.put('secret', 'x');
    await world.put('empty', '\n');

    expect(await world.failure()).toBe(notValid(world, problem));
  });
});

describe('the client secret', () => {
  test.each([
    ['its own key', { appSecret }, {}],
    ['a file', { appSecretFile: 'secret' }, {}],
    ['the environment', {}, { ATP_APP_SECRET: appSecret }],
    ['its key rather than the environment', { appSecret }, { ATP_APP_SECRET: 'another' }],
  ])('comes from %s', async (_what, keys, env) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...bareAtp, ...keys } });
    await world.put('secret', ` ${appSecret}\n`);

    const config = await world.load({ env });

    expect(config.atp.credential).toEqual({ kind: 'secret', secret: appSecret });
    expect([...world.registered].map((secret) => secret.trim())).toContain(appSecret);
  });

  test.each([
    [{ appSecret, appSecretFile: 'x' }, 'atp.appSecret: give either this or atp.appSecretFile, not both'],
    [
      { appSecret: '<your client secret>' },
      'atp.appSecret: still holds the placeholder of config.example.json',
    ],
    [{ appSecret: ` ${appSecret}` }, 'atp.appSecret: has blanks around it'],
    [
      { appSecret, federatedTokenFile: 'x' },
      'atp: has more than one credential (atp.appSecret, atp.federatedTokenFile); keep one',
    ],
    [
      { appSecretFile: 'x', privateKeyFile: 'y', federatedTokenFile: 'z' },
      'atp: has more than one credential (atp.appSecretFile, atp.privateKeyFile, atp.federatedTokenFile); keep one',
    ],
  ])('is refused from %j', async (keys, problem) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...bareAtp, ...keys } });

    expect(await world.failure({ env: { ATP_APP_SECRET: 'of-the-environment' } })).toBe(
      notValid(world, problem),
    );
  });

  test('that looks like the id of a secret is warned about', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...bareAtp, appSecret: tenantId } });

    expect((await world.load()).warnings.map(warningText)).toEqual([
      'the client secret has the form of an id: Entra ID shows the id and the value of a secret, and the value is needed',
    ]);
  });
});

describe('the federated token', () => {
  test('is looked at, and left to be read afresh by its full path', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...bareAtp, federatedTokenFile: 'token' } });
    // As Kubernetes projects it: readable by all, through symbolic links.
    await world.put('..data/token', 'eyJh.bGci.OiJ\n', 0o644);
    await symlink('..data/token', world.path('token'));

    const config = await world.load({ env: { ATP_APP_SECRET: appSecret } });

    expect(config.atp.credential).toEqual({ kind: 'federated', tokenFile: world.path('token') });
    expect(config.warnings.map(warningText)).toEqual([]);
    expect([...world.registered]).toContain('eyJh.bGci.OiJ\n');
  });

  test.each([
    ['', 'the file named there is empty'],
    ['two words', 'the file named there does not hold a token'],
    [Buffer.from([0xff, 0xfe, 0x00]), 'the file named there does not hold a token'],
  ])('is refused when its file holds %j', async (content, problem) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...bareAtp, federatedTokenFile: 'token' } });
    await world.put('token', content);

    expect(await world.failure()).toBe(notValid(world, `atp.federatedTokenFile: ${problem}`));
  });
});
