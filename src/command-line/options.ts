import { CommanderError } from 'commander';
import { createProgram, type Given, type OptionsOutput, type Switches } from './program.ts';
import { couldBeOwnTag, maxTagLength, sameTag } from '../decide/tags.ts';
import { ExitCode, UsageError } from '../errors.ts';

/** What the command line asks for. */
export interface Options {
  /** Trigger tags of `--tag`, as given, each once whatever its case. */
  tags: string[];
  /** Lowest scores of `--tc`, 0 to 100. */
  tc: { threat: number; certainty: number } | undefined;
  blockTags: string[];
  unblockTags: string[];
  dryRun: boolean;
  check: boolean;
  status: boolean;
  /** 0 to 3,600. */
  waitSeconds: number;
  json: boolean;
  /** The file named by `--config`, as given. */
  config: string | undefined;
  verbosity: 'verbose' | 'normal' | 'quiet';
}

/** A run is meant to end before cron starts the next few. */
const maxWaitSeconds = 3600;

/**
 * Reads the command line (without the names of Node.js and the script). Help and version are written and end with 0;
 * a usage error is written as one line on the error stream and ends with 64, as does a line that asks for nothing.
 */
export function parseOptions(argv: readonly string[], io: OptionsOutput): Options | { exit: ExitCode } {
  const given: Given = { tags: [], blockTags: [], unblockTags: [], scores: [], wait: [], config: [] };
  const program = createProgram(given, io);
  try {
    refuseMisplacedValues(argv);
    program.parse(argv, { from: 'user' });
    const options = readOptions(given, program.opts<Switches>(), program.args, argv);
    if (options.check || options.status || asksForAction(options)) return options;
    program.outputHelp({ error: true });
    throw new UsageError('nothing to do: give --tag, --tc, --blocktag, --unblocktag, --check or --status');
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return { exit: ExitCode.done };
    if (!(error instanceof CommanderError) && !(error instanceof UsageError)) throw error;
    io.writeErr(`atp: ${oneLine(error.message)} (see atp --help)\n`);
    return { exit: ExitCode.usage };
  }
}

/**
 * commander takes whatever follows as the value, so that `--blocktag --dry-run` would be a run that is not dry, for
 * a tag of that name.
 */
function refuseMisplacedValues(argv: readonly string[]): void {
  const takesValue = ['--tag', '--tc', '--blocktag', '--unblocktag', '--config', '--wait'];
  for (const [at, flag] of argv.entries()) {
    if (flag === '--') return;
    const excess = /^(--(?:dry-run|check|status|json|verbose|quiet|help|version))=/u.exec(flag)?.[1];
    if (excess) throw new UsageError(`${excess} takes no value`);
    if (!takesValue.includes(flag)) continue;
    const next = argv[at + 1];
    if (next !== undefined && !next.startsWith('--') && !/^-[A-Za-z]$/u.test(next)) continue;
    if (flag === '--tc') throw new UsageError(scoresWanted('nothing'));
    if (next === undefined) throw new UsageError(`${flag} needs a value`);
    throw new UsageError(`${flag} needs a value; if ${quote(next)} is meant, write ${flag}=${next}`);
  }
}

function readOptions(
  given: Given,
  switches: Switches,
  operands: readonly string[],
  argv: readonly string[],
): Options {
  if (argv.some((argument) => argument.startsWith('--tc='))) {
    throw new UsageError('--tc takes its two scores after blanks, not after an equals sign: --tc 75 75');
  }
  const [operand] = operands;
  if (operand !== undefined) {
    throw new UsageError(`unexpected argument ${quote(operand)}; a tag with blanks needs quotes`);
  }
  if (switches.verbose && switches.quiet) {
    throw new UsageError('--verbose and --quiet exclude each other');
  }
  if (switches.status) refuseBesideStatus(given, switches);
  checkTags({ '--tag': given.tags, '--blocktag': given.blockTags, '--unblocktag': given.unblockTags });
  return {
    tags: distinct(given.tags),
    tc: readScores(given.scores, argv.filter((argument) => argument === '--tc').length),
    blockTags: distinct(given.blockTags),
    unblockTags: distinct(given.unblockTags),
    dryRun: switches.dryRun ?? false,
    check: switches.check ?? false,
    status: switches.status ?? false,
    waitSeconds: readWait(atMostOne('--wait', given.wait)),
    json: switches.json ?? false,
    config: readFileName(atMostOne('--config', given.config)),
    verbosity: switches.verbose ? 'verbose' : switches.quiet ? 'quiet' : 'normal',
  };
}

