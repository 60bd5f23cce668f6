import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/schema.ts';
import {
  acceptedEffect,
  cancelledEffect,
  cancelledEntry,
  conflictEffect,
  correctedEffect,
  deferredEffect,
  endedBadly,
  followedEffect,
  nothingInForceEffect,
  nothingInForceEntry,
  refusedEffect,
  refusedEntry,
  results,
  summarise,
  unchangedEffect,
  weightier,
  type Effect,
} from '../../src/decide/outcome.ts';
import type { RequestKind } from '../../src/decide/tags.ts';
import { buildAction, hour, minute, noon, owner, ownComment } from './samples.ts';

const ownRelease = ownComment.replace('isolate', 'release').replace('tag block', 'tag unblock');
const now = noon + 5 * minute;

function ownIsolation(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ requestorComment: ownComment, ...fields });
}

function release(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'action-2', type: 'Unisolate', ...fields });
}

it('orders the results of a host as the report counts them', () => {
  expect(results).toEqual([
    'conflict',
    'failed',
    'deferred',
    'refused',
    'isolated',
    'released',
    'enriched',
    'unchanged',
  ]);
});

it.each<[string, string | undefined, boolean]>([
  ['Pending', undefined, false],
  ['InProgress', undefined, false],
  ['Succeeded', undefined, false],
  ['Failed', undefined, true],
  ['TimeOut', undefined, true],
  ['Cancelled', undefined, true],
  ['Cancelled', 'mistake', true],
  ['Cancelled', ownRelease, false],
  ['Cancelled', ownRelease.replace('472', '473'), false],
  ['Failed', ownRelease, true],
])('an action that is %s (cancelled with %j) ended badly: %j', (status, cancellationComment, bad) => {
  expect(endedBadly(buildAction({ status, cancellationComment }))).toBe(bad);
});

