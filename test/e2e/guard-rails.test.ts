import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { HostFields, SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import {
  asked,
  closeUnharmed,
  contextOf,
  hostIn,
  it,
  logOf,
  noteEntries,
  onlyAsked,
  resultsOf,
  runHere,
  tags,
  tagsOf,
  typicalLine,
} from './rig.ts';

const line = ['--blocktag', 'block', '--json'];

/** How a host and its machine differ from a pair that may be isolated, and why it is not. */
interface Refusal {
  line: string;
  host?: HostFields;
  machine?: Partial<SimMachine>;
  prepare?: (simulator: Simulator, pair: { host: SimHost; machine: SimMachine }) => void;
  reason: string;
  /** Instead of the tags of the machine. */
  own?: string[];
}

const never = {
  names: ['dc*', 'SRV-?'],
  ips: ['10.77.0.0/16', '192.168.9.9', 'fd00:7::/32'],
  tags: ['crown jewel*'],
  groups: ['Domain Controllers'],
  osPlatforms: ['WindowsServer*'],
  machineTags: ['no-isolat*'],
};

const strange = { name: 'somebody-else', host_artifact_set: [{ type: 'netbios', value: 'SOMEBODY-ELSE' }] };

const refusals: Refusal[] = [
  {
    line: "the machine's name",
    machine: { computerDnsName: 'DC01.contoso.example' },
    reason: 'isolation.never.names "dc*" protects DC01',
  },
  {
    line: "the host's name",
    host: { name: 'srv-7.contoso.example' },
    reason: 'isolation.never.names "SRV-?" protects srv-7',
  },
  {
    line: 'an artifact',
    host: { host_artifact_set: [{ type: 'kerberos', value: 'DC7$' }] },
    reason: 'isolation.never.names "dc*" protects DC7$',
  },
  {
    line: "the host's address",
    host: { last_source: '10.77.1.2' },
    reason: 'isolation.never.ips "10.77.0.0/16" protects 10.77.1.2',
  },
  {
    line: 'another address of the machine',
    machine: { ipAddresses: [{ ipAddress: '192.168.9.9', macAddress: '005056AAAAAA' }] },
    reason: 'isolation.never.ips "192.168.9.9" protects 192.168.9.9',
  },
  {
    line: 'a tag of the host',
    host: { tags: ['block', 'Crown Jewel 1'] },
    reason: 'isolation.never.tags "crown jewel*" protects Crown Jewel 1',
  },
  {
    line: 'a group of the host',
    host: { groups: ['Domain Controllers'] },
    reason: 'isolation.never.groups "Domain Controllers" protects Domain Controllers',
  },
  {
    line: 'the platform',
    machine: { osPlatform: 'windowsserver2019' },
    reason: 'isolation.never.osPlatforms "WindowsServer*" protects windowsserver2019',
  },
  {
    line: 'a tag of the machine',
    machine: { machineTags: ['prod', 'NO-isolation'] },
    reason: 'isolation.never.machineTags "no-isolat*" protects NO-isolation',
  },
  {
    line: 'no name of the machine',
    machine: { computerDnsName: null },
    host: { name: 'x', host_artifact_set: [] },
    reason: "isolation.never.names cannot be judged without the machine's name",
  },
  {
    line: 'no name of the host',
    host: { overrides: { name: null } },
    reason: 'isolation.never.names cannot be judged without the name of the host',
  },
  {
    line: 'no artifacts of the host',
    host: { overrides: { host_artifact_set: null } },
    reason: 'isolation.never.names cannot be judged without the artifacts of the host',
  },
  {
    line: 'no ip of the host',
    host: { overrides: { ip: null } },
    reason: "isolation.never.ips cannot be judged without the host's ip",
  },
  {
    line: 'no addresses of the machine',
    machine: { overrides: { ipAddresses: null } },
    reason: "isolation.never.ips cannot be judged without the machine's ipAddresses",
  },
  {
    line: 'no groups of the host',
    host: { overrides: { groups: null } },
    reason: 'isolation.never.groups cannot be judged without the groups of the host',
  },
  {
    line: 'no platform',
    machine: { osPlatform: null },
    reason: "isolation.never.osPlatforms cannot be judged without the machine's osPlatform",
  },
  {
    line: 'no tags of the machine',
    machine: { overrides: { machineTags: null } },
    reason: "isolation.never.machineTags cannot be judged without the machine's tags",
  },
  {
    line: 'names that contradict',
    host: strange,
    reason:
      'in Defender, but Detect knows this host as SOMEBODY-ELSE (netbios); isolation.match "no-conflict" demands more',
  },
  {
    line: 'no machine at the address',
    machine: { addresses: [] },
    own: ['ATP_NoAgent_Or_SensorInactive'],
    reason: 'no machine: Defender knows no onboarded machine at 10.',
  },
  {
    line: 'several machines at the address',
    host: { name: 'x', host_artifact_set: [] },
    prepare: ({ world }, { host }) => {
      world.addMachine({ computerDnsName: 'second.contoso.example', lastIpAddress: host.last_source });
    },
    own: ['ATP_MultipleSensors_SameIP'],
    reason: 'and not exactly one of them confirmed: ',
  },
  {
    line: 'a host last seen long ago',
    host: { last_seen: '2026-01-01T00:00:00Z' },
    own: ['ATP_NoAgent_Or_SensorInactive'],
    reason: 'no machine: stale: the host was last seen more than 30 days ago',
  },
  {
    line: 'a platform that Defender cannot isolate',
    machine: { osPlatform: 'iOS' },
    reason: 'Defender cannot isolate the platform iOS',
  },
];

/** A text without what Markdown might take for its own. */
function unmarked(text: string): string {
  return text.replaceAll(/[\s*"`]+/g, ' ');
}

describe.concurrent('an isolation is refused for good because of', () => {
  let simulator: Simulator;
  let result: RunResult;
  let again: RunResult;
  const pairs = new Map<string, { host: SimHost; machine: SimMachine }>();
  let allowed: { host: SimHost; machine: SimMachine };

  beforeAll(async () => {
    simulator = await createSimulator();
    const { world } = simulator;
    world.addGroup({ name: 'Domain Controllers' });
    for (const refusal of refusals) {
      const pair = world.addPair(
        { tags: ['block'], notes: ['mine'], ...refusal.host },
        { protected: true, ...refusal.machine },
      );
      // Defender itself refuses the phone, so that asking for it is no harm.
      if (pair.machine.osPlatform === 'iOS') pair.machine.protected = false;
      refusal.prepare?.(simulator, pair);
      pairs.set(refusal.line, pair);
    }
    allowed = world.addPair({ tags: ['block'] });
    result = await runHere(simulator, line, { overrides: { isolation: { never } } });
    simulator.ledger.clear();
    again = await runHere(simulator, line, { overrides: { isolation: { never } } });
  });

  afterAll(async () => {
    await closeUnharmed(simulator);
  });

  it.for(refusals.map((each): [string, Refusal] => [each.line, each]))('%s', ([name, { reason, own }]) => {
    const pair = pairs.get(name);
    if (!pair) throw new Error('no such case');
    const { host, machine } = pair;

    expect(hostIn(result, host.id)).toMatchObject({ result: 'refused', action: null });
    expect(machine.isolated).toBe(false);
    expect(host.tags).not.toContain('block');
    expect(host.tags).toContain('Manual block failed');
    if (own) expect(tagsOf(host).own).toEqual([...own, 'Manual block failed'].toSorted());
    expect(hostIn(result, host.id)['detail']).toContain(`isolation refused: `);
    expect(hostIn(result, host.id)['detail']).toContain(reason);
    const [entry = '', ...more] = noteEntries(host);
    expect(more).toEqual([]);
    expect(entry).toMatch(/^- \S+ \S+ UTC: isolation for tag `block` refused: /);
    expect(unmarked(entry)).toContain(unmarked(reason));
    const logged = logOf(result).find((each) => each['host'] === host.id);
    expect(logged).toMatchObject({ level: 'warn', msg: hostIn(result, host.id)['detail'] });
  });

  it('nothing else: all others are isolated, and the next run has nothing to say', () => {
    expect(result.code).toBe(1);
    expect(onlyAsked(simulator).machineId).toBe(allowed.machine.id);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(simulator.ledger.writes()).toEqual([]);
  });
});

describe.concurrent('isolation.match', () => {
  it.for<[policy: string, results: string[]]>([
    ['confirmed', ['isolated', 'refused', 'refused']],
    ['no-conflict', ['isolated', 'isolated', 'refused']],
    ['ip', ['isolated', 'isolated', 'isolated']],
  ])('%s', async ([match, expected], { start }) => {
    const simulator = await start();
    const { world } = simulator;
    const confirmed = world.addPair({ tags: ['block'] });
    const ipOnly = world.addPair({ tags: ['block'], name: 'IP-10.0.0.7', host_artifact_set: [] });
    const conflicting = world.addPair({ tags: ['block'], ...strange });
    const pairs = [confirmed, ipOnly, conflicting];

    const result = await runHere(simulator, line, { overrides: { isolation: { match } } });

    expect(
      resultsOf(
        result,
        pairs.map(({ host }) => host),
      ),
    ).toEqual(expected);
    expect(pairs.map(({ host }) => hostIn(result, host.id)['machine'])).toMatchObject(
      ['confirmed', 'ip only', 'conflict'].map((evidence) => ({ evidence })),
    );
    expect(new Set(asked(simulator).map(({ machineId }) => machineId))).toEqual(
      new Set(pairs.filter((_, at) => expected[at] === 'isolated').map(({ machine }) => machine.id)),
    );
    expect(result.code).toBe(match === 'ip' ? 0 : 1);
  });
});

describe.concurrent('a group in isolation.never.groups that Detect does not know', () => {
  it('stops every isolation, and neither releases nor enrichment', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const blocked = world.addPair({ tags: ['block'] }, { protected: true });
    const released = world.addPair({ tags: ['unblock'] });
    world.portalIsolate(released.machine.id);
    const enriched = world.addPair({ tags: ['host_context'] });
    const overrides = { isolation: { never: { groups: ['Domain Controlers'] } } };

    const result = await runHere(simulator, [...typicalLine, '--json'], { overrides });
    const left = tagsOf(blocked.host);
    world.untagHost(blocked.host.id, 'block');
    world.addPair({ tags: ['host_context'] });
    simulator.ledger.clear();
    const without = await runHere(simulator, [...typicalLine, '--json'], { overrides });

    expect(result.code).toBe(78);
    expect(resultsOf(result, [blocked.host, released.host, enriched.host])).toEqual([
      'deferred',
      'released',
      'enriched',
    ]);
    expect(hostIn(result, blocked.host.id)['detail']).toContain(
      'no isolation in this run: isolation.never.groups names "Domain Controlers", which Detect does not know',
    );
    expect(left).toEqual(tags(['block'], contextOf(blocked.machine)));
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: released.machine.id });
    // Nobody asks for an isolation: the groups are of no interest.
    expect(without.code).toBe(0);
    expect(simulator.ledger.count('groups')).toBe(0);
  });
});

