import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import { isOverByAge, newsOf } from '../../src/decide/news.ts';
import {
  buildIsolation as isolation,
  buildRelease as release,
  buildTags,
  day,
  hour,
  machineId,
  minute,
  noon,
  otherId,
  owner,
  ownComment,
} from './samples.ts';

const block = 'Manual block:2026-11-24 12:00';
const unblock = 'Manual unblock:2026-11-24 12:00';
const later = { createdAt: noon + hour };
const mine = { requestorComment: ownComment };

function newsAt(tags: string[], record: MachineAction[], now: number, isWhole = true) {
  const telling = { owner, endsAfterMs: 7 * day, now };
  return newsOf(buildTags(tags, now), { record, machineIds: [machineId], isWhole, carried: [] }, telling);
}

describe("Defender's record tells of a host", () => {
  const soon = noon + 5 * minute;
  const late = noon + 2 * hour;
  const old = noon + 11 * day;
  it.each<[string, string[], MachineAction[], number, string[], boolean]>([
    // what, its tags, the record, now, the events, whether they end the hold
    ['nothing, without tags and record', [], [], late, [], false],
    [
      'nothing, while it is isolated as its tags say',
      [block, 'isolation: Succeeded'],
      [isolation()],
      late,
      [],
      false,
    ],
    [
      'that its action is where it was',
      [block, 'isolation: Pending'],
      [isolation({ status: 'Pending' })],
      late,
      ['unchanged'],
      false,
    ],
    [
      'that its action moved on',
      [block, 'isolation: Pending'],
      [isolation()],
      late,
      ['action moved on'],
      false,
    ],
    [
      'that its release moved on',
      [unblock, 'release: Pending'],
      [release()],
      late,
      ['action moved on'],
      false,
    ],
    [
      'that its action ended badly',
      [block, 'isolation: Pending'],
      [isolation({ status: 'Failed' })],
      late,
      ['action ended badly'],
      false,
    ],
    ['nothing yet, within the hour', [block, 'isolation: Pending'], [], soon, ['unchanged'], false],
    [
      'that no such action is known, after the hour',
      [block, 'isolation: Pending'],
      [],
      noon + hour,
      ['action unknown to Defender'],
      true,
    ],
    [
      'that no such action is known, at once without a time',
      ['isolation: Pending'],
      [],
      soon,
      ['action unknown to Defender'],
      true,
    ],
    [
      'that no such action is known, after three days of an odd word',
      [block, 'isolation: Queued'],
      [isolation({ status: 'Queued' })],
      noon + 3 * day,
      ['action unknown to Defender'],
      true,
    ],
    [
      'that an odd word is where it was',
      [block, 'isolation: Queued'],
      [isolation({ status: 'Queued' })],
      late,
      ['unchanged'],
      false,
    ],
    [
      'that another isolation is in force instead',
      ['isolation: Pending'],
      [isolation()],
      late,
      ['taken up'],
      false,
    ],
    [
      'that another isolation is open instead',
      ['isolation: Pending'],
      [isolation({ status: 'Pending' })],
      late,
      ['taken up'],
      false,
    ],
    ['that an own action was not told of', [], [isolation(mine)], late, ['taken up'], false],
    [
      'that an own action was not told of, its tag open',
      ['isolation: Pending'],
      [isolation(mine)],
      late,
      ['action moved on'],
      false,
    ],
    [
      'that it was released',
      [block, 'isolation: Succeeded'],
      [isolation(), release(later)],
      late,
      ['released by others'],
      true,
    ],
    [
      'that it was released, by the earlier tool’s tags',
      [block],
      [isolation(), release(later)],
      late,
      ['released by others'],
      true,
    ],
    [
      'that its action moved on, and it was released',
      [block, 'isolation: Pending'],
      [isolation(), release(later)],
      late,
      ['action moved on', 'released by others'],
      true,
    ],
    [
      'nothing of a release while its own is open',
      [block, unblock, 'release: Pending'],
      [isolation(), release({ status: 'Pending' })],
      late,
      ['unchanged'],
      false,
    ],
    [
      'nothing, when its isolation has just lapsed',
      [block, 'isolation: Succeeded'],
      [isolation()],
      noon + 8 * day,
      [],
      false,
    ],
    [
      'that its isolation is surely over',
      [block, 'isolation: Succeeded'],
      [isolation()],
      old,
      ['lapsed'],
      true,
    ],
    ['nothing, when that of the earlier tool is surely over', [block], [], old, [], true],
    [
      'that another isolation holds it by now',
      [block, 'isolation: Succeeded'],
      [isolation({ createdAt: noon + 9 * day })],
      old,
      ['taken up'],
      false,
    ],
    [
      'nothing, while another isolation is open by now',
      [block, 'isolation: Succeeded'],
      [isolation({ createdAt: noon + 9 * day, status: 'Pending' })],
      old,
      [],
      false,
    ],
  ])('%s', (_, tags, record, now, events, endsHold) => {
    const news = newsAt(tags, record, now);
    expect(news.events.map(({ event }) => event)).toEqual(events);
    expect(news.endsHold).toBe(endsHold);
    expect(news.isUnclear).toBe(false);
    expect(news.holds).toBe(
      events.includes('taken up') || record.some((each) => each.requestorComment === ownComment),
    );
  });
});

it('a list of many machines does not take a status tag off: the own record of the machine must tell', () => {
  const news = newsAt(['isolation: Pending'], [], noon, false);
  expect(news).toMatchObject({ events: [], endsHold: false, isUnclear: true });
});

it('another machine’s action is nothing of this host, unless the host’s own', () => {
  const elsewhere = isolation({ machineId: otherId });
  const events = (record: MachineAction[]) =>
    newsAt([block, 'isolation: Pending'], record, noon + 2 * hour).events.map(({ event }) => event);
  expect(events([elsewhere])).toEqual(['action unknown to Defender']);
  expect(events([{ ...elsewhere, ...mine }])).toEqual(['action moved on']);
});

it('an action of an earlier time is followed once the newest could be listed', () => {
  const tags = [block, 'Manual block:2026-11-24 12:05', 'isolation: Pending'];
  const events = (record: MachineAction[], now: number) =>
    newsAt(tags, record, now).events.map(({ event }) => event);
  expect(events([isolation()], noon + 2 * hour)).toEqual(['action moved on']);
  expect(events([isolation()], noon + 10 * minute)).toEqual(['unchanged']);
});

it('names the release that ended the hold', () => {
  const action = release(later);
  expect(newsAt([block, 'isolation: Succeeded'], [isolation(), action], noon + 2 * hour).release).toBe(
    action,
  );
});

it.each<[string, string[], number, number, boolean]>([
  ['ten days', [block], 7 * day, noon + 10 * day, true],
  ['a moment less', [block], 7 * day, noon + 10 * day - 1, false],
  ['no time', [], 7 * day, noon + 99 * day, false],
  ['where Defender lifts nothing', [block], 0, noon + 99 * day, false],
])('an isolation is surely over by its age: %s', (_, tags, endsAfterMs, now, isOver) => {
  expect(isOverByAge(buildTags(tags, now), endsAfterMs, now)).toBe(isOver);
});
