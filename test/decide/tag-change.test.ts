import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestKind } from '../../src/decide/kinds.ts';
import {
  changeTags,
  isEmptyChange,
  withChange,
  type TagChange,
  type WantedTags,
} from '../../src/decide/tag-change.ts';
import {
  failureTags,
  historyTag,
  historyTime,
  isFailureTag,
  isMachineTag,
  isOwnTag,
  machineTags,
  readTags,
  statusTag,
} from '../../src/decide/tags.ts';
import { buildMachine, day, machineId, minute, noon, otherId } from './samples.ts';

const now = noon + 3 * day;
const machineSet = [
  'computerDnsName: laptop-7.contoso.example',
  'osPlatform: Windows11',
  'healthStatus: Active',
  'riskScore: High',
  'exposureLevel: Low',
  `id: ${machineId}`,
];
const noMachine = 'ATP_NoAgent_Or_SensorInactive';
const severalMachines = 'ATP_MultipleSensors_SameIP';

/** The change at a time behind all that the tags tell. */
function changed(tags: readonly string[], wanted: WantedTags): TagChange {
  return changeTags(tags, wanted, now);
}

describe('the smallest change of tags', () => {
  const nothing = { add: [], remove: [] };

  it('is none when nothing is wanted', () => {
    const tags = [...machineSet, 'isolation: Pending', 'Manual block failed', 'x'];

    expect(changed(tags, {})).toEqual(nothing);
    expect(isEmptyChange(changed(tags, {}))).toBe(true);
  });

  it('is none when the host carries what is wanted', () => {
    const tags = [
      ...machineSet,
      'isolation: Pending',
      'Manual block failed',
      'Manual block:2026-11-24 12:00',
    ];
    const wanted: WantedTags = {
      machine: machineSet,
      status: { kind: 'isolate', status: 'Pending' },
      failure: 'isolate',
      accepted: [{ kind: 'isolate', time: noon + 30_000 }],
    };

    expect(changed(tags, wanted)).toEqual(nothing);
  });

  it('replaces the machine tags as a set and touches no other kind', () => {
    const tags = [
      'riskScore: Low',
      'computerDnsName: laptop-7.contoso.example',
      `id: ${otherId}`,
      'ATP_NoAgent',
      noMachine,
      severalMachines,
      'id: badge 4711',
      'riskScore: very high',
      'isolation: Pending',
      'Manual unblock failed',
      'Manual block:2026-11-24 12:00',
      'block',
    ];

    expect(changed(tags, { machine: machineSet })).toEqual({
      add: machineSet.slice(1),
      remove: ['riskScore: Low', `id: ${otherId}`, 'ATP_NoAgent', noMachine, severalMachines],
    });
    expect(changed(tags, { machine: [noMachine] })).toEqual({
      add: [],
      remove: [
        'riskScore: Low',
        'computerDnsName: laptop-7.contoso.example',
        `id: ${otherId}`,
        'ATP_NoAgent',
        severalMachines,
      ],
    });
    expect(changed(['x', `id: ${otherId}`], { machine: [] })).toEqual({
      add: [],
      remove: [`id: ${otherId}`],
    });
  });

  it('keeps one status in the slot, whichever kind was there', () => {
    const tags = ['isolation: Succeeded', 'release: Failed', 'isolation: see ticket', 'riskScore: Low'];

    expect(changed(tags, { status: { kind: 'release', status: 'Pending' } })).toEqual({
      add: ['release: Pending'],
      remove: ['isolation: Succeeded', 'release: Failed'],
    });
    expect(changed(tags, { status: { kind: 'isolate', status: 'Succeeded' } })).toEqual({
      add: [],
      remove: ['release: Failed'],
    });
  });

  it('sets, moves and clears the failure', () => {
    const tags = ['Manual block failed', 'Manual block failed last week', 'isolation: Failed'];

    expect(changed(tags, { failure: 'isolate' })).toEqual(nothing);
    expect(changed(tags, { failure: 'release' })).toEqual({
      add: ['Manual unblock failed'],
      remove: ['Manual block failed'],
    });
    expect(changed(tags, { failure: 'none' })).toEqual({ add: [], remove: ['Manual block failed'] });
    expect(changed(['Manual unblock failed', 'Manual block failed'], { failure: 'none' })).toEqual({
      add: [],
      remove: ['Manual unblock failed', 'Manual block failed'],
    });
    expect(changed(['x'], { failure: 'isolate' })).toEqual({ add: ['Manual block failed'], remove: [] });
  });

  const blocks = [1, 2, 3, 4, 5].map((n) => `Manual block:2026-11-2${n} 08:00`);
  const unblocks = [1, 2, 3, 4, 5].map((n) => `Manual unblock:2026-11-2${n} 09:00`);

  it('keeps the newest five times of each kind', () => {
    const history = [{ kind: 'isolate' as const, time: noon + 2 * 86_400_000 }];

    expect(changed(blocks.slice(1), { accepted: history })).toEqual({
      add: ['Manual block:2026-11-26 12:00'],
      remove: [],
    });
    expect(changed([...blocks, ...unblocks], { accepted: history })).toEqual({
      add: ['Manual block:2026-11-26 12:00'],
      remove: ['Manual block:2026-11-21 08:00'],
    });
    expect(changed([...blocks].reverse(), { accepted: history })).toEqual({
      add: ['Manual block:2026-11-26 12:00'],
      remove: ['Manual block:2026-11-21 08:00'],
    });
  });

  it('remembers several times at once, each once', () => {
    const history = [
      { kind: 'release' as const, time: noon },
      { kind: 'isolate' as const, time: noon + minute },
      { kind: 'release' as const, time: noon + 59_999 },
    ];

    expect(changed(['x'], { accepted: history })).toEqual({
      add: ['Manual unblock:2026-11-24 12:00', 'Manual block:2026-11-24 12:01'],
      remove: [],
    });
  });

  it('always writes the time to be remembered now, however old: by it an action is followed', () => {
    const accepted = [{ kind: 'isolate' as const, time: Date.UTC(2024, 0, 1) }];

    expect(changed(blocks, { accepted })).toEqual({ add: ['Manual block:2024-01-01 00:00'], remove: [] });
  });

  it('takes off the times that lie ahead first', () => {
    const accepted = [{ kind: 'isolate' as const, time: noon + 2 * 86_400_000 }];
    const forged = 'Manual block:2099-01-01 00:00';

    expect(changed([forged, ...blocks.slice(1)], { accepted })).toEqual({
      add: ['Manual block:2026-11-26 12:00'],
      remove: [forged],
    });
  });

  it('leaves even a long history of the earlier tool alone while there is nothing to remember', () => {
    const tags = ['Manual block:2020-01-01 08:00', ...blocks];

    expect(changed(tags, { accepted: [], machine: machineSet })).toEqual({ add: machineSet, remove: [] });
    expect(changed(tags, { accepted: undefined, failure: 'none' })).toEqual(nothing);
  });

  it('never sorts a time that only looks like one among the newest', () => {
    const history = [{ kind: 'isolate' as const, time: noon }];
    const looksLikeOne = 'Manual block:2026-99-99 99:99';

    expect(changed([...blocks, looksLikeOne], { accepted: history })).toEqual({
      add: ['Manual block:2026-11-24 12:00'],
      remove: ['Manual block:2026-11-21 08:00'],
    });
  });

  it('is applied without reordering what stays', () => {
    const change = { add: ['new', 'newer'], remove: ['b', 'gone already'] };

    expect(withChange(['c', 'b', 'a'], change)).toEqual(['c', 'a', 'new', 'newer']);
  });

  it('is empty only when nothing is added and nothing removed', () => {
    expect(isEmptyChange(nothing)).toBe(true);
    expect(isEmptyChange({ add: ['x'], remove: [] })).toBe(false);
    expect(isEmptyChange({ add: [], remove: ['x'] })).toBe(false);
  });
});

