import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InterruptedError, PostponedError } from '../../src/errors.ts';
import type { Priority } from '../../src/http/limiter.ts';
import { createLimiter } from '../../src/http/limiter.ts';
import { createVirtualClock, noon } from './clocks.ts';

const minute = 60_000;
const hour = 60 * minute;

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

function createRig(options: Partial<Parameters<typeof createLimiter>[0]> = {}) {
  const clock = createVirtualClock();
  const limiter = createLimiter({ clock, maxConcurrent: 10_000, ...options });
  const log: { name: string; at: number }[] = [];

  function call(quota: string, priority: Priority, name: string, signal?: AbortSignal): Promise<void> {
    return limiter.run({ quota, priority, signal }, () => {
      log.push({ name, at: clock.now() });
      return Promise.resolve();
    });
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

it('counts a call from its start until a window after its end', async () => {
  const { clock, limiter, log, call } = createRig();
  const slow = Array.from({ length: 100 }, () =>
    limiter.run({ quota: 'isolate', priority: 'action' }, () => clock.sleep(91_000)),
  );

  await clock.advance(90_000);
  const next = call('isolate', 'action', 'next');
  await clock.runOut();
  await Promise.all([...slow, next]);

  expect(log).toEqual([{ name: 'next', at: noon + 91_000 + minute }]);
  expect(limiter.starts()).toEqual({
    isolate: [...Array<number>(100).fill(noon + 91_000), noon + 91_000 + minute],
  });
});

it('counts a call that failed too', async () => {
  const { limiter } = createRig();
  const failure = new Error('no connection');

  await expect(
    limiter.run({ quota: 'isolate', priority: 'action' }, () => Promise.reject(failure)),
  ).rejects.toBe(failure);

  expect(limiter.starts()).toEqual({ isolate: [noon] });
});

it('has no more calls under way than it may, of all quotas together, and lets actions go first', async () => {
  const { clock, limiter, log, call } = createRig({ maxConcurrent: 2 });
  const slow = ['findbyip', undefined].map((quota) =>
    limiter.run({ quota, priority: 'enrichment' }, () => clock.sleep(1000)),
  );

  const all = [
    call('machine', 'enrichment', 'first enrichment'),
    call('alerts', 'enrichment', 'second enrichment'),
    call('machine', 'enrichment', 'third enrichment'),
    call('isolate', 'action', 'action'),
  ];
  await clock.advance(999);
  expect(log).toEqual([]);
  await clock.runOut();
  await Promise.all([...slow, ...all]);

  expect(log.map(({ name }) => name)).toEqual([
    'action',
    'first enrichment',
    'second enrichment',
    'third enrichment',
  ]);
});

it('holds back a quota and nobody else, and refuses at once to wait longer than a minute', async () => {
  const { clock, limiter, log, call } = createRig({ maxConcurrent: 1 });
  limiter.hold('machine', noon + minute);
  const held = call('machine', 'action', 'held');
  await call('alerts', 'enrichment', 'other');

  limiter.hold('machine', noon + minute - 1);
  await clock.runOut();
  await held;
  limiter.hold('machine', noon + 2 * minute + 1);
  const refused = call('machine', 'action', 'refused');

  await expect(refused).rejects.toThrow(
    new PostponedError('the service takes no more machine calls until 2026-11-24T10:02:00Z'),
  );
  expect(log).toEqual([
    { name: 'other', at: noon },
    { name: 'held', at: noon + minute },
  ]);
});

it('refuses those who wait already when a hold gets too long for them', async () => {
  const { limiter, call } = createRig();
  limiter.hold('machine', noon + minute);
  const waiting = call('machine', 'action', 'waiting');

  limiter.hold('machine', noon + minute + 1);

  await expect(waiting).rejects.toThrow(PostponedError);
});

it('counts nothing and waits for no time without windows', async () => {
  const { clock, limiter, log, call } = createRig({ windows: [] });

  const all = Array.from({ length: 1000 }, () => call('machine', 'enrichment', ''));
  await clock.runOut();
  await Promise.all(all);

  expect(log).toHaveLength(1000);
  expect(limiter.starts()).toEqual({});
});

it('never exceeds a window and loses nobody, however calls arrive and however long they take', async () => {
  const windows = [
    { limit: 10, ms: 300 },
    { limit: 30, ms: 2000 },
  ];
  const arrivals = fc.array(
    fc.record({
      pause: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 900 })),
      connect: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
      answer: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
      priority: fc.constantFrom<Priority[]>('enrichment', 'enrichment', 'action'),
    }),
    { minLength: 1, maxLength: 90 },
  );

  await fc.assert(
    fc.asyncProperty(arrivals, fc.constantFrom(1, 4, 100), async (plan, maxConcurrent) => {
      const clock = createVirtualClock();
      const limiter = createLimiter({ clock, windows, maxConcurrent });
      const sent: number[] = [];
      const tasks: Promise<void>[] = [];
      let underWay = 0;

      for (const { pause, connect, answer, priority } of plan) {
        if (pause > 0) await clock.advance(pause);
        tasks.push(
          limiter.run({ quota: 'q', priority }, async () => {
            underWay += 1;
            expect(underWay).toBeLessThanOrEqual(maxConcurrent);
            if (connect > 0) await clock.sleep(connect);
            sent.push(clock.now());
            if (answer > 0) await clock.sleep(answer);
            underWay -= 1;
          }),
        );
      }
      await clock.runOut();
      await Promise.all(tasks);

      const times = sent.sort((a, b) => a - b);
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
