import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import {
  answeredBy,
  cancelledFor,
  decide,
  isCancellationTold,
  isTold,
  untoldAction,
} from '../../src/decide/answer.ts';
import { writeComment } from '../../src/decide/comment.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import { isolationInForce, openAction } from '../../src/decide/machine-state.ts';
import {
  anyRecord,
  anyTold,
  buildAction,
  buildIsolation,
  buildJudged,
  buildRelease,
  buildTags,
  day,
  hour,
  minute,
  noon,
  owner,
  ownComment,
  ownReleaseComment,
  statusWords,
} from './samples.ts';

const mine = buildIsolation({ requestorComment: ownComment, createdAt: noon + 30_000 });
const myRelease = buildRelease({ requestorComment: ownReleaseComment, createdAt: noon + 30_000 });
const ends = ['Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled'];

describe("the trigger on the host is answered by the host's own action", () => {
  it.each(ends)('however it ended: %s', (status) => {
    const action = { ...mine, status };
    const record = [buildIsolation({ createdAt: noon - hour }), action];
    expect(answeredBy('isolate', record, buildJudged())).toEqual(action);
    expect(decide('isolate', record, buildJudged())).toEqual({ kind: 'adopt', action });
  });

  it.each<[string, string[], number, string[], boolean]>([
    ['no tag tells of it', [], noon + minute, [], true],
    ['the newest time is of an earlier minute', ['Manual block:2026-11-24 11:59'], noon + minute, [], true],
    ['the newest time is of its minute', ['Manual block:2026-11-24 12:00'], noon + minute, [], false],
    ['the newest time is later', ['Manual block:2026-11-24 12:01'], noon + minute, [], false],
    [
      'its tag calls it open',
      ['Manual block:2026-11-24 12:00', 'isolation: Pending'],
      noon + minute,
      [],
      true,
    ],
    [
      'a tag calls a later one open',
      ['Manual block:2026-11-24 12:01', 'isolation: Pending'],
      noon + minute,
      [],
      false,
    ],
    [
      'a tag calls a release open',
      ['Manual block:2026-11-24 12:00', 'release: Pending'],
      noon + minute,
      [],
      false,
    ],
    ['it is almost a day old', [], noon + 30_000 + day - 1, [], true],
    ['it is a day old', [], noon + 30_000 + day, [], false],
    ['the note tells its end', [], noon + minute, ['isolation'], false],
    ['the note tells the end of another', [], noon + minute, ['other'], true],
  ])('when %s', (_, tags, now, toldEnds, isAnswered) => {
    const action = { ...mine, status: 'Failed' };
    const judged = buildJudged({ tags: buildTags(tags, now), now, toldEnds });
    expect(answeredBy('isolate', [action], judged)).toEqual(isAnswered ? action : undefined);
  });

  it('of a release as well, and a scan in between is nothing', () => {
    const scan = buildAction({ type: 'RunAntiVirusScan', createdAt: noon + hour });
    expect(answeredBy('release', [scan, myRelease], buildJudged())).toEqual(myRelease);
  });

  it('when a cancellation came too late', () => {
    const action = { ...mine, cancellationComment: 'mistake', status: 'Succeeded' };
    expect(answeredBy('isolate', [action], buildJudged())).toEqual(action);
  });

  it.each<[string, RequestKind, MachineAction[]]>([
    ['nothing is recorded', 'isolate', []],
    ['it is of the other kind', 'isolate', [myRelease]],
    ['it is of the other kind', 'release', [mine]],
    ['a newer release by somebody followed', 'isolate', [mine, buildRelease({ createdAt: noon + minute })]],
    [
      'a newer isolation by somebody followed',
      'isolate',
      [mine, buildIsolation({ createdAt: noon + minute })],
    ],
    ['it is of another host', 'isolate', [{ ...mine, requestorComment: ownComment.replace('472', '473') }]],
    [
      'it is of another brain',
      'isolate',
      [{ ...mine, requestorComment: ownComment.replace('brain.', 'other.') }],
    ],
    ['it is by somebody', 'isolate', [buildIsolation()]],
    ['its state is not known', 'isolate', [{ ...mine, status: 'Queued' }]],
    [
      'it was cancelled for an unblock',
      'isolate',
      [{ ...mine, status: 'Cancelled', cancellationComment: ownReleaseComment }],
    ],
    [
      'it was cancelled for a block',
      'release',
      [{ ...myRelease, status: 'Cancelled', cancellationComment: ownComment }],
    ],
  ])('but not when %s (%s)', (_, request, record) => {
    expect(answeredBy(request, record, buildJudged())).toBeUndefined();
  });
});

