import { ConfigError } from '../errors.ts';
import { Trouble } from './fields.ts';
import { knownKeys } from './schema.ts';

/** Something that should be mended but stops nothing. */
export interface Warning {
  topic: 'permissions' | 'certificate' | 'insecure' | 'cache' | 'proxy' | 'audience' | 'secret';
  /** What is the matter, as the beginning of a sentence. */
  text: string;
  /** What to do about it: a command with the topic `permissions`, else advice. */
  mend?: string;
}

/** A warning as one line of the log. */
export function warningText({ topic, text, mend }: Warning): string {
  if (mend === undefined) return text;
  return `${text}${topic === 'permissions' ? ':' : ';'} ${mend}`;
}

/** Everything found wrong with one configuration, gathered so that a person mends it in one go. */
export interface Findings {
  /** Something that makes the configuration unusable. `key` is a full key such as `detect.url`, or what else is at fault. */
  problem(key: string, text: string): void;
  unknownKey(key: string): void;
  /** What `read` returns; undefined when it throws a {@link Trouble}, which is a problem with the key. */
  attempt<Value>(key: string, read: () => Value | Promise<Value>): Promise<Value | undefined>;
  warn(warning: Warning): void;
  warnings: Warning[];
  any(): boolean;
  /** The error that lists every problem, in the order of the known keys. */
  error(file: string): Promise<ConfigError>;
}

interface Problem {
  key: string;
  text: string;
  isUnknown: boolean;
}

/** A file with more problems than this is no configuration. */
const mostListed = 100;

/** Starts with nothing found. */
export function createFindings(): Findings {
  const problems = new Map<string, Problem>();
  const warnings: Warning[] = [];
  const warned = new Set<string>();

  function add(problem: Problem): void {
    problems.set(`${problem.key}: ${problem.text}`, problem);
  }

  return {
    problem(key, text) {
      add({ key, text, isUnknown: false });
    },
    unknownKey(key) {
      add({ key, text: 'unknown key', isUnknown: true });
    },
    async attempt(key, read) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        add({ key, text: error.message, isUnknown: false });
        return undefined;
      }
    },
    warn(warning) {
      if (!warned.has(warning.text)) warnings.push(warning);
      warned.add(warning.text);
    },
    warnings,
    any: () => problems.size > 0,
    async error(file) {
      const ranked = [...problems.values()].map((problem) => ({ ...problem, rank: rankOf(problem.key) }));
      const sorted = ranked.sort((one, other) => one.rank - other.rank);
      const lines = await Promise.all(sorted.slice(0, mostListed).map(lineOf));
      if (sorted.length > mostListed) lines.push(`- and ${sorted.length - mostListed} more`);
      return new ConfigError(`the configuration ${file} is not valid:\n${lines.join('\n')}`);
    },
  };
}

/** Unknown keys follow the known ones of their section; what is no key comes first. */
function rankOf(key: string): number {
  const known = knownKeys.indexOf(key.replace(/\[\d+\]$/u, ''));
  if (known >= 0) return known;
  return knownKeys.findLastIndex((other) => other.startsWith(parentOf(key) || '.')) + 0.5;
}

async function lineOf({ key, text, isUnknown }: Problem): Promise<string> {
  const meant = isUnknown ? await suggestKey(key) : undefined;
  return `- ${key}: ${text}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** The known key that was most likely meant: nearly the same name beside the unknown one, or its name elsewhere. */
async function suggestKey(unknown: string): Promise<string | undefined> {
  const { closestMatch } = await import('leven');
  const parent = parentOf(unknown);
  const name = unknown.slice(parent.length);
  const beside = knownKeys.filter((key) => parentOf(key) === parent).map((key) => key.slice(parent.length));
  // Two slips in a long name, one in a short one.
  const close = closestMatch(name, beside, { maxDistance: name.length > 5 ? 2 : 1 });
  if (close !== undefined) return parent + close;
  return knownKeys.find((key) => key.slice(parentOf(key).length) === name);
}

/** The section of a key, with the dot at its end; empty at the top. */
function parentOf(key: string): string {
  return key.slice(0, key.lastIndexOf('.') + 1);
}
