import type { Case } from '../decide/case.ts';
import type { Consequence } from '../decide/consequences.ts';
import { noteActionOf } from '../decide/events.ts';
import {
  factLines,
  isOwnNote,
  isStillAsked,
  keepMatch,
  parseNote,
  putEntry,
  renderNote,
  sameNote,
  syncEntries,
  timeOfEvent,
  waitingLine,
  type NoteEntry,
  type NoteParts,
} from '../decide/note.ts';
import { noteFacts, summariseAlerts } from '../decide/resolution.ts';
import { triggersAmong } from '../decide/tags.ts';
import type { Note } from '../detect/notes.ts';
import { ApiError, AppError, AuthError, ExitCode, MissingRightError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { HostReport } from './report.ts';
import { HostGoneError, isRefusal } from './writer.ts';

/** What became of a host's note. */
export interface NoteOutcome {
  note: HostReport['note'];
  /** The events, with the times that an interrupted run has noted already. */
  events: readonly Consequence[];
  /** Why the note is left to a later run. */
  postponed?: AppError;
  /** Set when Detect refuses notes for good; the work goes on without them. */
  refused?: ApiError | MissingRightError;
}

/**
 * Reads the host's notes and brings the program's own up to date. It is read right before it is written, so that what
 * people add to it meanwhile is kept.
 * @param begin called before the first write
 */
export async function updateNote(
  one: Case,
  events: readonly Consequence[],
  begin: () => void,
  run: RunContext,
): Promise<NoteOutcome> {
  const hostId = one.host.id;
  try {
    const notes = await run.detect.listNotes(hostId);
    // Should the host be there all the same, its other tags still tell what was asked for.
    if (!notes) return { note: null, events, postponed: new HostGoneError(hostId) };
    if (notes === 'too many') return leftOut(one, events, run);
    return await writeToFirstThatTakes(ownNotes(notes, run.journal.noteOf(hostId)), one, events, begin, run);
  } catch (error) {
    if (error instanceof MissingRightError || isRefusal(error)) {
      const fields = { host: hostId, reason: error.message };
      run.log.warn(fields, 'Detect refuses the note; the work goes on without it');
      return { note: null, events, refused: error };
    }
    const isPassing = error instanceof ApiError || error instanceof AuthError;
    if (!isPassing || run.stop.aborted) throw error;
    return { note: null, events, postponed: error };
  }
}

/** Too many notes keep back no isolation and no release; an enrichment without its note is none. */
function leftOut({ host }: Case, events: readonly Consequence[], run: RunContext): NoteOutcome {
  const message = 'the host has more notes than are read (1,000, or 16 MiB)';
  const isAnswered = events.some(({ settles, event }) => settles && event !== 'refused');
  if (!isAnswered)
    return { note: null, events, postponed: new AppError(message, 'too_many', ExitCode.incomplete) };
  run.log.warn({ host: host.id }, `${message}; the work goes on without its own`);
  return { note: null, events };
}

/** The notes that look like the program's: the one used last, then the oldest first. Anybody may have copied its first line. */
function ownNotes(notes: readonly Note[], used: number | undefined): Note[] {
  const age = ({ id, createdAt }: Note) => (id === used ? -1 : (createdAt ?? Infinity));
  return notes
    .filter(({ note }) => isOwnNote(note))
    .sort((one, other) => age(one) - age(other) || one.id - other.id);
}

const nothing: NoteParts = { facts: [], entries: [], theirs: '' };

async function writeToFirstThatTakes(
  candidates: readonly Note[],
  one: Case,
  events: readonly Consequence[],
  begin: () => void,
  run: RunContext,
): Promise<NoteOutcome> {
  for (const candidate of candidates) {
    const parts = parseNote(candidate.note);
    const timed = withNotedTimes(events, parts.entries);
    const text = textOf(one, parts, timed, run);
    if (text === undefined) continue;
    if (text === '' || sameNote(candidate.note, text))
      return { note: text === '' ? null : 'unchanged', events: timed };
    try {
      begin();
      await run.writer.writeNote(one.host.id, candidate.id, text);
    } catch (error) {
      // Full, or another user's.
      if (error instanceof MissingRightError || isRefusal(error)) continue;
      throw error;
    }
    if (candidate !== candidates[0]) await run.journal.useNote(one.host.id, candidate.id);
    return { note: 'updated', events: timed };
  }
  return await writeNew(one, events, candidates.length > 0, begin, run);
}

async function writeNew(
  one: Case,
  events: readonly Consequence[],
  hasOlder: boolean,
  begin: () => void,
  run: RunContext,
): Promise<NoteOutcome> {
  const text = textOf(one, nothing, events, run);
  if (text === undefined || text === '') return { note: null, events };
  begin();
  const id = await run.writer.writeNote(one.host.id, undefined, text);
  if (hasOlder) await run.journal.useNote(one.host.id, id);
  return { note: 'created', events };
}

/** The note's text; empty when there is nothing to say, undefined when it does not fit into this note. */
function textOf(
  one: Case,
  { facts: earlier, waiting: before, entries: noted, theirs }: NoteParts,
  events: readonly Consequence[],
  run: RunContext,
): string | undefined {
  const [facts = []] = [factsOf(one, earlier, run), one.owed?.facts ?? [], earlier].filter(
    (lines) => lines.length > 0,
  );
  const entries = entriesOf(one, noted, events, run);
  const waiting = waitingOf(one, before, events, run);
  const isEmpty = facts.length === 0 && entries.length === 0 && waiting === undefined;
  return isEmpty ? '' : renderNote({ facts, waiting, entries, theirs });
}

/** The line stays until the request has its answer or its trigger is gone; what passes by itself changes nothing. */
function waitingOf(
  { asks, tags }: Case,
  before: string | undefined,
  events: readonly Consequence[],
  { triggers }: RunContext,
): string | undefined {
  const said = events.findLast(({ waiting }) => waiting !== undefined)?.waiting;
  const [kind] = asks;
  if (said !== undefined && kind !== undefined) {
    const flags = kind === 'isolate' ? triggers.blockTags : triggers.unblockTags;
    return waitingLine(kind, triggersAmong(tags, flags)[0] ?? '', said);
  }
  const isAnswered = events.some(({ settles }) => settles);
  return before !== undefined && !isAnswered && isStillAsked(before, tags) ? before : undefined;
}

/** An event that an interrupted run has noted within the last hour keeps the time it has there. */
function withNotedTimes(events: readonly Consequence[], noted: readonly NoteEntry[]): Consequence[] {
  return events.map((event) => {
    const { entry, accepted } = event;
    if (!entry || entry.action) return event;
    const time = timeOfEvent(noted, entry.what, entry.time);
    return { ...event, entry: { ...entry, time }, accepted: accepted && { ...accepted, time } };
  });
}

/** The lines about the machine that was found; none where it was not looked for. */
export function factsOf(
  { enriches, found, alerts }: Case,
  earlier: readonly string[],
  run: RunContext,
): readonly string[] {
  if (!enriches || !found) return [];
  const isKnownNumber = alerts !== undefined && alerts !== 'unknown';
  const summary = isKnownNumber ? summariseAlerts(alerts, run.now()) : 'unknown';
  const lines = factLines(noteFacts(found, summary, run.settings.portal));
  const isNamed = found.kind === 'machine' && found.evidence === 'by id';
  return isNamed ? keepMatch(lines, earlier, found.machine.id) : lines;
}

function entriesOf(
  { record, owed }: Case,
  noted: readonly NoteEntry[],
  events: readonly Consequence[],
  { settings }: RunContext,
): NoteEntry[] {
  const lines = [...(owed?.entries ?? []), ...events.flatMap(({ entry }) => entry ?? [])];
  const entries = lines.reduce<NoteEntry[]>((all, line) => putEntry(all, line), [...noted]);
  const actions = 'record' in record ? record.record : [];
  // The record is what the run knew last, also of an action that it took up and cancelled.
  return syncEntries(
    entries,
    actions.map((action) => noteActionOf(action, settings)),
  );
}
