/** A device record in Defender, reduced to what the program uses. What the record lacks is `undefined`. */
export interface Machine {
  /** 40 hexadecimal digits, lower case. */
  id: string;
  computerDnsName: string | undefined;
  osPlatform: string | undefined;
  healthStatus: string | undefined;
  riskScore: string | undefined;
  exposureLevel: string | undefined;
  /** Milliseconds UTC of the last full report. */
  lastSeen: number | undefined;
  lastIpAddress: string | undefined;
  onboardingStatus: string | undefined;
  mergedIntoMachineId: string | undefined;
  isExcluded: boolean;
  machineTags: string[] | undefined;
  ipAddresses: NetworkInterface[] | undefined;
}

/** Where a device is, as far as its record tells. */
export type Addresses = Partial<Pick<Machine, 'lastIpAddress' | 'ipAddresses'>>;

export interface NetworkInterface {
  ipAddress: string | undefined;
  macAddress: string | undefined;
}

/** Defender's record of an isolation, a release, or another action on a machine. */
export interface MachineAction {
  id: string;
  /** `Isolate`, `Unisolate` and others. */
  type: string;
  /** `Pending`, `InProgress`, `Succeeded`, `Failed`, `TimeOut`, `Cancelled`; an open set. */
  status: string;
  machineId: string;
  /** The machine's name at that time. */
  computerDnsName?: string | undefined;
  requestor: string | undefined;
  requestorComment: string | undefined;
  cancellationComment: string | undefined;
  /** Milliseconds UTC. */
  createdAt: number | undefined;
  /** Milliseconds UTC; the creation where Defender names no later change. */
  updatedAt: number | undefined;
}

export interface Alert {
  severity: string | undefined;
  status: string | undefined;
  createdAt: number | undefined;
  machineId: string | undefined;
}
