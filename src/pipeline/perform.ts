import type { MachineAction } from '../atp/machine.ts';
import { type Decision } from '../decide/answer.ts';
import type { Case, RecordRead } from '../decide/case.ts';
import { writeComment } from '../decide/comment.ts';
import { deferred, type Consequence } from '../decide/consequences.ts';
import { accepted, cancelled, nothingInForce, refused, type Telling } from '../decide/events.ts';
import { kinds, type RequestKind } from '../decide/kinds.ts';
import { updatedRecord, type MachineRecord } from '../decide/machine-state.ts';
import { decideFor, judgedOf, type Rules } from '../decide/plan.ts';
import { machineIdOf } from '../decide/resolution.ts';
import { readTags } from '../decide/tags.ts';
import type { RunContext } from './context.ts';
import { readRecordOf } from './look-up.ts';
import { asksOf } from './select.ts';
import type { Posted } from './writer.ts';

/** A request that is about to be met. */
export interface Act {
  kind: RequestKind;
  /** The trigger tag in the spelling of the host. */
  trigger: string;
  one: Case;
  rules: Rules;
}

/** What asking Defender came to, with the machine's record as known thereafter. */
export interface Performed {
  met: Consequence;
  record: RecordRead;
}

/**
 * Carries a planned decision out in Defender. The record is read once more right before, whether something is to be asked
 * for or what is there answers the request: the portal, or a run elsewhere that the lock does not reach, may have acted
 * since. What then is to be asked for and was not planned waits for the next run.
 */
export async function perform(act: Act, planned: Decision, run: RunContext): Promise<Performed> {
  if (!['post', 'adopt', 'done'].includes(planned.kind)) return await carryOut(act, planned, run);
  const { one } = act;
  const read = await readRecordOf(run.atp, one.machineIds, callerOf(one));
  if ('unreadable' in read) {
    const met = deferred(`the machine's actions could not be read before acting (${read.unreadable})`);
    return { met, record: one.record };
  }
  const unanswered = await run.journal.unanswered(one.machineIds, run.now());
  // The list may lag behind what this run itself has asked for.
  const record = updatedRecord(recordOf(one), read.record);
  const now: Act = {
    ...act,
    one: { ...one, record: { record }, witnesses: { ...one.witnesses, unanswered } },
  };
  const again = decideAgain(now, record, run);
  const withdrawn = await withdrawnSince(now, run);
  if (withdrawn !== undefined) return { met: deferred(withdrawn), record: { record } };
  const isNew = again.kind === 'cancel' || (again.kind === 'post' && planned.kind !== 'post');
  if (isNew)
    return { met: deferred('the state of the machine changed while the run worked'), record: { record } };
  return await carryOut(now, again, run);
}

/** Waiting for a quota can take minutes, in which the owner of a tag changes his mind. */
const tagsHoldMs = 5_000;

/** Why the request is not to be met any more, where reading and writing took so long that the tags may have changed. */
async function withdrawnSince({ kind, one }: Act, run: RunContext): Promise<string | undefined> {
  if (run.clock.now() - (one.readAt ?? 0) <= tagsHoldMs) return undefined;
  const asks = asksOf((await run.detect.getTags(one.host.id)) ?? [], run.triggers);
  if (asks.length === 1 && asks[0] === kind) return undefined;
  return 'its block and unblock tags changed while the run worked; the next run sees to them';
}

function callerOf({ host }: Case) {
  return { host: host.id, priority: 'action' } as const;
}

function recordOf({ record }: Case): MachineRecord {
  return 'record' in record ? record.record : [];
}

function decideAgain({ kind, one, rules }: Act, record: MachineRecord, run: RunContext): Decision {
  return decideFor(kind, one, record, judgedOf(one, rules, run.now()));
}

function tellingOf({ one, rules }: Act, run: RunContext): Telling {
  const owner = { brain: rules.brain, hostId: one.host.id };
  return { owner, endsAfterMs: rules.endsAfterMs, now: run.now() };
}

async function carryOut(act: Act, decision: Decision, run: RunContext): Promise<Performed> {
  const { kind, trigger, one } = act;
  const { record } = one;
  const telling = tellingOf(act, run);
  switch (decision.kind) {
    case 'adopt':
      return { met: accepted(kind, decision.action, 'adopted', trigger, telling), record };
    case 'done':
      return { met: nothingInForce(trigger, timeOfRelease(act, run), isUntrue(act, run)), record };
    case 'cancelled':
      return { met: cancelled(decision.action, trigger, timeOfRelease(act, run), telling), record };
    case 'wait':
      return { met: { ...deferred(decision.reason), waiting: decision.waiting }, record };
    case 'post':
      return await post(act, run);
    case 'cancel':
      return await cancelThenDecide(act, decision.action, run);
  }
}

