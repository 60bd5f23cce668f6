import { always, isolatedAnew, once, releasedAnew } from './holds.ts';
import { unselected, type State } from './stage.ts';
import { table } from './table.ts';

const sevenBlocks = Array.from({ length: 7 }, (_, at) => `Manual block:2024-03-0${at + 1} 09:00`);

const earlierTool: State[] = [
  {
    name: 'one Manual block: of two years ago, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2024-03-01 09:00');
    },
    rows: [
      { ask: undefined, runs: always(unselected) },
      { ask: 'block', runs: isolatedAnew('Manual block:2024-03-01 09:00') },
      { ask: 'unblock', runs: releasedAnew('Manual block:2024-03-01 09:00') },
    ],
  },
  {
    name: 'seven Manual block: of two years ago, of which the newest five are kept',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, ...sevenBlocks);
    },
    rows: [
      { ask: undefined, runs: always(unselected) },
      { ask: 'block', runs: isolatedAnew(...sevenBlocks.slice(3)) },
    ],
  },
  {
    name: 'a Manual block: of three hours ahead, which counts for nothing',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2026-11-24 15:00');
    },
    rows: [
      { ask: undefined, runs: always(unselected) },
      // Read as if it were not there, it is none of the newest five that are kept.
      { ask: 'block', runs: isolatedAnew() },
      {
        ask: 'unblock',
        runs: once({ result: 'released', tags: ['id: PC', 'Manual block:15:00', 'Manual unblock:12:00'] }),
      },
    ],
  },
];

table('tags of the earlier tool, and forged ones', earlierTool);
