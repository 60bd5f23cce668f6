import { describe, expect, it } from 'vitest';
import type { MachineAction } from '../../src/atp/machine.ts';
import { indexActions } from '../../src/decide/action-index.ts';
import { hostRows, machineRows, type StatusRules } from '../../src/status/rows.ts';
import {
  buildAction,
  buildHost,
  buildIsolation,
  buildRelease,
  day,
  hour,
  machineId,
  minute,
  noon,
  otherId,
  ownComment,
  owner,
} from '../decide/samples.ts';

const rules: StatusRules = {
  brain: owner.brain,
  blockTags: ['block'],
  unblockTags: ['unblock'],
  endsAfterMs: 7 * day,
  now: noon + 2 * hour,
};
const idTag = `id: ${machineId}`;
const held = [idTag, 'Manual block:2026-11-24 12:00', 'isolation: Succeeded'];

function rowsOf(
  tags: readonly string[],
  actions: readonly MachineAction[] | undefined,
  more: Partial<StatusRules> = {},
) {
  const host = buildHost({ name: 'LAPTOP-7', tags: [...tags] });
  return hostRows([host], actions && indexActions(actions, owner.brain), { ...rules, ...more });
}

describe('a host that is held', () => {
  it('is shown with who isolated its machine, since when and until when', () => {
    expect(
      rowsOf(held, [buildIsolation({ requestorComment: ownComment, computerDnsName: 'laptop-7' })]),
    ).toEqual([
      {
        id: 472,
        name: 'LAPTOP-7',
        machine: { id: machineId, computerDnsName: 'laptop-7' },
        tag: 'isolation: Succeeded',
        defender: 'isolated',
        since: '2026-11-24T12:00:00.000Z',
        until: '2026-12-01T12:00:00.000Z',
        by: 'atp for tag block',
        waiting: null,
        agrees: true,
      },
    ]);
  });

  it.each([
    ['released in the portal', [buildIsolation(), buildRelease({ createdAt: noon + hour })], 'free', false],
    ['isolated by others since', [buildIsolation({ createdAt: noon + hour })], 'isolated', true],
    ['of which the record knows nothing', [], 'free', false],
    [
      'with a release under way',
      [buildIsolation(), buildRelease({ createdAt: noon + hour, status: 'Pending' })],
      'release Pending',
      true,
    ],
    [
      'with an action in a state that nobody documents',
      [buildIsolation({ status: 'Napping' })],
      'unknown',
      null,
    ],
  ])('%s', (_, actions, defender, agreed) => {
    expect(rowsOf(held, actions)).toMatchObject([{ defender, agrees: agreed }]);
  });

  it('is not known while the record can lag', () => {
    expect(rowsOf(held, [], { now: noon + 10 * minute })).toMatchObject([
      { defender: 'unknown', agrees: null },
    ]);
  });

  it('has lapsed when the isolation is older than Defender keeps it', () => {
    expect(rowsOf(held, [buildIsolation()], { now: noon + 8 * day })).toMatchObject([
      { defender: 'lapsed', until: '2026-12-01T12:00:00.000Z', agrees: false },
    ]);
    expect(rowsOf(held, [buildIsolation()], { now: noon + 8 * day, endsAfterMs: 0 })).toMatchObject([
      { defender: 'isolated', until: null, agrees: true },
    ]);
  });

  it.each([
    ['isolation: Pending', buildIsolation(), true],
    ['isolation: Pending', buildIsolation({ status: 'Failed' }), false],
    ['release: Pending', buildRelease(), true],
    ['release: Failed', buildRelease({ status: 'Failed' }), false],
    ['release: Failed', buildIsolation(), true],
  ])('with the tag "%s"', (status, action, agreed) => {
    expect(rowsOf([idTag, 'Manual block:2026-11-24 12:00', status], [action])).toMatchObject([
      { tag: status, agrees: agreed },
    ]);
  });

  it('by a tag of the earlier tool alone is shown until its isolation is surely over', () => {
    const earlier = [idTag, 'Manual block:2026-11-24 12:00'];
    expect(rowsOf(earlier, [])).toMatchObject([{ tag: null, defender: 'free', agrees: false }]);
    expect(rowsOf(earlier, [], { now: noon + 11 * day })).toEqual([]);
    expect(
      rowsOf(earlier, [buildIsolation({ createdAt: noon + 9 * day })], { now: noon + 11 * day }),
    ).toMatchObject([{ defender: 'isolated', agrees: true }]);
  });

  it('is shown by its own action where a killed run left that on another machine', () => {
    const action = buildIsolation({
      machineId: otherId,
      createdAt: noon + hour,
      requestorComment: ownComment,
    });
    expect(rowsOf(held, [action])).toMatchObject([
      { machine: { id: otherId }, defender: 'isolated', agrees: true },
    ]);
  });

  it('is shown with its tags alone when Defender cannot be asked', () => {
    expect(rowsOf([...held, 'computerDnsName: laptop-7'], undefined)).toEqual([
      {
        id: 472,
        name: 'LAPTOP-7',
        machine: { id: machineId, computerDnsName: 'laptop-7' },
        tag: 'isolation: Succeeded',
        defender: 'unknown',
        since: null,
        until: null,
        by: null,
        waiting: null,
        agrees: null,
      },
    ]);
  });
});

