import { readFile } from 'node:fs/promises';
import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import type { Credential } from '../config/credential.ts';
import { ApiError, ConfigError } from '../errors.ts';
import { backoffMs } from '../http/retry-after.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http.ts';
import type { Log } from '../output/log.ts';
import { mapped, readReply } from '../http/read-reply.ts';
import { signAssertion } from './assertion.ts';
import { isRefusedForTime, loginRefusal } from './login-hints.ts';

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

/** A token as the login service issues it. */
export interface IssuedToken {
  token: string;
  lifetimeMs: number;
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

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
 * Makes the function that asks Entra ID for a token (client credentials, v2 endpoint). It rejects with an AuthError when
 * the application is refused, and with an ApiError while the login service is out of order.
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
}): () => Promise<IssuedToken> {
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
        : await signAssertion({
            ...credential,
            appId,
            audience: `${loginUrl}${path}`,
            now: clock.now() + skewMs,
          });
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

  return async () => {
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
  };
}

/** What a failure comes to in the end: a refusal, a wrong address, or what it is. */
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
    'Whoever issues the token (such as the webhook of Azure Workload Identity) has to write it there.',
  );
}
