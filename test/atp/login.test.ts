import { createHash, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rolesOf } from '../../src/http/token.ts';
import type { Credential } from '../../src/config/credential.ts';
import { AuthError, ConfigError } from '../../src/errors.ts';
import { createHastyClock, noon } from '../http/clocks.ts';
import { errorOf } from '../http/rig.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import { makeTempDir } from '../temp-dir.ts';
import { createRsaIdentity } from './rsa-identity.ts';
import { createTokenRig, secret, settingsFor } from './token-rig.ts';

const registered = createRsaIdentity();
const other = createRsaIdentity();
const certificate: Credential = { kind: 'certificate', ...registered, passphrase: undefined };

/** Tokens come from oidc-provider, which somebody else wrote, in the clothes of Entra ID. */
let login: Simulator;
let serverTime: () => number;

beforeAll(async () => {
  login = await createSimulator({
    certificate: registered.certificate,
    clock: { now: () => serverTime() },
  });
});
afterAll(() => login.close());
beforeEach(() => {
  serverTime = () => noon;
  login.faults.clear();
  login.ledger.clear();
});

function forms(): Record<string, unknown>[] {
  return login.ledger
    .of('token')
    .map(({ body }) => (typeof body === 'object' && body !== null ? { ...body } : {}));
}

function assertions(): string[] {
  return forms().map((form) => String(form['client_assertion']));
}

/** A message that ends with the id that the login service gave the call. */
function withRequestId(message: string): unknown {
  const ending = / \(request id [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)$/u;
  return expect.toSatisfy((text: string) => ending.test(text) && text.replace(ending, '') === message);
}

describe('a client secret', () => {
  it('gets a token for the audience', async () => {
    const { source, registered: secrets } = createTokenRig(settingsFor(login.loginUrl));

    const token = await source.get();

    expect(decodeJwt(token).aud).toBe('https://api.securitycenter.microsoft.com');
    expect(rolesOf(token)).toEqual(['Machine.Read.All', 'Alert.Read.All', 'Machine.Isolate']);
    expect(secrets).toContain(token);
    expect(login.ledger.of('token')[0]).toMatchObject({
      method: 'POST',
      path: '/9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77/oauth2/v2.0/token',
      authorization: undefined,
      body: {
        client_id: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
        client_secret: secret,
        grant_type: 'client_credentials',
        scope: 'https://api.securitycenter.microsoft.com/.default',
      },
    });
  });

  it('that is wrong is refused once for the whole run', async () => {
    const { source } = createTokenRig(
      settingsFor(login.loginUrl, { kind: 'secret', secret: 'wrong-secret-0123' }),
    );

    const errors = await Promise.all([errorOf(source.get()), errorOf(source.get())]);
    errors.push(await errorOf(source.get()));

    expect(errors[0]).toBeInstanceOf(AuthError);
    expect(errors[0]).toMatchObject({
      message: withRequestId(
        'the login service refused to issue a token (401 invalid_client): AADSTS7000215: Invalid client secret provided. ' +
          "Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'c0ffee00-1d2e-4f3a-9b4c-5d6…",
      ),
      hint: "The client secret is wrong. Often the secret's id was copied in place of its value: Entra ID shows the value only once, so create a new secret if need be.",
    });
    expect(new Set(errors).size).toBe(1);
    expect(login.ledger.count('token')).toBe(1);
  });

  it('is sent again after a lost answer', async () => {
    login.faults.add({ match: ({ call }) => call === 'token', kind: 'reset-after', times: 1 });
    const { source } = createTokenRig(settingsFor(login.loginUrl));

    expect(await source.get()).toMatch(/^eyJ/);
    expect(login.ledger.count('token')).toBe(2);
  });
});

describe('a certificate', () => {
  it('signs an assertion as Entra ID documents it', async () => {
    const { source, registered: secrets } = createTokenRig(settingsFor(login.loginUrl, certificate));

    await source.get();

    const [assertion = ''] = assertions();
    const thumbprint = createHash('sha256')
      .update(new X509Certificate(registered.certificate).raw)
      .digest('base64url');
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint });
    const { jti, ...claims } = decodeJwt(assertion);
    expect(jti).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(claims).toEqual({
      iss: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
      sub: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
      aud: `${login.loginUrl}/9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77/oauth2/v2.0/token`,
      nbf: noon / 1000,
      iat: noon / 1000,
      exp: noon / 1000 + 600,
    });
    expect(forms()[0]).toMatchObject({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    expect(forms()[0]).not.toHaveProperty('client_secret');
    expect(secrets).toContain(assertion);
  });

  it('signs anew after a lost answer, since an assertion counts once', async () => {
    login.faults.add({ match: ({ call }) => call === 'token', kind: 'reset-after', times: 1 });
    const { source } = createTokenRig(settingsFor(login.loginUrl, certificate));

    expect(await source.get()).toMatch(/^eyJ/);
    expect(new Set(assertions()).size).toBe(2);
  });

  it('that is not registered is refused', async () => {
    const { source } = createTokenRig(
      settingsFor(login.loginUrl, { kind: 'certificate', ...other, passphrase: undefined }),
    );

    const error = await errorOf(source.get());

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message: withRequestId(
        'the login service refused to issue a token (401 invalid_client): AADSTS700027: The certificate with identifier used to sign ' +
          'the client assertion is not registered on application. [Reason - Client assertion failed signature validation.]',
      ),
      hint: 'Entra ID cannot verify the signature: upload the certificate of atp.certificateFile to the app registration (Certificates & secrets), and check that it has not expired.',
    });
  });

  it('that is named by another thumbprint is refused', async () => {
    const { source } = createTokenRig(
      settingsFor(login.loginUrl, { ...certificate, certificate: other.certificate }),
    );

    const error = await errorOf(source.get());

    expect(String(error)).toMatch(
      /AADSTS700027: .* \[Reason - The key was not found\.\] \(request id [0-9a-f-]{36}\)$/,
    );
  });

  it('that cannot be used is said to be so, without its content', async () => {
    const { source } = createTokenRig(
      settingsFor(login.loginUrl, { ...certificate, privateKey: 'rubbish', passphrase: undefined }),
    );

    const error = await errorOf(source.get());

    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      message:
        'the certificate of atp.certificateFile and the key of atp.privateKeyFile cannot be used to sign',
    });
  });

  it('is used with the time of the login service when the clock of this machine is wrong', async () => {
    serverTime = () => noon + 3_600_000;
    const { source, lines } = createTokenRig(settingsFor(login.loginUrl, certificate));

    expect(await source.get()).toMatch(/^eyJ/);
    expect(assertions().map((assertion) => decodeJwt(assertion).nbf)).toEqual([
      noon / 1000,
      noon / 1000 + 3600,
    ]);
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      {
        secondsBehind: 3600,
        msg: 'the clock of this machine is not that of the login service; the assertion is signed once more with its time',
      },
    ]);
  });

  it('is refused in the end when its time is refused without a difference of clocks', async () => {
    login.faults.add({
      match: ({ call }) => call === 'token',
      kind: {
        status: 401,
        body: {
          error: 'invalid_client',
          error_description: 'AADSTS700024: Client assertion is not within its valid time range.',
        },
      },
    });
    const { source } = createTokenRig(settingsFor(login.loginUrl, certificate));

    expect(await errorOf(source.get())).toMatchObject({
      message:
        'the login service refused to issue a token (401 invalid_client): AADSTS700024: Client assertion is not within its valid time range.',
      hint: 'The assertion was not valid at the time it arrived. Check the clock of this machine (timedatectl), and that it is synchronised.',
    });
    expect(login.ledger.count('token')).toBe(1);
  });
});

