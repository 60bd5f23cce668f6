import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, startOfTime, type Harness } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { FaultKind } from '../simulator/faults.ts';
import { seconds, type SimHost } from '../simulator/hosts.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * What the first, second and third run do with a host in each state. All rows of a table are hosts of one Detect, done
 * by the same three runs; between two runs ten minutes pass, and unless a row says otherwise every open action is carried
 * out. The expectations are the contract's, not the program's.
 */

type Ask = 'block' | 'unblock' | undefined;

/** A run: what was asked of Defender, the host's own tags afterwards, and what the report says. */
interface Expected {
  /** Undefined: the run does not select the host. */
  result: string | undefined;
  /** `isolate PC`, `unisolate PC`, `cancel`, in order; default none. */
  asks?: string[];
  /** Own tags but for the five that describe a machine; default: as after the run before. */
  tags?: string[];
  /** The trigger tag is still there; default no. */
  kept?: boolean;
  /** Parts of the report's sentence. */
  says?: string[];
}

interface Stage {
  harness: Harness;
  host: SimHost;
  /** The host's machine, `PC` in the rows: found by its address, confirmed by name. */
  machine: SimMachine;
  /** `OTHER`: another machine, at another address. */
  other: SimMachine;
  act(fields: Partial<SimAction>): SimAction;
  /** An action that an earlier run asked for. */
  own(fields: Partial<SimAction> & { type: 'Isolate' | 'Unisolate' }, at: string): SimAction;
  /** Something goes wrong with calls that name the machine. */
  fault(call: string, kind: FaultKind, times: number): void;
}

interface State {
  name: string;
  arrange(stage: Stage): void;
  /** What happens between the runs; by default all open actions are carried out. */
  between?(stage: Stage, run: number): void;
  rows: { ask: Ask; runs: [Expected, Expected, Expected] }[];
}

/** A time of the day of the tests, in milliseconds UTC. */
function time(clock: string): number {
  return Date.parse(`2026-11-24T${clock}:00Z`);
}

const unselected: Expected = { result: undefined };
const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];

function setStage(harness: Harness): Stage {
  const { world, faults } = harness.simulator;
  const { host, machine } = world.addPair();
  machine.computerDnsName = `laptop-${host.id}.contoso.example`;
  host.host_artifact_set = [{ type: 'dhcp', value: `laptop-${host.id}` }];
  const other = world.addMachine({ computerDnsName: `desktop-${host.id}.contoso.example` });
  const brain = new URL(harness.simulator.detectUrl).host;

  function act(fields: Partial<SimAction>): SimAction {
    return world.addAction({ machineId: machine.id, ...fields });
  }
  return {
    harness,
    host,
    machine,
    other,
    act,
    own(fields, at) {
      const verb = fields.type === 'Isolate' ? 'isolate' : 'release';
      const tag = fields.type === 'Isolate' ? 'block' : 'unblock';
      return act({
        createdAt: time(at) + 5_000,
        requestorComment: `atp ${verb}; brain ${brain}; host ${host.id}; tag ${tag}; 2026-11-24T${at}:04Z; laptop`,
        requestor: harness.simulator.settings.appId,
        requestSource: 'PublicApi',
        ...fields,
      });
    },
    fault(call, kind, times) {
      const names = (entry: Entry) =>
        entry.path.includes(machine.id) || (entry.query['$filter'] ?? '').includes(machine.id);
      faults.add({ match: (entry) => entry.call === call && names(entry), kind, times });
    },
  };
}

/** Tags in the words of the rows. */
function inWords({ host, machine, other }: Stage): string[] {
  return host.tags
    .filter((tag) => !/^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): /.test(tag))
    .filter((tag) => tag !== 'VIP' && tag !== 'block' && tag !== 'unblock')
    .map((tag) => tag.replace('2026-11-24 ', '').replace(machine.id, 'PC').replace(other.id, 'OTHER'))
    .sort();
}

function asksOf({ harness, machine, other }: Stage): string[] {
  const { ledger, world } = harness.simulator;
  return ledger.writes().flatMap(({ service, call, path }) => {
    if (service !== 'atp') return [];
    const id = path.split('/').at(-2) ?? '';
    if (call === 'cancel') return world.action(id).machineId === machine.id ? ['cancel'] : [];
    if (id === machine.id) return [`${call} PC`];
    return id === other.id ? [`${call} OTHER`] : [];
  });
}

