import type { Machine } from '../atp/machine.ts';
import type { Host } from '../detect/host.ts';
import { ExitCode } from '../errors.ts';
import { answeredBy, decide, type Decision, type Judged } from './answer.ts';
import type { Case } from './case.ts';
import { checkGuardRails, type NeverRules, type Verdict } from './guard.ts';
import { requestKinds, type RequestKind } from './kinds.ts';
import { lastSucceeded, type MachineRecord } from './machine-state.ts';
import { chooseMachine, isSureEnough, weigh, type MatchPolicy } from './match.ts';
import { isById, machineIdOf, nameOf } from './resolution.ts';
import { isHeld, isUnfinished, readTags } from './tags.ts';

/** What plans rest on beside the cases. */
export interface Rules {
  brain: string;
  match: MatchPolicy;
  never: NeverRules;
  /** Set when the exclusion groups could not be verified: no isolation is done. */
  groupsProblem?: { reason: string; exitCode: ExitCode; waiting?: string | undefined } | undefined;
  maxPerRun: number;
  /** After so many milliseconds Defender lifts an isolation by itself; 0: never. */
  endsAfterMs: number;
}

/** What is to be done about a host's block or unblock tag. */
export type Plan = { verdicts: readonly Verdict[] } & (
  | { kind: 'go'; decision: Decision }
  | { kind: 'refuse'; reason: string }
  | { kind: 'defer'; reason: string; exitCode: ExitCode; waiting?: string | undefined }
  | { kind: 'conflict'; reason: string }
);

/** What a request is judged by: the host's own tags, those of other hosts of its machine, and the journal. */
export function judgedOf(one: Case, rules: Rules, now: number): Judged {
  const { witnesses } = one;
  const tags = readTags(one.tags, now);
  const openOf = (kind: RequestKind) =>
    witnesses.others
      .filter((other) => isUnfinished(other, kind))
      .flatMap((other) => other.times[kind].slice(0, 1));
  const isHeldHere = one.held !== undefined;
  const openRelease = isUnfinished(tags, 'release') ? tags.times.release.slice(0, 1) : [];
  return {
    owner: { brain: rules.brain, hostId: one.host.id },
    tags,
    told: {
      held: isHeldHere || witnesses.others.some((other) => isUnfinished(other, 'isolate')),
      block: latest([...(isHeldHere ? tags.times.isolate.slice(0, 1) : []), ...openOf('isolate')]),
      openRelease: latest([...openRelease, ...openOf('release')]),
      unanswered: witnesses.unanswered,
    },
    toldEnds: one.toldEnds,
    isNamedOnly: one.found !== undefined && isById(one.found),
    endsAfterMs: rules.endsAfterMs,
    now,
  };
}