describe('a federated token', () => {
  async function createIssuer() {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const [issuer, subject] = ['https://issuer.example', 'system:serviceaccount:soc:atp'];
    login.settings.federated = { issuer, subject, publicKey: await exportSPKI(publicKey) };
    return (from: number) =>
      new SignJWT()
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience('api://AzureADTokenExchange')
        .setExpirationTime(from / 1000 + 600)
        .sign(privateKey);
  }

  it('is read from its file each time', async () => {
    const issue = await createIssuer();
    const tokenFile = join(await makeTempDir(), 'token');
    const clock = createHastyClock();
    serverTime = clock.now;
    const { source } = createTokenRig(settingsFor(login.loginUrl, { kind: 'federated', tokenFile }), {
      clock,
    });
    const [first, second] = [await issue(noon), await issue(noon + 3_600_000)];

    await writeFile(tokenFile, `${first}\n`);
    await source.get();
    await clock.sleep(3_600_000);
    await writeFile(tokenFile, second);
    await source.get();

    expect(assertions()).toEqual([first, second]);
  });

  it('that has expired is told from a wrong clock', async () => {
    const issue = await createIssuer();
    const tokenFile = join(await makeTempDir(), 'token');
    await writeFile(tokenFile, await issue(noon - 3_600_000));
    const { source } = createTokenRig(settingsFor(login.loginUrl, { kind: 'federated', tokenFile }));

    expect(await errorOf(source.get())).toMatchObject({
      hint: 'The token in atp.federatedTokenFile has expired or is not valid yet: see that its issuer renews the file. Check the clock of this machine (timedatectl), and that it is synchronised.',
    });
  });

  it.each<[string, string | undefined, string]>([
    ['missing', undefined, 'cannot be read'],
    ['empty', ' \n', 'is empty'],
  ])('whose file is %s is a matter of the configuration', async (_name, content, trouble) => {
    const tokenFile = join(await makeTempDir(), 'token');
    if (content !== undefined) await writeFile(tokenFile, content);
    const { source } = createTokenRig(settingsFor(login.loginUrl, { kind: 'federated', tokenFile }));

    const error = await errorOf(source.get());

    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ message: `atp.federatedTokenFile: ${tokenFile} ${trouble}` });
    expect(login.ledger.count('token')).toBe(0);
  });
});
