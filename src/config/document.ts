import { cleanText } from '../output/clean.ts';
import type { Findings } from './findings.ts';
import { parseJson } from './json.ts';
import { ConfigFile, knownKeys } from './schema.ts';
import { suggestKey } from './suggestion.ts';

type Path = readonly PropertyKey[];

/**
 * Reads the text of a configuration file. Every problem is reported under its key; keys with a problem are left out of
 * what is returned, so that the rest can be examined as well. Undefined when nothing of it can be used.
 * Values that are secret by their place are registered before any problem is put in words.
 */
export function readDocument(
  text: string,
  findings: Findings,
  registerSecret: (secret: string) => void,
): { document: ConfigFile; holdsSecrets: boolean } | undefined {
  const parsed = parseJson(text);
  if ('fault' in parsed) {
    const { line, column, what } = parsed.fault;
    findings.problem(`line ${line}, column ${column}`, what);
    return undefined;
  }
  const secrets = [...secretsIn(parsed.value, '')];
  secrets.forEach(registerSecret);

  const { value } = parsed;
  for (const path of parsed.twice) findings.problem(nameOf(path), 'is given twice');
  reportIssues(value, findings);
  reportPlaceholders(value, [], findings);
  const result = ConfigFile.safeParse(value);
  return result.success ? { document: result.data, holdsSecrets: secrets.length > 0 } : undefined;
}

/** Puts in words what does not fit the schema, and removes it from the value. */
function reportIssues(value: unknown, findings: Findings): void {
  for (const issue of ConfigFile.safeParse(value).error?.issues ?? []) {
    if (issue.code !== 'unrecognized_keys') {
      findings.problem(nameOf(issue.path), issue.message);
      remove(value, issue.path);
      continue;
    }
    for (const key of issue.keys) {
      const name = nameOf([...issue.path, key]);
      const meant = suggestKey(name, knownKeys);
      findings.problem(name, `unknown key${meant === undefined ? '' : `; did you mean ${meant}?`}`);
      remove(value, [...issue.path, key]);
    }
  }
}

function reportPlaceholders(value: unknown, path: Path, findings: Findings, root = value): void {
  if (typeof value === 'string' && isPlaceholder(value)) {
    findings.problem(nameOf(path), placeholderTrouble);
    remove(root, path);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      reportPlaceholders(inner, [...path, Array.isArray(value) ? Number(key) : key], findings, root);
    }
  }
}

export const placeholderTrouble = 'still holds the placeholder of config.example.json';

/** Recognises what `config.example.json` has where a person must put something, such as `<your API token>`. */
export function isPlaceholder(text: string): boolean {
  return /<your [^<>]*>/iu.test(text);
}

/** Removes what lies at a path; of a list, the whole list. */
function remove(root: unknown, path: Path): void {
  let parent = root;
  for (const [at, key] of path.entries()) {
    if (typeof parent !== 'object' || parent === null) return;
    const inner: unknown = Reflect.get(parent, key);
    if (at === path.length - 1 || Array.isArray(inner)) {
      Reflect.deleteProperty(parent, key);
      return;
    }
    parent = inner;
  }
}

function nameOf(path: Path): string {
  if (path.length === 0) return 'the file';
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = cleanText(String(key), 40);
      return /^\w+$/u.test(name) ? `.${name}` : `.${JSON.stringify(name)}`;
    })
    .join('')
    .slice(1);
}

/** Values that are secrets, or are likely to be one under a misspelt key, and passwords in URLs. */
function* secretsIn(value: unknown, key: string): Generator<string> {
  if (typeof value === 'string') {
    if (/(?:token|secret|password|passphrase|key)$/iu.test(key)) yield value;
    yield* passwordsIn(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const [innerKey, inner] of Object.entries(value)) {
      yield* secretsIn(inner, Array.isArray(value) ? key : innerKey);
    }
  }
}

/** The password of a URL, or of a proxy without a scheme, in every spelling in which it may turn up, also with its user. */
export function passwordsIn(text: string): string[] {
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url)) return [];
  const { username, password } = new URL(url);
  if (password === '') return [];
  return [password, decode(password), `${username}:${password}`, `${decode(username)}:${decode(password)}`];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
