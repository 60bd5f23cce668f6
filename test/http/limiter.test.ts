import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InterruptedError, PostponedError } from '../../src/errors.ts';
import type { Priority } from '../../src/http/limiter.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import { createVirtualClock, noon } from './clocks.ts';

const minute = 60_000;
const hour = 60 * minute;
const never = Number.MAX_SAFE_INTEGER;

/** The largest number of times within any span of so many milliseconds. */
function worst(times: readonly number[], ms: number): number {
  let first = 0;
  return Math.max(
    0,
    ...times.map((time, index) => {
      while ((times[first] ?? time) <= time - ms) first += 1;
      return index - first + 1;
    }),
  );
}

function createRig(options: { deadline?: number; earlier?: Record<string, number[]> } = {}) {
  const clock = createVirtualClock();
  const limiter = createLimiter({ clock, deadline: never, ...options });
  const log: { name: string; at: number }[] = [];

  async function call(quota: string, priority: Priority, name: string, signal?: AbortSignal): Promise<void> {
    const started = await limiter.acquire(quota, priority, signal);
    started();
    log.push({ name, at: clock.now() });
  }
  return { clock, limiter, log, call };
}

it('starts a hundred actions at once and the next a minute later', async () => {
  const { clock, log, call } = createRig();

  const all = Promise.all(
    Array.from({ length: 101 }, (_, index) => call('isolate', 'action', String(index))),
  );
  await clock.runOut();
  await all;

  expect(log.filter(({ at }) => at === noon)).toHaveLength(100);
  expect(log.at(-1)).toEqual({ name: '100', at: noon + minute });
});

it('leaves a fifth of each window to actions', async () => {
  const { clock, log, call } = createRig();

  const all = Promise.all([
    ...Array.from({ length: 81 }, (_, index) => call('machine', 'enrichment', `enrichment ${index}`)),
    ...Array.from({ length: 21 }, (_, index) => call('machine', 'action', `action ${index}`)),
  ]);
  await clock.runOut();
  await all;

  expect(log.filter(({ name, at }) => name.startsWith('enrichment') && at === noon)).toHaveLength(80);
  expect(log.filter(({ name, at }) => name.startsWith('action') && at === noon)).toHaveLength(20);
});

it('keeps the order within a priority and lets actions overtake waiting enrichment', async () => {
  const { clock, log, call } = createRig({
    earlier: { machine: Array.from({ length: 100 }, (_, index) => noon - minute + (index + 1) * 10) },
  });

  const all = Promise.all([
    call('machine', 'enrichment', 'first enrichment'),
    call('machine', 'enrichment', 'second enrichment'),
    clock.advance(5).then(() => call('machine', 'action', 'first action')),
    clock.advance(5).then(() => call('machine', 'action', 'second action')),
  ]);
  await clock.runOut();
  await all;

  expect(log.map(({ name }) => name)).toEqual([
    'first action',
    'second action',
    'first enrichment',
    'second enrichment',
  ]);
  expect(log[0]?.at).toBe(noon + 10);
});

it('counts each quota by itself', async () => {
  const { clock, log, call } = createRig();

  const all = Promise.all(
    ['findbyip', 'machine', 'alerts'].flatMap((quota) =>
      Array.from({ length: 80 }, () => call(quota, 'enrichment', quota)),
    ),
  );
  await clock.runOut();
  await all;

  expect(log).toHaveLength(240);
  expect(new Set(log.map(({ at }) => at))).toEqual(new Set([noon]));
});

it('counts the calls of earlier runs, those of a clock that ran ahead as made just now', async () => {
  const { clock, limiter, log, call } = createRig({
    earlier: { isolate: [noon + hour, ...Array<number>(99).fill(noon - 20_000), noon - 2 * hour] },
  });

  const all = Promise.all([call('isolate', 'action', 'next'), call('isolate', 'action', 'and next')]);
  await clock.runOut();
  await all;

  expect(log.map(({ at }) => at - noon)).toEqual([40_000, 40_000]);
  expect(limiter.starts()['isolate']).toHaveLength(102);
});

it('tells the start times of the last hour, and nothing of a quota without any', async () => {
  const { clock, limiter, call } = createRig({
    earlier: { alerts: [noon - hour + 1, noon - hour], machine: [] },
  });

  await call('findbyip', 'enrichment', 'one');
  await clock.advance(hour - 1);
  await call('findbyip', 'enrichment', 'two');

  expect(limiter.starts()).toEqual({ findbyip: [noon, noon + hour - 1] });
});

