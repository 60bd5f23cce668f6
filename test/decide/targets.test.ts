import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Case } from '../../src/decide/case.ts';
import { deferred } from '../../src/decide/consequences.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import { groupByMachine, mayIsolate, planTargets } from '../../src/decide/plan.ts';
import {
  buildCase,
  buildFound,
  buildIsolation as isolation,
  buildRelease as release,
  machineId,
  minute,
  noon,
  noRules,
  otherId,
  rules,
} from './samples.ts';

const now = noon + 5 * minute;
const [a = '', b = '', c = '', d = ''] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40));
const nowhere: Partial<Case> = { found: { kind: 'none', why: 'x' }, machineIds: [] };
const unreadable = { record: { unreadable: 'Defender answered 500' } };
const ended = { ended: deferred('Defender answered 500'), found: undefined, machineIds: [] };

function at(id: string, fields: Partial<Case> = {}): Partial<Case> {
  return { found: buildFound('confirmed', id), machineIds: [id], ...fields };
}

/** What becomes of each host, by its id: the kind of its plan, of its decision where it goes on. */
function planned(cases: readonly Case[], maxPerRun = 50): Record<number, string> {
  const targets = planTargets(groupByMachine(cases), { ...rules, maxPerRun }, now);
  return Object.fromEntries(
    targets
      .flatMap((target) => target.cases)
      .map(({ host, plan }) => [host.id, plan?.kind === 'go' ? plan.decision.kind : (plan?.kind ?? 'none')]),
  );
}

function reasonsOf(cases: readonly Case[], maxPerRun = 50): (string | undefined)[] {
  const targets = planTargets(groupByMachine(cases), { ...rules, maxPerRun }, now);
  return targets
    .flatMap((target) => target.cases)
    .map(({ plan }) => (plan && 'reason' in plan ? plan.reason : undefined));
}

it('hosts are grouped by machine; one that could not be looked at by its tag; one without a machine stands alone', () => {
  const cases = [
    buildCase([], at(a), 1),
    buildCase([], nowhere, 2),
    buildCase([], { ...nowhere }, 3),
    buildCase([], { found: undefined, machineIds: [a] }, 4),
    buildCase([], { found: { kind: 'gone', machineId: a } }, 5),
  ];
  expect(
    groupByMachine(cases).map(({ machineId: id, cases: group }) => [id, group.map(({ host }) => host.id)]),
  ).toEqual([
    [a, [1, 4, 5]],
    [undefined, [2]],
    [undefined, [3]],
  ]);
});

describe('opposite requests', () => {
  const words = `machine ${machineId} is asked to be isolated and released at once, by host`;
  const oneHost = 'the host carries a block and an unblock tag at once';

  it.each<[string, Partial<Case>]>([
    ['with a machine', {}],
    ['without one', nowhere],
    ['that could not be looked at', ended],
  ])('on one host are a conflict, %s', (_, fields) => {
    expect(reasonsOf([buildCase(['isolate', 'release'], fields)])).toEqual([oneHost]);
  });

  it('on several hosts of one machine are a conflict of which each is told', () => {
    const cases = [
      buildCase(['isolate'], {}, 1),
      buildCase(['release'], {}, 2),
      buildCase(['isolate'], at(otherId), 3),
      buildCase([], {}, 4),
    ];
    expect(reasonsOf(cases)).toEqual([
      `${words} 1 and host 2`,
      `${words} 2 and host 1`,
      undefined,
      undefined,
    ]);
    expect(planned(cases, 1)).toEqual({ 1: 'conflict', 2: 'conflict', 3: 'post', 4: 'none' });
  });

  it('of one host stand against every other request on its machine', () => {
    const cases = [buildCase(['isolate', 'release'], {}, 1), buildCase(['isolate'], {}, 2)];
    expect(reasonsOf(cases)).toEqual([`${words} 1 and host 2`, `${words} 2 and host 1`]);
  });

  it('meet on a machine that one of them is held for and could not be looked at', () => {
    const unread = buildCase(['release'], { ...ended, machineIds: [machineId] }, 2);
    expect(planned([buildCase(['isolate'], {}, 1), unread])).toEqual({ 1: 'conflict', 2: 'conflict' });
  });

  it.each<[string, RequestKind, RequestKind, string]>([
    ['block', 'isolate', 'release', 'done'],
    ['unblock', 'release', 'isolate', 'post'],
  ])('do not meet when the %s would be refused: it keeps nobody else waiting', (_, unsure, other, answer) => {
    const cases = [buildCase([unsure], { found: buildFound('conflict') }, 1), buildCase([other], {}, 2)];
    expect(planned(cases)).toEqual({ 1: 'refuse', 2: answer });
  });

  it('do not meet in two of a kind, or on machines that are not one', () => {
    expect(planned([buildCase(['isolate'], {}, 1), buildCase(['isolate'], {}, 2)])).toEqual({
      1: 'post',
      2: 'post',
    });
    expect(planned([buildCase(['release'], {}, 1), buildCase(['release'], {}, 2)])).toEqual({
      1: 'done',
      2: 'done',
    });
    expect(planned([buildCase(['isolate'], nowhere, 1), buildCase(['release'], nowhere, 2)])).toEqual({
      1: 'refuse',
      2: 'refuse',
    });
    expect(planned([buildCase(['isolate'], ended, 1), buildCase(['release'], ended, 2)])).toEqual({
      1: 'defer',
      2: 'defer',
    });
  });
});