/** How often the host's tags and notes were written to. */
function writesTo({ harness, host }: Stage): number {
  return harness.simulator.ledger.writes().filter(({ path, body }) => {
    const ids = isObject(body) ? body['objectIds'] : undefined;
    return path.includes(`/${host.id}/`) || (Array.isArray(ids) && ids.includes(host.id));
  }).length;
}

/** What a run was seen to do with a host. */
interface Seen {
  result: string | undefined;
  asks: string[];
  tags: string[];
  kept: boolean;
  detail: string;
  writes: number;
}

const trouble = ['failed', 'refused', 'deferred', 'conflict'];

function table(title: string, states: readonly State[], actionIndexLagMs = 0): void {
  const cases = states.flatMap((state) => state.rows.map(({ ask, runs }) => ({ ...state, ask, runs })));
  const seen: Seen[][] = cases.map(() => []);
  const codes: number[] = [];
  const hostIds: number[] = [];
  const before: string[][] = [];
  let harness: Harness;

  async function runThrice(stages: readonly Stage[]): Promise<void> {
    for (const run of [1, 2, 3]) {
      harness.simulator.ledger.clear();
      const { code, report } = await harness.run(line);
      codes.push(code);
      for (const [at, { ask }] of cases.entries()) {
        const stage = stages[at];
        if (!stage) continue;
        const { host } = stage;
        const told = report?.hosts.find(({ id }) => id === host.id);
        seen[at]?.push({
          result: told?.result,
          asks: asksOf(stage),
          tags: inWords(stage),
          kept: ask !== undefined && host.tags.includes(ask),
          detail: told?.detail ?? '',
          writes: writesTo(stage),
        });
      }
      for (const [at, { between }] of cases.entries()) {
        const stage = stages[at];
        if (stage) (between ?? carryOut)(stage, run);
      }
      harness.clock.advance(600_000);
    }
  }

  describe(title, () => {
    beforeAll(async () => {
      harness = await createHarness({
        actionIndexLagMs,
        requestMs: 1,
        config: { isolation: { maxPerRun: 1000 } },
      });
      const stages = cases.map(({ arrange, ask }) => {
        const stage = setStage(harness);
        hostIds.push(stage.host.id);
        arrange(stage);
        stage.host.tags.push('VIP', ...(ask === undefined ? [] : [ask]));
        return stage;
      });
      before.push(...stages.map((stage) => inWords(stage)));
      await runThrice(stages);
      expect(stages.every(({ host }) => host.tags.includes('VIP'))).toBe(true);
    }, 60_000);

    afterAll(async () => {
      await harness.close();
    });

    it.each(cases.map((one, at) => ({ ...one, at })))('$name, asked for $ask', ({ at, runs }) => {
      let tags = before[at] ?? [];
      for (const [n, expected] of runs.entries()) {
        tags = (expected.tags ?? tags).toSorted();
        const { detail, writes, ...did } = seen[at]?.[n] ?? { detail: '', writes: NaN };
        expect({ run: n + 1, ...did }).toEqual({
          run: n + 1,
          result: expected.result,
          asks: expected.asks ?? [],
          tags,
          kept: expected.kept ?? false,
        });
        for (const words of expected.says ?? []) {
          expect(detail).toContain(words.replace('{host}', String(hostIds[at])));
        }
        if (expected.result === undefined) expect(writes).toBe(0);
      }
    });

    it('ends each run with 1 when a host is in trouble, else with 0', () => {
      const expected = [0, 1, 2].map((run) =>
        cases.some(({ runs }) => trouble.includes(runs[run]?.result ?? '')) ? 1 : 0,
      );
      expect(codes).toEqual(expected);
    });

    it('does no harm', () => {
      expect(harness.simulator.world.violations).toEqual([]);
    });
  });
}

/** Every open action of the machines is carried out. */
function carryOut({ harness, machine, other }: Stage): void {
  const { actions, advanceAction } = harness.simulator.world;
  for (const { id, status, machineId } of [...actions.values()]) {
    const target = [machine, other].find((candidate) => candidate.id === machineId);
    if (target?.online && (status === 'Pending' || status === 'InProgress')) advanceAction(id, 'Succeeded');
  }
}

