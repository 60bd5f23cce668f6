import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestKind } from '../../src/decide/kinds.ts';
import {
  carriesContext,
  couldBeOwnTag,
  historyTag,
  isEndStatus,
  isHeld,
  isMachineTag,
  isOpenStatus,
  isOwnTag,
  isUnfinished,
  machineTags,
  minuteOf,
  minuteText,
  readTags,
  sameTag,
  statusTag,
  triggersAmong,
} from '../../src/decide/tags.ts';
import { anyText, buildMachine, machineId, minute, noon, otherId } from './samples.ts';

const machineSet = [
  'computerDnsName: laptop-7.contoso.example',
  'osPlatform: Windows11',
  'healthStatus: Active',
  'riskScore: High',
  'exposureLevel: Low',
  `id: ${machineId}`,
];
const noMachine = 'ATP_NoAgent_Or_SensorInactive';
const severalMachines = 'ATP_MultipleSensors_SameIP';

describe('whose tag it is', () => {
  it.each([
    ...machineSet,
    'computerDnsName: Unknown',
    'riskScore: x',
    `id: ${machineId.toUpperCase()}`,
    noMachine,
    'ATP_NoAgent',
    severalMachines,
  ])('takes %j for a machine tag of its own', (tag) => {
    expect(isMachineTag(tag)).toBe(true);
    expect(isOwnTag(tag)).toBe(true);
  });

  it.each([
    'isolation: Pending',
    'isolation: InProgress',
    'release: TimeOut',
    'Manual block failed',
    'Manual unblock failed',
    'Manual block:2026-11-24 12:05',
    'Manual unblock:2026-02-28 23:59',
    'Manual block:2028-02-29 00:00',
  ])('takes %j for its own, but not for a machine tag', (tag) => {
    expect(isOwnTag(tag)).toBe(true);
    expect(isMachineTag(tag)).toBe(false);
  });

  it.each([
    '',
    'block',
    'id: badge 4711',
    `id: ${machineId}0`,
    `id: ${machineId.slice(1)}`,
    `id: ${machineId.replace('e', 'g')}`,
    `ID: ${machineId}`,
    `id:${machineId}`,
    `my id: ${machineId}`,
    `id: ${machineId} `,
    'riskScore: very high',
    'riskScore: ',
    'riskScore:High',
    'riskscore: High',
    'riskScore: #4711',
    'riskScore: Grün',
    'riskScore: High!',
    'the riskScore: High',
    'osPlatform: Windows 11',
    'deviceValue: High',
    'isolation: asked for by Bob',
    'isolation: Pending2',
    'isolation:Pending',
    'isolation: ',
    'Isolation: Pending',
    'network isolation: Pending',
    'unrelease: Pending',
    'Manual block failed again',
    'a Manual block failed',
    'manual block failed',
    'Manual block:2026-11-24',
    'Manual block: 2026-11-24 12:05',
    'Manual block:2026-11-24 12:05:30',
    'Manual block:2026-11-24T12:05',
    'Manual block:2026-13-01 12:05',
    'Manual block:2026-02-30 12:05',
    'Manual block:2026-11-24 24:00',
    'Manual block:2026-11-24 12:60',
    'Manual  block:2026-11-24 12:05',
    'see Manual block:2026-11-24 12:05',
    'Manual block:2026-11-24 12:05 by Bob',
    ' Manual unblock:2026-11-24 12:05',
    'Manual unblock:2026-11-24 12:05 ',
    'ATP_NoAgent_At_All',
    'no ATP_NoAgent',
    'atp_noagent',
  ])('leaves %j to whoever wrote it', (tag) => {
    expect(isOwnTag(tag)).toBe(false);
    expect(isMachineTag(tag)).toBe(false);
  });

  it.each([
    ['riskScore: High', true],
    ['RISKSCORE: high', true],
    ['ComputerDNSName: laptop-7', true],
    ['osplatform: x', true],
    ['healthStatus: x', true],
    ['exposureLevel: x', true],
    ['Manual block failed', true],
    ['manual UNBLOCK failed', true],
    ['manual block:2026-11-24 12:05', true],
    ['Manual unblock:2026-11-24 12:05', true],
    ['isolation: pending', true],
    ['Release: Succeeded', true],
    ['ATP_NoAgent', true],
    ['atp_noagent_or_sensorinactive', true],
    ['ATP_MultipleSensors_SameIP', true],
    [`ID: ${machineId.toUpperCase()}`, true],
    ['block', false],
    ['riskScore: very high', false],
    ['my riskScore: High', false],
    ['riskScore: High risk', false],
    ['isolation: asked for', false],
    ['no isolation: Pending', false],
    ['Manual block', false],
    ['Manual block failed twice', false],
    ['id: 4711', false],
    ['ATP_NoAgent_2', false],
  ])('says of the trigger tag %j whether Detect could take one of its own for it: %j', (tag, could) => {
    expect(couldBeOwnTag(tag)).toBe(could);
  });

  it('compares tags without regard to case, whole', () => {
    expect(sameTag('Block', 'bLOCK')).toBe(true);
    expect(sameTag('Sperre Ä', 'sperre ä')).toBe(true);
    expect(sameTag('block', 'block me')).toBe(false);
  });

  it('finds trigger tags in the spelling of the host, and not in longer tags', () => {
    const tags = ['Manual block:2026-11-24 12:05', 'BLOCK', 'x', 'Block', 'unblock', 'Block it'];

    expect(triggersAmong(tags, ['other', 'block'])).toEqual(['BLOCK', 'Block']);
    expect(triggersAmong(tags, [])).toEqual([]);
  });
});

