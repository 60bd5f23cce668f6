import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/schema.ts';
import type { Evidence, MatchPolicy } from '../../src/decide/match.ts';
import {
  judgeAgain,
  judgeRequest,
  mayIsolate,
  opposedHosts,
  planRequests,
  requestContext,
  type Look,
  type RequestHost,
  type RequestPlan,
  type Rules,
} from '../../src/decide/plan.ts';
import type { Decision } from '../../src/decide/request.ts';
import type { Resolution } from '../../src/decide/resolution.ts';
import type { RequestKind } from '../../src/decide/tags.ts';
import {
  artifacts,
  buildAction,
  buildHost,
  buildMachine,
  hour,
  machineId,
  minute,
  noon,
  otherId,
  owner,
  ownComment,
} from './samples.ts';

const never = { names: [], ips: [], tags: [], groups: [], osPlatforms: [], machineTags: [] };
const rules: Rules = { brain: owner.brain, match: 'no-conflict', never, maxPerRun: 50 };
const now = noon + 5 * minute;

function found(evidence: Evidence = 'confirmed', id = machineId): Resolution {
  return { kind: 'machine', machine: buildMachine({ id }), evidence, how: 'found', claim: 'A is B' };
}

function lookAt(fields: Partial<Look> = {}): Look {
  return {
    host: buildHost(),
    tags: ['block'],
    resolution: found(),
    record: { record: [] },
    machineIds: [machineId],
    ...fields,
  };
}

function isolation(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'isolation', ...fields });
}

function release(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'release', type: 'Unisolate', ...fields });
}

function go(decision: Decision, verdicts: RequestPlan['verdicts'] = []): RequestPlan {
  return { kind: 'go', decision, verdicts };
}

function refuse(reason: string, verdicts: RequestPlan['verdicts'] = []): RequestPlan {
  return { kind: 'refuse', reason, verdicts };
}

const post = go({ kind: 'post' });
const gone: Resolution = { kind: 'gone', machineId };
const heldByTag = ['isolation: Succeeded', 'Manual block:2026-11-24 12:00'];
const ownRelease = ownComment.replace('isolate', 'release');