/**
 * The time of a release that needed no action. Within the hour, one that the tags tell of already is taken to be the
 * same: a run that could not write the note, or was killed, left the trigger behind.
 */
function timeOfRelease({ one, rules }: Act, run: RunContext): number {
  const now = run.now();
  const { times } = judgedOf(one, rules, now).tags;
  const [told] = times.release;
  const isKnown = told !== undefined && told >= (times.isolate[0] ?? -Infinity);
  return isKnown && now >= told && now - told < 3_600_000 ? told : now;
}

/** Tells whether a status tag calls the machine isolated, or speaks of an action that Defender does not know. */
function isUntrue({ one }: Act, run: RunContext): boolean {
  const { statuses } = readTags(one.tags, run.now());
  return (
    statuses.some(({ kind, status }) => kind === 'isolate' && status === 'Succeeded') ||
    one.news.some(({ status }) => status === 'none')
  );
}

function commentFor({ kind, one, rules, trigger }: Act, now: number): string {
  const { host } = one;
  return writeComment({
    kind,
    brain: rules.brain,
    hostId: host.id,
    trigger,
    time: now,
    hostName: host.name ?? '',
  });
}

async function post(act: Act, run: RunContext): Promise<Performed> {
  const { kind, one } = act;
  const machineId = one.found ? machineIdOf(one.found) : undefined;
  if (machineId === undefined) throw new TypeError('a request without a machine cannot be posted');
  const comment = commentFor(act, run.now());
  const { isolationType } = run.settings;
  const posted = await run.writer.post(
    { machineId, type: kinds[kind].type, comment, isolationType },
    callerOf(one),
  );
  return await performedBy(act, posted, comment, run);
}

async function performedBy(act: Act, posted: Posted, comment: string, run: RunContext): Promise<Performed> {
  const { kind, trigger, one } = act;
  switch (posted.kind) {
    case 'accepted': {
      const { action } = posted;
      // Defender may answer a request with the action that it already has open.
      const how = action.requestorComment === comment ? 'posted' : 'adopted';
      const met = accepted(kind, action, how, trigger, tellingOf(act, run));
      return { met, record: { record: [action, ...recordOf(one)] } };
    }
    case 'refused': {
      const event = posted.isUnknownMachine ? 'machine unknown to Defender' : 'refused';
      return { met: refused(kind, trigger, posted.reason, run.now(), event), record: one.record };
    }
    case 'not isolated':
      return { met: nothingInForce(trigger, run.now(), isUntrue(act, run)), record: one.record };
    case 'already open':
      return await adoptOpen(act, run);
    case 'unclear':
      // Whoever comes next to this machine must not ask again for what may have been carried out.
      return { met: deferred(posted.reason), record: { unreadable: posted.reason } };
    case 'not done':
      return { met: deferred(posted.reason), record: one.record };
  }
}

async function adoptOpen(act: Act, run: RunContext): Promise<Performed> {
  const { kind, one } = act;
  const read = await readRecordOf(run.atp, one.machineIds, callerOf(one));
  const again = 'record' in read ? decideAgain(act, read.record, run) : undefined;
  if (again?.kind === 'adopt') return await carryOut({ ...act, one: { ...one, record: read } }, again, run);
  const met = deferred(
    `Defender already has an action open on the machine and its record does not show an ${kinds[kind].noun} to take over yet`,
  );
  return { met, record: one.record };
}

async function cancelThenDecide(act: Act, opposite: MachineAction, run: RunContext): Promise<Performed> {
  const { kind, one } = act;
  const known = { machineIds: one.machineIds, record: recordOf(one) };
  const read = await run.writer.cancel(opposite, commentFor(act, run.now()), known, callerOf(one));
  if ('unreadable' in read) {
    const reason = `action ${opposite.id} was to be cancelled; whether it was could not be read (${read.unreadable})`;
    return { met: deferred(reason), record: read };
  }
  const record = updatedRecord(recordOf(one), read.record);
  const now: Act = { ...act, one: { ...one, record: { record } } };
  const wasCancelled = record.some(({ id, status }) => id === opposite.id && status === 'Cancelled');
  const again = decideAgain(now, record, run);
  const isMet = again.kind === 'done' || again.kind === 'cancelled';
  if (kind === 'release' && wasCancelled && isMet)
    return await carryOut(now, { kind: 'cancelled', action: opposite }, run);
  const reason = reasonToWait(opposite, again, wasCancelled);
  return reason === undefined
    ? await carryOut(now, again, run)
    : { met: deferred(reason), record: { record } };
}

function reasonToWait(opposite: MachineAction, again: Decision, wasCancelled: boolean): string | undefined {
  if (again.kind === 'cancel')
    return `action ${opposite.id} was asked to be cancelled, but Defender still lists it as ${again.action.status}`;
  return again.kind === 'wait' && wasCancelled
    ? `action ${opposite.id} was cancelled for it, but then: ${again.reason}`
    : undefined;
}
