import type { AtpClient } from './atp/client.ts';
import { rolesOf, type TokenSource } from './atp/token.ts';
import type { Config } from './config/config.ts';
import { unknownGroups } from './decide/guard.ts';
import type { DetectClient } from './detect/client.ts';
import { cacheProblem } from './cache.ts';
import { AppError, AuthError, ExitCode } from './errors.ts';
import type { Triggers } from './pipeline/context.ts';

/** One line of `--check`. */
export interface Check {
  name: string;
  ok: boolean;
  /** The exit code that the line asks for; 0 where it is fine or only a warning. */
  code: ExitCode;
  detail: string;
  /** The next step to take; empty where there is none. */
  hint: string;
}

/** What `--check` works with. */
export interface CheckContext {
  config: Config;
  triggers: Triggers;
  detect: DetectClient;
  atp: AtpClient;
  /** A token source without a cache, so that the token is really asked for. */
  token: TokenSource;
  /** The clocks of the services, milliseconds UTC, and ours at the same moment; filled while the checks run. */
  clocks: { name: string; theirs: number; ours: number }[];
  warnings: readonly string[];
}

/** The largest difference that no token request and no address lookup minds. */
const toleratedSkewMs = 120_000;
/** No machine has it: Defender's 404 proves that it is reachable, and that the token may read machines. */
const nobody = '0'.repeat(40);

/** Tests configuration, credentials, permissions and reachability, and changes nothing. */
export async function runChecks(context: CheckContext): Promise<Check[]> {
  const { config, warnings } = context;
  const checks: Check[] = [fine('configuration', config.file)];
  for (const warning of warnings) checks.push({ ...fine('configuration', warning), hint: 'see above' });
  checks.push(await checkCache(config));
  checks.push(await attempt('detect', () => searchNothing(context)));
  if (config.isolation.never.groups.length > 0)
    checks.push(await attempt('exclusion groups', () => findGroups(context)));

  let token: string | undefined;
  const login = await attempt('login', async () => {
    token = await context.token.get();
    return `a token for ${config.atp.audience} was issued to app ${config.atp.appId}`;
  });
  checks.push(login);
  if (token !== undefined) {
    checks.push(...checkRoles(rolesOf(token), context.triggers));
    checks.push(await attempt('defender', () => askDefender(context)));
  }
  checks.push(checkClocks(context.clocks));
  return checks;
}

/** The first failure decides. */
export function checkExitCode(checks: readonly Check[]): ExitCode {
  return checks.find((check) => check.code !== ExitCode.done)?.code ?? ExitCode.done;
}

function fine(name: string, detail: string): Check {
  return { name, ok: true, code: ExitCode.done, detail, hint: '' };
}

async function attempt(name: string, test: () => Promise<string>): Promise<Check> {
  try {
    return fine(name, await test());
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { name, ok: false, code: error.exitCode, detail: error.message, hint: error.hint ?? '' };
  }
}

async function searchNothing({ detect, config }: CheckContext): Promise<string> {
  await detect.searchHosts('host.id:0', 1);
  const { url, apiVersion, insecure, fingerprint256, ca } = config.detect;
  const trust = insecure
    ? 'its certificate is NOT verified'
    : fingerprint256 !== undefined
      ? 'its certificate is the pinned one'
      : url.startsWith('http:')
        ? 'without TLS, on this machine'
        : ca !== undefined
          ? 'its certificate is trusted by detect.caFile'
          : 'its certificate is trusted';
  return `${url} answers as API v${apiVersion}, ${trust}, the token may read hosts (writing is not tried)`;
}

async function findGroups({ detect, config }: CheckContext): Promise<string> {
  const wanted = config.isolation.never.groups;
  const unknown = unknownGroups(wanted, await detect.listGroupNames());
  if (unknown.length === 0) return `Detect knows ${wanted.map((name) => `"${name}"`).join(', ')}`;
  throw new AppError(
    `Detect does not know ${unknown.map((name) => `"${name}"`).join(', ')}`,
    'unknown_group',
    ExitCode.config,
    'correct isolation.never.groups or create the group; until then no machine is isolated',
  );
}

