import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { warningText } from '../../src/config/findings.ts';
import { proxyFor, type ProxySettings } from '../../src/http/proxy.ts';
import {
  appId,
  appSecret,
  atp,
  detect,
  makeConfigDir,
  minimal,
  notValid,
  tenantId,
  token,
} from './config-dir.ts';

/** The proxy, and of two hosts the one that is reached without it. */
function wayOut(settings: ProxySettings | undefined): unknown {
  return (
    settings && {
      url: String(settings.url),
      direct: ['a.example.com', 'c.example.com'].filter(
        (host) => !proxyFor(new URL(`https://${host}`), settings),
      ),
    }
  );
}

describe('a configuration with the required keys', () => {
  test('gets every default', async () => {
    const world = await makeConfigDir();
    const file = await world.put('config.json', minimal);

    expect(await world.load()).toEqual({
      file,
      warnings: [],
      detect: {
        url: 'https://detect.example.com',
        apiVersion: '2.5',
        credential: { kind: 'token', token },
        ca: undefined,
        fingerprint256: undefined,
        insecure: false,
      },
      atp: {
        tenantId,
        appId,
        credential: { kind: 'secret', secret: appSecret },
        cloud: 'commercial',
        apiUrl: 'https://api.security.microsoft.com',
        loginUrl: 'https://login.microsoftonline.com',
        audience: 'https://api.securitycenter.microsoft.com',
        portalUrl: 'https://security.microsoft.com',
        ca: undefined,
      },
      isolation: {
        type: 'Full',
        maxPerRun: 50,
        endsAfterDays: 7,
        match: 'no-conflict',
        never: { names: [], ips: [], tags: [], groups: [], osPlatforms: [], machineTags: [] },
      },
      enrich: { maxAgeMinutes: 60 },
      http: { timeoutSeconds: 30, proxy: undefined },
      runTimeoutMinutes: 5,
      cacheDir: join(world.home, '.cache/atp'),
    });
  });

  test('may say everything else', async () => {
    const world = await makeConfigDir();
    const never = {
      names: ['dc*', 'srv-??.example.com'],
      ips: ['10.0.0.5', '10.1.0.0/16', 'fd00::/8', '::1', '0.0.0.0/0'],
      tags: ['never isolate'],
      groups: ['Servers *'],
      osPlatforms: ['WindowsServer*'],
      machineTags: ['vip'],
    };
    await world.put('config.json', {
      detect: { ...detect, apiVersion: '2.2', insecure: false },
      atp,
      isolation: { type: 'Selective', maxPerRun: 0, endsAfterDays: 0, match: 'confirmed', never },
      enrich: { maxAgeMinutes: 0 },
      http: {
        timeoutSeconds: 1.5,
        proxy: 'http://proxy.example.com:3128',
        noProxy: 'a.example.com,10.0.0.1',
      },
      runTimeoutMinutes: 0.5,
      cacheDir: 'cache',
    });

    expect(await world.load({ env: { https_proxy: 'http://other:1', NO_PROXY: '*' } })).toMatchObject({
      detect: { apiVersion: '2.2', insecure: false },
      isolation: { type: 'Selective', maxPerRun: 0, endsAfterDays: 0, match: 'confirmed', never },
      enrich: { maxAgeMinutes: 0 },
      http: {
        timeoutSeconds: 1.5,
        proxy: { url: new URL('http://proxy.example.com:3128') },
      },
      runTimeoutMinutes: 0.5,
      cacheDir: world.path('cache'),
    });
  });

  test('may begin with a byte order mark', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', `\ufeff${JSON.stringify(minimal)}`);

    expect((await world.load()).detect.credential).toEqual({ kind: 'token', token });
  });
});

