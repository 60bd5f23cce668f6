import { styleText } from 'node:util';
import { pino, stdTimeFunctions } from 'pino';
import { cleanText, escapeControls } from './clean.ts';
import { AppError } from '../errors.ts';

/** Writes an entry: words, words with fields, or an error by itself. */
type Write = (fieldsOrWords: object | string, words?: string) => void;

export interface Log {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}

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

/** The longest line: more than any that this program makes up, and short enough for whatever collects lines. */
const mostBytes = 16 * 1024;
/** To how many characters the values of a longer line are cut, the first that is enough. */
const cuts = [4_000, 1_000, 250];

/**
 * Creates the log: JSON lines, or on a terminal one line of human text for each entry (followed by an indented stack
 * where there is one). Each line is written at once, scrubbed, without characters that could steer a terminal, and with its
 * long values cut in the middle where it would be longer than 16 KiB.
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

  function render(line: string): string {
    return scrub(options.terminal ? humanText(line, colour) : escapeControls(line));
  }

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
        destination.write(fitting(line, render, scrub));
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

/** The line as it is printed, with its long values cut where it is too long. Each step takes linear time, and there are few. */
function fitting(line: string, render: (line: string) => string, scrub: (text: string) => string): string {
  const whole = render(line);
  if (Buffer.byteLength(whole) <= mostBytes) return whole;
  const entry: unknown = JSON.parse(line);
  for (const most of cuts) {
    const text = render(`${JSON.stringify(entry, (_key, value: unknown) => cut(value, most, scrub))}\n`);
    if (Buffer.byteLength(text) <= mostBytes) return text;
  }
  const { level, time, host, msg } = isObject(entry) ? entry : {};
  const [least = 0] = cuts.slice(-1);
  return render(`${JSON.stringify({ level, time, host, msg: cut(msg, least, scrub) })}\n`);
}

/** Scrubbed before it is cut: half a secret would be known to nobody. */
function cut(value: unknown, most: number, scrub: (text: string) => string): unknown {
  if (typeof value !== 'string' || value.length <= most) return value;
  const text = scrub(value);
  if (text.length <= most) return text;
  const half = most / 2;
  return `${text.slice(0, half)} … ${text.length - most} characters left out … ${text.slice(-half)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A host's line begins with the host: `WS-BOB (1005) isolated: …`. */
function withSubject(msg: unknown, fields: Record<string, unknown>) {
  const { host, name, result, ...others } = fields;
  if (typeof msg !== 'string' || typeof host !== 'number') return { msg, fields };
  const subject = typeof name === 'string' ? `${name} (${host})` : `host ${host}`;
  return { msg: `${subject}${typeof result === 'string' ? ` ${result}` : ''}: ${msg}`, fields: others };
}

function humanText(line: string, colour: boolean): string {
  const entry: unknown = JSON.parse(line);
  if (!isObject(entry)) return '';
  const { time, level, err, error, msg: said, hint, ...rest } = entry;
  const { msg, fields } = withSubject(said, rest);

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
      return paint('red', 'error:', colour);
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
