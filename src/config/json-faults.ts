import { printParseErrorCode, visit } from 'jsonc-parser';

/** Where and why a text is not JSON; nothing of the text itself, which may hold secrets. */
export interface JsonFault {
  /** Counted from 1. */
  line: number;
  /** Counted from 1, in UTF-16 units. */
  column: number;
  /** For a person: what should have been there. */
  what: string;
}

/** A configuration has three levels. */
const maxDepth = 32;

class Fault extends Error {
  readonly fault: JsonFault;

  constructor(line: number, character: number, what: string) {
    super(what);
    this.fault = { line: line + 1, column: character + 1, what };
  }
}

const stringFaults = [
  'UnexpectedEndOfString',
  'InvalidUnicode',
  'InvalidEscapeCharacter',
  'InvalidCharacter',
];

/**
 * Reads JSON for what `JSON.parse` does not tell: the place of the first fault, or the paths of keys that are given twice,
 * of which `JSON.parse` keeps the last.
 */
export function inspectJson(text: string): { fault: JsonFault } | { twice: (string | number)[][] } {
  const twice: (string | number)[][] = [];
  /** The keys so far of each open object; undefined for an open list. */
  const open: (Set<string> | undefined)[] = [];
  let expected = 'a value';

  function enter(keys: Set<string> | undefined, line: number, character: number): void {
    if (open.length > maxDepth) throw new Fault(line, character, 'nested too deeply');
    open.push(keys);
    expected = keys ? 'a key in double quotes' : 'a value';
  }

  function valueRead(): void {
    if (open.length === 0) expected = 'nothing more';
    else expected = open.at(-1) ? 'a comma or a closing brace' : 'a comma or a closing bracket';
  }

  function leave(offset: number): void {
    // What is still open at the end of the text is left, too, before that is said to be a fault.
    if (offset === text.length) return;
    open.pop();
    valueRead();
  }

  try {
    visit(
      text,
      {
        onObjectBegin(_offset, _length, line, character) {
          enter(new Set(), line, character);
        },
        onArrayBegin(_offset, _length, line, character) {
          enter(undefined, line, character);
        },
        onObjectEnd: leave,
        onArrayEnd: leave,
        onLiteralValue: valueRead,
        onObjectProperty(key, _offset, _length, _line, _character, path) {
          const keys = open.at(-1);
          if (keys?.has(key)) twice.push([...path(), key]);
          keys?.add(key);
          expected = 'a colon after the key';
        },
        onSeparator(separator) {
          expected = separator === ',' && open.at(-1) ? 'a key in double quotes' : 'a value';
        },
        onError(code, offset, _length, line, character) {
          const what = stringFaults.includes(printParseErrorCode(code))
            ? 'this string has no end on its line, or a backslash or control character that JSON forbids'
            : `expected ${expected}${remark(text, offset)}`;
          throw new Fault(line, character, what);
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
    return { twice };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.fault };
    throw error;
  }
}

/** Names the usual mistakes by the character at the fault. */
function remark(text: string, at: number): string {
  const next = text[at];
  if (next === undefined) return ', but the file ends here';
  if (next === '/' || next === '#') return '; JSON has no comments';
  if (next === "'") return '; JSON has no single quotes';
  if ((next === '}' || next === ']') && text.slice(0, at).trimEnd().endsWith(',')) {
    return '; the comma before it is one too many';
  }
  return '';
}
