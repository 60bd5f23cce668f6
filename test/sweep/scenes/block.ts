import type { SimMachine } from '../../simulator/machines.ts';
import type { Scene } from '../rig.ts';
import { minuteText, moveOn, type Stage } from '../stage.ts';
import { productionLine } from './small.ts';

const mayIsolate = { protected: false };

const config = {
  isolation: {
    never: {
      names: ['dc-*'],
      ips: ['10.9.0.0/16'],
      tags: ['keep online'],
      groups: ['Domain controllers'],
      osPlatforms: ['WindowsServer*'],
      machineTags: ['crown jewels'],
    },
  },
};

/** Hosts that somebody wants cut off, by what is done about it. */
export const blockScenes: Scene[] = [
  sceneOf('isolations that are posted', addPosted),
  sceneOf('isolations that are taken over', addTakenOver),
  sceneOf('isolations that are refused', addRefused),
  sceneOf('isolations that have to wait', addUnsettled),
];

function sceneOf(name: string, addHosts: (stage: Stage) => void): Scene {
  return {
    name,
    args: productionLine,
    config,
    build(stage) {
      stage.world.addGroup({ name: 'Domain controllers' });
      addHosts(stage);
    },
    // A block does not wait for the note to tell of a release before it.
    lostNotes: [[/^note .*of (?:1207|1210): - <300 minutes before> UTC: release by .*/u, '']],
  };
}

function addPosted({ world, pair, held, context, noted, ownAction, portalAction, ago }: Stage): void {
  pair(1201, ['vip', 'block'], {}, mayIsolate);
  pair(1202, ['host_context', 'BLOCK', 'lab'], { notes: ['seen by Ann'] }, mayIsolate);
  pair(1203, ['block'], { name: 'IP-10.0.4.179', state: 'inactive', threat: 80, certainty: 80 }, mayIsolate);
  noted(pair(1204, ['block'], {}, mayIsolate), '\n\nask Ann first');

  const failed = pair(1205, ['block', 'Manual block failed'], {}, mayIsolate);
  failed.host.tags.push(
    ...context(failed.machine),
    'isolation: Failed',
    `Manual block:${minuteText(ago(1440))}`,
  );
  ownAction(failed.host, failed.machine, { status: 'Failed' });
  const often = pair(1206, ['block'], {}, mayIsolate);
  for (const days of [1, 2, 3, 4, 5]) {
    often.host.tags.push(`Manual block:${minuteText(ago(days * 1440))}`);
    often.host.tags.push(`Manual unblock:${minuteText(ago(days * 1440 - 60))}`);
  }
  often.host.tags.push('release: Succeeded', ...context(often.machine));
  ownAction(often.host, often.machine, { minutes: 1440 });
  ownAction(often.host, often.machine, { type: 'Unisolate', minutes: 1380 });
  const corrected = held(1207, ['block'], {}, {}, mayIsolate);
  portalAction(corrected.machine, { type: 'Unisolate', minutes: 300 });

  const replaced = held(1210, ['block'], {}, {}, mayIsolate);
  portalAction(replaced.machine, { type: 'Unisolate', minutes: 300 });
  moveOn(world, replaced);
}

function addTakenOver({ pair, held, context, ownAction, portalAction, ago }: Stage): void {
  portalAction(pair(1220, ['block']).machine);
  portalAction(pair(1221, ['block'], {}, { online: false }).machine, { status: 'Pending' });
  portalAction(pair(1222, ['block', 'host_context']).machine, { status: 'InProgress', minutes: 15 });
  const killed = pair(1223, ['block']);
  killed.host.tags.push(...context(killed.machine));
  ownAction(killed.host, killed.machine, { status: 'Pending', minutes: 10 });

  const releasing = pair(1224, ['block']).machine;
  portalAction(releasing, { minutes: 600 });
  portalAction(releasing, { type: 'Unisolate', status: 'Pending', minutes: 20 });
  const regretted = held(1225, [], { minutes: 600 });
  const slot = regretted.host.tags.indexOf('isolation: Succeeded');
  const asked = ['release: Pending', `Manual unblock:${minuteText(ago(30))}`];
  regretted.host.tags.splice(slot, 1, ...asked, 'block');
  ownAction(regretted.host, regretted.machine, { type: 'Unisolate', status: 'Pending', minutes: 30 });
  const free = pair(1226, ['block'], {}, mayIsolate).machine;
  portalAction(free, { type: 'Unisolate', status: 'Pending', minutes: 20 });
}

function addRefused({ world, pair, context }: Stage): void {
  pair(1240, ['block'], {}, { computerDnsName: 'dc-1.contoso.example' });
  pair(1241, ['block'], { last_source: '10.9.1.1' });
  pair(1242, ['keep online', 'block']);
  pair(1243, ['block', 'host_context'], { groups: ['Domain controllers'] });
  pair(1244, ['block'], {}, { osPlatform: 'WindowsServer2022' });
  pair(1245, ['block'], {}, { machineTags: ['Crown jewels'] });
  pair(1246, ['block'], {}, { osPlatform: 'iOS' });
  const former = world.addMachine({ computerDnsName: 'former.contoso.example', protected: true });
  world.addHost({ id: 1247, tags: ['block', ...context(former)] });
  const shared = world.addHost({ id: 1248, tags: ['block'] });
  const atOneAddress: Partial<SimMachine> = { lastIpAddress: shared.last_source, protected: true };
  world.addMachine(atOneAddress);
  world.addMachine(atOneAddress);
  pair(1249, ['block'], { host_artifact_set: [{ type: 'kerberos', value: 'SOMEBODY$' }], name: 'x' });
}

function addUnsettled({ world, pair, context, portalAction, ago }: Stage): void {
  const releasing = pair(1260, ['block'], {}, { protected: false }).machine;
  portalAction(releasing, { minutes: 600 });
  portalAction(releasing, { type: 'Unisolate', status: 'InProgress', minutes: 20 });
  const racing = pair(1261, ['block']).machine;
  portalAction(racing, { type: 'Unisolate', status: 'Pending', minutes: 25 });
  portalAction(racing, { status: 'Pending', minutes: 20 });
  // After an hour the record is believed, and the block goes by the address.
  const unrecorded = pair(1262, ['block'], {}, mayIsolate);
  const past = `Manual block:${minuteText(ago(1440))}`;
  unrecorded.host.tags.push(...context(unrecorded.machine), 'isolation: Succeeded', past);

  pair(1270, ['vip', past]);
  pair(1271, ['block']);
  world.indexFreeze(1271);
  world.untagHost(1271, 'block');
}
