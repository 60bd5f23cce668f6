import type { Alert, MachineAction } from '../atp/schema.ts';
import type { Host } from '../detect/schema.ts';
import { ExitCode } from '../errors.ts';
import type { Owner } from './comment.ts';
import { checkGuardRails, type NeverRules, type Verdict } from './guard.ts';
import { chooseMachine, isSureEnough, macsOfSeveral, weigh, type MatchPolicy } from './match.ts';
import type { MachineRecord } from './record.ts';
import { decideRequest, ownAnswer, type Decision } from './request.ts';
import { machineIdOf, nameOf, type Resolution } from './resolution.ts';
import { isHeld, isUnfinished, readTags, type RequestKind, type TagState } from './tags.ts';

/** Defender's record of a machine, or why it could not be read: its state is then unknown. */
export type RecordRead = { record: MachineRecord } | { unreadable: string };

/** Everything that was read about a host before anything is decided. */
export interface Look {
  /** The host as the search found it. */
  host: Host;
  /** Its tags, read afresh. */
  tags: string[];
  resolution: Resolution;
  record: RecordRead;
  /** Ids under which Defender keeps the machine's actions: its own, and those of records merged into it. */
  machineIds: string[];
  /** A release that Defender's record shows and the tags do not know of; the host then went by its address. */
  corrected?: MachineAction | undefined;
  alerts?: Alert[] | 'unknown' | undefined;
  /** What other hosts of the machine say of actions that have not ended: Defender may not list them yet. */
  others?: TagState[] | undefined;
}

/** What the plan rests on beside the looks. */
export interface Rules {
  brain: string;
  match: MatchPolicy;
  never: NeverRules;
  /** Set when the exclusion groups could not be verified: no isolation is done. */
  groupsProblem?: { reason: string; exitCode: ExitCode } | undefined;
  maxPerRun: number;
}

/** What shall be done about a host's block or unblock tag. */
export type RequestPlan = { verdicts: Verdict[] } & (
  | { kind: 'go'; decision: Decision }
  | { kind: 'refuse'; reason: string }
  | { kind: 'defer'; reason: string; exitCode: ExitCode }
  | { kind: 'conflict'; reason: string }
);

/** Plans one request by itself, from what was read about the host. */
export function judgeRequest(request: RequestKind, look: Look, rules: Rules, now: number): RequestPlan {
  const { resolution, host } = look;
  if ('unreadable' in look.record) {
    const reason = `the machine's actions could not be read, so its state is unknown (${look.record.unreadable})`;
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: [] };
  }
  if (resolution.kind === 'none' || resolution.kind === 'ambiguous') {
    // The machine that the host was held for is released already; its address need not lead anywhere.
    if (request === 'release' && look.corrected) {
      return { kind: 'go', decision: { kind: 'nothing in force' }, verdicts: [] };
    }
    return refuse(resolution.kind === 'none' ? `no machine: ${resolution.why}` : resolution.why);
  }

  const { record } = look.record;
  const context = requestContext(request, look, rules, now);
  const answer = ownAnswer(request, record, context);
  if (answer) return { kind: 'go', decision: { kind: 'answered', action: answer }, verdicts: [] };

  const unsure = tooUnsure(request, look, rules);
  if (unsure !== undefined) return refuse(unsure);
  if (request === 'release')
    return { kind: 'go', decision: decideRequest(request, record, context), verdicts: [] };

  if (rules.groupsProblem) return { kind: 'defer', ...rules.groupsProblem, verdicts: [] };
  const verdicts =
    resolution.kind === 'machine'
      ? checkGuardRails(rules.never, { ...host, tags: look.tags }, resolution.machine)
      : [];
  const biting = verdicts.filter((verdict) => verdict.refuses);
  if (biting.length > 0) return { kind: 'refuse', reason: biting.map(({ why }) => why).join('; '), verdicts };

  const decision = decideRequest(request, record, context);
  if (resolution.kind === 'gone' && decision.kind !== 'adopt' && decision.kind !== 'defer') {
    return refuse(`no machine: Defender no longer has the record of machine ${resolution.machineId}`);
  }
  return { kind: 'go', decision, verdicts };
}

