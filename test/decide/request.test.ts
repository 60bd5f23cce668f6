import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/schema.ts';
import { writeComment } from '../../src/decide/comment.ts';
import {
  decideRequest,
  ownAnswer,
  ownCancellation,
  type Decision,
  type RequestContext,
} from '../../src/decide/request.ts';
import { minuteOf, type RequestKind } from '../../src/decide/tags.ts';
import { buildAction, hour, minute, noon, owner, ownComment } from './samples.ts';

/** A host that no run has touched before. */
const untouched: RequestContext = {
  owner,
  newestOfKind: undefined,
  held: false,
  newestBlock: undefined,
  now: noon + 5 * minute,
};
const heldSinceNoon = { held: true, newestBlock: noon };

function isolation(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'isolation', ...fields });
}

function release(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'release', type: 'Unisolate', ...fields });
}

function decide(
  request: RequestKind,
  record: MachineAction[],
  context: Partial<RequestContext> = {},
): Decision {
  return decideRequest(request, record, { ...untouched, ...context });
}

const ownRelease = ownComment.replace('isolate', 'release').replace('tag block', 'tag unblock');
const post = { kind: 'post' };
const nothingInForce = { kind: 'nothing in force' };

describe('a block', () => {
  it.each<[string, MachineAction[]]>([
    ['nothing is recorded', []],
    ['a release is in force', [isolation({ createdAt: noon - hour }), release()]],
    ['the isolation Failed', [isolation({ status: 'Failed' })]],
    ['the isolation was not in time', [isolation({ status: 'TimeOut' })]],
    ['somebody cancelled the isolation', [isolation({ status: 'Cancelled' })]],
    ['the release Failed and nothing was isolated', [release({ status: 'Failed' })]],
    ['only a scan is recorded', [buildAction({ type: 'RunAntiVirusScan', status: 'InProgress' })]],
  ])('is posted when %s', (_, record) => {
    expect(decide('isolate', record)).toEqual(post);
  });

  it.each<[string, MachineAction[]]>([
    ['is Pending', [isolation({ status: 'Pending' })]],
    ['is InProgress', [isolation({ status: 'InProgress' })]],
    ['is in force', [isolation()]],
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
    expect(decide('isolate', record)).toEqual({
      kind: 'adopt',
      action: record.find(({ id }) => id === 'isolation'),
    });
  });

  it('cancels a release that is Pending, and may then post when nothing is in force', () => {
    const pending = release({ status: 'Pending' });

    expect(decide('isolate', [pending])).toEqual({ kind: 'cancel', action: pending, mayPost: true });
    expect(decide('isolate', [pending, isolation({ createdAt: noon - hour })])).toEqual({
      kind: 'cancel',
      action: pending,
      mayPost: false,
    });
  });

  it('waits for a release that is InProgress', () => {
    expect(
      decide('isolate', [release({ status: 'InProgress' }), isolation({ createdAt: noon - hour })]),
    ).toEqual({
      kind: 'defer',
      reason: 'release release is InProgress and cannot be cancelled any more; asked again when it has ended',
    });
  });

  const notListed = {
    kind: 'defer',
    reason:
      'the tags say that the machine is isolated, but Defender lists no such action; a second isolation could return after a release, so none is asked for: check the machine in the portal, or unblock the host first',
  };

  it.each<[string, MachineAction[], Partial<RequestContext>, Decision | object]>([
    ['an empty record', [], heldSinceNoon, notListed],
    ['an empty record, hours later', [], { ...heldSinceNoon, now: noon + 9 * hour }, notListed],
    ['a record that ends before the block', [release({ createdAt: noon - hour })], heldSinceNoon, notListed],
    ['an empty record, its block not dated', [], { held: true }, notListed],
    [
      'a record of other actions, its block not dated',
      [buildAction({ type: 'Offboard' })],
      { held: true },
      notListed,
    ],
    ['a record that reaches the block', [isolation({ status: 'Failed' })], heldSinceNoon, post],
    ['a record, its block not dated', [isolation({ status: 'Failed' })], { held: true }, post],
    ['an isolation that is in force', [isolation()], heldSinceNoon, { kind: 'adopt', action: isolation() }],
    ['an empty record, but is not held', [], { newestBlock: noon }, post],
  ])('on a held host meets %s', (_, record, context, decision) => {
    expect(decide('isolate', record, context)).toEqual(decision);
  });
});

