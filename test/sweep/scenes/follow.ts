import type { Scene } from '../rig.ts';
import { minuteText, type Stage } from '../stage.ts';
import { productionLine } from './small.ts';

/** Hosts whose isolation or release an earlier run has asked for, and what became of it. */
export const followScenes: Scene[] = [
  {
    name: 'isolations under way',
    args: productionLine,
    config: {},
    build: addIsolations,
    // With the failure on its status tag the host is no longer held, and goes by its address.
    twins: [[/(of 1408: - \*\*Matched:\*\*) by address .*$/, '$1 by its id: tag']],
  },
  { name: 'releases under way', args: productionLine, config: {}, build: addReleases },
];

function addIsolations({ world, pair, held, context, noted, portalAction, ago }: Stage): void {
  const pending = { tagged: 'Pending', minutes: 30 };
  const moved = held(1401, ['guest'], { ...pending, status: 'Pending' });
  noted(moved, '\n\ncalled the owner');
  world.advanceAction(moved.action.id, 'Succeeded');
  held(1402, ['lab'], { ...pending, status: 'Failed' }, { notes: ['seen by Ann'] });
  held(1403, ['lab'], { ...pending, status: 'Pending' }, {}, { online: false });
  held(1404, [], { ...pending, status: 'InProgress' });
  held(1405, [], { ...pending, status: 'TimeOut' });
  held(1406, [], { ...pending, status: 'Cancelled' });
  held(1407, ['host_context', 'vip'], pending);
  held(1408, ['host_context'], { ...pending, status: 'Failed' });

  const corrected = held(1410, [], pending);
  portalAction(corrected.machine, { type: 'Unisolate', minutes: 15 });
  const forAnother = held(1411, ['first'], { ...pending, status: 'Pending' }, {}, { online: false });
  const comment = forAnother.action.requestorComment.replace('atp isolate', 'atp release');
  world.cancel(forAnother.action, 'atp', comment.replace('host 1411', 'host 1412'));
  const adopted = pair(1413, []);
  const at = portalAction(adopted.machine, { minutes: 45 }).createdAt;
  adopted.host.tags = [...context(adopted.machine), 'isolation: Pending', `Manual block:${minuteText(at)}`];
  const lost = pair(1414, []);
  const past = `Manual block:${minuteText(ago(25))}`;
  lost.host.tags = [...context(lost.machine), 'isolation: Pending', past];
}

function addReleases({ held, ownAction, ago }: Stage): void {
  for (const [id, status] of [
    [1420, 'Succeeded'],
    [1421, 'Failed'],
    [1422, 'Pending'],
    [1423, 'InProgress'],
    [1424, 'Cancelled'],
  ] as const) {
    const { host, machine } = held(id, ['lab']);
    const asked = ['release: Pending', `Manual unblock:${minuteText(ago(30))}`];
    host.tags.splice(host.tags.indexOf('isolation: Succeeded'), 1, ...asked);
    if (id === 1422) machine.online = false;
    ownAction(host, machine, { type: 'Unisolate', status, minutes: 30 });
  }
  const killed = held(1430, []);
  killed.host.tags.push('release: Pending', `Manual unblock:${minuteText(ago(30))}`);
  ownAction(killed.host, killed.machine, { type: 'Unisolate', minutes: 30 });
  const waiting = held(1431, ['host_context']);
  waiting.host.tags.push('release: Pending', `Manual unblock:${minuteText(ago(30))}`);
  ownAction(waiting.host, waiting.machine, { type: 'Unisolate', status: 'Pending', minutes: 30 });
}