function refuse(reason: string): RequestPlan {
  return { kind: 'refuse', reason, verdicts: [] };
}

/** What a host's tags say to a request, and those of other hosts of its machine, beside Defender's record. */
export function requestContext(request: RequestKind, look: Look, { brain }: Rules, now: number) {
  const state = readTags(look.tags);
  const owner: Owner = { brain, hostId: look.host.id };
  const others = look.others ?? [];
  const openOfOthers = (kind: RequestKind) =>
    others.filter((other) => isUnfinished(other, kind)).map((other) => other.newest[kind]);
  return {
    owner,
    newestOfKind: state.newest[request],
    unfinished: isUnfinished(state, request),
    openRelease: latest([
      isUnfinished(state, 'release') ? state.newest.release : undefined,
      ...openOfOthers('release'),
    ]),
    newestBlock: latest([state.newest.isolate, ...openOfOthers('isolate')]),
    held:
      (isHeld(state) && look.corrected === undefined) ||
      others.some((other) => isUnfinished(other, 'isolate')),
    now,
  };
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}

/** What the tags of other hosts say that name one of these machine ids; of the hosts whose action has not ended. */
export function othersUnfinished(
  hostId: number,
  machineIds: readonly string[],
  unfinished: readonly { hostId: number; state: TagState }[],
): TagState[] {
  return unfinished
    .filter((other) => other.hostId !== hostId)
    .filter(({ state }) => state.ids.some((id) => machineIds.includes(id)))
    .map(({ state }) => state);
}

function tooUnsure(request: RequestKind, look: Look, { match }: Rules): string | undefined {
  const { resolution } = look;
  if (resolution.kind !== 'machine' || resolution.evidence === 'by id') return undefined;
  const heldByAddress = isHeld(readTags(look.tags)) && look.corrected === undefined;
  // Addresses move, and an isolated machine has no traffic of its own: only a confirmed machine is released for it.
  const policy = request === 'release' && heldByAddress ? 'confirmed' : match;
  if (isSureEnough(resolution.evidence, policy)) return undefined;
  const demand =
    policy === match
      ? `isolation.match "${match}"`
      : 'the release of a host that is held without one id: tag';
  return `${resolution.claim}; ${demand} demands more`;
}

/** A block or unblock host with what was read about it, or why that failed. */
export interface RequestHost {
  hostId: number;
  /** What its trigger tags ask for. */
  kinds: RequestKind[];
  look: Look | FailedLook;
}

/** Why a host could not be looked at. */
export interface FailedLook {
  failed: string;
  exitCode: ExitCode;
  /** The machine that its tags hold it for, if they do. */
  heldMachineId?: string | undefined;
}

/**
 * Plans all requests of a run together: opposite requests on one machine are in conflict, and where more machines
 * than `maxPerRun` would need a new isolation, none gets one.
 */
export function planRequests(
  hosts: readonly RequestHost[],
  rules: Rules,
  now: number,
): Map<number, RequestPlan> {
  const plans = new Map<number, RequestPlan>();
  const opposed = opposedHosts(hosts);
  let unplannedBlocks = 0;

  for (const { hostId, kinds, look } of hosts) {
    const conflict = opposed.get(hostId);
    if (conflict !== undefined) {
      plans.set(hostId, { kind: 'conflict', reason: conflict, verdicts: [] });
    } else if ('failed' in look) {
      if (kinds.includes('isolate')) unplannedBlocks++;
      plans.set(hostId, { kind: 'defer', reason: look.failed, exitCode: look.exitCode, verdicts: [] });
    } else if (kinds[0] !== undefined) {
      if (kinds[0] === 'isolate' && 'unreadable' in look.record) unplannedBlocks++;
      plans.set(hostId, judgeRequest(kinds[0], look, rules, now));
    }
  }

  const isolating = hosts.filter(
    ({ hostId, kinds }) => kinds[0] === 'isolate' && mayIsolate(plans.get(hostId)),
  );
  const machines = new Set(
    isolating.map(({ look }) => ('failed' in look ? undefined : machineIdOf(look.resolution))),
  );
  const wanted = machines.size + unplannedBlocks;
  if (wanted > rules.maxPerRun) {
    const reason = `${wanted} machines would need a new isolation, isolation.maxPerRun allows ${rules.maxPerRun}: none was isolated`;
    for (const { hostId } of isolating) {
      const verdicts = plans.get(hostId)?.verdicts ?? [];
      plans.set(hostId, { kind: 'defer', reason, exitCode: ExitCode.tooMany, verdicts });
    }
  }
  return plans;
}

