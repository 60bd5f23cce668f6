import { styleText } from 'node:util';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { cleanText } from './clean.ts';
import { AppError } from '../errors.ts';

export type Log = Logger;

/** Keys whose values are blanked by name: a second net below the scrubbing of known values, which also sees free text. */
const secretKeys = [
  'authorization',
  'Authorization',
  'token',
  'access_token',
  'client_secret',
  'client_assertion',
  'appSecret',
  'passphrase',
  'privateKey',
];

/** How many causes of an error are printed. */
const maxCauses = 3;

/**
 * Creates the log: JSON lines, or on a terminal one line of human text for each entry (followed by an indented stack
 * where there is one). Each line is written at once and in full, scrubbed and without characters that could steer a terminal.
 */
export function createLog(options: {
  level: 'debug' | 'info' | 'warn';
  destination: { write(text: string): void };
  terminal: boolean;
  scrub: (text: string) => string;
  /** Default: on a terminal, unless `NO_COLOR` is set or the terminal is dumb. */
  colour?: boolean;
  /** Milliseconds UTC, for the time on each line. Default: the system's clock. */
  now?: () => number;
}): Log {
  const { destination, scrub, now } = options;
  const colour = options.colour ?? (options.terminal && wantsColour());
  return pino(
    {
      level: options.level,
      // Process id and machine name are added by whatever collects the lines.
      base: null,
      timestamp: now ? () => `,"time":"${new Date(now()).toISOString()}"` : stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError, error: describeError },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: '[secret]' },
    },
    {
      write(line: string) {
        destination.write(scrub(options.terminal ? humanText(line, colour) : escapeControls(line)));
      },
    },
  );
}

/** https://no-color.org: any value but an empty one asks for plain text. */
function wantsColour(): boolean {
  return !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

interface PlainError {
  type: string;
  message: string;
  hint?: string | undefined;
  stack?: string | undefined;
  cause?: PlainError | undefined;
}

/** Message, hint and, for a bug, the stack; never the other properties, where libraries keep whole requests. */
function describeError(error: unknown): unknown {
  return error instanceof Error ? plainError(error, 0) : error;
}

function plainError(error: Error, depth: number): PlainError {
  if (error instanceof AppError) return { type: error.name, message: error.message, hint: error.hint };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    cause: error.cause instanceof Error && depth < maxCauses ? plainError(error.cause, depth + 1) : undefined,
  };
}

/** Makes JSON fit for a terminal: it escapes the first 32 characters only; terminals obey others as well, and editors hide some. */
export function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function humanText(line: string, colour: boolean): string {
  const entry: unknown = JSON.parse(line);
  if (!isObject(entry)) return '';
  const { time, level, err, error, msg, hint, ...fields } = entry;

  const problem = err ?? error;
  const { title, details } = isObject(problem) ? errorText(problem) : { title: problem, details: [] };
  // pino repeats the message of an error that is logged without words of its own.
  const repeated = isObject(problem) && msg === problem['message'];
  const [words, ...more] = typeof msg === 'string' && !repeated ? msg.split('\n') : [];
  const parts = [
    typeof time === 'string' ? paint('dim', `${time.slice(11, 19)}Z`, colour) : '',
    levelWord(typeof level === 'string' ? level : '', colour),
    [words, title]
      .filter((text) => typeof text === 'string')
      .map((text) => cleanText(text))
      .join(': '),
    ...Object.entries(fields).map(
      ([key, value]) => `${paint('dim', `${cleanText(key)}=`, colour)}${valueText(value)}`,
    ),
  ];
  // Indented, so that no text of others can look like an entry of its own.
  const below = [...more, ...details, ...(typeof hint === 'string' ? [hint] : [])];
  return (
    [parts.filter((part) => part !== '').join(' '), ...below.map((text) => cleanText(text))].join('\n    ') +
    '\n'
  );
}

function paint(style: 'dim' | 'red' | 'yellow' | 'cyan', text: string, colour: boolean): string {
  return colour ? styleText(style, text, { validateStream: false }) : text;
}

function levelWord(level: string, colour: boolean): string {
  switch (level) {
    case 'info':
      return '';
    case 'warn':
      return paint('yellow', 'warning:', colour);
    case 'error':
    case 'fatal':
      return paint('red', `${level}:`, colour);
    default:
      return paint('cyan', `${level}:`, colour);
  }
}

function valueText(value: unknown): string {
  if (typeof value === 'string') {
    const text = cleanText(value);
    return /^[^\s"=]+$/u.test(text) ? text : JSON.stringify(text);
  }
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (isObject(value)) {
    const inner = Object.entries(value).map(([key, item]) => `${cleanText(key)}=${valueText(item)}`);
    return `{${inner.join(' ')}}`;
  }
  return String(value);
}

/** The line of an error, and what stands below it: the rest of its message, the hint, the stack, the causes. */
function errorText(error: Record<string, unknown>): { title: string; details: string[] } {
  const { message, hint, stack, cause } = error;
  const lines = String(message).split('\n');
  if (typeof stack !== 'string') {
    // Only the program's own errors come without a stack; what they quote of others has no line breaks left.
    const [title = '', ...rest] = lines;
    return { title, details: typeof hint === 'string' ? [...rest, hint] : rest };
  }
  const details = stack.split('\n').filter((line) => line.trimStart().startsWith('at '));
  if (isObject(cause)) {
    const inner = errorText(cause);
    details.push(`caused by ${inner.title}`, ...inner.details);
  }
  return { title: lines.join(' '), details };
}