const neverHeld: State[] = [
  {
    name: 'never held',
    arrange: () => undefined,
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [{ result: 'released', tags: ['id: PC', 'Manual unblock:12:00'] }, unselected, unselected],
      },
    ],
  },
  {
    name: 'never held, isolated from the portal',
    arrange: ({ act }) => act({ type: 'Isolate', createdAt: time('09:00') }),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'],
            says: ['isolation of 2026-11-24 09:00 UTC by analyst@contoso.example taken over'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual unblock:12:00'],
          },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, an isolation from the portal is Pending',
    arrange: ({ act }) => act({ type: 'Isolate', status: 'Pending', createdAt: time('11:30') }),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Cancelled', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, an isolation from the portal is InProgress',
    arrange: ({ act }) => act({ type: 'Isolate', status: 'InProgress', createdAt: time('11:30') }),
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: InProgress', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', tags: ['id: PC'], kept: true, says: ['InProgress'] },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual unblock:12:10'],
          },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:12:10'] },
        ],
      },
    ],
  },
  {
    name: 'never held, isolated and released from the portal',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', createdAt: time('10:00') });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [{ result: 'released', tags: ['id: PC', 'Manual unblock:12:00'] }, unselected, unselected],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is Pending on the isolated machine',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:30') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released', tags: ['id: PC', 'release: Pending', 'Manual unblock:11:30'] },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is Pending although nothing is in force',
    arrange: ({ act }) => act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:30') }),
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel', 'isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, a release from the portal is InProgress on the isolated machine',
    arrange({ act }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', status: 'InProgress', createdAt: time('11:30') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', tags: ['id: PC'], kept: true, says: ['InProgress'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:10'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:10'] },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released', tags: ['id: PC', 'release: InProgress', 'Manual unblock:11:30'] },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual unblock:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, with an id: tag that enrichment left and an address that moved on',
    arrange({ host, other, harness }) {
      host.tags.push(`id: ${other.id}`);
      harness.simulator.world.addAction({
        machineId: other.id,
        type: 'Isolate',
        createdAt: time('09:00'),
      });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [{ result: 'released', tags: ['id: PC', 'Manual unblock:12:00'] }, unselected, unselected],
      },
    ],
  },
  {
    name: 'no longer held: blocked and unblocked by the earlier tool',
    arrange({ host, machine, act }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2026-11-24 09:00', 'Manual unblock:2026-11-24 10:00');
      act({ type: 'Isolate', createdAt: time('09:00') });
      act({ type: 'Unisolate', createdAt: time('10:00') });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:00',
              'Manual unblock:10:00',
            ],
          },
          {
            result: 'isolated',
            tags: [
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual block:12:00',
              'Manual unblock:10:00',
            ],
          },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            tags: ['id: PC', 'Manual block:09:00', 'Manual unblock:10:00', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held, isolated from the portal, and the record was then merged into another at the address',
    arrange({ act, machine, other, host }) {
      act({ type: 'Isolate', createdAt: time('09:00') });
      machine.mergedIntoMachineId = other.id;
      other.isolated = true;
      other.computerDnsName = machine.computerDnsName;
      other.addresses = [{ ip: host.last_source ?? '', from: -Infinity, to: Infinity }];
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: OTHER', 'isolation: Succeeded', 'Manual block:09:00'] },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate OTHER'],
            tags: ['id: OTHER', 'release: Pending', 'Manual unblock:12:00'],
          },
          { result: 'released', tags: ['id: OTHER', 'release: Succeeded', 'Manual unblock:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'never held and inactive for 40 days',
    arrange({ host }) {
      host.state = 'inactive';
      host.last_seen = seconds(startOfTime - 40 * 86_400_000);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'refused',
            tags: ['ATP_NoAgent_Or_SensorInactive', 'Manual block failed'],
            says: ['stale'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            tags: ['ATP_NoAgent_Or_SensorInactive', 'Manual unblock failed'],
            says: ['stale'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
];

/** Held by an isolation of an earlier run that Succeeded. */
function isolatedByAtp({ host, machine, own }: Stage): void {
  host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
  own({ type: 'Isolate' }, '09:00');
}

const isolatedTags = ['id: PC', 'isolation: Succeeded', 'Manual block:09:00'];

/** What a release of such a host comes to. */
const releasedThen: [Expected, Expected, Expected] = [
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

function isolationOpen(status: 'Pending' | 'InProgress') {
  return ({ host, machine, own }: Stage): void => {
    host.tags.push(`id: ${machine.id}`, `isolation: ${status}`, 'Manual block:2026-11-24 11:30');
    own({ type: 'Isolate', status }, '11:30');
  };
}

function releaseIs(status: string) {
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

const held: State[] = [
  {
    name: 'held by an isolation that is Pending',
    arrange: isolationOpen('Pending'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Cancelled', 'Manual block:11:30', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that is Pending, on a machine that stays offline',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      stage.machine.online = false;
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
    ],
  },
  {
    name: 'held by an isolation that is InProgress',
    arrange: isolationOpen('InProgress'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: PC', 'isolation: InProgress', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true, says: ['InProgress'] },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:30', 'Manual unblock:12:10'],
          },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30', 'Manual unblock:12:10'],
          },
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that Succeeded',
    arrange: isolatedByAtp,
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held by a release that is Pending',
    arrange: releaseIs('Pending'),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['cancel'],
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held by a release that is InProgress',
    arrange: releaseIs('InProgress'),
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['InProgress'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:30',
            ],
          },
          {
            result: 'isolated',
            tags: [
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:30',
            ],
          },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'released' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
    ],
  },
  ...['Failed', 'TimeOut', 'Cancelled'].map((status): State => ({
    name: `held by a release that ended in ${status}`,
    arrange: releaseIs(status),
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: [
              'id: PC',
              'release: Pending',
              'Manual block:09:00',
              'Manual unblock:11:30',
              'Manual unblock:12:00',
            ],
          },
          {
            result: 'released',
            tags: [
              'id: PC',
              'release: Succeeded',
              'Manual block:09:00',
              'Manual unblock:11:30',
              'Manual unblock:12:00',
            ],
          },
          unselected,
        ],
      },
    ],
  })),
  {
    name: 'held by the earlier tool: id: and Manual block: only',
    arrange({ host, machine, act }) {
      host.tags.push(`id: ${machine.id}`, 'Manual block:2026-11-24 09:00');
      act({ type: 'Isolate', createdAt: time('09:00') + 7_000, requestorComment: 'Isolated by Vectra' });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held, and the address has moved to another machine',
    arrange(stage) {
      isolatedByAtp(stage);
      const { host, machine, other, harness } = stage;
      const { world } = harness.simulator;
      world.moveAddress(machine.id, '10.9.9.9', time('10:00'));
      world.moveAddress(other.id, host.last_source ?? '', time('10:00'));
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held and inactive, last seen 40 days ago',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.state = 'inactive';
      stage.host.last_seen = seconds(startOfTime - 40 * 86_400_000);
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held, and the record was merged into another',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.machine.mergedIntoMachineId = stage.other.id;
      // What Defender calls one device.
      stage.other.isolated = true;
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          { result: 'isolated', tags: ['id: OTHER', 'isolation: Succeeded', 'Manual block:09:00'] },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            asks: ['unisolate OTHER'],
            tags: ['id: OTHER', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:00'],
          },
          {
            result: 'released',
            tags: ['id: OTHER', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:00'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, and the record is gone for good',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.harness.simulator.world.deleteMachine(stage.machine.id);
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            asks: ['unisolate PC'],
            tags: ['isolation: Succeeded', 'Manual block:09:00', 'Manual unblock failed'],
            says: ['Defender no longer knows machine'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, and the record is gone while its id still takes actions',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.harness.simulator.world.deleteMachine(stage.machine.id, { acceptsActions: true });
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held with two id: tags, confirmed by its address',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags.push(`id: ${stage.other.id}`);
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held with two id: tags, of which one record shows the isolation',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags.push(`id: ${stage.other.id}`);
      stage.host.name = `IP-${stage.host.last_source ?? ''}`;
      stage.host.host_artifact_set = [];
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held with two id: tags, of which no record tells, and nothing but the address speaks for a machine',
    arrange(stage) {
      const { host, machine, other } = stage;
      host.tags.push(`id: ${machine.id}`, `id: ${other.id}`, 'isolation: Succeeded');
      host.tags.push('Manual block:2026-11-24 09:00');
      machine.isolated = true;
      host.name = `IP-${host.last_source ?? ''}`;
      host.host_artifact_set = [];
    },
    rows: [
      {
        ask: 'unblock',
        runs: [
          {
            result: 'refused',
            tags: [
              'id: OTHER',
              'id: PC',
              'isolation: Succeeded',
              'Manual block:09:00',
              'Manual unblock failed',
            ],
            says: ['laptop-{host}', 'held without one id: tag demands more'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held without any id: tag, confirmed by its address',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.host.tags = stage.host.tags.filter((tag) => !tag.startsWith('id: '));
    },
    rows: [
      { ask: 'block', runs: [{ result: 'isolated', tags: isolatedTags }, unselected, unselected] },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held, and released from the portal in the meantime',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.act({ type: 'Unisolate', createdAt: time('10:00') });
    },
    rows: [
      { ask: undefined, runs: [unselected, unselected, unselected] },
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:09:00', 'Manual block:12:00'],
          },
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:09:00', 'Manual block:12:00'],
          },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:00'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'held, released from the portal, and its address has moved to another machine',
    arrange(stage) {
      isolatedByAtp(stage);
      const { host, machine, other, harness } = stage;
      const { world } = harness.simulator;
      stage.act({ type: 'Unisolate', createdAt: time('10:00') });
      world.moveAddress(machine.id, '10.9.9.9', time('10:30'));
      world.moveAddress(other.id, host.last_source ?? '', time('10:30'));
      host.host_artifact_set = [{ type: 'dhcp', value: `desktop-${host.id}` }];
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate OTHER'],
            tags: ['id: OTHER', 'isolation: Pending', 'Manual block:09:00', 'Manual block:12:00'],
          },
          {
            result: 'isolated',
            tags: ['id: OTHER', 'isolation: Succeeded', 'Manual block:09:00', 'Manual block:12:00'],
          },
          unselected,
        ],
      },
    ],
  },
];

const doubtfulRecord: State[] = [
  {
    name: 'held for three hours, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Succeeded', 'Manual block:2026-11-24 09:00');
      machine.isolated = true;
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['Defender lists no such action'] },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
      { ask: 'unblock', runs: releasedThen },
    ],
  },
  {
    name: 'held for 45 minutes, and the record is empty',
    arrange({ host, machine }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:15');
      machine.isolated = true;
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true, says: ['2026-11-24 11:15 UTC'] },
          { result: 'deferred', kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:15', 'Manual unblock:12:20'],
          },
        ],
      },
    ],
  },
  ...(['block', 'unblock'] as const).map((ask): State => ({
    name: `held, and the record cannot be read during the first run (${ask})`,
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('machineactions', '500', 4);
    },
    rows: [
      {
        ask,
        runs: [
          { result: 'deferred', kept: true, says: ['could not be read'] },
          ask === 'block'
            ? { result: 'isolated' }
            : {
                result: 'released',
                asks: ['unisolate PC'],
                tags: ['id: PC', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:10'],
              },
          ask === 'block'
            ? unselected
            : {
                result: 'released',
                tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:10'],
              },
        ],
      },
    ],
  })),
  {
    name: 'never held, and the record cannot be read during the first run',
    arrange: ({ fault }) => {
      fault('machineactions', 'truncated', 4);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          // Nothing is known of the machine's state, so that nothing is written about it.
          { result: 'deferred', kept: true, says: ['could not be read'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:10'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:10'] },
        ],
      },
    ],
  },
  {
    name: 'an isolation and a release are both open, and stay so',
    arrange(stage) {
      const { host, machine, own, act } = stage;
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:30');
      machine.online = false;
      own({ id: `isolation-of-${host.id}`, type: 'Isolate', status: 'Pending' }, '11:30');
      act({ id: `release-of-${host.id}`, type: 'Unisolate', status: 'InProgress', createdAt: time('11:40') });
    },
    rows: [
      { ask: undefined, runs: [{ result: 'unchanged' }, { result: 'unchanged' }, { result: 'unchanged' }] },
      ...(['block', 'unblock'] as const).map((ask): State['rows'][number] => ({
        ask,
        runs: [
          { result: 'deferred', kept: true, says: ['isolation-of-{host}', 'release-of-{host}'] },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      })),
    ],
  },
  {
    name: 'an isolation and a release are both open, and are then carried out',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      stage.act({ type: 'Unisolate', status: 'Pending', createdAt: time('11:40') });
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'released', tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:11:30', 'Manual block:12:10'],
          },
          {
            result: 'isolated',
            tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30', 'Manual block:12:10'],
          },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:11:30', 'Manual unblock:12:10'],
          },
          unselected,
        ],
      },
    ],
  },
];

