import { parseHttpDate } from './http-date.ts';

/** No wait is longer than this in milliseconds (a year): it keeps sums of times exact. */
const longest = 365 * 24 * 3_600_000;

/**
 * Reads a `Retry-After` header: milliseconds from now, never negative, or undefined for what is neither whole seconds
 * nor an HTTP date (RFC 9110, section 10.2.3). `now` is milliseconds UTC, best by the server's own clock.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, longest);
  const date = parseHttpDate(text, now);
  return date === undefined ? undefined : Math.min(Math.max(0, date - now), longest);
}

/**
 * Finds how long a refusal for too many calls says to wait, in milliseconds: Defender has been seen to write "You can
 * send requests again in 8 seconds", and Azure's gateway "Try again in 8 seconds", without a header.
 */
export function retryAfterInWords(text: string): number | undefined {
  const seconds = /\bagain in (\d{1,9}) seconds?\b/i.exec(text)?.[1];
  return parseRetryAfter(seconds, 0);
}