describe('times', () => {
  it.each([
    [noon, noon],
    [noon + 1, noon],
    [noon + minute - 1, noon],
    [noon + minute, noon + minute],
  ])('puts %j into the minute that starts at %j', (time, start) => {
    expect(minuteOf(time)).toBe(start);
  });

  it('prints minutes in UTC', () => {
    expect(minuteText(Date.UTC(2026, 0, 2, 3, 4, 59, 999))).toBe('2026-01-02 03:04');
  });

  it('writes history tags to the minute', () => {
    expect(historyTag('isolate', noon + 5 * minute + 59_999)).toBe('Manual block:2026-11-24 12:05');
    expect(historyTag('release', noon)).toBe('Manual unblock:2026-11-24 12:00');
  });

  it('reads every history tag that it writes', () => {
    const times = fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(fc.constantFrom('isolate' as const, 'release' as const), times, (kind, time) => {
        expect(isOwnTag(historyTag(kind, time))).toBe(true);
        expect(readTags([historyTag(kind, time)], time).times[kind]).toEqual([minuteOf(time)]);
      }),
    );
  });
});

describe('what the tags of a host say', () => {
  const now = noon + 10 * minute;

  it.each([
    ['that lies behind', noon - minute, true],
    ['of now', noon, true],
    ['ten minutes ahead', noon + 10 * minute, true],
    ['more than ten minutes ahead', noon + 11 * minute, false],
  ])('a time %s is read: %j', (_, time, isRead) => {
    const { times } = readTags([historyTag('isolate', time), historyTag('release', time)], noon);
    expect(times).toEqual({ isolate: isRead ? [time] : [], release: isRead ? [time] : [] });
  });

  it('a forged time of the future hides no true one', () => {
    const tags = ['Manual block:2099-01-01 00:00', 'Manual block:2026-11-24 12:05'];
    expect(readTags(tags, now).times.isolate).toEqual([noon + 5 * minute]);
  });

  it('reads nothing from the tags of others', () => {
    expect(
      readTags(['x', 'id: badge 4711', 'isolation: asked for', 'Manual block failed once'], now),
    ).toEqual({
      ids: [],
      statuses: [],
      times: { isolate: [], release: [] },
    });
  });

  it('reads ids in lower case and each once, statuses, and times, the newest first', () => {
    const tags = [
      'foreign',
      `id: ${machineId}`,
      `id: ${machineId.toUpperCase()}`,
      `id: ${otherId}`,
      'isolation: Pending',
      'release: Failed',
      'Manual block:2026-11-24 12:05',
      'Manual block:2026-11-24 12:04',
      'Manual unblock:2026-11-23 12:00',
      'Manual unblock:2026-11-24 11:00',
      'Manual unblock failed',
      'Manual block failed',
    ];

    expect(readTags(tags, now)).toEqual({
      ids: [machineId, otherId],
      statuses: [
        { kind: 'isolate', status: 'Pending' },
        { kind: 'release', status: 'Failed' },
      ],
      times: {
        isolate: [noon + 5 * minute, noon + 4 * minute],
        release: [noon - 60 * minute, noon - 24 * 60 * minute],
      },
    });
  });

  const block = 'Manual block:2026-11-24 12:05';
  it.each<[string[], boolean]>([
    [[], false],
    [['isolation: Pending'], true],
    [['isolation: InProgress'], true],
    [['isolation: Succeeded'], true],
    [['isolation: Failed'], false],
    [['isolation: TimeOut'], false],
    [['isolation: Cancelled'], false],
    [['release: Pending'], true],
    [['release: InProgress'], true],
    [['release: Failed'], true],
    [['release: TimeOut'], true],
    [['release: Cancelled'], true],
    [['release: Succeeded'], false],
    [['isolation: Queued'], true],
    [['release: Queued'], true],
    [['isolation: Failed', 'release: Succeeded'], false],
    [['isolation: Failed', 'release: Failed'], true],
    [[block], true],
    [[block, 'Manual unblock:2026-11-24 12:04'], true],
    [[block, 'Manual unblock:2026-11-24 12:05'], false],
    [[block, 'Manual unblock:2026-11-24 12:06'], false],
    [['Manual unblock:2026-11-24 12:06'], false],
    [[block, 'isolation: Failed'], false],
    [[block, 'isolation: Cancelled'], false],
    [[block, 'release: Succeeded'], false],
    [['isolation: Succeeded', 'Manual unblock:2026-11-24 12:06'], true],
    [['isolation: asked for', 'release: see ticket'], false],
    [['Manual block failed', `id: ${machineId}`], false],
  ])('a host with %j is held: %j', (tags, held) => {
    expect(isHeld(readTags(tags, now))).toBe(held);
  });

  it.each([
    ['isolation: Pending', true],
    ['isolation: InProgress', true],
    ['release: Pending', true],
    ['release: InProgress', true],
    ['isolation: Queued', true],
    ['release: Unknown', true],
    ['isolation: Succeeded', false],
    ['release: Failed', false],
    ['Manual block:2026-11-24 12:05', false],
  ])('a host with %j has an unfinished action: %j', (tag, unfinished) => {
    expect(isUnfinished(readTags([tag], now))).toBe(unfinished);
    expect(isUnfinished(readTags(['isolation: Failed', tag], now))).toBe(unfinished);
  });

  it.each<[string[], RequestKind, boolean]>([
    [['isolation: Pending'], 'isolate', true],
    [['isolation: Pending'], 'release', false],
    [['release: InProgress'], 'release', true],
    [['release: InProgress'], 'isolate', false],
    [['isolation: Pending', 'release: Succeeded'], 'release', false],
    [['isolation: Failed', 'release: Pending'], 'release', true],
    [[], 'isolate', false],
  ])('a host with %j has an unfinished action to %s: %j', (tags, kind, unfinished) => {
    expect(isUnfinished(readTags(tags, now), kind)).toBe(unfinished);
  });

  it.each([
    ['Pending', true, false],
    ['InProgress', true, false],
    ['Succeeded', false, true],
    ['Failed', false, true],
    ['TimeOut', false, true],
    ['Cancelled', false, true],
    ['Queued', false, false],
    ['', false, false],
  ])('the status %j is open: %j, at its end: %j', (status, open, end) => {
    expect(isOpenStatus(status)).toBe(open);
    expect(isEndStatus(status)).toBe(end);
  });

  it.each<[string, string[], boolean]>([
    ['the whole set', [...machineSet, 'x'], true],
    ['an id in capitals', [...machineSet.slice(0, 5), `id: ${machineId.toUpperCase()}`], true],
    ['no machine', [noMachine], true],
    ['several machines', ['x', severalMachines], true],
    ["the earlier tool's word", ['ATP_NoAgent'], false],
    ['nothing', [], false],
    ['no id', machineSet.slice(0, 5), false],
    ['the id alone', [`id: ${machineId}`], false],
    ["somebody's id", [...machineSet.slice(0, 5), 'id: badge 4711'], false],
    ['one tag less', machineSet.slice(1), false],
    ['one tag twice and one less', [...machineSet.slice(1), 'riskScore: Low'], false],
    ['a value that is not its own', [...machineSet.slice(1), 'computerDnsName: see ticket'], false],
  ])('judges whether a host carries its context: %s', (_, tags, carries) => {
    expect(carriesContext(tags)).toBe(carries);
  });
});

