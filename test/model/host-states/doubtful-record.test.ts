import { isolatedByAtp, releasedThen } from './holds.ts';
import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const doubtful: State[] = [
  {
    name: 'held for three hours, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
      machine.isolated = true;
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['Defender lists no such action'] },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held for 45 minutes, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:15');
      machine.isolated = true;
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true, says: ['2026-11-24 11:15 UTC'] },
          { result: 'deferred', kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:15', 'Manual unblock:12:20'],
          },
        ],
      },
    ],
  },
  ...(['block', 'unblock'] as const).map((ask): State => ({
    name: `held, and the record cannot be read during the first run (${ask})`,
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('machineactions', '500', 4);
    },
    rows: [
      {
        ask,
        runs: [
          { result: 'deferred', kept: true, says: ['could not be read'] },
          ask === 'block'
            ? { result: 'isolated' }
            : {
                result: 'released',
                asks: ['unisolate PC'],
                tags: ['id: PC', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:10'],
              },
          ask === 'block'
            ? unselected
            : {
                result: 'released',
                tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:10'],
              },
        ],
      },
    ],
  })),
  {
    name: 'never held, and the record cannot be read during the first run',
    arrange: ({ fault }) => {
      fault('machineactions', 'truncated', 4);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          // Nothing is known of the machine's state, so that nothing is written about it.
          { result: 'deferred', kept: true, says: ['could not be read'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:10'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:10'] },
        ],
      },
    ],
  },
];

const unreadableEntry: State[] = [
  {
    name: 'never held, and an entry of the record cannot be read',
    arrange: ({ act }) => act({ type: 'Isolate', createdAt: time('09:00'), overrides: { status: null } }),
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
    ],
  },
];

table('a record that is incomplete or unreadable', doubtful);
table('a record with an entry that cannot be read', unreadableEntry);
