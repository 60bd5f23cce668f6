import { isolatedByAtp, releasedThen } from './holds.ts';
import { unselected, type State } from './stage.ts';
import { table } from './table.ts';

const lostAnswers: State[] = [
  {
    name: 'the answer to the POST is lost, and the record shows the action',
    arrange: ({ fault }) => {
      fault('isolate', 'reset-after', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is empty, and the record shows the action',
    arrange: ({ fault }) => {
      fault('isolate', 'empty-200', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is lost, and the record shows no action because there is none',
    arrange: ({ fault }) => {
      fault('isolate', 'reset-before', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          // For fifteen minutes nothing is asked of the machine.
          { result: 'deferred', kept: true },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:20'],
          },
        ],
      },
    ],
  },
  {
    name: 'held, and the answer to the POST for the release is lost',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('unisolate', 'reset-after', 1);
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held, and the POST for the release never arrived',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('unisolate', 'reset-before', 1);
    },
    rows: [
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', asks: ['unisolate PC'], kept: true },
          { result: 'deferred', kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:20'],
          },
        ],
      },
    ],
  },
  {
    name: 'the POST is refused as one too many by a race, and the other action is taken over',
    arrange({ harness, machine }) {
      const { simulator } = harness;
      // Somebody isolates the machine in the portal while the program is about to.
      let isDone = false;
      simulator.faults.add({
        match({ call, path }) {
          if (call === 'isolate' && path.includes(machine.id) && !isDone) {
            isDone = true;
            simulator.world.portalIsolate(machine.id, 'Pending');
          }
          return false;
        },
        kind: '500',
      });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
];

table('an answer that was lost', lostAnswers);
