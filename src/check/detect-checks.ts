import { unknownGroups } from '../decide/guard.ts';
import { AppError, AuthError, ConfigError } from '../errors.ts';
import { attempt, hasNoFlags, type CheckContext } from './context.ts';
import { failure, fine, skipped, warning, type Line } from './line.ts';

const names = {
  reachable: 'detect',
  certificate: 'detect certificate',
  token: 'detect token',
  version: 'detect api version',
  groups: 'exclusion groups',
} as const;

const addressHint = 'Check detect.url and detect.apiVersion, and what is between this machine and Detect.';
const troubleHint = 'Detect itself is in trouble: look at its own health page, and try again later.';

/** Asks Detect for a host that cannot be, and tells from what comes of it how far the way to its hosts is open. */
export async function checkDetect(context: CheckContext): Promise<Line[]> {
  const { detect, config } = context;
  try {
    await detect.tryToSearch();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [...afterFailure(error, context), ...skippedGroups(context)];
  }
  return [
    reachable(context),
    certificate(context),
    fine(names.token, 'may read hosts; writing is not tried'),
    fine(names.version, `v${config.detect.apiVersion}`),
    ...(await checkGroups(context)),
  ];
}

function afterFailure(error: AppError, context: CheckContext): Line[] {
  const { version, token, certificate: trust } = names;
  const { failure: answer } = context.answers.detect;
  if (answer?.isUntrusted) {
    return [
      reachable(context),
      failure(trust, error, addressHint),
      ...untried([token, version], 'certificate'),
    ];
  }
  const isAnswer = answer?.status !== undefined || answer?.failure === 'unreadable';
  if (!isAnswer || !(error instanceof AuthError || error instanceof ConfigError)) {
    const hint = isAnswer ? troubleHint : addressHint;
    return [failure(names.reachable, error, hint), ...untried([trust, token, version], 'connection')];
  }
  const before = [reachable(context), certificate(context)];
  return error instanceof AuthError
    ? [...before, failure(token, error, addressHint), ...untried([version], 'token')]
    : [...before, ...untried([token], 'API version'), failure(version, error, addressHint)];
}

function untried(lines: readonly string[], reason: string): Line[] {
  return lines.map((name) => skipped(name, `not tried, because of the ${reason}`));
}

function reachable({ config }: CheckContext): Line {
  return fine(names.reachable, `${config.detect.url} answers`);
}

function certificate({ config }: CheckContext): Line {
  const { url, insecure, fingerprint256, ca } = config.detect;
  const name = names.certificate;
  if (url.startsWith('http:')) return fine(name, 'none: without TLS, on this machine');
  if (insecure) {
    const detail =
      'NOT verified, because detect.insecure is set: whoever is in between can read the API token';
    return warning(name, detail, config.warnings.find(({ topic }) => topic === 'insecure')?.mend ?? '');
  }
  if (fingerprint256 !== undefined) return fine(name, 'is the one of detect.fingerprint256');
  return fine(name, ca === undefined ? 'trusted' : 'trusted, with detect.caFile');
}

/** Only isolations ask for the groups: without `--blocktag` a run does not mind. */
async function checkGroups({ detect, config, triggers }: CheckContext): Promise<Line[]> {
  const { groups } = config.isolation.never;
  if (groups.length === 0) return [];
  const line = await attempt(
    names.groups,
    async () => {
      const unknown = unknownGroups(groups, await detect.listGroupNames());
      if (unknown.length === 0) return `Detect knows ${quoted(groups)}`;
      throw new ConfigError(
        `Detect does not know ${quoted(unknown)}`,
        'Correct isolation.never.groups or create the group in Detect; until then no machine is isolated.',
      );
    },
    troubleHint,
  );
  const isNeeded = triggers.blockTags.length > 0 || hasNoFlags(triggers);
  return [line.state === 'fail' && !isNeeded ? warning(line.name, line.detail, line.hint) : line];
}

function skippedGroups({ config }: CheckContext): Line[] {
  return config.isolation.never.groups.length === 0 ? [] : untried([names.groups], 'failure above');
}

function quoted(list: readonly string[]): string {
  return list.map((name) => `"${name}"`).join(', ');
}
