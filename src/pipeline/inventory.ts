import type { AtpClient } from '../atp/client.ts';
import type { Alert, Machine } from '../atp/schema.ts';
import { weigh, type Finding } from '../decide/match.ts';
import type { Host } from '../detect/schema.ts';
import { ApiError } from '../errors.ts';

/** Defender's machines and alerts, read in bulk for the enrichment of a large run; nothing is isolated by it. */
export interface Inventory {
  /** The one live machine that holds the host's address, when it is confirmed to be the host. */
  confirmed(host: Host): { machine: Machine; finding: Finding } | undefined;
  /** The machine's alerts; nothing when the list could not be read, so that the machine is asked for by itself. */
  alertsOf(machineId: string): Alert[] | 'unknown' | undefined;
}

const alertWindowMs = 30 * 86_400_000;

/** Reads the inventory page by page and keeps of it the live machines, by address. */
export async function readInventory(atp: AtpClient, now: number): Promise<Inventory> {
  const [byAddress, alerts] = await Promise.all([readMachines(atp), readAlerts(atp, now)]);
  return {
    confirmed(host) {
      const holders = byAddress.get(host.lastSource ?? '') ?? [];
      const [machine] = holders;
      if (machine === undefined || holders.length > 1) return undefined;
      const finding = weigh(host, machine);
      return finding.evidence === 'confirmed' ? { machine, finding } : undefined;
    },
    alertsOf: (machineId) => (alerts instanceof Map ? (alerts.get(machineId) ?? []) : alerts),
  };
}

async function readMachines(atp: AtpClient): Promise<Map<string, Machine[]>> {
  const byAddress = new Map<string, Machine[]>();
  const seen = new Set<string>();
  for (let skip: number | undefined = 0; skip !== undefined;) {
    const page: Awaited<ReturnType<typeof atp.listMachines>> = await atp.listMachines(skip);
    const before = seen.size;
    for (const machine of page.machines) {
      if (seen.has(machine.id)) continue;
      seen.add(machine.id);
      if (!isLive(machine)) continue;
      for (const address of addressesOf(machine)) {
        const holders = byAddress.get(address);
        if (holders) holders.push(machine);
        else byAddress.set(address, [machine]);
      }
    }
    skip = seen.size > before ? page.next : undefined;
  }
  return byAddress;
}

function isLive(machine: Machine): boolean {
  return (
    machine.onboardingStatus?.toLowerCase() === 'onboarded' &&
    machine.healthStatus?.toLowerCase() !== 'inactive' &&
    machine.mergedIntoMachineId === undefined &&
    !machine.isExcluded
  );
}

function addressesOf(machine: Machine): Set<string> {
  const interfaces = (machine.ipAddresses ?? []).map(({ ipAddress }) => ipAddress);
  return new Set([machine.lastIpAddress, ...interfaces].flatMap((address) => address || []));
}

async function readAlerts(
  atp: AtpClient,
  now: number,
): Promise<Map<string, Alert[]> | 'unknown' | undefined> {
  const alerts = await atp.listAlertsSince(now - alertWindowMs).catch((error: unknown) => {
    if (error instanceof ApiError) return undefined;
    throw error;
  });
  if (alerts === undefined || alerts === 'unknown') return alerts;
  const byMachine = new Map<string, Alert[]>();
  for (const alert of alerts) {
    if (alert.machineId === undefined) continue;
    const known = byMachine.get(alert.machineId);
    if (known) known.push(alert);
    else byMachine.set(alert.machineId, [alert]);
  }
  return byMachine;
}
