import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { FaultKind } from '../simulator/faults.ts';
import type { HostFields, SimHost } from '../simulator/hosts.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import {
  asked,
  askedOf,
  closeUnharmed,
  contextOf,
  hostIn,
  it,
  logOf,
  minute,
  minutes,
  noteEntries,
  onlyAsked,
  ownNoteOf,
  playInOneRun,
  resultsOf,
  run,
  tags,
  tagsOf,
  typicalLine,
  textLike,
  textWith,
  type Scene,
} from './rig.ts';

const line = ['--blocktag', 'block', '--json'];

describe.concurrent('--blocktag', () => {
  it('isolates the machine, and says so on the host: first the machine, then the action, the trigger last', async ({
    start,
  }) => {
    const simulator = await start();
    const { world, ledger, settings } = simulator;
    const { host, machine } = world.addPair({
      tags: ['vip', 'Block', 'later'],
      state: 'inactive',
      name: 'Jane; "laptop"',
    });
    const before = Date.now();

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(action).toMatchObject({
      type: 'Isolate',
      machineId: machine.id,
      status: 'Pending',
      scope: 'Full',
    });
    const [fixed = '', time = '', name = ''] =
      /^(.*); (\S+Z); (.*)$/.exec(action.requestorComment)?.slice(1) ?? [];
    expect(fixed).toBe(`atp isolate; brain ${new URL(simulator.detectUrl).host}; host ${host.id}; tag Block`);
    expect(Date.parse(time)).toBeGreaterThanOrEqual(before - 1_000);
    expect(name).toBe('Jane; "laptop"');
    expect(tagsOf(host)).toEqual(
      tags(
        ['vip', 'later'],
        [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`],
      ),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: isolation for tag \`Block\`: Pending, action ${action.id}`,
    ]);
    expect(hostIn(result, host.id)).toMatchObject({
      reasons: ['block'],
      action: { type: 'isolate', id: action.id, status: 'Pending' },
      note: 'created',
      result: 'isolated',
    });
    // In this order a run that is killed anywhere is completed by the next one.
    const order = ledger.writes().map(({ call, body }) => `${call} ${JSON.stringify(body)}`);
    const at = (text: string) => order.findLastIndex((write) => write.includes(text));
    const steps = [`id: ${machine.id}`, 'IsolationType', 'note-create', 'isolation: Pending', '"Block"'].map(
      at,
    );
    expect(steps).toEqual(steps.toSorted((one, other) => one - other));
    expect(settings.roles).toContain('Machine.Isolate');
  });

  it('isolates as isolation.type says', async ({ start }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block'] });

    const result = await run(simulator, line, { overrides: { isolation: { type: 'Selective' } } });

    expect(result.code).toBe(0);
    expect(onlyAsked(simulator).scope).toBe('Selective');
  });

  it('keeps the newest five times, and clears the failure of before', async ({ start }) => {
    const simulator = await start();
    const older = ['2026-01-05', '2026-01-01', '2026-01-03', '2026-01-04', '2026-01-02'].map(
      (day) => `Manual block:${day} 10:00`,
    );
    const unblocks = ['Manual unblock:2026-01-06 10:00', 'Manual unblock failed', 'release: Succeeded'];
    const { host, machine } = simulator.world.addPair({
      tags: [...older, ...unblocks, 'Manual block failed', 'block'],
    });

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(tagsOf(host).own).toEqual(
      [
        ...contextOf(machine),
        'isolation: Pending',
        `Manual block:${minute(onlyAsked(simulator).createdAt)}`,
        ...older.filter((tag) => !tag.includes('01-01')),
        'Manual unblock:2026-01-06 10:00',
      ].toSorted(),
    );
  });

  it('asks once for a machine of two hosts: the other takes the isolation over', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const one = world.addPair({ tags: ['block'] });
    const other = world.addHost({ ...one.host, id: 2_000, tags: ['block', 'vip'], notes: [] });

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    const accepted = ['isolation: Pending', `Manual block:${minute(action.createdAt)}`];
    expect(tagsOf(one.host)).toEqual(tags([], [...contextOf(one.machine), ...accepted]));
    expect(tagsOf(other)).toEqual(tags(['vip'], [...contextOf(one.machine), ...accepted]));
    expect(resultsOf(result, [one.host, other])).toEqual(['isolated', 'isolated']);
    expect([one.host, other].map((host) => ownNoteOf(host).includes(action.id))).toEqual([true, true]);
  });
});

