import { clouds } from './clouds.ts';
import type { Findings } from './findings.ts';
import type { ConfigFile } from './schema.ts';
import { checkAudience, checkServiceUrl } from './urls.ts';

/** Which application of which tenant the program is, and where Microsoft's services are. */
export interface Entra {
  tenantId: string;
  appId: string;
  cloud: string;
  apiUrl: string;
  loginUrl: string;
  audience: string;
  portalUrl: string;
}

const domainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/iu;

/** Tells whether a text has the form of an id in Entra ID. */
export function isGuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu.test(text);
}

/** Reads tenant, application and addresses; what has a problem is empty. */
export function readEntra(atp: ConfigFile['atp'], findings: Findings): Entra {
  const preset = clouds[atp.cloud];
  const entra = {
    tenantId: required(
      'atp.tenantId',
      atp.tenantId,
      'the tenant, as a GUID or a domain name',
      isTenant,
      findings,
    ),
    appId: required('atp.appId', atp.appId, 'the application (client) id, a GUID', isGuid, findings),
    cloud: atp.cloud,
    apiUrl: address('atp.apiUrl', atp.apiUrl, preset.apiUrl, checkServiceUrl, findings),
    loginUrl: address('atp.loginUrl', atp.loginUrl, preset.loginUrl, checkServiceUrl, findings),
    audience: address('atp.audience', atp.audience, preset.audience, checkAudience, findings),
    portalUrl: address('atp.portalUrl', atp.portalUrl, preset.portalUrl, checkServiceUrl, findings),
  };
  // MicrosoftDocs defender-docs: api.security.microsoft.com serves the API, but tokens for it are for Microsoft 365 Defender.
  if (/^https:\/\/api\.security\.microsoft\.com\/*$/iu.test(entra.audience)) {
    findings.warn(
      `atp.audience: Defender for Endpoint refuses tokens for api.security.microsoft.com; the audience is ${clouds.commercial.audience} there too`,
    );
  }
  return entra;
}

/** `common` and its like would let anybody's tenant answer, and Entra ID refuses them to an application. */
function isTenant(text: string): boolean {
  return isGuid(text) || (domainName.test(text) && text.length <= 253);
}

function required(
  key: string,
  text: string | undefined,
  wanted: string,
  fits: (text: string) => boolean,
  findings: Findings,
): string {
  if (text !== undefined && fits(text)) return text;
  if (text !== undefined) findings.problem(key, `expected ${wanted}`);
  else if (!findings.concerns(key)) findings.problem(key, `is required: ${wanted}`);
  return '';
}

function address(
  key: string,
  text: string | undefined,
  preset: string,
  check: typeof checkServiceUrl,
  findings: Findings,
): string {
  if (text === undefined) return preset;
  const verdict = check(text);
  if ('url' in verdict) return verdict.url;
  findings.problem(key, verdict.trouble);
  return '';
}
