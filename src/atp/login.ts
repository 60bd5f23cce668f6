import { createHash, createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import type { Credential } from '../config/credential.ts';
import { ApiError, ConfigError } from '../errors.ts';
import { backoffMs } from '../http/retry-after.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http.ts';
import type { Log } from '../output/log.ts';
import { mapped, readReply } from '../http/read-reply.ts';
import { isRefusedForTime, loginRefusal } from './login-hints.ts';
import { claimsOf, type Login } from '../http/token.ts';

/** Which application logs in where, and what for. */
export interface LoginSettings {
  /** Without a slash at the end. */
  loginUrl: string;
  tenantId: string;
  appId: string;
  credential: Credential;
  /** The resource that the token is for. */
  audience: string;
}

type IssuedToken = Awaited<ReturnType<Login['login']>>;

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** msal-node's value; Entra ID advises five to ten minutes (MicrosoftDocs entra-docs, certificate-credentials). */
const assertionSeconds = 600;

const maxAttempts = 4;

/** The `Date` header has whole seconds, and an answer its way to go: less than this is no difference of clocks. */
const leastSkewMs = 2000;

/** RFC 6749 only recommends `expires_in`; Entra ID has always sent it. A guess that is too short costs calls. */
const unknownLifetimeSeconds = 600;

/** The words of OAuth for a trouble of the login service itself, whatever the status (RFC 6749, section 4.1.2.1). */
const passingTroubles = ['temporarily_unavailable', 'server_error'];

const seconds = z.union([z.number(), mapped(z.string().check(z.regex(/^\d+$/u)), Number)]);

/** Old endpoints write numbers as text. A token with a blank or control character in it would not fit a header. */
const TokenReply = z.object({
  access_token: z.string().check(z.regex(/^[!-~]+$/u)),
  token_type: z.optional(z.string().check(z.regex(/^bearer$/iu))),
  expires_in: z.catch(z.optional(z.pipe(seconds, z.number().check(z.positive()))), undefined),
});

/**
 * Makes the login of an application at Entra ID (client credentials, v2 endpoint). It rejects with an AuthError when the
 * application is refused, and with an ApiError while the login service is out of order.
 */
export function createLogin(options: {
  /** For the login URL. */
  http: HttpClient;
  config: LoginSettings;
  clock: Clock;
  log: Pick<Log, 'warn'>;
  registerSecret: (secret: string) => void;
  random?: (() => number) | undefined;
  stop?: AbortSignal | undefined;
}): Login {
  const { http, config, clock, log, registerSecret, random = Math.random, stop } = options;
  const { loginUrl, appId, credential, audience } = config;
  const path = `/${encodeURIComponent(config.tenantId)}/oauth2/v2.0/token`;
  /** How much later it is for the login service, once that is known to matter. */
  let skewMs = 0;

  async function proof(): Promise<Record<string, string>> {
    if (credential.kind === 'secret') return { client_secret: credential.secret };
    const assertion =
      credential.kind === 'federated'
        ? await readFederatedToken(credential.tokenFile)
        : await signAssertion(credential, appId, `${loginUrl}${path}`, clock.now() + skewMs);
    registerSecret(assertion);
    return { client_assertion_type: assertionType, client_assertion: assertion };
  }

  async function ask(proven: Record<string, string>): Promise<IssuedToken> {
    const request: HttpRequest = {
      method: 'POST',
      path,
      form: {
        client_id: appId,
        scope: `${audience}/.default`,
        grant_type: 'client_credentials',
        ...proven,
      },
      // The id of a signed assertion counts once: another attempt needs another assertion.
      idempotent: credential.kind !== 'certificate',
    };
    return await http.read(request, (reply) => readToken(reply, path));
  }

  /** Takes over the time of the login service, if that is why it refuses; tells whether to try again. */
  function adoptTime(error: ApiError): boolean {
    if (credential.kind !== 'certificate' || error.serverTime === undefined || !isRefusedForTime(error))
      return false;
    const difference = error.serverTime - clock.now();
    if (Math.abs(difference) < leastSkewMs) return false;
    skewMs = difference;
    log.warn(
      { secondsBehind: Math.round(difference / 1000) },
      'the clock of this machine is not that of the login service; the assertion is signed once more with its time',
    );
    return true;
  }

  function mayPass(error: ApiError): boolean {
    if (passingTroubles.includes(error.serviceCode ?? '') && (error.status ?? 500) < 500) return true;
    // With the other credentials, the HTTP client has repeated the request already.
    const isLost = credential.kind === 'certificate' && error.isOutage && !error.notDone;
    return isLost && (error.retryAfterMs ?? 0) <= 60_000;
  }

  async function login(): Promise<IssuedToken> {
    let isTimeAdopted = false;
    for (let attempt = 1; ; attempt += 1) {
      const proven = await proof();
      try {
        return await ask(proven);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (!isTimeAdopted && adoptTime(error)) {
          isTimeAdopted = true;
        } else if (attempt < maxAttempts && mayPass(error)) {
          await clock.sleep(backoffMs(attempt, random), stop);
        } else {
          throw ended(error, credential.kind, Object.values(proven));
        }
      }
    }
  }

  return {
    login,
    key: [loginUrl, config.tenantId, appId, audience, credential.kind],
    credential: () => identityOf(credential),
  };
}

/** What tells one credential from another. */
async function identityOf(credential: Credential): Promise<string | undefined> {
  switch (credential.kind) {
    case 'secret':
      return credential.secret;
    case 'certificate':
      return `${credential.certificate}${credential.privateKey}`;
    case 'federated': {
      // The file has another token every hour; issuer and subject are those that Entra ID knows the application by.
      const token = (await readFile(credential.tokenFile, 'utf8').catch(() => undefined))?.trim();
      const { iss, sub } = claimsOf(token ?? '') ?? {};
      return typeof iss === 'string' && typeof sub === 'string' ? JSON.stringify([iss, sub]) : token;
    }
  }
}

/** The end of a login that failed: a refusal, a wrong address, or what it is. */
function ended(error: ApiError, kind: Credential['kind'], secrets: readonly string[]): Error {
  const { status, failure, serviceCode = '' } = error;
  if (failure !== 'status' || status === undefined || error.isOutage) return error;
  if (passingTroubles.includes(serviceCode)) return error;
  if (status < 400) return new ConfigError(error.message, error.hint);
  return loginRefusal(error, kind, secrets);
}

function readToken(reply: HttpResponse, path: string): IssuedToken {
  const call = { service: 'login', method: 'POST', path } as const;
  const { access_token: token, expires_in = unknownLifetimeSeconds } = readReply(
    TokenReply,
    reply,
    call,
    'a bearer token in "access_token"',
  );
  return { token, lifetimeMs: expires_in * 1000 };
}

async function readFederatedToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const token = text?.trim() ?? '';
  if (token !== '') return token;
  throw new ConfigError(
    `atp.federatedTokenFile: ${file} ${text === undefined ? 'cannot be read' : 'is empty'}`,
    'The issuer of the token (such as the webhook of Azure Workload Identity) has to write it there.',
  );
}

