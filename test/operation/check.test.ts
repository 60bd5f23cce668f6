import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority, createFactoryIdentity } from '../http/certificates.ts';
import { closedPort } from '../http/server.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { JsonObject } from '../simulator/json.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from '../simulator/simulator.ts';
import { makeTempDir } from '../temp-dir.ts';
import {
  checkLines,
  checkNamed,
  checksOf,
  createImpatientClock,
  runInProcess,
  type InProcess,
} from './rig.ts';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await createSimulator();
  simulator.world.addPair({ tags: ['host_context', 'block'], threat: 99, certainty: 99 });
  simulator.world.addGroup({ name: 'Domain Controllers' });
});
afterAll(() => simulator.close());

const defaults: Partial<Simulator['settings']> = {};
beforeEach(() => {
  if (Object.keys(defaults).length === 0) Object.assign(defaults, structuredClone(simulator.settings));
  Object.assign(simulator.settings, structuredClone(defaults));
  simulator.faults.clear();
  simulator.ledger.clear();
});

async function check(args: readonly string[] = [], overrides: JsonObject = {}): Promise<InProcess> {
  return await runInProcess(['--check', '--json', ...args], simulator.config(overrides), {
    clock: createImpatientClock(),
  });
}

const allFine = [
  'configuration: ok',
  'permissions: ok',
  'detect: ok',
  'detect certificate: ok',
  'detect token: ok',
  'detect api version: ok',
  'clock: ok',
  'login: ok',
  'role Machine.Read.All: ok',
  'role Machine.Isolate: ok',
  'role Alert.Read.All: ok',
  'defender: ok',
  'cache: ok',
];

/** The lines that all is well with, except for these. */
function fineBut(...others: string[]): string[] {
  return allFine.map((line) => others.find((other) => nameOf(other) === nameOf(line)) ?? line);
}

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(':'));
}

describe('when all is well', () => {
  it('says so in a line for each thing, reads only, and ends with 0', async () => {
    const dir = await makeTempDir();
    const cacheDir = join(dir, 'cache');

    const result = await check([], { cacheDir });

    expect(result).toMatchObject({ code: 0, stderr: '', json: { schema: 1, exitCode: 0 } });
    expect(checkLines(result)).toEqual(allFine);
    for (const line of checksOf(result))
      expect(Object.keys(line)).toEqual(['name', 'ok', 'code', 'detail', 'hint']);
    expect(simulator.ledger.writes()).toEqual([]);
    expect(simulator.ledger.entries.map(({ call }) => call)).toEqual(['search', 'token', 'machine']);
    expect(await readdir(dir)).toEqual([]);
  });

  it('asks for a token although one is in the cache', async () => {
    const cacheDir = join(await makeTempDir(), 'cache');
    const config = simulator.config({ cacheDir });
    await runInProcess(['--tag', 'host_context', '--dry-run'], config);
    await runInProcess(['--tag', 'nobody', '--tc', '90', '90'], config);
    expect((await readdir(cacheDir)).filter((name) => name.startsWith('token-'))).toHaveLength(1);
    simulator.ledger.clear();

    const result = await runInProcess(['--check', '--json'], config);

    expect(result.code).toBe(0);
    expect(simulator.ledger.count('token')).toBe(1);
  });

  it('prints a table that a person reads at a glance', async () => {
    simulator.settings.roles = ['Machine.Read.All'];
    const config = simulator.config({ isolation: { never: { groups: ['Domain*'] } } });

    const { code, stdout, stderr } = await runInProcess(
      ['--check', '--tag', 'x', '--unblocktag', 'u'],
      config,
    );

    expect({ code, stderr }).toEqual({ code: 77, stderr: '' });
    const { detectUrl, loginUrl, apiUrl } = simulator;
    const grant = (role: string) =>
      `                             → Entra admin center: App registrations, API permissions, add the application permission ${role} of WindowsDefenderATP, then grant admin consent.`;
    expect(stdout.replace(/\/\S+\/(config\.json|cache)/gu, '/$1').replace(/within \d s/u, 'within 0 s')).toBe(
      [
        'ok    configuration          /config.json is valid',
        'ok    permissions            nobody else can change the configuration or read its secrets',
        `ok    detect                 ${detectUrl} answers`,
        'ok    detect certificate     none: without TLS, on this machine',
        'ok    detect token           may read hosts; writing is not tried',
        'ok    detect api version     v2.5',
        'ok    exclusion groups       Detect knows "Domain*"',
        'ok    clock                  within 0 s of Detect, the login service, Defender',
        `ok    login                  ${loginUrl} issued a token for https://api.securitycenter.microsoft.com to application ${simulator.settings.appId}`,
        'ok    role Machine.Read.All  granted; needed by --tag, --unblocktag',
        'FAIL  role Machine.Isolate   not in the token, but needed by --unblocktag',
        grant('Machine.Isolate'),
        'warn  role Alert.Read.All    not in the token: the notes cannot say how many alerts there are',
        grant('Alert.Read.All'),
        `ok    defender               ${apiUrl} answers, and lets the application read machines`,
        'ok    cache                  /cache can be written',
        '',
      ].join('\n'),
    );
  });
});

