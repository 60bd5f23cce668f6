import { expect, test } from 'vitest';
import { createServiceClock, type Clock } from '../src/clock.ts';

const start = Date.UTC(2026, 0, 5, 12);
const clock: Clock = { now: () => start, sleep: () => Promise.resolve() };

test('before any answer, the time is our own', () => {
  expect(createServiceClock(clock).now()).toBe(start);
});

test("Detect's time counts until Defender's is known", () => {
  const time = createServiceClock(clock);
  time.learn('detect', start + 60_000);
  expect(time.now()).toBe(start + 60_000);
  time.learn('atp', start - 90_000);
  expect(time.now()).toBe(start - 90_000);
});

test('only the first answer of a service counts, and one without a date does not', () => {
  const time = createServiceClock(clock);
  time.learn('atp', undefined);
  time.learn('atp', start + 60_000);
  time.learn('atp', start + 120_000);
  expect(time.now()).toBe(start + 60_000);
});

test('a difference below five seconds is none', () => {
  const time = createServiceClock(clock);
  time.learn('atp', start + 4_999);
  expect(time.now()).toBe(start);
});

test('a difference of five seconds counts', () => {
  const time = createServiceClock(clock);
  time.learn('atp', start - 5_000);
  expect(time.now()).toBe(start - 5_000);
});