/** Tells whether a plan may lead to a new isolation. */
export function mayIsolate(plan: RequestPlan | undefined): boolean {
  if (plan?.kind !== 'go') return false;
  return plan.decision.kind === 'post' || (plan.decision.kind === 'cancel' && plan.decision.mayPost);
}

/** The hosts of a machine that is asked to be isolated and released at once, with the words for it. */
export function opposedHosts(hosts: readonly RequestHost[]): Map<number, string> {
  const byMachine = new Map<string, RequestHost[]>();
  const opposed = new Map<number, string>();
  for (const host of hosts) {
    if (host.kinds.length > 1)
      opposed.set(host.hostId, 'the host carries a block and an unblock tag at once');
    const machineId = 'failed' in host.look ? host.look.heldMachineId : machineIdOf(host.look.resolution);
    if (machineId !== undefined && host.kinds.length > 0)
      byMachine.set(machineId, [...(byMachine.get(machineId) ?? []), host]);
  }
  for (const [machineId, group] of byMachine) {
    if (new Set(group.flatMap(({ kinds }) => kinds)).size < 2) continue;
    for (const { hostId } of group) {
      const others = group.filter((other) => other.hostId !== hostId).map((other) => other.hostId);
      if (others.length === 0) continue;
      const reason = `machine ${machineId} is asked to be isolated and released at once, by host ${[hostId, ...others].join(' and host ')}`;
      opposed.set(hostId, reason);
    }
  }
  return opposed;
}

/**
 * Judges an isolation again on the host read afresh: what is new may withdraw the request, never add to it.
 * A new `last_seen` alone changes nothing.
 */
export function judgeAgain(look: Look, fresh: Host, rules: Rules, now: number): RequestPlan {
  const again = judgeRequest('isolate', { ...look, host: fresh }, rules, now);
  const { resolution } = look;
  if (again.kind !== 'go' || again.decision.kind === 'answered') return again;
  if (resolution.kind !== 'machine' || resolution.evidence === 'by id') return again;
  if (fresh.lastSource !== look.host.lastSource) {
    const reason = `the host moved from ${look.host.lastSource ?? 'no address'} to ${fresh.lastSource ?? 'no address'} while the run worked`;
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: again.verdicts };
  }
  const finding = weigh(fresh, resolution.machine, macsOfSeveral(resolution.choice?.found ?? []));
  if (!isSureEnough(finding.evidence, rules.match)) {
    const reason = `what Detect knows of the host changed while the run worked: ${nameOf(resolution.machine)} is now ${finding.evidence} (${finding.because})`;
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: again.verdicts };
  }
  if (!isStillChosen(resolution, fresh)) {
    const reason = `what Detect knows of the host changed while the run worked: ${nameOf(resolution.machine)} is no longer the one machine that it can be`;
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: again.verdicts };
  }
  return again;
}

/** Tells whether the host read afresh leads to the same one of the machines at its address. */
function isStillChosen({ machine, choice }: Extract<Resolution, { kind: 'machine' }>, fresh: Host): boolean {
  if (!choice) return true;
  const match = chooseMachine(fresh, choice.found, { confirmedOnly: choice.confirmedOnly });
  return match.kind === 'one' && match.machine.id === machine.id;
}