describe('the roles in the token', () => {
  it.each<[roles: string[], args: string[], code: number, lines: string[]]>([
    [['Machine.Read.All'], ['--tag', 'x'], 0, ['Machine.Read.All: ok', 'Alert.Read.All: warn']],
    [
      ['Machine.ReadWrite.All', 'Alert.ReadWrite.All'],
      ['--tc', '1', '1'],
      0,
      ['Machine.Read.All: ok', 'Alert.Read.All: ok'],
    ],
    [
      ['Machine.Read.All', 'Alert.Read.All'],
      ['--blocktag', 'x'],
      77,
      ['Machine.Read.All: ok', 'Machine.Isolate: FAIL 77', 'Alert.Read.All: ok'],
    ],
    [
      ['Machine.Read.All', 'Alert.Read.All'],
      [],
      77,
      ['Machine.Read.All: ok', 'Machine.Isolate: FAIL 77', 'Alert.Read.All: ok'],
    ],
    [[], ['--tag', 'x'], 77, ['Machine.Read.All: FAIL 77', 'Alert.Read.All: warn']],
  ])('%j with %j ends with %d', async (roles, args, code, lines) => {
    simulator.settings.roles = roles;

    const result = await check(args);

    expect(result.code).toBe(code);
    const shown = checkLines(result).filter((line) => line.startsWith('role '));
    expect(shown).toEqual(lines.map((line) => `role ${line}`));
  });
});

interface Case {
  overrides?: JsonObject;
  settings?: SimulatorOptions;
  /** Played on every call of that name. */
  fault?: [call: string, kind: FaultKind];
  args?: string[];
  code: number;
  lines: string[];
  /** Name, detail and hint of the failing line. */
  failing: [name: string, detail: string | RegExp, hint: string | RegExp];
}

const afterLogin = ['login: FAIL 77', 'roles: warn', 'defender: warn'];
const noRoles = (lines: string[]) => [
  ...lines.filter((line) => !/^(login|role |defender)/u.test(line)).slice(0, 7),
  ...afterLogin,
  'cache: ok',
];

