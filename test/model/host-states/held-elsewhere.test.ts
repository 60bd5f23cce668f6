import { startOfTime } from '../../harness.ts';
import { seconds } from '../../simulator/hosts.ts';
import { isolatedByAtp, isolatedTags, releasedThen } from './holds.ts';
import { time, unselected, type State } from './stage.ts';
import { table } from './table.ts';

const held: State[] = [
  {
    name: 'held by the earlier tool: id: and Manual block: only',
    arrange({ host, machine, act }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2026-11-24 09:00');
      act({ type: 'Isolate', createdAt: time('09:00') + 7_000, requestorComment: 'Isolated by Vectra' });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held, and the address has moved to another machine',
    arrange(stage) {
      isolatedByAtp(stage);
      const { host, machine, other, harness } = stage;
      const { world } = harness.simulator;
      world.moveAddress(machine.id, '10.9.9.9', time('10:00'));
      world.moveAddress(other.id, host.last_source ?? '', time('10:00'));
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held and inactive, last seen 40 days ago',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.state = 'inactive';
      stage.host.last_seen = seconds(startOfTime - 40 * 86_400_000);
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held, and the record was merged into another',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.machine.mergedIntoMachineId = stage.other.id;
      // What Defender calls one device.
      stage.other.isolated = true;
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
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
            tags: ['id: OTHER', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:00'],
          },
          {
            result: 'released',
            tags: ['id: OTHER', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:00'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, and the record is gone for good',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.harness.simulator.world.deleteMachine(stage.machine.id);
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            // A 404 may pass: asked once more some seconds later.
            asks: ['unisolate PC', 'unisolate PC'],
            tags: ['Manual block:09:00', 'Manual unblock failed'],
            says: ['Defender no longer has the record of its machine'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, and the record is gone while its id still takes actions',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.harness.simulator.world.deleteMachine(stage.machine.id, { acceptsActions: true });
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held, and released from the portal in the meantime',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.act({ type: 'Unisolate', createdAt: time('10:00') });
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
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:10:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, released from the portal, and its address has moved to another machine',
    arrange(stage) {
      isolatedByAtp(stage);
      const { host, machine, other, harness } = stage;
      const { world } = harness.simulator;
      stage.act({ type: 'Unisolate', createdAt: time('10:00') });
      world.moveAddress(machine.id, '10.9.9.9', time('10:30'));
      world.moveAddress(other.id, host.last_source ?? '', time('10:30'));
      host.host_artifact_set = [{ type: 'dhcp', value: `desktop-${host.id}` }];
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate OTHER'],
            tags: ['id: OTHER', 'isolation: Pending', 'Manual block:09:00', 'Manual block:12:00'],
          },
          {
            result: 'isolated',
            tags: ['id: OTHER', 'isolation: Succeeded', 'Manual block:09:00', 'Manual block:12:00'],
          },
          unselected,
        ],
      },
    ],
  },
];

table('a held host whose machine is looked for', held);