describe('a block on a host whose tags call a release open', () => {
  const since = { openRelease: noon };
  const inForce = isolation({ createdAt: noon - hour });
  const adopted = { kind: 'adopt', action: inForce };
  const notListed = {
    kind: 'defer',
    reason:
      'Defender does not list the release of 2026-11-24 12:00 UTC yet; its record can lag, so the isolation waits for up to an hour',
  };

  it.each<[string, MachineAction[], number, Decision | object]>([
    ['waits while the record does not list it', [inForce], noon + 5 * minute, notListed],
    ['waits while nothing is listed', [], noon + 5 * minute, notListed],
    [
      'waits while only an earlier one is listed',
      [inForce, release({ createdAt: noon - 1, status: 'Failed' })],
      noon + 5 * minute,
      notListed,
    ],
    [
      'waits while a later isolation is listed alone',
      [isolation({ createdAt: noon + minute, requestorComment: 'by hand' })],
      noon + 5 * minute,
      notListed,
    ],
    ['waits to the end of the hour', [inForce], noon + hour - 1, notListed],
    ['waits no longer than an hour', [inForce], noon + hour, adopted],
    [
      'goes on when it is listed and Failed',
      [inForce, release({ createdAt: noon + 30_000, status: 'Failed' })],
      noon + 5 * minute,
      adopted,
    ],
    [
      'goes on when it is listed at the start of its minute',
      [inForce, release({ createdAt: noon, status: 'Failed' })],
      noon + 5 * minute,
      adopted,
    ],
    [
      'goes on when a later one is listed',
      [inForce, release({ createdAt: noon + hour, status: 'Failed' })],
      noon + 5 * minute,
      adopted,
    ],
  ])('%s', (_, record, now, decision) => {
    expect(decide('isolate', record, { ...since, now })).toEqual(decision);
  });

  it('cancels it when it is listed and Pending', () => {
    const pending = release({ createdAt: noon + 1, status: 'Pending' });

    expect(decide('isolate', [pending, inForce], since)).toEqual({
      kind: 'cancel',
      action: pending,
      mayPost: false,
    });
  });

  it('does not keep an unblock waiting', () => {
    expect(decide('release', [inForce], since)).toEqual(post);
  });
});

