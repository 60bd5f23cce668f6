import { cleanText } from '../output/clean.ts';
import type { Credential } from '../config/credential.ts';
import { AuthError, requestIdWords, type ApiError } from '../errors.ts';

const otherCloud =
  "The tenant lives in another national cloud than the one asked: set atp.cloud to commercial, gcc, gcc-high or dod, whichever is the tenant's.";
const clock = 'Check the clock of this machine (timedatectl), and that it is synchronised.';

/**
 * What to do about a refusal, by the number after `AADSTS` (MicrosoftDocs entra-docs, reference-error-codes; 70021 and
 * 7002xx as reported by users of federated credentials). The numbers may change: they pick a hint and decide nothing else.
 */
const hints: Readonly<Record<string, string>> = {
  7000215:
    "The client secret is wrong. Often the secret's id was copied in place of its value: Entra ID shows the value only once, so create a new secret if need be.",
  7000222:
    'The client secret has expired: create a new one in the app registration (Certificates & secrets) and configure its value.',
  7000218:
    'No credential arrived at the login service: check that a proxy in between does not change requests.',
  70002: 'The client secret does not belong to the application: check atp.appId and the secret together.',
  700016:
    'The tenant does not know the application: check atp.appId (Application (client) ID) and atp.tenantId.',
  70001: 'The application is unknown in this tenant or disabled: check atp.appId and atp.tenantId.',
  7000112:
    'The application is disabled: an administrator can enable its sign-in (Enterprise applications, Properties).',
  90002:
    'There is no such tenant: check atp.tenantId; a tenant of a US government cloud also needs atp.cloud.',
  90038: otherCloud,
  900382: otherCloud,
  900432: otherCloud,
  700027:
    'Entra ID cannot verify the signature: upload the certificate of atp.certificateFile to the app registration (Certificates & secrets), and check that it has not expired.',
  50027:
    'Entra ID cannot make sense of the signed token: check atp.loginUrl and atp.tenantId, or the content of atp.federatedTokenFile.',
  50013:
    'The signed token was refused: it was signed with another key than the registered one, comes from another issuer, or has expired.',
  70011: 'The scope is not valid: check atp.audience.',
  28002: 'The scope is not one that the application may ask for: check atp.audience.',
  500011:
    'Defender for Endpoint is not set up in this tenant, or atp.audience belongs to another cloud: check atp.cloud and atp.audience.',
  50001: 'The tenant does not know what the token is for: check atp.cloud and atp.audience.',
  650052:
    'The organisation has not subscribed to Defender for Endpoint, or nobody has opened it yet in this tenant.',
  700025:
    'The application is a public client, which must not send a credential: switch off "Allow public client flows" in its app registration.',
  70021:
    'No federated credential of the application matches the token of atp.federatedTokenFile: compare issuer, subject and audience.',
  700211:
    'No federated credential of the application names the issuer of the token in atp.federatedTokenFile: compare it letter by letter.',
  700212:
    'No federated credential of the application names the audience of the token in atp.federatedTokenFile; usual is api://AzureADTokenExchange.',
  700213:
    'No federated credential of the application names the subject of the token in atp.federatedTokenFile: compare it letter by letter.',
  700229:
    'The token in atp.federatedTokenFile is not of a kind that may stand for an application: an ID token of its issuer is needed.',
  7000229:
    'The tenant has no enterprise application for atp.appId: grant admin consent in its app registration (API permissions), which makes it, and check atp.tenantId.',
  53003:
    'A Conditional Access policy for workload identities blocks the application, by the address of this machine or by its risk: an administrator finds the policy in the sign-in log (service principal sign-ins) and can exclude the application or allow the address.',
};

/** Refusals of an assertion because of its time. */
const timeCodes = ['500133', '700024'];

/** The number after `AADSTS` in the words of a refusal. */
function aadstsCode(error: ApiError): string | undefined {
  return /\bAADSTS(\d+)/u.exec(error.serviceMessage ?? '')?.[1];
}

/** Tells whether an assertion was refused because it is not valid yet or not any more. */
export function isRefusedForTime(error: ApiError): boolean {
  return timeCodes.includes(aadstsCode(error) ?? '');
}

/**
 * The login service's refusal in words for an operator. Its own words are its first line only, and without anything
 * that may be a token or a secret: Entra ID has been seen to echo assertions.
 */
export function loginRefusal(
  error: ApiError,
  kind: Credential['kind'],
  secrets: readonly string[],
): AuthError {
  const { status, serviceCode } = error;
  const answer = [status, serviceCode].filter((part) => part !== undefined).join(' ');
  const words = plainWords(error.serviceMessage ?? '', secrets);
  return new AuthError(
    `the login service refused to issue a token (${answer})${words === '' ? '' : `: ${words}`}${requestIdWords(error)}`,
    hintFor(error, kind),
  );
}

function hintFor(error: ApiError, kind: Credential['kind']): string {
  const code = aadstsCode(error);
  if (code !== undefined && timeCodes.includes(code)) {
    return kind === 'federated'
      ? `The token in atp.federatedTokenFile has expired or is not valid yet: see that its issuer renews the file. ${clock}`
      : `The assertion was not valid at the time it arrived. ${clock}`;
  }
  const hint = code === undefined ? undefined : hints[code];
  if (hint !== undefined) return hint;
  if (code !== undefined)
    return `Microsoft explains the number at https://login.microsoftonline.com/error?code=${code}.`;
  if (error.status === 404) return 'Check atp.loginUrl and atp.tenantId.';
  return 'Check atp.tenantId, atp.appId and the credential.';
}

function plainWords(text: string, secrets: readonly string[]): string {
  let plain = text.split(/[\r\n]/u, 1)[0] ?? '';
  for (const secret of secrets) if (secret.length >= 4) plain = plain.replaceAll(secret, '[removed]');
  // A JWT in any state of completeness; base64 longer than a SHA-1 thumbprint in hexadecimal, which helps the operator.
  return cleanText(
    plain.replaceAll(/eyJ[\w-]+(?:\.[\w-]*)*/gu, '[removed]').replaceAll(/[\w~+/=-]{41,}/gu, '[removed]'),
  );
}
