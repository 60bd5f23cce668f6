import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import {
  accepted,
  actionUnknown,
  cancelled,
  endedBadly,
  followed,
  lapsed,
  nothingInForce,
  refused,
  releasedByOthers,
  takenUp,
  type Telling,
} from '../../src/decide/events.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import {
  buildAction,
  buildRelease as release,
  day,
  hour,
  minute,
  noon,
  owner,
  ownComment,
  ownReleaseComment,
} from './samples.ts';

const now = noon + 5 * minute;
const telling: Telling = { owner, endsAfterMs: 7 * day, now };
const until = '2026-12-01 12:00';
const untilIso = '2026-12-01T12:00:00.000Z';

function own(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ requestorComment: ownComment, ...fields });
}

it.each<[string, string | undefined, boolean]>([
  ['Pending', undefined, false],
  ['InProgress', undefined, false],
  ['Succeeded', undefined, false],
  ['Queued', undefined, false],
  ['Failed', undefined, true],
  ['TimeOut', undefined, true],
  ['Cancelled', undefined, true],
  ['Cancelled', 'mistake', true],
  ['Cancelled', ownReleaseComment, false],
  ['Cancelled', ownReleaseComment.replace('472', '473'), false],
  ['Failed', ownReleaseComment, true],
])('an action that is %s (cancelled with %j) ended badly: %j', (status, cancellationComment, bad) => {
  expect(endedBadly(buildAction({ status, cancellationComment }))).toBe(bad);
});

describe('an action that was accepted', () => {
  it('says since when and until when, with the time at which Defender created it', () => {
    expect(accepted('isolate', own({ status: 'Pending' }), 'posted', 'block', telling)).toMatchObject({
      event: 'accepted',
      result: 'isolated',
      detail: `isolation asked for (Pending), until ${until} UTC`,
      status: { kind: 'isolate', status: 'Pending' },
      accepted: { kind: 'isolate', time: noon },
      entry: {
        time: noon,
        what: 'isolation for tag `block`',
        action: { id: 'action-1', status: 'Pending', until },
      },
      action: { type: 'isolate', id: 'action-1', status: 'Pending', until: untilIso },
    });
  });

  it('has no end where Defender lifts nothing by itself, or as a release', () => {
    const never = { ...telling, endsAfterMs: 0 };
    const open = release({ requestorComment: ownReleaseComment, status: 'Pending' });
    expect(accepted('isolate', own({ status: 'Pending' }), 'posted', 'block', never)).toMatchObject({
      detail: 'isolation asked for (Pending)',
      action: { until: null },
    });
    expect(accepted('release', open, 'posted', 'unblock', telling)).toMatchObject({
      result: 'released',
      detail: 'release asked for (Pending)',
      entry: { time: noon, what: 'release for tag `unblock`', action: { id: 'release', status: 'Pending' } },
      action: { type: 'release', id: 'release', status: 'Pending', until: null },
    });
  });

  it('takes the time of the run where Defender names none, and no id in a dry run', () => {
    const action = own({ id: '', status: 'Pending', createdAt: undefined });
    expect(accepted('isolate', action, 'adopted', 'block', telling)).toMatchObject({
      detail: 'isolation of 2026-11-24 12:05 UTC taken over (Pending)',
      accepted: { kind: 'isolate', time: now },
      entry: { time: now },
      action: { type: 'isolate', id: null, status: 'Pending', until: null },
    });
  });

  const of = 'isolation of 2026-11-24 12:00 UTC';
  const end = `taken over (Succeeded), until ${until} UTC`;
  it.each<[string, Partial<MachineAction>, string, string]>([
    [
      "somebody's",
      {},
      `${of} by analyst@contoso.example ${end}`,
      'isolation by `analyst@contoso.example`, taken over for tag `BLOCK`',
    ],
    [
      "nobody's",
      { requestor: undefined },
      `${of} by unknown ${end}`,
      'isolation by `unknown`, taken over for tag `BLOCK`',
    ],
    [
      'one of an empty requestor',
      { requestor: ' \u0007' },
      `${of} by unknown ${end}`,
      'isolation by `unknown`, taken over for tag `BLOCK`',
    ],
    [
      'one of a long name',
      { requestor: 'x'.repeat(81) },
      `${of} by ${'x'.repeat(79)}… ${end}`,
      `isolation by \`${'x'.repeat(79)}…\`, taken over for tag \`BLOCK\``,
    ],
    [
      "another host's",
      { requestorComment: ownComment.replace('472', '473') },
      `${of} by atp for host 473 ${end}`,
      'isolation by atp for host 473, taken over for tag `BLOCK`',
    ],
    [
      "another brain's",
      { requestorComment: ownComment.replace('brain.', 'other.') },
      `${of} by atp for host 472 of other.contoso.example ${end}`,
      'isolation by atp for host 472 of `other.contoso.example`, taken over for tag `BLOCK`',
    ],
    [
      'its own, of a run that was killed',
      { requestorComment: ownComment },
      `${of} ${end}`,
      'isolation for tag `block`',
    ],
  ])('is taken over from whose it is: %s', (_, fields, detail, what) => {
    const event = accepted('isolate', buildAction(fields), 'adopted', 'BLOCK', telling);
    expect(event).toMatchObject({ event: 'accepted', result: 'isolated', detail });
    expect(event.entry).toEqual({ time: noon, what, action: { id: 'action-1', status: 'Succeeded', until } });
  });

  it.each<[RequestKind, Partial<MachineAction>, string]>([
    [
      'isolate',
      { status: 'TimeOut' },
      'isolation action-1 ended in TimeOut (the machine was not reached within three days); tag the host for block again if it is still wanted',
    ],
    [
      'isolate',
      { status: 'Cancelled', cancellationComment: 'x' },
      'isolation action-1 ended in Cancelled (somebody cancelled it); tag the host for block again if it is still wanted',
    ],
    [
      'release',
      { status: 'Failed' },
      'release action-1 ended in Failed (Defender gives no reason in its record); tag the host for unblock again if it is still wanted',
    ],
  ])('%s that ended badly failed and is left to a person (%j)', (kind, fields, detail) => {
    expect(accepted(kind, own(fields), 'adopted', 'x', telling)).toMatchObject({
      event: 'accepted, ended badly',
      result: 'failed',
      detail,
      failure: kind,
      status: { kind, status: fields.status },
    });
  });
});