describe('a failure is named with its code and the next step', () => {
  it.each<[string, Case]>([
    [
      'nobody at the address of Detect',
      {
        overrides: { detect: { url: 'http://127.0.0.1:1' } },
        code: 69,
        lines: fineBut(
          'detect: FAIL 69',
          ...['detect certificate: warn', 'detect token: warn', 'detect api version: warn'],
        ),
        failing: [
          'detect',
          'Detect cannot be reached: GET /api/v2.5/search/hosts failed with ECONNREFUSED',
          'No connection to 127.0.0.1:1. Check detect.url and the way there (DNS, firewall, proxy).',
        ],
      },
    ],
    [
      'a Detect in trouble',
      {
        fault: ['search', { status: 503, headers: { 'retry-after': '900' } }],
        code: 69,
        lines: fineBut(
          'detect: FAIL 69',
          ...['detect certificate: warn', 'detect token: warn', 'detect api version: warn'],
        ),
        failing: [
          'detect',
          'Detect answered 503 to GET /api/v2.5/search/hosts',
          'Detect itself is in trouble: look at its own health page, and try again later.',
        ],
      },
    ],
    [
      'a page of HTML in place of Detect',
      {
        fault: ['search', 'html-200'],
        code: 78,
        lines: fineBut('detect token: warn', 'detect api version: FAIL 78'),
        failing: ['detect api version', /HTML instead of JSON.*check detect\.url/u, /detect\.url/u],
      },
    ],
    [
      'an API version that this Detect does not have',
      {
        settings: { apiVersions: ['2.2'] },
        code: 78,
        lines: fineBut('detect token: warn', 'detect api version: FAIL 78'),
        failing: [
          'detect api version',
          /answered 404.*does not look like Detect's API v2\.5/u,
          /detect\.apiVersion/u,
        ],
      },
    ],
    [
      'a token that Detect refuses',
      {
        overrides: { detect: { token: 'f'.repeat(40) } },
        code: 77,
        lines: fineBut('detect token: FAIL 77', 'detect api version: warn'),
        failing: [
          'detect token',
          'Detect refused the API token (401): Invalid token.',
          /^Copy the token anew/u,
        ],
      },
    ],
    [
      'a user who may not read hosts',
      {
        settings: { detectRights: 'none' },
        code: 77,
        lines: fineBut('detect token: FAIL 77', 'detect api version: warn'),
        failing: [
          'detect token',
          /does not let the owner of the API token read hosts \(403\)/u,
          /role with the permission to read hosts/u,
        ],
      },
    ],
    [
      'a client secret that is wrong',
      {
        overrides: { atp: { appSecret: 'not~the~secret' } },
        code: 77,
        lines: noRoles(allFine),
        failing: [
          'login',
          /^the login service refused to issue a token \(401 invalid_client\): AADSTS7000215/u,
          /^The client secret is wrong\./u,
        ],
      },
    ],
    [
      'nobody at the address of the login service',
      {
        overrides: { atp: { loginUrl: 'http://127.0.0.1:1' } },
        code: 69,
        lines: noRoles(allFine).map((line) => line.replace('login: FAIL 77', 'login: FAIL 69')),
        failing: [
          'login',
          /^the login service cannot be reached: .* failed with ECONNREFUSED$/u,
          /atp\.loginUrl or atp\.cloud/u,
        ],
      },
    ],
    [
      'nobody at the address of Defender',
      {
        overrides: { atp: { apiUrl: 'http://127.0.0.1:1' } },
        code: 69,
        lines: fineBut('defender: FAIL 69'),
        failing: ['defender', /^Defender cannot be reached/u, /atp\.apiUrl or atp\.cloud/u],
      },
    ],
    [
      'a Defender for which the token is not meant',
      {
        fault: ['machine', '401'],
        code: 77,
        lines: fineBut('defender: FAIL 77'),
        failing: [
          'defender',
          /^Defender refused a fresh access token/u,
          /atp\.cloud, atp\.audience and atp\.apiUrl belong together/u,
        ],
      },
    ],
    [
      'an HTML page in place of Defender',
      {
        fault: ['machine', 'html-200'],
        code: 69,
        lines: fineBut('defender: FAIL 69'),
        failing: ['defender', /HTML instead of JSON/u, /^Check atp\.apiUrl or atp\.cloud/u],
      },
    ],
  ])('%s', async (_, { overrides, settings, fault, args, code, lines, failing }) => {
    Object.assign(simulator.settings, settings);
    if (fault) simulator.faults.add({ match: ({ call }) => call === fault[0], kind: fault[1] });

    const result = await check(args, overrides);

    expect(checkLines(result)).toEqual(lines);
    expect(result).toMatchObject({ code, stderr: '', json: { exitCode: code } });
    const [name, detail, hint] = failing;
    const line = checkNamed(result, name);
    expect(line).toMatchObject({ ok: false, code });
    expect(line['detail']).toMatch(detail);
    expect(line['hint']).toMatch(hint);
    expect(simulator.ledger.writes()).toEqual([]);
    expect(result.stdout).not.toContain(simulator.settings.detectToken);
  });

  it('several failures are all shown, and the first decides', async () => {
    const result = await check([], {
      detect: { token: 'f'.repeat(40) },
      atp: { apiUrl: `http://127.0.0.1:${await closedPort()}` },
    });

    expect(result.code).toBe(77);
    expect(checkLines(result).filter((line) => line.includes('FAIL'))).toEqual([
      'detect token: FAIL 77',
      'defender: FAIL 69',
    ]);
  });
});