describe('an unblock', () => {
  it.each<[string, MachineAction[]]>([
    ['nothing is recorded', []],
    ['a release is in force', [isolation({ createdAt: noon - hour }), release()]],
    ['the isolation Failed', [isolation({ status: 'Failed' })]],
    ['the isolation was not in time', [isolation({ status: 'TimeOut' })]],
    [
      'somebody cancelled the isolation',
      [isolation({ status: 'Cancelled', cancellationComment: 'mistake' })],
    ],
    ['only a scan is recorded', [buildAction({ type: 'RunAntiVirusScan', status: 'InProgress' })]],
  ])('finds nothing in force when %s', (_, record) => {
    expect(decide('release', record)).toEqual(nothingInForce);
  });

  it.each<[string, MachineAction[]]>([
    ['an isolation is in force', [isolation()]],
    ['the release before it Failed', [release({ createdAt: noon + 1, status: 'Failed' }), isolation()]],
    [
      'the isolation was carried out after a release',
      [release({ createdAt: noon + 1 }), isolation({ updatedAt: noon + hour })],
    ],
    [
      'an isolation was cancelled while an earlier one is in force',
      [
        isolation({ status: 'Cancelled', cancellationComment: ownRelease }),
        isolation({ createdAt: noon - hour }),
      ],
    ],
  ])('is posted once when %s', (_, record) => {
    expect(decide('release', record)).toEqual(post);
  });

  it.each(['Pending', 'InProgress'])('takes over a release that is %s', (status) => {
    const open = release({ status });

    expect(decide('release', [open, isolation({ createdAt: noon - hour })])).toEqual({
      kind: 'adopt',
      action: open,
    });
    expect(decide('release', [open])).toEqual({ kind: 'adopt', action: open });
  });

  it('cancels an isolation that is Pending, and may then post when another is in force', () => {
    const pending = isolation({ status: 'Pending' });

    expect(decide('release', [pending])).toEqual({ kind: 'cancel', action: pending, mayPost: false });
    expect(decide('release', [pending, isolation({ id: 'earlier', createdAt: noon - hour })])).toEqual({
      kind: 'cancel',
      action: pending,
      mayPost: true,
    });
  });

  it('waits for an isolation that is InProgress', () => {
    expect(decide('release', [isolation({ status: 'InProgress' })])).toEqual({
      kind: 'defer',
      reason:
        'isolation isolation is InProgress and cannot be cancelled any more; asked again when it has ended',
    });
  });

  const notListed = {
    kind: 'defer',
    reason:
      'Defender does not list the isolation of 2026-11-24 12:00 UTC yet; its record can lag, so the release waits for up to an hour',
  };
  const justUnder = { ...heldSinceNoon, now: noon + hour - 1 };
  const exactly = { ...heldSinceNoon, now: noon + hour };

  it.each<[string, MachineAction[], Partial<RequestContext>, Decision | object]>([
    ['an empty record, at once', [], { ...heldSinceNoon, now: noon }, notListed],
    ['an empty record, just within the hour', [], justUnder, notListed],
    ['an empty record, an hour later', [], exactly, post],
    ['a record that ends before the block', [release({ createdAt: noon - hour })], justUnder, notListed],
    [
      'a record that ends before the block, an hour later',
      [release({ createdAt: noon - hour })],
      exactly,
      post,
    ],
    ['an empty record, its block not dated', [], { held: true }, post],
    [
      'a record of other actions, its block not dated',
      [buildAction({ type: 'Offboard' })],
      { held: true },
      post,
    ],
    ['a record, its block not dated', [isolation({ status: 'Failed' })], { held: true }, nothingInForce],
    ['a record that reaches the block', [isolation({ status: 'Failed' })], justUnder, nothingInForce],
    ['an isolation in force', [isolation()], justUnder, post],
    ['an empty record, but is not held', [], { newestBlock: noon }, nothingInForce],
  ])('on a held host meets %s', (_, record, context, decision) => {
    expect(decide('release', record, context)).toEqual(decision);
  });

  const cancelledAtNoon = isolation({
    createdAt: noon - hour,
    updatedAt: noon + 30_000,
    status: 'Cancelled',
    cancellationComment: ownRelease,
  });

  it.each<[string, number | undefined, number, boolean]>([
    ['no tag', undefined, noon + 9 * hour, true],
    ['a tag of an earlier minute', noon - minute, noon + 9 * hour, true],
    ['a tag of the same minute, within the hour', noon, noon + 30_000 + hour - 1, true],
    ['a tag of a later minute, within the hour', noon + minute, noon + 5 * minute, true],
    ['a tag of the same minute, an hour later', noon, noon + 30_000 + hour, false],
    ['a tag of a later minute, an hour later', noon + minute, noon + 2 * hour, false],
  ])(
    'that has cancelled the isolation in a run that was killed is met by it: %s',
    (_, newestOfKind, now, met) => {
      const context = { newestOfKind, newestBlock: undefined, now };

      expect(decide('release', [cancelledAtNoon], context)).toEqual(
        met ? { kind: 'cancelled', action: cancelledAtNoon } : nothingInForce,
      );
      expect(ownCancellation([cancelledAtNoon], { owner, ...context })).toBe(
        met ? cancelledAtNoon : undefined,
      );
    },
  );

  it.each<[string, number, boolean]>([
    ['of its own minute', noon - hour, true],
    ['of a later minute', noon - hour + minute, false],
    ['of this minute', noon + 5 * minute, false],
    ['that lies ahead, in local time', noon + 6 * minute, true],
  ])('is met by the isolation cancelled for it, beside a newest block %s: %s', (_, newestBlock, met) => {
    const context = { owner, newestOfKind: undefined, newestBlock, now: noon + 5 * minute };

    expect(ownCancellation([cancelledAtNoon], context)).toBe(met ? cancelledAtNoon : undefined);
  });

  it.each<[string, MachineAction[]]>([
    ['for another host', [{ ...cancelledAtNoon, cancellationComment: ownRelease.replace('472', '473') }]],
    ['by somebody', [{ ...cancelledAtNoon, cancellationComment: 'mistake' }]],
    ['and released since', [cancelledAtNoon, release({ createdAt: noon })]],
    ['before another isolation Failed', [cancelledAtNoon, isolation({ createdAt: noon, status: 'Failed' })]],
    ['at a time that is not known', [{ ...cancelledAtNoon, updatedAt: undefined }]],
    ['in vain', [{ ...cancelledAtNoon, status: 'Failed' }]],
  ])('is not met by an isolation that was cancelled %s', (_, record) => {
    expect(decide('release', record, { newestOfKind: noon - minute })).toEqual(nothingInForce);
    expect(ownCancellation(record, { ...untouched, newestOfKind: noon - minute })).toBeUndefined();
  });

  it('is met by no cancellation when nothing is recorded', () => {
    expect(ownCancellation([], untouched)).toBeUndefined();
  });

  it('is not met by a release that was cancelled for it', () => {
    const record = [release({ status: 'Cancelled', cancellationComment: ownComment })];

    expect(decide('release', record)).toEqual(nothingInForce);
  });
});

