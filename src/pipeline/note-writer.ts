import {
  factLines,
  isOwnNote,
  keepMatch,
  parseNote,
  putEntry,
  renderNote,
  sameNote,
  syncEntries,
  timeOfEvent,
  type NoteEntry,
} from '../decide/note.ts';
import type { Effect } from '../decide/outcome.ts';
import type { Look } from '../decide/plan.ts';
import { noteFacts, summariseAlerts } from '../decide/resolution.ts';
import type { Note } from '../detect/client.ts';
import { ApiError, AuthError, MissingRightError, type AppError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { HostReport } from './report.ts';
import { HostGoneError } from './writer.ts';

/** What became of a host's note. */
export interface NoteOutcome {
  note: HostReport['note'];
  /** Why the note is left to a later run, so that the trigger tags must stay. */
  postponed?: AppError;
  /** Set when Detect refuses notes for good; the work goes on without them. */
  refused?: ApiError | MissingRightError;
}

/**
 * Reads the host's notes and brings the program's own up to date. It is read right before it is written, so that what
 * people add to it meanwhile is kept.
 * @param effects what happened to the host; the time of one that an interrupted run has noted already is put right
 */
export async function updateNote(
  hostId: number,
  look: Look,
  enrich: boolean,
  effects: Effect[],
  run: RunContext,
): Promise<NoteOutcome> {
  try {
    const notes = await run.detect.listNotes(hostId);
    // Should the host be there all the same, its other tags still tell what was asked for.
    if (!notes) return { note: null, postponed: new HostGoneError(hostId) };
    const own = oldestOwnNote(notes);
    const parts = own ? parseNote(own.note) : { facts: [], entries: [], theirs: '' };
    keepTimes(effects, parts.entries);
    const facts = enrich ? factsOf(look, parts.facts, run) : parts.facts;
    const entries = entriesOf(look, parts.entries, effects);
    if (facts.length === 0 && entries.length === 0) return { note: null };

    const text = renderNote({ facts, entries, theirs: parts.theirs });
    if (text === undefined) {
      const why =
        'the note was not written: with what people wrote below it, it is longer than Detect allows';
      run.log.warn({ host: hostId }, why);
      return { note: null };
    }
    if (own && sameNote(own.note, text)) return { note: 'unchanged' };
    await run.writer.writeNote(hostId, own?.id, text);
    return { note: own ? 'updated' : 'created' };
  } catch (error) {
    if (error instanceof MissingRightError || isRefusal(error)) {
      run.log.warn(
        { host: hostId, reason: error.message },
        'Detect refuses the note; the work goes on without it',
      );
      return { note: null, refused: error };
    }
    const isPassing = error instanceof ApiError || error instanceof AuthError;
    if (!isPassing || run.stop.aborted) throw error;
    return { note: null, postponed: error };
  }
}

function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && [400, 413, 414, 422].includes(error.status ?? 0);
}

/** An event that an interrupted run has noted within the last hour keeps the time it has there. */
function keepTimes(effects: Effect[], entries: readonly NoteEntry[]): void {
  for (const effect of effects) {
    if (!effect.entry || effect.entry.action) continue;
    const time = timeOfEvent(entries, effect.entry.what, effect.entry.time);
    effect.entry = { ...effect.entry, time };
    if (effect.history) effect.history = { ...effect.history, time };
  }
}

function factsOf(look: Look, earlier: readonly string[], run: RunContext): string[] {
  const { resolution, alerts } = look;
  const summary = Array.isArray(alerts) ? summariseAlerts(alerts, run.clock.now()) : alerts;
  const found = factLines(noteFacts(resolution, summary, run.settings.portal));
  const isKnown = resolution.kind === 'machine' && resolution.evidence === 'by id';
  return isKnown ? keepMatch(found, earlier, resolution.machine.id) : found;
}

function entriesOf({ record }: Look, earlier: readonly NoteEntry[], effects: readonly Effect[]): NoteEntry[] {
  let entries = syncEntries(earlier, 'record' in record ? record.record : []);
  for (const { entry, action } of effects) {
    if (entry) entries = putEntry(entries, entry);
    else if (action) entries = syncEntries(entries, [action]);
  }
  return entries;
}

/** The oldest of the program's own notes; should there be several, the others are left alone. */
function oldestOwnNote(notes: readonly Note[]): Note | undefined {
  const age = (note: Note) => note.createdAt ?? Infinity;
  return notes
    .filter((note) => isOwnNote(note.note))
    .sort((one, other) => age(one) - age(other) || one.id - other.id)[0];
}
