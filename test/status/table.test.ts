import { expect, it } from 'vitest';
import { statusTable } from '../../src/status/table.ts';
import type { StatusHost } from '../../src/status/rows.ts';
import { machineId } from '../decide/samples.ts';

const bob: StatusHost = {
  id: 1005,
  name: 'WS-BOB',
  machine: { id: machineId, computerDnsName: 'ws-bob.contoso.example' },
  tag: 'isolation: Succeeded',
  defender: 'isolated',
  since: '2026-11-24T12:05:00.000Z',
  until: '2026-12-01T12:05:00.000Z',
  by: 'atp for tag block',
  waiting:
    'release for tag unblock: another host asks the opposite of its machine; a person has to take one of the tags off',
  agrees: false,
};

it('a table reads at 80 columns', () => {
  const nameless: StatusHost = {
    ...bob,
    id: 7,
    name: null,
    machine: null,
    tag: null,
    defender: 'unknown',
    since: null,
    until: null,
    by: null,
    waiting: null,
    agrees: null,
  };
  const long: StatusHost = {
    ...bob,
    id: 8,
    name: `a${'-very'.repeat(20)}-long-name\u001b[31m`,
    waiting: null,
    agrees: true,
  };
  const machine = {
    id: machineId,
    computerDnsName: 'db-2',
    defender: 'release InProgress',
    since: '2026-11-24T12:05:00.000Z',
    until: null,
    by: 'ann@contoso.com',
  } as const;

  const text = statusTable({ schema: 1, exitCode: 1, hosts: [bob, nameless, long], machines: [machine] });

  expect(text).toBe(`HOST                               TAG                    DEFENDER (times: UTC)
WS-BOB (1005)                      isolation: Succeeded   isolated
  machine ws-bob.contoso.example, since 2026-11-24 12:05, until 2026-12-01
  12:05, by atp for tag block
  tag and Defender disagree
  waits: release for tag unblock: another host asks the opposite of its machine;
  a person has to take one of the tags off
host 7                             -                      unknown
  no machine is named
a-very-very-very-very-very-ve… (8) isolation: Succeeded   isolated
  machine ws-bob.contoso.example, since 2026-11-24 12:05, until 2026-12-01
  12:05, by atp for tag block
MACHINE WITHOUT A HOST                                    DEFENDER (times: UTC)
db-2                                                      release InProgress
  id ${machineId}, since 2026-11-24 12:05, by
  ann@contoso.com
`);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('says when there is nothing to say', () => {
  expect(statusTable({ schema: 1, exitCode: 0, hosts: [], machines: [] })).toBe(
    'nothing is isolated and nothing waits\n',
  );
});
