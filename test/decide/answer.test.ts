import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import { answers, decide, type Answer, type Decision } from '../../src/decide/answer.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import { machineStates, type MachineState, type Told } from '../../src/decide/machine-state.ts';
import {
  buildAction,
  buildIsolation as isolation,
  buildJudged,
  buildRelease as release,
  day,
  hour,
  minute,
  noon,
  nothingTold,
  ownReleaseComment,
} from './samples.ts';

const heldSinceNoon = { held: true, block: noon };
const bothKinds: RequestKind[] = ['isolate', 'release'];

function decideWith(
  request: RequestKind,
  record: MachineAction[],
  told: Partial<Told> = {},
  now = noon + 5 * minute,
): Decision {
  return decide(request, record, buildJudged({ told: { ...nothingTold, ...told }, now }));
}

it('answers both requests in every state', () => {
  expect(Object.keys(answers).sort()).toEqual([...machineStates].sort());
});

describe('in the state', () => {
  const open = { status: 'Pending' };
  const working = { status: 'InProgress' };
  const later = { ...heldSinceNoon };
  it.each<[MachineState, Answer, Answer, MachineAction[], Partial<Told>?, number?]>([
    //  state, a block, an unblock, for example
    ['unanswered', 'wait', 'wait', [], { unanswered: { kind: 'isolate', time: noon } }],
    ['silent, within an hour', 'wait', 'wait', [], later],
    ['both open', 'wait', 'wait', [isolation(open), release(working)]],
    ['undocumented state', 'wait', 'wait', [isolation({ status: 'Queued' })]],
    ['isolation Pending', 'adopt', 'cancel', [isolation(open)]],
    ['isolation InProgress', 'adopt', 'wait', [isolation(working)]],
    ['release Pending', 'cancel', 'adopt', [release(open)]],
    ['release InProgress', 'wait', 'adopt', [release(working)]],
    ['isolated', 'adopt', 'post', [isolation()]],
    ['lapsed', 'post', 'post', [isolation()], {}, noon + 7 * day],
    ['silent', 'post', 'post', [], later, noon + hour],
    ['free', 'post', 'done', []],
  ])('"%s" a block meets %j and an unblock %j', (state, block, unblock, record, told = {}, now) => {
    expect(answers[state]).toEqual({ isolate: block, release: unblock });
    expect(decideWith('isolate', record, told, now).kind).toBe(block);
    expect(decideWith('release', record, told, now).kind).toBe(unblock);
  });
});

describe('a block', () => {
  it.each<[string, MachineAction[]]>([
    ['a release is in force', [isolation({ createdAt: noon - hour }), release()]],
    ['the isolation Failed', [isolation({ status: 'Failed' })]],
    ['the isolation was not in time', [isolation({ status: 'TimeOut' })]],
    ['somebody cancelled the isolation', [isolation({ status: 'Cancelled' })]],
    ['the release Failed and nothing was isolated', [release({ status: 'Failed' })]],
    ['only a scan is recorded', [buildAction({ type: 'RunAntiVirusScan', status: 'InProgress' })]],
  ])('is posted when %s', (_, record) => {
    expect(decideWith('isolate', record)).toEqual({ kind: 'post' });
  });

  it.each<[string, MachineAction[]]>([
    [
      'is in force after a release that Failed',
      [release({ createdAt: noon + 1, status: 'Failed' }), isolation()],
    ],
    [
      'was carried out after a release',
      [release({ createdAt: noon + 1 }), isolation({ updatedAt: noon + hour })],
    ],
    ['is Pending after a release', [release({ createdAt: noon - hour }), isolation({ status: 'Pending' })]],
    [
      'is Pending while an earlier one is in force',
      [isolation({ status: 'Pending' }), isolation({ id: 'earlier', createdAt: noon - hour })],
    ],
  ])('takes over an isolation that %s', (_, record) => {
    const action = record.find(({ id }) => id === 'isolation');
    expect(decideWith('isolate', record)).toEqual({ kind: 'adopt', action });
  });

  it('that only an id: tag leads to a machine is not posted there: the next run goes by address', () => {
    expect(decide('isolate', [], buildJudged({ isNamedOnly: true }))).toEqual({
      kind: 'wait',
      reason:
        'nothing is in force any more on the machine that the id: tag names; the next run looks for the machine at the address of the host',
    });
    expect(decide('isolate', [isolation()], buildJudged({ isNamedOnly: true })).kind).toBe('adopt');
    expect(decide('release', [isolation()], buildJudged({ isNamedOnly: true }))).toEqual({ kind: 'post' });
  });
});

it.each([true, false])('a cancellation says whether only an id: tag names the machine: %j', (isNamedOnly) => {
  const [one, other] = [isolation({ status: 'Pending' }), release({ status: 'Pending' })];
  const judged = buildJudged({ isNamedOnly });
  expect(decide('release', [one], judged)).toEqual({ kind: 'cancel', action: one, isNamedOnly });
  expect(decide('isolate', [other], judged)).toEqual({ kind: 'cancel', action: other, isNamedOnly });
});

