import { createHash } from 'node:crypto';
import type { SimAction } from './actions.ts';
import type { SimAlert, SimMachine } from './machines.ts';

/** A time as Defender prints it: seven digits of a second, UTC. */
export function ticks(at: number): string {
  return new Date(at).toISOString().replace('Z', '0000Z');
}

/** A machine as Defender's API shows it, all recorded properties included. */
export function machineRecord(machine: SimMachine): Record<string, unknown> {
  return {
    id: machine.id,
    mergedIntoMachineId: machine.mergedIntoMachineId,
    isPotentialDuplication: false,
    isExcluded: machine.isExcluded,
    exclusionReason: null,
    computerDnsName: machine.computerDnsName,
    firstSeen: ticks(machine.lastSeen - 90 * 86_400_000),
    lastSeen: ticks(machine.lastSeen),
    osPlatform: machine.osPlatform,
    osVersion: null,
    osProcessor: 'x64',
    version: '22H2',
    lastIpAddress: machine.lastIpAddress,
    lastExternalIpAddress: '203.0.113.234',
    agentVersion: '10.8790.19045.5608',
    osBuild: 19_045,
    healthStatus: machine.healthStatus,
    deviceValue: 'Normal',
    rbacGroupId: 0,
    rbacGroupName: null,
    riskScore: machine.riskScore,
    exposureLevel: machine.exposureLevel,
    isAadJoined: true,
    aadDeviceId: guid(machine.id),
    machineTags: machine.machineTags,
    onboardingStatus: machine.onboardingStatus,
    osArchitecture: '64-bit',
    managedBy: 'Intune',
    managedByStatus: 'Unknown',
    ipAddresses: machine.ipAddresses.map((address) => ({
      type: 'Ethernet',
      operationalStatus: 'Up',
      ...address,
    })),
    vmMetadata: null,
    ...machine.overrides,
  };
}

/** A machine action as Defender's API shows it. */
export function actionRecord(action: SimAction): Record<string, unknown> {
  return {
    id: action.id,
    type: action.type,
    title: null,
    requestor: action.requestor,
    requestorComment: action.requestorComment,
    status: action.status,
    machineId: action.machineId,
    computerDnsName: action.computerDnsName,
    creationDateTimeUtc: ticks(action.createdAt),
    lastUpdateDateTimeUtc: ticks(action.updatedAt),
    cancellationRequestor: action.cancelledBy,
    cancellationComment: action.cancellationComment,
    cancellationDateTimeUtc: action.cancelledBy === null ? null : ticks(action.updatedAt),
    errorHResult: action.errorHResult,
    scope: action.scope,
    externalId: null,
    requestSource: action.requestSource,
    relatedFileInfo: null,
    commands: [],
    troubleshootInfo: null,
    ...action.overrides,
  };
}

/** An alert as Defender's API shows it. */
export function alertRecord(
  alert: SimAlert,
  machines: ReadonlyMap<string, SimMachine>,
): Record<string, unknown> {
  const machine = alert.machineId === null ? undefined : machines.get(alert.machineId);
  return {
    id: alert.id,
    incidentId: 14,
    investigationId: null,
    assignedTo: null,
    severity: alert.severity,
    status: alert.status,
    classification: null,
    determination: null,
    investigationState: 'UnsupportedAlertType',
    detectionSource: 'WindowsDefenderAtp',
    detectorId: guid(alert.id),
    category: alert.category,
    threatFamilyName: null,
    title: alert.title,
    description: alert.title,
    alertCreationTime: ticks(alert.createdAt),
    firstEventTime: ticks(alert.createdAt - 60_000),
    lastEventTime: ticks(alert.createdAt),
    lastUpdateTime: ticks(alert.createdAt),
    resolvedTime: alert.status === 'Resolved' ? ticks(alert.createdAt) : null,
    machineId: alert.machineId,
    computerDnsName: machine?.computerDnsName ?? null,
    aadTenantId: guid('tenant'),
    relatedUser: null,
    comments: [],
    evidence: [],
    ...alert.overrides,
  };
}

/** A GUID that depends on the text alone. */
export function guid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
