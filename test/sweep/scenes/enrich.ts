import { seconds } from '../../simulator/hosts.ts';
import type { Scene } from '../rig.ts';
import { minuteText, moveOn, type Stage } from '../stage.ts';
import { productionLine } from './small.ts';

const args = [...productionLine, '--tag', 'please enrich'];

/** Hosts that ask for context, by what is known of them. */
export const enrichScenes: Scene[] = [
  { name: 'hosts to be enriched', args, config: {}, build: addPlain },
  { name: 'hosts with an earlier context', args, config: {}, build: addKnown },
  { name: 'hosts that are hard to find', args, config: {}, build: addHidden },
];

function addPlain({ world, pair }: Stage): void {
  const plain = pair(1101, ['finance', 'host_context', 'floor 3'], { notes: ['seen by Ann'] });
  world.addAlert({ machineId: plain.machine.id, severity: 'High' });
  world.addAlert({ machineId: plain.machine.id, status: 'Resolved' });
  pair(1102, ['vip'], { threat: 80, certainty: 90 });
  pair(1103, ['HOST_context', 'please enrich']);
  pair(1104, ['host_context'], { state: 'inactive' });

  pair(1150, ['host_context']);
  world.indexFreeze(1150);
  world.untagHost(1150, 'host_context');
  pair(1151, ['host_context']);
  world.indexFreeze(1151);
  world.deleteHost(1151);
}

function addKnown({ world, pair, held, context, noted, portalAction, ago }: Stage): void {
  const elsewhere = world.addMachine({ computerDnsName: 'elsewhere.contoso.example' });
  const moved = pair(1110, []);
  moved.host.tags = ['a', ...context(elsewhere), 'b', 'host_context', 'id: badge 4711'];
  noted({ host: moved.host, machine: elsewhere }, '\n\nasked the owner\nno answer yet');
  world.writeNote(1110, 'a note of Ann');
  const again = pair(1111, []);
  again.host.tags = [...context(again.machine), 'host_context'];
  const twoNotes = pair(1112, ['host_context']);
  noted(twoNotes);
  noted(twoNotes, '\n\na copy');
  const talkative = pair(1113, ['host_context']);
  noted(talkative, `\n\n${'word '.repeat(1_500)}`);

  const isolated = held(1140, ['host_context']);
  world.moveAddress(elsewhere.id, isolated.host.last_source ?? '');
  const released = held(1141, ['host_context', 'lab']);
  portalAction(released.machine, { type: 'Unisolate', minutes: 300 });
  const elsewhereNow = held(1143, ['host_context']);
  portalAction(elsewhereNow.machine, { type: 'Unisolate', minutes: 300 });
  moveOn(world, elsewhereNow);
  const over = pair(1142, []);
  const history = [`Manual block:${minuteText(ago(5000))}`, `Manual unblock:${minuteText(ago(4000))}`];
  over.host.tags = [...context(over.machine), 'release: Succeeded', ...history, 'host_context'];
}

function addHidden({ world, pair, context, ago }: Stage): void {
  const elsewhere = world.addMachine({ computerDnsName: 'elsewhere.contoso.example' });
  world.addHost({ id: 1120, tags: [...context(elsewhere), 'host_context', 'ATP_NoAgent'] });
  pair(1121, ['host_context'], { overrides: { last_seen: undefined } });
  pair(1122, ['host_context'], { last_seen: seconds(ago(40 * 1440)) });
  const reportedLate = pair(1123, ['host_context'], { last_seen: seconds(ago(10)) });
  for (const address of reportedLate.machine.addresses) address.to = ago(40);

  const shared = world.addHost({ id: 1130, tags: ['host_context'] });
  world.addMachine({ lastIpAddress: shared.last_source });
  world.addMachine({ lastIpAddress: shared.last_source });
  pair(1131, ['host_context'], { name: 'IP-10.0.4.107', host_artifact_set: [] });
  pair(1132, ['host_context'], {
    host_artifact_set: [{ type: 'kerberos', value: 'SOMEBODY$' }],
    name: 'x',
  });
  const merged = pair(1133, ['host_context']);
  world.addMachine({ lastIpAddress: merged.host.last_source, mergedIntoMachineId: merged.machine.id });
  const reinstalled = pair(1134, ['host_context']);
  const { computerDnsName } = reinstalled.machine;
  const twin = { lastIpAddress: reinstalled.host.last_source, computerDnsName, healthStatus: 'Inactive' };
  world.addMachine(twin);
}