describe('the isolations of a run', () => {
  const block = (id: number, machine: string, fields: Partial<Case> = {}) =>
    buildCase(['isolate'], at(machine, fields), id);

  it.each<[string, Case[], number, Record<number, string>]>([
    ['as many as allowed', [block(1, a), block(2, b)], 2, { 1: 'post', 2: 'post' }],
    ['one more', [block(1, a), block(2, b)], 1, { 1: 'defer', 2: 'defer' }],
    ['two hosts of one machine', [block(1, a), block(2, a)], 1, { 1: 'post', 2: 'post' }],
    [
      'a cancel that may lead to one',
      [block(1, a), block(2, b, { record: { record: [release({ status: 'Pending' })] } })],
      1,
      { 1: 'defer', 2: 'defer' },
    ],
    [
      'an adoption',
      [block(1, a), block(2, b, { record: { record: [isolation()] } })],
      1,
      { 1: 'post', 2: 'adopt' },
    ],
    [
      'a wait',
      [block(1, a), block(2, b, { record: { record: [release({ status: 'InProgress' })] } })],
      1,
      { 1: 'post', 2: 'wait' },
    ],
    [
      'a refusal',
      [block(1, a), block(2, b, { found: buildFound('conflict', b) })],
      1,
      { 1: 'post', 2: 'refuse' },
    ],
    [
      'a release',
      [block(1, a), buildCase(['release'], at(b, { record: { record: [isolation()] } }), 2)],
      1,
      { 1: 'post', 2: 'post' },
    ],
    [
      'a block that could not be looked at',
      [block(1, a), buildCase(['isolate'], ended, 2)],
      1,
      { 1: 'defer', 2: 'defer' },
    ],
    [
      'an unblock that could not',
      [block(1, a), buildCase(['release'], ended, 2)],
      1,
      { 1: 'post', 2: 'defer' },
    ],
    [
      'a block whose record could not be read',
      [block(1, a), block(2, b, unreadable)],
      1,
      { 1: 'defer', 2: 'defer' },
    ],
    [
      'an unblock whose record could not',
      [block(1, a), buildCase(['release'], at(b, unreadable), 2)],
      1,
      { 1: 'post', 2: 'defer' },
    ],
  ])('are counted by machine: %s', (_, cases, maxPerRun, expected) => {
    expect(planned(cases, maxPerRun)).toEqual(expected);
  });

  it('say that there are too many, with exit code 3, the verdicts and what a person has to do', () => {
    const never = { ...noRules, tags: ['vip'] };
    const [target] = planTargets(groupByMachine([block(1, a)]), { ...rules, never, maxPerRun: 0 }, now);
    expect(target?.cases[0]?.plan).toEqual({
      kind: 'defer',
      reason: '1 machines would need a new isolation, isolation.maxPerRun allows 0: none was isolated',
      waiting:
        'more machines would need a new isolation in one run than isolation.maxPerRun allows; take the tag off some hosts, or raise it',
      exitCode: 3,
      verdicts: [{ rule: 'tags', refuses: false, why: 'isolation.never.tags does not apply' }],
    });
  });

  it('are no more than allowed, and else none, whatever the hosts', () => {
    const records = [[], [isolation()], [isolation({ status: 'Pending' })], [release({ status: 'Pending' })]];
    const host = fc.record({
      asks: fc.constantFrom<RequestKind[]>(['isolate'], ['isolate'], ['release'], ['isolate', 'release'], []),
      fields: fc.oneof(
        fc.constantFrom(ended, nowhere),
        fc
          .tuple(fc.constantFrom(a, b, c, d), fc.constantFrom(...records))
          .map(([id, record]) => at(id, { record: { record } })),
      ),
    });
    fc.assert(
      fc.property(fc.array(host, { maxLength: 8 }), fc.integer({ min: 0, max: 4 }), (hosts, maxPerRun) => {
        const cases = hosts.map(({ asks, fields }, id) => buildCase(asks, fields, id));
        const targets = planTargets(groupByMachine(cases), { ...rules, maxPerRun }, now);
        const all = targets.flatMap((target) => target.cases);
        const isolating = targets.filter((target) =>
          target.cases.some(({ asks, plan }) => mayIsolate(asks[0], plan)),
        );
        const over = all.filter(({ plan }) => plan?.kind === 'defer' && plan.exitCode === 3);

        expect(isolating.length).toBeLessThanOrEqual(maxPerRun);
        expect(isolating.length === 0 || over.length === 0).toBe(true);
        for (const { asks, plan } of all) if (asks.length > 1) expect(plan?.kind).toBe('conflict');
      }),
      { numRuns: 300 },
    );
  });
});