describe('a request by itself', () => {
  it.each<RequestKind>(['isolate', 'release'])('to %s no machine, or one of several, is refused', (kind) => {
    const none = lookAt({ resolution: { kind: 'none', why: 'nobody is there' } });
    const several = lookAt({ resolution: { kind: 'ambiguous', machines: [], why: 'two are there' } });

    expect(judgeRequest(kind, none, rules, now)).toEqual(refuse('no machine: nobody is there'));
    expect(judgeRequest(kind, several, rules, now)).toEqual(refuse('two are there'));
  });

  it.each<RequestKind>(['isolate', 'release'])('to %s waits while the record cannot be read', (kind) => {
    const record = { unreadable: 'Defender answered 500' };
    const looks = [
      lookAt({ record }),
      lookAt({ record, resolution: { kind: 'none', why: 'nobody is there' } }),
      lookAt({ record, resolution: { kind: 'ambiguous', machines: [], why: 'two are there' } }),
      lookAt({ record, resolution: gone }),
    ];

    for (const look of looks) {
      expect(judgeRequest(kind, look, rules, now)).toEqual({
        kind: 'defer',
        reason: "the machine's actions could not be read, so its state is unknown (Defender answered 500)",
        exitCode: 1,
        verdicts: [],
      });
    }
  });

  it('is judged by the record and the tags', () => {
    const open = isolation({ status: 'Pending' });

    expect(judgeRequest('isolate', lookAt(), rules, now)).toEqual(post);
    expect(judgeRequest('isolate', lookAt({ record: { record: [open] } }), rules, now)).toEqual(
      go({ kind: 'adopt', action: open }),
    );
    expect(judgeRequest('release', lookAt(), rules, now)).toEqual(go({ kind: 'nothing in force' }));
    expect(judgeRequest('release', lookAt({ record: { record: [isolation()] } }), rules, now)).toEqual(post);
    expect(judgeRequest('release', lookAt({ record: { record: [open] } }), rules, now)).toEqual(
      go({ kind: 'cancel', action: open, mayPost: false }),
    );
  });

  const both: RequestKind[] = ['isolate', 'release'];
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
    const look = lookAt({ resolution: found(evidence), record: { record: [isolation()] } });

    for (const kind of both) {
      const plan = judgeRequest(kind, look, { ...rules, match }, now);
      if (goesOn) expect(plan.kind).toBe('go');
      else expect(plan).toEqual(refuse(`A is B; isolation.match "${match}" demands more`));
    }
  });

  it('to release a held host by its address demands confirmed evidence, whatever isolation.match says', () => {
    const held = { tags: heldByTag, record: { record: [isolation()] } };
    const reason = 'A is B; the release of a host that is held without one id: tag demands more';

    for (const match of ['ip', 'no-conflict'] as const) {
      const unsure = lookAt({ ...held, resolution: found('ip only') });
      const sure = lookAt({ ...held, resolution: found('confirmed') });

      expect(judgeRequest('release', unsure, { ...rules, match }, now)).toEqual(refuse(reason));
      expect(judgeRequest('release', sure, { ...rules, match }, now)).toEqual(post);
      expect(judgeRequest('isolate', unsure, { ...rules, match }, now)).toEqual(
        go({ kind: 'adopt', action: isolation() }),
      );
    }
    expect(
      judgeRequest(
        'release',
        lookAt({ ...held, resolution: found('ip only') }),
        { ...rules, match: 'confirmed' },
        now,
      ),
    ).toEqual(refuse('A is B; isolation.match "confirmed" demands more'));
    expect(judgeRequest('release', lookAt({ ...held, resolution: found('by id') }), rules, now)).toEqual(
      post,
    );
  });

  it('of a host whose release the record shows is that of a host that is not held', () => {
    const corrected = release({ createdAt: noon + minute });
    const look = lookAt({
      tags: heldByTag,
      resolution: found('ip only', otherId),
      corrected,
    });

    expect(judgeRequest('release', look, rules, now)).toEqual(go({ kind: 'nothing in force' }));
    expect(judgeRequest('isolate', look, rules, now)).toEqual(post);
    expect(judgeRequest('isolate', { ...look, corrected: undefined }, rules, now)).toMatchObject({
      decision: { kind: 'defer' },
    });
  });

  it('to release a host whose machine is released already finds nothing in force, wherever its address leads', () => {
    const corrected = release({ createdAt: noon + minute });
    const nowhere = lookAt({
      tags: heldByTag,
      corrected,
      resolution: { kind: 'none', why: 'nobody is there' },
    });
    const several: Look = {
      ...nowhere,
      resolution: { kind: 'ambiguous', machines: [], why: 'two are there' },
    };

    expect(judgeRequest('release', nowhere, rules, now)).toEqual(go({ kind: 'nothing in force' }));
    expect(judgeRequest('release', several, rules, now)).toEqual(go({ kind: 'nothing in force' }));
    expect(judgeRequest('isolate', nowhere, rules, now)).toEqual(refuse('no machine: nobody is there'));
    expect(judgeRequest('isolate', several, rules, now)).toEqual(refuse('two are there'));
  });

  it('has its answer in the own action, whatever the evidence, the guard rails and the groups', () => {
    const action = isolation({ requestorComment: ownComment, status: 'Failed' });
    const strict: Rules = {
      ...rules,
      match: 'confirmed',
      never: { ...never, osPlatforms: ['*'] },
      groupsProblem: { reason: 'no groups', exitCode: 78 },
    };
    const look = lookAt({ resolution: found('conflict'), record: { record: [action] } });

    expect(judgeRequest('isolate', look, strict, now)).toEqual(go({ kind: 'answered', action }));
    expect(judgeRequest('isolate', { ...look, resolution: gone }, strict, now)).toEqual(
      go({ kind: 'answered', action }),
    );
  });

  it('finds no answer in the action of another brain', () => {
    const action = isolation({ requestorComment: ownComment });
    const look = lookAt({ record: { record: [action] } });

    expect(judgeRequest('isolate', look, { ...rules, brain: 'other.example' }, now)).toEqual(
      go({ kind: 'adopt', action }),
    );
  });

  it('to isolate waits when the exclusion groups are unknown, and a release does not', () => {
    const unverified: Rules = { ...rules, groupsProblem: { reason: 'which groups?', exitCode: 78 } };
    const look = lookAt({ record: { record: [isolation()] } });

    expect(judgeRequest('isolate', look, unverified, now)).toEqual({
      kind: 'defer',
      reason: 'which groups?',
      exitCode: 78,
      verdicts: [],
    });
    expect(judgeRequest('release', look, unverified, now)).toEqual(post);
  });

  it('to isolate is refused by every guard rail that bites, with the verdicts of all', () => {
    const strict: Rules = {
      ...rules,
      never: { ...never, names: ['dc*'], tags: ['vip'], osPlatforms: ['Windows*'] },
    };
    const look = lookAt({ host: buildHost({ tags: ['vip'] }), tags: ['block', 'VIP'] });
    const verdicts = [
      { rule: 'names', refuses: false, why: 'isolation.never.names does not apply' },
      { rule: 'tags', refuses: true, why: 'isolation.never.tags "vip" protects VIP' },
      {
        rule: 'osPlatforms',
        refuses: true,
        why: 'isolation.never.osPlatforms "Windows*" protects Windows11',
      },
    ] as const;

    expect(judgeRequest('isolate', look, strict, now)).toEqual(
      refuse(
        'isolation.never.tags "vip" protects VIP; isolation.never.osPlatforms "Windows*" protects Windows11',
        [...verdicts],
      ),
    );
    expect(judgeRequest('release', look, strict, now)).toEqual(go({ kind: 'nothing in force' }));
  });

  it('to isolate is judged by the tags read afresh, and shows the verdicts that let it pass', () => {
    const strict: Rules = { ...rules, never: { ...never, tags: ['vip'] } };
    const look = lookAt({ host: buildHost({ tags: ['vip'] }), tags: ['block'] });

    expect(judgeRequest('isolate', look, strict, now)).toEqual(
      go({ kind: 'post' }, [{ rule: 'tags', refuses: false, why: 'isolation.never.tags does not apply' }]),
    );
  });

  const noRecord = refuse(`no machine: Defender no longer has the record of machine ${machineId}`);
  it.each<[string, RequestKind, MachineAction[], RequestPlan]>([
    ['a release is posted to the id', 'release', [isolation()], post],
    [
      'a release finds nothing in force',
      'release',
      [isolation({ status: 'Failed' })],
      go({ kind: 'nothing in force' }),
    ],
    [
      'an isolation in force is taken over',
      'isolate',
      [isolation()],
      go({ kind: 'adopt', action: isolation() }),
    ],
    ['no isolation is posted', 'isolate', [isolation({ status: 'Failed' })], noRecord],
    ['no release is cancelled for one', 'isolate', [release({ status: 'Pending' })], noRecord],
    [
      'an isolation waits for a release that is InProgress',
      'isolate',
      [release({ status: 'InProgress' })],
      go({
        kind: 'defer',
        reason:
          'release release is InProgress and cannot be cancelled any more; asked again when it has ended',
      }),
    ],
  ])('about a machine whose record is gone: %s', (_, kind, record, plan) => {
    const look = lookAt({ tags: heldByTag, resolution: gone, record: { record } });
    const strict: Rules = { ...rules, match: 'confirmed', never: { ...never, osPlatforms: ['*'] } };

    expect(judgeRequest(kind, look, rules, now)).toEqual(plan);
    expect(judgeRequest(kind, look, strict, now)).toEqual(plan);
  });
});

