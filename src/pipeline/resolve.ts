import { isIP } from 'node:net';
import type { AtpClient, Caller } from '../atp/client.ts';
import type { Machine, MachineAction } from '../atp/schema.ts';
import type { Owner } from '../decide/comment.ts';
import { chooseMachine, type Finding, type Match } from '../decide/match.ts';
import type { Look, RecordRead } from '../decide/plan.ts';
import { releaseShown, type MachineRecord } from '../decide/record.ts';
import { ownAnswer, ownCancellation } from '../decide/request.ts';
import { machineIdOf, nameOf, type Resolution } from '../decide/resolution.ts';
import {
  isHeld,
  isOpenStatus,
  isUnfinished,
  minuteOf,
  minuteText,
  readTags,
  type RequestKind,
  type TagState,
} from '../decide/tags.ts';
import type { DetectClient } from '../detect/client.ts';
import type { Host } from '../detect/schema.ts';
import type { Inventory } from './inventory.ts';
import { ApiError, AppError, ExitCode } from '../errors.ts';

/** What resolving a host works with. */
export interface Resolver {
  detect: DetectClient;
  atp: AtpClient;
  brain: string;
  now(): number;
  /** Set for the enrichment of a large run only. */
  inventory?: Inventory | undefined;
  /** Isolations and releases of a machine, from the one list of a run where that reaches back far enough. */
  readRecord(machineIds: readonly string[], state: TagState): Promise<RecordRead>;
}

const minuteMs = 60_000;
/** findbyip knows the past 30 days (MicrosoftDocs/defender-docs, find-machines-by-ip). */
const addressMemoryMs = 30 * 86_400_000;
/** Sensors report late; a host seen more recently than this may be known only a little earlier. */
const lateReportMs = 60 * minuteMs;
const earlierMs = 30 * minuteMs;
const longestMergeChain = 5;

/**
 * Finds a host's machine and reads the machine's record: once per host and run.
 * @param request what the host's trigger tag asks for, if anything
 */
export async function resolveHost(
  host: Host,
  tags: string[],
  request: RequestKind | undefined,
  resolver: Resolver,
): Promise<Look> {
  const state = readTags(tags);
  const id = state.ids.length > 1 && isHeld(state) ? await heldId(state, resolver) : onlyId(state);
  const caller: Caller = { host: host.id, priority: request ? 'action' : 'enrichment' };
  const owner: Owner = { brain: resolver.brain, hostId: host.id };
  const answerIn = (kind: RequestKind | undefined, record: MachineRecord) =>
    kind &&
    ownAnswer(kind, record, {
      owner,
      newestOfKind: state.newest[kind],
      unfinished: isUnfinished(state, kind),
    });
  let record: RecordRead | undefined;
  let corrected: MachineAction | undefined;

  if (id !== undefined && isHeld(state)) {
    const byId = await resolveById(id, state, caller, resolver);
    record = byId.record;
    if ('record' in record) {
      // What a killed run asked for is no news: it is looked away from, and answers the trigger later.
      const answer = answerIn(request, record.record);
      const others = record.record.filter((action) => action !== answer);
      const release = releaseShown(others, state.newest.isolate);
      const isTold = answer && minuteOf(release?.createdAt ?? 0) <= (state.newest.release ?? -Infinity);
      corrected = isTold ? undefined : release;
    }
    if (!corrected) return { host, tags, ...byId };
    // The tags were not told of a release: the host is no longer held, so its address counts again.
  }

  if (id !== undefined && request !== undefined) {
    record ??= await resolver.readRecord([id], state);
    // An answer may be hidden in what could not be read: the state is unknown, whatever the address leads to.
    if ('unreadable' in record)
      return { tags, ...(await resolveAndRead(host, state, request, resolver)), record };

    const context = {
      owner,
      newestOfKind: state.newest.release,
      newestBlock: state.newest.isolate,
      now: resolver.now(),
    };
    const cancelled = request === 'release' ? ownCancellation(record.record, context) : undefined;
    // One that a `Manual unblock:` tells of has had its trigger: what is asked for now is something new.
    const wasCancelled =
      cancelled !== undefined &&
      minuteOf(cancelled.updatedAt ?? 0) > (state.newest.release ?? Number.NEGATIVE_INFINITY);
    const isTold = state.slots.some(({ kind, status }) => kind === 'isolate' && status === 'Cancelled');
    const isAnswered = answerIn(request, record.record) !== undefined || (wasCancelled && !isTold);
    if (isAnswered) {
      // Found by address like in the run that asked, where that still leads there: the note then says the same.
      const byAddress = await resolveAndRead(host, state, request, resolver);
      if (machineIdOf(byAddress.resolution) === id) return { tags, corrected, ...byAddress };
    }
    // An isolation that a killed run asked for is what a release is about, wherever the address leads; and a release that
    // is under way keeps a block. One that is over steers nothing: the machine may be another host's by now.
    const opposite = answerIn(request === 'isolate' ? 'release' : 'isolate', record.record);
    const isStanding =
      opposite !== undefined &&
      (isOpenStatus(opposite.status) || (request === 'release' && opposite.status === 'Succeeded'));
    const isAwaited = isStanding && !corrected;
    if (isAnswered || isAwaited || wasCancelled)
      return { host, tags, corrected, ...(await resolveById(id, state, caller, resolver, record)) };
  }
  return { tags, corrected, ...(await resolveAndRead(host, state, request, resolver)) };
}

function onlyId({ ids }: TagState): string | undefined {
  return ids.length === 1 ? ids[0] : undefined;
}

