import { cleanText, escapeControls } from '../output/clean.ts';
import { type AppError, ExitCode } from '../errors.ts';

/** One line of `--check`. */
export interface Line {
  name: string;
  /** A `warn` is worth a person's attention and stops no run; a `skip` could not be tried after an earlier failure. */
  state: 'ok' | 'warn' | 'fail' | 'skip';
  /** The exit code that the line asks for; 0 for all but failures. */
  code: ExitCode;
  detail: string;
  /** The next step to take; empty where there is none. */
  hint: string;
}

/** All is well. */
export function fine(name: string, detail: string): Line {
  return { name, state: 'ok', code: ExitCode.done, detail, hint: '' };
}

/** Worth a person's attention, but no run fails of it. */
export function warning(name: string, detail: string, hint: string): Line {
  return { name, state: 'warn', code: ExitCode.done, detail, hint };
}

/** Not tried, because of an earlier failure or because nothing asks for it. */
export function skipped(name: string, why: string): Line {
  return { name, state: 'skip', code: ExitCode.done, detail: why, hint: '' };
}

/** What a run would end with, said by the error that it would end with. `hint` is for one that has none. */
export function failure(name: string, error: AppError, hint: string): Line {
  const { exitCode: code, message: detail } = error;
  return { name, state: 'fail', code, detail, hint: error.hint ?? hint };
}

/** The first failure decides. */
export function checkExitCode(lines: readonly Line[]): ExitCode {
  return lines.find(({ state }) => state === 'fail')?.code ?? ExitCode.done;
}

/** What `--check --json` prints. */
export function checkJson(lines: readonly Line[], exitCode: ExitCode): string {
  const checks = lines.map(({ state, ...line }) => {
    const { name, code, detail, hint } = line;
    return { name, ok: state === 'ok', code, detail, hint };
  });
  return `${escapeControls(JSON.stringify({ schema: 1, exitCode, checks }, null, 2))}\n`;
}

/** The lines as a table, each hint below its line. */
export function checkTable(lines: readonly Line[]): string {
  const width = Math.max(...lines.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 8);
  return lines
    .map(({ name, state, detail, hint }) => {
      const [first = '', ...more] = detail.split('\n').map((text) => cleanText(text));
      const next = hint === '' ? [] : [`→ ${cleanText(hint)}`];
      const below = [...more, ...next].map((text) => `${indent}${text}\n`);
      return `${stateWords[state]}  ${name.padEnd(width)}  ${first}\n${below.join('')}`;
    })
    .join('');
}

const stateWords = { ok: 'ok  ', warn: 'warn', fail: 'FAIL', skip: '-   ' } as const;
