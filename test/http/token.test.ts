import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rolesOf } from '../../src/http/token.ts';
import { ApiError, AuthError, ConfigError } from '../../src/errors.ts';
import { createHastyClock, noon } from './clocks.ts';
import { apiErrorOf, errorOf } from './rig.ts';
import { json, startServer, text, type Answer, type TestServer } from './server.ts';
import { makeTempDir } from '../temp-dir.ts';
import { createTokenRig, secret, settingsFor } from '../atp/token-rig.ts';

/** Issues `token-1`, `token-2`, … */
function counting(more: object = { expires_in: 3599 }): Answer {
  let count = 0;
  return (response, request) => {
    count += 1;
    json({ token_type: 'Bearer', access_token: `token-${count}`, ...more })(response, request);
  };
}

function refusal(description: string, status = 401, error = 'invalid_client'): Answer {
  return json({ error, error_description: description }, status);
}

async function start(answers: Answer | Answer[], options: Parameters<typeof createTokenRig>[1] = {}) {
  const server: TestServer = await startServer(answers);
  const clock = createHastyClock();
  return { server, clock, ...createTokenRig(settingsFor(server.url), { clock, ...options }) };
}

function jwt(claims: unknown): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`;
}

describe('a token', () => {
  it('is fetched once for all who wait for it, and kept until five minutes before its end', async () => {
    const { source, server, clock } = await start(counting());

    expect(await Promise.all([source.get(), source.get(), source.get()])).toEqual(Array(3).fill('token-1'));
    await clock.sleep((3599 - 301) * 1000);
    expect(await source.get()).toBe('token-1');
    await clock.sleep(1000);
    expect(await source.get()).toBe('token-2');
    expect(server.received).toHaveLength(2);
  });

  it.each<[string, unknown, number]>([
    ['a text', '1000', 700],
    ['less than ten minutes', 100, 50],
    ['missing', undefined, 300],
    ['rubbish', 'soon', 300],
  ])('may have a lifetime that is %s', async (_name, lifetime, seconds) => {
    const { source, clock } = await start(counting({ expires_in: lifetime }));

    await source.get();
    await clock.sleep(seconds * 1000 - 1);
    expect(await source.get()).toBe('token-1');
    await clock.sleep(1);
    expect(await source.get()).toBe('token-2');
  });

  it.each<[string, Answer]>([
    ['no token', json({ token_type: 'Bearer', expires_in: 3599 })],
    ['a token that fits no header', json({ access_token: 'a\r\nb', expires_in: 3599 })],
    ['a token of another kind', json({ access_token: 'a', token_type: 'mac', expires_in: 3599 })],
    ['nothing', text('')],
  ])('is not made of an answer with %s', async (_name, answer) => {
    const { source } = await start(answer);

    expect((await apiErrorOf(source.get())).message).toBe(
      `the login service's answer to POST /9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77/oauth2/v2.0/token cannot be read (expected a bearer token in "access_token")`,
    );
  });

  it('that was dropped is replaced; one dropped already is not dropped for another', async () => {
    const { source, server } = await start(counting());

    await source.get();
    await source.drop('token-1');
    expect(await source.get()).toBe('token-2');
    await source.drop('token-1');
    expect(await source.get()).toBe('token-2');
    expect(source.cameFromCache('token-2')).toBe(false);
    expect(server.received).toHaveLength(2);
  });
});

