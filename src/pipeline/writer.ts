import type { AtpClient, Caller, MachineActionPost } from '../atp/client.ts';
import { refusalOf } from '../atp/refusals.ts';
import type { MachineAction } from '../atp/schema.ts';
import type { Clock } from '../clock.ts';
import type { RecordRead } from '../decide/plan.ts';
import { isEmptyChange, isUnfinished, readTags, type TagChange } from '../decide/tags.ts';
import type { DetectClient } from '../detect/client.ts';
import { ApiError, AppError, ExitCode } from '../errors.ts';
import { readRecordOf } from './resolve.ts';

/** The host was deleted in Detect while the run worked. */
export class HostGoneError extends AppError {
  constructor(hostId: number) {
    super(`host ${hostId} no longer exists in Detect`, 'host_gone', ExitCode.incomplete);
  }
}

/** How a POST for an isolation or a release ended. */
export type Posted =
  | { kind: 'accepted'; action: MachineAction }
  /** Defender refuses for good: the platform, or a machine it does not know. */
  | { kind: 'refused'; reason: string; unknownMachine: boolean }
  /** Defender already has such an action open. */
  | { kind: 'already open' }
  /** It may or may not have been carried out, and reading the actions did not tell. */
  | { kind: 'unclear'; reason: string }
  /** It was certainly not carried out. */
  | { kind: 'not done'; reason: string };

type OnDone = (how: keyof TagChange, tag: string) => void;

/**
 * The one place where the program changes anything outside itself. A dry run is another writer, not another pipeline.
 */
export interface Writer {
  /** Adds, then removes. Told of each tag that is done, which may be some of them when it rejects. */
  changeTags(hostId: number, change: TagChange, onDone?: OnDone): Promise<void>;
  /** Reads the host's tags, writes once more what they lack, and tells whether the change then stands. */
  confirmTags(hostId: number, change: TagChange): Promise<boolean>;
  writeNote(hostId: number, noteId: number | undefined, text: string): Promise<void>;
  post(post: MachineActionPost, caller: Caller): Promise<Posted>;
  /** Cancels a pending action, then reads the machine's record. */
  cancel(action: MachineAction, comment: string, known: KnownRecord, caller: Caller): Promise<RecordRead>;
}

/** A machine's record as last read, and the ids it is read under. */
export interface KnownRecord {
  machineIds: readonly string[];
  record: readonly MachineAction[];
}

/** Waits before the reads that look for an action whose answer was lost, or for a cancellation to show; milliseconds. */
const lookAgainAfterMs = [1_000, 2_000, 4_000];

