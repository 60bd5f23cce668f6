import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimulatorOptions } from '../simulator/simulator.ts';
import { errorsOf, it, onlyAsked, run, runHere, typicalLine } from './rig.ts';

const line = [...typicalLine, '--json'];

/** What Detect answers to the login in place of a token. */
function grant(body: unknown): FaultKind {
  return { status: 200, body };
}

describe.concurrent('an API client of Detect', () => {
  it('logs in once for two runs, and its token is kept as carefully as that of Microsoft', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block'] });
    const config = simulator.clientConfig();

    const first = await run(simulator, line, { config, home });
    const second = await run(simulator, line, { config, home });

    expect([first.code, second.code]).toEqual([0, 0]);
    expect(first.report).toMatchObject({ counts: { isolated: 1 } });
    expect(simulator.ledger.count('detect-token')).toBe(1);
    const cache = join(home, '.cache', 'atp');
    const tokens = (await readdir(cache)).filter((name) => name.startsWith('token-'));
    expect(tokens).toHaveLength(2);
    for (const name of tokens) {
      expect((await stat(join(cache, name))).mode & 0o777).toBe(0o600);
      expect(await readFile(join(cache, name), 'utf8')).not.toContain(simulator.settings.apiClient?.secret);
    }
    // Every call of the run carries the access token, and none the secret.
    const calls = simulator.ledger.entries.filter(
      ({ service, call }) => service === 'detect' && call !== 'detect-token',
    );
    for (const { authorization } of calls) expect(authorization).toMatch(/^Bearer detect\./);
  });

  it('counts its login among the calls to Detect', async ({ start }) => {
    const simulator = await start();
    const result = await runHere(simulator, line, { config: simulator.clientConfig() });

    expect(result).toMatchObject({ code: 0, report: { calls: { detect: 2, login: 0, atp: 0 } } });
  });

  it('gets another token when its own ends in the middle of sixty hosts, and does nothing twice', async ({
    start,
  }) => {
    const simulator = await start();
    for (let n = 0; n < 60; n += 1) simulator.world.addPair({ tags: ['host_context'] });
    const { host } = simulator.world.addPair({ tags: ['block'] });
    let isRevoked = false;
    simulator.hooks.before = () => {
      if (!isRevoked && simulator.ledger.count('note-create') >= 20) {
        isRevoked = true;
        simulator.revokeDetectTokens();
      }
    };

    const result = await runHere(simulator, line, { config: simulator.clientConfig() });

    expect(result).toMatchObject({ code: 0, report: { counts: { enriched: 60, isolated: 1 } } });
    expect(simulator.ledger.count('detect-token')).toBe(2);
    expect(onlyAsked(simulator).requestorComment).toContain(`host ${host.id};`);
    for (const each of simulator.world.hosts.values()) expect(each.notes).toHaveLength(1);
  });

  it('gets another token where the one that was kept is refused', async ({ start, home }) => {
    const simulator = await start();
    const config = simulator.clientConfig();
    await runHere(simulator, line, { config, home });
    simulator.revokeDetectTokens();

    expect(await runHere(simulator, line, { config, home })).toMatchObject({ code: 0 });
    expect(simulator.ledger.count('detect-token')).toBe(2);
  });

  it('is said by --check to log in anew', async ({ start, home }) => {
    const simulator = await start();
    const config = simulator.clientConfig();
    await runHere(simulator, line, { config, home });

    expect(await runHere(simulator, ['--check'], { config, home })).toMatchObject({ code: 0 });
    expect(simulator.ledger.count('detect-token')).toBe(2);
  });

  interface Trouble {
    settings?: SimulatorOptions;
    detect?: Record<string, unknown>;
    login?: FaultKind;
    code: number;
    error: string;
  }

  it.for(
    Object.entries({
      'a wrong secret': {
        detect: { clientSecret: 'another~secret' },
        code: 77,
        error:
          'Detect refused the API client (401): Authentication Error. Please try reauthenticating using API client credentials.',
      },
      'a client that Detect does not know': {
        detect: { clientId: 'nobody' },
        code: 77,
        error:
          'Detect refused the API client (401): Authentication Error. Please try reauthenticating using API client credentials.',
      },
      'a client without the role': {
        settings: { detectRights: 'none' },
        code: 77,
        error:
          'Detect does not let the API client read hosts (403): You do not have permission to perform this action.',
      },
      'a brain before 9.1': {
        login: { status: 404, body: 'Not Found' },
        code: 78,
        error: 'Detect has no login for API clients: it answered 404 to POST /api/v2.5/oauth2/token',
      },
      'a login that takes no POST': {
        login: { status: 405, body: { detail: 'Method "POST" not allowed.' } },
        code: 78,
        error: 'Detect has no login for API clients: it answered 405 to POST /api/v2.5/oauth2/token',
      },
      'a login that redirects': {
        login: { status: 302, headers: { location: 'https://elsewhere.example/' } },
        code: 78,
        error: 'Detect has no login for API clients: it answered 302 to POST /api/v2.5/oauth2/token',
      },
    } satisfies Record<string, Trouble>),
  )('%s', async ([, trouble], { start }) => {
    const { settings, detect, login, code, error }: Trouble = trouble;
    const simulator = await start(settings);
    simulator.world.addPair({ tags: ['block'] });
    if (login) simulator.faults.add({ match: ({ call }) => call === 'detect-token', kind: login });

    const result = await runHere(simulator, line, {
      config: simulator.clientConfig({ detect: { ...detect } }),
    });

    expect(result.code).toBe(code);
    expect(errorsOf(result).map(({ msg }) => msg)).toEqual([error]);
    expect(simulator.ledger.writes()).toEqual([]);
    expect(simulator.ledger.count('token')).toBe(0);
  });

  it.for([
    ['none', { access_token: 'detect.x'.padEnd(60, 'y') }],
    ['null', { access_token: 'detect.x'.padEnd(60, 'y'), expires_in: null }],
    ['a negative one', { access_token: 'detect.x'.padEnd(60, 'y'), expires_in: -5 }],
    ['one in quotes', { access_token: 'detect.x'.padEnd(60, 'y'), expires_in: '3600' }],
  ] as const)(
    'a lifetime that is %s is not believed: the token is not kept',
    async ([, body], { start, home }) => {
      const simulator = await start();
      const config = simulator.clientConfig();
      // The token is refused, the next one is good.
      simulator.faults.add({ match: ({ call }) => call === 'detect-token', kind: grant(body), times: 1 });

      const result = await runHere(simulator, line, { config, home });

      expect(result.code).toBe(0);
      expect(simulator.ledger.count('detect-token')).toBe(2);
    },
  );

  it('an enormous lifetime is one of two days', async ({ start, home }) => {
    const simulator = await start({
      apiClient: { id: 'client-7', secret: 'c1ient~secret', tokenSeconds: 1e9 },
    });
    const config = simulator.clientConfig();
    await runHere(simulator, line, { config, home });
    await runHere(simulator, line, { config, home });

    expect(simulator.ledger.count('detect-token')).toBe(1);
  });

  it.for<[string, FaultKind, number]>([
    ['HTML', 'html-200', 78],
    ['no token', grant({ token: 'x' }), 78],
    ['503', { status: 503 }, 69],
    ['429 for an hour', { status: 429, headers: { 'retry-after': '3600' } }, 69],
  ])('a login that answers with %s ends the run', async ([, kind, code], { start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block'] });
    simulator.faults.add({ match: ({ call }) => call === 'detect-token', kind });

    const result = await runHere(simulator, line, { config: simulator.clientConfig() });

    expect(result.code).toBe(code);
    expect(simulator.ledger.writes()).toEqual([]);
  });
});
