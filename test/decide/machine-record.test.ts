import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import {
  isolationInForce,
  kindOf,
  newestFirst,
  openAction,
  releaseShown,
  updatedAt,
  updatedRecord,
} from '../../src/decide/machine-state.ts';
import { buildAction, buildIsolation, buildRelease, day, hour, minute, noon } from './samples.ts';

const isolate = buildIsolation;
const release = buildRelease;

it.each([
  ['Isolate', 'isolate'],
  ['Unisolate', 'release'],
  ['RunAntiVirusScan', undefined],
  ['isolate', undefined],
  ['', undefined],
])('takes an action of the type %j for %j', (type, kind) => {
  expect(kindOf(buildAction({ type }))).toBe(kind);
});

it('knows when an action changed last: at its creation where Defender names no change', () => {
  expect(updatedAt(isolate({ updatedAt: noon + 1 }))).toBe(noon + 1);
  expect(updatedAt(isolate({ updatedAt: undefined }))).toBe(noon);
  expect(updatedAt(isolate({ updatedAt: undefined, createdAt: undefined }))).toBe(0);
});

it('lists isolations and releases, the one created last first, without changing the record', () => {
  const old = isolate({ id: 'old', createdAt: noon - hour });
  const scan = buildAction({ id: 'scan', type: 'RunAntiVirusScan', createdAt: noon + hour });
  const undated = release({ id: 'undated', createdAt: undefined });
  const fresh = release({ id: 'fresh', createdAt: noon });
  const record = [undated, old, scan, fresh];

  expect(newestFirst(record)).toEqual([fresh, old, undated]);
  expect(record).toEqual([undated, old, scan, fresh]);
});

it('is brought up to date by a later reading, which may show less', () => {
  const posted = isolate({ id: 'posted', status: 'Pending' });
  const before = release({ id: 'before', status: 'Pending' });
  const after = { ...before, status: 'Cancelled' };
  const fresh = isolate({ id: 'fresh' });

  expect(updatedRecord([posted, before], [after, fresh])).toEqual([after, fresh, posted]);
  expect(updatedRecord([posted], [])).toEqual([posted]);
  expect(updatedRecord([], [fresh])).toEqual([fresh]);
});

it('keeps the end of an action that a later reading shows open', () => {
  const ended = buildAction({ id: 'one', status: 'Cancelled' });
  const lagging = buildAction({ id: 'one', status: 'Pending' });
  const failed = buildAction({ id: 'one', status: 'Failed' });

  expect(updatedRecord([ended], [lagging])).toEqual([ended]);
  expect(updatedRecord([lagging], [ended])).toEqual([ended]);
  expect(updatedRecord([ended], [failed])).toEqual([failed]);
});

describe('the isolation in force', () => {
  it.each<[string, MachineAction[], string | undefined]>([
    ['nothing is recorded', [], undefined],
    ['an isolation Succeeded', [isolate()], 'isolation'],
    ['a release Succeeded', [release()], undefined],
    ['a release Succeeded after it', [isolate(), release({ createdAt: noon + minute })], undefined],
    ['an isolation Succeeded after it', [isolate({ createdAt: noon + minute }), release()], 'isolation'],
    [
      'the isolation was asked for first and carried out last',
      [isolate({ updatedAt: noon + hour }), release({ createdAt: noon + minute })],
      'isolation',
    ],
    [
      'the release was asked for first and carried out last',
      [isolate({ createdAt: noon + minute }), release({ updatedAt: noon + hour })],
      undefined,
    ],
    [
      'both changed at the same time: the one created last counts',
      [
        isolate({ createdAt: noon, updatedAt: noon + hour }),
        release({ createdAt: noon + 1, updatedAt: noon + hour }),
      ],
      undefined,
    ],
    ['the release Failed', [isolate(), release({ createdAt: noon + minute, status: 'Failed' })], 'isolation'],
    [
      'the release is Pending',
      [isolate(), release({ createdAt: noon + minute, status: 'Pending' })],
      'isolation',
    ],
    ['the isolation is Pending', [isolate({ status: 'Pending' })], undefined],
    ['the isolation is InProgress', [isolate({ status: 'InProgress' })], undefined],
    ['the isolation Failed', [isolate({ status: 'Failed' })], undefined],
    ['the isolation was not in time', [isolate({ status: 'TimeOut' })], undefined],
    ['the isolation was Cancelled', [isolate({ status: 'Cancelled' })], undefined],
    [
      'something else Succeeded later',
      [isolate(), buildAction({ type: 'RunAntiVirusScan', createdAt: noon + hour })],
      'isolation',
    ],
    [
      'Defender names no changes',
      [isolate({ updatedAt: undefined }), release({ createdAt: noon + 1, updatedAt: undefined })],
      undefined,
    ],
  ])('%s', (_, record, id) => {
    expect(isolationInForce(record, 7 * day, noon + hour)?.id).toBe(id);
    expect(isolationInForce([...record].reverse(), 7 * day, noon + hour)?.id).toBe(id);
  });
});

