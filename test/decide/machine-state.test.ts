import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import {
  hasLapsed,
  machineStates,
  stateOf,
  type MachineState,
  type Told,
} from '../../src/decide/machine-state.ts';
import {
  anyRecord,
  anyTold,
  buildAction,
  buildIsolation,
  buildRelease,
  day,
  hour,
  minute,
  noon,
  nothingTold,
  ownComment,
} from './samples.ts';

const week = 7 * day;
const isolation = buildIsolation;
const release = buildRelease;
const heldSinceNoon = { held: true, block: noon };
const lost = { unanswered: { kind: 'isolate', time: noon } } as const;

function stateWith(record: MachineAction[], told: Partial<Told> = {}, now = noon + 2 * hour) {
  return stateOf(record, { ...nothingTold, ...told }, week, now);
}

describe('the state of a machine', () => {
  it.each<[MachineState, string, MachineAction[], Partial<Told>, number?]>([
    ['unanswered', 'a call has no answer and no action', [], lost],
    [
      'unanswered',
      'only an older action is listed',
      [isolation({ requestorComment: ownComment, createdAt: noon - minute - 1 })],
      lost,
    ],
    ['unanswered', 'only somebody else’s action is listed', [isolation()], lost],
    ['unanswered', 'only the opposite is listed', [release({ requestorComment: ownComment })], lost],
    [
      'isolated',
      'the action of the call is listed',
      [isolation({ requestorComment: ownComment, createdAt: noon - minute })],
      lost,
    ],

    ['silent, within an hour', 'nothing is listed yet', [], heldSinceNoon, noon + hour - 1],
    [
      'silent, within an hour',
      'only what came before is listed',
      [release({ createdAt: noon - 1 })],
      heldSinceNoon,
      noon + hour - 1,
    ],
    [
      'silent, within an hour',
      'a later release Failed',
      [release({ createdAt: noon + 1, status: 'Failed' })],
      heldSinceNoon,
      noon + minute,
    ],
    ['silent', 'the hour is over', [], heldSinceNoon, noon + hour],
    ['free', 'the tags do not hold the host', [], { block: noon }, noon + minute],
    ['free', 'a later release Succeeded', [release({ createdAt: noon + 1 })], heldSinceNoon, noon + minute],
    [
      'free',
      'the isolation of the minute is listed and Failed',
      [isolation({ status: 'Failed' })],
      heldSinceNoon,
      noon + minute,
    ],

    [
      'both open',
      'both are InProgress',
      [isolation({ status: 'InProgress' }), release({ status: 'InProgress' })],
      {},
    ],
    ['both open', 'both are Pending', [isolation({ status: 'Pending' }), release({ status: 'Pending' })], {}],
    ['undocumented state', 'a word is not known', [isolation({ status: 'Queued' })], {}],
    ['undocumented state', 'there is no word', [release({ status: '' })], {}],
    [
      'undocumented state',
      'beside an open isolation',
      [isolation({ status: 'Pending' }), release({ status: 'Queued' })],
      {},
    ],
    [
      'undocumented state',
      'to the end of three days',
      [isolation({ status: 'Queued' })],
      {},
      noon + 3 * day - 1,
    ],
    [
      'free',
      'after three days such a word counts for nothing',
      [isolation({ status: 'Queued' })],
      {},
      noon + 3 * day,
    ],
    ['free', 'it is an action of another type', [buildAction({ type: 'Offboard', status: 'Queued' })], {}],

    [
      'isolation Pending',
      'an isolation is Pending',
      [isolation({ status: 'Pending' }), release({ createdAt: noon - hour })],
      {},
    ],
    ['isolation InProgress', 'an isolation is InProgress', [isolation({ status: 'InProgress' })], {}],
    [
      'release Pending',
      'a release is Pending',
      [isolation({ createdAt: noon - hour }), release({ status: 'Pending' })],
      {},
    ],
    ['release InProgress', 'a release is InProgress', [release({ status: 'InProgress' })], {}],

    ['isolated', 'an isolation Succeeded', [isolation()], {}],
    ['isolated', 'it Succeeded to the end of the week', [isolation()], {}, noon + week - 1],
    ['isolated', 'its time is not told', [isolation({ createdAt: undefined })], {}],
    [
      'isolated',
      'a release after it Failed',
      [isolation(), release({ createdAt: noon + 1, status: 'Failed' })],
      {},
    ],
    [
      'isolated',
      'it was carried out after a release',
      [isolation({ updatedAt: noon + hour }), release({ createdAt: noon + 1 })],
      {},
    ],
    ['lapsed', 'a week is over', [isolation()], {}, noon + week],
    ['lapsed', 'a week is over for a held host', [isolation()], heldSinceNoon, noon + week],

    ['free', 'nothing is recorded', [], {}],
    ['free', 'a release Succeeded', [isolation(), release({ createdAt: noon + 1 })], {}],
    [
      'free',
      'only a scan is recorded',
      [buildAction({ type: 'RunAntiVirusScan', status: 'InProgress' })],
      {},
    ],
    ['free', 'the isolation Failed', [isolation({ status: 'Failed' })], {}],
    ['free', 'the isolation was not in time', [isolation({ status: 'TimeOut' })], {}],
    ['free', 'the isolation was Cancelled', [isolation({ status: 'Cancelled' })], {}],
  ])('is "%s" when %s', (state, _, record, told, now) => {
    expect(stateWith(record, told, now).state).toBe(state);
  });

  it('never lapses where Defender lifts nothing by itself', () => {
    expect(stateOf([isolation()], nothingTold, 0, noon + 999 * day).state).toBe('isolated');
    expect(hasLapsed(isolation({ createdAt: undefined }), week, noon + 999 * day)).toBe(false);
  });

  it('names the action that makes it so', () => {
    const open = isolation({ status: 'Pending' });
    const second = release({ status: 'Pending' });
    expect(stateWith([open, second])).toEqual({ state: 'both open', action: open, second });
    expect(stateWith([second])).toEqual({ state: 'release Pending', action: second });
    expect(stateWith([isolation()])).toEqual({ state: 'isolated', action: isolation() });
    expect(stateWith([release()])).toEqual({ state: 'free', action: release() });
    expect(stateWith([isolation({ status: 'Queued' })]).action?.status).toBe('Queued');
  });
});