describe('a login service', () => {
  it('that is out of order is asked again by the next caller', async () => {
    const { source, server } = await start([...Array<Answer>(4).fill(text('', 503)), counting()]);

    const [one, other] = await Promise.all([apiErrorOf(source.get()), apiErrorOf(source.get())]);

    expect(one).toBe(other);
    expect(one.isOutage).toBe(true);
    expect(await source.get()).toBe('token-1');
    expect(server.received).toHaveLength(5);
  });

  it('that says it is unavailable for the moment is asked again, whatever its status', async () => {
    const { source, server } = await start([
      refusal('AADSTS90033: A transient error has occurred.', 400, 'temporarily_unavailable'),
      counting(),
    ]);

    expect(await source.get()).toBe('token-1');
    expect(server.received).toHaveLength(2);
  });

  it('that stays unavailable is out of order, and refuses nobody', async () => {
    const { source, server } = await start(refusal('try later', 400, 'temporarily_unavailable'));

    expect(await errorOf(source.get())).toBeInstanceOf(ApiError);
    expect(server.received).toHaveLength(4);
  });

  it('that sends elsewhere has the wrong address', async () => {
    const { source } = await start(text('', 302, { location: 'https://portal.example/' }));

    const error = await errorOf(source.get());

    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ hint: 'Check atp.loginUrl or atp.cloud.' });
  });

  it.each<[string, Answer, string, RegExp]>([
    [
      'an unknown tenant',
      refusal("AADSTS90002: Tenant 'x' not found.\r\nTrace ID: 1", 400, 'invalid_request'),
      "the login service refused to issue a token (400 invalid_request): AADSTS90002: Tenant 'x' not found.",
      /^There is no such tenant: check atp\.tenantId/,
    ],
    [
      'a number that the program does not know',
      refusal('AADSTS5002727: Invalid JWT header type specified.', 400, 'invalid_request'),
      'the login service refused to issue a token (400 invalid_request): AADSTS5002727: Invalid JWT header type specified.',
      /^Microsoft explains the number at https:\/\/login\.microsoftonline\.com\/error\?code=5002727\.$/,
    ],
    [
      'a refusal without words',
      text('', 401),
      'the login service refused to issue a token (401)',
      /^Check atp\.tenantId, atp\.appId and the credential\.$/,
    ],
    [
      'a page that is not there',
      text('<html>', 404),
      'the login service refused to issue a token (404)',
      /^Check atp\.loginUrl and atp\.tenantId\.$/,
    ],
  ])('explains %s', async (_name, answer, message, hint) => {
    const { source, server } = await start(answer);

    const error = await errorOf(source.get());

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({ message });
    expect(error instanceof AuthError && error.hint).toMatch(hint);
    expect(server.received).toHaveLength(1);
  });

  it('is not quoted with what may be a token or the secret', async () => {
    const assertion = jwt({ sub: 'x' }).slice(0, 60);
    const run = 'A1b2C3d4E5'.repeat(5);
    const thumbprint = 'AB'.repeat(20);
    const { source } = await start(
      refusal(
        `AADSTS50027: bad ${secret} and ${assertion} and ${run} by ${thumbprint} of 2578565a-7957-474e-b626-d290d93c7e38`,
      ),
    );

    const error = await errorOf(source.get());

    const message = error instanceof Error ? error.message : '';
    expect(message).toMatch(
      /^the login service refused to issue a token \(401 invalid_client\): AADSTS50027: bad \[removed\] and \[\w+\] and \[removed\] by (?:AB){20} of/,
    );
    for (const part of [secret, assertion.slice(0, 20), run]) expect(message).not.toContain(part);
  });
});

