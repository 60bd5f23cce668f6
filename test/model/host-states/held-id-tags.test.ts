import { isolatedByAtp, isolatedTags, releasedThen } from './holds.ts';
import { unselected, type State } from './stage.ts';
import { table } from './table.ts';

const held: State[] = [
  {
    name: 'held with two id: tags, confirmed by its address',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags.push(`id: ${stage.other.id}`);
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held with two id: tags, of which one record shows the isolation',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags.push(`id: ${stage.other.id}`);
      stage.host.name = `IP-${stage.host.last_source ?? ''}`;
      stage.host.host_artifact_set = [];
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held with two id: tags, of which no record tells, and nothing but the address speaks for a machine',
    arrange(stage) {
      const { host, machine, other } = stage;
      host.tags.push(`id: ${machine.id}`, `id: ${other.id}`, 'isolation: Succeeded');
      host.tags.push('Manual block:2026-11-24 09:00');
      machine.isolated = true;
      host.name = `IP-${host.last_source ?? ''}`;
      host.host_artifact_set = [];
    },
    rows: [
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            tags: [
              'id: OTHER',
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual unblock failed',
            ],
            says: ['laptop-{host}', 'held without one id: tag demands more'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held without any id: tag, confirmed by its address',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags = stage.host.tags.filter((tag) => !tag.startsWith('id: '));
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
];

table('a held host without exactly one id: tag', held);
