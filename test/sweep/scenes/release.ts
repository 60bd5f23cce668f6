import type { Scene } from '../rig.ts';
import { minuteText, moveOn, type Stage } from '../stage.ts';
import { productionLine } from './small.ts';

/** Hosts that somebody wants back, by what is done about it. */
export const releaseScenes: Scene[] = [
  {
    name: 'releases',
    args: productionLine,
    config: {},
    build: addReleased,
    // An unblock does not wait for the note to tell of a release before it.
    lostNotes: [[/^note .*of (?:1307|1311): - <300 minutes before> UTC: release by .*/u, '']],
  },
  {
    name: 'releases of lost records',
    args: productionLine,
    config: {},
    build: addLostRecords,
    // The tag tells that the release failed; why, only the log does.
    lostNotes: [[/^note .*of 1322: .* refused: Defender no longer knows .*/u, '']],
    twins: [
      // The killed run has put the heir's id in place already.
      [/(of 1320: - \*\*Matched:\*\* by its id: tag)(?:, whose record was merged into .*)?$/, '$1'],
      // Killed between the removal of its id and that of its trigger, the host is asked about once more, by its address.
      [/^note .*of 1322: .* refused: no machine: .*$/, ''],
      [/(of 1322: - \*\*Machine:\*\*) (?:none found: |Defender no longer has ).*$/, '$1 none'],
    ],
  },
  {
    name: 'releases without an id',
    args: productionLine,
    config: {},
    build: addByAddress,
    // The id that the killed run has put on the host leads its successor.
    twins: [
      [
        /(of 1332: - \*\*Matched:\*\*) by its id: tag$/,
        '$1 by address 10.0.5.52, confirmed: name pc-1332 (dhcp)',
      ],
    ],
  },
  {
    name: 'releases that have to wait',
    args: productionLine,
    config: {},
    build(stage) {
      addKilled(stage);
      addUnsettled(stage);
    },
  },
];

function addReleased({ world, pair, held, noted, ownAction, portalAction, ago }: Stage): void {
  noted(held(1301, ['laptop', 'unblock']), '\n\ncalled the owner');
  world.writeNote(1301, 'a note of Ann');
  portalAction(pair(1302, ['Unblock', 'host_context'], { state: 'inactive' }).machine);
  pair(1303, ['unblock'], { notes: ['seen by Ann'] });
  noted(held(1304, ['unblock', 'lab'], { status: 'Pending', minutes: 90 }, {}, { online: false }));
  const pending = pair(1305, ['unblock'], {}, { online: false });
  portalAction(pending.machine, { status: 'Pending', minutes: 90 });
  const failed = held(1306, ['unblock', 'Manual unblock failed']);
  failed.host.tags = failed.host.tags.map((tag) =>
    tag === 'isolation: Succeeded' ? 'release: Failed' : tag,
  );
  failed.host.tags.push(`Manual unblock:${minuteText(ago(200))}`);
  ownAction(failed.host, failed.machine, { type: 'Unisolate', status: 'Failed', minutes: 200 });
  const corrected = held(1307, ['unblock']);
  portalAction(corrected.machine, { type: 'Unisolate', minutes: 300 });
  const replaced = held(1311, ['unblock']);
  portalAction(replaced.machine, { type: 'Unisolate', minutes: 300 });
  moveOn(world, replaced);
  const asked = held(1308, ['unblock']);
  portalAction(asked.machine, { type: 'Unisolate', status: 'Pending', minutes: 5 });
}

function addLostRecords({ world, held }: Stage): void {
  const merged = held(1320, ['unblock']);
  const heir = world.addMachine({ computerDnsName: 'heir.contoso.example', protected: true });
  merged.machine.mergedIntoMachineId = heir.id;
  const listening = held(1321, ['unblock']).machine;
  world.deleteMachine(listening.id, { acceptsActions: true });
  world.deleteMachine(held(1322, ['unblock', 'vip']).machine.id);
  world.actions.delete(held(1323, ['unblock'], { minutes: 20 }).action.id);
  world.actions.delete(held(1324, ['unblock']).action.id);
}

function addByAddress({ world, held }: Stage): void {
  const moved = held(1330, ['unblock']);
  const tenant = world.addMachine({ computerDnsName: 'next.contoso.example', protected: true });
  world.moveAddress(tenant.id, moved.host.last_source ?? '');
  for (const address of moved.machine.addresses) address.to = -Infinity;

  const earlierTool = held(1331, ['unblock']).host;
  earlierTool.tags = earlierTool.tags.filter((tag) => tag !== 'isolation: Succeeded');
  for (const [id, fields] of [
    [1332, {}],
    [1333, { name: 'IP-10.0.5.53', host_artifact_set: [] }],
  ] as const) {
    const nameless = held(
      id,
      ['unblock'],
      {},
      { ...fields, host_artifact_set: [...(fields.host_artifact_set ?? [])] },
    );
    if (id === 1332) nameless.host.host_artifact_set.push({ type: 'dhcp', value: `pc-${id}` });
    nameless.host.tags = nameless.host.tags.filter((tag) => !tag.startsWith('id: '));
  }
}

function addKilled({ world, held, ownAction }: Stage): void {
  const posted = held(1340, ['unblock']);
  ownAction(posted.host, posted.machine, { type: 'Unisolate', status: 'Pending', minutes: 6 });
  const cancelled = held(1341, ['unblock'], { status: 'Pending', minutes: 90 }, {}, { online: false });
  const comment = cancelled.action.requestorComment.replace('atp isolate', 'atp release');
  world.cancel(cancelled.action, 'atp', comment.replace('tag block', 'tag unblock'));
}

function addUnsettled({ world, pair, held, portalAction }: Stage): void {
  held(1350, ['unblock'], { status: 'InProgress', minutes: 30 });
  const racing = pair(1351, ['unblock', 'host_context']).machine;
  portalAction(racing, { status: 'Pending', minutes: 25 });
  portalAction(racing, { type: 'Unisolate', status: 'Pending', minutes: 20 });
  held(1352, ['unblock']);
  world.indexFreeze(1352);
  world.untagHost(1352, 'unblock');
}