describe('the cache', () => {
  async function filesIn(dir: string): Promise<string[]> {
    return (await readdir(dir)).map((name) => join(dir, name));
  }

  it('spares the next run its login', async () => {
    const cacheDir = await makeTempDir();
    const first = await start(counting(), { cacheDir });
    await first.source.get();

    const next = createTokenRig(settingsFor(first.server.url), { clock: first.clock, cacheDir });

    expect(await next.source.get()).toBe('token-1');
    expect(next.source.cameFromCache('token-1')).toBe(true);
    expect(next.registered).toContain('token-1');
    expect(first.server.received).toHaveLength(1);
  });

  it('holds neither the secret nor a hash that could be guessed at', async () => {
    const cacheDir = await makeTempDir();
    const { source } = await start(counting(), { cacheDir });
    await source.get();

    const [file = '', ...others] = await filesIn(cacheDir);
    const content = file + (await readFile(file, 'utf8'));

    expect(others).toEqual([]);
    const hash = createHash('sha256').update(secret).digest();
    for (const form of [secret, hash.toString('hex'), hash.toString('base64url')])
      expect(content).not.toContain(form);
  });

  it.each<[string, object]>([
    ['another secret', { credential: { kind: 'secret', secret: 'new-secret' } }],
    ['another kind of credential', { credential: { kind: 'federated', tokenFile: import.meta.filename } }],
    ['another application', { appId: 'b0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b' }],
    ['another tenant', { tenantId: 'contoso.onmicrosoft.com' }],
    ['another audience', { audience: 'https://api-gov.securitycenter.microsoft.us' }],
  ])('is not used for %s', async (_name, change) => {
    const cacheDir = await makeTempDir();
    const { source, server, clock } = await start(counting(), { cacheDir });
    await source.get();

    const next = createTokenRig({ ...settingsFor(server.url), ...change }, { clock, cacheDir });

    expect(await next.source.get()).toBe('token-2');
  });

  it.each<[string, (entry: Record<string, unknown>) => unknown]>([
    ['that is not JSON', () => undefined],
    ['of another shape', () => ['token-1']],
    ['with a token that fits no header', (entry) => ({ ...entry, token: 'a\nb' })],
    ['with a time that is none', (entry) => ({ ...entry, expiresAt: 'late' })],
    ['that would be good for ever', (entry) => ({ ...entry, expiresAt: 9e15 })],
    ['that comes from the future', (entry) => ({ ...entry, issuedAt: noon + 60_000 })],
    ['whose token says that it has expired', (entry) => ({ ...entry, token: jwt({ exp: noon / 1000 - 1 }) })],
    [
      'that has nearly expired',
      (entry) => ({ ...entry, issuedAt: noon - 3_300_000, expiresAt: noon + 299_000 }),
    ],
  ])('is ignored when it holds something %s', async (_name, change) => {
    const cacheDir = await makeTempDir();
    const { source, server, clock } = await start(counting(), { cacheDir });
    await source.get();
    for (const file of await filesIn(cacheDir)) {
      const entry: unknown = JSON.parse(await readFile(file, 'utf8'));
      const changed = typeof entry === 'object' && entry !== null ? change({ ...entry }) : undefined;
      await writeFile(file, changed === undefined ? '{"token"' : JSON.stringify(changed));
    }

    const next = createTokenRig(settingsFor(server.url), { clock, cacheDir });

    expect(await next.source.get()).toBe('token-2');
    expect(next.source.cameFromCache('token-2')).toBe(false);
  });

  it.each<[string, string, string, string]>([
    [
      'is used for the next token of the same issuer and subject',
      jwt({ iss: 'https://issuer.example', sub: 'soc:atp', exp: 1 }),
      jwt({ iss: 'https://issuer.example', sub: 'soc:atp', exp: 2 }),
      'token-1',
    ],
    [
      'is not used for another subject in the same file',
      jwt({ iss: 'https://issuer.example', sub: 'soc:atp' }),
      jwt({ iss: 'https://issuer.example', sub: 'soc:other' }),
      'token-2',
    ],
    [
      'is not used for another issuer in the same file',
      jwt({ iss: 'https://issuer.example', sub: 'soc:atp' }),
      jwt({ iss: 'https://other.example', sub: 'soc:atp' }),
      'token-2',
    ],
    ['is used for the same text that is no JWT', 'opaque-1', 'opaque-1', 'token-1'],
    ['is not used for another text that is no JWT', 'opaque-1', 'opaque-2', 'token-2'],
  ])('of a federated token %s', async (_name, before, after, expected) => {
    const cacheDir = await makeTempDir();
    const tokenFile = join(await makeTempDir(), 'token');
    const server = await startServer(counting());
    const settings = settingsFor(server.url, { kind: 'federated', tokenFile });
    const clock = createHastyClock();
    await writeFile(tokenFile, before);
    expect(await createTokenRig(settings, { clock, cacheDir }).source.get()).toBe('token-1');

    await writeFile(tokenFile, `${after}\n`);

    expect(await createTokenRig(settings, { clock, cacheDir }).source.get()).toBe(expected);
  });

  it('is not kept when the file of the federated token was exchanged during the login', async () => {
    const cacheDir = await makeTempDir();
    const tokenFile = join(await makeTempDir(), 'token');
    await writeFile(tokenFile, jwt({ iss: 'https://issuer.example', sub: 'one' }));
    const server = await startServer((response, request) => {
      writeFileSync(tokenFile, jwt({ iss: 'https://issuer.example', sub: 'other' }));
      json({ token_type: 'Bearer', access_token: 'of-one', expires_in: 3599 })(response, request);
    });
    const settings = settingsFor(server.url, { kind: 'federated', tokenFile });

    expect(await createTokenRig(settings, { cacheDir }).source.get()).toBe('of-one');

    expect(await filesIn(cacheDir)).toEqual([]);
  });

  it('forgets a token that was dropped', async () => {
    const cacheDir = await makeTempDir();
    const { source, server, clock } = await start(counting(), { cacheDir });
    await source.get();

    await source.drop('token-1');

    const next = createTokenRig(settingsFor(server.url), { clock, cacheDir });
    expect(await next.source.get()).toBe('token-2');
  });

  it('that may not be written, as in a dry run, does not bring a dropped token back', async () => {
    const cacheDir = await makeTempDir();
    const { source, server, clock } = await start(counting(), { cacheDir });
    await source.get();
    const dryRun = createTokenRig(settingsFor(server.url), { clock, cacheDir, readOnly: true });

    expect(await dryRun.source.get()).toBe('token-1');
    await dryRun.source.drop('token-1');

    expect(await dryRun.source.get()).toBe('token-2');
    expect(dryRun.source.cameFromCache('token-1')).toBe(true);
  });
});

describe('rolesOf', () => {
  it.each<[string, string, string[] | undefined]>([
    ['a token with roles', jwt({ roles: ['Machine.Read.All', 7] }), ['Machine.Read.All']],
    ['a token without', jwt({ aud: 'x' }), []],
    ['a token whose claims are a list', jwt([]), undefined],
    ['a token that is not JSON', 'eyJ.bm90IGpzb24.sig', undefined],
    ['an opaque token', 'opaque', undefined],
  ])('reads %s', (_name, token, roles) => {
    expect(rolesOf(token)).toEqual(roles);
  });
});
