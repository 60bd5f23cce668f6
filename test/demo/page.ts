import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Where the demo writes: a terminal gets colours, everything else plain text; no line is wider than 100 columns. */
export interface Page {
  line(text?: string): void;
  heading(text: string): void;
  /** A command as it is typed. */
  command(text: string): void;
  /** Items behind a mark, as many on a line as fit; nothing for no items. */
  items(mark: string, items: readonly string[], style: Style | undefined): void;
  paint(style: Style, text: string): string;
}

export const columns = 100;

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
    stdout.write(`${text}\n`);
  }

  return {
    line,
    paint,
    heading(text) {
      line();
      line(paint('bold', text));
      line(paint('dim', '-'.repeat(columns)));
    },
    command(text) {
      line(`$ ${paint('cyan', text)}`);
    },
    items(mark, items, style) {
      for (const row of rowsOf(items, columns - 6)) {
        line(`    ${style ? paint(style, `${mark} ${row}`) : `${mark} ${row}`}`);
      }
    },
  };
}

const between = '  |  ';

/** Items in rows of a width; an item alone that is wider is cut. */
function rowsOf(items: readonly string[], width: number): string[] {
  const rows: string[] = [];
  for (const item of items.map((text) => cut(text, width))) {
    const row = rows.at(-1);
    if (row !== undefined && row.length + between.length + item.length <= width) {
      rows[rows.length - 1] = row + between + item;
    } else {
      rows.push(item);
    }
  }
  return rows;
}

/** The text, at most so long. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