describe('what the tags say to a request', () => {
  const tags = [...heldByTag, 'Manual unblock:2026-11-24 11:00', 'Manual block:2026-11-24 11:30'];

  it('is whose host it is, since when it is held, and the newest time of the kind', () => {
    const context = { owner, held: true, newestBlock: noon, now, unfinished: false };

    expect(requestContext('isolate', lookAt({ tags }), rules, now)).toEqual({
      ...context,
      newestOfKind: noon,
    });
    expect(requestContext('release', lookAt({ tags }), rules, now)).toEqual({
      ...context,
      newestOfKind: noon - hour,
    });
  });

  it('is not that it is held when the record shows its release', () => {
    const look = lookAt({ tags, corrected: release() });

    expect(requestContext('release', look, rules, now)).toMatchObject({ held: false, newestBlock: noon });
  });

  it('is since when a release is open, if one is', () => {
    const since = 'Manual unblock:2026-11-24 11:00';

    expect(
      requestContext('isolate', lookAt({ tags: ['release: Pending', since] }), rules, now),
    ).toMatchObject({
      openRelease: noon - hour,
    });
    expect(requestContext('isolate', lookAt({ tags: ['release: Failed', since] }), rules, now)).toMatchObject(
      {
        openRelease: undefined,
      },
    );
    expect(
      requestContext('isolate', lookAt({ tags: ['isolation: Pending', since] }), rules, now),
    ).toMatchObject({
      openRelease: undefined,
    });
  });

  it('is nothing when there are none', () => {
    expect(requestContext('isolate', lookAt({ tags: [] }), rules, now)).toEqual({
      owner,
      newestOfKind: undefined,
      newestBlock: undefined,
      unfinished: false,
      held: false,
      now,
    });
  });

  it.each<[string, RequestKind, boolean]>([
    ['isolation: Pending', 'isolate', true],
    ['isolation: Pending', 'release', false],
    ['release: InProgress', 'release', true],
    ['release: Failed', 'release', false],
    ['release: Pending', 'isolate', false],
  ])('is with %s that an %s is unfinished, or not', (tag, request, unfinished) => {
    expect(requestContext(request, lookAt({ tags: [tag] }), rules, now)).toMatchObject({ unfinished });
  });
});