describe('a host that carries a trigger', () => {
  it.each([
    ['waits for the next run', ['Block'], [], 'isolation for tag Block: the next run'],
    [
      'waits for a person when it carries both',
      ['block', 'unblock'],
      [],
      'isolation for tag block and release for tag unblock: a person has to take one of the tags off',
    ],
    [
      'waits for a person when both actions are open',
      ['unblock'],
      [buildIsolation({ status: 'Pending' }), buildRelease({ status: 'Pending', createdAt: noon + minute })],
      'release for tag unblock: an isolation and a release are open at once; a person has to cancel one of them in the portal',
    ],
  ])('%s', (_, triggers, actions, waiting) => {
    expect(rowsOf([idTag, ...triggers], actions)).toMatchObject([{ waiting }]);
  });

  it('waits for a person when another host asks the opposite of its machine', () => {
    const hosts = [
      buildHost({ id: 1, tags: [idTag, 'block'] }),
      buildHost({ id: 2, tags: [idTag, 'unblock'] }),
    ];
    const opposed = 'another host asks the opposite of its machine; a person has to take one of the tags off';
    expect(hostRows(hosts, indexActions([], owner.brain), rules)).toMatchObject([
      { id: 1, waiting: `isolation for tag block: ${opposed}` },
      { id: 2, waiting: `release for tag unblock: ${opposed}` },
    ]);
  });

  it('is not listed for it without the flag', () => {
    expect(rowsOf([idTag, 'block'], [], { blockTags: [] })).toEqual([]);
  });
});

it('a host that neither is held nor waits is not listed', () => {
  expect(
    rowsOf(
      [idTag, 'Manual block:2026-11-24 12:00', 'Manual unblock:2026-11-24 13:00', 'release: Succeeded'],
      [],
    ),
  ).toEqual([]);
});

it('machines that no host names are listed while they are isolated or have an open action', () => {
  const third = 'a'.repeat(40);
  const actions = [
    buildAction({ id: '3', machineId: third, status: 'Pending', type: 'Unisolate', createdAt: noon + hour }),
    buildAction({ id: '2', machineId: otherId, requestor: 'ann@contoso.com', computerDnsName: 'db-2' }),
    buildAction({ id: '1', machineId }),
    buildAction({ id: '0', machineId: 'b'.repeat(40), createdAt: noon - 8 * day }),
    buildAction({ id: '00', machineId: 'c'.repeat(40), status: 'Failed' }),
  ];
  expect(machineRows(indexActions(actions, owner.brain), new Set([machineId]), rules)).toEqual([
    {
      id: third,
      computerDnsName: null,
      defender: 'release Pending',
      since: '2026-11-24T13:00:00.000Z',
      until: null,
      by: 'analyst@contoso.example',
    },
    {
      id: otherId,
      computerDnsName: 'db-2',
      defender: 'isolated',
      since: '2026-11-24T12:00:00.000Z',
      until: '2026-12-01T12:00:00.000Z',
      by: 'ann@contoso.com',
    },
  ]);
});