describe('addresses', () => {
  test.each([
    ['https://detect.example.com/', 'https://detect.example.com'],
    ['https://DETECT.example.com:443/api/', 'https://detect.example.com'],
    ['https://detect.example.com:8443/api', 'https://detect.example.com:8443'],
    ['https://10.0.0.5//', 'https://10.0.0.5'],
    ['https://gateway.example.com/detect/', 'https://gateway.example.com/detect'],
    ['https://gateway.example.com/detect/api', 'https://gateway.example.com/detect'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.8.9.1', 'http://127.8.9.1'],
    ['http://[::1]:8080/', 'http://[::1]:8080'],
    ['http://localhost', 'http://localhost'],
    ['https://portal.vectra.ai.example.com', 'https://portal.vectra.ai.example.com'],
  ])('detect.url %s is %s', async (url, expected) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { url, token }, atp });

    expect((await world.load()).detect.url).toBe(expected);
  });

  test.each([
    [
      'commercial',
      'https://api.security.microsoft.com',
      'https://login.microsoftonline.com',
      'https://api.securitycenter.microsoft.com',
      'https://security.microsoft.com',
    ],
    [
      'gcc',
      'https://api-gcc.securitycenter.microsoft.us',
      'https://login.microsoftonline.com',
      'https://api-gcc.securitycenter.microsoft.us',
      'https://security.microsoft.com',
    ],
    [
      'gcc-high',
      'https://api-gov.securitycenter.microsoft.us',
      'https://login.microsoftonline.us',
      'https://api-gov.securitycenter.microsoft.us',
      'https://security.microsoft.us',
    ],
    [
      'dod',
      'https://api-gov.securitycenter.microsoft.us',
      'https://login.microsoftonline.us',
      'https://api-gov.securitycenter.microsoft.us',
      'https://security.apps.mil',
    ],
  ])('atp.cloud %s sets all four together', async (cloud, apiUrl, loginUrl, audience, portalUrl) => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect, atp: { ...atp, cloud } });

    expect((await world.load()).atp).toMatchObject({ cloud, apiUrl, loginUrl, audience, portalUrl });
  });

  test('each can be set by itself, and the others stay those of the cloud', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', {
      detect,
      atp: {
        ...atp,
        cloud: 'gcc',
        apiUrl: 'https://eu.api.security.microsoft.com/api/',
        audience: 'https://a.example.com/',
      },
    });

    expect((await world.load()).atp).toMatchObject({
      apiUrl: 'https://eu.api.security.microsoft.com',
      loginUrl: 'https://login.microsoftonline.com',
      audience: 'https://a.example.com/',
      portalUrl: 'https://security.microsoft.com',
    });
  });

  test('an audience that Defender is known to refuse is warned about', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', {
      detect,
      atp: { ...atp, audience: 'https://api.security.microsoft.com' },
    });

    expect((await world.load()).warnings.map(warningText)).toEqual([
      'atp.audience: Defender for Endpoint refuses tokens for api.security.microsoft.com; the audience is https://api.securitycenter.microsoft.com there too',
    ]);
  });

  test.each(['contoso.onmicrosoft.com', 'example.com', tenantId.toUpperCase()])(
    'atp.tenantId may be %s',
    async (id) => {
      const world = await makeConfigDir();
      await world.put('config.json', { detect, atp: { ...atp, tenantId: id } });

      expect((await world.load()).atp.tenantId).toBe(id);
    },
  );
});

