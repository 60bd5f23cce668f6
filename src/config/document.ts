import type * as z from 'zod/mini';
import { cleanText } from '../output/clean.ts';
import type { Findings } from './findings.ts';
import { ConfigFile } from './schema.ts';
import { passwordsIn } from './secrets.ts';

/** What a configuration file says, whether or not all of it can be used. Keys are full ones such as `detect.token`. */
export interface Document {
  /** The whole file as the program uses it; undefined after a problem. */
  file: z.infer<typeof ConfigFile> | undefined;
  holdsSecrets: boolean;
  /** Tells whether there is anything under a key, usable or not. */
  has(key: string): boolean;
  /** What is under a key; undefined also where that had a problem. */
  valueOf(key: string): unknown;
  hasFault(key: string): boolean;
}

/** A file with more than this is no configuration, and zod can report no more than some 100,000 problems. */
const mostEntries = 20_000;

/**
 * Reads the text of a configuration file. Every problem is reported under its key, and what has none can still be examined.
 * Undefined when it is no JSON object. Values that are secret by their place are registered before any problem is put in words.
 */
export async function readDocument(
  text: string,
  findings: Findings,
  registerSecret: (secret: string) => void,
): Promise<Document | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the file.
    await reportFault(text, findings);
    return undefined;
  }
  const { secrets, members, items } = survey(value);
  secrets.forEach(registerSecret);
  if (members + items > mostEntries) {
    findings.problem('the file', `expected at most ${mostEntries} keys and list items`);
    return undefined;
  }
  if (members < membersWritten(text)) await reportFault(text, findings);
  if (!isObject(value)) {
    findings.problem('the file', 'expected an object in braces');
    return undefined;
  }

  const root = value;
  const result = ConfigFile.safeParse({ detect: {}, atp: {}, ...root });
  const faulty = reportIssues(result.error?.issues ?? [], findings);
  function rawValue(key: string): unknown {
    return key
      .split('.')
      .reduce<unknown>(
        (inner, name) => (isObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined),
        root,
      );
  }
  return {
    file: result.data,
    holdsSecrets: secrets.length > 0,
    has: (key) => rawValue(key) !== undefined,
    valueOf: (key) => (faulty.has(key) ? undefined : rawValue(key)),
    hasFault: (key) => faulty.has(key),
  };
}

/** Says where the text is no JSON, or which keys it gives twice. */
async function reportFault(text: string, findings: Findings): Promise<void> {
  const { inspectJson } = await import('./json-faults.ts');
  const found = inspectJson(text);
  if ('fault' in found) {
    const { line, column, what } = found.fault;
    findings.problem(`line ${line}, column ${column}`, what);
  } else {
    for (const path of found.twice) findings.problem(nameOf(path), 'is given twice');
  }
}

/** Puts in words what does not fit the schema; returns the keys whose values cannot be used. */
function reportIssues(issues: readonly z.core.$ZodIssue[], findings: Findings): Set<string> {
  const faulty = new Set<string>();
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) findings.unknownKey(nameOf([...issue.path, key]));
    } else {
      findings.problem(nameOf(issue.path), issue.message);
      faulty.add(issue.path.join('.'));
    }
  }
  return faulty;
}

function nameOf(path: readonly PropertyKey[]): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = cleanText(String(key), 40);
      return /^\w+$/u.test(name) ? `.${name}` : `.${JSON.stringify(name)}`;
    })
    .join('')
    .slice(1);
}

/** Values that are secrets, or are likely to be one under a misspelt key, and passwords in URLs; and how much there is. */
function survey(root: unknown): { secrets: string[]; members: number; items: number } {
  const secrets: string[] = [];
  let members = 0;
  let items = 0;
  // A list of what is left to see, and no recursion: the file may be nested as deeply as it is long.
  const left: { key: string; value: unknown }[] = [{ key: '', value: root }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { key, value } = next;
    if (typeof value === 'string') {
      if (/(?:token|secret|password|passphrase|key)$/iu.test(key)) secrets.push(value);
      secrets.push(...passwordsIn(value));
    } else if (Array.isArray(value)) {
      items += value.length;
      for (const item of value as unknown[]) left.push({ key, value: item });
    } else if (isObject(value)) {
      const entries = Object.entries(value);
      members += entries.length;
      for (const [name, inner] of entries) left.push({ key: name, value: inner });
    }
  }
  return { secrets, members, items };
}

/** How many keys a JSON text has, twice given ones included: outside of strings, a colon follows each key. */
function membersWritten(text: string): number {
  return text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"/gu, '').split(':').length - 1;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