it('a pending isolation that was cancelled meets the release', () => {
  expect(cancelled(buildAction({ status: 'Pending' }), 'unblock', now, telling)).toMatchObject({
    event: 'pending isolation cancelled',
    result: 'released',
    detail: 'the pending isolation action-1 was cancelled',
    accepted: { kind: 'release', time: now },
    entry: { time: now, what: 'release for tag `unblock`: the pending isolation action-1 was cancelled' },
    action: { type: 'isolate', id: 'action-1', status: 'Cancelled' },
  });
});

it.each([
  [false, 'nothing in force', undefined],
  [true, 'nothing in force any more', 'none'],
])(
  'a release that finds nothing in force is done; its status tag is not true: %j',
  (isUntrue, event, status) => {
    const made = nothingInForce('unblock', now, isUntrue);
    expect(made).toMatchObject({
      event,
      result: 'released',
      detail: 'nothing to release: Defender records no isolation in force',
      accepted: { kind: 'release', time: now },
      entry: { time: now, what: 'release for tag `unblock`: nothing was in force' },
    });
    expect(made.status).toBe(status);
  },
);

describe('a refusal', () => {
  it('is said in tag, note and report', () => {
    expect(refused('isolate', 'block', 'no machine: nobody is there', now)).toMatchObject({
      event: 'refused',
      result: 'refused',
      detail: 'isolation refused: no machine: nobody is there',
      failure: 'isolate',
      entry: { time: now, what: 'isolation for tag `block` refused: `no machine: nobody is there`' },
    });
    expect(refused('release', 'unblock', 'x', now, 'machine unknown to Defender')).toMatchObject({
      event: 'machine unknown to Defender',
      detail: 'release refused: x',
      failure: 'release',
      status: 'none',
    });
  });

  it('cannot be made a link, a table or a line of its own by the names in it', () => {
    expect(refused('isolate', 'a`b', 'see [x](https://evil.example)\n# <b>|*`\\', now).entry?.what).toBe(
      "isolation for tag `a'b` refused: `see [x](https://evil.example) # <b>|*'\\`",
    );
  });

  it.each([
    ['r'.repeat(601), `${'r'.repeat(599)}…`],
    ['r'.repeat(600), 'r'.repeat(600)],
  ])('is cut in the note, not in the report', (reason, noted) => {
    const { detail, entry } = refused('isolate', 'block', reason, now);
    expect(entry?.what).toBe(`isolation for tag \`block\` refused: \`${noted}\``);
    expect(detail).toBe(`isolation refused: ${reason}`);
  });
});