function refuseBesideStatus({ tags, scores, wait }: Given, { check, dryRun }: Switches): void {
  const others = {
    '--check': check === true,
    '--dry-run': dryRun === true,
    '--wait': wait.length > 0,
    '--tag': tags.length > 0,
    '--tc': scores.length > 0,
  };
  const [other] = Object.entries(others).filter(([, isGiven]) => isGiven);
  if (other) throw new UsageError(`--status and ${other[0]} exclude each other`);
}

function asksForAction(options: Options): boolean {
  return (
    options.tc !== undefined ||
    options.tags.length > 0 ||
    options.blockTags.length > 0 ||
    options.unblockTags.length > 0
  );
}

function checkTags(byFlag: Record<string, readonly string[]>): void {
  const purposes = Object.entries(byFlag);
  for (const [flag, tags] of purposes) {
    for (const tag of tags) checkTag(flag, tag);
  }
  for (const [at, [flag, tags]] of purposes.entries()) {
    for (const [otherFlag, others] of purposes.slice(at + 1)) {
      const shared = tags.find((tag) => others.some((other) => sameTag(tag, other)));
      if (shared === undefined) continue;
      throw new UsageError(`the tag ${quote(shared)} cannot be for both ${flag} and ${otherFlag}`);
    }
  }
}

function checkTag(flag: string, tag: string): void {
  if (tag.trim() === '') throw new UsageError(`the tag of ${flag} is empty`);
  if (/\p{Cc}/u.test(tag)) throw new UsageError(`the tag of ${flag} has control characters: ${quote(tag)}`);
  if (Array.from(tag).length > maxTagLength) {
    throw new UsageError(
      `the tag of ${flag} is longer than the ${maxTagLength} characters that Detect keeps`,
    );
  }
  if (!/[\p{L}\p{N}]/u.test(tag)) {
    throw new UsageError(`the tag of ${flag} has no letter or digit: ${quote(tag)}`);
  }
  if (couldBeOwnTag(tag)) {
    throw new UsageError(`the tag of ${flag} is one that atp writes itself: ${quote(tag)}`);
  }
}

/** Tags without those that differ from an earlier one in case only. */
function distinct(tags: readonly string[]): string[] {
  return tags.filter((tag, at) => !tags.slice(0, at).some((earlier) => sameTag(earlier, tag)));
}

function readScores(texts: readonly string[], times: number): Options['tc'] {
  if (times === 0) return undefined;
  if (times > 1) throw new UsageError('--tc is given more than once');
  const [threat, certainty, ...more] = texts;
  if (threat === undefined || certainty === undefined || more.length > 0) {
    throw new UsageError(scoresWanted(texts.map(quote).join(' ')));
  }
  return { threat: readScore('threat', threat), certainty: readScore('certainty', certainty) };
}

function scoresWanted(given: string): string {
  return `--tc takes exactly two scores, threat and certainty (--tc 75 75), not ${given}`;
}

function readScore(name: string, text: string): number {
  const score = wholeNumber(text);
  if (score === undefined) throw new UsageError(`the ${name} of --tc is not a whole number: ${quote(text)}`);
  if (score < 0 || score > 100) {
    throw new UsageError(`the ${name} of --tc is not between 0 and 100: ${quote(text)}`);
  }
  return score;
}

function readWait(text: string | undefined): number {
  if (text === undefined) return 0;
  const seconds = wholeNumber(text);
  if (seconds === undefined || seconds < 0 || seconds > maxWaitSeconds) {
    throw new UsageError(`--wait takes whole seconds from 0 to ${maxWaitSeconds}, not ${quote(text)}`);
  }
  return seconds;
}

/** Digits with or without a minus sign; Number() alone would also take `6e1`, `0x10` and blanks. */
function wholeNumber(text: string): number | undefined {
  return /^-?\d{1,9}$/u.test(text) ? Number(text) : undefined;
}

function readFileName(name: string | undefined): string | undefined {
  if (name?.trim() === '') throw new UsageError('the file name of --config is empty');
  return name;
}

function atMostOne(flag: string, values: readonly string[]): string | undefined {
  if (values.length > 1) throw new UsageError(`${flag} is given more than once`);
  return values[0];
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Makes a message fit for one line of a terminal, whatever the arguments it quotes; commander's own are two lines. */
function oneLine(message: string): string {
  return (
    message
      .replace(/^error: /u, '')
      // A value pasted behind an unknown option may be a secret.
      .replace(/^(unknown option '[^=]*)=.*'/su, "$1'")
      .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
      .trim()
  );
}
