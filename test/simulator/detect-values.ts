import type { JsonObject } from './json.ts';

/** The fields asked for by a comma list, or all. */
export function only(document: JsonObject, names: string | undefined): JsonObject {
  const wanted = names?.split(',');
  return wanted
    ? Object.fromEntries(Object.entries(document).filter(([name]) => wanted.includes(name)))
    : document;
}

/** A parameter as a number, or undefined. */
export function numberOf(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** True for a list of texts, none empty. */
export function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '');
}

/** True for a list of ids with at least one. */
export function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => Number.isSafeInteger(item));
}

/** Text as older versions of Detect hand it out. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#x27;');
}