describe('a block on a machine of which a tag calls a release open', () => {
  const told = { openRelease: noon };
  const inForce = isolation({ createdAt: noon - hour });
  const adopted = { kind: 'adopt', action: inForce };
  const soon = noon + 5 * minute;
  const notListed = {
    kind: 'wait',
    reason:
      'Defender does not list the release of 2026-11-24 12:00 UTC yet; its record can lag, so the isolation waits for up to an hour',
  };

  it.each<[string, MachineAction[], number, Decision | object]>([
    ['waits while the record does not list it', [inForce], soon, notListed],
    ['waits while nothing is listed', [], soon, notListed],
    [
      'waits while only an earlier one is listed',
      [inForce, release({ createdAt: noon - 1, status: 'Failed' })],
      soon,
      notListed,
    ],
    ['waits to the end of the hour', [inForce], noon + hour - 1, notListed],
    ['waits no longer than an hour', [inForce], noon + hour, adopted],
    [
      'goes on when it is listed and Failed',
      [inForce, release({ createdAt: noon + 30_000, status: 'Failed' })],
      soon,
      adopted,
    ],
    [
      'goes on when it is listed at the start of its minute',
      [inForce, release({ status: 'Failed' })],
      soon,
      adopted,
    ],
  ])('%s', (_, record, now, decision) => {
    expect(decideWith('isolate', record, told, now)).toEqual(decision);
  });

  it('cancels it when it is listed and Pending', () => {
    const action = release({ createdAt: noon + 1, status: 'Pending' });
    const decision = decideWith('isolate', [action, inForce], told);
    expect(decision).toEqual({ kind: 'cancel', action, isNamedOnly: false });
  });

  it('does not keep an unblock waiting', () => {
    expect(decideWith('release', [inForce], told)).toEqual({ kind: 'post' });
  });
});

describe('an unblock', () => {
  it.each<[string, MachineAction[]]>([
    ['a release is in force', [isolation({ createdAt: noon - hour }), release()]],
    ['the isolation Failed', [isolation({ status: 'Failed' })]],
    ['the isolation was not in time', [isolation({ status: 'TimeOut' })]],
    [
      'somebody cancelled the isolation',
      [isolation({ status: 'Cancelled', cancellationComment: 'mistake' })],
    ],
    ['only a scan is recorded', [buildAction({ type: 'RunAntiVirusScan', status: 'InProgress' })]],
  ])('finds nothing in force when %s', (_, record) => {
    expect(decideWith('release', record)).toEqual({ kind: 'done' });
  });

  it.each<[string, MachineAction[]]>([
    ['the release before it Failed', [release({ createdAt: noon + 1, status: 'Failed' }), isolation()]],
    [
      'the isolation was carried out after a release',
      [release({ createdAt: noon + 1 }), isolation({ updatedAt: noon + hour })],
    ],
    [
      'an isolation was cancelled while an earlier one is in force',
      [
        isolation({ status: 'Cancelled', cancellationComment: 'by hand' }),
        isolation({ createdAt: noon - hour }),
      ],
    ],
  ])('is posted once when %s', (_, record) => {
    expect(decideWith('release', record)).toEqual({ kind: 'post' });
  });

  it('is not met by a release that was cancelled for it', () => {
    const record = [release({ status: 'Cancelled', cancellationComment: ownReleaseComment })];
    expect(decideWith('release', record)).toEqual({ kind: 'done' });
  });
});

describe('a request that waits says why', () => {
  it.each(bothKinds)('an %s: two opposite actions are open, and a person is needed', (request) => {
    const record = [isolation({ status: 'InProgress' }), release({ status: 'Pending', createdAt: noon + 1 })];
    expect(decideWith(request, record)).toEqual({
      kind: 'wait',
      reason:
        'Defender has isolation isolation (InProgress) and release release (Pending) open at once; nothing is asked for until one of them has ended',
      waiting:
        'Defender has an isolation and a release of the machine open at once; cancel one of them in the portal',
    });
  });

  it.each(bothKinds)('an %s: the state of an action is a word that Defender does not document', (request) => {
    expect(decideWith(request, [isolation({ status: 'Qu\u0007eued' })])).toEqual({
      kind: 'wait',
      reason:
        'Defender gives the state of isolation isolation as "Queued", which is not known here; nothing is asked for until it has ended, at most for three days',
    });
    expect(decideWith(request, [release({ status: '' })])).toEqual({
      kind: 'wait',
      reason:
        'Defender gives the state of release release as "", which is not known here; nothing is asked for until it has ended, at most for three days',
    });
  });

  it.each<[RequestKind, MachineAction, string]>([
    ['isolate', release({ status: 'InProgress' }), 'release release'],
    ['release', isolation({ status: 'InProgress' }), 'isolation isolation'],
  ])('an %s: the opposite is InProgress', (request, action, name) => {
    expect(decideWith(request, [action])).toEqual({
      kind: 'wait',
      reason: `${name} is InProgress and cannot be cancelled any more; asked again when it has ended`,
    });
  });

  it.each<[RequestKind, string]>([
    ['isolate', 'isolation'],
    ['release', 'release'],
  ])('an %s: the record lags', (request, noun) => {
    expect(decideWith(request, [], heldSinceNoon)).toEqual({
      kind: 'wait',
      reason: `Defender does not list the isolation of 2026-11-24 12:00 UTC yet; its record can lag, so the ${noun} waits for up to an hour`,
    });
  });

  it.each<[RequestKind, RequestKind, string]>([
    ['isolate', 'release', 'release'],
    ['release', 'isolate', 'isolation'],
  ])('an %s: the answer to an earlier %s was lost', (request, kind, noun) => {
    expect(decideWith(request, [], { unanswered: { kind, time: noon } })).toEqual({
      kind: 'wait',
      reason: `whether Defender carried out the ${noun} of 2026-11-24 12:00 UTC is not known yet: its answer was lost and its list can lag, so nothing is asked of the machine for fifteen minutes`,
    });
  });
});
