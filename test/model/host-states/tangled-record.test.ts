import { isolationOpen } from './holds.ts';
import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const tangled: State[] = [
  {
    name: 'an isolation and a release are both open, and stay so',
    arrange(stage) {
      const { host, machine, own, act } = stage;
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:30');
      machine.online = false;
      own({ id: `isolation-of-${host.id}`, type: 'Isolate', status: 'Pending' }, '11:30');
      act({ id: `release-of-${host.id}`, type: 'Unisolate', status: 'InProgress', createdAt: time('11:40') });
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
      ...(['block', 'unblock'] as const).map((ask): State['rows'][number] => ({
        ask,
        runs: [
          { result: 'deferred', kept: true, says: ['isolation-of-{host}', 'release-of-{host}'] },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      })),
    ],
  },
  {
    name: 'an isolation and a release are both open, and are then carried out',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      stage.act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:40') });
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30', 'Manual block:12:10'],
          },
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30', 'Manual block:12:10'],
          },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30', 'Manual unblock:11:40'],
          },
          unselected,
        ],
      },
    ],
  },
];

table('a record in a tangle', tangled);
