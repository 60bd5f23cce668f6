import { stripVTControlCharacters, styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'cyan';

/** Where the demo writes: a terminal gets colours, everything else plain text; no line is wider than 100 columns. */
export interface Page {
  line(text?: string): void;
  /** Text of any length, behind an indent; lines after the first hang by two columns where there is one. */
  text(text: string, indent?: string, style?: Style): void;
  heading(text: string): void;
  /** A command as it is typed. */
  command(text: string): void;
  paint(style: Style, text: string): string;
}

const columns = 100;

/** Makes the page on standard output. */
export function createPage(): Page {
  const { stdout } = process;
  // A reader that leaves early (`| head`) is no failure.
  stdout.on('error', () => undefined);
  const colour = stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

  function paint(style: Style, text: string): string {
    return colour ? styleText(style, text, { validateStream: false }) : text;
  }

  function line(text = ''): void {
    stdout.write(`${text.trimEnd()}\n`);
  }

  return {
    line,
    paint,
    text(text, indent = '', style) {
      const later = indent === '' ? '' : `${indent}  `;
      for (const row of rowsOf(text, indent, later)) line(style ? paint(style, row) : row);
    },
    heading(text) {
      line();
      line(paint('bold', text));
      line(paint('dim', '-'.repeat(columns)));
    },
    command(text) {
      line(`$ ${paint('cyan', text)}`);
      line();
    },
  };
}

/** The text in rows, broken at blanks but not at no-break spaces; a word that no row can hold is cut. */
function rowsOf(text: string, first: string, later: string): string[] {
  const rows: string[] = [];
  let row = first;
  let isEmpty = true;
  for (const long of text.split(' ')) {
    const word = cut(long, columns - later.length);
    if (!isEmpty && width(row) + 1 + width(word) > columns) {
      rows.push(row);
      row = later;
      isEmpty = true;
    }
    row += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...rows, row].map((full) => full.replaceAll('\u00a0', ' '));
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}

function cut(text: string, room: number): string {
  return width(text) <= room ? text : `${text.slice(0, room - 1)}…`;
}
