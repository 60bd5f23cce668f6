import type { MachineAction } from '../atp/schema.ts';
import { writeComment } from '../decide/comment.ts';
import { timeOfEvent, type NoteEntry } from '../decide/note.ts';
import {
  acceptedEffect,
  cancelledEffect,
  cancelledEntry,
  deferredEffect,
  nothingInForceEffect,
  nothingInForceEntry,
  refusedEffect,
  requestNouns,
  type Effect,
} from '../decide/outcome.ts';
import type { RecordRead } from '../decide/plan.ts';
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
  /** The machine's record as last read; what is posted is added to it, for the next host of the same machine. */
  record: MachineAction[];
  context: RequestContext;
  /** The lines already in the host's note. */
  entries: readonly NoteEntry[];
}

/** An effect, and whether the host's `id:` tag has lost its machine for good. */
export interface ActEffect extends Effect {
  machineUnknown?: boolean;
}

/** Carries a decision out in Defender: posts, cancels, or takes over what is there. */
export async function perform(act: Act, decision: Decision, run: RunContext): Promise<ActEffect> {
  const { kind, trigger, context } = act;
  switch (decision.kind) {
    case 'answered':
    case 'adopt':
      return acceptedEffect(kind, decision.action, 'adopted', trigger, context.owner, context.now);
    case 'nothing in force':
      return nothingInForceEffect(
        trigger,
        timeOfEvent(act.entries, nothingInForceEntry(trigger), context.now),
      );
    case 'cancelled':
      return cancelled(act, decision.action);
    case 'defer':
      return deferredEffect(decision.reason);
    case 'post':
      return await post(act, run);
    case 'cancel':
      return await cancelThenDecide(act, decision.action, decision.mayPost, run);
  }
}

function cancelled({ trigger, entries, context }: Act, action: MachineAction): Effect {
  return cancelledEffect(action, trigger, timeOfEvent(entries, cancelledEntry(action, trigger), context.now));
}

function commentFor({ kind, context, trigger, hostName }: Act, now: number): string {
  return writeComment({ kind, ...context.owner, trigger, time: now, hostName });
}

async function post(act: Act, run: RunContext): Promise<ActEffect> {
  const { kind, machineId, trigger, context } = act;
  const comment = commentFor(act, run.clock.now());
  const posted = await run.writer.post({
    machineId,
    type: kind === 'isolate' ? 'Isolate' : 'Unisolate',
    comment,
    isolationType: run.settings.isolationType,
  });
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
      const read = await readRecordOf(run.atp, [machineId]);
      const again = 'record' in read ? decideRequest(kind, read.record, context) : undefined;
      if (again?.kind === 'adopt' || again?.kind === 'answered') return await perform(act, again, run);
      return deferredEffect(
        `Defender already has an action open on the machine and its record does not show an ${requestNouns[kind]} to take over yet`,
      );
    }
    case 'unclear':
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
  const read: RecordRead = await run.writer.cancel(opposite, commentFor(act, run.clock.now()), act.record);
  if ('unreadable' in read) {
    return deferredEffect(
      `action ${opposite.id} was to be cancelled; whether it was could not be read (${read.unreadable})`,
    );
  }
  act.record.splice(0, act.record.length, ...read.record);
  const wasCancelled = read.record.some(({ id, status }) => id === opposite.id && status === 'Cancelled');
  const again = decideRequest(kind, read.record, context);
  if (
    kind === 'release' &&
    wasCancelled &&
    (again.kind === 'nothing in force' || again.kind === 'cancelled')
  ) {
    return cancelled(act, opposite);
  }
  if (again.kind === 'cancel') {
    return deferredEffect(
      `action ${opposite.id} was asked to be cancelled, but Defender still lists it as ${again.action.status}`,
    );
  }
  if (kind === 'isolate' && again.kind === 'post' && !mayPost) {
    return deferredEffect('what is in force on the machine changed while the run worked');
  }
  return await perform(act, again, run);
}
