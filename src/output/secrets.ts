/** Shorter values would blank ordinary words and numbers, and protect nothing. */
const minimumLength = 4;

/** Shorter lines of a value of many lines are not told apart from ordinary text. */
const minimumLineLength = 16;

const secretMark = '[secret]';

/** The secret values of this run, kept to take them out of everything that is printed. */
export interface Secrets {
  /** Remembers a value, also as it looks in JSON, in a URL or form, and in base64. Under 4 characters it does nothing. */
  register(secret: string): void;
  /** Replaces every registered value, in each of these forms, by `[secret]`. */
  scrub(text: string): string;
}

/** Creates an empty store of secrets. */
export function createSecrets(): Secrets {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;

  return {
    register(secret) {
      const before = forms.size;
      for (const value of new Set([secret, secret.trim(), ...linesOf(secret)])) {
        if (value.length >= minimumLength) formsOf(value).forEach((form) => forms.add(form));
      }
      if (forms.size > before) pattern = undefined;
    },

    scrub(text) {
      if (forms.size === 0) return text;
      pattern ??= anyOf(forms);
      return text.replace(pattern, secretMark);
    },
  };
}

/** A key in PEM reaches a log line with its line breaks folded or cut: each line is a secret of its own. */
function linesOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/u);
  if (lines.length === 1) return [];
  return lines.filter((line) => line.length >= minimumLineLength && !line.startsWith('-----'));
}

function formsOf(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const percent = percentEncoded(value);
  const bytes = Buffer.from(value);
  return [
    value,
    json,
    // JSON quoted in a string of other JSON, as when a log line holds the body of an answer.
    JSON.stringify(json).slice(1, -1),
    percent,
    percent.replaceAll(/%[0-9A-F]{2}/gu, (code) => code.toLowerCase()),
    // The forms of x-www-form-urlencoded, which writes a blank as a plus sign and encodes more than a URL must.
    new URLSearchParams({ '': value }).toString().slice(1),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    // Whole groups of three bytes look the same when something follows the value.
    ...(bytes.length < 9 ? [] : [bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64')]),
  ];
}

/** `encodeURIComponent`, which alone throws on half a surrogate pair. */
function percentEncoded(value: string): string {
  return encodeURIComponent(Buffer.from(value).toString());
}

function anyOf(forms: Iterable<string>): RegExp {
  // The longest first: where one secret begins like another, nothing of the longer one may stay.
  const sorted = [...forms].sort((one, other) => other.length - one.length);
  return new RegExp(
    sorted.map((form) => form.replaceAll(/[$()*+./?[\\\]^{|}-]/gu, String.raw`\$&`)).join('|'),
    'g',
  );
}
