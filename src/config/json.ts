/** Where and why a text is not JSON; nothing of the text itself, which may hold secrets. */
interface JsonFault {
  /** Counted from 1. */
  line: number;
  /** Counted from 1, in UTF-16 units. */
  column: number;
  /** For a person: what should have been there. */
  what: string;
}

type ParsedJson = { value: unknown; twice: string[][] } | { fault: JsonFault };

/** A configuration has three levels. */
const maxDepth = 32;

const space = /[ \t\n\r]*/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

class Fault extends Error {
  readonly at: number;

  constructor(at: number, what: string) {
    super(what);
    this.at = at;
  }
}

/**
 * Parses JSON, and unlike `JSON.parse` tells the place of a fault without quoting the text, and which keys are given
 * twice (paths), of which `JSON.parse` would silently keep the last.
 */
export function parseJson(text: string): ParsedJson {
  const twice: string[][] = [];
  try {
    const end = scan(text, 0, [], twice);
    if (end < text.length) throw new Fault(end, `expected nothing more${remark(text, end)}`);
    return { value: JSON.parse(text), twice };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const before = text.slice(0, error.at).split('\n');
    return { fault: { line: before.length, column: (before.at(-1) ?? '').length + 1, what: error.message } };
  }
}

/** Walks over one value and the blanks around it; returns where it ends. */
function scan(text: string, start: number, path: readonly string[], twice: string[][]): number {
  const at = skip(text, start, space);
  if (path.length > maxDepth) throw new Fault(at, 'nested too deeply');
  if (text[at] === '{') return scanMembers(text, at, path, twice);
  if (text[at] === '[') return scanItems(text, at, path, twice);
  if (text[at] === '"') return skip(text, scanString(text, at), space);
  const end = skip(text, at, scalar);
  if (end === at) throw new Fault(at, `expected a value${remark(text, at)}`);
  return skip(text, end, space);
}

function scanMembers(text: string, open: number, path: readonly string[], twice: string[][]): number {
  const keys = new Set<string>();
  let at = skip(text, open + 1, space);
  if (text[at] === '}') return skip(text, at + 1, space);
  for (;;) {
    if (text[at] !== '"') throw new Fault(at, `expected a key in double quotes${remark(text, at)}`);
    const end = scanString(text, at);
    const key = String(JSON.parse(text.slice(at, end)));
    if (keys.has(key)) twice.push([...path, key]);
    keys.add(key);
    at = skip(text, end, space);
    if (text[at] !== ':') throw new Fault(at, `expected a colon after the key${remark(text, at)}`);
    at = scan(text, at + 1, [...path, key], twice);
    if (text[at] === '}') return skip(text, at + 1, space);
    if (text[at] !== ',') throw new Fault(at, `expected a comma or a closing brace${remark(text, at)}`);
    at = skip(text, at + 1, space);
  }
}

function scanItems(text: string, open: number, path: readonly string[], twice: string[][]): number {
  let at = skip(text, open + 1, space);
  if (text[at] === ']') return skip(text, at + 1, space);
  for (let index = 0; ; index++) {
    at = scan(text, at, [...path, String(index)], twice);
    if (text[at] === ']') return skip(text, at + 1, space);
    if (text[at] !== ',') throw new Fault(at, `expected a comma or a closing bracket${remark(text, at)}`);
    at = skip(text, at + 1, space);
  }
}

function scanString(text: string, at: number): number {
  const end = skip(text, at, string);
  if (end === at) {
    throw new Fault(
      at,
      'this string has no end on its line, or a backslash or control character that JSON forbids',
    );
  }
  return end;
}

function skip(text: string, at: number, pattern: RegExp): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Names the usual mistakes by what stands at the fault. */
function remark(text: string, at: number): string {
  const next = text[at];
  if (next === undefined) return ', but the file ends here';
  if (next === '/' || next === '#') return '; JSON has no comments';
  if (next === "'") return '; JSON has no single quotes';
  if ((next === '}' || next === ']') && /,\s*$/u.test(text.slice(0, at))) {
    return '; the comma before it is one too many';
  }
  return '';
}
