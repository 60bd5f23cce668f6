import { describe, expect, test } from 'vitest';
import { appSecret, atp, detect, makeConfigDir, minimal, notValid, token } from './config-dir.ts';

/** What a person may paste in a wrong place; no message may repeat it. */
const mislaid = 'm1sl41d-s3cr3t';

async function messageFor(content: unknown, env: NodeJS.ProcessEnv = {}) {
  const world = await makeConfigDir();
  await world.put('config.json', typeof content === 'string' ? content : JSON.stringify(content));
  const message = await world.failure({ env });
  for (const secret of [token, appSecret, mislaid]) expect(message).not.toContain(secret);
  return { message, expected: (...problems: string[]) => notValid(world, ...problems), world };
}

describe('one problem is one line:', () => {
  test.each<[string, object | string, string]>([
    // The file as a whole.
    ['no JSON', '{"detect": {\n  "token": m1sl41d-s3cr3t}}', 'line 2, column 12: expected a value'],
    ['an empty file', '', 'line 1, column 1: expected a value, but the file ends here'],
    ['a list', '[]', 'the file: expected an object in braces'],
    ['a string', `"${mislaid}"`, 'the file: expected an object in braces'],
    ['null', 'null', 'the file: expected an object in braces'],
    [
      'a key given twice',
      `{"detect": ${JSON.stringify(detect)}, "atp": ${JSON.stringify(atp)}, "isolation": {"never": {"names": ["a"]}, "never": {}}}`,
      'isolation.never: is given twice',
    ],
    // Unknown keys.
    ['an unknown key', { ...minimal, frobnicate: mislaid }, 'frobnicate: unknown key'],
    ['a schema key that is no text', { ...minimal, $schema: 5 }, '"$schema": expected text in quotes'],
    ['a schema key in a section', { ...minimal, http: { $schema: mislaid } }, 'http."$schema": unknown key'],
    [
      'a slip',
      { ...minimal, detect: { ...detect, apiVersoin: mislaid } },
      'detect.apiVersoin: unknown key; did you mean detect.apiVersion?',
    ],
    ['a wrong case', { ...minimal, cachedir: mislaid }, 'cachedir: unknown key; did you mean cacheDir?'],
    [
      'a key in the wrong place',
      { ...minimal, maxPerRun: 5 },
      'maxPerRun: unknown key; did you mean isolation.maxPerRun?',
    ],
    [
      'a misspelt guard rail',
      { ...minimal, isolation: { never: { osPlatform: ['WindowsServer*'] } } },
      'isolation.never.osPlatform: unknown key; did you mean isolation.never.osPlatforms?',
    ],
    [
      'a prototype',
      `{"__proto__": {"x": "${mislaid}"}, ${JSON.stringify(minimal).slice(1)}`,
      '__proto__: unknown key',
    ],
    ['a key with terminal commands', { ...minimal, 'a\u001b[31mb\nc': 1 }, '"ab c": unknown key'],
    ['a key without end', { ...minimal, ['k'.repeat(5000)]: 1 }, `"${'k'.repeat(39)}…": unknown key`],
    // Kinds of values.
    ['a section that is none', { ...minimal, isolation: mislaid }, 'isolation: expected an object in braces'],
    [
      'a rule that is no list',
      { ...minimal, isolation: { never: { names: mislaid } } },
      'isolation.never.names: expected a list in brackets',
    ],
    [
      'an item that is no text',
      { ...minimal, isolation: { never: { tags: ['a', 5] } } },
      'isolation.never.tags[1]: expected text in quotes',
    ],
    [
      'an empty item',
      { ...minimal, isolation: { never: { groups: [''] } } },
      'isolation.never.groups[0]: is empty',
    ],
    [
      'an item that nobody can see',
      { ...minimal, isolation: { never: { tags: ['vip', '\u200b'] } } },
      'isolation.never.tags[1]: is empty',
    ],
    [
      'an item with blanks',
      { ...minimal, isolation: { never: { machineTags: ['a '] } } },
      'isolation.never.machineTags[0]: expected no blanks around it',
    ],
    [
      'a version as a number',
      { ...minimal, detect: { ...detect, apiVersion: 2.5 } },
      'detect.apiVersion: expected "2.2", "2.3", "2.4" or "2.5", in quotes',
    ],
    [
      'a version unknown',
      { ...minimal, detect: { ...detect, apiVersion: mislaid } },
      'detect.apiVersion: expected "2.2", "2.3", "2.4" or "2.5", in quotes',
    ],
    [
      'a flag in quotes',
      { ...minimal, detect: { ...detect, insecure: 'true' } },
      'detect.insecure: expected true or false',
    ],
    [
      'an unknown cloud',
      { ...minimal, atp: { ...atp, cloud: 'china' } },
      'atp.cloud: expected "commercial", "gcc", "gcc-high" or "dod"',
    ],
    [
      'an unknown type',
      { ...minimal, isolation: { type: 'full' } },
      'isolation.type: expected "Full" or "Selective"',
    ],
    [
      'an unknown match',
      { ...minimal, isolation: { match: 'any' } },
      'isolation.match: expected "ip", "no-conflict" or "confirmed"',
    ],
    [
      'a number in quotes',
      { ...minimal, isolation: { maxPerRun: '5' } },
      'isolation.maxPerRun: expected a whole number from 0 to 1000',
    ],
    [
      'a number below',
      { ...minimal, isolation: { maxPerRun: -1 } },
      'isolation.maxPerRun: expected a whole number from 0 to 1000',
    ],
    [
      'a number above',
      { ...minimal, isolation: { maxPerRun: 1001 } },
      'isolation.maxPerRun: expected a whole number from 0 to 1000',
    ],
    [
      'half a number',
      { ...minimal, isolation: { maxPerRun: 1.5 } },
      'isolation.maxPerRun: expected a whole number from 0 to 1000',
    ],
    [
      'null for a number',
      { ...minimal, enrich: { maxAgeMinutes: null } },
      'enrich.maxAgeMinutes: expected a whole number from 0 to 43200',
    ],
    [
      'no time at all',
      { ...minimal, http: { timeoutSeconds: 0 } },
      'http.timeoutSeconds: expected a number from 1 to 600',
    ],
    [
      'a run of days',
      { ...minimal, runTimeoutMinutes: 1441 },
      'runTimeoutMinutes: expected a number from 0.1 to 1440',
    ],
    [
      'an endless number',
      JSON.stringify(minimal).replace(/\}$/u, ',"runTimeoutMinutes":1e999}'),
      'runTimeoutMinutes: expected a number from 0.1 to 1440',
    ],
    [
      'exceptions without end',
      { ...minimal, http: { noProxy: 'x,'.repeat(8193) } },
      'http.noProxy: is longer than 16384 characters',
    ],
    ['a path that is empty', { ...minimal, cacheDir: ' ' }, 'cacheDir: is empty'],
    ['a path for a shell', { ...minimal, cacheDir: '~/cache' }, 'cacheDir: expected a path without ~'],
    ['a path with a zero', { ...minimal, cacheDir: `${mislaid}\0` }, 'cacheDir: expected a path'],
    // Addresses and ranges of guard rails.
    ...[
      ['10.0.0.0/33', 'expected a prefix length from 0 to 32 after the slash'],
      ['10.0.0.0/', 'expected a prefix length from 0 to 32 after the slash'],
      ['fd00::/129', 'expected a prefix length from 0 to 128 after the slash'],
      ['10.0.0.0/08', 'expected a prefix length from 0 to 32 after the slash'],
      ['10.0.0.256', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['010.0.0.1', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['10.0.0.*', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['10.0.0.1-10.0.0.9', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['10.0.0.0/8/8', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['fe80::1%eth0', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['server-1', 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8'],
      ['::ffff:10.0.0.0/104', 'expected the IPv4 address without its IPv6 wrapping'],
      ['', 'is empty'],
    ].map(([ip = '', message = '']): [string, object, string] => [
      `the range "${ip}"`,
      { ...minimal, isolation: { never: { ips: ['10.0.0.1', ip] } } },
      `isolation.never.ips[1]: ${message}`,
    ]),
    // Addresses of services.
    ...[
      [mislaid, 'expected a full URL that begins with https://'],
      [`https://${mislaid} `, 'expected a full URL that begins with https://'],
      ['detect.example.com:443', 'expected a full URL that begins with https://'],
      ['https://', 'expected a full URL that begins with https://'],
      ['http://detect.example.com', 'must begin with https:// (http:// is for loopback addresses only)'],
      ['http://127.0.0.1.example.com', 'must begin with https:// (http:// is for loopback addresses only)'],
      ['http://0.0.0.0', 'must begin with https:// (http:// is for loopback addresses only)'],
      ['ftp://detect.example.com', 'must begin with https:// (http:// is for loopback addresses only)'],
      [`https://user:${mislaid}@detect.example.com`, 'must not hold a user name or a password'],
      [`https://${mislaid}@detect.example.com`, 'must not hold a user name or a password'],
      [`https://detect.example.com/?token=${mislaid}`, 'must not hold a query or a fragment'],
      ['https://detect.example.com/?', 'must not hold a query or a fragment'],
      ['https://detect.example.com/#/hosts', 'must not hold a query or a fragment'],
      ['https://detect.example.com/api/v2.5/', 'must end before /api'],
    ].flatMap(([url = '', message = '']): [string, object, string][] => [
      [`detect.url "${url}"`, { atp, detect: { ...detect, url } }, `detect.url: ${message}`],
      [`atp.apiUrl "${url}"`, { detect, atp: { ...atp, apiUrl: url } }, `atp.apiUrl: ${message}`],
      [`atp.loginUrl "${url}"`, { detect, atp: { ...atp, loginUrl: url } }, `atp.loginUrl: ${message}`],
      [`atp.audience "${url}"`, { detect, atp: { ...atp, audience: url } }, `atp.audience: ${message}`],
      [`atp.portalUrl "${url}"`, { detect, atp: { ...atp, portalUrl: url } }, `atp.portalUrl: ${message}`],
    ]),
    ...['https://123.uw2.portal.vectra.ai', 'https://X.PORTAL.VECTRA.AI./api'].map(
      (url): [string, object, string] => [
        `the cloud product ${url}`,
        { atp, detect: { ...detect, url } },
        'detect.url: the cloud product (*.portal.vectra.ai, API v3) is not supported: the tags of its hosts can only be replaced as a whole, which would lose those of others; atp works with Detect appliances',
      ],
    ),
    [
      'an audience with a scope',
      { detect, atp: { ...atp, audience: 'https://api.securitycenter.microsoft.com/.default' } },
      'atp.audience: must end before /.default',
    ],
    // Entra ID.
    ...[
      mislaid,
      'common',
      'organizations',
      '1111-2222',
      'a..example.com',
      ' example.com',
      'example.com/x',
    ].map((tenantId): [string, object, string] => [
      `the tenant "${tenantId}"`,
      { detect, atp: { ...atp, tenantId } },
      'atp.tenantId: expected the tenant, as a GUID or a domain name',
    ]),
    [
      'an application by name',
      { detect, atp: { ...atp, appId: mislaid } },
      'atp.appId: expected the application (client) id, a GUID',
    ],
    // Trust.
    ...[
      [mislaid, 'expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons'],
      [
        'ab'.repeat(20),
        'expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons; this looks like one of SHA-1',
      ],
      ['ab'.repeat(33), 'expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons'],
    ].map(([fingerprint256 = '', message = '']): [string, object, string] => [
      `the fingerprint ${fingerprint256}`,
      { atp, detect: { ...detect, fingerprint256 } },
      `detect.fingerprint256: ${message}`,
    ]),
    [
      'a pin and no check at all',
      { atp, detect: { ...detect, fingerprint256: 'ab'.repeat(32), insecure: true } },
      'detect.fingerprint256: contradicts detect.insecure; keep one',
    ],
    // Placeholders.
    [
      'a placeholder in a list',
      { ...minimal, isolation: { never: { names: ['a', '<your server>'] } } },
      'isolation.never.names[1]: still holds the placeholder of config.example.json',
    ],
  ])('%s', async (_what, content, problem) => {
    const { message, expected } = await messageFor(content);

    expect(message).toBe(expected(problem));
  });
});

test('all problems come in one message, in the order of the sections', async () => {
  const { message, expected } = await messageFor(
    {
      zebra: mislaid,
      runTimeoutMinutes: 'long',
      http: { timeoutSeconds: 0, proxy: 'socks5://x' },
      isolation: { type: 'full', never: { ips: ['x', '10.0.0.0/99'], name: ['a'] } },
      atp: { appSecret: '', tenantId: 5, apiUrl: 'http://x' },
      detect: { url: 'http://x', tokn: token, tokenFile: 'missing', apiVersion: '3' },
    },
    { ATP_APP_SECRET: appSecret },
  );

  expect(message).toBe(
    expected(
      'zebra: unknown key',
      'detect.url: must begin with https:// (http:// is for loopback addresses only)',
      `detect.tokenFile: the file named there cannot be read: there is no such file (relative paths start at ${/configuration (.*)\/config\.json/u.exec(message)?.[1] ?? ''})`,
      'detect.apiVersion: expected "2.2", "2.3", "2.4" or "2.5", in quotes',
      'detect.tokn: unknown key; did you mean detect.token?',
      'atp.tenantId: expected text in quotes',
      'atp.appId: is required: the application (client) id, a GUID',
      'atp.appSecret: is empty',
      'atp.apiUrl: must begin with https:// (http:// is for loopback addresses only)',
      'isolation.type: expected "Full" or "Selective"',
      'isolation.never.ips[0]: expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8',
      'isolation.never.ips[1]: expected a prefix length from 0 to 32 after the slash',
      'isolation.never.name: unknown key; did you mean isolation.never.names?',
      'http.timeoutSeconds: expected a number from 1 to 600',
      'http.proxy: expected a proxy such as http://proxy.example.com:3128; other kinds of proxies are not supported',
      'runTimeoutMinutes: expected a number from 0.1 to 1440',
    ),
  );
});

test('an empty object lacks what is required, and nothing else', async () => {
  const { message, expected } = await messageFor({});

  expect(message).toBe(
    expected(
      'detect.url: is required: the base URL of Detect, such as https://detect.example.com',
      'detect.token: is required: give detect.token, detect.tokenFile or $ATP_DETECT_TOKEN (in Detect: My Profile, API token), or detect.clientId with detect.clientSecret (in Detect: Manage, API Clients)',
      'atp.tenantId: is required: the tenant, as a GUID or a domain name',
      'atp.appId: is required: the application (client) id, a GUID',
      'atp.appSecret: a credential is required: atp.appSecret, atp.appSecretFile, $ATP_APP_SECRET, atp.certificateFile with atp.privateKeyFile, or atp.federatedTokenFile',
    ),
  );
});

test('sections of the wrong kind are not told to lack their keys as well', async () => {
  const { message, expected } = await messageFor({ detect: [], atp: mislaid });

  expect(message).toBe(expected('detect: expected an object in braces', 'atp: expected an object in braces'));
});

test('a file in another encoding is told so', async () => {
  const world = await makeConfigDir();
  await world.put('config.json', Buffer.from(`\ufeff${JSON.stringify(minimal)}`, 'utf16le'));

  expect(await world.failure()).toBe(notValid(world, 'encoding: expected text in UTF-8'));
});

test('secrets are registered before any problem is put in words, wherever they were pasted', async () => {
  const { world } = await messageFor(
    {
      detect: { url: `https://user:${mislaid}@x`, tokn: 1, apiToken: 'under-another-name' },
      atp: { appSecret: [appSecret] },
    },
    { ATP_DETECT_TOKEN: token, ATP_APP_SECRET: 'secret-of-the-environment' },
  );

  expect([...world.registered]).toEqual(
    expect.arrayContaining([mislaid, 'under-another-name', appSecret, token, 'secret-of-the-environment']),
  );
});