it.each<RequestKind>(['isolate', 'release'])(
  'an %s waits while opposite actions are open, and names both',
  (request) => {
    const record = [isolation({ status: 'InProgress' }), release({ status: 'Pending', createdAt: noon + 1 })];

    expect(decide(request, record)).toEqual({
      kind: 'defer',
      reason:
        'Defender has isolation isolation (InProgress) and release release (Pending) open at once; nothing is asked for until one of them has ended',
    });
  },
);

it.each<RequestKind>(['isolate', 'release'])(
  'an %s waits while the state of an action is a word that Defender does not document',
  (request) => {
    expect(decide(request, [isolation({ status: 'Qu\u0007eued' })])).toEqual({
      kind: 'defer',
      reason:
        'Defender gives the state of isolation isolation as "Queued", which is not known here; nothing is asked for until it has ended',
    });
    expect(decide(request, [release({ status: '' }), isolation({ createdAt: noon - hour })])).toEqual({
      kind: 'defer',
      reason:
        'Defender gives the state of release release as "", which is not known here; nothing is asked for until it has ended',
    });
  },
);

describe("a host's own answer", () => {
  const mine = isolation({ requestorComment: ownComment, createdAt: noon + 30_000 });
  const myRelease = release({ requestorComment: ownRelease, createdAt: noon + 30_000 });
  const asked = { owner, newestOfKind: noon - minute };

  it.each(['Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled'])(
    'is its newest action, however it ended: %s',
    (status) => {
      const action = { ...mine, status };
      const answered = { kind: 'answered', action };

      expect(ownAnswer('isolate', [action], asked)).toBe(action);
      expect(decide('isolate', [isolation({ createdAt: noon - hour }), action])).toEqual(answered);
    },
  );

  it('answers a release as well', () => {
    expect(ownAnswer('release', [myRelease, isolation({ createdAt: noon - hour })], asked)).toBe(myRelease);
  });

  it.each<[string, number | undefined, boolean]>([
    ['no tag', undefined, true],
    ['a tag of an earlier minute', noon - minute, true],
    ['a tag of the same minute', noon, false],
    ['a tag of a later minute', noon + minute, false],
  ])('is of a later minute than the newest tag: %s', (_, newestOfKind, answers) => {
    expect(ownAnswer('isolate', [mine], { owner, newestOfKind })).toBe(answers ? mine : undefined);
  });

  it.each<[string, number | undefined, boolean]>([
    ['no tag', undefined, true],
    ['a tag of an earlier minute', noon - minute, true],
    ['a tag of the same minute', noon, true],
    ['a tag of a later minute', noon + minute, false],
  ])('may be of the same minute while its status tag calls it open: %s', (_, newestOfKind, answers) => {
    for (const action of [mine, { ...mine, status: 'Failed' }, { ...mine, status: 'Succeeded' }]) {
      expect(ownAnswer('isolate', [action], { owner, newestOfKind, unfinished: true })).toBe(
        answers ? action : undefined,
      );
    }
  });

  it('of the first second of a minute is later than a tag of the minute before', () => {
    const action = { ...mine, createdAt: noon };

    expect(ownAnswer('isolate', [action], { owner, newestOfKind: noon - minute })).toBe(action);
    expect(ownAnswer('isolate', [action], { owner, newestOfKind: noon })).toBeUndefined();
  });

  it('may lack its time when the host has no tag', () => {
    const undated = { ...mine, createdAt: undefined };

    expect(ownAnswer('isolate', [undated], { owner, newestOfKind: undefined })).toBe(undated);
    expect(ownAnswer('isolate', [undated], { owner, newestOfKind: noon })).toBeUndefined();
  });

  it.each<[string, RequestKind, MachineAction[]]>([
    ['nothing is recorded', 'isolate', []],
    ['it is of the other kind', 'isolate', [myRelease]],
    ['it is of the other kind', 'release', [mine]],
    ['a newer release by somebody followed', 'isolate', [mine, release({ createdAt: noon + minute })]],
    ['a newer isolation by somebody followed', 'isolate', [mine, isolation({ createdAt: noon + minute })]],
    ['it is of another host', 'isolate', [{ ...mine, requestorComment: ownComment.replace('472', '473') }]],
    [
      'it is of another brain',
      'isolate',
      [{ ...mine, requestorComment: ownComment.replace('brain.', 'other.') }],
    ],
    ['it is by somebody', 'isolate', [{ ...mine, requestorComment: 'by hand' }]],
    // The unblock that cancelled it came later than the trigger that it answered.
    [
      'this program cancelled it for an unblock',
      'isolate',
      [{ ...mine, status: 'Cancelled', cancellationComment: ownRelease }],
    ],
    [
      'this program cancelled it for a block',
      'release',
      [{ ...myRelease, status: 'Cancelled', cancellationComment: ownComment }],
    ],
  ])('is none when %s (%s)', (_, request, record) => {
    expect(ownAnswer(request, record, asked)).toBeUndefined();
  });

  it('is still the answer when a cancellation came too late', () => {
    const done = { ...mine, status: 'Succeeded', cancellationComment: ownRelease };

    expect(ownAnswer('isolate', [done], asked)).toBe(done);
  });

  it('is still there when a scan followed', () => {
    const scan = buildAction({ type: 'RunAntiVirusScan', createdAt: noon + hour });

    expect(ownAnswer('isolate', [scan, mine], asked)).toBe(mine);
  });

  it('cancelled by this program makes way for a new isolation', () => {
    const cancelled = { ...mine, status: 'Cancelled', cancellationComment: ownRelease };

    expect(decide('isolate', [cancelled])).toEqual(post);
  });
});

