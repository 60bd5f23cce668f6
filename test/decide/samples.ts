import fc from 'fast-check';
import type { Machine, MachineAction } from '../../src/atp/schema.ts';
import type { Owner } from '../../src/decide/comment.ts';
import type { Artifact, Host } from '../../src/detect/schema.ts';

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

/** Text of any characters, halves of surrogate pairs included; fast-check's own takes a second to begin. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const character = fc
    .oneof(fc.nat({ max: 0x7f }), fc.nat({ max: 0x2fff }), fc.nat({ max: 0x10ffff }))
    .map((point) => String.fromCodePoint(point));
  return fc.array(character, { maxLength }).map((characters) => characters.join(''));
}