function asking(hostId: number, kinds: RequestKind[], fields: Partial<Look> = {}): RequestHost {
  return { hostId, kinds, look: lookAt({ host: buildHost({ id: hostId }), ...fields }) };
}

const failedLook = { failed: 'Defender answered 500', exitCode: 1 } as const;

describe('opposite requests', () => {
  const oneHost = 'the host carries a block and an unblock tag at once';

  it('meet on one host', () => {
    expect(opposedHosts([asking(1, ['isolate', 'release'])])).toEqual(new Map([[1, oneHost]]));
    expect(opposedHosts([{ hostId: 2, kinds: ['isolate', 'release'], look: failedLook }])).toEqual(
      new Map([[2, oneHost]]),
    );
    const nowhere = { resolution: { kind: 'none', why: 'x' } } as const;
    expect(opposedHosts([asking(3, ['isolate', 'release'], nowhere)])).toEqual(new Map([[3, oneHost]]));
  });

  it('meet on several hosts of one machine, each of which is told', () => {
    const hosts = [
      asking(1, ['isolate']),
      asking(2, ['release']),
      asking(3, ['isolate'], { resolution: found('confirmed', otherId) }),
      asking(4, ['isolate'], { resolution: gone }),
    ];
    const words = `machine ${machineId} is asked to be isolated and released at once, by host`;

    expect(opposedHosts(hosts)).toEqual(
      new Map([
        [1, `${words} 1 and host 2 and host 4`],
        [2, `${words} 2 and host 1 and host 4`],
        [4, `${words} 4 and host 1 and host 2`],
      ]),
    );
  });

  it('of one host stand against every other request on its machine', () => {
    const words = `machine ${machineId} is asked to be isolated and released at once, by host`;

    expect(opposedHosts([asking(1, ['isolate', 'release']), asking(2, ['isolate'])])).toEqual(
      new Map([
        [1, `${words} 1 and host 2`],
        [2, `${words} 2 and host 1`],
      ]),
    );
  });

  it('meet on a machine that one of them is held for and could not be looked at', () => {
    const words = `machine ${machineId} is asked to be isolated and released at once, by host`;
    const unread: RequestHost = {
      hostId: 2,
      kinds: ['release'],
      look: { ...failedLook, heldMachineId: machineId },
    };

    expect(opposedHosts([asking(1, ['isolate']), unread])).toEqual(
      new Map([
        [1, `${words} 1 and host 2`],
        [2, `${words} 2 and host 1`],
      ]),
    );
    expect(opposedHosts([asking(1, ['release']), unread])).toEqual(new Map());
  });

  it('do not meet in two blocks, in two unblocks, or on machines that are not one', () => {
    const nowhere = { resolution: { kind: 'none', why: 'x' } } as const;
    const several: Partial<Look> = {
      resolution: { kind: 'ambiguous', machines: [buildMachine()], why: 'x' },
    };

    expect(opposedHosts([])).toEqual(new Map());
    expect(opposedHosts([asking(1, ['isolate']), asking(2, ['isolate'])])).toEqual(new Map());
    expect(opposedHosts([asking(1, ['release']), asking(2, ['release'])])).toEqual(new Map());
    expect(opposedHosts([asking(1, ['isolate'], nowhere), asking(2, ['release'], nowhere)])).toEqual(
      new Map(),
    );
    expect(opposedHosts([asking(1, ['isolate'], several), asking(2, ['release'])])).toEqual(new Map());
    expect(
      opposedHosts([
        { hostId: 1, kinds: ['isolate'], look: failedLook },
        { hostId: 2, kinds: ['release'], look: failedLook },
      ]),
    ).toEqual(new Map());
  });

  it('are none of a host that asks for nothing any more', () => {
    const words = `machine ${machineId} is asked to be isolated and released at once, by host`;

    expect(opposedHosts([asking(1, ['isolate']), asking(2, []), asking(3, ['release'])])).toEqual(
      new Map([
        [1, `${words} 1 and host 3`],
        [3, `${words} 3 and host 1`],
      ]),
    );
  });
});