/**
 * Which of several `id:` tags a held host is held for: a run that was killed while it replaced the one by the other leaves
 * both. It is the one whose record has the isolation of the host's newest `Manual block:`; none, where that is not one.
 */
async function heldId(state: TagState, { readRecord }: Resolver): Promise<string | undefined> {
  const found: string[] = [];
  for (const id of state.ids) {
    const read = await readRecord([id], state);
    if ('unreadable' in read) {
      const message = `which of its id: tags the host is held for could not be read (${read.unreadable})`;
      throw new AppError(message, 'unreadable', ExitCode.incomplete);
    }
    const isOfBlock = ({ type, createdAt }: MachineAction) =>
      type === 'Isolate' && createdAt !== undefined && minuteOf(createdAt) === state.newest.isolate;
    if (read.record.some(isOfBlock)) found.push(id);
  }
  return found.length === 1 ? found[0] : undefined;
}

/** A held host's machine, by the id in its tag and never by address; a merged record leads to its heir. */
async function resolveById(
  id: string,
  state: TagState,
  caller: Caller,
  { atp, readRecord }: Resolver,
  known?: RecordRead,
): Promise<Pick<Look, 'resolution' | 'record' | 'machineIds'>> {
  const ids = [id];
  let machine: Machine | undefined;
  for (let next: string | undefined = id; next !== undefined && ids.length <= longestMergeChain;) {
    machine = await atp.getMachine(next, caller);
    next = machine?.mergedIntoMachineId;
    if (next !== undefined && ids.includes(next)) break;
    if (next !== undefined) ids.push(next);
  }
  const record = known ?? (await readRecord(ids, state));
  if (!machine) return { resolution: { kind: 'gone', machineId: ids.at(-1) ?? id }, record, machineIds: ids };
  const how =
    ids.length > 1 ? `by its id: tag, whose record was merged into ${machine.id}` : 'by its id: tag';
  const resolution: Resolution = { kind: 'machine', machine, evidence: 'by id', how, claim: how };
  return { resolution, record, machineIds: ids };
}

async function resolveAndRead(
  host: Host,
  state: TagState,
  request: RequestKind | undefined,
  resolver: Resolver,
): Promise<Pick<Look, 'host' | 'resolution' | 'record' | 'machineIds'>> {
  const found = await resolveByAddress(host, request ? 'action' : 'enrichment', resolver);
  const machineId = machineIdOf(found.resolution);
  const machineIds = machineId === undefined ? [] : [machineId, ...(found.merged ?? [])];
  const record: RecordRead =
    request !== undefined && machineId !== undefined
      ? await resolver.readRecord(machineIds, state)
      : { record: [] };
  return { host: found.host, resolution: found.resolution, record, machineIds };
}

/** Asks Defender who held the host's address when Detect last saw the host there. */
async function resolveByAddress(
  listed: Host,
  priority: 'enrichment' | 'action',
  { atp, detect, inventory, now }: Resolver,
): Promise<{
  host: Host;
  resolution: Resolution;
  /** Records at the address that were merged into the machine's; what was asked of them may still be kept under their ids. */
  merged?: string[];
}> {
  const host =
    listed.lastSeen === undefined || listed.lastSource === undefined
      ? await completed(listed, detect)
      : listed;
  const { lastSource: ip, lastSeen } = host;
  const none = (why: string) => ({ host, resolution: { kind: 'none', why } satisfies Resolution });

  if (ip === undefined || isIP(ip) === 0) return none('Detect gives no usable last_source for the host');
  const at = lastSeen === undefined ? NaN : Date.parse(lastSeen);
  if (Number.isNaN(at)) return none('Detect does not say when the host was last seen');
  const stale = `stale: the host was last seen more than 30 days ago, and Defender remembers addresses for 30 days`;
  if (now() - at > addressMemoryMs) return none(stale);

  const inBulk = inventory?.confirmed(host);
  if (inBulk) return { host, resolution: describe({ kind: 'one', ...inBulk }, ip, at) };

  const caller: Caller = { host: host.id, priority };
  let found = await atp.findByIp(ip, at, caller);
  if (found === 'stale') return none(stale);
  let match = chooseMachine(host, found);
  let confirmedOnly = false;
  // A machine of that earlier time must be confirmed, so that nobody looks for one that is not there.
  const mayBeLate = now() - at < lateReportMs && (inventory?.mayConfirm(host) ?? true);
  if (found.length === 0 && mayBeLate) {
    found = await atp.findByIp(ip, at - earlierMs, caller);
    confirmedOnly = true;
    match = found === 'stale' ? { kind: 'none' } : chooseMachine(host, found, confirmedOnly);
  }
  const heir = match.kind === 'one' ? match.machine.id : undefined;
  const candidates = found === 'stale' ? [] : found;
  const merged = candidates.filter((machine) => machine.mergedIntoMachineId === heir);
  const resolution = describe(match, ip, at);
  return {
    host,
    resolution:
      resolution.kind === 'machine'
        ? { ...resolution, choice: { found: candidates, confirmedOnly } }
        : resolution,
    merged: heir === undefined ? [] : merged.map(({ id }) => id),
  };
}

async function completed(listed: Host, detect: DetectClient): Promise<Host> {
  const read = await detect.getHost(listed.id);
  return read
    ? {
        ...listed,
        lastSeen: listed.lastSeen ?? read.lastSeen,
        lastSource: listed.lastSource ?? read.lastSource,
      }
    : listed;
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
        how: `by address ${ip}, ${match.finding.evidence}: ${match.finding.because}`,
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
