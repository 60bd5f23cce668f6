/** Terminal commands as ECMA-48 writes them: operating-system and other strings up to their end, CSI commands, short escapes. */
const escapeSequences =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/g;

const lineBreaks = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;

/** C0 and C1 controls, marks and overrides of the writing direction, byte order marks, halves of surrogate pairs. */
const invisible =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

/**
 * Makes text from elsewhere fit for one line of a terminal, a log, a tag or a note: without terminal commands, control
 * characters and overrides of the writing direction. Line breaks and tabs become blanks; the ends are trimmed.
 * What is longer than `maxLength` (UTF-16 units) is cut, with an ellipsis as its last character.
 */
export function cleanText(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  const clean = text.replace(escapeSequences, '').replace(lineBreaks, ' ').replace(invisible, '').trim();
  if (clean.length <= maxLength) return clean;
  return `${clean.slice(0, Math.max(0, maxLength - 1)).replace(/\p{Surrogate}$/u, '')}…`;
}

/** Makes JSON fit for a terminal: it escapes the first 32 characters only; terminals obey others as well, and editors hide some. */
export function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What nobody sees: controls that are no white space, formats, joiners, fillers, halves of surrogate pairs. */
const unseen = /[^\P{Cc}\s]|\p{Cf}|\p{Default_Ignorable_Code_Point}|\p{Surrogate}/gu;

/** The blank of Braille is a blank to everybody who reads with the eyes. */
const whiteSpace = /[\s\u2800]+/gu;

/**
 * Text as a person reads it, to be compared with other such text: in one Unicode form (NFKC), without invisible
 * characters, white space collapsed and trimmed, case folded in full (`ß` is `ss`).
 */
export function asRead(text: string): string {
  const seen = text.normalize('NFKC').replace(unseen, '').replace(whiteSpace, ' ').trim();
  return Array.from(seen, foldCase).join('').normalize('NFKC');
}

/** Each character by itself: a capital sigma has another small letter at the end of a word. */
function foldCase(character: string): string {
  // Small first, since the capital `ẞ` has no pair of capitals; then large, which makes `SS` of `ß`.
  return character.toLowerCase().toUpperCase().toLowerCase();
}
