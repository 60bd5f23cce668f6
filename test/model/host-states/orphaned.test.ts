import { isolatedAnew, once, releasedAnew } from './holds.ts';
import type { State } from './stage.ts';
import { table } from './table.ts';

const statuses = ['isolation: Pending', 'isolation: InProgress', 'release: Pending', 'release: InProgress'];
const unknown = 'Defender knows no such action';

function orphan(status: string, past: readonly string[], age: string): State {
  return {
    name: `${status} ${age}, and Defender lists no such action`,
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, status, ...past);
    },
    rows: [
      {
        ask: undefined,
        runs: once({ result: 'failed', tags: ['id: PC', ...past], says: [unknown] }),
      },
      { ask: 'block', runs: isolatedAnew(...past) },
      { ask: 'unblock', runs: releasedAnew(...past) },
    ],
  };
}

const orphans = statuses.flatMap((status) => {
  const history = status.startsWith('isolation') ? 'Manual block' : 'Manual unblock';
  return [
    orphan(status, [`${history}:2026-11-22 09:00`], 'of two days ago'),
    orphan(status, [], 'without a time'),
  ];
});

table('a status tag without its action', orphans);
