import { decodeJwt, errors, importSPKI, jwtVerify } from 'jose';
import { entraAnswer, type EntraError } from './entra-errors.ts';
import type { Provider } from './login-provider.ts';
import { createRouter, type Answer, type Match, type SimRequest } from './route.ts';
import type { Settings } from './settings.ts';

// Tokens for this resource are issued too, and are the wrong ones for Defender's older calls.
const otherResource = 'https://api.security.microsoft.com';

/** Entra's token endpoint. What it checks itself is the form; credentials are the provider's business. */
export function createLogin(
  settings: Settings,
  clock: { now(): number },
  provider: Provider,
): (method: string, path: string) => Match {
  function refuse(status: number, error: string, code: number, message: string): Answer {
    return entraAnswer({ status, error, code, message }, clock.now());
  }

  async function token(request: SimRequest): Promise<Answer> {
    const [tenant = ''] = request.params;
    if (tenant.toLowerCase() !== settings.tenantId.toLowerCase()) {
      return refuse(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
    }
    const isForm = /^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '');
    const form = new URLSearchParams(isForm ? request.text : '');
    const missing = ['grant_type', 'client_id', 'scope'].find((name) => !form.get(name));
    if (form.has('resource')) {
      return refuse(400, 'invalid_request', 901002, "The 'resource' request parameter isn't supported.");
    }
    if (missing !== undefined) {
      const message = `The request body must contain the following parameter: '${missing}'.`;
      return refuse(400, 'invalid_request', 900144, message);
    }
    const scope = form.get('scope') ?? '';
    const resource = /^(\S+)\/\.default$/.exec(scope)?.[1];
    if (resource === undefined) {
      const message = `The provided value for the input parameter 'scope' isn't valid. The scope ${scope} isn't valid.`;
      return refuse(400, 'invalid_scope', 70011, message);
    }
    if (resource !== settings.audience && resource !== otherResource) {
      const message = `The resource principal named ${resource} was not found in the tenant named Contoso.`;
      return refuse(400, 'invalid_resource', 500011, message);
    }
    const assertion = form.get('client_assertion');
    if (assertion !== null && settings.federated && issuerOf(assertion) !== form.get('client_id')) {
      const wrong = await checkFederated(assertion, settings.federated);
      if (wrong) return entraAnswer(wrong, clock.now());
      // The provider knows no foreign issuers; to it the application has shown its secret.
      form.delete('client_assertion');
      form.delete('client_assertion_type');
      form.set('client_secret', settings.appSecret);
    }
    const credential = form.has('client_assertion') ? 'assertion' : 'secret';
    return provider.token(form, credential, request.headers['host'] ?? '');
  }

  async function checkFederated(
    assertion: string,
    trusted: NonNullable<Settings['federated']>,
  ): Promise<EntraError | undefined> {
    try {
      await jwtVerify(assertion, await importSPKI(trusted.publicKey, 'RS256'), {
        issuer: trusted.issuer,
        subject: trusted.subject,
        audience: 'api://AzureADTokenExchange',
        currentDate: new Date(clock.now()),
        clockTolerance: 300,
      });
      return undefined;
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        const message = 'Client assertion is not within its valid time range.';
        return { status: 401, error: 'invalid_client', code: 700024, message };
      }
      if (!(error instanceof errors.JOSEError)) throw error;
      const message = 'No matching federated identity record found for presented assertion.';
      return { status: 401, error: 'invalid_client', code: 700213, message };
    }
  }

  const notFound = (): Answer => ({ status: 404, body: undefined });
  return createRouter(
    [{ method: 'POST', path: /^\/([^/]+)\/oauth2\/v2\.0\/token$/, call: 'token', handle: token }],
    { noPath: notFound, noMethod: notFound },
  );
}

function issuerOf(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss;
  } catch {
    return undefined;
  }
}