describe('an unblock is answered by the isolation that a killed run cancelled for it', () => {
  const cancelled = buildIsolation({
    createdAt: noon - hour,
    updatedAt: noon + 30_000,
    status: 'Cancelled',
    cancellationComment: ownReleaseComment,
  });

  it.each<[string, string[], number, boolean]>([
    ['no tag', [], noon + 9 * hour, true],
    ['no tag, almost a day later', [], noon + 30_000 + day - 1, true],
    ['no tag, a day later', [], noon + 30_000 + day, false],
    ['an earlier unblock', ['Manual unblock:2026-11-24 11:59'], noon + 9 * hour, true],
    ['its own unblock, within the hour', ['Manual unblock:2026-11-24 12:00'], noon + 30_000 + hour - 1, true],
    ['its own unblock, an hour later', ['Manual unblock:2026-11-24 12:00'], noon + 30_000 + hour, false],
    ['a later unblock, an hour later', ['Manual unblock:2026-11-24 12:01'], noon + 2 * hour, false],
    ['the block of that isolation', ['Manual block:2026-11-24 11:00'], noon + 5 * minute, true],
    ['a later block', ['Manual block:2026-11-24 11:01'], noon + 5 * minute, false],
  ])('beside %s', (_, tags, now, isMet) => {
    const judged = buildJudged({ tags: buildTags(tags, now), now });
    const expected = isMet ? { kind: 'cancelled', action: cancelled } : { kind: 'done' };
    expect(cancelledFor([cancelled], judged)).toEqual(isMet ? cancelled : undefined);
    expect(decide('release', [cancelled], judged)).toEqual(expected);
    expect(answeredBy('isolate', [cancelled], judged)).toBeUndefined();
  });

  it.each<[string, string[], boolean]>([
    ['no tag', [], false],
    ['the status alone', ['isolation: Cancelled'], false],
    ['the time alone', ['Manual unblock:2026-11-24 12:00'], false],
    ['both', ['isolation: Cancelled', 'Manual unblock:2026-11-24 12:00'], true],
    ['the status and an earlier time', ['isolation: Cancelled', 'Manual unblock:2026-11-24 11:59'], false],
  ])('which is told by %s: %s', (_, tags, isTold) => {
    expect(isCancellationTold(cancelled, buildTags(tags))).toBe(isTold);
  });

  it.each<[string, MachineAction[]]>([
    ['for another host', [{ ...cancelled, cancellationComment: ownReleaseComment.replace('472', '473') }]],
    ['by somebody', [{ ...cancelled, cancellationComment: 'mistake' }]],
    ['and released since', [cancelled, buildRelease({ createdAt: noon })]],
    ['before another isolation Failed', [cancelled, buildIsolation({ createdAt: noon, status: 'Failed' })]],
    ['in vain', [{ ...cancelled, status: 'Failed' }]],
  ])('but not by one that was cancelled %s', (_, record) => {
    expect(decide('release', record, buildJudged())).toEqual({ kind: 'done' });
  });
});

