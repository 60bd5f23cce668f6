import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const portal: State[] = [
  {
    name: 'never held, isolated from the portal',
    arrange: ({ act }) => act({ type: 'Isolate', createdAt: time('09:00') }),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'],
            says: ['isolation of 2026-11-24 09:00 UTC by analyst@contoso.example taken over'],
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
            tags: ['id: PC', 'release: Pending', 'Manual unblock:12:00'],
          },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, an isolation from the portal is Pending',
    arrange: ({ act }) => act({ type: 'Isolate', status: 'Pending', createdAt: time('11:30') }),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
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
            tags: ['id: PC', 'isolation: Cancelled', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, an isolation from the portal is InProgress',
    arrange: ({ act }) => act({ type: 'Isolate', status: 'InProgress', createdAt: time('11:30') }),
    rows: [
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
          { result: 'deferred', tags: ['id: PC'], kept: true, says: ['InProgress'] },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual unblock:12:10'],
          },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:12:10'] },
        ],
      },
    ],
  },
  {
    name: 'never held, isolated and released from the portal',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', createdAt: time('10:00') });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
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
      {
        ask: 'unblock',
        runs: [{ result: 'released', tags: ['id: PC', 'Manual unblock:12:00'] }, unselected, unselected],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is Pending on the isolated machine',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:30') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released', tags: ['id: PC', 'release: Pending', 'Manual unblock:11:30'] },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is Pending although nothing is in force',
    arrange: ({ act }) => act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:30') }),
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel', 'isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is InProgress on the isolated machine',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', status: 'InProgress', createdAt: time('11:30') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', tags: ['id: PC'], kept: true, says: ['InProgress'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:10'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:10'] },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released', tags: ['id: PC', 'release: InProgress', 'Manual unblock:11:30'] },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:11:30'] },
          unselected,
        ],
      },
    ],
  },
];

table('a host that is not held, on a machine that people act on', portal);
