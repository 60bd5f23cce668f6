import type { MachineAction } from '../atp/machine.ts';
import { answeredBy, cancelledFor, decide, isCancellationTold, untoldAction } from '../decide/answer.ts';
import type { Case, RecordRead, Witnesses } from '../decide/case.ts';
import { kinds } from '../decide/kinds.ts';
import { updatedRecord } from '../decide/machine-state.ts';
import { newsOf, type News } from '../decide/news.ts';
import { endsToldIn, isOwnNote, parseNote } from '../decide/note.ts';
import { judgedOf, type Rules } from '../decide/plan.ts';
import { machineIdOf } from '../decide/resolution.ts';
import { isEndStatus, isHeld, isUnfinished, minuteOf, readTags, type TagState } from '../decide/tags.ts';
import { AppError, ExitCode } from '../errors.ts';
import { findByAddress, findById, type LookUp } from './look-up.ts';

/** What resolving a host works with. */
export interface Resolver extends LookUp {
  rules: Rules;
  /** What is known of a machine beside Defender's record. */
  witnessesOf(hostId: number, machineIds: readonly string[]): Promise<Witnesses>;
  /** Actions of a machine, and of this host: from a list of many machines, or the machine's own record. */
  readRecord(machineIds: readonly string[]): Promise<RecordRead>;
  /** What `readRecord` reads is the machine's own record. */
  isWhole: boolean;
  /** The machine's own record. */
  readWhole(machineIds: readonly string[]): Promise<RecordRead>;
  /** Actions of the machine of an `id:` tag that is to give way to another. */
  readMoved(machineId: string): Promise<RecordRead>;
}

/** What Defender records of the machine that a host's `id:` tag names. */
interface Named {
  machineIds: readonly string[];
  record: RecordRead;
  news: News;
}

/**
 * Finds a host's machine and reads what Defender records of it: once per host and run. A held host goes by its `id:`
 * tag, every other by its address; a host that only waits for an action needs no machine.
 */
export async function resolve(one: Case, resolver: Resolver): Promise<Case> {
  const tags = readTags(one.tags, resolver.now);
  const isHeldNow = isHeld(tags);
  const [request] = one.asks;
  if (request === undefined && !one.enriches) return await readNews(one, resolver);
  const id = await idOf(one, tags, resolver);
  if (id === undefined) {
    const isFollowed = request === undefined && isHeldNow;
    const events = isFollowed ? (await readNamed([], one, tags, resolver)).news.events : [];
    return { ...(await resolveByAddress(one, isHeldNow ? 'by address' : undefined, resolver)), news: events };
  }
  if (isHeldNow || request !== undefined) return await resolveNamed(one, id, tags, resolver);
  return await resolveMoved(await resolveByAddress(one, undefined, resolver), id, tags, resolver);
}

/** What Defender records of the machine that a host's tags name, without looking for any. */
export async function readNews(one: Case, resolver: Resolver): Promise<Case> {
  const tags = readTags(one.tags, resolver.now);
  const id = await idOf(one, tags, resolver);
  return withNews(one, await readNamed(id === undefined ? [] : [id], one, tags, resolver));
}

/** A host with one `id:` tag that is held, or asks for something: of that machine first, of the address second. */
async function resolveNamed(one: Case, id: string, tags: TagState, resolver: Resolver): Promise<Case> {
  const isHeldNow = isHeld(tags);
  // Only a held host is surely about that machine: of another, its actions are read before its document.
  let found = isHeldNow ? await findById(id, resolver) : undefined;
  const named = await readNamed(found?.machineIds ?? [id], one, tags, resolver);
  const witnesses = await resolver.witnessesOf(one.host.id, named.machineIds);
  const byId = await withToldEnds({ ...withNews(one, named), witnesses, held: 'by id' }, resolver);
  if ('unreadable' in named.record) return { ...byId, found: found?.resolution };
  if (goesById(byId, named, isHeldNow, resolver)) {
    found ??= await findById(id, resolver);
    return { ...byId, found: found.resolution };
  }
  const byAddress = await resolveByAddress(one, undefined, resolver, named);
  return { ...byAddress, news: named.news.events, keepsId: isHeldNow && !named.news.endsHold };
}