/** An action that ends in this word between the first run and the second. */
function ending(status: string, by?: string) {
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

const followed: State[] = [
  ...['Failed', 'TimeOut', 'Cancelled'].flatMap((status): State[] => [
    {
      name: `an isolation is followed to ${status}`,
      arrange: isolationOpen('Pending'),
      between: ending(status),
      rows: [
        {
          ask: undefined,
          runs: [
            { result: 'unchanged' },
            {
              result: 'failed',
              tags: ['id: PC', `isolation: ${status}`, 'Manual block failed', 'Manual block:11:30'],
              says: [`ended in ${status}`],
            },
            unselected,
          ],
        },
      ],
    },
    {
      name: `a release is followed to ${status}`,
      arrange: releaseIs('Pending'),
      between: ending(status),
      rows: [
        {
          ask: undefined,
          runs: [
            { result: 'unchanged' },
            {
              result: 'failed',
              tags: [
                'id: PC',
                `release: ${status}`,
                'Manual block:09:00',
                'Manual unblock failed',
                'Manual unblock:11:30',
              ],
              says: [`ended in ${status}`],
            },
            unselected,
          ],
        },
      ],
    },
  ]),
  {
    name: 'an isolation is followed from Pending over InProgress to Succeeded',
    arrange: isolationOpen('Pending'),
    between({ harness, machine }, run) {
      const { actions, advanceAction } = harness.simulator.world;
      for (const { id, machineId } of actions.values()) {
        if (machineId === machine.id) advanceAction(id, run === 1 ? 'InProgress' : 'Succeeded');
      }
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: InProgress', 'Manual block:11:30'] },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:30'] },
        ],
      },
    ],
  },
  {
    name: 'an isolation is followed to a cancellation by this program for another host',
    arrange: isolationOpen('Pending'),
    between: ending(
      'Cancelled',
      'atp release; brain other.example; host 9; tag unblock; 2026-11-24T12:01:00Z; x',
    ),
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'released', tags: ['id: PC', 'isolation: Cancelled', 'Manual block:11:30'] },
          unselected,
        ],
      },
    ],
  },
  {
    // Not told from a run that was killed when all but the trigger tag was written: a person decides once it is said.
    name: 'an isolation has Failed unseen, and the host is tagged again',
    arrange(stage) {
      isolationOpen('Pending')(stage);
      ending('Failed')(stage, 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block failed', 'Manual block:11:30'],
            says: ['ended in Failed'],
          },
          unselected,
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block:11:30', 'Manual unblock:12:00'],
            says: ['ended in Failed', 'nothing to release'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
  {
    name: 'both status tags, of a run that was killed between two writes',
    arrange(stage) {
      releaseIs('Pending')(stage);
      stage.host.tags.push('isolation: Succeeded');
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:30'],
          },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'an isolation that failed while no run looked is the answer to a trigger that was not removed',
    arrange({ own }) {
      own({ type: 'Isolate', status: 'Failed' }, '11:30');
    },
    rows: [
      {
        ask: 'block',
        runs: [
          // Never held, and without an id: tag: the address leads to the machine and its record to the own action.
          {
            result: 'failed',
            tags: ['id: PC', 'isolation: Failed', 'Manual block failed', 'Manual block:11:30'],
          },
          unselected,
          unselected,
        ],
      },
    ],
  },
];

const lostAnswers: State[] = [
  {
    name: 'the answer to the POST is lost, and the record shows the action',
    arrange: ({ fault }) => {
      fault('isolate', 'reset-after', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is empty, and the record shows the action',
    arrange: ({ fault }) => {
      fault('isolate', 'empty-200', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is lost, and the record shows no action because there is none',
    arrange: ({ fault }) => {
      fault('isolate', 'reset-before', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:10'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:10'] },
        ],
      },
    ],
  },
  {
    name: 'held, and the answer to the POST for the release is lost',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('unisolate', 'reset-after', 1);
    },
    rows: [{ ask: 'unblock', runs: releasedThen }],
  },
  {
    name: 'held, and the POST for the release never arrived',
    arrange(stage) {
      isolatedByAtp(stage);
      stage.fault('unisolate', 'reset-before', 1);
    },
    rows: [
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', asks: ['unisolate PC'], kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:09:00', 'Manual unblock:12:10'],
          },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:12:10'],
          },
        ],
      },
    ],
  },
  {
    name: 'the POST is refused as one too many by a race, and the other action is taken over',
    arrange({ harness, machine }) {
      const { simulator } = harness;
      // Somebody isolates the machine in the portal while the program is about to.
      let isDone = false;
      simulator.faults.add({
        match({ call, path }) {
          if (call === 'isolate' && path.includes(machine.id) && !isDone) {
            isDone = true;
            simulator.world.portalIsolate(machine.id, 'Pending');
          }
          return false;
        },
        kind: '500',
      });
    },
    rows: [
      {
        ask: 'block',
        runs: [
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: ['id: PC', 'isolation: Pending', 'Manual block:12:00'],
          },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
];

const unreadableEntry: State[] = [
  {
    name: 'never held, and an entry of the record cannot be read',
    arrange: ({ act }) => act({ type: 'Isolate', createdAt: time('09:00'), overrides: { status: null } }),
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
          { result: 'deferred', kept: true },
        ],
      },
    ],
  },
];