it.each<[string, RequestPlan | undefined, boolean]>([
  ['nothing', undefined, false],
  ['a post', post, true],
  ['a cancel that may be followed by one', go({ kind: 'cancel', action: release(), mayPost: true }), true],
  ['a cancel that may not', go({ kind: 'cancel', action: release(), mayPost: false }), false],
  ['an adoption', go({ kind: 'adopt', action: isolation() }), false],
  ['an answer', go({ kind: 'answered', action: isolation() }), false],
  ['a wait', go({ kind: 'defer', reason: 'x' }), false],
  ['a refusal', refuse('x'), false],
  ['a deferral', { kind: 'defer', reason: 'x', exitCode: 1, verdicts: [] }, false],
  ['a conflict', { kind: 'conflict', reason: 'x', verdicts: [] }, false],
])('may lead to a new isolation: %s', (_, plan, may) => {
  expect(mayIsolate(plan)).toBe(may);
});

describe('the requests of a run together', () => {
  const ids = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40));
  function blocking(hostId: number, id: string, record: MachineAction[] = []): RequestHost {
    return asking(hostId, ['isolate'], { resolution: found('confirmed', id), record: { record } });
  }
  const [a = '', b = '', c = '', d = ''] = ids;
  const unreadable = { unreadable: 'Defender answered 500' };
  function tooMany(wanted: number, allowed: number, verdicts: RequestPlan['verdicts'] = []): RequestPlan {
    const reason = `${wanted} machines would need a new isolation, isolation.maxPerRun allows ${allowed}: none was isolated`;
    return { kind: 'defer', reason, exitCode: 3, verdicts };
  }

  it('are judged one by one', () => {
    const hosts = [
      asking(1, ['isolate']),
      asking(2, ['release'], { resolution: found('confirmed', otherId), record: { record: [isolation()] } }),
      asking(3, ['isolate'], { resolution: { kind: 'none', why: 'nobody is there' } }),
      asking(4, []),
    ];

    expect(planRequests(hosts, rules, now)).toEqual(
      new Map([
        [1, post],
        [2, post],
        [3, refuse('no machine: nobody is there')],
      ]),
    );
  });

  it('are in conflict when they are opposite, and count for no isolation', () => {
    const hosts = [asking(1, ['isolate']), asking(2, ['release']), blocking(3, otherId)];
    const words = `machine ${machineId} is asked to be isolated and released at once, by host`;

    expect(planRequests(hosts, { ...rules, maxPerRun: 1 }, now)).toEqual(
      new Map([
        [1, { kind: 'conflict', reason: `${words} 1 and host 2`, verdicts: [] }],
        [2, { kind: 'conflict', reason: `${words} 2 and host 1`, verdicts: [] }],
        [3, post],
      ]),
    );
  });

  it('are done up to maxPerRun machines', () => {
    const hosts = [blocking(1, a), blocking(2, b)];

    expect(planRequests(hosts, { ...rules, maxPerRun: 2 }, now)).toEqual(
      new Map([
        [1, post],
        [2, post],
      ]),
    );
  });

  it('isolate none when one machine more would need it, and do everything else', () => {
    const adopted = isolation();
    const pending = release({ status: 'Pending' });
    const hosts = [
      blocking(1, a),
      blocking(2, b, [pending]),
      blocking(3, c),
      blocking(4, d, [adopted]),
      asking(5, ['isolate'], { resolution: { kind: 'none', why: 'nobody is there' } }),
      asking(6, ['release'], { resolution: found('confirmed', otherId), record: { record: [adopted] } }),
      asking(7, ['isolate', 'release'], { resolution: found('confirmed', 'e'.repeat(40)) }),
    ];

    expect(planRequests(hosts, { ...rules, maxPerRun: 2 }, now)).toEqual(
      new Map<number, RequestPlan>([
        [1, tooMany(3, 2)],
        [2, tooMany(3, 2)],
        [3, tooMany(3, 2)],
        [4, go({ kind: 'adopt', action: adopted })],
        [5, refuse('no machine: nobody is there')],
        [6, post],
        [
          7,
          { kind: 'conflict', reason: 'the host carries a block and an unblock tag at once', verdicts: [] },
        ],
      ]),
    );
  });

  it('keep the verdicts of the guard rails when none is isolated', () => {
    const verdicts = [{ rule: 'tags', refuses: false, why: 'isolation.never.tags does not apply' }] as const;
    const strict: Rules = { ...rules, never: { ...never, tags: ['vip'] }, maxPerRun: 0 };

    expect(planRequests([blocking(1, a)], strict, now)).toEqual(new Map([[1, tooMany(1, 0, [...verdicts])]]));
  });

  it('count machines, not hosts', () => {
    const hosts = [blocking(1, a), blocking(2, a), blocking(3, b)];
    const plans = planRequests(hosts, { ...rules, maxPerRun: 2 }, now);

    expect([...plans.values()]).toEqual([post, post, post]);
  });

  it('do not count a cancel that is no isolation, a wait, or a refusal', () => {
    const hosts = [
      blocking(1, a),
      blocking(2, b, [release({ status: 'Pending' }), isolation({ createdAt: noon - hour })]),
      blocking(3, c, [release({ status: 'InProgress' })]),
      asking(4, ['isolate'], { resolution: found('conflict', d) }),
    ];
    const plans = planRequests(hosts, { ...rules, maxPerRun: 1 }, now);

    expect([...plans.values()].map((plan) => plan.kind)).toEqual(['go', 'go', 'go', 'refuse']);
  });

  it('count a block that could not be planned as one machine more', () => {
    const deferred: RequestPlan = {
      kind: 'defer',
      reason: 'Defender answered 500',
      exitCode: 1,
      verdicts: [],
    };
    const failedBlock: RequestHost = { hostId: 2, kinds: ['isolate'], look: failedLook };
    const failedRelease: RequestHost = { hostId: 2, kinds: ['release'], look: failedLook };

    expect(planRequests([blocking(1, a), failedBlock], { ...rules, maxPerRun: 1 }, now)).toEqual(
      new Map([
        [1, tooMany(2, 1)],
        [2, deferred],
      ]),
    );
    expect(planRequests([blocking(1, a), failedRelease], { ...rules, maxPerRun: 1 }, now)).toEqual(
      new Map<number, RequestPlan>([
        [1, post],
        [2, deferred],
      ]),
    );
    expect(planRequests([blocking(1, a), failedBlock], { ...rules, maxPerRun: 2 }, now).get(1)).toEqual(post);
  });

  it('say of a host that failed why, and with which exit code', () => {
    const refused: RequestHost = {
      hostId: 9,
      kinds: ['isolate'],
      look: { failed: 'no permission', exitCode: 77 },
    };

    expect(planRequests([refused], rules, now)).toEqual(
      new Map([[9, { kind: 'defer', reason: 'no permission', exitCode: 77, verdicts: [] }]]),
    );
  });

  it('count a block whose record could not be read, even when its address leads nowhere', () => {
    const unread = asking(2, ['isolate'], { resolution: found('confirmed', b), record: unreadable });
    const nowhere = asking(2, ['isolate'], { resolution: { kind: 'none', why: 'x' }, record: unreadable });
    const unreadRelease = asking(2, ['release'], { resolution: found('confirmed', b), record: unreadable });
    const strict = { ...rules, maxPerRun: 1 };

    expect(planRequests([blocking(1, a), unread], strict, now).get(1)).toEqual(tooMany(2, 1));
    expect(planRequests([unread, blocking(1, a)], strict, now).get(1)).toEqual(tooMany(2, 1));
    expect(planRequests([blocking(1, a), nowhere], strict, now).get(1)).toEqual(tooMany(2, 1));
    expect(planRequests([blocking(1, a), unreadRelease], strict, now).get(1)).toEqual(post);
  });

  it('isolate no more machines than maxPerRun, and else none, whatever the hosts', () => {
    const records = fc.constantFrom<MachineAction[]>(
      [],
      [isolation()],
      [isolation({ status: 'Pending' })],
      [release({ status: 'Pending' })],
      [release({ status: 'InProgress' })],
      [isolation({ status: 'Failed' })],
    );
    const hosts = fc
      .array(
        fc.record({
          kinds: fc.constantFrom<RequestKind[]>(
            ['isolate'],
            ['isolate'],
            ['release'],
            ['isolate', 'release'],
            [],
          ),
          id: fc.constantFrom(...ids),
          record: records,
          broken: fc.constantFrom('no', 'no', 'no', 'record', 'look', 'nowhere'),
        }),
        { maxLength: 8 },
      )
      .map((list) =>
        list.map(({ kinds, id, record, broken }, at): RequestHost => {
          if (broken === 'look') return { hostId: at, kinds, look: failedLook };
          const resolution: Resolution =
            broken === 'nowhere' ? { kind: 'none', why: 'x' } : found('confirmed', id);
          return asking(at, kinds, { resolution, record: broken === 'record' ? unreadable : { record } });
        }),
      );
    fc.assert(
      fc.property(hosts, fc.integer({ min: 0, max: 4 }), (requests, maxPerRun) => {
        const plans = planRequests(requests, { ...rules, maxPerRun }, now);
        const isolating = requests.filter(
          ({ hostId, kinds }) => kinds[0] === 'isolate' && mayIsolate(plans.get(hostId)),
        );
        const machines = new Set(
          isolating.map(({ look }) =>
            'resolution' in look && look.resolution.kind === 'machine' ? look.resolution.machine.id : '',
          ),
        );
        const overLimit = [...plans.values()].filter((plan) => plan.kind === 'defer' && plan.exitCode === 3);

        expect(machines.size).toBeLessThanOrEqual(maxPerRun);
        expect(machines.size === 0 || overLimit.length === 0).toBe(true);
        for (const { hostId, kinds } of requests) {
          if (kinds.length > 1) expect(plans.get(hostId)?.kind).toBe('conflict');
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('an isolation judged again on the host read afresh', () => {
  const known = buildHost({ artifacts: artifacts('dhcp laptop-7') });
  const look = lookAt({ host: known });

  function again(fresh: Partial<typeof known>, fields: Partial<Look> = {}, changed: Partial<Rules> = {}) {
    return judgeAgain({ ...look, ...fields }, { ...known, ...fresh }, { ...rules, ...changed }, now);
  }

  it('goes on when nothing is new, or only the time at which the host was last seen', () => {
    expect(again({})).toEqual(post);
    expect(again({ lastSeen: '2026-11-24T12:04:59Z' })).toEqual(post);
    expect(again({ threat: 1, state: 'inactive' })).toEqual(post);
  });

  it('waits when the host has another address', () => {
    const waits = (from: string, to: string) => ({
      kind: 'defer',
      reason: `the host moved from ${from} to ${to} while the run worked`,
      exitCode: 1,
      verdicts: [],
    });

    expect(again({ lastSource: '10.9.9.9' })).toEqual(waits('10.1.2.3', '10.9.9.9'));
    expect(again({ lastSource: undefined })).toEqual(waits('10.1.2.3', 'no address'));
    expect(again({ lastSource: '10.9.9.9' }, { host: { ...known, lastSource: undefined } })).toEqual(
      waits('no address', '10.9.9.9'),
    );
  });

  it('waits when the artifacts give less evidence than isolation.match demands', () => {
    const renamed = { artifacts: artifacts('dhcp printer') };
    const waits = (words: string) => ({
      kind: 'defer',
      reason: `what Detect knows of the host changed while the run worked: laptop-7.contoso.example is now ${words}`,
      exitCode: 1,
      verdicts: [],
    });

    expect(again(renamed)).toEqual(waits('conflict (Detect knows this host as printer (dhcp))'));
    expect(again(renamed, {}, { match: 'ip' })).toEqual(post);
    expect(again({ artifacts: [] })).toEqual(post);
    expect(again({ artifacts: [] }, {}, { match: 'confirmed' })).toEqual(
      waits('ip only (no name to compare and no MAC address in common)'),
    );
  });

  it('keeps the verdicts of the guard rails when it waits', () => {
    const strict = { never: { ...never, tags: ['vip'] } };
    const verdicts = [{ rule: 'tags', refuses: false, why: 'isolation.never.tags does not apply' }];

    expect(again({}, {}, strict)).toEqual({ ...post, verdicts });
    expect(again({ lastSource: '10.9.9.9' }, {}, strict)).toMatchObject({ kind: 'defer', verdicts });
    expect(again({ artifacts: artifacts('dhcp printer') }, {}, strict)).toMatchObject({
      kind: 'defer',
      verdicts,
    });
  });

  it('is refused when a guard rail bites now', () => {
    const strict = { never: { ...never, groups: ['NoBlock'] } };

    expect(again({ groups: ['NoBlock'] }, {}, strict)).toMatchObject({
      kind: 'refuse',
      reason: 'isolation.never.groups "NoBlock" protects NoBlock',
    });
    expect(again({ groups: undefined }, {}, strict)).toMatchObject({
      kind: 'refuse',
      reason: 'isolation.never.groups cannot be judged without the groups of the host',
    });
    expect(again({ groups: ['NoBlock'], lastSource: '10.9.9.9' }, {}, strict)).toMatchObject({
      kind: 'refuse',
    });
  });

  it('is refused by a guard rail on the new address', () => {
    const strict = { never: { ...never, ips: ['10.9.0.0/16'] } };

    expect(again({ lastSource: '10.9.9.9' }, {}, strict)).toMatchObject({
      kind: 'refuse',
      reason: 'isolation.never.ips "10.9.0.0/16" protects 10.9.9.9',
    });
  });

  it('has its answer, wherever the host is', () => {
    const action = isolation({ requestorComment: ownComment });

    expect(again({ lastSource: '10.9.9.9' }, { record: { record: [action] } })).toEqual(
      go({ kind: 'answered', action }),
    );
  });

  it('is taken over by id, wherever the host is', () => {
    const byId = { resolution: found('by id'), tags: heldByTag, record: { record: [isolation()] } };
    const adopted = go({ kind: 'adopt', action: isolation() });

    expect(again({ lastSource: '10.9.9.9', artifacts: artifacts('dhcp printer') }, byId)).toEqual(adopted);
    expect(again({ lastSource: '10.9.9.9' }, { ...byId, resolution: gone })).toEqual(adopted);
  });

  it('is judged as an isolation', () => {
    const action = release({ requestorComment: ownRelease });

    expect(again({}, { record: { record: [action] } })).toEqual(post);
  });
});