describe('an action that was followed', () => {
  const byRelease = { status: 'Cancelled', cancellationComment: ownReleaseComment };
  it.each<[string, RequestKind, string, MachineAction, string, string, string]>([
    [
      'is where it was',
      'isolate',
      'Pending',
      own({ status: 'Pending' }),
      'unchanged',
      'unchanged',
      'isolation action-1 is still Pending',
    ],
    [
      'is where it was, a release',
      'release',
      'InProgress',
      release({ status: 'InProgress' }),
      'unchanged',
      'unchanged',
      'release release is still InProgress',
    ],
    [
      'moved on',
      'isolate',
      'Pending',
      own(),
      'action moved on',
      'isolated',
      `isolation action-1 went from Pending to Succeeded, until ${until} UTC`,
    ],
    [
      'moved on, a release',
      'release',
      'Pending',
      release({ status: 'InProgress' }),
      'action moved on',
      'released',
      'release release went from Pending to InProgress',
    ],
    [
      'moved to a word that is not known',
      'isolate',
      'Pending',
      own({ status: 'Queued' }),
      'action moved on',
      'unchanged',
      `isolation action-1 went from Pending to Queued, until ${until} UTC`,
    ],
    [
      'was cancelled for an unblock',
      'isolate',
      'Pending',
      own(byRelease),
      'action moved on',
      'released',
      'isolation action-1 went from Pending to Cancelled',
    ],
    [
      'was cancelled for a block',
      'release',
      'Pending',
      release(byRelease),
      'action moved on',
      'isolated',
      'release release went from Pending to Cancelled',
    ],
    [
      'ended badly',
      'release',
      'Pending',
      release({ status: 'TimeOut' }),
      'action ended badly',
      'failed',
      'release release ended in TimeOut (the machine was not reached within three days); tag the host for unblock again if it is still wanted',
    ],
  ])('%s', (_, kind, was, action, event, result, detail) => {
    expect(followed(kind, was, action, telling)).toMatchObject({ event, result, detail, settles: false });
    expect(followed(kind, was, action, telling).action).toMatchObject({
      type: kind,
      id: action.id,
      status: action.status,
    });
  });

  it.each<[string, RequestKind, MachineAction, string | undefined]>([
    ['own', 'isolate', own(), 'isolation for tag `block`'],
    [
      "somebody's, for the kind of tag",
      'isolate',
      buildAction(),
      'isolation by `analyst@contoso.example`, taken over for tag `block`',
    ],
    ['cancelled, which has its line already', 'isolate', own(byRelease), undefined],
  ])('has a line in the note: %s', (_, kind, action, what) => {
    expect(followed(kind, 'Pending', action, telling).entry?.what).toBe(what);
  });
});

it.each<[string, Partial<MachineAction>, string, string, number]>([
  [
    'by somebody',
    { updatedAt: noon + hour },
    'released at 2026-11-24 13:00 UTC by analyst@contoso.example',
    'release by `analyst@contoso.example`',
    noon,
  ],
  [
    'by nobody',
    { requestor: undefined, createdAt: undefined, updatedAt: noon },
    'released at 2026-11-24 12:00 UTC by unknown',
    'release by `unknown`',
    now,
  ],
])('a release that only the record shows is said: %s', (_, fields, detail, what, time) => {
  expect(releasedByOthers(release(fields), telling)).toMatchObject({
    event: 'released by others',
    result: 'released',
    detail: `${detail}, as Defender's record shows`,
    status: { kind: 'release', status: 'Succeeded' },
    entry: { time, what, action: { id: 'release', status: 'Succeeded' } },
    action: { type: 'release', id: 'release', status: 'Succeeded', until: null },
  });
});

it.each<[string, MachineAction, string]>([
  [
    'own',
    own(),
    `isolation of 2026-11-24 12:00 UTC (Succeeded) is in Defender's record and no tag told of it; the tags are put right, until ${until} UTC`,
  ],
  [
    "somebody's",
    buildAction(),
    `isolation of 2026-11-24 12:00 UTC by analyst@contoso.example (Succeeded) is in Defender's record and no tag told of it; the tags are put right, until ${until} UTC`,
  ],
])('an action that no tag tells of is taken up: %s', (_, action, detail) => {
  expect(takenUp(action, telling)).toMatchObject({
    event: 'taken up',
    result: 'isolated',
    detail,
    accepted: { kind: 'isolate', time: noon },
  });
});

it('an isolation that is surely over, and an action that Defender does not know, are said in the note', () => {
  const over = 'lifted by Defender after 7 days, as documented; no release is recorded';
  const unknown = 'the tag release: Pending was taken off: Defender knows no such action';
  expect(lapsed(telling)).toMatchObject({
    event: 'lapsed',
    result: 'failed',
    detail: over,
    entry: { time: now, what: over },
  });
  expect(actionUnknown('release', 'Pending', telling)).toMatchObject({
    event: 'action unknown to Defender',
    result: 'failed',
    detail: unknown,
    entry: { time: now, what: unknown },
  });
});