describe('exclusion groups', () => {
  const never = { isolation: { never: { groups: ['Domain*', 'Crown Jewels'] } } };

  it.each<[args: string[], state: string, code: number]>([
    [['--blocktag', 'b'], 'FAIL 78', 78],
    [[], 'FAIL 78', 78],
    [['--tag', 't', '--unblocktag', 'u'], 'warn', 0],
  ])('one that Detect does not know is, with %j, %s', async (args, state, code) => {
    const result = await check(args, never);

    expect(result.code).toBe(code);
    expect(checkLines(result)).toContain(`exclusion groups: ${state}`);
    expect(checkNamed(result, 'exclusion groups')).toMatchObject({
      detail: 'Detect does not know "Crown Jewels"',
      hint: 'Correct isolation.never.groups or create the group in Detect; until then no machine is isolated.',
    });
  });

  it('are not asked for after Detect has refused', async () => {
    simulator.settings.detectRights = 'none';

    const result = await check([], never);

    expect(checkLines(result)).toContain('exclusion groups: warn');
    expect(simulator.ledger.count('groups')).toBe(0);
  });
});

describe('the certificate of Detect', () => {
  const authority = createAuthority();
  const factory = createFactoryIdentity();

  async function checkTls(
    tls: { cert: string; key: string },
    detect: JsonObject = {},
    ca?: string,
  ): Promise<InProcess> {
    const brain = await createSimulator({ tls });
    try {
      const dir = await makeTempDir();
      if (ca !== undefined) await writeFile(join(dir, 'ca.pem'), ca);
      const caFile = ca === undefined ? {} : { caFile: join(dir, 'ca.pem') };
      return await runInProcess(['--check', '--json'], brain.config({ detect: { ...detect, ...caFile } }));
    } finally {
      await brain.close();
    }
  }

  it('that nobody vouches for fails, with the ways to mend it', async () => {
    const result = await checkTls(factory);

    expect(result.code).toBe(69);
    expect(checkLines(result).slice(2, 6)).toEqual([
      'detect: ok',
      'detect certificate: FAIL 69',
      'detect token: warn',
      'detect api version: warn',
    ]);
    const { hint } = checkNamed(result, 'detect certificate');
    for (const key of ['detect.caFile', 'detect.fingerprint256', 'detect.insecure'])
      expect(hint).toContain(key);
  });

  it.each<[string, () => Promise<InProcess>, detail: string, state: string]>([
    [
      'by its pin',
      () => checkTls(factory, { fingerprint256: factory.fingerprint256 }),
      'is the one of detect.fingerprint256',
      'ok',
    ],
    [
      'by its CA',
      () => checkTls(authority.issue('IP:127.0.0.1'), {}, authority.ca),
      'trusted, with detect.caFile',
      'ok',
    ],
    [
      'by nothing',
      () => checkTls(factory, { insecure: true }),
      'NOT verified, because detect.insecure is set: whoever is in between can read the API token',
      'warn',
    ],
  ])('accepted %s says how', async (_, run, detail, state) => {
    const result = await run();

    expect(result.code).toBe(0);
    expect(checkNamed(result, 'detect certificate')).toMatchObject({ detail });
    expect(checkLines(result)).toContain(`detect certificate: ${state}`);
  });
});

describe('the clock', () => {
  it.each<[off: number, words: string]>([
    [600_000, '600 s behind'],
    [-600_000, '600 s ahead of'],
  ])('that differs by %d ms fails before the login does, and says so', async (off, words) => {
    const elsewhere = await createSimulator({ clock: { now: () => Date.now() + off } });
    try {
      const result = await runInProcess(
        ['--check', '--json'],
        elsewhere.config({ atp: { appSecret: 'wrong~secret' } }),
      );

      expect(result.code).toBe(1);
      expect(checkLines(result).filter((line) => line.includes('FAIL'))).toEqual([
        'clock: FAIL 1',
        'login: FAIL 77',
      ]);
      const { detail, hint } = checkNamed(result, 'clock');
      expect(String(detail).replace(/60[01]|599/u, '600')).toMatch(
        `the clock of this machine is ${words} that of `,
      );
      expect(hint).toMatch(/^Set the clock/u);
    } finally {
      await elsewhere.close();
    }
  });
});

