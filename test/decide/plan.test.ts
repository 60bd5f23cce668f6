import { describe, expect, it } from 'vitest';
import type { Case } from '../../src/decide/case.ts';
import { deferred } from '../../src/decide/consequences.ts';
import { releasedByOthers } from '../../src/decide/events.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import type { Evidence, MatchPolicy } from '../../src/decide/match.ts';
import { judge, judgeAgain, judgedOf, mayIsolate, type Plan, type Rules } from '../../src/decide/plan.ts';
import {
  artifacts,
  buildCase,
  buildFound,
  buildHost,
  buildIsolation as isolation,
  buildMachine,
  buildRelease as release,
  buildTags,
  hour,
  machineId,
  minute,
  noon,
  noRules,
  owner,
  ownComment,
  rules,
} from './samples.ts';

const now = noon + 5 * minute;
const both: RequestKind[] = ['isolate', 'release'];
const strict: Rules = {
  ...rules,
  match: 'confirmed',
  never: { ...noRules, osPlatforms: ['*'] },
  groupsProblem: { reason: 'which groups?', exitCode: 78 },
};
const post = { kind: 'go', decision: { kind: 'post' }, verdicts: [] };
const refuse = (reason: string) => ({ kind: 'refuse', reason, verdicts: [] });
const wait = (reason: string, exitCode = 1) => ({ kind: 'defer', reason, exitCode, verdicts: [] });
const inForce = { record: { record: [isolation()] } };

function plan(request: RequestKind, fields: Partial<Case> = {}, changed: Partial<Rules> = {}): Plan {
  return judge(request, buildCase([request], fields), { ...rules, ...changed }, now);
}