describe('the proxy', () => {
  test.each<[string, object, NodeJS.ProcessEnv, unknown]>([
    ['none', {}, {}, undefined],
    [
      'the one of the environment',
      {},
      { HTTPS_PROXY: 'http://p.example.com:3128', NO_PROXY: 'a.example.com,b' },
      { url: 'http://p.example.com:3128/', direct: ['a.example.com'] },
    ],
    [
      'the one in small letters first',
      {},
      { HTTPS_PROXY: 'http://p:1', https_proxy: 'q:2', no_proxy: 'c.example.com', NO_PROXY: 'a.example.com' },
      { url: 'http://q:2/', direct: ['c.example.com'] },
    ],
    [
      'with exceptions of the variable that is not empty',
      {},
      { HTTPS_PROXY: 'http://p:1', no_proxy: '', NO_PROXY: 'a.example.com' },
      { url: 'http://p:1/', direct: ['a.example.com'] },
    ],
    [
      'the one of the configuration before it',
      { proxy: 'http://r:3/' },
      { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'a.example.com' },
      { url: 'http://r:3/', direct: ['a.example.com'] },
    ],
    [
      'no exceptions',
      { noProxy: '' },
      { HTTPS_PROXY: 'https://p:1', NO_PROXY: 'a.example.com' },
      { url: 'https://p:1/', direct: [] },
    ],
    ['nothing for HTTP_PROXY', {}, { HTTP_PROXY: 'http://p:1' }, undefined],
  ])('is %s', async (_what, http, env, expected) => {
    const world = await makeConfigDir();
    await world.put('config.json', { ...minimal, http });

    expect(wayOut((await world.load({ env })).http.proxy)).toEqual(expected);
  });

  test('may want a password, which is a secret', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { ...minimal, http: { proxy: 'us%20er:p%40ss@proxy.example.com:3128' } });

    const config = await world.load({ env: { https_proxy: 'name:other-pass@p:1' } });

    expect(config.http.proxy?.url).toEqual(new URL('http://us%20er:p%40ss@proxy.example.com:3128'));
    expect([...world.registered]).toEqual(
      expect.arrayContaining(['p%40ss', 'p@ss', 'us er:p@ss', 'other-pass', 'name:other-pass']),
    );
  });

  test.each([
    ['http.noProxy', { noProxy: 'a.example.com,http://user:m1sl41d@b' }, {}],
    ['$no_proxy', {}, { no_proxy: 'a.example.com,http://user:m1sl41d@b' }],
    ['$NO_PROXY', {}, { NO_PROXY: 'a.example.com http://user:m1sl41d@b' }],
  ])(
    'is warned about where %s has what is no host, without what may be a password',
    async (key, http, env) => {
      const world = await makeConfigDir();
      await world.put('config.json', { ...minimal, http: { proxy: 'http://p:1', ...http } });

      const config = await world.load({ env });

      expect(wayOut(config.http.proxy)).toEqual({ url: 'http://p:1/', direct: ['a.example.com'] });
      expect(config.warnings).toEqual([
        {
          topic: 'proxy',
          text: `${key}: "…@b" is no name, address, range or *, and is ignored`,
          mend: 'correct or remove it',
        },
      ]);
    },
  );

  test.each([
    [
      'socks5://p:1',
      'expected a proxy such as http://proxy.example.com:3128; other kinds of proxies are not supported',
    ],
    [
      'http://p:1/path',
      'expected a proxy such as http://proxy.example.com:3128, without anything behind the port',
    ],
    ['http://', 'expected a proxy such as http://proxy.example.com:3128'],
    ['h t', 'expected a proxy such as http://proxy.example.com:3128'],
    ['http://user:50%@p:1', 'has a percent sign in its user name or password that must be written as %25'],
    ['http://user:%ff@p:1', 'has a percent sign in its user name or password that must be written as %25'],
  ])('is refused when it is %s', async (proxy, message) => {
    const world = await makeConfigDir();
    await world.put('config.json', { ...minimal, http: { proxy } });

    expect(await world.failure()).toBe(notValid(world, `http.proxy: ${message}`));
    await world.put('config.json', minimal);
    expect(await world.failure({ env: { HTTPS_PROXY: proxy } })).toBe(
      notValid(world, `$HTTPS_PROXY: ${message}`),
    );
  });
});

describe('the cache directory', () => {
  test('is in $XDG_CACHE_HOME when that is an absolute path', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal);

    expect((await world.load({ env: { XDG_CACHE_HOME: '/var/cache' } })).cacheDir).toBe('/var/cache/atp');
    expect((await world.load({ env: { XDG_CACHE_HOME: 'x' } })).cacheDir).toBe(
      join(world.home, '.cache/atp'),
    );
  });

  test('is nowhere without a home, which is said', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', minimal);

    const config = await world.load({ env: { HOME: undefined } });

    expect(config.cacheDir).toBeUndefined();
    expect(config.warnings.map(warningText)).toEqual([
      'there is no cache, because $HOME is not set; name a directory with cacheDir to save calls',
    ]);
  });
});

describe('config.example.json', () => {
  const example = new URL('../../config.example.json', import.meta.url);

  test('says of each placeholder left in place that it is one', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', await readFile(example, 'utf8'));

    expect(await world.failure()).toBe(
      notValid(
        world,
        'detect.url: still holds the placeholder of config.example.json',
        'detect.token: still holds the placeholder of config.example.json',
        'atp.tenantId: still holds the placeholder of config.example.json',
        'atp.appId: still holds the placeholder of config.example.json',
        'atp.appSecret: still holds the placeholder of config.example.json',
      ),
    );
  });

  test('is complete once these are replaced, and protects servers', async () => {
    const world = await makeConfigDir();
    const text = await readFile(example, 'utf8');
    const values = ['detect.example.com', token, tenantId, appId, appSecret];
    await world.put(
      'config.json',
      text.replaceAll(/<[^>]*>/gu, () => values.shift() ?? ''),
    );

    const config = await world.load();

    expect(config.isolation.never.osPlatforms).toEqual(['WindowsServer*']);
    expect(config.detect.url).toBe('https://detect.example.com');
  });
});
