import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { createStage, day, hour, minute } from './world.ts';

/** One host of the demo: why it is there, and what must have become of it at the end. */
export interface Scene {
  host: SimHost;
  /** The machine that the host is, or that Defender takes it for. */
  machine: SimMachine | undefined;
  /** What a person asks for, in a few words. */
  asks: string;
  /** What comes of it, in a few words. */
  outcome: string;
  /** Tags at the end, by how they begin. */
  carries: string[];
  /** Tags that are gone at the end, by how they begin. */
  lacks: string[];
  /** The machine is cut off the network at the end. */
  isolated: boolean;
}

/** Puts the hosts and machines of the demo into an empty world: every case that the tags of atp know. */
export function castWorld(simulator: Simulator): Scene[] {
  const { world } = simulator;
  const { now, host, machine, isolatedEarlier, isolatedByEarlierTool } = createStage(simulator);
  const scenes: Scene[] = [];

  function scene(added: Scene): void {
    scenes.push(added);
  }

  const anna = host('LAPTOP-ANNA', {
    tags: ['host_context', 'VIP', 'Ticket 4711'],
    notes: ['Anna called: saw a strange pop-up. I am on it. (Kim)'],
  });
  const annasLaptop = machine(anna, 'laptop-anna', { riskScore: 'High', exposureLevel: 'Medium' });
  scene({
    host: anna,
    machine: annasLaptop,
    asks: 'tell me about it',
    outcome: 'one machine found and described',
    carries: ['computerDnsName: laptop-anna', 'riskScore: High', 'id: '],
    lacks: ['host_context'],
    isolated: false,
  });

  const printer = host('PRINTER-2F', { tags: ['host_context', 'ATP_NoAgent', 'second floor'] });
  scene({
    host: printer,
    machine: undefined,
    asks: 'tell me about it',
    outcome: 'no Defender agent there',
    carries: ['ATP_NoAgent_Or_SensorInactive'],
    lacks: ['host_context', 'computerDnsName: '],
    isolated: false,
  });

  const shared = host('IP-10.20.0.3', { tags: ['host_context'], host_artifact_set: [] });
  machine(shared, 'vdi-01', { protected: true });
  machine(shared, 'vdi-02', { protected: true });
  scene({
    host: shared,
    machine: undefined,
    asks: 'tell me about it',
    outcome: 'two machines on one address: no guess',
    carries: ['ATP_MultipleSensors_SameIP'],
    lacks: ['host_context', 'computerDnsName: '],
    isolated: false,
  });

  const grace = host('DEV-GRACE', { threat: 92, certainty: 88, notes: ['Known pentest? Ask Grace. (Kim)'] });
  const gracesMachine = machine(grace, 'dev-grace');
  machine(grace, 'dev-test-vm');
  scene({
    host: grace,
    machine: gracesMachine,
    asks: '(nobody: scores 92 and 88)',
    outcome: 'two on one address, one has its name',
    carries: ['computerDnsName: dev-grace'],
    lacks: ['ATP_'],
    isolated: false,
  });

  const bob = host('WS-BOB', {
    tags: ['block', 'Incident 1207'],
    notes: ['Beacon every 60 s. Cut it off. (Kim)'],
  });
  const bobsMachine = machine(bob, 'ws-bob', { riskScore: 'High' });
  world.addAlert({ machineId: bobsMachine.id, severity: 'High' });
  world.addAlert({ machineId: bobsMachine.id, severity: 'Low', status: 'Resolved' });
  scene({
    host: bob,
    machine: bobsMachine,
    asks: 'isolate it',
    outcome: 'isolated',
    carries: ['isolation: Succeeded', 'Manual block:', 'computerDnsName: ws-bob'],
    lacks: ['block'],
    isolated: true,
  });

  const server = host('SRV-DC01', { tags: ['block', 'Incident 1207'] });
  const controller = machine(server, 'srv-dc01', { osPlatform: 'WindowsServer2022', protected: true });
  scene({
    host: server,
    machine: controller,
    asks: 'isolate it',
    outcome: 'refused: servers are protected',
    carries: ['Manual block failed', 'osPlatform: WindowsServer2022'],
    lacks: ['block', 'isolation: '],
    isolated: false,
  });

  const tablet = host('HR-TABLET', { tags: ['block'] });
  const stranger = machine(tablet, 'ws-erik', { protected: true });
  scene({
    host: tablet,
    machine: stranger,
    asks: 'isolate it',
    outcome: "refused: the machine there is Erik's",
    carries: ['Manual block failed'],
    lacks: ['block', 'isolation: '],
    isolated: false,
  });

  const chen = host('LAPTOP-CHEN', { tags: ['block', 'travelling'] });
  const chensLaptop = machine(chen, 'laptop-chen', { online: false });
  scene({
    host: chen,
    machine: chensLaptop,
    asks: 'isolate it',
    outcome: 'asked for; waits until it is online',
    carries: ['isolation: Pending', 'Manual block:'],
    lacks: ['block'],
    isolated: false,
  });

  const olga = host('WS-OLGA', { tags: ['block'] });
  const olgasMachine = machine(olga, 'ws-olga');
  world.addAction({
    machineId: olgasMachine.id,
    createdAt: now - 3 * hour,
    requestor: 'kim@contoso.example',
  });
  scene({
    host: olga,
    machine: olgasMachine,
    asks: 'isolate it',
    outcome: 'Kim did it in the portal: not repeated',
    carries: ['isolation: Succeeded', 'Manual block:'],
    lacks: ['block'],
    isolated: true,
  });

  const carla = host('WS-CARLA', { tags: ['unblock', 'Incident 1199', 'cleaned'] });
  const carlasMachine = machine(carla, 'ws-carla');
  isolatedEarlier(carla, carlasMachine, { at: now - 5 * hour, status: 'Succeeded', tagged: 'Succeeded' });
  scene({
    host: carla,
    machine: carlasMachine,
    asks: 'release it',
    outcome: 'released',
    carries: ['release: Succeeded', 'Manual block:', 'Manual unblock:'],
    lacks: ['unblock', 'isolation: '],
    isolated: false,
  });

  const dave = host('LAPTOP-DAVE', { tags: ['unblock', 'false alarm'] });
  const davesLaptop = machine(dave, 'laptop-dave', { online: false });
  isolatedEarlier(dave, davesLaptop, { at: now - 4 * hour, status: 'Pending', tagged: 'Pending' });
  scene({
    host: dave,
    machine: davesLaptop,
    asks: 'release it',
    outcome: 'its waiting isolation was cancelled',
    carries: ['isolation: Cancelled', 'Manual unblock:'],
    lacks: ['unblock'],
    isolated: false,
  });

  const kiosk = host('KIOSK-07', { tags: ['unblock'] });
  const kioskMachine = machine(kiosk, 'kiosk-07');
  const longAgo = now - 9 * day;
  isolatedByEarlierTool(kiosk, kioskMachine, longAgo);
  // It has moved to another address since: an isolated machine has no traffic of its own.
  world.moveAddress(kioskMachine.id, '10.20.9.9', longAgo + hour);
  scene({
    host: kiosk,
    machine: kioskMachine,
    asks: 'release it (Python tool)',
    outcome: 'released, found by its id: tag',
    carries: ['release: Succeeded', 'Manual block:', 'Manual unblock:'],
    lacks: ['unblock'],
    isolated: false,
  });

  const emil = host('WS-EMIL');
  const emilsMachine = machine(emil, 'ws-emil');
  isolatedEarlier(emil, emilsMachine, { at: now - 20 * minute, status: 'Succeeded', tagged: 'Pending' });
  scene({
    host: emil,
    machine: emilsMachine,
    asks: '(blocked 20 minutes ago)',
    outcome: 'followed: the isolation has succeeded',
    carries: ['isolation: Succeeded'],
    lacks: [],
    isolated: true,
  });

  const fay = host('LAPTOP-FAY', { tags: ['lost in the post?'] });
  const faysLaptop = machine(fay, 'laptop-fay', { online: false });
  isolatedEarlier(fay, faysLaptop, { at: now - 3 * day - hour, status: 'TimeOut', tagged: 'Pending' });
  scene({
    host: fay,
    machine: faysLaptop,
    asks: '(blocked three days ago)',
    outcome: 'followed: never online, given up',
    carries: ['isolation: TimeOut', 'Manual block failed'],
    lacks: [],
    isolated: false,
  });

  const hugo = host('WS-HUGO', { tags: ['block', 'unblock'] });
  const hugosMachine = machine(hugo, 'ws-hugo', { protected: true });
  scene({
    host: hugo,
    machine: hugosMachine,
    asks: 'isolate it and release it',
    outcome: 'conflict: both tags stay, you decide',
    carries: ['block', 'unblock'],
    lacks: ['isolation: ', 'Manual '],
    isolated: false,
  });

  const till = host('TILL-1', { tags: ['do not block', 'Manual blocklist entry', 'id: badge 4711'] });
  const tillMachine = machine(till, 'till-1', { protected: true });
  scene({
    host: till,
    machine: tillMachine,
    asks: '(nobody; tags look alike)',
    outcome: 'left alone',
    carries: ['do not block', 'Manual blocklist entry', 'id: badge 4711'],
    lacks: ['computerDnsName: '],
    isolated: false,
  });

  return scenes;
}
