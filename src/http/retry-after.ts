const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const month = `(?<month>${months.join('|')})`;
const time = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)';

/** RFC 9110, section 5.6.7: the form of today and the two that recipients must still understand. */
const forms = [
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) ${month} (?<year>\\d{4}) ${time} GMT$`),
  new RegExp(
    `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${month}-(?<year>\\d\\d) ${time} GMT$`,
  ),
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} (?<day>[ \\d]\\d) ${time} (?<year>\\d{4})$`),
];

/** No wait is longer than this in milliseconds (a year): it keeps sums of times exact. */
const longest = 365 * 24 * 3_600_000;

const backoffBaseMs = 500;
const backoffCapMs = 8000;

/**
 * Reads a date as HTTP headers write it: milliseconds UTC, or undefined for all else. `Date.parse` would take much that
 * is no such date, some of it in local time. A year of two digits more than 50 years after `now` is of the century before.
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const match = forms.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  if (match === undefined) return undefined;
  const [day, hour, minute, second] = ['day', 'hour', 'minute', 'second'].map((part) => Number(match[part]));
  if (day === undefined || hour === undefined || minute === undefined || second === undefined)
    return undefined;

  const year = fullYear(match['year'] ?? '', now);
  const monthIndex = months.indexOf(match['month'] ?? '');
  // Date has no leap second: it counts as the one before.
  const date = new Date(Date.UTC(year, monthIndex, day, hour, minute, Math.min(second, 59)));
  const isReal = date.getUTCMonth() === monthIndex && date.getUTCDate() === day;
  return isReal && hour < 24 && minute < 60 && second <= 60 ? date.getTime() : undefined;
}

function fullYear(text: string, now: number): number {
  if (text.length === 4) return Number(text);
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(text);
  return year > thisYear + 50 ? year - 100 : year;
}

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

/**
 * Milliseconds to wait after the failed attempt of this number (1, 2, …) where nobody says how long: half a second, doubled
 * each time, at most eight seconds; of that, a random half to all, so that callers that failed together do not come
 * back together.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(backoffCapMs, backoffBaseMs * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + random() / 2));
}
