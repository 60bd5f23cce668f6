import { isolatedByAtp, releasedThen } from './holds.ts';
import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const doubtful: State[] = [
  {
    // The record is right: nothing is in force.
    name: 'held for three hours, the record is empty, and the machine is free',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:09:00', 'Manual block:12:00'],
          },
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual block:12:00'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held for three hours, the record is empty, and the machine is isolated all the same',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
      machine.isolated = true;
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held for 45 minutes, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:15');
      machine.isolated = true;
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'unchanged' },
          {
            result: 'failed',
            tags: ['id: PC', 'Manual block:11:15'],
            says: ['Defender knows no such action'],
          },
        ],
      },
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
          // The context tags come before the record that keeps the request back.
          { result: 'deferred', tags: ['id: PC'], kept: true, says: ['could not be read'] },
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
          { result: 'deferred', tags: ['id: PC'], kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', tags: ['id: PC'], kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
    ],
  },
];

table('a record that is incomplete or unreadable', doubtful);
table('a record with an entry that cannot be read', unreadableEntry);