describe('an action that was accepted', () => {
  it('sets the slot, the time at which Defender created it, and its line, and settles the request', () => {
    const action = ownIsolation({ status: 'Pending', createdAt: noon + 30_000 });

    expect(acceptedEffect('isolate', action, 'posted', 'block', owner, now)).toEqual({
      result: 'isolated',
      detail: 'isolation asked for (Pending)',
      exitCode: 0,
      settles: true,
      slot: { kind: 'isolate', status: 'Pending' },
      failure: 'none',
      history: { kind: 'isolate', time: noon + 30_000 },
      entry: {
        time: noon + 30_000,
        what: 'isolation for tag `block`',
        action: { id: 'action-1', status: 'Pending' },
      },
      action: { type: 'isolate', id: 'action-1', status: 'Pending' },
    });
  });

  it('is a release when one was asked for', () => {
    const action = release({ requestorComment: ownRelease, status: 'Pending' });

    expect(acceptedEffect('release', action, 'posted', 'unblock', owner, now)).toEqual({
      result: 'released',
      detail: 'release asked for (Pending)',
      exitCode: 0,
      settles: true,
      slot: { kind: 'release', status: 'Pending' },
      failure: 'none',
      history: { kind: 'release', time: noon },
      entry: {
        time: noon,
        what: 'release for tag `unblock`',
        action: { id: 'action-2', status: 'Pending' },
      },
      action: { type: 'release', id: 'action-2', status: 'Pending' },
    });
  });

  it('takes the time of the run where Defender names none, and no id in a dry run', () => {
    const action = ownIsolation({ id: '', status: 'Pending', createdAt: undefined });

    expect(acceptedEffect('isolate', action, 'posted', 'block', owner, now)).toMatchObject({
      history: { kind: 'isolate', time: now },
      entry: { time: now },
      action: { type: 'isolate', id: null, status: 'Pending' },
    });
    expect(acceptedEffect('isolate', action, 'adopted', 'block', owner, now).detail).toBe(
      'isolation of 2026-11-24 12:05 UTC taken over (Pending)',
    );
  });

  it.each<[string, Partial<MachineAction>, string, string]>([
    [
      "somebody's",
      {},
      'isolation of 2026-11-24 12:00 UTC by analyst@contoso.example taken over (Succeeded)',
      'isolation by `analyst@contoso.example`, taken over for tag `BLOCK`',
    ],
    [
      'nobody’s',
      { requestor: undefined },
      'isolation of 2026-11-24 12:00 UTC by unknown taken over (Succeeded)',
      'isolation by `unknown`, taken over for tag `BLOCK`',
    ],
    [
      'one of an empty requestor',
      { requestor: ' \u0007' },
      'isolation of 2026-11-24 12:00 UTC by unknown taken over (Succeeded)',
      'isolation by `unknown`, taken over for tag `BLOCK`',
    ],
    [
      'one of a long name',
      { requestor: 'x'.repeat(81) },
      `isolation of 2026-11-24 12:00 UTC by ${'x'.repeat(79)}… taken over (Succeeded)`,
      `isolation by \`${'x'.repeat(79)}…\`, taken over for tag \`BLOCK\``,
    ],
    [
      "another host's",
      { requestorComment: ownComment.replace('472', '473') },
      'isolation of 2026-11-24 12:00 UTC by analyst@contoso.example taken over (Succeeded)',
      'isolation by atp for host 473 of `brain.contoso.example`, taken over for tag `BLOCK`',
    ],
    [
      'its own, of a run that was killed',
      { requestorComment: ownComment },
      'isolation of 2026-11-24 12:00 UTC taken over (Succeeded)',
      'isolation for tag `block`',
    ],
  ])('is taken over from whose it is: %s', (_, fields, detail, what) => {
    const effect = acceptedEffect('isolate', buildAction(fields), 'adopted', 'BLOCK', owner, now);

    expect(effect).toEqual({
      result: 'isolated',
      detail,
      exitCode: 0,
      settles: true,
      slot: { kind: 'isolate', status: 'Succeeded' },
      failure: 'none',
      history: { kind: 'isolate', time: noon },
      entry: { time: noon, what, action: { id: 'action-1', status: 'Succeeded' } },
      action: { type: 'isolate', id: 'action-1', status: 'Succeeded' },
    });
  });

  it.each<[RequestKind, Partial<MachineAction>, string]>([
    [
      'isolate',
      { status: 'TimeOut' },
      'isolation action-1 ended in TimeOut (the machine was not reached within three days); tag the host for block again if it is still wanted',
    ],
    [
      'isolate',
      { status: 'Cancelled', cancellationComment: 'mistake' },
      'isolation action-1 ended in Cancelled (somebody cancelled it); tag the host for block again if it is still wanted',
    ],
    [
      'release',
      { status: 'Failed' },
      'release action-1 ended in Failed (Defender gives no reason in its record); tag the host for unblock again if it is still wanted',
    ],
  ])(
    '%s that ended badly failed, settles the request and leaves it to a person (%j)',
    (kind, fields, detail) => {
      const action = ownIsolation(fields);
      const { status } = action;

      expect(acceptedEffect(kind, action, 'adopted', 'x', owner, now)).toMatchObject({
        result: 'failed',
        detail,
        exitCode: 1,
        settles: true,
        slot: { kind, status },
        failure: kind,
        history: { kind, time: noon },
      });
    },
  );
});

it('a pending isolation that was cancelled meets the release', () => {
  const effect = cancelledEffect(buildAction({ status: 'Pending' }), 'unblock', now);
  const what = 'release for tag `unblock`: the pending isolation action-1 was cancelled';

  expect(effect).toEqual({
    result: 'released',
    detail: 'the pending isolation action-1 was cancelled',
    exitCode: 0,
    settles: true,
    slot: { kind: 'isolate', status: 'Cancelled' },
    failure: 'none',
    history: { kind: 'release', time: now },
    entry: { time: now, what },
    action: { type: 'isolate', id: 'action-1', status: 'Cancelled' },
  });
  expect(cancelledEntry(buildAction(), 'unblock')).toBe(what);
});

it('a release that finds nothing in force is done, and leaves the slot alone', () => {
  const what = 'release for tag `unblock`: nothing was in force';

  expect(nothingInForceEffect('unblock', now)).toEqual({
    result: 'released',
    detail: 'nothing to release: Defender records no isolation in force',
    exitCode: 0,
    settles: true,
    failure: 'none',
    history: { kind: 'release', time: now },
    entry: { time: now, what },
  });
  expect(nothingInForceEntry('unblock')).toBe(what);
});