const lateRecord: State[] = [
  {
    name: 'held by a release that the record shows ten minutes later',
    arrange({ host, machine, own }) {
      host.tags.push(
        `id: ${machine.id}`,
        'release: Pending',
        'Manual block:2026-11-24 09:00',
        'Manual unblock:2026-11-24 11:50',
      );
      own({ type: 'Isolate' }, '09:00');
      own({ type: 'Unisolate', status: 'Pending' }, '11:50');
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          {
            result: 'released',
            tags: ['id: PC', 'release: Succeeded', 'Manual block:09:00', 'Manual unblock:11:50'],
          },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true, says: ['does not list the release of 2026-11-24 11:50 UTC yet'] },
          {
            result: 'isolated',
            asks: ['isolate PC'],
            tags: [
              'id: PC',
              'isolation: Pending',
              'Manual block:09:00',
              'Manual block:12:10',
              'Manual unblock:11:50',
            ],
          },
          // The isolation is not shown yet.
          { result: 'unchanged' },
        ],
      },
    ],
  },
  {
    name: 'held by an isolation that the record shows ten minutes later',
    arrange({ host, machine, own }) {
      host.tags.push(`id: ${machine.id}`, 'isolation: Pending', 'Manual block:2026-11-24 11:50');
      own({ type: 'Isolate', status: 'Pending' }, '11:50');
    },
    rows: [
      {
        ask: undefined,
        runs: [
          { result: 'unchanged' },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:50'] },
          unselected,
        ],
      },
      {
        ask: 'block',
        runs: [
          { result: 'deferred', kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:11:50'] },
          unselected,
        ],
      },
      {
        ask: 'unblock',
        runs: [
          { result: 'deferred', kept: true },
          {
            result: 'released',
            asks: ['unisolate PC'],
            tags: ['id: PC', 'release: Pending', 'Manual block:11:50', 'Manual unblock:12:10'],
          },
          // The release is not shown yet.
          { result: 'unchanged' },
        ],
      },
    ],
  },
];

