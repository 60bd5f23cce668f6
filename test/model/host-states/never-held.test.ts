import { startOfTime } from '../../harness.ts';
import { seconds } from '../../simulator/hosts.ts';
import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const neverHeld: State[] = [
  {
    name: 'never held',
    arrange: () => undefined,
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
    name: 'never held, with an id: tag that enrichment left and an address that moved on',
    arrange({ host, other, harness }) {
      host.tags.push(`id: ${other.id}`);
      harness.simulator.world.addAction({
        machineId: other.id,
        type: 'Isolate',
        createdAt: time('09:00'),
      });
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
    name: 'no longer held: blocked and unblocked by the earlier tool',
    arrange({ host, machine, act }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2026-11-24 09:00', 'Manual unblock:2026-11-24 10:00');
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', createdAt: time('10:00') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:00',
              'Manual unblock:10:00',
            ],
          },
          {
            result: 'isolated',
            tags: [
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual block:12:00',
              'Manual unblock:10:00',
            ],
          },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            tags: ['id: PC', 'Manual block:09:00', 'Manual unblock:10:00', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, isolated from the portal, and the record was then merged into another at the address',
    arrange({ act, machine, other, host }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      machine.mergedIntoMachineId = other.id;
      other.isolated = true;
      other.computerDnsName = machine.computerDnsName;
      other.addresses = [{ ip: host.last_source ?? '', from: -Infinity, to: Infinity }];
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: OTHER', 'isolation: Succeeded', 'Manual block:09:00'] },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate OTHER'],
            tags: ['id: OTHER', 'release: Pending', 'Manual unblock:12:00'],
          },
          { result: 'released', tags: ['id: OTHER', 'release: Succeeded', 'Manual unblock:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held and inactive for 40 days',
    arrange({ host }) {
      host.state = 'inactive';
      host.last_seen = seconds(startOfTime - 40 * 86_400_000);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'refused',
            tags: ['ATP_NoAgent_Or_SensorInactive', 'Manual block failed'],
            says: ['stale'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            tags: ['ATP_NoAgent_Or_SensorInactive', 'Manual unblock failed'],
            says: ['stale'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
];

table('a host that is not held', neverHeld);
