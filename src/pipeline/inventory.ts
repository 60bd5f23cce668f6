import type { AtpClient, Caller } from '../atp/client.ts';
import type { Addresses, Alert, Machine } from '../atp/machine.ts';
import { chooseMachine, macsOfSeveral, weigher, type Finding } from '../decide/match.ts';
import { keysOfHost, keysOfMachine } from '../decide/names.ts';
import type { Host } from '../detect/host.ts';
import { ApiError, PostponedError } from '../errors.ts';

/**
 * What Defender's inventory and alerts, read in bulk, say of some hosts, for the enrichment of a large run; nothing is
 * isolated by it.
 */
export interface Inventory {
  /** The one live machine that holds the host's address, when it is confirmed to be the host. */
  confirmed(host: Host): { machine: Machine; finding: Finding } | undefined;
  /** Some machine of the inventory would be confirmed to be the host, wherever it is. */
  mayConfirm(host: Host): boolean;
  /** The machine's alerts; nothing when the list could not be read, so that the machine is asked for by itself. */
  alertsOf(machineId: string): Alert[] | 'unknown' | undefined;
}

const wholeRun: Caller = { host: undefined, priority: 'enrichment' };

const alertWindowMs = 30 * 86_400_000;

/** A page of 10,000 records has taken half a second of processor time (`npm run bench`); for fewer hosts, it is not worth that. */
const hostsForPage = 4;

/**
 * Reads the inventory page by page and keeps of it the machines that could be one of the hosts; nothing when it turns out
 * to be too large for so few hosts.
 */
export async function readInventory(
  atp: AtpClient,
  hosts: readonly Host[],
  now: number,
): Promise<Inventory | undefined> {
  const [machines, alerts] = await Promise.all([readMachines(atp, hosts), readAlerts(atp, now)]);
  if (machines === undefined) return undefined;
  const sharedMacs = macsOfSeveral([...machines.byKey.values()].flat());
  return {
    confirmed(host) {
      const address = host.lastSource ?? '';
      const holders = machines.byAddress.get(address) ?? [];
      if (machines.unclear.has(address) || isTooMany(holders) || isCommon(host, machines)) return undefined;
      if (holders.filter(isLive).length !== 1) return undefined;
      // Records that are not live hold the address as well, and make no difference only where the choice makes none.
      const match = chooseMachine(host, holders, { sharedMacs });
      const isSure = match.kind === 'one' && match.finding.evidence === 'confirmed' && isLive(match.machine);
      return isSure ? { machine: match.machine, finding: match.finding } : undefined;
    },
    mayConfirm(host) {
      if (machines.hasUnusable || isCommon(host, machines)) return true;
      const weigh = weigher(host, sharedMacs);
      const isConfirmed = (machine: Machine) => weigh(machine).evidence === 'confirmed';
      return keysOfHost(host).some((key) => machines.byKey.get(key)?.some(isConfirmed));
    },
    alertsOf: (machineId) => (alerts instanceof Map ? (alerts.get(machineId) ?? []) : alerts),
  };
}

/** Machines by what they have in common with one of the hosts. */
interface Machines {
  byAddress: Map<string, Machine[]>;
  byKey: Map<string, Machine[]>;
  /** Some records could not be read. */
  hasUnusable: boolean;
  /** Addresses of such records, which could make the only machine of two. */
  unclear: Set<string>;
}

/** More machines than this in one place, or of one name, are not compared with each host there: it is asked for by itself. */
const mostAlike = 1_000;

function isTooMany(machines: readonly Machine[]): boolean {
  return machines.length > mostAlike;
}

/** Tells whether too many machines have a name or a MAC address of the host. */
function isCommon(host: Host, { byKey }: Machines): boolean {
  return keysOfHost(host).some((key) => isTooMany(byKey.get(key) ?? []));
}

function keep(machines: Machine[] | undefined, machine: Machine): void {
  if (machines && !isTooMany(machines)) machines.push(machine);
}

async function readMachines(atp: AtpClient, hosts: readonly Host[]): Promise<Machines | undefined> {
  const byAddress = new Map<string, Machine[]>();
  const byKey = new Map<string, Machine[]>();
  for (const host of hosts) {
    if (host.lastSource !== undefined) byAddress.set(host.lastSource, []);
    for (const key of keysOfHost(host)) byKey.set(key, []);
  }
  let hasUnusable = false;
  const unclear = new Set<string>();
  let pagesLeft = Math.floor(hosts.length / hostsForPage);
  const seen = new Set<string>();
  if (pagesLeft === 0) return undefined;
  for await (const page of atp.listMachines(wholeRun)) {
    for (const machine of page.machines) {
      if (seen.has(machine.id)) continue;
      seen.add(machine.id);
      for (const address of addressesOf(machine)) keep(byAddress.get(address), machine);
      const macs = (machine.ipAddresses ?? []).map(({ macAddress }) => macAddress);
      for (const key of new Set(keysOfMachine(machine.computerDnsName ?? '', macs)))
        keep(byKey.get(key), machine);
    }
    hasUnusable ||= page.unusable.length > 0;
    for (const record of page.unusable) for (const address of addressesOf(record)) unclear.add(address);
    pagesLeft -= 1;
    if (pagesLeft === 0 && !page.isLast) return undefined;
  }
  return { byAddress, byKey, hasUnusable, unclear };
}

function isLive(machine: Machine): boolean {
  return (
    machine.onboardingStatus?.toLowerCase() === 'onboarded' &&
    machine.healthStatus?.toLowerCase() !== 'inactive' &&
    machine.mergedIntoMachineId === undefined &&
    !machine.isExcluded
  );
}

function addressesOf({ lastIpAddress, ipAddresses = [] }: Addresses): Set<string> {
  const interfaces = ipAddresses.map(({ ipAddress }) => ipAddress);
  return new Set([lastIpAddress, ...interfaces].flatMap((address) => address || []));
}

async function readAlerts(
  atp: AtpClient,
  now: number,
): Promise<Map<string, Alert[]> | 'unknown' | undefined> {
  const alerts = await atp.listAlertsSince(now - alertWindowMs, wholeRun).catch((error: unknown) => {
    // Asked for by itself, each machine's alerts are another quota.
    if (error instanceof ApiError || error instanceof PostponedError) return undefined;
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
