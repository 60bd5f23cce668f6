import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { HostFields, SimHost } from '../simulator/hosts.ts';
import type { JsonObject } from '../simulator/json.ts';
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
  onlyAsked,
  ownNoteOf,
  resultsOf,
  runHere,
  tags,
  tagsOf,
} from './rig.ts';

const days = 86_400_000;

function daysAgo(count: number): string {
  return new Date(Date.now() - count * days).toISOString().replace(/\.\d+/, '');
}

describe.concurrent('a trigger tag may be any text', () => {
  const odd = [
    'quo"te',
    String.raw`back\slash`,
    String.raw`\"`.concat('x'),
    'R&D',
    '#42',
    'soc:isolate me',
    'host.tags:x',
    '(a OR b)',
    'a*',
    'Müller–Weg ✓',
    '隔離',
    "it's",
    '100% sure?',
    'x" OR host.state:"active',
    ' padded ',
    'x'.repeat(100),
  ];

  it('and only the hosts that carry exactly it are enriched, whatever it means to the search', async ({
    start,
  }) => {
    const simulator = await start({ triggers: odd });
    const { world, ledger } = simulator;
    const carriers = odd.map((tag) => world.addPair({ tags: ['vip', tag.toUpperCase()] }));
    // The same words to the index, but other tags.
    const others = odd.map((tag) => world.addHost({ tags: [`${tag}!`, 'active'] }));

    const result = await runHere(simulator, ['--json', ...odd.flatMap((tag) => ['--tag', tag])]);

    expect(result.code).toBe(0);
    expect(carriers.map(({ host }) => tagsOf(host))).toEqual(
      carriers.map(({ machine }) => tags(['vip'], contextOf(machine))),
    );
    expect(result.report).toMatchObject({ counts: { selected: odd.length, enriched: odd.length } });
    for (const { id } of others)
      expect(ledger.entries.some(({ path }) => path.includes(`/${id}`))).toBe(false);
  });

  it('and an injection isolates nobody else', async ({ start }) => {
    const tag = 'x" OR host.state:"active';
    const simulator = await start({ triggers: [tag] });
    const { host, machine } = simulator.world.addPair({ tags: [tag] });
    simulator.world.addPair({ tags: ['x'] });
    simulator.world.addPair({ tags: ['x', 'active'] });

    const result = await runHere(simulator, ['--json', '--blocktag', tag]);

    expect(result.code).toBe(0);
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Isolate', machineId: machine.id });
    expect(host.tags).not.toContain(tag);
    expect(result.report).toMatchObject({ counts: { selected: 1 } });
  });
});

interface Case {
  line: string;
  host?: HostFields;
  machine?: Partial<SimMachine>;
  /** Instead of the tags of the machine. */
  tags?: (machine: SimMachine) => string[];
  result?: string;
  detail?: string;
  /** Findbyip must not be asked. */
  unasked?: boolean;
}

const noMachine = () => ['ATP_NoAgent_Or_SensorInactive'];

/** Everything that the program reads of a host but cannot do without. */
const dispensable =
  'name threat certainty ip host_artifact_set groups severity note sensor detection_summaries'.split(' ');
const empty = (names: readonly string[], value: unknown): JsonObject =>
  Object.fromEntries(names.map((name) => [name, value]));

/** Everything that the program reads of a machine but its id. */
const properties =
  'computerDnsName osPlatform healthStatus riskScore exposureLevel lastSeen lastIpAddress ipAddresses machineTags onboardingStatus isExcluded mergedIntoMachineId'.split(
    ' ',
  );
const unknown = ({ id }: SimMachine) => [
  'computerDnsName: Unknown',
  'osPlatform: Unknown',
  'healthStatus: Unknown',
  'riskScore: Unknown',
  'exposureLevel: Unknown',
  `id: ${id}`,
];
/** The tags of a machine but for its name. */
const named = (name: string) => (machine: SimMachine) => [
  `computerDnsName: ${name}`,
  ...contextOf(machine).slice(1),
];

