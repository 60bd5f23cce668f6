import { unselected, type Expected, type Stage } from './stage.ts';

/** Held by an isolation of an earlier run that Succeeded. */
export function isolatedByAtp({ host, machine, own }: Stage): void {
  host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
  own({ type: 'Isolate' }, '09:00');
}

export const isolatedTags = ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'];

/** What a release of such a host comes to. */
export const releasedThen: [Expected, Expected, Expected] = [
  {
    result: 'released',
    asks: ['unisolate PC'],
    tags: ['id: PC', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:00'],
  },
  {
    result: 'released',
    tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:00'],
  },
  unselected,
];

export function isolationOpen(status: 'Pending' | 'InProgress') {
  return ({ host, machine, own }: Stage): void => {
    host.tags.push(`id: ${machine.id}`, `isolation: ${status}`, 'Manual block:2026-11-24 11:30');
    own({ type: 'Isolate', status }, '11:30');
  };
}

export function releaseIs(status: string) {
  return (stage: Stage): void => {
    const { host, machine, own } = stage;
    host.tags.push(
      `id: ${machine.id}`,
      `release: ${status}`,
      'Manual block:2026-11-24 09:00',
      'Manual unblock:2026-11-24 11:30',
    );
    if (['Failed', 'TimeOut', 'Cancelled'].includes(status)) host.tags.push('Manual unblock failed');
    own({ type: 'Isolate' }, '09:00');
    own({ type: 'Unisolate', status }, '11:30');
  };
}

/** An action that ends in this word between the first run and the second. */
export function ending(status: string, by?: string) {
  return ({ harness, machine }: Stage, run: number): void => {
    if (run > 1) return;
    const { actions, advanceAction } = harness.simulator.world;
    for (const action of actions.values()) {
      if (action.machineId !== machine.id || action.status !== 'Pending') continue;
      advanceAction(action.id, status);
      if (by !== undefined) Object.assign(action, { cancelledBy: 'somebody', cancellationComment: by });
    }
  };
}

/** What a block of a machine in which nothing is in force comes to, beside own tags of the past. */
export function isolatedAnew(...past: string[]): [Expected, Expected, Expected] {
  const tags = (status: string) => ['id: PC', `isolation: ${status}`, ...past, 'Manual block:12:00'];
  return [
    { result: 'isolated', asks: ['isolate PC'], tags: tags('Pending') },
    { result: 'isolated', tags: tags('Succeeded') },
    unselected,
  ];
}

/** What a release that is posted in the first run comes to, beside own tags of the past. */
export function releasedAnew(...past: string[]): [Expected, Expected, Expected] {
  const tags = (status: string) => ['id: PC', `release: ${status}`, ...past, 'Manual unblock:12:00'];
  return [
    { result: 'released', asks: ['unisolate PC'], tags: tags('Pending') },
    { result: 'released', tags: tags('Succeeded') },
    unselected,
  ];
}

/** A run that does this, and two that find nothing to do. */
export function once(expected: Expected): [Expected, Expected, Expected] {
  return [expected, unselected, unselected];
}

/** Three runs that do the same. */
export function always(expected: Expected): [Expected, Expected, Expected] {
  return [expected, expected, expected];
}
