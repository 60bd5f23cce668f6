import { always, isolatedAnew, once, releasedAnew } from './holds.ts';
import { time, unselected, type Stage, type State } from './stage.ts';
import { table } from './table.ts';

const dayMs = 86_400_000;
const day8 = 'Manual block:2026-11-16 09:00';
const day11 = 'Manual block:2026-11-13 09:00';

/** Isolated at 09:00 so many days ago, and the tags say no more. */
function isolatedDaysAgo({ host, machine, own }: Stage, days: number): void {
  const createdAt = time('09:00') + 5_000 - days * dayMs;
  const date = new Date(createdAt).toISOString().slice(0, 10);
  host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', `Manual block:${date} 09:00`);
  own({ type: 'Isolate', createdAt }, '09:00');
  // Defender has lifted it.
  machine.isolated = false;
}

/** Defender records its own lift after seven days. */
function recordLift({ act }: Stage, days: number): void {
  act({ type: 'Unisolate', createdAt: time('09:01') - (days - 7) * dayMs, requestorComment: '' });
}

const lapsed: State[] = [
  {
    name: 'isolated eight days ago, and no release is recorded',
    arrange(stage) {
      isolatedDaysAgo(stage, 8);
    },
    rows: [
      { ask: undefined, runs: always(unselected) },
      { ask: 'block', runs: isolatedAnew(day8) },
      { ask: 'unblock', runs: releasedAnew(day8) },
    ],
  },
  {
    name: 'isolated eleven days ago, and no release is recorded',
    arrange(stage) {
      isolatedDaysAgo(stage, 11);
    },
    rows: [
      {
        ask: undefined,
        runs: once({
          result: 'failed',
          tags: ['id: PC', day11],
          says: ['lifted by Defender after 7 days, as documented; no release is recorded'],
        }),
      },
      { ask: 'block', runs: isolatedAnew(day11) },
      { ask: 'unblock', runs: releasedAnew(day11) },
    ],
  },
  {
    name: 'isolated eight days ago, and the lift is recorded',
    arrange(stage) {
      isolatedDaysAgo(stage, 8);
      recordLift(stage, 8);
    },
    rows: [
      { ask: undefined, runs: always(unselected) },
      { ask: 'block', runs: isolatedAnew(day8) },
      {
        ask: 'unblock',
        runs: once({
          result: 'released',
          tags: ['id: PC', 'release: Succeeded', day8, 'Manual unblock:2026-11-23 09:01'],
        }),
      },
    ],
  },
  {
    name: 'isolated eleven days ago, and the lift is recorded',
    arrange(stage) {
      isolatedDaysAgo(stage, 11);
      recordLift(stage, 11);
    },
    rows: [
      { ask: undefined, runs: once({ result: 'released', tags: ['id: PC', 'release: Succeeded', day11] }) },
      { ask: 'block', runs: isolatedAnew(day11) },
    ],
  },
  {
    name: 'isolated eleven days ago, and again by hand two days ago',
    arrange(stage) {
      isolatedDaysAgo(stage, 11);
      stage.act({ type: 'Isolate', createdAt: time('10:00') - 2 * dayMs });
    },
    rows: [
      ...([undefined, 'block'] as const).map((ask): State['rows'][number] => ({
        ask,
        runs: once({
          result: 'isolated',
          tags: ['id: PC', 'isolation: Succeeded', day11, 'Manual block:2026-11-22 10:00'],
        }),
      })),
    ],
  },
];

table('an isolation that ends by itself', lapsed);