const lostAndLate: State[] = [
  {
    name: 'the answer to the POST is lost, and the lagging record shows the action to the next run',
    arrange({ fault }) {
      fault('isolate', 'truncated', 1);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
  {
    name: 'the answer to the POST is lost, the address moves, and the next run finds the action by the id: tag',
    arrange({ fault }) {
      fault('isolate', 'reset-after', 1);
    },
    between(stage, run) {
      carryOut(stage);
      if (run > 1) return;
      const { harness, host, machine, other } = stage;
      const { world } = harness.simulator;
      world.moveAddress(machine.id, '10.9.9.9');
      world.moveAddress(other.id, host.last_source ?? '');
      host.last_seen = seconds(harness.clock.now() + 540_000);
    },
    rows: [
      {
        ask: 'block',
        runs: [
          { result: 'deferred', asks: ['isolate PC'], tags: ['id: PC'], kept: true },
          { result: 'isolated', tags: ['id: PC', 'isolation: Succeeded', 'Manual block:12:00'] },
          unselected,
        ],
      },
    ],
  },
];

table('a host that is not held', neverHeld);
table('a held host', held);
table('a record that is incomplete, unreadable or in a tangle', doubtfulRecord);
table('a record with an entry that cannot be read', unreadableEntry);
table('a record that shows an action a quarter of an hour late', lateRecord, 15 * 60_000);
table('an action that is followed', followed);
table('an answer that was lost', lostAnswers);
table('an answer that was lost while the record lags', lostAndLate, 5 * 60_000);