describe('for any tags of a host and anything wanted', () => {
  const kinds = fc.constantFrom<RequestKind>('isolate', 'release');
  const times = fc.integer({ min: 0, max: 40 }).map((n) => noon + n * 30_000);
  const statuses = fc.constantFrom('Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled');
  const slots = fc.record({ kind: kinds, status: statuses });
  const history = fc.record({ kind: kinds, time: times });
  const machines = fc
    .record({ id: fc.constantFrom(machineId, otherId), riskScore: fc.constantFrom('High', 'Low', undefined) })
    .map((fields) => machineTags(buildMachine(fields)));
  const foreign = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom('id: badge 4711', 'block', 'riskScore: very high', 'Manual block:soon', 'isolation: no!'),
  );
  const ownTags = fc.oneof(
    fc.constantFrom(...machineSet, noMachine, severalMachines, 'ATP_NoAgent', 'Manual block failed'),
    slots.map(({ kind, status }) => statusTag(kind, status)),
    history.map(({ kind, time }) => historyTag(kind, time)),
  );
  const current = fc.uniqueArray(fc.oneof(foreign, ownTags, ownTags), { maxLength: 25 });
  const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
  const wanted: fc.Arbitrary<WantedTags> = fc.record({
    machine: optional(fc.oneof(machines, fc.constant([noMachine]), fc.constant([]))),
    status: optional(slots),
    failure: optional(fc.constantFrom('isolate' as const, 'release' as const, 'none' as const)),
    accepted: optional(fc.array(history, { maxLength: 3 })),
  });

  it('the change is made once: a second time there is nothing to do', () => {
    fc.assert(
      fc.property(current, wanted, (tags, want) => {
        const after = withChange(tags, changed(tags, want));

        expect(changed(after, want)).toEqual({ add: [], remove: [] });
      }),
    );
  });

  it('no foreign tag is added, removed, reordered or duplicated', () => {
    fc.assert(
      fc.property(current, wanted, (tags, want) => {
        const isForeign = (tag: string) => !isOwnTag(tag);
        const change = changed(tags, want);

        expect(change.add.filter(isForeign)).toEqual([]);
        expect(change.remove.filter(isForeign)).toEqual([]);
        expect(withChange(tags, change).filter(isForeign)).toEqual(tags.filter(isForeign));
      }),
    );
  });

  it('nothing is added that is there, removed that is not, or both', () => {
    fc.assert(
      fc.property(current, wanted, (tags, want) => {
        const { add, remove } = changed(tags, want);

        expect(add.filter((tag) => tags.includes(tag))).toEqual([]);
        expect(remove.filter((tag) => !tags.includes(tag) || add.includes(tag))).toEqual([]);
        expect(new Set(add).size).toBe(add.length);
        expect(new Set(remove).size).toBe(remove.length);
      }),
    );
  });

  it('the host then carries exactly what was wanted of each kind', () => {
    fc.assert(
      fc.property(current, wanted, (tags, want) => {
        const after = withChange(tags, changed(tags, want));
        const state = readTags(after, now);

        const failures = after.filter(isFailureTag);

        if (want.machine) expect(after.filter(isMachineTag).sort()).toEqual([...want.machine].sort());
        if (want.status) expect(state.statuses).toEqual([want.status]);
        if (want.failure)
          expect(failures).toEqual(want.failure === 'none' ? [] : [failureTags[want.failure]]);
      }),
    );
  });

  it('the newest five times of each kind are kept, those of now, and no older one', () => {
    const isHistory = (tag: string) => isOwnTag(tag) && tag.startsWith('Manual') && !tag.endsWith('failed');
    fc.assert(
      fc.property(current, fc.array(history, { minLength: 1, maxLength: 3 }), (tags, fresh) => {
        const after = withChange(tags, changed(tags, { accepted: fresh }));
        const all = [...tags.filter(isHistory), ...fresh.map(({ kind, time }) => historyTag(kind, time))];
        const told = fresh.map(({ kind, time }) => historyTag(kind, time));
        const newest = (['isolate', 'release'] as const).flatMap((kind) => {
          const ofKind = all.filter((tag) => historyTime(tag)?.kind === kind);
          const isTouched = fresh.some((each) => each.kind === kind);
          const sorted = [...new Set(ofKind)].sort();
          return isTouched
            ? sorted.filter((tag, at) => at >= sorted.length - 5 || told.includes(tag))
            : ofKind;
        });

        expect(after.filter(isHistory).sort()).toEqual(newest.sort());
      }),
    );
  });
});
