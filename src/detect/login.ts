import * as z from 'zod/mini';
import { ApiError, AuthError, ConfigError } from '../errors.ts';
import type { HttpClient } from '../http/http.ts';
import { answerTo } from '../http/read-reply.ts';
import type { Login } from '../http/token.ts';

/** An API client of Detect, of *Manage → API Clients*. */
export interface ApiClient {
  id: string;
  secret: string;
}

/** The one version that has the call. */
const path = '/api/v2.5/oauth2/token';

/** As long before its end a token of Detect is renewed. */
const renewalMs = 100_000;

/** Neither the usual lifetime nor its form is documented: what is no number of seconds counts as not given. */
const TokenReply = z.object({
  access_token: z.string().check(z.regex(/^[!-~]+$/u)),
  expires_in: z.catch(z.optional(z.number().check(z.positive())), undefined),
});

/**
 * Makes the login of an API client (Detect 9.1 and newer; seen in Vectra's own Python client). It rejects with an
 * AuthError when Detect refuses the client, with a ConfigError when this Detect has no such login, and else with an ApiError.
 */
export function createDetectLogin(options: {
  /** For the base URL of Detect; with connections of its own, since calls hold theirs while they wait for the token. */
  http: HttpClient;
  url: string;
  client: ApiClient;
  registerSecret: (secret: string) => void;
}): Login {
  const { http, url, client, registerSecret } = options;
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
  const call = { service: 'detect', method: 'POST', path } as const;

  return {
    key: ['detect', new URL(url).origin, client.id],
    credential: () => Promise.resolve(client.secret),
    renewalMs,
    async login() {
      registerSecret(basic);
      const request = {
        method: 'POST',
        path,
        form: { grant_type: 'client_credentials' },
        authorization: () => Promise.resolve(`Basic ${basic}`),
        // A second token does no harm.
        idempotent: true,
      } as const;
      try {
        return await http.read(request, (reply) => {
          const expected = 'an access token in "access_token"';
          const { access_token: token, expires_in: seconds } = answerTo(call, reply).read(
            TokenReply,
            expected,
          );
          return { token, lifetimeMs: seconds === undefined ? undefined : seconds * 1_000 };
        });
      } catch (error) {
        throw (error instanceof ApiError && refusal(error)) || error;
      }
    },
  };
}

function refusal({ status = 0, serviceMessage }: ApiError): AuthError | ConfigError | undefined {
  const words = serviceMessage === undefined ? '' : `: ${serviceMessage}`;
  if ([400, 401, 403].includes(status)) {
    return new AuthError(
      `Detect refused the API client (${status})${words}`,
      'Check detect.clientId and the client secret: in Detect, Manage → API Clients shows the id, and makes a new secret.',
    );
  }
  if (status === 404 || status === 405 || (status >= 300 && status < 400)) {
    return new ConfigError(
      `Detect has no login for API clients: it answered ${status} to POST ${path}`,
      'API clients need Detect 9.1 or newer; with an older one, give detect.token in place of detect.clientId. Check detect.url.',
    );
  }
  return undefined;
}
