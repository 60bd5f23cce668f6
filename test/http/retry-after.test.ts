import fc from 'fast-check';
import { expect, it } from 'vitest';
import { backoffMs, parseHttpDate, parseRetryAfter, retryAfterInWords } from '../../src/http/retry-after.ts';
import { noon } from './clocks.ts';

it.each([
  ['8', 8000],
  [' 60 ', 60_000],
  ['0', 0],
  ['007', 7000],
  ['Tue, 24 Nov 2026 10:00:30 GMT', 30_000],
  ['Tuesday, 24-Nov-26 10:00:30 GMT', 30_000],
  ['Tue Nov 24 10:00:30 2026', 30_000],
  ['Tue, 24 Nov 2026 09:59:59 GMT', 0],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
  ['Sat, 31 Dec 2016 23:59:60 GMT', 0],
  ['99999999999999999999', 365 * 24 * 3_600_000],
])('reads Retry-After: %s', (value, ms) => {
  expect(parseRetryAfter(value, noon)).toBe(ms);
});

it.each([
  undefined,
  '',
  'soon',
  '-1',
  '+5',
  '1.5',
  '1e3',
  '0x10',
  '5 seconds',
  '2026-11-24T10:00:30Z',
  'Tue, 24 Nov 2026 10:00:30',
  'Tue, 24 Nov 2026 10:00:30 CET',
  'Tue, 24 Nov 2026 25:00:30 GMT',
  'Tue, 31 Feb 2026 10:00:30 GMT',
  'Tue, 31 Feb 2026 10:00:60 GMT',
  'Tue, 24 Foo 2026 10:00:30 GMT',
  'tue, 24 nov 2026 10:00:30 gmt',
])('takes nothing from Retry-After: %s', (value) => {
  expect(parseRetryAfter(value, noon)).toBeUndefined();
});

it('never reads a negative or endless wait, whatever is sent', () => {
  const values = fc.oneof(
    fc.string(),
    fc.stringMatching(/^-?[0-9]{1,400}$/),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  );

  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 4e12 }), (value, now) => {
      const wait = parseRetryAfter(value, now) ?? 0;

      expect(Number.isSafeInteger(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(0);
    }),
  );
});

it('reads each second of four-digit years as it was written', () => {
  const dates = fc.date({
    min: new Date(Date.UTC(1000, 0)),
    max: new Date(Date.UTC(9999, 11)),
    noInvalidDate: true,
  });

  fc.assert(
    fc.property(dates, (date) => {
      expect(parseHttpDate(date.toUTCString(), noon)).toBe(Math.floor(date.getTime() / 1000) * 1000);
    }),
  );
});

it.each([
  ['API calls quota exceeded! … You can send requests again in 8 seconds.', 8000],
  ['Rate limit is exceeded. Try again in 1 second.', 1000],
  ['API calls quota exceeded! maximum allowed 45 per 00:01:00', undefined],
  ['again in 99999999999999 seconds', undefined],
])('finds the wait in "%s"', (text, ms) => {
  expect(retryAfterInWords(text)).toBe(ms);
});

it('doubles the wait from half a second up to eight, and takes a random half to all of it', () => {
  const attempts = [1, 2, 3, 4, 5, 6, 20];

  expect(attempts.map((attempt) => backoffMs(attempt, () => 1))).toEqual([
    500, 1000, 2000, 4000, 8000, 8000, 8000,
  ]);
  expect(attempts.map((attempt) => backoffMs(attempt, () => 0))).toEqual([
    250, 500, 1000, 2000, 4000, 4000, 4000,
  ]);
});
