import { isEnough, type Role } from '../atp/rights.ts';
import { rolesOf } from '../http/token.ts';
import { ApiError, AuthError } from '../errors.ts';
import { urlKeys } from '../http/connection.ts';
import { actingFlags, attempt, enrichingFlags, hasNoFlags, type CheckContext } from './context.ts';
import { failure, fine, skipped, warning, type Line } from './line.ts';

/** No machine has it: Defender's 404 proves that it is reachable, and that the token may read machines. */
const nobody = '0'.repeat(40);

/** Logs in for a fresh token, looks at its roles, and asks Defender for a machine that cannot be. */
export async function checkMicrosoft(context: CheckContext): Promise<Line[]> {
  const { config, triggers } = context;
  let token: string | undefined;
  const login = await attempt(
    'login',
    async () => {
      token = await context.token.get();
      return `${config.atp.loginUrl} issued a token for ${config.atp.audience} to application ${config.atp.appId}`;
    },
    `Check ${urlKeys.login}, and what is between this machine and ${config.atp.loginUrl}.`,
  );
  if (token === undefined) {
    return [login, ...['roles', 'defender'].map((name) => skipped(name, 'not tried, because of the login'))];
  }
  const roles = checkRoles(rolesOf(token), triggers);
  const hint = `Check ${urlKeys.atp}, and what is between this machine and ${config.atp.apiUrl}.`;
  return [login, ...roles, await attempt('defender', () => askDefender(context), hint)];
}

async function askDefender({ atp, config }: CheckContext): Promise<string> {
  try {
    await atp.getMachine(nobody, { host: undefined, priority: 'action' });
  } catch (error) {
    // What Defender does not like about the id, it says only to those that it lets in.
    if (!(error instanceof ApiError && error.status === 400)) throw error;
  }
  return `${config.atp.apiUrl} answers, and lets the application read machines`;
}

function checkRoles(roles: readonly string[] | undefined, triggers: CheckContext['triggers']): Line[] {
  if (roles === undefined) {
    const hint = 'Look at the line "defender", and at the API permissions of the application in Entra ID.';
    return [warning('roles', 'the token cannot be read, so its roles are not known', hint)];
  }
  const acts = actingFlags(triggers);
  const flags = [...enrichingFlags(triggers), ...acts];
  const needs = flags.length > 0 ? flags.join(', ') : 'every flag';
  const needsIsolate = acts.length > 0 ? acts.join(', ') : '--blocktag, --unblocktag';
  return [
    mustHave(roles, 'Machine.Read.All', needs),
    ...(acts.length > 0 || hasNoFlags(triggers) ? [mustHave(roles, 'Machine.Isolate', needsIsolate)] : []),
    mayLack(roles, 'Alert.Read.All'),
  ];
}

function mustHave(roles: readonly string[], role: Role, neededBy: string): Line {
  const name = `role ${role}`;
  if (isEnough(roles, role)) return fine(name, `granted; needed by ${neededBy}`);
  return failure(name, new AuthError(`not in the token, but needed by ${neededBy}`), howToGrant(role));
}

function mayLack(roles: readonly string[], role: Role): Line {
  const name = `role ${role}`;
  if (isEnough(roles, role)) return fine(name, 'granted; for the alerts in the note');
  return warning(name, 'not in the token: the notes cannot say how many alerts there are', howToGrant(role));
}

function howToGrant(role: string): string {
  return `Entra admin center: App registrations, API permissions, add the application permission ${role} of WindowsDefenderATP, then grant admin consent.`;
}
