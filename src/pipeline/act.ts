import type { Caller } from '../atp/client.ts';
import type { MachineAction } from '../atp/schema.ts';
import { writeComment } from '../decide/comment.ts';
import {
  acceptedEffect,
  cancelledEffect,
  deferredEffect,
  nothingInForceEffect,
  refusedEffect,
  requestNouns,
  type Effect,
} from '../decide/outcome.ts';
import type { RecordRead } from '../decide/plan.ts';
import { updatedRecord } from '../decide/record.ts';
import { decideRequest, type Decision, type RequestContext } from '../decide/request.ts';
import type { RequestKind } from '../decide/tags.ts';
import { readRecordOf } from './resolve.ts';
import type { RunContext } from './context.ts';

/** A request that is about to be met. */
export interface Act {
  kind: RequestKind;
  /** The trigger tag in the spelling of the host. */
  trigger: string;
  hostName: string;
  machineId: string;
  /** Ids under which Defender keeps the machine's actions. */
  machineIds: readonly string[];
  /** The machine's record as last read; what is posted is added to it, for the next host of the same machine. */
  record: MachineAction[];
  context: RequestContext;
}

/** An effect of asking Defender for something. */
export interface ActEffect extends Effect {
  /** The host's `id:` tag has lost its machine for good. */
  machineUnknown?: boolean;
  /** It may have been carried out, and Defender's record does not tell. */
  unclear?: boolean;
}

/**
 * Carries a planned decision out in Defender. The record is read once more right before, whether something is to be asked
 * for or what is there answers the request: the portal, or a run elsewhere that the lock does not reach, may have acted
 * since. What then is to be asked for and was not planned waits for the next run.
 */
export async function perform(act: Act, planned: Decision, run: RunContext): Promise<ActEffect> {
  if (!['post', 'adopt', 'nothing in force'].includes(planned.kind)) return await carryOut(act, planned, run);
  const read = await readRecordOf(run.atp, act.machineIds, callerOf(act));
  if ('unreadable' in read) {
    return deferredEffect(`the machine's actions could not be read before acting (${read.unreadable})`);
  }
  // The list may lag behind what this run itself has asked for.
  act.record.splice(0, act.record.length, ...updatedRecord(act.record, read.record));
  const again = decideRequest(act.kind, act.record, act.context);
  const isNew = again.kind === 'cancel' || (again.kind === 'post' && planned.kind !== 'post');
  if (isNew) return deferredEffect('the state of the machine changed while the run worked');
  return await carryOut(act, again, run);
}

async function carryOut(act: Act, decision: Decision, run: RunContext): Promise<ActEffect> {
  const { kind, trigger, context } = act;
  switch (decision.kind) {
    case 'answered':
    case 'adopt':
      return acceptedEffect(kind, decision.action, 'adopted', trigger, context.owner, context.now);
    case 'nothing in force':
      return nothingInForceEffect(trigger, timeOfRelease(context));
    case 'cancelled':
      return cancelledEffect(decision.action, trigger, timeOfRelease(context));
    case 'defer':
      return deferredEffect(decision.reason);
    case 'post':
      return await post(act, run);
    case 'cancel':
      return await cancelThenDecide(act, decision.action, decision.mayPost, run);
  }
}

/**
 * The time of a release that needed no action. Within the hour, one that the tags tell of already is taken to be the
 * same: a run that could not write the note, or was killed, left the trigger behind.
 */
function timeOfRelease({ now, newestOfKind, newestBlock }: RequestContext): number {
  const isKnown = newestOfKind !== undefined && newestOfKind >= (newestBlock ?? -Infinity);
  return isKnown && now >= newestOfKind && now - newestOfKind < 3_600_000 ? newestOfKind : now;
}

function callerOf({ context }: Act): Caller {
  return { host: context.owner.hostId, priority: 'action' };
}

function commentFor({ kind, context, trigger, hostName }: Act, now: number): string {
  return writeComment({ kind, ...context.owner, trigger, time: now, hostName });
}

async function post(act: Act, run: RunContext): Promise<ActEffect> {
  const { kind, machineId, trigger, context } = act;
  const comment = commentFor(act, run.clock.now());
  const type = kind === 'isolate' ? 'Isolate' : 'Unisolate';
  const posted = await run.writer.post(
    { machineId, type, comment, isolationType: run.settings.isolationType },
    callerOf(act),
  );
  switch (posted.kind) {
    case 'accepted': {
      act.record.push(posted.action);
      // Defender may answer a request with the action that it already has open.
      const how = posted.action.requestorComment === comment ? 'posted' : 'adopted';
      return acceptedEffect(kind, posted.action, how, trigger, context.owner, context.now);
    }
    case 'refused': {
      const reason = posted.unknownMachine
        ? `Defender no longer knows machine ${machineId} (${posted.reason})`
        : posted.reason;
      return { ...refusedEffect(kind, trigger, reason, context.now), machineUnknown: posted.unknownMachine };
    }
    case 'already open': {
      const read = await readRecordOf(run.atp, act.machineIds, callerOf(act));
      const again = 'record' in read ? decideRequest(kind, read.record, context) : undefined;
      if (again?.kind === 'adopt' || again?.kind === 'answered') return await carryOut(act, again, run);
      return deferredEffect(
        `Defender already has an action open on the machine and its record does not show an ${requestNouns[kind]} to take over yet`,
      );
    }
    case 'unclear':
      return { ...deferredEffect(posted.reason), unclear: true };
    case 'not done':
      return deferredEffect(posted.reason);
  }
}

async function cancelThenDecide(
  act: Act,
  opposite: MachineAction,
  mayPost: boolean,
  run: RunContext,
): Promise<ActEffect> {
  const { kind, context } = act;
  const read: RecordRead = await run.writer.cancel(
    opposite,
    commentFor(act, run.clock.now()),
    act,
    callerOf(act),
  );
  if ('unreadable' in read) {
    return deferredEffect(
      `action ${opposite.id} was to be cancelled; whether it was could not be read (${read.unreadable})`,
    );
  }
  act.record.splice(0, act.record.length, ...updatedRecord(act.record, read.record));
  const wasCancelled = read.record.some(({ id, status }) => id === opposite.id && status === 'Cancelled');
  const again = decideRequest(kind, act.record, context);
  if (
    kind === 'release' &&
    wasCancelled &&
    (again.kind === 'nothing in force' || again.kind === 'cancelled')
  ) {
    return cancelledEffect(opposite, act.trigger, timeOfRelease(context));
  }
  if (again.kind === 'cancel') {
    return deferredEffect(
      `action ${opposite.id} was asked to be cancelled, but Defender still lists it as ${again.action.status}`,
    );
  }
  if (again.kind === 'defer' && wasCancelled) {
    return deferredEffect(`action ${opposite.id} was cancelled for it, but then: ${again.reason}`);
  }
  if (kind === 'isolate' && again.kind === 'post' && !mayPost) {
    return deferredEffect('what is in force on the machine changed while the run worked');
  }
  return await carryOut(act, again, run);
}
