import { always, isolatedAnew, isolatedByAtp, once, releasedAnew } from './holds.ts';
import { time, unselected, type Stage, type State } from './stage.ts';
import { table } from './table.ts';

const dayMs = 86_400_000;

/** A run was killed after its POST: the machine is named, and no tag tells of the action. */
function killedAfterPost(status: string, daysAgo = 0) {
  return ({ host, machine, own }: Stage): void => {
    host.tags.push(`id: ${machine.id}`);
    own({ type: 'Isolate', status, createdAt: time('11:30') + 5_000 - daysAgo * dayMs }, '11:30');
  };
}

const untold: State[] = [
  {
    name: 'an own isolation that no tag tells of is Pending',
    arrange: killedAfterPost('Pending'),
    rows: [
      { ask: undefined, runs: always(unselected) },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'an own isolation that no tag tells of is in force',
    arrange: killedAfterPost('Succeeded'),
    rows: [
      {
        ask: 'block',
        runs: once({ result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] }),
      },
    ],
  },
  {
    name: 'an own isolation that no tag tells of ended badly two days ago: an old answer is no answer',
    arrange: killedAfterPost('Failed', 2),
    rows: [
      { ask: undefined, runs: always(unselected) },
      { ask: 'block', runs: isolatedAnew() },
      { ask: 'unblock', runs: once({ result: 'released', tags: ['id: PC', 'Manual unblock:12:00'] }) },
    ],
  },
  {
    name: 'an own isolation that a killed run cancelled for the unblock',
    arrange(stage) {
      const { host, machine, own, harness } = stage;
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:30');
      const brain = new URL(harness.simulator.detectUrl).host;
      own(
        {
          type: 'Isolate',
          status: 'Cancelled',
          updatedAt: time('11:50'),
          cancelledBy: harness.simulator.settings.appId,
          cancellationComment: `atp release; brain ${brain}; host ${host.id}; tag unblock; 2026-11-24T11:50:00Z; laptop`,
        },
        '11:30',
      );
    },
    rows: [
      {
        ask: 'unblock',
        runs: once({
          result: 'released',
          tags: ['id: PC', 'isolation: Cancelled', 'Manual block:11:30', 'Manual unblock:12:00'],
        }),
      },
      { ask: 'block', runs: isolatedAnew('Manual block:11:30') },
    ],
  },
  {
    name: 'an own release that no tag tells of has Succeeded',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.own({ type: 'Unisolate' }, '11:30');
    },
    rows: [
      {
        ask: 'unblock',
        runs: once({
          result: 'released',
          tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
        }),
      },
    ],
  },
  {
    name: 'held, and another host of the machine asks for its release',
    arrange(stage) {
      const { harness, host } = stage;
      isolatedByAtp(stage);
      harness.simulator.world.addHost({ last_source: host.last_source, tags: [...host.tags, 'unblock'] });
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: undefined, asks: ['unisolate PC'] },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: releasedAnew('Manual block:09:00'),
      },
    ],
  },
];

table('an own action that no tag tells of', untold);