describe('the tags of a machine', () => {
  it('are six, in the order in which they always were', () => {
    expect(machineTags(buildMachine())).toEqual(machineSet);
  });

  it('say Unknown where Defender says nothing', () => {
    const silent = buildMachine({
      computerDnsName: '',
      osPlatform: undefined,
      healthStatus: undefined,
      riskScore: undefined,
      exposureLevel: undefined,
    });

    expect(machineTags(silent)).toEqual([
      'computerDnsName: Unknown',
      'osPlatform: Unknown',
      'healthStatus: Unknown',
      'riskScore: Unknown',
      'exposureLevel: Unknown',
      `id: ${machineId}`,
    ]);
  });

  it.each([
    ['laptop 7', 'laptop_7'],
    ['büro – pc;drop', 'b_ro_pc_drop'],
    ['a_b.c-D9', 'a_b.c-D9'],
    ['pc\u0007\u202e7', 'pc_7'],
  ])('hold %j as %j', (name, clean) => {
    expect(machineTags(buildMachine({ computerDnsName: name }))[0]).toBe(`computerDnsName: ${clean}`);
  });

  it('are a hundred characters long at most', () => {
    const fits = machineTags(buildMachine({ computerDnsName: 'n'.repeat(83), riskScore: 'r'.repeat(89) }));
    const cut = machineTags(buildMachine({ computerDnsName: 'n'.repeat(84), riskScore: 'r'.repeat(90) }));

    expect(fits[0]).toBe(`computerDnsName: ${'n'.repeat(83)}`);
    expect(fits[3]).toBe(`riskScore: ${'r'.repeat(89)}`);
    expect(cut).toEqual(fits);
    expect(cut[0]).toHaveLength(100);
    expect(cut[3]).toHaveLength(100);
  });

  it("are the program's own whatever the record says", () => {
    fc.assert(
      fc.property(anyText(120), (text) => {
        const tags = machineTags(buildMachine({ computerDnsName: text, osPlatform: text, riskScore: text }));

        expect(tags.every(isMachineTag)).toBe(true);
        expect(tags.every((tag) => tag.length <= 100)).toBe(true);
        expect(carriesContext(tags)).toBe(true);
      }),
    );
  });
});

it.each<[RequestKind, string, string]>([
  ['isolate', 'Pending', 'isolation: Pending'],
  ['release', 'TimeOut', 'release: TimeOut'],
  ['isolate', 'In Progress 2', 'isolation: InProgress'],
  ['release', '', 'release: Unknown'],
  ['release', '42 _', 'release: Unknown'],
  ['isolate', 'S'.repeat(200), `isolation: ${'S'.repeat(89)}`],
  ['release', 'S'.repeat(91), `release: ${'S'.repeat(91)}`],
  ['release', 'S'.repeat(92), `release: ${'S'.repeat(91)}`],
])('writes the status of an %s that is %j as %j', (kind, status, tag) => {
  expect(statusTag(kind, status)).toBe(tag);
});