describe('a refusal', () => {
  it('is said in tag, note and report, settles the request and changes neither slot nor history', () => {
    expect(refusedEffect('isolate', 'block', 'no machine: nobody is there', now)).toEqual({
      result: 'refused',
      detail: 'isolation refused: no machine: nobody is there',
      exitCode: 1,
      settles: true,
      failure: 'isolate',
      entry: { time: now, what: 'isolation for tag `block` refused: no machine: nobody is there' },
    });
    expect(refusedEffect('release', 'unblock', 'why not', now)).toMatchObject({
      detail: 'release refused: why not',
      failure: 'release',
      entry: { what: 'release for tag `unblock` refused: why not' },
    });
  });

  it('cannot be made a link, a table or a line of its own by the names in it', () => {
    expect(refusedEntry('isolate', 'a`b', 'see [x](https://evil.example)\n# <b>|*`\\')).toBe(
      "isolation for tag `a'b` refused: see  x (https://evil.example) #  b     ",
    );
  });

  it('is cut in the note, not in the report', () => {
    const reason = 'r'.repeat(601);

    expect(refusedEntry('isolate', 'block', reason)).toBe(
      `isolation for tag \`block\` refused: ${'r'.repeat(599)}…`,
    );
    expect(refusedEntry('isolate', 'block', reason.slice(1))).toBe(
      `isolation for tag \`block\` refused: ${'r'.repeat(600)}`,
    );
    expect(refusedEffect('isolate', 'block', reason, now).detail).toBe(`isolation refused: ${reason}`);
  });
});

it('says that nothing had to be done', () => {
  expect(unchangedEffect('as it was')).toEqual({
    result: 'unchanged',
    detail: 'as it was',
    exitCode: 0,
    settles: false,
  });
});

it('what is deferred or in conflict settles nothing and writes nothing', () => {
  expect(deferredEffect('later')).toEqual({
    result: 'deferred',
    detail: 'later',
    exitCode: 1,
    settles: false,
  });
  expect(deferredEffect('later', 3)).toEqual({
    result: 'deferred',
    detail: 'later',
    exitCode: 3,
    settles: false,
  });
  expect(conflictEffect('both')).toEqual({ result: 'conflict', detail: 'both', exitCode: 1, settles: false });
});

describe('an action that was followed', () => {
  it('is unchanged while its status is the one in the tag: nothing is written', () => {
    expect(followedEffect('isolate', 'Pending', ownIsolation({ status: 'Pending' }), owner, now)).toEqual({
      result: 'unchanged',
      detail: 'isolation action-1 is still Pending',
      exitCode: 0,
      settles: false,
      action: { type: 'isolate', id: 'action-1', status: 'Pending' },
    });
    expect(followedEffect('release', 'InProgress', release({ status: 'InProgress' }), owner, now)).toEqual({
      result: 'unchanged',
      detail: 'release action-2 is still InProgress',
      exitCode: 0,
      settles: false,
      action: { type: 'release', id: 'action-2', status: 'InProgress' },
    });
  });

  it('that moved on updates slot and line, clears the failure and settles no request', () => {
    expect(followedEffect('isolate', 'Pending', ownIsolation(), owner, now)).toEqual({
      result: 'isolated',
      detail: 'isolation action-1 went from Pending to Succeeded',
      exitCode: 0,
      settles: false,
      slot: { kind: 'isolate', status: 'Succeeded' },
      failure: 'none',
      entry: {
        time: noon,
        what: 'isolation for tag `block`',
        action: { id: 'action-1', status: 'Succeeded' },
      },
      action: { type: 'isolate', id: 'action-1', status: 'Succeeded' },
    });
    expect(followedEffect('release', 'Pending', release({ status: 'InProgress' }), owner, now)).toEqual({
      result: 'released',
      detail: 'release action-2 went from Pending to InProgress',
      exitCode: 0,
      settles: false,
      slot: { kind: 'release', status: 'InProgress' },
      failure: 'none',
      entry: {
        time: noon,
        what: 'release by `analyst@contoso.example`, taken over for tag `unblock`',
        action: { id: 'action-2', status: 'InProgress' },
      },
      action: { type: 'release', id: 'action-2', status: 'InProgress' },
    });
  });

  it('that this program cancelled is no failure but a release, and its line is that of the cancellation', () => {
    const cancelled = buildAction({ status: 'Cancelled', cancellationComment: ownRelease });

    expect(followedEffect('isolate', 'Pending', cancelled, owner, now)).toEqual({
      result: 'released',
      detail: 'isolation action-1 went from Pending to Cancelled',
      exitCode: 0,
      settles: false,
      slot: { kind: 'isolate', status: 'Cancelled' },
      failure: 'none',
      entry: undefined,
      action: { type: 'isolate', id: 'action-1', status: 'Cancelled' },
    });
  });

  it("that was taken over without a line in the note is somebody's, for the kind of tag", () => {
    expect(followedEffect('isolate', 'Pending', buildAction(), owner, now).entry?.what).toBe(
      'isolation by `analyst@contoso.example`, taken over for tag `block`',
    );
  });

  it('that ended badly failed', () => {
    const failed = release({ requestorComment: ownRelease, status: 'TimeOut' });

    expect(followedEffect('release', 'Pending', failed, owner, now)).toEqual({
      result: 'failed',
      detail:
        'release action-2 ended in TimeOut (the machine was not reached within three days); tag the host for unblock again if it is still wanted',
      exitCode: 1,
      settles: false,
      slot: { kind: 'release', status: 'TimeOut' },
      failure: 'release',
      entry: {
        time: noon,
        what: 'release for tag `unblock`',
        action: { id: 'action-2', status: 'TimeOut' },
      },
      action: { type: 'release', id: 'action-2', status: 'TimeOut' },
    });
  });
});

