import { seconds } from '../../simulator/hosts.ts';
import { carryOut, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const lateRecord: State[] = [
  {
    name: 'held by a release that the record shows ten minutes later',
    arrange({ host, machine, own }) {
      host.tags.push(
        `id: ${machine.id}`,
        'release: Pending',
        'Manual block:2026-11-24 09:00',
        'Manual unblock:2026-11-24 11:50',
      );
      own({ type: 'Isolate' }, '09:00');
      own({ type: 'Unisolate', status: 'Pending' }, '11:50');
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:50'],
          },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['does not list the release of 2026-11-24 11:50 UTC yet'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:50',
            ],
          },
          // The isolation is not shown yet.
          { result: 'unchanged' },
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that the record shows ten minutes later',
    arrange({ host, machine, own }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:50');
      own({ type: 'Isolate', status: 'Pending' }, '11:50');
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:50'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:50'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:50', 'Manual unblock:12:10'],
          },
          // The release is not shown yet.
          { result: 'unchanged' },
        ],
      },
    ],
  },
];

const lostAndLate: State[] = [
  {
    name: 'the answer to the POST is lost, and the lagging record shows the action to the next run',
    arrange({ fault }) {
      fault('isolate', 'truncated', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is lost, the address moves, and the next run finds the action by the id: tag',
    arrange({ fault }) {
      fault('isolate', 'reset-after', 1);
    },
    between(stage, run) {
      carryOut(stage);
      if (run > 1) return;
      const { harness, host, machine, other } = stage;
      const { world } = harness.simulator;
      world.moveAddress(machine.id, '10.9.9.9');
      world.moveAddress(other.id, host.last_source ?? '');
      host.last_seen = seconds(harness.clock.now() + 540_000);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
];

table('a record that shows an action a quarter of an hour late', lateRecord, 15 * 60_000);
table('an answer that was lost while the record lags', lostAndLate, 5 * 60_000);
