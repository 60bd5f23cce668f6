import * as fc from 'fast-check';
import type { FaultKind } from '../simulator/faults.ts';
import type { Settings } from '../simulator/settings.ts';
import type { Policy } from './oracle.ts';

/** The hosts: what Detect knows of them is in `cast.ts`. */
export const hostNames = ['alpha', 'bravo', 'charlie', 'delta'] as const;
export type HostName = (typeof hostNames)[number];

/** The devices; each has one or more records in Defender, of which the last is the live one. */
export const deviceNames = ['laptop-1', 'laptop-2', 'server-3', 'desktop-4'] as const;
export type DeviceName = (typeof deviceNames)[number];

/** Something that people, machines or the services do. Steps of these kinds may also happen in the middle of a run. */
export type Happening =
  | { do: 'ask'; host: HostName; tag: 'block' | 'unblock' }
  | { do: 'tag'; host: HostName; tag: string }
  | { do: 'untag'; host: HostName; tag: string }
  | { do: 'tidy'; host: HostName; beginning: string }
  | { do: 'note'; host: HostName; own: boolean }
  | { do: 'group'; host: HostName; joins: boolean }
  | { do: 'critical'; device: DeviceName; is: boolean }
  | { do: 'power'; device: DeviceName; online: boolean }
  | { do: 'lease'; device: DeviceName; from: DeviceName | 'the pool' }
  | { do: 'mistake'; host: HostName; device: DeviceName }
  | { do: 'portal'; device: DeviceName; what: 'isolates' | 'releases'; atOnce: boolean }
  | { do: 'portal cancels'; device: DeviceName }
  | { do: 'progress'; device: DeviceName; to: 'InProgress' | 'Succeeded' | 'Failed' }
  | { do: 'reinstall'; device: DeviceName }
  | { do: 'merge'; device: DeviceName }
  | { do: 'vanish'; device: DeviceName; acceptsActions: boolean }
  | { do: 'delete'; host: HostName };

/** What goes wrong in a run; requests are counted from 1 within the run. */
export type Trouble =
  | { kind: 'one request'; at: number; fault: Extract<FaultKind, string> }
  | { kind: 'one call'; call: string; fault: Extract<FaultKind, string> }
  | { kind: 'cut off'; at: number; carriedOut: boolean }
  | { kind: 'told to stop'; at: number }
  | { kind: 'may not write to Detect' };

export type Step =
  | Happening
  | { do: 'wait'; minutes: number }
  | { do: 'index'; host: HostName; follows: boolean }
  | { do: 'lag'; seconds: number }
  | { do: 'notes'; fail: boolean }
  | {
      do: 'run';
      flags: 'all' | 'without --tag' | 'only --blocktag' | 'only --unblocktag' | 'only --tag';
      trouble: Trouble | undefined;
      meanwhile: { at: number; what: Happening } | undefined;
    };

/** The world in which a story is set. */
export interface Setting {
  match: Policy;
  maxPerRun: number;
  /** Hosts whose machines were isolated three hours ago for their block tags. */
  held: HostName[];
  /** By whom: the earlier tool wrote fewer tags, and another comment. */
  heldBy: 'atp' | 'the earlier tool';
  /** How long online machines take to carry an action out, seconds; 0: until a step says so. */
  actionDelay: number;
  duplicateAction: 'refuse' | 'earlier';
  bulkAnswer: 'json' | 'empty';
  htmlEscapeNotes: boolean;
  /** What Defender records when it lifts an isolation after seven days. */
  liftRecord: Settings['liftRecord'];
  /** What the release of a machine meets that is not isolated. */
  releaseOfFree: Settings['releaseOfFree'];
}

export const settingArb: fc.Arbitrary<Setting> = fc.record({
  match: fc.constantFrom<Policy[]>('no-conflict', 'confirmed', 'ip'),
  maxPerRun: fc.constantFrom(50, 2, 1),
  held: fc.subarray<HostName>(['alpha', 'bravo', 'delta']),
  heldBy: fc.constantFrom('atp' as const, 'the earlier tool' as const),
  actionDelay: fc.constantFrom(0, 90),
  duplicateAction: fc.constantFrom('refuse' as const, 'earlier' as const),
  bulkAnswer: fc.constantFrom('json' as const, 'empty' as const),
  htmlEscapeNotes: fc.boolean(),
  liftRecord: fc.constantFrom('none' as const, 'null comment' as const, 'empty comment' as const),
  releaseOfFree: fc.constantFrom('accept' as const, 'refuse' as const),
});

