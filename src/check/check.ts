import { cacheProblem } from '../local/cache.ts';
import type { Config } from '../config/config.ts';
import type { Warning } from '../config/findings.ts';
import { AppError, ExitCode, serviceNames, type Service } from '../errors.ts';
import type { CheckContext } from './context.ts';
import { checkDetect } from './detect-checks.ts';
import { failure, fine, skipped, warning, type Line } from './line.ts';
import { checkMicrosoft } from './microsoft-checks.ts';

/** The largest difference of clocks that no token request and no address lookup minds. */
const toleratedSkewMs = 120_000;

/** What has a line of its own in the table. */
const topicsWithLines: readonly Warning['topic'][] = ['permissions', 'cache', 'insecure'];

/** Tests configuration, credentials, permissions and reachability, and changes nothing. */
export async function runChecks(context: CheckContext): Promise<Line[]> {
  const { config } = context;
  const detect = await checkDetect(context);
  const microsoft = await checkMicrosoft(context);
  return [
    ...checkConfiguration(config),
    ...detect,
    checkClocks(context.answers),
    ...microsoft,
    await checkCache(config.cacheDir),
  ];
}

/** The only line when the configuration cannot be used. */
export function unusableConfiguration(error: AppError): Line {
  return failure('configuration', error, 'Mend what is named there; config.example.json shows the form.');
}

function checkConfiguration({ file, warnings }: Config): Line[] {
  const exposed = warnings.filter(({ topic }) => topic === 'permissions');
  const others = warnings.filter(({ topic }) => !topicsWithLines.includes(topic));
  return [
    fine('configuration', `${file} is valid`),
    ...others.map(({ text, mend = '' }) => warning('configuration', text, mend)),
    ...(exposed.length > 0
      ? exposed.map(({ text, mend = '' }) => warning('permissions', text, mend))
      : [fine('permissions', 'nobody else can change the configuration or read its secrets')]),
  ];
}

async function checkCache(cacheDir: string | undefined): Promise<Line> {
  const hint =
    'The cache only saves calls, and runs work without it. Set cacheDir to a directory of your own to have one.';
  if (cacheDir === undefined) {
    return warning(
      'cache',
      'none: neither cacheDir nor a home directory is set, so every run logs in anew',
      hint,
    );
  }
  const problem = await cacheProblem(cacheDir);
  return problem === undefined
    ? fine('cache', `${cacheDir} can be written`)
    : warning('cache', problem, hint);
}

function checkClocks(answers: CheckContext['answers']): Line {
  const services: Service[] = ['detect', 'login', 'atp'];
  const differences = services.flatMap((service) =>
    answers[service].clocks
      .slice(0, 1)
      .map(({ theirs, ours }) => ({ name: serviceNames[service], ms: ours - theirs })),
  );
  const worst = [...differences].sort((one, other) => Math.abs(other.ms) - Math.abs(one.ms))[0];
  if (!worst) return skipped('clock', 'not compared: no service gave its time');
  const seconds = Math.round(Math.abs(worst.ms) / 1_000);
  if (Math.abs(worst.ms) <= toleratedSkewMs) {
    return fine('clock', `within ${seconds} s of ${differences.map(({ name }) => name).join(', ')}`);
  }
  const direction = worst.ms > 0 ? 'ahead of' : 'behind';
  return failure(
    'clock',
    new AppError(
      `the clock of this machine is ${seconds} s ${direction} that of ${worst.name}`,
      'clock',
      ExitCode.incomplete,
    ),
    'Set the clock (timedatectl, chrony): credentials, certificates and the lookup of addresses depend on it.',
  );
}