/** An isolation of the portal in this state, which a block takes over. */
function adoption(status: string): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const old = world.addAction({ machineId: machine.id, status, createdAt: Date.now() - minutes(90) });

    return (result) => {
      expect(resultsOf(result, [host])).toEqual(['isolated']);
      expect(askedOf(simulator, machine)).toEqual([]);
      expect(tagsOf(host)).toEqual(
        tags([], [...contextOf(machine), `isolation: ${status}`, `Manual block:${minute(old.createdAt)}`]),
      );
      expect(noteEntries(host)).toEqual([
        `- ${minute(old.createdAt)} UTC: isolation by \`analyst@contoso.example\`, taken over for tag \`block\`: ${status}, action ${old.id}`,
      ]);
    };
  };
}

/** Actions on the machine, oldest first, in the face of which a block must wait. */
function deferral(...actions: [type: 'Isolate' | 'Unisolate', status: string][]): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const known = actions.map(([type, status], at) =>
      world.addAction({ machineId: machine.id, type, status, createdAt: Date.now() - minutes(30 - at) }),
    );
    const before = structuredClone(known);

    return (result) => {
      expect(resultsOf(result, [host])).toEqual(['deferred']);
      expect(askedOf(simulator, machine)).toEqual([]);
      expect(known).toEqual(before);
      expect(tagsOf(host)).toEqual(tags(['block'], contextOf(machine)));
    };
  };
}

playInOneRun(
  'what is under way on the machine already',
  { args: line, code: 1 },
  {
    'an isolation in force is taken over': adoption('Succeeded'),
    'an isolation that is Pending is taken over': adoption('Pending'),
    'an isolation that is InProgress is taken over': adoption('InProgress'),
    'a release that is InProgress defers the isolation': deferral(
      ['Isolate', 'Succeeded'],
      ['Unisolate', 'InProgress'],
    ),
    'an isolation and a release at once defer it': deferral(['Unisolate', 'Pending'], ['Isolate', 'Pending']),
    'an isolation in a state that nobody documents defers it': deferral(
      ['Unisolate', 'Succeeded'],
      ['Isolate', 'Waiting'],
    ),

    'a release that is Pending is cancelled, and the isolation in force taken over': (simulator) => {
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      const isolation = world.portalIsolate(machine.id);
      const release = world.portalRelease(machine.id, 'Pending');

      return () => {
        expect(release).toMatchObject({
          status: 'Cancelled',
          cancellationComment: textLike(/^atp isolate; /),
        });
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(machine.isolated).toBe(true);
        expect(tagsOf(host)).toEqual(
          tags(
            [],
            [...contextOf(machine), 'isolation: Succeeded', `Manual block:${minute(isolation.createdAt)}`],
          ),
        );
      };
    },
  },
);

describe.concurrent('an action of the same kind that the record does not show', () => {
  it.for(['refuse', 'earlier'] as const)(
    'an isolation that the record does not show yet (%s) is not asked for twice',
    async (duplicateAction, { start }) => {
      const simulator = await start({ duplicateAction, actionIndexLagMs: minutes(60) });
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      const earlier = world.portalIsolate(machine.id, 'Pending');

      const result = await run(simulator, line);

      expect(asked(simulator)).toEqual([]);
      expect(world.actions.size).toBe(1);
      if (duplicateAction === 'refuse') {
        expect(result.code).toBe(1);
        expect(resultsOf(result, [host])).toEqual(['deferred']);
        expect(host.tags).toContain('block');
      } else {
        expect(result.code).toBe(0);
        expect(hostIn(result, host.id)['action']).toMatchObject({ id: earlier.id });
        expect(host.tags).not.toContain('block');
      }
    },
  );
});

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
    reason: "Defender cannot do this on the machine's platform or agent (OsPlatformNotSupported)",
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
    result = await run(simulator, line, { overrides: { isolation: { never } } });
    simulator.ledger.clear();
    again = await run(simulator, line, { overrides: { isolation: { never } } });
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

    const result = await run(simulator, line, { overrides: { isolation: { match } } });

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

    const result = await run(simulator, [...typicalLine, '--json'], { overrides });
    const left = tagsOf(blocked.host);
    world.untagHost(blocked.host.id, 'block');
    world.addPair({ tags: ['host_context'] });
    simulator.ledger.clear();
    const without = await run(simulator, [...typicalLine, '--json'], { overrides });

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

    const result = await run(simulator, [...typicalLine, '--json'], {
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

    const result = await run(simulator, line, { overrides: { isolation: { maxPerRun: 2 } } });

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

    const result = await run(simulator, line, { overrides: { isolation: { maxPerRun: 1 } } });

    expect(result.code).toBe(3);
    expect(asked(simulator)).toEqual([]);
    expect([known, unknown].map(({ host }) => tagsOf(host).others)).toEqual([['block'], ['block']]);
  });
});