function latest(times: readonly number[]): number | undefined {
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** Plans one request by itself, from what was read about the host. */
export function judge(request: RequestKind, one: Case, rules: Rules, now: number): Plan {
  const { found, host } = one;
  if (one.ended) return defer(one.ended.detail, one.ended.exitCode);
  if ('unreadable' in one.record)
    return defer(
      `the machine's actions could not be read, so its state is unknown (${one.record.unreadable})`,
    );
  if (found === undefined) return defer('its machine was not looked for');
  if (found.kind === 'none') return refuse(`no machine: ${found.why}`);
  if (found.kind === 'ambiguous') return refuse(found.why);

  const { record } = one.record;
  const judged = judgedOf(one, rules, now);
  const decision = decideFor(request, one, record, judged);
  const isAnswered = answeredBy(request, record, judged) !== undefined;
  // A refusal would be the end of what an earlier call may have begun.
  const isUnanswered = judged.told.unanswered !== undefined && decision.kind === 'wait';
  if (isAnswered || isUnanswered) return { kind: 'go', decision, verdicts: [] };

  const unsure = tooUnsure(request, one, rules);
  if (unsure !== undefined) return refuse(unsure);
  if (request === 'release') return { kind: 'go', decision, verdicts: [] };

  if (rules.groupsProblem) return { kind: 'defer', ...rules.groupsProblem, verdicts: [] };
  if (found.kind === 'machine' && isMobile(found.machine))
    return refuse(`Defender cannot isolate the platform ${found.machine.osPlatform ?? ''}`);
  const verdicts =
    found.kind === 'machine'
      ? checkGuardRails(rules.never, { ...host, tags: [...one.tags] }, found.machine)
      : [];
  const biting = verdicts.filter((verdict) => verdict.refuses);
  if (biting.length > 0) return { kind: 'refuse', reason: biting.map(({ why }) => why).join('; '), verdicts };
  return { kind: 'go', decision, verdicts };
}

/** Phones are onboarded like other machines and cannot be isolated (learn.microsoft.com, respond-machine-alerts). */
function isMobile({ osPlatform }: Machine): boolean {
  return ['ios', 'android'].includes(osPlatform?.toLowerCase() ?? '');
}

function defer(reason: string, exitCode: ExitCode = ExitCode.incomplete): Plan {
  return { kind: 'defer', reason, exitCode, verdicts: [] };
}

function refuse(reason: string): Plan {
  return { kind: 'refuse', reason, verdicts: [] };
}

/** Decides how the request of a host is met: an unblock by the release that others have asked for meanwhile, too. */
export function decideFor(
  request: RequestKind,
  { news }: Case,
  record: MachineRecord,
  judged: Judged,
): Decision {
  const decision = decide(request, record, judged);
  const isReleased = news.some(({ event }) => event === 'released by others');
  const last = lastSucceeded(record);
  return decision.kind === 'done' && isReleased && last ? { kind: 'adopt', action: last } : decision;
}

function tooUnsure(request: RequestKind, { found, held }: Case, { match }: Rules): string | undefined {
  if (found?.kind !== 'machine' || found.evidence === 'by id') return undefined;
  // Addresses move, and an isolated machine has no traffic of its own: only a confirmed machine is released for it.
  const policy = request === 'release' && held === 'by address' ? 'confirmed' : match;
  if (isSureEnough(found.evidence, policy)) return undefined;
  const demand =
    policy === match
      ? `isolation.match "${match}"`
      : 'the release of a host that is held without one id: tag';
  return `${found.claim}; ${demand} demands more`;
}

/** Tells whether a plan may lead to a new isolation. */
export function mayIsolate(request: RequestKind | undefined, plan: Plan | undefined): boolean {
  if (request !== 'isolate' || plan?.kind !== 'go') return false;
  return plan.decision.kind === 'post' || (plan.decision.kind === 'cancel' && !plan.decision.isNamedOnly);
}

/** Hosts that are one machine; a host without a machine stands alone. */
export interface Target {
  machineId: string | undefined;
  cases: readonly Case[];
}

/** Groups the cases of a run by their machine. */
export function groupByMachine(cases: readonly Case[]): Target[] {
  const groups = new Map<string, Case[]>();
  for (const one of cases) {
    const key = machineOf(one) ?? `host ${one.host.id}`;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return [...groups.values()].map((group) => ({ machineId: group[0] && machineOf(group[0]), cases: group }));
}

/** The machine that a host's request is about; that of its tags, where it could not be looked at. */
function machineOf({ found, machineIds }: Case): string | undefined {
  return found ? machineIdOf(found) : machineIds.at(-1);
}

/**
 * Plans all requests of a run together: opposite requests on one machine are in conflict, and where more machines
 * than `maxPerRun` would need a new isolation, none gets one.
 */
export function planTargets(targets: readonly Target[], rules: Rules, now: number): Target[] {
  const planned = targets.map((target) => {
    const judged = target.cases.map((one) => {
      const [kind] = one.asks;
      return kind === undefined ? one : { ...one, request: kind, plan: judge(kind, one, rules, now) };
    });
    return { ...target, cases: withConflicts(target.machineId, judged) };
  });
  return capped(planned, rules);
}

const namedParties = 10;

/** Puts conflicts in place of the plans of hosts that ask for opposite things of one machine. */
export function withConflicts(machineId: string | undefined, cases: readonly Case[]): Case[] {
  // A request that would be refused in any case keeps nobody else from his.
  const parties = new Set(
    cases.filter(({ asks, plan }) => asks.length > 1 || (plan && plan.kind !== 'refuse')),
  );
  const ids = [...parties].map(({ host }) => host.id);
  const asked = requestKinds.filter((kind) => [...parties].some(({ asks }) => asks.includes(kind)));
  const isConflict = asked.length > 1 && parties.size > 1 && machineId !== undefined;
  return cases.map((one) => {
    const reason =
      isConflict && parties.has(one)
        ? `machine ${machineId} is asked to be isolated and released at once, by host ${namesOfParties(one.host.id, ids)}`
        : one.asks.length > 1
          ? 'the host carries a block and an unblock tag at once'
          : undefined;
    if (reason === undefined) return one;
    return { ...one, plan: { kind: 'conflict', reason, verdicts: one.plan?.verdicts ?? [] } };
  });
}

/** Each party is told of the others; of very many, the first ten. */
function namesOfParties(id: number, ids: readonly number[]): string {
  const others = ids
    .slice(0, namedParties + 1)
    .filter((other) => other !== id)
    .slice(0, namedParties);
  const left = ids.length - 1 - others.length;
  return `${[id, ...others].join(' and host ')}${left > 0 ? ` and ${left} others` : ''}`;
}

function capped(targets: readonly Target[], { maxPerRun }: Rules): Target[] {
  const isIsolating = ({ asks, plan }: Case) => mayIsolate(asks[0], plan);
  const isUnplanned = ({ asks, plan, ended, record }: Case) =>
    asks.includes('isolate') && plan?.kind === 'defer' && (ended !== undefined || 'unreadable' in record);
  const machines = targets.filter(({ cases }) => cases.some(isIsolating)).length;
  const wanted = machines + targets.flatMap(({ cases }) => cases).filter(isUnplanned).length;
  if (wanted <= maxPerRun) return [...targets];
  const reason = `${wanted} machines would need a new isolation, isolation.maxPerRun allows ${maxPerRun}: none was isolated`;
  const waiting =
    'more machines would need a new isolation in one run than isolation.maxPerRun allows; take the tag off some hosts, or raise it';
  return targets.map((target) => ({
    ...target,
    cases: target.cases.map((one) =>
      isIsolating(one)
        ? {
            ...one,
            plan: {
              kind: 'defer',
              reason,
              waiting,
              exitCode: ExitCode.tooMany,
              verdicts: one.plan?.verdicts ?? [],
            },
          }
        : one,
    ),
  }));
}

/**
 * Judges a request again from the host as read right before acting; what is new may withdraw the request, never add one.
 * A new `last_seen` alone changes nothing.
 * @param before the planned case
 * @param fresh the same case with its tags, and for an isolation its document, read afresh
 */
export function judgeAgain(
  request: RequestKind,
  before: Case,
  fresh: Case,
  rules: Rules,
  now: number,
): Plan | undefined {
  const { plan } = before;
  if (plan === undefined || plan.kind === 'conflict' || plan.kind === 'defer') return plan;
  const [was, is] = [readTags(before.tags, now), readTags(fresh.tags, now)];
  if (isHeld(was) !== isHeld(is) || was.ids.join() !== is.ids.join())
    return defer('the tags of the host changed while the run worked');

  const again = judge(request, fresh, rules, now);
  if (again.kind === 'go' && plan.kind === 'refuse') return plan;
  // An isolation that was not planned was not counted against `maxPerRun`.
  if (mayIsolate(request, again) && !mayIsolate(request, plan))
    return { ...defer('the state of the machine changed while the run worked'), verdicts: again.verdicts };
  const isActing = request === 'isolate' && again.kind === 'go';
  const moved = isActing ? movedMeanwhile(before, fresh.host, rules) : undefined;
  return moved === undefined ? again : { ...defer(moved), verdicts: again.verdicts };
}

/** Why the host read afresh does not lead to the same machine any more, if so. */
function movedMeanwhile({ host, found }: Case, fresh: Host, { match }: Rules): string | undefined {
  if (found?.kind !== 'machine' || found.evidence === 'by id') return undefined;
  if (fresh.lastSource !== host.lastSource)
    return `the host moved from ${host.lastSource ?? 'no address'} to ${fresh.lastSource ?? 'no address'} while the run worked`;
  const { machine, choice } = found;
  const finding = weigh(fresh, machine, choice?.sharedMacs);
  const changed = `what Detect knows of the host changed while the run worked: ${nameOf(machine)} is`;
  if (!isSureEnough(finding.evidence, match))
    return `${changed} now ${finding.evidence} (${finding.because})`;
  const again = choice && chooseMachine(fresh, choice.found, choice);
  const isChosen = !again || (again.kind === 'one' && again.machine.id === machine.id);
  return isChosen ? undefined : `${changed} no longer the one machine that it can be`;
}