const cases: Case[] = [
  { line: 'a host whose fields are null', host: { overrides: empty(dispensable, null) } },
  { line: 'a host whose fields are missing', host: { overrides: empty(dispensable, undefined) } },
  {
    line: 'a host whose fields are of other types',
    host: {
      overrides: {
        ...empty(dispensable, 7),
        name: ['x'],
        groups: 'none',
        host_artifact_set: [null, 'x', { type: 'dhcp' }],
      },
    },
  },
  {
    line: 'a host without an address',
    host: { last_source: null, ip: null },
    tags: noMachine,
    unasked: true,
    detail: 'no machine: Detect gives no usable last_source for the host',
  },
  {
    line: 'a host whose address is none',
    host: { last_source: 'unknown' },
    tags: noMachine,
    unasked: true,
    detail: 'no machine: Detect gives no usable last_source for the host',
  },
  {
    line: 'a host that was never seen',
    host: { last_seen: null },
    tags: noMachine,
    unasked: true,
    detail: 'no machine: Detect does not say when the host was last seen',
  },
  {
    line: 'a host seen at a time that is none',
    host: { last_seen: 'last week' },
    tags: noMachine,
    unasked: true,
    detail: 'no machine: Detect does not say when the host was last seen',
  },
  {
    line: 'a host last seen 31 days ago',
    host: { last_seen: daysAgo(31) },
    tags: noMachine,
    unasked: true,
    detail:
      'no machine: stale: the host was last seen more than 30 days ago, and Defender remembers addresses for 30 days',
  },
  { line: 'a host last seen 29 days ago', host: { last_seen: daysAgo(29) } },
  { line: 'a host with an IPv6 address', host: { last_source: 'fd00::12:7' } },
  { line: 'a host without a state', host: { overrides: { state: undefined } } },
  {
    line: 'a name full of control characters',
    host: { name: 'evil\u001b[2J\u202e\r\nhost' },
  },
  {
    line: 'a machine whose properties are null',
    machine: { overrides: empty(properties, null) },
    tags: unknown,
  },
  {
    line: 'a machine whose properties are missing',
    machine: { overrides: empty(properties, undefined) },
    tags: unknown,
  },
  {
    line: 'a machine whose properties are of other types',
    machine: { overrides: { ...empty(properties, 7), isExcluded: 'no', mergedIntoMachineId: '' } },
    tags: unknown,
  },
  { line: 'a machine with an empty name', machine: { computerDnsName: '' }, tags: named('Unknown') },
  {
    line: 'a machine whose name has characters that no tag shall have',
    machine: { computerDnsName: 'büro "7"; x\n.contoso.example' },
    tags: named('b_ro_7_x_.contoso.example'),
  },
  {
    line: 'a machine with a name of 300 characters',
    machine: { computerDnsName: `${'n'.repeat(300)}.contoso.example` },
    tags: named('n'.repeat(100 - 'computerDnsName: '.length)),
  },
  {
    line: 'a machine that is not onboarded',
    machine: { onboardingStatus: 'CanBeOnboarded' },
    tags: noMachine,
  },
  {
    line: 'a record that was merged into another',
    machine: { mergedIntoMachineId: 'a'.repeat(40) },
    tags: noMachine,
  },
];

describe.concurrent('odd documents', () => {
  let simulator: Simulator;
  let result: RunResult;
  const pairs = new Map<string, { host: SimHost; machine: SimMachine }>();

  beforeAll(async () => {
    simulator = await createSimulator();
    const { world } = simulator;
    for (const { line, host, machine } of cases) {
      pairs.set(line, world.addPair({ tags: ['vip', 'host_context'], notes: ['mine'], ...host }, machine));
    }
    // Documents that are no hosts at all.
    for (const overrides of [{ id: undefined }, { id: 'seven' }, { tags: 'host_context' }])
      world.addHost({ tags: ['host_context'], overrides });
    result = await runHere(simulator, ['--json', '--tag', 'host_context']);
  });

  afterAll(async () => {
    await closeUnharmed(simulator);
  });

  it.for(cases.map((each): [string, Case] => [each.line, each]))('%s', ([line, expected]) => {
    const pair = pairs.get(line);
    if (!pair) throw new Error('no such case');
    const { host, machine } = pair;
    const reported = hostIn(result, host.id);

    expect(tagsOf(host)).toEqual(tags(['vip'], (expected.tags ?? contextOf)(machine)));
    expect(reported['result']).toBe(expected.result ?? 'enriched');
    if (expected.detail !== undefined) expect(reported['detail']).toBe(expected.detail);
    expect(host.notes[0]?.note).toBe('mine');
    expect(ownNoteOf(host)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    const wasAsked = simulator.ledger
      .of('findbyip')
      .some(({ path }) => path.includes(`'${host.last_source ?? ''}'`));
    expect(wasAsked).toBe(!expected.unasked);
  });

  it('that cannot be used are named, count as failed, and are all that is said to be wrong', () => {
    expect(result.code).toBe(1);
    expect(result.report).toMatchObject({ counts: { selected: cases.length + 3, failed: 3 } });
    const said = logOf(result).filter(({ level }) => level !== 'info');
    expect(said.map(({ msg }) => msg).toSorted()).toEqual([
      'Detect lists this host without an id; nothing can be done about it',
      'Detect lists this host without an id; nothing can be done about it',
      'its document in Detect has no tags and cannot be used',
    ]);
    expect(result.stdout + result.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(asked(simulator)).toEqual([]);
  });
});

describe.concurrent('a machine without a usable id', () => {
  it.for([undefined, null, '', 'not an id', 7])(
    '(%s) spoils its host alone, which keeps its trigger',
    async (id, { start }) => {
      const simulator = await start();
      const odd = simulator.world.addPair({ tags: ['block'] }, { overrides: { id } });
      const sound = simulator.world.addPair({ tags: ['block'] });

      const result = await runHere(simulator, ['--json', '--blocktag', 'block']);

      expect(result.code).toBe(1);
      expect(resultsOf(result, [odd.host, sound.host])).toEqual(['deferred', 'isolated']);
      expect(odd.host.tags).toEqual(['block']);
      expect(onlyAsked(simulator).machineId).toBe(sound.machine.id);
    },
  );
});

describe.concurrent('what a search leaves out', () => {
  it('is read from the host itself', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({
      tags: ['host_context'],
      overrides: { last_seen: undefined, last_source: undefined },
    });
    simulator.hooks.after = ({ call }) => {
      if (call === 'search') host.overrides = {};
    };

    const result = await runHere(simulator, ['--json', '--tag', 'host_context']);

    expect(result.code).toBe(0);
    expect(tagsOf(host)).toEqual(tags([], contextOf(machine)));
  });
});
