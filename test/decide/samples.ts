import fc from 'fast-check';
import type { Machine, MachineAction } from '../../src/atp/machine.ts';
import type { Judged } from '../../src/decide/answer.ts';
import { caseOf, type Case } from '../../src/decide/case.ts';
import type { NeverRules } from '../../src/decide/guard.ts';
import type { RequestKind } from '../../src/decide/kinds.ts';
import type { Evidence } from '../../src/decide/match.ts';
import type { Rules } from '../../src/decide/plan.ts';
import type { Resolution } from '../../src/decide/resolution.ts';
import type { Owner } from '../../src/decide/comment.ts';
import type { Told } from '../../src/decide/machine-state.ts';
import { readTags, type TagState } from '../../src/decide/tags.ts';
import type { Artifact, Host } from '../../src/detect/host.ts';

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;
/** 2026-11-24 12:00 UTC. */
export const noon = Date.UTC(2026, 10, 24, 12);

export const owner: Owner = { brain: 'brain.contoso.example', hostId: 472 };
export const machineId = '0e23b8b23abcdefabcdef6f877b45d19c04a522d';
export const otherId = '2a94aaf80aa31094790ce40da6fdfc03a9a145c5';

/** The comment of an action that this program asked for on behalf of host 472. */
export const ownComment =
  'atp isolate; brain brain.contoso.example; host 472; tag block; 2026-11-24T12:00:00Z; laptop-7';

/** A host that Detect knows by its address alone: `IP-…`, without artifacts. */
export function buildHost(fields: Partial<Host> = {}): Host {
  return {
    id: 472,
    name: 'IP-10.1.2.3',
    state: 'active',
    threat: 80,
    certainty: 90,
    lastSource: '10.1.2.3',
    ip: '10.1.2.3',
    lastSeen: '2026-11-24T11:50:00Z',
    tags: [],
    groups: [],
    artifacts: [],
    ...fields,
  };
}

/** Artifacts written as `type value`. */
export function artifacts(...lines: string[]): Artifact[] {
  return lines.map((line) => {
    const at = line.indexOf(' ');
    return { type: line.slice(0, at), value: line.slice(at + 1) };
  });
}

/** An onboarded, active Windows client called laptop-7, at the address of the host above. */
export function buildMachine(fields: Partial<Machine> = {}): Machine {
  return {
    id: machineId,
    computerDnsName: 'laptop-7.contoso.example',
    osPlatform: 'Windows11',
    healthStatus: 'Active',
    riskScore: 'High',
    exposureLevel: 'Low',
    lastSeen: noon - hour,
    lastIpAddress: '10.1.2.3',
    onboardingStatus: 'Onboarded',
    mergedIntoMachineId: undefined,
    isExcluded: false,
    machineTags: [],
    ipAddresses: [{ ipAddress: '10.1.2.3', macAddress: '005056AB1234' }],
    ...fields,
  };
}

/** An isolation that an analyst asked for in the portal at noon and that Succeeded at once. */
export function buildAction(fields: Partial<MachineAction> = {}): MachineAction {
  const createdAt = 'createdAt' in fields ? fields.createdAt : noon;
  return {
    id: 'action-1',
    type: 'Isolate',
    status: 'Succeeded',
    machineId,
    requestor: 'analyst@contoso.example',
    requestorComment: 'by hand',
    cancellationComment: undefined,
    createdAt,
    updatedAt: createdAt,
    ...fields,
  };
}

/** The same isolation under a name of its own. */
export function buildIsolation(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'isolation', ...fields });
}

/** A release that an analyst asked for in the portal at noon and that Succeeded at once. */
export function buildRelease(fields: Partial<MachineAction> = {}): MachineAction {
  return buildAction({ id: 'release', type: 'Unisolate', ...fields });
}

/** The comment of a release, or of a cancellation for one, on behalf of host 472. */
export const ownReleaseComment = ownComment.replace('isolate', 'release').replace('tag block', 'tag unblock');

