import { randomUUID } from 'node:crypto';

/** What Entra says when it refuses a token: its number, `error` and status. */
export interface EntraError {
  status: number;
  error: string;
  code: number;
  message: string;
}

/** The words in which the provider's hook says that an assertion is out of its time, or signed by an unknown key. */
export const outOfTime = 'assertion is out of its time';
export const unknownKey = 'assertion names an unknown key';

/** The right secret, too old. */
export const expiredSecret: EntraError = {
  status: 401,
  error: 'invalid_client',
  code: 7000222,
  message: 'The provided client secret keys are expired.',
};

/** The refusal in Entra's envelope. */
export function entraAnswer(refusal: EntraError, now: number): { status: number; body: unknown } {
  const time = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const [trace, correlation] = [randomUUID(), randomUUID()];
  return {
    status: refusal.status,
    body: {
      error: refusal.error,
      error_description: `AADSTS${refusal.code}: ${refusal.message}\r\nTrace ID: ${trace}\r\nCorrelation ID: ${correlation}\r\nTimestamp: ${time}`,
      error_codes: [refusal.code],
      timestamp: time,
      trace_id: trace,
      correlation_id: correlation,
      error_uri: `https://login.microsoftonline.com/error?code=${refusal.code}`,
    },
  };
}

/** Entra's refusal for one of oidc-provider's, told by the detail that the provider keeps to itself. */
export function translate(refused: { error: string; detail: string }, clientId: string): EntraError {
  const { error, detail } = refused;
  const unauthorized = { status: 401, error: 'invalid_client' };
  if (detail === 'client not found') {
    const message = `Application with identifier '${clientId}' was not found in the directory 'Contoso'.`;
    return { status: 400, error: 'unauthorized_client', code: 700016, message };
  }
  if (detail === 'invalid secret provided') {
    const message = `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`;
    return { ...unauthorized, code: 7000215, message };
  }
  if (detail === outOfTime) {
    return { ...unauthorized, code: 700024, message: 'Client assertion is not within its valid time range.' };
  }
  if (/audience|format/.test(detail)) {
    return {
      status: 400,
      error: 'invalid_client',
      code: 50027,
      message: 'JWT token is invalid or malformed.',
    };
  }
  if (/mechanism does not match|no client authentication/.test(detail)) {
    const message =
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    return { ...unauthorized, code: 7000218, message };
  }
  if (error === 'invalid_client') {
    const reason =
      detail === unknownKey ? 'The key was not found.' : 'Client assertion failed signature validation.';
    const message = `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - ${reason}]`;
    return { ...unauthorized, code: 700027, message };
  }
  if (error === 'unsupported_grant_type') {
    return { status: 400, error, code: 70003, message: 'The app requested an unsupported grant type.' };
  }
  return {
    status: 400,
    error,
    code: 9002313,
    message: `Invalid request. Request is malformed or invalid: ${detail}`,
  };
}
