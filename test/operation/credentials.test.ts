import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { chmod, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeProtectedHeader, decodeJwt, generateKeyPair, exportSPKI, SignJWT } from 'jose';
import { describe, expect } from 'vitest';
import { createRsaIdentity } from '../atp/rsa-identity.ts';
import { errorsOf, it, logOf } from '../e2e/rig.ts';
import { isObject, type JsonObject } from '../simulator/json.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSettings } from '../simulator/settings.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { runInProcess } from './rig.ts';

const identity = createRsaIdentity();
const passphrase = 'a pass phrase, with = and "quotes" ';

const { appSecret, detectToken, appId, tenantId } = createSettings({});
const registered = { certificate: identity.certificate };

function openssl(cwd: string, ...args: string[]): void {
  execFileSync('openssl', args, { cwd, stdio: 'pipe' });
}

/** Puts a file beside the configuration. */
async function put(home: string, name: string, content: string, mode = 0o600): Promise<void> {
  await writeFile(join(home, name), content, { mode });
}

/** What came of a run on a host of its own, and what was sent to the login service. */
interface Enriched {
  code: number | null;
  stdout: string;
  stderr: string;
  host: SimHost;
  forms: JsonObject[];
}

/** Runs the command with these keys for the application, in a process of its own if that is asked for. */
async function enrich(
  home: string,
  services: Simulator,
  atp: JsonObject,
  options: { env?: Record<string, string>; detect?: JsonObject; isBuilt?: boolean } = {},
): Promise<Enriched> {
  const { env = {}, detect = {}, isBuilt = false } = options;
  const { host } = services.world.addPair({ tags: ['host_context'] });
  const config = services.config({ atp: { appSecret: undefined, ...atp }, detect, cacheDir: 'cache' });
  const file = join(home, 'config.json');
  await put(home, 'config.json', JSON.stringify(config));
  const from = services.ledger.entries.at(-1)?.n ?? 0;
  const args = ['--tag', 'host_context', '--verbose'];
  const { code, stdout, stderr } = isBuilt
    ? await runAtp([...args, '--config', file], { home, cwd: home, env })
    : await runInProcess(args, file, { env });
  for (const secret of [appSecret, detectToken]) expect(stdout + stderr).not.toContain(secret);
  expect(stdout + stderr).not.toMatch(/eyJ[\w-]{20}/u);
  const forms = services.ledger.of('token').filter(({ n }) => n > from);
  return { code, stdout, stderr, host, forms: forms.map(({ body }) => (isObject(body) ? body : {})) };
}

/** The run got its token and did its work. */
function expectWorked({ code, stderr, host }: Enriched): void {
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(host.tags).not.toContain('host_context');
}

function assertionOf({ forms }: Pick<Enriched, 'forms'>, at = 0): string {
  const assertion = forms[at]?.['client_assertion'];
  return typeof assertion === 'string' ? assertion : '';
}

