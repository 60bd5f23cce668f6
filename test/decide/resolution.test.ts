import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/atp/machine.ts';
import type { Evidence } from '../../src/decide/match.ts';
import {
  contextTags,
  machineIdOf,
  nameOf,
  noteFacts,
  summariseAlerts,
  type Resolution,
} from '../../src/decide/resolution.ts';
import { buildMachine, day, machineId, noon, otherId } from './samples.ts';

function found(evidence: Evidence = 'confirmed', because = 'name laptop-7 (dhcp)') {
  return {
    kind: 'machine',
    machine: buildMachine(),
    evidence,
    how: 'by address 10.1.2.3, confirmed',
    because,
    claim: 'x',
  } as const satisfies Resolution;
}
const gone: Resolution = { kind: 'gone', machineId: otherId };
const none: Resolution = { kind: 'none', why: 'Defender knows no onboarded machine at 10.1.2.3' };
const several: Resolution = {
  kind: 'ambiguous',
  machines: [buildMachine(), buildMachine({ id: otherId, computerDnsName: '' })],
  why: 'x',
};
const portal = { url: 'https://security.microsoft.com', tenantId: 'contoso.example' };

it('names the machine that a request would act on', () => {
  expect([found(), gone, none, several].map(machineIdOf)).toEqual([machineId, otherId, undefined, undefined]);
});

it.each([
  ['laptop-7', 'laptop-7'],
  ['', machineId],
  [undefined, machineId],
  [' \u0007', machineId],
  ['\u001b[31mred', 'red'],
  ['n'.repeat(201), `${'n'.repeat(199)}…`],
])('calls the machine named %j %j', (computerDnsName, name) => {
  expect(nameOf(buildMachine({ computerDnsName }))).toBe(name);
});

describe('the machine tags of a host', () => {
  const set = [
    'computerDnsName: laptop-7.contoso.example',
    'osPlatform: Windows11',
    'healthStatus: Active',
    'riskScore: High',
    'exposureLevel: Low',
    `id: ${machineId}`,
  ];
  const noMachine = ['ATP_NoAgent_Or_SensorInactive'];
  const severalMachines = ['ATP_MultipleSensors_SameIP'];

  it.each<[string, Resolution, string[] | undefined]>([
    ['confirmed', found(), set],
    ['found by address only', found('ip only'), set],
    ['found by address, its name another', found('conflict'), set],
    ['found by id', found('by id'), set],
    ['no machine', none, noMachine],
    ['several machines', several, severalMachines],
    ['a record that is gone', gone, undefined],
  ])('follow from what was found: %s', (_, resolution, tags) => {
    expect(contextTags(resolution, false, false)).toEqual(tags);
    expect(contextTags(resolution, false, true)).toEqual(tags);
  });

  // The id: of another machine would steer the release of a held host to it.
  it.each<[string, Resolution, string[] | undefined]>([
    ['confirmed', found(), set],
    ['found by id', found('by id'), set],
    ['found by address only', found('ip only'), undefined],
    ['found by address, its name another', found('conflict'), undefined],
    ['no machine', none, undefined],
    ['several machines', several, undefined],
    ['a record that is gone', gone, undefined],
  ])(
    'of a host that is held by its address only stay unless the machine is sure: %s',
    (_, resolution, tags) => {
      expect(contextTags(resolution, true, false)).toEqual(tags);
    },
  );

  it('of such a host are written when an action is about to be asked for', () => {
    expect(contextTags(found('ip only'), true, true)).toEqual(set);
    expect(contextTags(gone, true, true)).toBeUndefined();
  });
});