/**
 * Which of several `id:` tags the host is held for: a run that was killed while it replaced the one by the other leaves
 * both. It is the one whose machine has the isolation of the host's newest `Manual block:`, or an action of this host that
 * no tag tells of, or a call without an answer; none, where that is not one.
 */
async function idOf(one: Case, tags: TagState, resolver: Resolver): Promise<string | undefined> {
  if (tags.ids.length <= 1) return tags.ids[0];
  const { rules, now } = resolver;
  const owner = { brain: rules.brain, hostId: one.host.id };
  const found: string[] = [];
  for (const id of tags.ids) {
    const read = await (isHeld(tags) ? resolver.readRecord([id]) : resolver.readMoved(id));
    if ('unreadable' in read) {
      const message = `which of its id: tags the host is held for could not be read (${read.unreadable})`;
      throw new AppError(message, 'unreadable', ExitCode.incomplete);
    }
    const record = read.record.filter(({ machineId }) => machineId === id);
    const isOfBlock = ({ type, createdAt }: MachineAction) =>
      type === kinds.isolate.type && createdAt !== undefined && minuteOf(createdAt) === tags.times.isolate[0];
    const { unanswered } = await resolver.witnessesOf(one.host.id, [id]);
    const untold = untoldAction(record, { owner, tags, endsAfterMs: rules.endsAfterMs, now });
    if (unanswered || untold || (isHeld(tags) && record.some(isOfBlock))) found.push(id);
  }
  return found.length === 1 ? found[0] : undefined;
}

async function readNamed(
  machineIds: readonly string[],
  one: Case,
  tags: TagState,
  resolver: Resolver,
): Promise<Named> {
  const record = await resolver.readRecord(machineIds);
  const news = newsIn(record, machineIds, resolver.isWhole, one, tags, resolver);
  if (!news.isUnclear || 'unreadable' in record) return { machineIds, record, news };
  const whole = await resolver.readWhole(machineIds);
  const both = 'unreadable' in whole ? whole : { record: updatedRecord(record.record, whole.record) };
  return { machineIds, record: both, news: newsIn(both, machineIds, true, one, tags, resolver) };
}

function newsIn(
  record: RecordRead,
  machineIds: readonly string[],
  isWhole: boolean,
  one: Case,
  tags: TagState,
  { rules, now }: Resolver,
): News {
  if ('unreadable' in record) return { events: [], endsHold: false, holds: false, isUnclear: false };
  const owner = { brain: rules.brain, hostId: one.host.id };
  const telling = { owner, endsAfterMs: rules.endsAfterMs, now };
  return newsOf(tags, { record: record.record, machineIds, isWhole, carried: one.tags }, telling);
}

function withNews(one: Case, { machineIds, record, news }: Named): Case {
  return { ...one, machineIds, record, news: news.events };
}

/** The note may tell the end of an action that its tags do not; it is read only where that makes a difference. */
async function withToldEnds(one: Case, { detect, now, rules }: Resolver): Promise<Case> {
  const [request] = one.asks;
  if (request === undefined || 'unreadable' in one.record) return one;
  const judged = judgedOf(one, rules, now);
  // A status tag that calls the action open has not told its end, whatever the note says by now.
  if (isUnfinished(judged.tags, request)) return one;
  const answer = answeredBy(request, one.record.record, judged);
  if (!answer || !isEndStatus(answer.status)) return one;
  const notes = await detect.listNotes(one.host.id);
  if (!Array.isArray(notes)) return one;
  const own = notes.filter(({ note }) => isOwnNote(note));
  return { ...one, toldEnds: own.flatMap(({ note }) => endsToldIn(parseNote(note).entries)) };
}

