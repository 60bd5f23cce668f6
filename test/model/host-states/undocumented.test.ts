import { always, isolatedAnew, once, releasedAnew } from './holds.ts';
import { time, type Stage, type State } from './stage.ts';
import { table } from './table.ts';

const dayMs = 86_400_000;

function halted(date: string, createdAt: number) {
  return ({ host, machine, own }: Stage): void => {
    host.tags.push(`id: ${machine.id}`, 'isolation: Halted', `Manual block:${date} 09:00`);
    own({ type: 'Isolate', status: 'Halted', createdAt }, '09:00');
  };
}

const undocumented: State[] = [
  {
    name: 'held by an isolation in a state that nobody documents, three hours old',
    arrange: halted('2026-11-24', time('09:00') + 5_000),
    rows: [
      { ask: undefined, runs: always({ result: 'unchanged' }) },
      { ask: 'block', runs: always({ result: 'deferred', kept: true, says: ['Halted'] }) },
      { ask: 'unblock', runs: always({ result: 'deferred', kept: true, says: ['Halted'] }) },
    ],
  },
  {
    name: 'held by an isolation in a state that nobody documents, four days old',
    arrange: halted('2026-11-20', time('09:00') + 5_000 - 4 * dayMs),
    rows: [
      {
        ask: undefined,
        runs: once({
          result: 'failed',
          tags: ['id: PC', 'Manual block:2026-11-20 09:00'],
          says: ['Defender knows no such action'],
        }),
      },
      { ask: 'block', runs: isolatedAnew('Manual block:2026-11-20 09:00') },
      // It counts for nothing, so that the record is silent: something may be in force all the same.
      { ask: 'unblock', runs: releasedAnew('Manual block:2026-11-20 09:00') },
    ],
  },
];

table('a status word that nobody documents', undocumented);
