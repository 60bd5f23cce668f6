import type { AtpClient, Caller, MachineActionPost } from '../atp/client.ts';
import { refusalOf } from '../atp/refusals.ts';
import type { MachineAction } from '../atp/machine.ts';
import { cleanText } from '../output/clean.ts';
import type { Clock } from '../clock.ts';
import type { RecordRead } from '../decide/case.ts';
import { isEmptyChange, type TagChange } from '../decide/tag-change.ts';
import { isUnfinished, readTags } from '../decide/tags.ts';
import { kinds } from '../decide/kinds.ts';
import type { DetectClient } from '../detect/client.ts';
import { ApiError, AppError, ExitCode } from '../errors.ts';
import type { Journal } from '../local/journal.ts';
import type { LazyLog } from '../output/lazy-log.ts';
import { readRecordOf } from './look-up.ts';

/** The host was deleted in Detect while the run worked. */
export class HostGoneError extends AppError {
  constructor(hostId: number) {
    super(`host ${hostId} no longer exists in Detect`, 'host_gone', ExitCode.incomplete);
  }
}

/** How a POST for an isolation or a release ended. */
export type Posted =
  | { kind: 'accepted'; action: MachineAction }
  /** Defender refuses for good. */
  | { kind: 'refused'; reason: string; isUnknownMachine: boolean }
  /** Defender already has such an action open. */
  | { kind: 'already open' }
  /** There is nothing to release. */
  | { kind: 'not isolated' }
  /** It may or may not have been carried out, and reading the actions did not tell. */
  | { kind: 'unclear'; reason: string }
  /** It was certainly not carried out. */
  | { kind: 'not done'; reason: string };

/** A tag that Detect will not take. */
export interface RefusedTag {
  tag: string;
  error: ApiError;
}

type OnDone = (how: keyof TagChange, tag: string) => void;

/**
 * The one place where the program changes anything outside itself. A dry run is another writer, not another pipeline.
 */
export interface Writer {
  /** Adds, then removes. Told of each tag that is done, which may be some of them when it rejects. */
  changeTags(hostId: number, change: TagChange, onDone?: OnDone): Promise<RefusedTag[]>;
  /** Reads the host's tags, writes once more what they lack, and returns what they then still lack. */
  confirmTags(hostId: number, change: TagChange): Promise<TagChange>;
  /** Creates the note where it has no id yet. Resolves with its id; with none in a dry run. */
  writeNote(hostId: number, noteId: number | undefined, text: string): Promise<number | undefined>;
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
/** A 404 for a machine that exists has been seen to pass (MicrosoftDocs/microsoft-365-docs issue 13047). */
const askAgainAfterMs = 5_000;

/** What a real run writes with. */
interface Hands {
  detect: DetectClient;
  atp: AtpClient;
  journal: Journal;
  clock: Clock;
  /** Defender's time. */
  now(): number;
  stop: AbortSignal;
  log: LazyLog;
}

/** Creates the writer of a real run. */
export function createWriter(hands: Hands): Writer {
  const { detect } = hands;
  return {
    changeTags: (hostId, change, onDone) => changeTags(detect, hostId, change, onDone),
    async confirmTags(hostId, change) {
      const missing = await lacking(detect, hostId, change);
      if (isEmptyChange(missing)) return missing;
      await changeTags(detect, hostId, missing);
      return await lacking(detect, hostId, missing);
    },
    async writeNote(hostId, noteId, text) {
      if (noteId === undefined) return await detect.createNote(hostId, text);
      await detect.updateNote(hostId, noteId, text);
      return noteId;
    },
    post: (post, caller) => postOnce(post, caller, hands),
    cancel: (action, comment, known, caller) => cancel(action, comment, known, caller, hands),
  };
}

async function changeTags(
  detect: DetectClient,
  hostId: number,
  { add, remove }: TagChange,
  onDone?: OnDone,
): Promise<RefusedTag[]> {
  // What calls an action unfinished goes last: a run killed in between is then completed by the next one, which looks for it.
  const isOpen = (tag: string) => isUnfinished(readTags([tag], Infinity));
  const [open, others] = [remove.filter(isOpen), remove.filter((tag) => !isOpen(tag))];
  const refused: RefusedTag[] = [];
  for (const [how, tags] of [['add', add] as const, ['remove', others] as const, ['remove', open] as const]) {
    const ends = await Promise.allSettled(
      tags.map(async (tag) => {
        const write = how === 'add' ? detect.addTag : detect.removeTag;
        if ((await write(hostId, tag)) === 'gone') throw new HostGoneError(hostId);
        onDone?.(how, tag);
      }),
    );
    for (const [at, end] of ends.entries()) {
      if (end.status === 'fulfilled') continue;
      const tag = tags[at] ?? '';
      if (how === 'remove' || !isRefusal(end.reason)) throw end.reason;
      refused.push({ tag, error: end.reason });
    }
  }
  return refused;
}

/** Tells whether Detect refuses what it was given, and would again. */
export function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && [400, 413, 414, 422].includes(error.status ?? 0);
}