describe('an action that no tag tells of', () => {
  it.each<[string, MachineAction[], string[], string | undefined]>([
    ['is open', [{ ...mine, status: 'Pending' }], [], 'isolation'],
    ['is in force', [mine], [], 'isolation'],
    ['is an open release', [{ ...myRelease, status: 'InProgress' }], [], 'release'],
    ['is none when it ended badly', [{ ...mine, status: 'Failed' }], [], undefined],
    ['is none when it was released', [mine, buildRelease({ createdAt: noon + minute })], [], undefined],
    ['is none when a release Succeeded', [myRelease], [], undefined],
    ["is none of somebody's", [buildIsolation()], [], undefined],
    ['is none when a tag tells of its minute', [mine], ['Manual block:2026-11-24 12:00'], undefined],
    ['is there when a tag tells of an earlier one', [mine], ['Manual block:2026-11-24 11:59'], 'isolation'],
  ])('%s', (_, record, tags, id) => {
    expect(untoldAction(record, buildJudged({ tags: buildTags(tags) }))?.id).toBe(id);
  });

  it('has lapsed after a week', () => {
    expect(untoldAction([mine], buildJudged({ now: noon + 30_000 + 7 * day }))).toBeUndefined();
  });
});

it.each<[string, string[], boolean]>([
  ['nothing', [], false],
  ['an earlier minute', ['Manual block:2026-11-24 11:59'], false],
  ['its minute', ['Manual block:2026-11-24 12:00'], true],
  ['its minute, its status open', ['Manual block:2026-11-24 12:00', 'isolation: InProgress'], false],
  ['a later minute', ['Manual block:2026-11-24 12:01', 'isolation: InProgress'], true],
  ['an unblock only', ['Manual unblock:2026-11-24 12:01'], false],
])('tags that tell of %s tell of the action: %j', (_, tags, told) => {
  expect(isTold(mine, buildTags(tags))).toBe(told);
});

describe('whatever the record and the tags', () => {
  const kinds = fc.constantFrom<RequestKind>('isolate', 'release');
  const judgments = fc
    .record({
      told: anyTold,
      now: fc.constantFrom(noon, noon + 3 * hour),
      tags: fc.subarray([
        'Manual block:2026-11-24 12:00',
        'Manual unblock:2026-11-24 12:00',
        'isolation: Pending',
      ]),
    })
    .map(({ tags, ...fields }) => buildJudged({ ...fields, tags: buildTags(tags, fields.now) }));

  it('nothing is posted, and no unblock is done, while an isolation is open or in force', () => {
    fc.assert(
      fc.property(kinds, anyRecord(), judgments, (request, record, judged) => {
        const { kind } = decide(request, record, judged);
        const inForce = isolationInForce(record, judged.endsAfterMs, judged.now);
        const open = openAction(record, 'isolate') ?? openAction(record, 'release');

        if (kind === 'post') expect(open).toBeUndefined();
        if (kind === 'post' && request === 'isolate') expect(inForce).toBeUndefined();
        if (kind === 'done') expect([request, inForce, open]).toEqual(['release', undefined, undefined]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('what is cancelled is Pending and of the opposite kind; what is taken over is of the kind asked for', () => {
    fc.assert(
      fc.property(kinds, anyRecord(), judgments, (request, record, judged) => {
        const decision = decide(request, record, judged);
        const [same, opposite] = request === 'isolate' ? ['Isolate', 'Unisolate'] : ['Unisolate', 'Isolate'];

        if (decision.kind === 'cancel')
          expect(decision.action).toMatchObject({ type: opposite, status: 'Pending' });
        if (decision.kind === 'adopt') expect(decision.action.type).toBe(same);
      }),
      { numRuns: 500 },
    );
  });

  it('an action posted now answers the same trigger in the next run', () => {
    const words = fc.constantFrom(...statusWords.slice(0, 6));
    fc.assert(
      fc.property(kinds, anyRecord(), judgments, words, (request, record, judged, status) => {
        if (decide(request, record, judged).kind !== 'post') return;
        const createdAt = noon + 10 * minute;
        const comment = { kind: request, ...owner, trigger: 'x', time: createdAt, hostName: 'y' };
        const type = request === 'isolate' ? 'Isolate' : 'Unisolate';
        const requestorComment = writeComment(comment);
        const action = buildAction({ id: 'new', type, status, createdAt, requestorComment });

        expect(decide(request, [...record, action], judged)).toEqual({ kind: 'adopt', action });
      }),
      { numRuns: 500 },
    );
  });
});
