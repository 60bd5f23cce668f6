import { describe, expect, it } from 'vitest';
import {
  conflicting,
  consequenceOf,
  consequences,
  deferred,
  failed,
  overtaken,
  results,
  silentWhenOvertaken,
  summarise,
  unchanged,
  weightier,
  type Consequence,
  type Event,
  type Result,
} from '../../src/decide/consequences.ts';
import { noon } from './samples.ts';

const release = { kind: 'release', status: 'X' };
const time = { kind: 'release', time: noon };
const cancelledIsolation = { kind: 'isolate', status: 'Cancelled' };

describe('what an event does to a host on which a release is at issue', () => {
  it.each<[Event, number, boolean, unknown, unknown, unknown]>([
    // event, exit code, settles, status, failure, accepted
    ['accepted', 0, true, release, 'none', time],
    ['accepted, ended badly', 1, true, release, 'release', time],
    ['pending isolation cancelled', 0, true, cancelledIsolation, 'none', time],
    ['nothing in force', 0, true, undefined, 'none', time],
    ['nothing in force any more', 0, true, 'none', 'none', time],
    ['refused', 1, true, undefined, 'release', undefined],
    ['machine unknown to Defender', 1, true, 'none', 'release', undefined],
    ['deferred', 1, false, undefined, undefined, undefined],
    ['failed', 1, false, undefined, undefined, undefined],
    ['conflict', 1, false, undefined, undefined, undefined],
    ['action moved on', 0, false, release, 'none', undefined],
    ['action ended badly', 1, false, release, 'release', undefined],
    ['released by others', 0, false, release, 'none', undefined],
    ['taken up', 0, false, release, 'none', time],
    ['lapsed', 1, false, 'none', undefined, undefined],
    ['action unknown to Defender', 1, false, 'none', undefined, undefined],
    ['unchanged', 0, false, undefined, undefined, undefined],
  ])('%s', (event, exitCode, settles, status, failure, accepted) => {
    const facts = { kind: 'release', result: 'released', detail: 'x', word: 'X', time: noon } as const;
    const rest = { entry: undefined, action: undefined };
    expect(consequenceOf(event, facts)).toEqual({
      ...{ event, result: 'released', detail: 'x', ...rest },
      ...{ exitCode, settles, status, failure, accepted },
    });
    expect(consequenceOf(event, { ...facts, time: undefined }).accepted).toBeUndefined();
    expect(consequenceOf(event, { ...facts, exitCode: 77 }).exitCode).toBe(77);
  });

  it('is said for every event', () => {
    expect(Object.keys(consequences)).toHaveLength(17);
  });
});

it('what waits, failed, is opposed or unchanged settles nothing and writes nothing', () => {
  const made = [
    deferred('x'),
    deferred('x', 3),
    failed('x'),
    failed('x', 77),
    conflicting('x'),
    unchanged('x'),
  ];
  expect(made.map(({ event, exitCode }) => [event, exitCode])).toEqual([
    ['deferred', 1],
    ['deferred', 3],
    ['failed', 1],
    ['failed', 77],
    ['conflict', 1],
    ['unchanged', 0],
  ]);
  for (const each of [...made, unchanged('x', 3)]) {
    expect(each).toMatchObject({ result: each.event, detail: 'x', settles: false });
    expect([each.status, each.failure, each.accepted, each.entry]).toEqual(Array(4).fill(undefined));
  }
  expect(unchanged('x', 3).exitCode).toBe(3);
});

function happened(event: Event, result: Result, exitCode: 0 | 1 | 3 = 0): Consequence {
  return consequenceOf(event, { kind: 'isolate', result, detail: `was ${result}`, word: 'X', exitCode });
}

describe('news of a host whose request was met', () => {
  const news = [
    unchanged('x'),
    happened('lapsed', 'failed', 1),
    happened('action unknown to Defender', 'failed', 1),
    happened('action ended badly', 'failed', 1),
    happened('released by others', 'released'),
  ];
  const told = (met: Consequence) =>
    overtaken(news, met).map(({ event, result, exitCode }) => [event, result, exitCode]);

  it('that takes the status tag: what it overtakes is no failure, or is not said', () => {
    expect(told(happened('accepted', 'isolated'))).toEqual([
      ['action ended badly', 'unchanged', 0],
      ['released by others', 'released', 0],
    ]);
    expect(silentWhenOvertaken).toEqual(['lapsed', 'action unknown to Defender']);
  });

  it.each<[string, Consequence]>([
    ['that leaves the status tag', happened('nothing in force', 'released')],
    ['in vain', deferred('later')],
  ])('%s: all of them are told, but for what did not change', (_, met) => {
    expect(told(met)).toEqual([
      ['lapsed', 'failed', 1],
      ['action unknown to Defender', 'failed', 1],
      ['action ended badly', 'failed', 1],
      ['released by others', 'released', 0],
    ]);
  });

  it('is not changed itself', () => {
    const [, , , bad] = news;
    overtaken(news, happened('accepted', 'isolated'));
    expect(bad).toEqual(happened('action ended badly', 'failed', 1));
  });
});

describe('several things that happened to one host', () => {
  const was = (result: Result, exitCode: 0 | 1 | 3 = 0) => happened('unchanged', result, exitCode);

  it('come to the first result in the order, with every sentence and exit code', () => {
    expect(results).toEqual([
      ...['conflict', 'failed', 'deferred', 'refused', 'isolated', 'released', 'enriched', 'unchanged'],
    ]);
    const events = [was('enriched'), was('failed', 1), was('isolated'), was('deferred', 3)];
    expect(summarise(events)).toEqual({
      result: 'failed',
      detail: 'was failed; was deferred; was isolated; was enriched',
      exitCodes: [0, 1, 0, 3],
    });
    expect(events[0]).toEqual(was('enriched'));
  });

  it.each(results.slice(1).map((result, at) => [results[at] ?? 'unchanged', result] as const))(
    'are %s rather than what comes behind it: %s',
    (worse, better) => {
      expect(summarise([was(better), was(worse)]).result).toBe(worse);
    },
  );

  it('are what happened last of isolated and released, which share one place', () => {
    expect(summarise([was('isolated'), was('released'), was('enriched')])).toMatchObject({
      result: 'released',
      detail: 'was isolated; was released; was enriched',
    });
    expect(summarise([was('released'), was('isolated'), was('unchanged')])).toMatchObject({
      result: 'isolated',
      detail: 'was released; was isolated; was unchanged',
    });
  });

  it.each<[Result, Result, Result]>([
    ['isolated', 'released', 'released'],
    ['released', 'isolated', 'isolated'],
    ['released', 'enriched', 'released'],
    ['enriched', 'released', 'released'],
    ['refused', 'released', 'refused'],
    ['isolated', 'refused', 'refused'],
  ])('%s and then %s come to %s', (earlier, later, expected) => {
    expect(weightier(earlier, later)).toBe(expected);
  });

  it('are unchanged when nothing happened', () => {
    expect(summarise([])).toEqual({ result: 'unchanged', detail: '', exitCodes: [] });
  });
});