describe.concurrent('isolation.maxPerRun', () => {
  it('exceeded: none is isolated, the tags stay, and everything else is done', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const wanted = [1, 2, 3].map(() => world.addPair({ tags: ['block'] }, { protected: true }));
    const adopted = world.addPair({ tags: ['block'] });
    world.portalIsolate(adopted.machine.id);
    const refused = world.addHost({ tags: ['block'] });
    const released = world.addPair({ tags: ['unblock'] });
    world.portalIsolate(released.machine.id);
    const enriched = world.addPair({ tags: ['host_context'] });

    const result = await runHere(simulator, [...typicalLine, '--json'], {
      overrides: { isolation: { maxPerRun: 2 } },
    });

    expect(result.code).toBe(3);
    expect(
      resultsOf(
        result,
        wanted.map(({ host }) => host),
      ),
    ).toEqual(['deferred', 'deferred', 'deferred']);
    expect(hostIn(result, wanted[0]?.host.id ?? 0)['detail']).toContain(
      '3 machines would need a new isolation, isolation.maxPerRun allows 2: none was isolated',
    );
    expect(wanted.map(({ host }) => tagsOf(host))).toEqual(
      wanted.map(({ machine }) => tags(['block'], contextOf(machine))),
    );
    expect(resultsOf(result, [adopted.host, refused, released.host, enriched.host])).toEqual([
      'isolated',
      'refused',
      'released',
      'enriched',
    ]);
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: released.machine.id });
  });

  it('counts machines, not hosts, and those that need a new isolation only', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const one = world.addPair({ tags: ['block'] });
    world.addHost({ ...one.host, id: 2_000, notes: [] });
    world.addPair({ tags: ['block'] });
    world.portalIsolate(world.addPair({ tags: ['block'] }).machine.id);

    const result = await runHere(simulator, line, { overrides: { isolation: { maxPerRun: 2 } } });

    expect(result.code).toBe(0);
    expect(asked(simulator)).toHaveLength(2);
  });

  it('counts a host whose machine could not be looked up', async ({ start }) => {
    const simulator = await start();
    const { world, faults } = simulator;
    const known = world.addPair({ tags: ['block'] }, { protected: true });
    const unknown = world.addPair({ tags: ['block'] }, { protected: true });
    faults.add({
      match: ({ path }) => path.includes(`'${unknown.host.last_source ?? ''}'`),
      kind: { status: 400 },
    });

    const result = await runHere(simulator, line, { overrides: { isolation: { maxPerRun: 1 } } });

    expect(result.code).toBe(3);
    expect(asked(simulator)).toEqual([]);
    expect([known, unknown].map(({ host }) => tagsOf(host).others)).toEqual([['block'], ['block']]);
  });
});