describe('whatever the record and the tags', () => {
  const statuses = ['Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled'];
  const foreignComments = ['by hand', ownComment.replace('472', '473')];
  const actions = fc
    .record({
      type: fc.constantFrom('Isolate', 'Unisolate', 'RunAntiVirusScan'),
      status: fc.constantFrom(...statuses),
      requestorComment: fc.constantFrom(ownComment, ownRelease, ...foreignComments),
      cancellationComment: fc.constantFrom(undefined, ownRelease, 'mistake'),
      createdAt: fc.integer({ min: -3, max: 3 }).map((n) => noon + n * 30_000),
      delay: fc.integer({ min: 0, max: 4 }).map((n) => n * 30_000),
    })
    .map(({ delay, ...fields }) => ({ ...fields, updatedAt: fields.createdAt + delay }));
  const records = fc
    .array(actions, { maxLength: 5 })
    .map((list) => list.map((fields, at) => buildAction({ id: `action-${at}`, ...fields })));
  const minutes = fc.constantFrom(undefined, noon - minute, noon, noon + minute);
  const contexts: fc.Arbitrary<RequestContext> = fc.record({
    owner: fc.constant(owner),
    newestOfKind: minutes,
    held: fc.boolean(),
    newestBlock: minutes,
    now: fc.constantFrom(noon, noon + 3 * hour),
  });
  const requests = fc.constantFrom<RequestKind>('isolate', 'release');

  const isOpen = ({ status }: MachineAction) => status === 'Pending' || status === 'InProgress';
  const openOf = (record: MachineAction[], type: string) =>
    record.filter((action) => action.type === type && isOpen(action));

  /** Types of those that may be in force: of all that Succeeded, the ones that nothing was updated after. */
  function lastToSucceed(record: MachineAction[]): string[] {
    const done = record.filter(({ type, status }) => type !== 'RunAntiVirusScan' && status === 'Succeeded');
    const last = Math.max(...done.map(({ updatedAt }) => updatedAt ?? 0));
    return done.filter(({ updatedAt }) => updatedAt === last).map(({ type }) => type);
  }

  it('nothing is posted while an isolation or a release is open', () => {
    fc.assert(
      fc.property(requests, records, contexts, (request, record, context) => {
        if (decideRequest(request, record, context).kind !== 'post') return;
        expect(openOf(record, 'Isolate')).toEqual([]);
        expect(openOf(record, 'Unisolate')).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('no isolation is posted while one is in force', () => {
    fc.assert(
      fc.property(records, contexts, (record, context) => {
        if (decideRequest('isolate', record, context).kind !== 'post') return;
        const last = lastToSucceed(record);
        expect(last.length === 0 || last.includes('Unisolate')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('no release is posted when nothing is in force, unless the host is held and the record may be incomplete', () => {
    fc.assert(
      fc.property(records, contexts, (record, context) => {
        if (decideRequest('release', record, context).kind !== 'post') return;
        const reaches = record.some(({ type, status, createdAt, updatedAt }) => {
          if (type === 'RunAntiVirusScan') return false;
          const { newestBlock } = context;
          if (newestBlock === undefined) return type === 'Isolate' || status === 'Succeeded';
          if (type === 'Isolate' && minuteOf(createdAt ?? 0) === newestBlock) return true;
          const isLater = minuteOf(createdAt ?? 0) >= newestBlock || minuteOf(updatedAt ?? 0) > newestBlock;
          return status === 'Succeeded' && isLater;
        });
        expect(lastToSucceed(record).includes('Isolate') || (context.held && !reaches)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('what is cancelled is the one open action, of the opposite kind, and Pending', () => {
    fc.assert(
      fc.property(requests, records, contexts, (request, record, context) => {
        const decision = decideRequest(request, record, context);
        if (decision.kind !== 'cancel') return;
        const opposite = request === 'isolate' ? 'Unisolate' : 'Isolate';
        expect(decision.action).toMatchObject({ type: opposite, status: 'Pending' });
        expect(openOf(record, request === 'isolate' ? 'Isolate' : 'Unisolate')).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('what is taken over is of the kind asked for, open or in force', () => {
    fc.assert(
      fc.property(requests, records, contexts, (request, record, context) => {
        const decision = decideRequest(request, record, context);
        if (decision.kind !== 'adopt') return;
        expect(decision.action.type).toBe(request === 'isolate' ? 'Isolate' : 'Unisolate');
        expect(
          isOpen(decision.action) || (request === 'isolate' && decision.action.status === 'Succeeded'),
        ).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('an action posted now is the answer to the same trigger in the next run', () => {
    fc.assert(
      fc.property(
        requests,
        records,
        contexts,
        fc.constantFrom(...statuses),
        (request, record, context, status) => {
          if (decideRequest(request, record, context).kind !== 'post') return;
          const createdAt = noon + 10 * minute;
          const comment = { kind: request, ...owner, trigger: 'x', time: createdAt, hostName: 'y' };
          const type = request === 'isolate' ? 'Isolate' : 'Unisolate';
          const action = buildAction({
            id: 'new',
            type,
            status,
            createdAt,
            requestorComment: writeComment(comment),
          });

          expect(decideRequest(request, [...record, action], context)).toEqual({ kind: 'answered', action });
        },
      ),
      { numRuns: 500 },
    );
  });
});
