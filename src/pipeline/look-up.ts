import { isIP } from 'node:net';
import type { AtpClient, Caller } from '../atp/client.ts';
import type { Machine } from '../atp/machine.ts';
import type { RecordRead } from '../decide/case.ts';
import { chooseMachine, type Finding, type Match } from '../decide/match.ts';
import { nameOf, type Resolution } from '../decide/resolution.ts';
import { minuteText } from '../decide/tags.ts';
import type { DetectClient } from '../detect/client.ts';
import type { Host } from '../detect/host.ts';
import { ApiError } from '../errors.ts';
import type { Inventory } from './inventory.ts';

const minuteMs = 60_000;
/** findbyip knows the past 30 days (MicrosoftDocs/defender-docs, find-machines-by-ip). */
const addressMemoryMs = 30 * 86_400_000;
/** Sensors report late; a host seen more recently than this may be known only a little earlier. */
const lateReportMs = 60 * minuteMs;
const earlierMs = 30 * minuteMs;
const longestMergeChain = 5;

/** A machine that was looked for, and the ids under which Defender keeps its actions. */
export interface Found {
  resolution: Resolution;
  machineIds: readonly string[];
}

/** What looking for machines works with. */
export interface LookUp {
  detect: DetectClient;
  atp: AtpClient;
  caller: Caller;
  now: number;
  /** Set for the enrichment of a large run only. */
  inventory?: Inventory | undefined;
}

/** Finds a machine by its id; a record merged into another leads to its heir. */
export async function findById(id: string, { atp, caller }: LookUp): Promise<Found> {
  const machineIds = [id];
  let machine = await atp.getMachine(id, caller);
  while (machine?.mergedIntoMachineId !== undefined && machineIds.length <= longestMergeChain) {
    const heir: string = machine.mergedIntoMachineId;
    if (machineIds.includes(heir)) break;
    machineIds.push(heir);
    machine = await atp.getMachine(heir, caller);
  }
  if (!machine) return { resolution: { kind: 'gone', machineId: machineIds.at(-1) ?? id }, machineIds };
  const name = nameOf(machine);
  const claim = `the id: tag of the host names ${name} (${machine.id})`;
  return {
    resolution: {
      kind: 'machine',
      machine,
      evidence: 'by id',
      how: 'by the id: tag of the host',
      because: name,
      claim,
    },
    machineIds,
  };
}

/** Finds the machine that had the host's address when Detect saw it last. */
export async function findByAddress(listed: Host, lookUp: LookUp): Promise<Found & { host: Host }> {
  const { atp, caller, now, inventory } = lookUp;
  const host = await completed(listed, lookUp);
  const { lastSource: ip, lastSeen } = host;
  const none = (why: string) => ({ host, resolution: { kind: 'none', why } as const, machineIds: [] });

  if (ip === undefined || isIP(ip) === 0) return none('Detect gives no usable last_source for the host');
  const at = lastSeen === undefined ? NaN : Date.parse(lastSeen);
  if (Number.isNaN(at)) return none('Detect does not say when the host was last seen');
  const stale = `stale: the host was last seen more than 30 days ago, and Defender remembers addresses for 30 days`;
  if (now - at > addressMemoryMs) return none(stale);

  const inBulk = inventory?.confirmed(host);
  if (inBulk) {
    const resolution = describe({ kind: 'one', ...inBulk }, ip, at);
    return { host, resolution, machineIds: [inBulk.machine.id] };
  }
  const found = await atp.findByIp(ip, at, caller);
  if (found === 'stale') return none(stale);
  // A machine of an earlier time must be confirmed, so that nobody looks for one that is not there.
  const mayBeLate = now - at < lateReportMs && (inventory?.mayConfirm(host) ?? true);
  const isEarlier = found.length === 0 && mayBeLate;
  const earlier = isEarlier ? await atp.findByIp(ip, at - earlierMs, caller) : found;
  const candidates = earlier === 'stale' ? [] : earlier;
  return { host, ...choose(host, candidates, { confirmedOnly: isEarlier, sharedMacs: new Set() }, ip, at) };
}

/** Chooses among the machines at the host's address. */
function choose(
  host: Host,
  found: readonly Machine[],
  how: { confirmedOnly: boolean; sharedMacs: ReadonlySet<string> },
  ip: string,
  at: number,
): Found {
  const resolution = describe(chooseMachine(host, found, how), ip, at);
  if (resolution.kind !== 'machine') return { resolution, machineIds: [] };
  const { id } = resolution.machine;
  const merged = found.filter(({ mergedIntoMachineId }) => mergedIntoMachineId === id).map((each) => each.id);
  return { resolution: { ...resolution, choice: { found, ...how } }, machineIds: [id, ...merged] };
}

/** Chooses once more among the machines that were found, without MAC addresses that several of the run have. */
export function chooseAgain(
  host: Host,
  found: Extract<Resolution, { kind: 'machine' }>,
  sharedMacs: ReadonlySet<string>,
): Resolution {
  const { choice } = found;
  const at = Date.parse(host.lastSeen ?? '');
  if (!choice || Number.isNaN(at)) return found;
  return choose(host, choice.found, { ...choice, sharedMacs }, host.lastSource ?? '', at).resolution;
}

async function completed(listed: Host, { detect }: LookUp): Promise<Host> {
  if (listed.lastSeen !== undefined && listed.lastSource !== undefined) return listed;
  const read = await detect.getHost(listed.id);
  if (!read) return listed;
  const { lastSeen = read.lastSeen, lastSource = read.lastSource } = listed;
  return { ...listed, lastSeen, lastSource };
}

function describe(match: Match, ip: string, at: number): Resolution {
  switch (match.kind) {
    case 'none':
      return { kind: 'none', why: `Defender knows no onboarded machine at ${ip}` };
    case 'ambiguous': {
      const names = match.machines.slice(0, 5).map((machine) => `${nameOf(machine)} (${machine.id})`);
      const why = `${match.machines.length} machines at ${ip} and not exactly one of them confirmed: ${names.join(', ')}`;
      return { kind: 'ambiguous', machines: match.machines, why };
    }
    case 'one':
      return {
        kind: 'machine',
        machine: match.machine,
        evidence: match.finding.evidence,
        how: `by address ${ip}, ${match.finding.evidence}`,
        because: match.finding.because,
        claim: `${ip} at ${minuteText(at)}Z is ${nameOf(match.machine)} in Defender${doubt(match.finding)}`,
      };
  }
}

function doubt({ evidence, because }: Finding): string {
  return evidence === 'conflict' ? `, but ${because}` : ` (${evidence}: ${because})`;
}

/** Reads the records of several ids of one machine; an outage makes the state unknown and is no reason to stop. */
export async function readRecordOf(
  atp: AtpClient,
  machineIds: readonly string[],
  caller: Caller,
): Promise<RecordRead> {
  try {
    const lists = await Promise.all(machineIds.map((machineId) => atp.listMachineActions(machineId, caller)));
    return { record: lists.flat() };
  } catch (error) {
    if (error instanceof ApiError) return { unreadable: error.message };
    throw error;
  }
}
