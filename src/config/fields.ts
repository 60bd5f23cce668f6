import * as z from 'zod/mini';

/**
 * Why something cannot be used, as the end of a sentence that begins with its key: what was expected, never what was found,
 * which may be a mislaid secret.
 */
export class Trouble extends Error {}

/** No address or fingerprint comes near this. */
const longestParsed = 2048;

export const placeholderTrouble = 'still holds the placeholder of config.example.json';

/** Recognises what `config.example.json` has where a person must put something, such as `<your API token>`. */
export function isPlaceholder(text: string): boolean {
  return /<your [^<>]*>/iu.test(text);
}

const filled = z.refine<string>((text) => text.trim() !== '', { error: 'is empty', abort: true });
const replaced = z.refine<string>((text) => !isPlaceholder(text), { error: placeholderTrouble, abort: true });

/** An object in which unknown keys are a problem. */
export function section<Shape extends Record<string, z.core.SomeType>>(shape: Shape) {
  return z.strictObject(shape, { error: 'expected an object in braces' });
}

/** Text that is neither blank nor a placeholder. With `wanted` it must be given. */
export function text(wanted?: string) {
  return z
    .string({
      error: ({ input }) =>
        input === undefined && wanted !== undefined ? `is required: ${wanted}` : 'expected text in quotes',
    })
    .check(filled, replaced);
}

/** Text of a certain form, which must be given. The form is not in the JSON Schema, which the example has to fit. */
export function textLike(form: RegExp, wanted: string) {
  return text(wanted).check(z.refine((value) => form.test(value), { error: `expected ${wanted}` }));
}

/** Text that comes out as what `parse` makes of it, which throws a {@link Trouble}. With `wanted` it must be given. */
export function parsed<Value>(parse: (text: string) => Value, wanted?: string) {
  const error = `is longer than ${longestParsed} characters`;
  return readAs(text(wanted).check(z.maxLength(longestParsed, { error, abort: true })), parse);
}

/** The same for text with checks of its own. */
export function readAs<Value>(base: z.ZodMiniString, parse: (text: string) => Value) {
  const read = z.transform((input: string, context) => {
    try {
      return parse(input);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      context.issues.push({ code: 'custom', message: error.message, input });
      return z.NEVER;
    }
  });
  return z.pipe(base, read);
}

/** The path of a file or directory. */
export function path() {
  return z.optional(
    z.string({ error: 'expected a path in quotes' }).check(
      filled,
      replaced,
      // Only a shell knows `~`; here it would be a directory of that name.
      z.refine((value) => !value.startsWith('~'), { error: 'expected a path without ~' }),
      z.refine((value) => !value.includes('\0'), { error: 'expected a path' }),
    ),
  );
}

/** A whole number; both limits may be given. */
export function whole(least: number, most: number, usual: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z._default(z.int({ error }).check(z.minimum(least, { error }), z.maximum(most, { error })), usual);
}

/** A number; both limits may be given. */
export function number(least: number, most: number, usual: number) {
  const error = `expected a number from ${least} to ${most}`;
  return z._default(
    z.number({ error }).check(z.minimum(least, { error }), z.maximum(most, { error })),
    usual,
  );
}

/** One of a few words. `remark` ends the message about another. */
export function oneOf<const Word extends string>(words: readonly Word[], usual: Word, remark = '') {
  const quoted = words.map((word) => `"${word}"`);
  const list = `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`;
  return z._default(z.enum(words, { error: `expected ${list}${remark}` }), usual);
}