describe('the configuration', () => {
  it('that is not valid is the only line, in JSON too', async () => {
    const result = await check([], { detect: { url: 'ftp://x' }, atp: { appId: 'x' } });

    expect(result).toMatchObject({ code: 78, stderr: '', json: { schema: 1, exitCode: 78 } });
    expect(checkLines(result)).toEqual(['configuration: FAIL 78']);
    const { detail, hint } = checkNamed(result, 'configuration');
    expect(detail).toMatch(
      /^the configuration \S+ is not valid:\n- detect\.url: must begin with https.*\n- atp\.appId: expected the application \(client\) id, a GUID$/u,
    );
    expect(hint).toBe('Mend what is named there; config.example.json shows the form.');
    expect(simulator.ledger.entries).toEqual([]);
  });

  it('that is missing is told in the table, each path in a line', async () => {
    const home = await makeTempDir();

    const result = await runAtp(['--check'], { home, cwd: home });

    expect(result).toMatchObject({ code: 78, stderr: '' });
    expect(result.stdout).toBe(
      [
        'FAIL  configuration  no configuration; tried',
        `                     - ${home}/.config/atp/config.json: there is no such file`,
        '                     - /etc/atp/config.json: there is no such file',
        '                     → Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.',
        '',
      ].join('\n'),
    );
  });

  it('that others may read is a warning with the command that mends it', async () => {
    const file = join(await makeTempDir(), 'config.json');
    await writeFile(file, JSON.stringify(simulator.config({ cacheDir: 'cache' })));
    await chmod(file, 0o644);

    const result = await runInProcess(['--check', '--json'], file);

    expect(result.code).toBe(0);
    expect(checkNamed(result, 'permissions')).toEqual({
      name: 'permissions',
      ok: false,
      code: 0,
      detail: `${file} holds secrets and others may read it`,
      hint: `chmod 600 ${file}`,
    });
  });

  it('that others may change is refused', async () => {
    const file = join(await makeTempDir(), 'config.json');
    await writeFile(file, JSON.stringify(simulator.config()));
    await chmod(file, 0o666);

    const result = await runInProcess(['--check', '--json'], file);

    expect(checkLines(result)).toEqual(['configuration: FAIL 78']);
    expect(checkNamed(result, 'configuration')['detail']).toContain(`chmod go-w ${file}`);
  });
});

describe('the cache', () => {
  it.each<[string, (dir: string) => Promise<string>, detail: RegExp]>([
    [
      'a file in its place',
      async (dir) => {
        await writeFile(join(dir, 'cache'), '');
        return join(dir, 'cache');
      },
      /cache is not a directory$/u,
    ],
    [
      'a directory that others may write to',
      async (dir) => {
        await mkdir(join(dir, 'cache'));
        await chmod(join(dir, 'cache'), 0o777);
        return join(dir, 'cache');
      },
      /cache: others may write to it$/u,
    ],
  ])('%s is only a warning', async (_, make, detail) => {
    const result = await check([], { cacheDir: await make(await makeTempDir()) });

    expect(result.code).toBe(0);
    const line = checkNamed(result, 'cache');
    expect(line).toMatchObject({
      ok: false,
      code: 0,
      hint: 'The cache only saves calls, and runs work without it. Set cacheDir to a directory of your own to have one.',
    });
    expect(line['detail']).toMatch(detail);
  });

  it('without a home and cacheDir there is none', async () => {
    const file = join(await makeTempDir(), 'config.json');
    await writeFile(file, JSON.stringify(simulator.config()), { mode: 0o600 });

    const result = await runInProcess(['--check', '--json'], file);

    expect(result.code).toBe(0);
    expect(checkLines(result)).toEqual(fineBut('cache: warn'));
    expect(checkNamed(result, 'cache')['detail']).toBe(
      'none: neither cacheDir nor a home directory is set, so every run logs in anew',
    );
  });
});