describe('a request by itself', () => {
  it.each(both)('to %s is refused without a machine, or with several', (kind) => {
    expect(plan(kind, { found: { kind: 'none', why: 'x' } })).toEqual(refuse('no machine: x'));
    expect(plan(kind, { found: { kind: 'ambiguous', machines: [], why: 'two' } })).toEqual(refuse('two'));
  });

  it.each(both)('to %s waits when something could not be read', (kind) => {
    const record = { unreadable: 'Defender answered 500' };
    const unknown = wait(
      "the machine's actions could not be read, so its state is unknown (Defender answered 500)",
    );
    for (const found of [
      buildFound(),
      { kind: 'none', why: 'x' } as const,
      { kind: 'gone', machineId } as const,
    ])
      expect(plan(kind, { record, found })).toEqual(unknown);
    expect(plan(kind, { ended: deferred('no permission', 77) })).toEqual(wait('no permission', 77));
    expect(plan(kind, { found: undefined })).toEqual(wait('its machine was not looked for'));
  });

  it.each<[Evidence, MatchPolicy, boolean]>([
    ['confirmed', 'confirmed', true],
    ['confirmed', 'no-conflict', true],
    ['confirmed', 'ip', true],
    ['ip only', 'confirmed', false],
    ['ip only', 'no-conflict', true],
    ['ip only', 'ip', true],
    ['conflict', 'confirmed', false],
    ['conflict', 'no-conflict', false],
    ['conflict', 'ip', true],
    ['by id', 'confirmed', true],
  ])('on the evidence %j goes on under isolation.match %j: %j', (evidence, match, goesOn) => {
    for (const kind of both) {
      const made = plan(kind, { ...inForce, found: buildFound(evidence) }, { match });
      if (goesOn) expect(made.kind).toBe('go');
      else expect(made).toEqual(refuse(`A is B; isolation.match "${match}" demands more`));
    }
  });

  it.each(['ip', 'no-conflict'] as const)(
    'to release a host held by its address demands confirmed evidence under %j',
    (match) => {
      const held = { ...inForce, held: 'by address' } as const;
      const reason = 'A is B; the release of a host that is held without one id: tag demands more';
      expect(plan('release', { ...held, found: buildFound('ip only') }, { match })).toEqual(refuse(reason));
      expect(plan('release', held, { match })).toEqual(post);
      expect(plan('release', { ...held, found: buildFound('by id') }, { match })).toEqual(post);
      expect(plan('isolate', { ...held, found: buildFound('ip only') }, { match }).kind).toBe('go');
    },
  );

  it('is answered already, whatever the evidence, the guard rails and the groups', () => {
    const action = isolation({ requestorComment: ownComment, status: 'Failed' });
    const answered = { kind: 'go', decision: { kind: 'adopt', action }, verdicts: [] };
    const record = { record: [action] };
    expect(plan('isolate', { record, found: buildFound('conflict') }, strict)).toEqual(answered);
    expect(plan('isolate', { record, found: { kind: 'gone', machineId } }, strict)).toEqual(answered);
    expect(plan('isolate', { record }, { brain: 'other.example' })).toMatchObject({
      decision: { kind: 'post' },
    });
  });

  it('to isolate waits when the exclusion groups are unknown, and a release does not', () => {
    const unverified = {
      groupsProblem: { reason: 'which groups?', exitCode: 78, waiting: 'mend them' },
    } as const;
    expect(plan('isolate', inForce, unverified)).toEqual({
      ...wait('which groups?', 78),
      waiting: 'mend them',
    });
    expect(plan('release', inForce, unverified)).toEqual(post);
  });

  it.each(['iOS', 'Android'])('to isolate a phone is refused, to release it is not: %s', (osPlatform) => {
    const found = { ...buildFound(), machine: buildMachine({ osPlatform }) } as Case['found'];
    expect(plan('isolate', { found })).toEqual(refuse(`Defender cannot isolate the platform ${osPlatform}`));
    expect(plan('release', { found, ...inForce })).toEqual(post);
  });

  it('to isolate is refused by every guard rail that bites, by the tags read afresh', () => {
    const never = { ...noRules, names: ['dc*'], tags: ['vip'], osPlatforms: ['Windows*'] };
    expect(plan('isolate', { tags: ['block', 'VIP'] }, { never })).toEqual({
      kind: 'refuse',
      reason:
        'isolation.never.tags "vip" protects VIP; isolation.never.osPlatforms "Windows*" protects Windows11',
      verdicts: [
        { rule: 'names', refuses: false, why: 'isolation.never.names does not apply' },
        { rule: 'tags', refuses: true, why: 'isolation.never.tags "vip" protects VIP' },
        {
          rule: 'osPlatforms',
          refuses: true,
          why: 'isolation.never.osPlatforms "Windows*" protects Windows11',
        },
      ],
    });
    const host = buildHost({ tags: ['vip'] });
    const passes = [{ rule: 'tags', refuses: false, why: 'isolation.never.tags does not apply' }];
    expect(plan('isolate', { host, tags: ['block'] }, { never: { ...noRules, tags: ['vip'] } })).toEqual({
      ...post,
      verdicts: passes,
    });
    expect(plan('release', { tags: ['VIP'], ...inForce }, { never })).toEqual(post);
  });

  it('to release takes the release over that others have asked for meanwhile', () => {
    const action = release({ createdAt: noon + minute });
    const news = [releasedByOthers(action, { owner, endsAfterMs: 0, now })];
    const record = { record: [action] };
    expect(plan('release', { record, news })).toMatchObject({ decision: { kind: 'adopt', action } });
    expect(plan('release', { record })).toMatchObject({ decision: { kind: 'done' } });
    expect(plan('isolate', { record, news })).toEqual(post);
  });

  it.each<[string, RequestKind, Case['record'], string]>([
    ['a release is posted to the id', 'release', inForce.record, 'post'],
    ['a release finds nothing in force', 'release', { record: [isolation({ status: 'Failed' })] }, 'done'],
    ['an isolation in force is taken over', 'isolate', inForce.record, 'adopt'],
    ['no isolation is posted', 'isolate', { record: [] }, 'wait'],
  ])('about a machine whose record is gone: %s', (_, kind, record, decision) => {
    expect(plan(kind, { found: { kind: 'gone', machineId }, record })).toMatchObject({
      decision: { kind: decision },
    });
  });
});

describe('what the tags say to a request', () => {
  const block = 'Manual block:2026-11-24 11:00';
  const unblock = 'Manual unblock:2026-11-24 11:30';
  it.each<[string, Partial<Case>, object]>([
    ['nothing', {}, { held: false, block: undefined, openRelease: undefined }],
    ['a host that is held', { tags: [block], held: 'by id' }, { held: true, block: noon - hour }],
    ['a block of a host that is not held', { tags: [block] }, { held: false, block: undefined }],
    ['a release that is open', { tags: [unblock, 'release: Pending'] }, { openRelease: noon - hour / 2 }],
    ['a release that has ended', { tags: [unblock, 'release: Failed'] }, { openRelease: undefined }],
    [
      'another host whose isolation is open',
      { witnesses: { others: [buildTags([block, 'isolation: Pending'])], unanswered: undefined } },
      { held: true, block: noon - hour },
    ],
    [
      'another host whose release is open',
      { witnesses: { others: [buildTags([unblock, 'release: Pending'])], unanswered: undefined } },
      { held: false, openRelease: noon - hour / 2 },
    ],
    [
      'another host whose isolation has ended',
      { witnesses: { others: [buildTags([block, 'isolation: Succeeded'])], unanswered: undefined } },
      { held: false, block: undefined },
    ],
    [
      'a call without an answer',
      { witnesses: { others: [], unanswered: { kind: 'isolate', time: noon } } },
      { unanswered: { kind: 'isolate', time: noon } },
    ],
  ])('is %s', (_, fields, told) => {
    expect(judgedOf(buildCase([], fields), rules, now).told).toMatchObject(told);
  });

  it.each<[Evidence, boolean]>([
    ['by id', true],
    ['confirmed', false],
  ])('a machine found %s is only named by a tag: %j', (evidence, isNamedOnly) => {
    expect(judgedOf(buildCase([], { found: buildFound(evidence) }), rules, now)).toMatchObject({
      owner,
      isNamedOnly,
    });
  });
});