describe.concurrent('a client secret', () => {
  it('may be in the configuration', async ({ home, start }) => {
    expectWorked(await enrich(home, await start(), { appSecret }));
  });

  it('may be in the environment', async ({ home, start }) => {
    expectWorked(
      await enrich(home, await start(), {}, { env: { ATP_APP_SECRET: appSecret }, isBuilt: true }),
    );
  });

  it('may be in files as systemd hands them over, read-only and in a directory of their own', async ({
    home,
    start,
  }) => {
    const directory = join(home, 'credentials', 'atp.service');
    await mkdir(directory, { recursive: true });
    await put(directory, 'app-secret', appSecret, 0o400);
    await put(directory, 'detect-token', detectToken, 0o400);
    await chmod(directory, 0o500);

    const run = await enrich(
      home,
      await start(),
      { appSecretFile: join(directory, 'app-secret') },
      { detect: { token: undefined, tokenFile: join(directory, 'detect-token') }, isBuilt: true },
    );

    expectWorked(run);
    expect(logOf(run).filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('may be in files as Kubernetes mounts them, behind two symbolic links that are replaced together', async ({
    home,
    start,
  }) => {
    const services = await start();
    const mount = join(home, 'secrets');
    for (const [folder, secret] of [
      ['..2026_11_24_10_00_00.1', 'the~old~secret~value'],
      ['..2026_11_24_11_00_00.2', appSecret],
    ] as const) {
      await mkdir(join(mount, folder), { recursive: true });
      await put(join(mount, folder), 'app-secret', secret, 0o400);
      await put(join(mount, folder), 'detect-token', detectToken, 0o400);
    }
    await symlink('..2026_11_24_10_00_00.1', join(mount, '..data'));
    for (const name of ['app-secret', 'detect-token']) await symlink(`..data/${name}`, join(mount, name));
    const keys = { appSecretFile: 'secrets/app-secret' };
    const detect = { token: undefined, tokenFile: 'secrets/detect-token' };
    const before = await enrich(home, services, keys, { detect });
    await symlink('..2026_11_24_11_00_00.2', join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));

    const after = await enrich(home, services, keys, { detect });

    expect(before.code).toBe(77);
    expectWorked(after);
  });
});

describe.concurrent('a certificate', () => {
  it.for<[form: string, make: (home: string) => Promise<JsonObject>]>([
    [
      'PKCS #8',
      async (home) => {
        await put(home, 'key.pem', identity.privateKey);
        return {};
      },
    ],
    [
      'PKCS #1',
      async (home) => {
        await put(home, 'key8.pem', identity.privateKey);
        openssl(home, 'rsa', '-in', 'key8.pem', '-traditional', '-out', 'key.pem');
        return {};
      },
    ],
    [
      'PKCS #8, encrypted, its passphrase in the configuration',
      async (home) => {
        await put(home, 'key8.pem', identity.privateKey);
        const to = ['-topk8', '-v2', 'aes-256-cbc', '-passout', `pass:${passphrase}`, '-out', 'key.pem'];
        openssl(home, 'pkcs8', '-in', 'key8.pem', ...to);
        return { privateKeyPassphrase: passphrase };
      },
    ],
    [
      'PKCS #1, encrypted, its passphrase in a file',
      async (home) => {
        await put(home, 'key8.pem', identity.privateKey);
        await put(home, 'passphrase', `${passphrase}\n`);
        const to = ['-traditional', '-aes256', '-passout', `pass:${passphrase}`, '-out', 'key.pem'];
        openssl(home, 'rsa', '-in', 'key8.pem', ...to);
        return { privateKeyPassphraseFile: 'passphrase' };
      },
    ],
  ])('with a key in %s signs with PS256 and names itself by x5t#S256', async ([, make], { home, start }) => {
    const services = await start(registered);
    const keys = await make(home);
    await chmod(join(home, 'key.pem'), 0o600);
    await put(home, 'cert.pem', identity.certificate);

    const run = await enrich(
      home,
      services,
      {
        certificateFile: 'cert.pem',
        privateKeyFile: 'key.pem',
        ...keys,
      },
      { isBuilt: true },
    );

    expectWorked(run);
    const { raw } = new X509Certificate(identity.certificate);
    expect(decodeProtectedHeader(assertionOf(run))).toEqual({
      alg: 'PS256',
      typ: 'JWT',
      'x5t#S256': createHash('sha256').update(raw).digest('base64url'),
    });
    expect(decodeJwt(assertionOf(run))).toMatchObject({
      iss: appId,
      sub: appId,
      aud: `${services.loginUrl}/${tenantId}/oauth2/v2.0/token`,
    });
    expect(run.stderr).not.toContain(passphrase);
    expect(run.stderr).not.toContain(identity.privateKey.split('\n')[5]);
  });

  const keyFiles = { certificateFile: 'cert.pem', privateKeyFile: 'key.pem' };

  async function putIdentity(home: string, { certificate, privateKey } = identity): Promise<void> {
    await put(home, 'cert.pem', certificate);
    await put(home, 'key.pem', privateKey);
  }

  it('that the application does not know is refused, with what to do', async ({ home, start }) => {
    const services = await start(registered);
    await putIdentity(home, createRsaIdentity());

    const run = await enrich(home, services, keyFiles);

    expect(run.code).toBe(77);
    expect(run.host.tags).toEqual(['host_context']);
    expect(run.stderr).toContain('AADSTS700027');
    expect(run.stderr).toContain('upload the certificate of atp.certificateFile to the app registration');
  });

  it('whose key is another is refused before anything is sent', async ({ home, start }) => {
    const services = await start(registered);
    await putIdentity(home, { ...identity, privateKey: createRsaIdentity().privateKey });

    const run = await enrich(home, services, keyFiles);

    expect(run.code).toBe(78);
    expect(run.stderr).toContain(
      'atp.privateKeyFile: the key in the file named there does not belong to the certificate of atp.certificateFile',
    );
    expect(run.forms).toEqual([]);
  });

  it('in a PFX file is refused with the command that converts it', async ({ home, start }) => {
    const services = await start(registered);
    await putIdentity(home);
    openssl(home, ...'pkcs12 -export -inkey key.pem -in cert.pem -out app.pfx -passout pass:x'.split(' '));
    await chmod(join(home, 'app.pfx'), 0o600);

    const run = await enrich(home, services, { certificateFile: 'app.pfx', privateKeyFile: 'app.pfx' });

    expect(run.code).toBe(78);
    const said = JSON.stringify(errorsOf(run));
    expect(said).toContain(`openssl pkcs12 -in ${home}/app.pfx -clcerts -nokeys -out cert.pem`);
    expect(said).toContain(`openssl pkcs12 -in ${home}/app.pfx -nocerts -nodes -out key.pem`);
  });

  it('that has expired is warned about', async ({ home, start }) => {
    const services = await start(registered);
    await putIdentity(home);
    openssl(home, ...'req -new -key key.pem -subj /CN=atp -out request.pem'.split(' '));
    openssl(home, ...'x509 -req -in request.pem -signkey key.pem -days -1 -out cert.pem'.split(' '));

    const run = await enrich(home, services, keyFiles);

    const warnings = logOf(run).flatMap(({ level, msg }) => (level === 'warn' ? [String(msg)] : []));
    expect(warnings.join('\n')).toMatch(/^the certificate of atp\.certificateFile expired on \d{4}-/mu);
    expect(run.code).toBe(77);
  });

  it('signs each attempt anew, because the login service takes an assertion only once', async ({
    home,
    start,
  }) => {
    const services = await start(registered);
    await putIdentity(home);
    services.faults.add({ match: ({ call }) => call === 'token', kind: 'reset-after', times: 1 });

    const run = await enrich(home, services, keyFiles);

    expectWorked(run);
    expect(run.forms).toHaveLength(2);
    expect(assertionOf(run, 1)).not.toBe(assertionOf(run, 0));
    const url = `${services.loginUrl}/${services.settings.tenantId}/oauth2/v2.0/token`;
    const body = new URLSearchParams(run.forms[1]?.['client_id'] === undefined ? {} : textsOf(run.forms[1]));
    const replayed = await fetch(url, { method: 'POST', body });
    expect(replayed.status).toBe(401);
  });
});

function textsOf(form: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.entries(form).map(([name, value]) => [name, String(value)]));
}

describe.concurrent('a clock that is wrong', () => {
  it.for([1_200_000, -1_200_000])(
    'by %d ms is told from a bad credential: the certificate signs once more with the time of the login service',
    async (off, { home, start }) => {
      const services = await start({
        ...registered,
        clock: { now: () => Date.now() + off },
      });
      await put(home, 'cert.pem', identity.certificate);
      await put(home, 'key.pem', identity.privateKey);

      const run = await enrich(home, services, {
        certificateFile: 'cert.pem',
        privateKeyFile: 'key.pem',
      });

      expect(run.forms).toHaveLength(2);
      const [warning] = logOf(run).filter(({ level }) => level === 'warn');
      expect(warning?.['msg']).toBe(
        'the clock of this machine is not that of the login service; the assertion is signed once more with its time',
      );
      expect(Math.round(Number(warning?.['secondsBehind']) / 10)).toBe(off / 10_000);
    },
  );

  it('does not matter to a client secret that is wrong', async ({ home, start }) => {
    const services = await start({ clock: { now: () => Date.now() + 1_200_000 } });

    const run = await enrich(home, services, { appSecret: 'not~the~secret' });

    expect(run.code).toBe(77);
    expect(run.stderr).toContain('The client secret is wrong.');
    expect(run.stderr).not.toContain('clock');
  });
});

describe.concurrent('a workload identity', () => {
  const issuer = 'https://oidc.cluster.example';
  const subject = 'system:serviceaccount:soc:atp';

  async function startWithIssuer(start: (options: object) => Promise<Simulator>) {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const services = await start({ federated: { issuer, subject, publicKey: await exportSPKI(publicKey) } });
    const token = (expires: string) =>
      new SignJWT({ n: Math.random() })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience('api://AzureADTokenExchange')
        .setIssuedAt('2 hours ago')
        .setExpirationTime(expires)
        .sign(privateKey);
    return { services, token };
  }

  it('is the content of its file, read afresh in each run', async ({ home, start }) => {
    const { services, token } = await startWithIssuer(start);
    const tokens = [await token('1 hour'), await token('1 hour')];
    const sent: string[] = [];
    for (const text of tokens) {
      await put(home, 'oidc-token', `${text}\n`, 0o644);
      const run = await enrich(home, services, { federatedTokenFile: 'oidc-token' }, { isBuilt: true });
      expectWorked(run);
      sent.push(...run.forms.map((_, at) => assertionOf(run, at)));
      services.revokeTokens();
    }

    expect(sent).toEqual(tokens);
  });

  it('that has expired is refused, with who has to renew it', async ({ home, start }) => {
    const { services, token } = await startWithIssuer(start);
    await put(home, 'oidc-token', await token('1 hour ago'), 0o644);

    const run = await enrich(home, services, { federatedTokenFile: 'oidc-token' });

    expect(run.code).toBe(77);
    expect(run.stderr).toContain(
      'The token in atp.federatedTokenFile has expired or is not valid yet: see that its issuer renews the file.',
    );
  });

  it('of another cluster is refused', async ({ home, start }) => {
    const { services } = await startWithIssuer(start);
    const { token } = await startWithIssuer(start);
    await put(home, 'oidc-token', await token('1 hour'), 0o644);

    const run = await enrich(home, services, { federatedTokenFile: 'oidc-token' });

    expect(run.code).toBe(77);
    expect(run.stderr).toContain('AADSTS700213');
    expect(run.host.tags).toEqual(['host_context']);
  });
});