/**
 * Tells whether the host goes by its `id:` tag. A block that would be a new isolation goes by address: the machine that a
 * tag names may be another host's by now, or a stranger's.
 */
function goesById(one: Case, { news }: Named, isHeldNow: boolean, resolver: Resolver): boolean {
  const [request] = one.asks;
  const isHolding = news.holds || (isHeldNow && (!news.endsHold || request === 'release'));
  if (request === undefined) return isHolding;
  if ('unreadable' in one.record) return true;
  const { record } = one.record;
  const judged = { ...judgedOf(one, resolver.rules, resolver.now), isNamedOnly: false };
  const cancelled = request === 'release' ? cancelledFor(record, judged) : undefined;
  const isUntold = cancelled !== undefined && !isCancellationTold(cancelled, judged.tags);
  if (isUntold || answeredBy(request, record, judged)) return true;
  const { kind } = decide(request, record, judged);
  // The call may have been this host's.
  if (judged.told.unanswered && kind === 'wait') return true;
  return isHolding && (request === 'release' || kind !== 'post');
}

async function resolveByAddress(
  one: Case,
  held: 'by address' | undefined,
  resolver: Resolver,
  named?: Named,
): Promise<Case> {
  const { host, resolution, machineIds } = await findByAddress(one.host, resolver);
  const byAddress = { ...one, host, found: resolution, machineIds, held };
  if (one.asks.length === 0) return byAddress;
  const record = await recordAt(machineIds, resolver, named);
  const witnesses = await resolver.witnessesOf(one.host.id, machineIds);
  return await withToldEnds({ ...byAddress, record, witnesses }, resolver);
}

/** The record of the machine at the address, which is read already where the `id:` tag names the same. */
async function recordAt(
  machineIds: readonly string[],
  { readWhole }: Resolver,
  named: Named | undefined,
): Promise<RecordRead> {
  if (machineIds.length === 0) return { record: [] };
  return named?.machineIds.join() === machineIds.join() ? named.record : await readWhole(machineIds);
}

/**
 * Before an `id:` tag gives way to another machine's, the actions of its machine are read: one of this host that no tag
 * tells of (a run died) holds the host to that machine.
 */
async function resolveMoved(byAddress: Case, id: string, tags: TagState, resolver: Resolver): Promise<Case> {
  const isMoving = byAddress.found !== undefined && machineIdOf(byAddress.found) !== id;
  if (!isMoving) return byAddress;
  const record = await movedRecord(id, byAddress, resolver);
  if ('unreadable' in record) return { ...byAddress, found: undefined, record };
  const news = newsIn(record, [id], false, byAddress, tags, resolver);
  if (!news.holds) return byAddress;
  const { resolution, machineIds } = await findById(id, resolver);
  return { ...withNews(byAddress, { machineIds, record, news }), found: resolution, held: 'by id' };
}

async function movedRecord(id: string, { host }: Case, resolver: Resolver): Promise<RecordRead> {
  const { unanswered } = await resolver.witnessesOf(host.id, [id]);
  if (unanswered)
    return { unreadable: 'whether Defender carried out what an earlier run asked for is not known yet' };
  return await resolver.readMoved(id);
}

/** The news of a host once more, after more was learned of its machine. */
export function newsAgain(one: Case, rules: Rules, now: number): Case {
  const tags = readTags(one.tags, now);
  const { record, machineIds, held } = one;
  if (held !== 'by id' || 'unreadable' in record) return one;
  const owner = { brain: rules.brain, hostId: one.host.id };
  const telling = { owner, endsAfterMs: rules.endsAfterMs, now };
  return {
    ...one,
    news: newsOf(tags, { record: record.record, machineIds, isWhole: true, carried: one.tags }, telling)
      .events,
  };
}
