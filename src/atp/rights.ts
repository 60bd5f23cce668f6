import { cleanText } from '../output/clean.ts';
import { AuthError, MissingRightError, type ApiError } from '../errors.ts';

/** Application permissions of the API WindowsDefenderATP: what each is needed for, and which others include it. */
const rights = {
  'Machine.Read.All': {
    use: 'find machines and read their actions',
    enough: ['Machine.Read.All', 'Machine.ReadWrite.All'],
  },
  'Machine.Isolate': {
    use: 'isolate and release machines, which --blocktag and --unblocktag need',
    enough: ['Machine.Isolate'],
  },
  'Alert.Read.All': {
    use: 'read the alerts of machines',
    enough: ['Alert.Read.All', 'Alert.ReadWrite.All'],
  },
} as const satisfies Record<string, { use: string; enough: readonly string[] }>;

/** An application permission (app role) of Defender. */
export type Role = keyof typeof rights;

/** What is known of a token. */
export interface SeenToken {
  /** What it was asked for. */
  audience: string;
  /** Undefined where it cannot be read. */
  roles: readonly string[] | undefined;
}

/** Tells whether the roles of a token include one; true of a token that cannot be read. */
export function isEnough(roles: readonly string[] | undefined, role: Role): boolean {
  return roles === undefined || rights[role].enough.some((each) => roles.includes(each));
}

/** The error of a call that is not sent, because its token lacks the role. */
export function missingRole(role: Role, seen: SeenToken): MissingRightError {
  return new MissingRightError(
    `${lacks(role)}: its token does not have it, so that the call was not tried`,
    howToGrant(role, seen),
  );
}

/** The error of a call that Defender answered with 403. */
export function refusedCall(error: ApiError, role: Role, seen: SeenToken): MissingRightError {
  if (error.serviceCode === 'DisabledFeature') {
    return new MissingRightError(
      `Defender says that a feature of this tenant is disabled, without which the program cannot ${rights[role].use}: ${error.message}`,
      'No permission helps here: the tenant lacks the licence, or the feature is switched off in its settings.',
    );
  }
  if (isAboutTenant(error)) {
    return new MissingRightError(
      `Defender refuses this tenant, so that the program cannot ${rights[role].use}: ${error.message}`,
      tenantHint,
    );
  }
  return new MissingRightError(`${lacks(role)}: ${error.message}`, howToGrant(role, seen));
}

/** The error of a fresh token that Defender answered with 401. */
export function refusedToken(error: ApiError, audience: string): AuthError {
  return new AuthError(
    `Defender refused a fresh access token: ${error.message}`,
    isAboutTenant(error)
      ? tenantHint
      : `The token was issued for ${audience}: check that atp.cloud, atp.audience and atp.apiUrl belong together.`,
  );
}

const tenantHint =
  'No token and no permission helps here: look at the licences of the tenant and at the state of Defender for Endpoint in it.';

/** Sentences of a 401 or 403 about a licence or the state of the tenant, as users report them. */
function isAboutTenant({ serviceMessage = '' }: ApiError): boolean {
  return /account mode is inactive|no tvm license|account is not provisioned/iu.test(serviceMessage);
}

function lacks(role: Role): string {
  return `the application lacks the permission ${role} to ${rights[role].use}`;
}

function howToGrant(role: Role, seen: SeenToken): string {
  const enough = rights[role].enough.join(' or ');
  return (
    `Add the application permission ${role} of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent. ` +
    `Needed: ${enough}. The token for ${seen.audience} has ${rolesInWords(seen)}.`
  );
}

function rolesInWords({ roles }: SeenToken): string {
  if (roles === undefined) return 'roles that cannot be read';
  return roles.length === 0 ? 'no roles' : `the roles ${cleanText(roles.join(', '), 300)}`;
}