/** Creates the writer of a real run. */
export function createWriter(detect: DetectClient, atp: AtpClient, clock: Clock, stop: AbortSignal): Writer {
  async function changeTags(hostId: number, change: TagChange, onDone?: OnDone): Promise<void> {
    // What calls an action unfinished goes last: a run killed in between is then completed by the next one, which looks for it.
    const open = change.remove.filter((tag) => isUnfinished(readTags([tag])));
    const others = change.remove.filter((tag) => !open.includes(tag));
    for (const [how, tags] of [
      ['add', change.add] as const,
      ['remove', others] as const,
      ['remove', open] as const,
    ]) {
      const ends = await Promise.allSettled(
        tags.map(async (tag) => {
          const write = how === 'add' ? detect.addTag : detect.removeTag;
          if ((await write(hostId, tag)) === 'gone') throw new HostGoneError(hostId);
          onDone?.(how, tag);
        }),
      );
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    }
  }

  /** What of a change the host's tags do not show. */
  async function lacking(hostId: number, change: TagChange): Promise<TagChange> {
    const tags = await detect.getTags(hostId);
    if (!tags) throw new HostGoneError(hostId);
    return {
      add: change.add.filter((tag) => !tags.includes(tag)),
      remove: change.remove.filter((tag) => tags.includes(tag)),
    };
  }

  async function findPosted(post: MachineActionPost, caller: Caller): Promise<MachineAction | undefined> {
    for (const waitMs of lookAgainAfterMs) {
      await clock.sleep(waitMs, stop);
      const read = await readRecordOf(atp, [post.machineId], caller);
      const found =
        'record' in read ? read.record.find((action) => action.requestorComment === post.comment) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  async function postFailed(post: MachineActionPost, error: ApiError, caller: Caller): Promise<Posted> {
    const refusal = refusalOf(error);
    if (refusal === 'unknown machine')
      return { kind: 'refused', reason: error.message, unknownMachine: true };
    if (refusal === 'platform') {
      const reason = `Defender cannot do this on the machine's platform or agent (${error.serviceCode ?? ''})`;
      return { kind: 'refused', reason, unknownMachine: false };
    }
    if (refusal === 'restricted machine') {
      const reason = `the machine's onboarding forbids it (${error.serviceMessage ?? error.message})`;
      return { kind: 'refused', reason, unknownMachine: false };
    }
    if (refusal === 'already open') return { kind: 'already open' };
    if (error.notDone) {
      if (error.isOutage) return { kind: 'not done', reason: error.message };
      throw error;
    }
    const found = await findPosted(post, caller);
    if (found) return { kind: 'accepted', action: found };
    const reason = `${error.message}; Defender's record does not show the action, so it is not asked for again in this run`;
    return { kind: 'unclear', reason };
  }

  return {
    changeTags,
    async confirmTags(hostId, change) {
      const missing = await lacking(hostId, change);
      if (isEmptyChange(missing)) return true;
      await changeTags(hostId, missing);
      return isEmptyChange(await lacking(hostId, missing));
    },
    async writeNote(hostId, noteId, text) {
      if (noteId === undefined) await detect.createNote(hostId, text);
      else await detect.updateNote(hostId, noteId, text);
    },
    async post(post, caller) {
      try {
        return { kind: 'accepted', action: await atp.postAction(post, caller) };
      } catch (error) {
        if (error instanceof ApiError) return await postFailed(post, error, caller);
        throw error;
      }
    },
    async cancel(action, comment, { machineIds }, caller) {
      try {
        await atp.cancelAction(action.id, comment, caller);
      } catch (error) {
        // Whether it was cancelled, ran on or ended, only the record can say.
        if (!(error instanceof ApiError)) throw error;
      }
      let read = await readRecordOf(atp, machineIds, caller);
      for (const waitMs of lookAgainAfterMs) {
        const shown = 'record' in read ? read.record.find(({ id }) => id === action.id) : undefined;
        if (shown && shown.status !== 'Pending') break;
        await clock.sleep(waitMs, stop);
        read = await readRecordOf(atp, machineIds, caller);
      }
      return read;
    },
  };
}

/** Creates the writer of a dry run: it writes nothing and answers as the services would if all went well. */
export function createDryRunWriter(clock: Clock): Writer {
  return {
    changeTags(_hostId, change, onDone) {
      for (const tag of change.add) onDone?.('add', tag);
      for (const tag of change.remove) onDone?.('remove', tag);
      return Promise.resolve();
    },
    confirmTags: () => Promise.resolve(true),
    writeNote: () => Promise.resolve(),
    post: ({ machineId, type, comment }) =>
      Promise.resolve({
        kind: 'accepted',
        action: {
          id: '',
          type,
          status: 'Pending',
          machineId,
          requestor: undefined,
          requestorComment: comment,
          cancellationComment: undefined,
          createdAt: clock.now(),
          updatedAt: clock.now(),
        },
      }),
    cancel: (action, comment, { record }) =>
      Promise.resolve({
        record: record.map((other) =>
          other.id === action.id
            ? { ...other, status: 'Cancelled', cancellationComment: comment, updatedAt: clock.now() }
            : other,
        ),
      }),
  };
}