async function askDefender({ atp, config }: CheckContext): Promise<string> {
  await atp.getMachine(nobody, 'action');
  return `${config.atp.apiUrl} answers and lets the app read machines`;
}

async function checkCache({ cacheDir }: Config): Promise<Check> {
  if (cacheDir === undefined)
    return fine('cache', 'none: neither cacheDir nor a home directory is set, so every run logs in anew');
  const problem = await cacheProblem(cacheDir);
  if (problem === undefined) return fine('cache', `${cacheDir} can be written`);
  const hint =
    'the cache only saves calls: runs work without it; set cacheDir to a directory of your own to mend this';
  return { name: 'cache', ok: false, code: ExitCode.done, detail: problem, hint };
}

function checkRoles(roles: readonly string[] | undefined, triggers: Triggers): Check[] {
  if (roles === undefined) {
    return [
      {
        ...fine('roles', 'the token cannot be read, so its roles are not known'),
        hint: 'the calls below tell',
      },
    ];
  }
  const acts = [
    ...(triggers.blockTags.length > 0 ? ['--blocktag'] : []),
    ...(triggers.unblockTags.length > 0 ? ['--unblocktag'] : []),
  ];
  const enriches = [...(triggers.tags.length > 0 ? ['--tag'] : []), ...(triggers.tc ? ['--tc'] : [])];
  const noFlags = acts.length + enriches.length === 0;
  const neededBy = (flags: string[], otherwise: string) => (flags.length > 0 ? flags.join(', ') : otherwise);

  const rows: Check[] = [
    roleCheck(roles, 'Machine.Read.All', neededBy([...enriches, ...acts], 'every flag'), true),
  ];
  if (noFlags || acts.length > 0) {
    rows.push(roleCheck(roles, 'Machine.Isolate', neededBy(acts, '--blocktag and --unblocktag'), true));
  }
  rows.push(roleCheck(roles, 'Alert.Read.All', 'the alerts in the note', false));
  return rows;
}

function roleCheck(roles: readonly string[], role: string, neededBy: string, mustHave: boolean): Check {
  const name = `role ${role}`;
  const granted = roles.includes(role) || roles.includes(role.replace('.Read.', '.ReadWrite.'));
  if (granted) return fine(name, `granted, needed by ${neededBy}`);
  return {
    name,
    ok: false,
    code: mustHave ? new AuthError('').exitCode : ExitCode.done,
    detail: `not in the token, needed by ${neededBy}`,
    hint: `Entra admin center → App registrations → API permissions → WindowsDefenderATP → application permission ${role}, then grant admin consent`,
  };
}

function checkClocks(clocks: CheckContext['clocks']): Check {
  const off = clocks.map(({ name, theirs, ours }) => ({
    name,
    seconds: Math.round((ours - theirs) / 1_000),
  }));
  const worst = off.sort((one, other) => Math.abs(other.seconds) - Math.abs(one.seconds))[0];
  if (!worst) return fine('clock', 'not compared: no service gave its time');
  if (Math.abs(worst.seconds) * 1_000 <= toleratedSkewMs) {
    return fine('clock', `within ${Math.abs(worst.seconds)} s of ${off.map(({ name }) => name).join(', ')}`);
  }
  const direction = worst.seconds > 0 ? 'ahead of' : 'behind';
  return {
    name: 'clock',
    ok: false,
    code: ExitCode.incomplete,
    detail: `this machine's clock is ${Math.abs(worst.seconds)} s ${direction} ${worst.name}`,
    hint: 'set the clock (chrony or systemd-timesyncd): tokens, certificates and address lookups depend on it',
  };
}

/** The checks as a table. */
export function checkTable(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(({ name, ok, code, detail, hint }) => {
      const state = ok ? 'ok  ' : code === ExitCode.done ? 'warn' : 'FAIL';
      const next = hint && !ok ? `\n${' '.repeat(width + 7)}→ ${hint}` : '';
      return `${state}  ${name.padEnd(width)}  ${detail}${next}\n`;
    })
    .join('');
}