it('a release that only the record shows corrects the slot', () => {
  expect(correctedEffect(release({ updatedAt: noon + hour }), now)).toEqual({
    result: 'released',
    detail: "released at 2026-11-24 13:00 UTC by analyst@contoso.example, as Defender's record shows",
    exitCode: 0,
    settles: false,
    slot: { kind: 'release', status: 'Succeeded' },
    failure: 'none',
    entry: {
      time: noon,
      what: 'release by `analyst@contoso.example`',
      action: { id: 'action-2', status: 'Succeeded' },
    },
    action: { type: 'release', id: 'action-2', status: 'Succeeded' },
  });
  expect(
    correctedEffect(release({ requestor: undefined, createdAt: undefined, updatedAt: noon }), now),
  ).toMatchObject({
    detail: "released at 2026-11-24 12:00 UTC by unknown, as Defender's record shows",
    entry: { time: now, what: 'release by `unknown`' },
  });
});

describe('several things that happened to one host', () => {
  function effect(result: Effect['result'], exitCode: Effect['exitCode'] = 0): Effect {
    return { result, detail: `was ${result}`, exitCode, settles: false };
  }

  it('come to the first result in the order, with every sentence and exit code', () => {
    const effects = [effect('enriched'), effect('failed', 1), effect('isolated'), effect('deferred', 3)];

    expect(summarise(effects)).toEqual({
      result: 'failed',
      detail: 'was failed; was deferred; was isolated; was enriched',
      exitCodes: [0, 1, 0, 3],
    });
    expect(effects[0]).toEqual(effect('enriched'));
  });

  it.each(results.slice(1).map((result, at) => [results[at] ?? 'unchanged', result] as const))(
    'are %s rather than what comes behind it: %s',
    (worse, better) => {
      expect(summarise([effect(better), effect(worse)]).result).toBe(worse);
    },
  );

  it('are what happened last of isolated and released, which share one place', () => {
    const isolatedThenReleased = [effect('isolated'), effect('released'), effect('enriched')];
    const releasedThenIsolated = [effect('released'), effect('isolated'), effect('unchanged')];

    expect(summarise(isolatedThenReleased)).toMatchObject({
      result: 'released',
      detail: 'was isolated; was released; was enriched',
    });
    expect(summarise(releasedThenIsolated)).toMatchObject({
      result: 'isolated',
      detail: 'was released; was isolated; was unchanged',
    });
    expect(weightier('isolated', 'released')).toBe('released');
    expect(weightier('released', 'isolated')).toBe('isolated');
    expect(weightier('released', 'enriched')).toBe('released');
    expect(weightier('enriched', 'released')).toBe('released');
    expect(weightier('refused', 'released')).toBe('refused');
    expect(weightier('isolated', 'refused')).toBe('refused');
  });

  it('are unchanged when nothing happened', () => {
    expect(summarise([])).toEqual({ result: 'unchanged', detail: '', exitCodes: [] });
  });
});