/** What of a change the host's tags do not show. */
async function lacking(detect: DetectClient, hostId: number, change: TagChange): Promise<TagChange> {
  const read = await detect.getTags(hostId);
  if (!read) throw new HostGoneError(hostId);
  const tags = new Set(read);
  return {
    add: change.add.filter((tag) => !tags.has(tag)),
    remove: change.remove.filter((tag) => tags.has(tag)),
  };
}

/** Sends the call once; the journal knows of it from before it leaves until its answer is known to be no. */
async function postOnce(post: MachineActionPost, caller: Caller, hands: Hands): Promise<Posted> {
  const { journal, clock, stop, log } = hands;
  const kind = post.type === 'Isolate' ? 'isolate' : 'release';
  // Whoever kills the run right after the answer is to find the line that tells of it.
  await Promise.all([journal.calls(post.machineId, { kind, time: hands.now() }), log.open()]);
  let posted = await send(post, caller, hands);
  if (posted.kind === 'refused' && posted.isUnknownMachine) {
    await clock.sleep(askAgainAfterMs, stop);
    posted = await send(post, caller, hands);
  }
  if (posted.kind !== 'accepted' && posted.kind !== 'unclear') await journal.answered(post.machineId);
  return posted;
}

async function send(post: MachineActionPost, caller: Caller, hands: Hands): Promise<Posted> {
  try {
    return accepted(await hands.atp.postAction(post, caller), caller, hands);
  } catch (error) {
    if (error instanceof ApiError) return await failedPost(post, error, caller, hands);
    // Nothing left: a right is missing, or the quota is used up. A run that was told to stop does not know.
    if (!hands.stop.aborted) await hands.journal.answered(post.machineId);
    throw error;
  }
}

/** Tells the log at once what Defender accepted. */
function accepted(action: MachineAction, { host }: Caller, { log }: Hands): Posted {
  const { id, machineId, status } = action;
  const noun = action.type === kinds.isolate.type ? kinds.isolate.noun : kinds.release.noun;
  log.info({ host, machine: machineId, action: id }, `Defender accepted the ${noun} (${status})`);
  return { kind: 'accepted', action };
}

async function failedPost(
  post: MachineActionPost,
  error: ApiError,
  caller: Caller,
  hands: Hands,
): Promise<Posted> {
  const refusal = refusalOf(error);
  if (refusal === 'already open' || refusal === 'not isolated') return { kind: refusal };
  if (refusal)
    return {
      kind: 'refused',
      reason: refusalWords(refusal, error),
      isUnknownMachine: refusal === 'unknown machine',
    };
  if (error.notDone) {
    if (error.isOutage) return { kind: 'not done', reason: error.message };
    await hands.journal.answered(post.machineId);
    throw error;
  }
  const found = await findPosted(post, caller, hands);
  if (found) return accepted(found, caller, hands);
  const reason = `${error.message}; Defender's record does not show the action, so it is not asked for again in this run`;
  return { kind: 'unclear', reason };
}

function refusalWords(
  refusal: 'restricted machine' | 'platform' | 'unknown machine',
  error: ApiError,
): string {
  const sentence = cleanText(error.serviceMessage ?? '', 300);
  switch (refusal) {
    case 'restricted machine':
      return `the machine's onboarding forbids it; Defender says: "${sentence}"`;
    case 'platform':
      return `Defender cannot do this on the machine's platform or agent (${error.serviceCode ?? ''})`;
    case 'unknown machine':
      return error.sentence;
  }
}

async function findPosted(
  post: MachineActionPost,
  caller: Caller,
  { atp, clock, stop }: Hands,
): Promise<MachineAction | undefined> {
  for (const waitMs of lookAgainAfterMs) {
    await clock.sleep(waitMs, stop);
    const read = await readRecordOf(atp, [post.machineId], caller);
    const record = 'record' in read ? read.record : [];
    const found = record.find((action) => action.requestorComment === post.comment);
    if (found) return found;
  }
  return undefined;
}

async function cancel(
  action: MachineAction,
  comment: string,
  { machineIds }: KnownRecord,
  caller: Caller,
  { atp, clock, stop }: Hands,
): Promise<RecordRead> {
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
}

/** Creates the writer of a dry run: it writes nothing and answers as the services would if all went well. */
export function createDryRunWriter(now: () => number): Writer {
  return {
    changeTags(_hostId, change, onDone) {
      for (const tag of change.add) onDone?.('add', tag);
      for (const tag of change.remove) onDone?.('remove', tag);
      return Promise.resolve([]);
    },
    confirmTags: () => Promise.resolve({ add: [], remove: [] }),
    writeNote: () => Promise.resolve(undefined),
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
          createdAt: now(),
          updatedAt: now(),
        },
      }),
    cancel: (action, comment, { record }) =>
      Promise.resolve({
        record: record.map((other) =>
          other.id === action.id
            ? { ...other, status: 'Cancelled', cancellationComment: comment, updatedAt: now() }
            : other,
        ),
      }),
  };
}