/**
 * Signs a client assertion with a certificate's key, in the form that Entra ID documents (certificate-credentials):
 * PS256, the certificate named by its SHA-256 thumbprint, valid for ten minutes from `now` (milliseconds UTC), its id
 * used once, `audience` the URL of the token endpoint.
 */
async function signAssertion(
  { certificate, privateKey, passphrase }: Extract<Credential, { kind: 'certificate' }>,
  appId: string,
  audience: string,
  now: number,
): Promise<string> {
  // Runs with another credential, and runs that need no token, do without the time to load it.
  const { SignJWT } = await import('jose/jwt/sign');
  const seconds = Math.floor(now / 1000);
  try {
    const { raw } = new X509Certificate(certificate);
    const key = createPrivateKey(passphrase === undefined ? privateKey : { key: privateKey, passphrase });
    const thumbprint = createHash('sha256').update(raw).digest('base64url');
    return await new SignJWT()
      .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })
      .setIssuer(appId)
      .setSubject(appId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setNotBefore(seconds)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + assertionSeconds)
      .sign(key);
  } catch {
    // What OpenSSL and jose say may quote the key.
    throw new ConfigError(
      'the certificate of atp.certificateFile and the key of atp.privateKeyFile cannot be used to sign',
      'A certificate and an unencrypted RSA key of at least 2048 bits are needed, both in PEM form.',
    );
  }
}