const cancel = (isNamedOnly: boolean): Plan => ({
  kind: 'go',
  decision: { kind: 'cancel', action: release(), isNamedOnly },
  verdicts: [],
});
it.each<[string, RequestKind | undefined, Plan | undefined, boolean]>([
  ['nothing', 'isolate', undefined, false],
  ['a post', 'isolate', post as Plan, true],
  ['the post of a release', 'release', post as Plan, false],
  ['a cancel', 'isolate', cancel(false), true],
  ['a cancel on a machine that only a tag names', 'isolate', cancel(true), false],
  ['a cancel for a release', 'release', cancel(false), false],
  ['a refusal', 'isolate', refuse('x') as Plan, false],
  ['a conflict', 'isolate', { kind: 'conflict', reason: 'x', verdicts: [] }, false],
])('may lead to a new isolation: %s', (_, kind, made, may) => {
  expect(mayIsolate(kind, made)).toBe(may);
});

describe('an isolation judged again on the host read afresh', () => {
  const known = buildHost({ artifacts: artifacts('dhcp laptop-7') });
  function again(fields: Partial<Case>, changed: Partial<Rules> = {}, before: Partial<Case> = {}) {
    const one = buildCase(['isolate'], { host: known, ...before });
    const all = { ...rules, ...changed };
    return judgeAgain(
      'isolate',
      { ...one, plan: judge('isolate', one, all, now) },
      { ...one, ...fields },
      all,
      now,
    );
  }
  const seen = (fields: object) => ({ host: { ...known, ...fields } });

  it.each<[string, object]>([
    ['nothing', {}],
    ['the time at which it was last seen', { lastSeen: '2026-11-24T12:04:59Z' }],
    ['its scores', { threat: 1, state: 'inactive' }],
    ['its artifacts, which say nothing any more', { artifacts: [] }],
  ])('goes on when new is only: %s', (_, fields) => {
    expect(again(seen(fields))).toEqual(post);
  });

  it.each<[string, object, string]>([
    [
      'the host has another address',
      { lastSource: '10.9.9.9' },
      'the host moved from 10.1.2.3 to 10.9.9.9 while the run worked',
    ],
    [
      'the host has no address',
      { lastSource: undefined },
      'the host moved from 10.1.2.3 to no address while the run worked',
    ],
    [
      'the artifacts name another machine',
      { artifacts: artifacts('dhcp printer') },
      'what Detect knows of the host changed while the run worked: laptop-7.contoso.example is now conflict (Detect knows this host as printer (dhcp))',
    ],
  ])('waits when %s', (_, fields, reason) => {
    expect(again(seen(fields))).toEqual(wait(reason));
  });

  it('waits when the tags hold the host by now, or name another machine', () => {
    const reason = 'the tags of the host changed while the run worked';
    expect(again({ tags: ['isolation: Succeeded'] })).toEqual(wait(reason));
    expect(again({ tags: [`id: ${machineId}`] })).toEqual(wait(reason));
  });

  it('waits when it would isolate and was not planned to', () => {
    expect(again({ record: { record: [] } }, {}, inForce)).toEqual(
      wait('the state of the machine changed while the run worked'),
    );
  });

  it('is refused when a guard rail bites now, by the new address too', () => {
    const groups = { never: { ...noRules, groups: ['NoBlock'] } };
    const ips = { never: { ...noRules, ips: ['10.9.0.0/16'] } };
    expect(again(seen({ groups: ['NoBlock'] }), groups)).toMatchObject({
      reason: 'isolation.never.groups "NoBlock" protects NoBlock',
    });
    expect(again(seen({ groups: undefined }), groups)).toMatchObject({ kind: 'refuse' });
    expect(again(seen({ lastSource: '10.9.9.9' }), ips)).toMatchObject({
      reason: 'isolation.never.ips "10.9.0.0/16" protects 10.9.9.9',
    });
  });

  it('stays refused when the guard rail is gone: the next run sees what is new', () => {
    const groups = { never: { ...noRules, groups: ['NoBlock'] } };
    expect(again(seen({ groups: [] }), groups, seen({ groups: ['NoBlock'] }))).toMatchObject({
      kind: 'refuse',
    });
  });

  it('is taken over by id, wherever the host is', () => {
    const byId = { found: buildFound('by id'), ...inForce };
    expect(again({ ...byId, ...seen({ lastSource: '10.9.9.9' }) }, {}, byId)).toMatchObject({
      decision: { kind: 'adopt' },
    });
  });
});