describe('the facts for the note', () => {
  const alerts = { total: 3, open: 1, highest: 'High' };

  it('are the machine, how it was matched, its alerts and its page', () => {
    expect(noteFacts(found(), alerts, portal)).toEqual({
      machine: `\`laptop-7.contoso.example\`, id ${machineId}, platform \`Windows11\`, health \`Active\`, risk \`High\`, exposure \`Low\``,
      matched: 'by address 10.1.2.3, confirmed: `name laptop-7 (dhcp)`',
      alerts: '3 in the last 30 days, 1 open, highest open severity `High`',
      portal: `https://security.microsoft.com/machines/v2/${machineId}?tid=contoso.example`,
    });
  });

  it('say what is unknown', () => {
    const silent = buildMachine({
      computerDnsName: undefined,
      osPlatform: undefined,
      healthStatus: '',
      riskScore: undefined,
      exposureLevel: undefined,
    });
    const facts = noteFacts({ ...found(), machine: silent }, 'unknown', portal);

    expect(facts.machine).toBe(
      `\`${machineId}\`, id ${machineId}, platform unknown, health unknown, risk unknown, exposure unknown`,
    );
    expect(facts.alerts).toBe('unknown');
    expect(noteFacts(found(), undefined, portal).alerts).toBe('unknown');
  });

  it.each([
    [{ total: 0, open: 0, highest: undefined }, '0 in the last 30 days, 0 open'],
    [{ total: 2, open: 0, highest: undefined }, '2 in the last 30 days, 0 open'],
    [
      { total: 2, open: 1, highest: undefined },
      '2 in the last 30 days, 1 open, highest open severity unknown',
    ],
  ])('count the alerts: %j', (summary, words) => {
    expect(noteFacts(found(), summary, portal).alerts).toBe(words);
  });

  it('cannot be made links or lines by what the services say', () => {
    const evil = buildMachine({
      computerDnsName: '[x](https://evil.example)\n# `y`',
      osPlatform: 'p'.repeat(61),
    });
    const facts = noteFacts(
      { ...found('confirmed', 'name [a](b) <i>|*`\\\n# c'), machine: evil },
      { total: 1, open: 1, highest: 'High`\n' },
      { ...portal, tenantId: 'a b&c' },
    );

    expect(facts).toEqual({
      machine: `\`[x](https://evil.example) # 'y'\`, id ${machineId}, platform \`${'p'.repeat(59)}…\`, health \`Active\`, risk \`High\`, exposure \`Low\``,
      matched: "by address 10.1.2.3, confirmed: `name [a](b) <i>|*'\\ # c`",
      alerts: "1 in the last 30 days, 1 open, highest open severity `High'`",
      portal: `https://security.microsoft.com/machines/v2/${machineId}?tid=a%20b%26c`,
    });
    expect(noteFacts(found('confirmed', 'h'.repeat(401)), alerts, portal).matched).toBe(
      `by address 10.1.2.3, confirmed: \`${'h'.repeat(399)}…\``,
    );
  });

  it('say why there is no machine, or not one', () => {
    expect(noteFacts(none, undefined, portal)).toEqual({
      machine: 'none found: Defender knows no onboarded machine at 10.1.2.3',
      alerts: 'unknown',
    });
    expect(noteFacts(several, undefined, portal)).toEqual({
      machine: `not one, but 2: \`laptop-7.contoso.example\` (id ${machineId}), \`${otherId}\` (id ${otherId})`,
      alerts: 'unknown',
    });
    expect(noteFacts(gone, undefined, portal)).toEqual({
      machine: `Defender no longer has the record of machine id ${otherId}`,
      alerts: 'unknown',
    });
  });

  it('name ten of many machines', () => {
    const machines = Array.from({ length: 12 }, (_, at) => buildMachine({ computerDnsName: `pc-${at}` }));
    const { machine } = noteFacts({ kind: 'ambiguous', machines, why: 'x' }, undefined, portal);

    expect(machine).toMatch(/^not one, but 12: `pc-0` /u);
    expect(machine).toContain('`pc-9`');
    expect(machine).not.toContain('`pc-10`');
  });
});

describe('alerts in numbers', () => {
  const now = noon;
  function alert(fields: Partial<Alert> = {}): Alert {
    return { severity: 'Low', status: 'New', createdAt: noon - day, machineId, ...fields };
  }

  it.each<[string, Alert[], object]>([
    ['none', [], { total: 0, open: 0, highest: undefined }],
    ['one', [alert()], { total: 1, open: 1, highest: 'Low' }],
    [
      'resolved ones are not open and lend no severity',
      [alert(), alert({ status: 'Resolved', severity: 'High' }), alert({ status: 'resolved' })],
      { total: 3, open: 1, highest: 'Low' },
    ],
    [
      'every other state is open, even an unknown one',
      [alert({ status: 'InProgress' }), alert({ status: undefined }), alert({ status: 'Unknown' })],
      { total: 3, open: 3, highest: 'Low' },
    ],
    [
      'thirty days old to the instant counts',
      [alert({ createdAt: noon - 30 * day })],
      { total: 1, open: 1, highest: 'Low' },
    ],
    [
      'older does not',
      [alert({ createdAt: noon - 30 * day - 1, severity: 'High' }), alert()],
      { total: 1, open: 1, highest: 'Low' },
    ],
    ['without a time it counts', [alert({ createdAt: undefined })], { total: 1, open: 1, highest: 'Low' }],
    [
      'a severity nobody knows is the lowest',
      [alert({ severity: 'Apocalyptic' }), alert({ severity: 'Informational' })],
      { total: 2, open: 2, highest: 'Informational' },
    ],
    [
      'a severity nobody knows is said alone',
      [alert({ severity: 'Apocalyptic' })],
      { total: 1, open: 1, highest: 'Apocalyptic' },
    ],
    [
      'a missing severity is unknown',
      [alert({ severity: undefined })],
      { total: 1, open: 1, highest: undefined },
    ],
  ])('%s', (_, alerts, summary) => {
    expect(summariseAlerts(alerts, now)).toEqual(summary);
  });

  const order = ['High', 'medium', 'Low', 'Informational', 'UnSpecified'];
  it.each(order.slice(1).map((lower, at) => [order[at], lower] as const))(
    '%s is higher than %s',
    (higher, lower) => {
      const alerts = [alert({ severity: lower }), alert({ severity: higher }), alert({ severity: lower })];

      expect(summariseAlerts(alerts, now).highest).toBe(higher);
    },
  );
});
