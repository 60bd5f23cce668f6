import { isolatedByAtp, isolatedTags, isolationOpen, releasedThen, releaseIs } from './holds.ts';
import { unselected, type State } from './stage.ts';
import { table } from './table.ts';

const held: State[] = [
  {
    name: 'held by an isolation that is Pending',
    arrange: isolationOpen('Pending'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Cancelled', 'Manual block:11:30', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that is Pending, on a machine that stays offline',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      stage.machine.online = false;
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
    ],
  },
  {
    name: 'held by an isolation that is InProgress',
    arrange: isolationOpen('InProgress'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: InProgress', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true, says: ['InProgress'] },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:30', 'Manual unblock:12:10'],
          },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30', 'Manual unblock:12:10'],
          },
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that Succeeded',
    arrange: isolatedByAtp,
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held by a release that is Pending',
    arrange: releaseIs('Pending'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held by a release that is InProgress',
    arrange: releaseIs('InProgress'),
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['InProgress'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:30',
            ],
          },
          {
            result: 'isolated',
            tags: [
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:30',
            ],
          },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
    ],
  },
  ...['Failed', 'TimeOut', 'Cancelled'].map((status): State => ({
    name: `held by a release that ended in ${status}`,
    arrange: releaseIs(status),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: [
              'id: PC',
              'release: Pending',
              'Manual block:09:00',
              'Manual unblock:11:30',
              'Manual unblock:12:00',
            ],
          },
          {
            result: 'released',
            tags: [
              'id: PC',
              'release: Succeeded',
              'Manual block:09:00',
              'Manual unblock:11:30',
              'Manual unblock:12:00',
            ],
          },
          unselected,
        ],
      },
    ],
  })),
];

table('a held host', held);
