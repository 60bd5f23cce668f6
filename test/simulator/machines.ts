import { createHash } from 'node:crypto';

/** A device as Defender's inventory has it, and what becomes of it. */
export interface SimMachine {
  readonly id: string;
  computerDnsName: string | null;
  osPlatform: string | null;
  healthStatus: string | null;
  riskScore: string | null;
  exposureLevel: string | null;
  /** Milliseconds UTC. */
  lastSeen: number;
  lastIpAddress: string | null;
  ipAddresses: {
    ipAddress: string | null;
    macAddress: string | null;
    type?: string;
    operationalStatus?: string;
  }[];
  onboardingStatus: string;
  mergedIntoMachineId: string | null;
  isExcluded: boolean;
  machineTags: string[];
  /** Laid over the record; an undefined value takes the property away. */
  overrides: Record<string, unknown>;
  /** Offline machines carry out nothing. */
  online: boolean;
  /** Cut off the network now: what no read of the API tells. False from `liftsAt` on, by itself. */
  isolated: boolean;
  /** When Defender lifts the isolation by itself, milliseconds UTC; undefined: never. */
  liftsAt: number | undefined;
  /** Onboarded in restricted mode: an isolation is refused, by 403 `DisallowedOperation` or by a sentence with 400. */
  restricted: false | 'code' | 'sentence';
  /** Until then (milliseconds UTC) the machine is not found by its id, neither read nor asked for an action, though it exists. */
  missingUntil: number;
  /** What an isolation and a release of this machine are answered, in place of being carried out. */
  refusal: { status: number; code: string; message: string } | undefined;
  /** An isolation of this machine is harm, to be reported. */
  protected: boolean;
  /** The record is gone (404); its actions can still be read. */
  vanished: boolean;
  /** A vanished machine's id still takes actions. */
  acceptsActions: boolean;
  /** Who had which address when, milliseconds UTC; what findbyip answers from. */
  addresses: { ip: string; from: number; to: number }[];
}

export interface SimAlert {
  readonly id: string;
  machineId: string | null;
  severity: string;
  status: string;
  title: string;
  category: string;
  /** Milliseconds UTC. */
  createdAt: number;
  /** Laid over the record; an undefined value takes the property away. */
  overrides: Record<string, unknown>;
}

export interface MachineStore {
  readonly machines: Map<string, SimMachine>;
  readonly alerts: SimAlert[];
  /** Everything left out gets a sane value: an onboarded, active Windows client that always had its `lastIpAddress`. */
  readonly addMachine: (fields?: Partial<SimMachine>) => SimMachine;
  readonly addAlert: (fields: Partial<SimAlert>) => SimAlert;
  /** The machine, vanished or not, or an error. */
  readonly machine: (id: string) => SimMachine;
  /** From now, or from `at`, the machine has this address and no other. */
  readonly moveAddress: (id: string, ip: string, at?: number) => void;
  /** The record is gone; with `acceptsActions` its id still takes actions. */
  readonly deleteMachine: (id: string, options?: { acceptsActions?: boolean }) => void;
}

/** Defender's inventory and alerts. */
export function createMachineStore(clock: { now(): number }): MachineStore {
  const machines = new Map<string, SimMachine>();
  const alerts: SimAlert[] = [];

  function machine(id: string): SimMachine {
    const found = machines.get(id);
    if (!found) throw new Error(`the simulator has no machine ${id}`);
    return found;
  }

  return {
    machines,
    alerts,
    machine,
    addMachine: (fields = {}) => {
      const n = machines.size + 1;
      const address = `10.${200 + ((n >> 16) & 31)}.${(n >> 8) & 255}.${n & 255}`;
      const lastIpAddress = fields.lastIpAddress === undefined ? address : fields.lastIpAddress;
      const { isolated = false, ...record } = fields;
      let cutOff = isolated;
      const mac = `005056${n.toString(16).padStart(6, '0')}`.toUpperCase();
      const added: SimMachine = {
        id: createHash('sha1').update(`machine ${n}`).digest('hex'),
        computerDnsName: `pc-${n}.contoso.example`,
        osPlatform: 'Windows11',
        healthStatus: 'Active',
        riskScore: 'None',
        exposureLevel: 'Low',
        lastSeen: clock.now() - 3_600_000,
        ipAddresses: [
          { ipAddress: lastIpAddress, macAddress: mac },
          { ipAddress: '127.0.0.1', macAddress: '000000000000', type: 'SoftwareLoopback' },
        ],
        onboardingStatus: 'Onboarded',
        mergedIntoMachineId: null,
        isExcluded: false,
        machineTags: [],
        overrides: {},
        online: true,
        // Nobody tells a test that holds a machine that days have passed.
        get isolated() {
          return cutOff && !(this.liftsAt !== undefined && clock.now() >= this.liftsAt);
        },
        set isolated(value) {
          cutOff = value;
        },
        liftsAt: undefined,
        restricted: false,
        missingUntil: -Infinity,
        refusal: undefined,
        protected: false,
        vanished: false,
        acceptsActions: false,
        addresses: lastIpAddress === null ? [] : [{ ip: lastIpAddress, from: -Infinity, to: Infinity }],
        lastIpAddress,
      };
      // Assigned, not spread: a spread would make a plain value of `isolated`.
      Object.assign(added, structuredClone(record), { lastIpAddress });
      machines.set(added.id, added);
      return added;
    },
    addAlert: (fields) => {
      const added: SimAlert = {
        id: `da637029414680409372_${alerts.length + 1}`,
        machineId: null,
        severity: 'Medium',
        status: 'New',
        title: 'Suspicious PowerShell command line',
        category: 'Execution',
        createdAt: clock.now() - 3_600_000,
        overrides: {},
        ...structuredClone(fields),
      };
      alerts.push(added);
      return added;
    },
    moveAddress: (id, ip, at = clock.now()) => {
      const moved = machine(id);
      for (const held of moved.addresses) held.to = Math.min(held.to, at);
      moved.addresses.push({ ip, from: at, to: Infinity });
      moved.lastIpAddress = ip;
      const [first] = moved.ipAddresses;
      if (first) first.ipAddress = ip;
    },
    deleteMachine: (id, { acceptsActions = false } = {}) => {
      Object.assign(machine(id), { vanished: true, acceptsActions });
    },
  };
}