describe('a record that knows of no isolation speaks of a host held since noon', () => {
  it.each<[string, MachineAction[], MachineState]>([
    ['when it is empty', [], 'silent'],
    ['in whose last second a release Succeeded', [release({ createdAt: noon + minute - 1 })], 'free'],
    ['after which a release Succeeded', [release({ createdAt: noon + hour })], 'free'],
    [
      'after which an older release Succeeded',
      [release({ createdAt: noon - hour, updatedAt: noon + minute })],
      'free',
    ],
    [
      'in which an older release Succeeded',
      [release({ createdAt: noon - hour, updatedAt: noon + minute - 1 })],
      'silent',
    ],
    ['before which a release Succeeded', [release({ createdAt: noon - hour })], 'silent'],
    ['of another type', [buildAction({ type: 'Offboard', createdAt: noon + hour })], 'silent'],
    [
      'in whose last second an isolation Failed',
      [isolation({ createdAt: noon + minute - 1, status: 'Failed' })],
      'free',
    ],
    [
      'after which an isolation Failed',
      [isolation({ createdAt: noon + minute, status: 'Failed' })],
      'silent',
    ],
    ['in which a release Failed', [release({ status: 'Failed' })], 'silent'],
    ...['Failed', 'TimeOut', 'Cancelled'].map((status): [string, MachineAction[], MachineState] => [
      `after which a release was ${status}`,
      [release({ createdAt: noon + hour, status })],
      'silent',
    ]),
    [
      'after which an older isolation Failed',
      [isolation({ createdAt: noon - hour, updatedAt: noon + hour, status: 'Failed' })],
      'silent',
    ],
    [
      'after which one release Failed and another Succeeded',
      [release({ createdAt: noon + hour, status: 'Failed' }), release({ createdAt: noon + hour + 1 })],
      'free',
    ],
  ])('%s', (_, record, state) => {
    expect(stateWith(record, heldSinceNoon).state).toBe(state);
  });

  it.each<[string, MachineAction[], MachineState]>([
    ['an empty record', [], 'silent'],
    ['an isolation that Failed', [isolation({ status: 'Failed' })], 'free'],
    ['a release that Succeeded', [release()], 'free'],
    ['a release that Failed', [release({ status: 'Failed' })], 'silent'],
  ])('without a time: %s', (_, record, state) => {
    expect(stateWith(record, { held: true }).state).toBe(state);
  });
});

it('is known of every record, and the same in whatever order the record comes', () => {
  const nows = fc.constantFrom(noon, noon + 2 * hour, noon + 4 * day, noon + 8 * day);
  const shuffled = anyRecord().chain((record) =>
    fc.tuple(fc.constant(record), fc.shuffledSubarray(record, { minLength: record.length })),
  );
  fc.assert(
    fc.property(shuffled, anyTold, nows, ([record, other], told, now) => {
      const situation = stateOf(record, told, week, now);

      expect(machineStates).toContain(situation.state);
      expect(stateOf(other, told, week, now)).toEqual(situation);
    }),
    { numRuns: 500 },
  );
});
