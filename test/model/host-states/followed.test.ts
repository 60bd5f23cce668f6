import { ending, isolationOpen, releaseIs } from './holds.ts';
import { unselected, type State } from './stage.ts';
import { table } from './table.ts';

const followed: State[] = [
  ...['Failed', 'TimeOut', 'Cancelled'].flatMap((status): State[] => [
    {
      name: `an isolation is followed to ${status}`,
      arrange: isolationOpen('Pending'),
      between: ending(status),
      rows: [
        {
          ask: undefined,
          runs: [
            { result: 'unchanged' },
            {
              result: 'failed',
              tags: ['id: PC', `isolation: ${status}`, 'Manual block failed', 'Manual block:11:30'],
              says: [`ended in ${status}`],
            },
            unselected,
          ],
        },
      ],
    },
    {
      name: `a release is followed to ${status}`,
      arrange: releaseIs('Pending'),
      between: ending(status),
      rows: [
        {
          ask: undefined,
          runs: [
            { result: 'unchanged' },
            {
              result: 'failed',
              tags: [
                'id: PC',
                `release: ${status}`,
                'Manual block:09:00',
                'Manual unblock failed',
                'Manual unblock:11:30',
              ],
              says: [`ended in ${status}`],
            },
            unselected,
          ],
        },
      ],
    },
  ]),
  {
    name: 'an isolation is followed from Pending over InProgress to Succeeded',
    arrange: isolationOpen('Pending'),
    between({ harness, machine }, run) {
      const { actions, advanceAction } = harness.simulator.world;
      for (const { id, machineId } of actions.values()) {
        if (machineId === machine.id) advanceAction(id, run === 1 ? 'InProgress' : 'Succeeded');
      }
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: InProgress', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
        ],
      },
    ],
  },
  {
    name: 'an isolation is followed to a cancellation by this program for another host',
    arrange: isolationOpen('Pending'),
    between: ending(
      'Cancelled',
      'atp release; brain other.example; host 9; tag unblock; 2026-11-24T12:01:00Z; x',
    ),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'released', tags: ['id: PC', 'isolation: Cancelled', 'Manual block:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    // Not told from a run that was killed when all but the trigger tag was written: a person decides once it is said.
    name: 'an isolation has Failed unseen, and the host is tagged again',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      ending('Failed')(stage, 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block failed', 'Manual block:11:30'],
            says: ['ended in Failed'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block:11:30', 'Manual unblock:12:00'],
            says: ['ended in Failed', 'nothing to release'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'both status tags, of a run that was killed between two writes',
    arrange(stage) {
      releaseIs('Pending')(stage);
      stage.host.tags.push('isolation: Succeeded');
    },
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
    ],
  },
  {
    name: 'an isolation that failed while no run looked is the answer to a trigger that was not removed',
    arrange({ own }) {
      own({ type: 'Isolate', status: 'Failed' }, '11:30');
    },
    rows: [
      {
        ask: 'block',
        runs: [
          // Never held, and without an id: tag: the address leads to the machine and its record to the own action.
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block failed', 'Manual block:11:30'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
];

table('an action that is followed', followed);