describe.concurrent('opposite requests', () => {
  it('on one host are a conflict: nothing is done but enrichment', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block', 'unblock'] }, { protected: true });

    const result = await run(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(1);
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'conflict',
      action: null,
      detail: textWith('the host carries a block and an unblock tag at once'),
    });
    expect(tagsOf(host)).toEqual(tags(['block', 'unblock'], contextOf(machine)));
    expect(asked(simulator)).toEqual([]);
  });

  it('on two hosts of one machine are a conflict for both', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const one = world.addPair({ tags: ['block'] });
    const isolation = world.portalIsolate(one.machine.id);
    const other = world.addHost({ ...one.host, id: 2_000, tags: ['unblock'], notes: [] });
    const bystander = world.addPair({ tags: ['block'] });

    const result = await run(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(1);
    expect(resultsOf(result, [one.host, other, bystander.host])).toEqual([
      'conflict',
      'conflict',
      'isolated',
    ]);
    expect([one.host, other].map((host) => tagsOf(host))).toEqual([
      tags(['block'], contextOf(one.machine)),
      tags(['unblock'], contextOf(one.machine)),
    ]);
    expect(hostIn(result, other.id)['detail']).toContain(`by host ${other.id} and host ${one.host.id}`);
    expect(onlyAsked(simulator).machineId).toBe(bystander.machine.id);
    expect(isolation.status).toBe('Succeeded');
  });
});

/** An isolation whose answer is spoilt in this way: it is looked for by its comment, and found. */
function lostAnswer(kind: FaultKind): Scene {
  return (simulator) => {
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    const isMeant = ({ call, path }: Entry) => call === 'isolate' && path.includes(machine.id);
    simulator.faults.add({ match: isMeant, kind });

    return (result) => {
      const action = onlyAsked(simulator, machine);
      expect(simulator.ledger.entries.filter((entry) => isMeant(entry))).toHaveLength(1);
      expect(resultsOf(result, [host])).toEqual(['isolated']);
      expect(tagsOf(host)).toEqual(
        tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
      );
    };
  };
}

playInOneRun(
  'an isolation whose answer is lost is not asked for again:',
  { args: line, code: 0 },
  {
    'on the way': lostAnswer('reset-after'),
    'but for its status': lostAnswer('empty-200'),
    'in half': lostAnswer('truncated'),
    'in an answer without end': lostAnswer('oversize'),
    'behind a page of HTML': lostAnswer({ status: 200, body: '<html>hello</html>', after: true }),
    'behind an error': lostAnswer({ status: 502, after: true }),
  },
);

describe.concurrent('an isolation whose answer was lost', () => {
  it('and which the record does not show is taken up by the next run', async ({ start }) => {
    const simulator = await start({ actionIndexLagMs: minutes(60) });
    const { world, faults, ledger, settings } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const heal = faults.add({ match: ({ call }) => call === 'isolate', kind: 'reset-after' });

    const lost = await run(simulator, line);
    const between = tagsOf(host);
    heal();
    settings.actionIndexLagMs = 0;
    const found = await run(simulator, line);

    expect(lost.code).toBe(1);
    expect(resultsOf(lost, [host])).toEqual(['deferred']);
    expect(between).toEqual(tags(['block'], contextOf(machine)));
    expect(found.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(ledger.count('isolate')).toBe(1);
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
    );
    expect(noteEntries(host)).toHaveLength(1);
  });

  it('because it was certainly not carried out is repeated', async ({ start }) => {
    const simulator = await start();
    const { world, faults, ledger } = simulator;
    const { host } = world.addPair({ tags: ['block'] });
    faults.add({ match: ({ call }) => call === 'isolate', kind: '429', times: 1 });

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(ledger.count('isolate')).toBe(2);
    expect(asked(simulator)).toHaveLength(1);
    expect(host.tags).not.toContain('block');
  });
});