it('postpones at once what could not start before the deadline, and says why and until when', async () => {
  const { call } = createRig({
    deadline: noon + 4 * minute,
    earlier: { findbyip: Array<number>(1200).fill(noon - 50 * minute) },
  });

  const refused = call('findbyip', 'enrichment', 'one');

  await expect(refused).rejects.toThrow(
    new PostponedError(
      'the quota for findbyip calls is used up until 2026-11-24T10:10:00Z, and this run ends at 2026-11-24T10:04:00Z',
    ),
  );
  await expect(call('findbyip', 'action', 'two')).resolves.toBeUndefined();
});

it('postpones at once what those before it in the queue leave no room for', async () => {
  const { clock, call } = createRig({ deadline: noon + minute });

  const calls = Array.from({ length: 161 }, (_, index) => call('machine', 'enrichment', String(index)));

  await expect(calls.at(160)).rejects.toThrow(PostponedError);
  await clock.runOut();
  await Promise.all(calls.slice(0, 160));
});

it('postpones waiting enrichment whose place actions have taken', async () => {
  const { clock, log, call } = createRig({ deadline: noon + minute });
  const first = Array.from({ length: 80 }, (_, index) => call('machine', 'enrichment', String(index)));
  const waiting = call('machine', 'enrichment', 'waiting');
  waiting.catch(() => undefined);

  const actions = Array.from({ length: 120 }, () => call('machine', 'action', 'action'));
  await clock.runOut();

  await Promise.all([...first, ...actions]);
  await expect(waiting).rejects.toThrow(PostponedError);
  expect(log).toHaveLength(200);
});

it('starts without a wait even after the deadline', async () => {
  const { call } = createRig({ deadline: noon - minute });

  await expect(call('isolate', 'action', 'late')).resolves.toBeUndefined();
});

it('breaks off a wait with the reason of the signal, and the next moves up', async () => {
  const { clock, log, call } = createRig();
  const reason = new InterruptedError('SIGTERM');
  const stop = new AbortController();
  await Promise.all(Array.from({ length: 80 }, (_, index) => call('machine', 'enrichment', String(index))));
  const broken = call('machine', 'enrichment', 'broken off', stop.signal);
  const next = call('machine', 'enrichment', 'next');

  stop.abort(reason);

  await expect(broken).rejects.toBe(reason);
  await expect(call('machine', 'enrichment', 'too late', stop.signal)).rejects.toBe(reason);
  await clock.runOut();
  await next;
  expect(log.at(-1)).toEqual({ name: 'next', at: noon + minute });
});

it('measures from when requests leave, and holds their place until then', async () => {
  const { clock, limiter, log, call } = createRig();
  const slow = await Promise.all(Array.from({ length: 100 }, () => limiter.acquire('isolate', 'action')));

  await clock.advance(90_000);
  const next = call('isolate', 'action', 'next');
  await clock.advance(1000);
  for (const started of slow) {
    started();
    started();
  }
  await clock.runOut();
  await next;

  expect(log).toEqual([{ name: 'next', at: noon + 91_000 + minute }]);
  expect(limiter.starts()['isolate']).toHaveLength(101);
});

it('never exceeds a window and loses nobody, however calls arrive and however long they take to leave', async () => {
  const windows = [
    { limit: 10, ms: 300 },
    { limit: 30, ms: 2000 },
  ];
  const arrivals = fc.array(
    fc.record({
      pause: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
      send: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
      priority: fc.constantFrom<Priority[]>('enrichment', 'enrichment', 'action'),
    }),
    { minLength: 1, maxLength: 90 },
  );

  await fc.assert(
    fc.asyncProperty(arrivals, async (plan) => {
      const clock = createVirtualClock();
      const limiter = createLimiter({ clock, windows, deadline: never });
      const sent: { priority: Priority; at: number }[] = [];
      const tasks: Promise<void>[] = [];

      for (const { pause, send, priority } of plan) {
        if (pause > 0) await clock.advance(pause);
        tasks.push(
          limiter.acquire('q', priority).then(async (started) => {
            if (send > 0) await clock.sleep(send);
            started();
            sent.push({ priority, at: clock.now() });
          }),
        );
      }
      await clock.runOut();
      await Promise.all(tasks);

      const times = sent.map(({ at }) => at).sort((a, b) => a - b);
      expect(times).toHaveLength(plan.length);
      for (const { limit, ms } of windows) expect(worst(times, ms)).toBeLessThanOrEqual(limit);
    }),
    { numRuns: 40 },
  );
}, 20_000);

it('keeps to the real limits through a flood of 3,200 requests, at the fullest possible rate', async () => {
  const { clock, log, call } = createRig();

  const all = Promise.all(Array.from({ length: 3200 }, () => call('isolate', 'action', '')));
  await clock.runOut();
  await all;

  const times = log.map(({ at }) => at);
  expect(worst(times, minute)).toBe(100);
  expect(worst(times, hour)).toBe(1500);
  expect(times.at(-1)).toBe(noon + 2 * hour + minute);
});