const host = fc.constantFrom<HostName[]>(
  ...['alpha' as const, 'bravo' as const, 'delta' as const, 'charlie' as const],
  ...['alpha' as const, 'bravo' as const, 'delta' as const, 'alpha' as const, 'bravo' as const],
);
const device = fc.constantFrom<DeviceName[]>(
  ...deviceNames,
  ...['laptop-1' as const, 'laptop-2' as const, 'laptop-1' as const, 'laptop-2' as const],
);
const asking = fc.constantFrom('block', 'unblock', 'block', 'unblock', 'BLOCK', 'Unblock');
const anyTag = fc.oneof(
  { weight: 3, arbitrary: asking },
  { weight: 1, arbitrary: fc.constant('host_context') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'VIP',
      'keep online',
      'block-list',
      'Manual block: by phone',
      'id: badge 4711',
      'isolation: see ticket 12',
      'riskScore: very high',
    ),
  },
);

const ask = fc.record({
  do: fc.constant('ask' as const),
  host,
  tag: fc.constantFrom('block' as const, 'unblock' as const),
});
const tagging = fc.record({ do: fc.constant('tag' as const), host, tag: anyTag });
const untagging = fc.record({ do: fc.constant('untag' as const), host, tag: anyTag });
const power = fc.record({ do: fc.constant('power' as const), device, online: fc.boolean() });
const lease = fc.record({
  do: fc.constant('lease' as const),
  device,
  from: fc.constantFrom(...deviceNames, 'the pool' as const),
});
const portal = fc.record({
  do: fc.constant('portal' as const),
  device,
  what: fc.constantFrom('isolates' as const, 'releases' as const),
  atOnce: fc.boolean(),
});
const progress = fc.record({
  do: fc.constant('progress' as const),
  device,
  to: fc.constantFrom('Succeeded' as const, 'InProgress' as const, 'Failed' as const),
});

const rare: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    do: fc.constant('tidy' as const),
    host,
    beginning: fc.constantFrom('id: ', 'isolation: ', 'release: ', 'Manual ', 'Manual block:'),
  }),
  fc.record({ do: fc.constant('note' as const), host, own: fc.boolean() }),
  fc.record({ do: fc.constant('group' as const), host, joins: fc.boolean() }),
  fc.record({ do: fc.constant('critical' as const), device, is: fc.boolean() }),
  fc.record({ do: fc.constant('mistake' as const), host, device }),
  fc.record({ do: fc.constant('portal cancels' as const), device }),
  fc.record({ do: fc.constant('reinstall' as const), device }),
  fc.record({ do: fc.constant('merge' as const), device }),
  fc.record({ do: fc.constant('vanish' as const), device, acceptsActions: fc.boolean() }),
  fc.record({ do: fc.constant('delete' as const), host }),
);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 3, arbitrary: ask },
  { weight: 2, arbitrary: tagging },
  { weight: 3, arbitrary: untagging },
  { weight: 1, arbitrary: power },
  { weight: 1, arbitrary: lease },
  { weight: 1, arbitrary: portal },
  { weight: 2, arbitrary: progress },
  { weight: 2, arbitrary: rare },
);

const requestNumber = fc.integer({ min: 1, max: 45 });
const fault = fc.constantFrom<Extract<FaultKind, string>[]>(
  'reset-after',
  'reset-before',
  'truncated',
  'empty-200',
  '500',
  '502-html',
  '429',
  '401',
  'html-200',
);
const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('one request' as const), at: requestNumber, fault }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('one call' as const),
      call: fc.constantFrom(
        ...['isolate', 'unisolate', 'cancel', 'machineactions', 'findbyip', 'machine', 'alerts'],
        ...[
          'note-create',
          'note-update',
          'tag-add',
          'tag-remove',
          'tags',
          'host',
          'notes',
          'groups',
          'token',
        ],
      ),
      fault,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('cut off' as const),
      at: requestNumber,
      carriedOut: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('told to stop' as const), at: requestNumber }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'may not write to Detect' as const }) },
);

const run: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('run' as const),
  flags: fc.oneof(
    { weight: 6, arbitrary: fc.constant('all' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'without --tag' as const,
        'only --blocktag' as const,
        'only --unblocktag' as const,
        'only --tag' as const,
      ),
    },
  ),
  trouble: fc.option(trouble, { nil: undefined, freq: 2 }),
  meanwhile: fc.option(fc.record({ at: requestNumber, what: happening }), { nil: undefined, freq: 3 }),
});

/** One step of a story; about every third is a run. */
export const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: run },
  { weight: 7, arbitrary: ask },
  { weight: 2, arbitrary: progress },
  { weight: 6, arbitrary: happening },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      // Past the seventh day an isolation has lapsed, past the tenth it is surely over.
      minutes: fc.constantFrom(5, 1, 20, 75, 300, 1500, 4500, 10_200, 11_600, 14_500, 46_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('index' as const), host, follows: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('lag' as const), seconds: fc.constantFrom(0, 20, 600) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('notes' as const), fail: fc.boolean() }) },
);