it('finds the newest open action of a kind', () => {
  const record = [
    isolate({ id: 'older', status: 'InProgress' }),
    isolate({ id: 'newer', status: 'Pending', createdAt: noon + 1 }),
    isolate({ id: 'newest', status: 'Succeeded', createdAt: noon + 2 }),
    release({ id: 'other', status: 'InProgress', createdAt: noon + 3 }),
  ];

  expect(openAction(record, 'isolate')?.id).toBe('newer');
  expect(openAction(record, 'release')?.id).toBe('other');
  expect(openAction(record.slice(2, 3), 'isolate')).toBeUndefined();
  expect(openAction([], 'release')).toBeUndefined();
});

describe('the release that a record shows of a host held since noon', () => {
  const held = isolate({ createdAt: noon + 1_000 });
  const later = { createdAt: noon + hour };

  it.each<[string, MachineAction[], string | undefined]>([
    ['none, when nothing is recorded', [], undefined],
    ['none, while the isolation is in force', [held], undefined],
    ['the one after the isolation', [held, release(later)], 'release'],
    ['the one after an isolation that is not recorded', [release({ createdAt: noon + minute })], 'release'],
    [
      'none, when it ended before the minute was over and no isolation is recorded',
      [release({ createdAt: noon, updatedAt: noon + minute - 1 })],
      undefined,
    ],
    [
      'the one of the same minute, when the isolation is recorded before it',
      [held, release({ createdAt: noon + 2_000, updatedAt: noon + 3_000 })],
      'release',
    ],
    [
      'the one of the same instant, created after it',
      [isolate({ createdAt: noon, updatedAt: noon }), release({ createdAt: noon, updatedAt: noon + 1 })],
      'release',
    ],
    [
      'none, when it is older than the block',
      [release({ createdAt: noon - hour }), isolate({ createdAt: noon - 2 * hour })],
      undefined,
    ],
    [
      'none, when it is older and the isolation of the block ended badly',
      [release({ createdAt: noon - hour }), isolate({ createdAt: noon, status: 'Failed' })],
      undefined,
    ],
    ['none, when it Failed', [held, release({ ...later, status: 'Failed' })], undefined],
    ['none, while it is Pending', [held, release({ ...later, status: 'Pending' })], undefined],
    [
      'none, when an isolation Succeeded after it',
      [isolate({ createdAt: noon + 2 * hour }), release(later)],
      undefined,
    ],
    [
      'none, while an isolation is open',
      [isolate({ createdAt: noon + 2 * hour, status: 'InProgress' }), release(later)],
      undefined,
    ],
    [
      'none, while another release is open',
      [held, release(later), release({ id: 'again', createdAt: noon + 2 * hour, status: 'Pending' })],
      undefined,
    ],
  ])('is %s', (_, record, id) => {
    expect(releaseShown(record, noon)?.id).toBe(id);
  });

  it('is the last that Succeeded when the host does not tell since when', () => {
    expect(
      releaseShown([release({ createdAt: noon - hour }), isolate({ createdAt: noon - 2 * hour })], undefined)
        ?.id,
    ).toBe('release');
    expect(releaseShown([isolate()], undefined)).toBeUndefined();
    expect(
      releaseShown([isolate({ status: 'Pending' }), release({ createdAt: noon - hour })], undefined),
    ).toBeUndefined();
  });
});

it('never shows a release while an isolation is in force or open, whatever the record', () => {
  const actions = fc
    .record({
      type: fc.constantFrom('Isolate', 'Unisolate', 'Offboard'),
      status: fc.constantFrom('Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled'),
      createdAt: fc.integer({ min: -5, max: 5 }).map((n) => noon + n * minute),
      delay: fc.integer({ min: 0, max: 5 }).map((n) => n * minute),
    })
    .map(({ delay, ...fields }) => buildAction({ ...fields, updatedAt: fields.createdAt + delay }));
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 6 }), fc.constantFrom(noon, undefined), (record, since) => {
      const shown = releaseShown(record, since);

      if (shown === undefined) return;
      expect(shown).toMatchObject({ type: 'Unisolate', status: 'Succeeded' });
      expect(isolationInForce(record, 7 * day, noon + hour)).toBeUndefined();
      expect(openAction(record, 'isolate')).toBeUndefined();
    }),
  );
});