/** Nobody tells anything of the machine beside Defender's record. */
export const nothingTold: Told = {
  held: false,
  block: undefined,
  openRelease: undefined,
  unanswered: undefined,
};

/** The own tags of a host as they are read five minutes past noon. */
export function buildTags(tags: readonly string[], now = noon + 5 * minute): TagState {
  return readTags(tags, now);
}

/** A host that no run has touched before, five minutes past noon. */
export function buildJudged(fields: Partial<Judged> = {}): Judged {
  return {
    owner,
    tags: buildTags([]),
    told: nothingTold,
    toldEnds: [],
    isNamedOnly: false,
    endsAfterMs: 7 * day,
    now: noon + 5 * minute,
    ...fields,
  };
}

export const noRules: NeverRules = {
  names: [],
  ips: [],
  tags: [],
  groups: [],
  osPlatforms: [],
  machineTags: [],
};
export const rules: Rules = {
  brain: owner.brain,
  match: 'no-conflict',
  never: noRules,
  maxPerRun: 50,
  endsAfterMs: 7 * day,
};

/** A machine found at the address of the host. */
export function buildFound(evidence: Evidence = 'confirmed', id = machineId): Resolution {
  const machine = buildMachine({ id });
  return { kind: 'machine', machine, evidence, how: 'found', because: 'because', claim: 'A is B' };
}

/** A host that asks for something, its machine found, nothing recorded of it. */
export function buildCase(asks: readonly RequestKind[], fields: Partial<Case> = {}, id = 472): Case {
  const host = buildHost({ id });
  return { ...caseOf(host, ['block'], asks), found: buildFound(), machineIds: [machineId], ...fields };
}

/** Six states that Defender documents, and two words that it does not. */
export const statusWords = [
  'Pending',
  'InProgress',
  'Succeeded',
  'Failed',
  'TimeOut',
  'Cancelled',
  'Queued',
  '',
];

/** Any record of one machine, each action at a time of its own and by whoever it may be. */
export function anyRecord(maxLength = 5): fc.Arbitrary<MachineAction[]> {
  const fields = fc.record({
    type: fc.constantFrom('Isolate', 'Unisolate', 'RunAntiVirusScan'),
    status: fc.constantFrom(...statusWords),
    requestorComment: fc.constantFrom(ownComment, ownReleaseComment, 'by hand'),
    cancellationComment: fc.constantFrom(undefined, ownReleaseComment, 'mistake'),
    createdAt: fc.integer({ min: -3, max: 3 }).map((n) => noon + n * 30_000),
    delay: fc.integer({ min: 0, max: 4 }).map((n) => n * 30_000),
  });
  return fc.array(fields, { maxLength }).map((list) =>
    list.map(({ delay, ...each }, at) => {
      // No two actions share an instant, so that their order in the list decides nothing.
      const createdAt = each.createdAt + at;
      return buildAction({ id: `action-${at}`, ...each, createdAt, updatedAt: createdAt + delay + at });
    }),
  );
}

/** Whatever tags and journal may tell. */
export const anyTold: fc.Arbitrary<Told> = fc.record({
  held: fc.boolean(),
  block: fc.constantFrom(undefined, noon - minute, noon, noon + minute),
  openRelease: fc.constantFrom(undefined, noon - minute, noon),
  unanswered: fc.constantFrom(
    undefined,
    { kind: 'isolate' as const, time: noon },
    { kind: 'release' as const, time: noon },
  ),
});

/** Text of any characters, halves of surrogate pairs included; fast-check's own takes a second to begin. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const character = fc
    .oneof(fc.nat({ max: 0x7f }), fc.nat({ max: 0x2fff }), fc.nat({ max: 0x10ffff }))
    .map((point) => String.fromCodePoint(point));
  return fc.array(character, { maxLength }).map((characters) => characters.join(''));
}
