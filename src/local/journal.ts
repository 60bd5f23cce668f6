import * as z from 'zod/mini';
import type { Cache } from './cache.ts';
import type { RequestKind } from '../decide/kinds.ts';
import type { NoteEntry } from '../decide/note.ts';

/** A call for an isolation or a release, of which nobody knows yet whether Defender carried it out. */
export interface UnansweredCall {
  kind: RequestKind;
  /** Milliseconds UTC. */
  time: number;
}

/** What a run must not forget when it dies: calls without an answer, and lines that a note lacks. */
export interface Journal {
  /** Written down before the call leaves. Where nothing can be kept, the call is made all the same. */
  calls(machineId: string, call: UnansweredCall): Promise<void>;
  /** The answer is known, and where there was one the host's tags tell of it. */
  answered(machineId: string): Promise<void>;
  /** The newest such call for one of a machine's ids, if it is younger than fifteen minutes. */
  unanswered(machineIds: readonly string[], now: number): Promise<UnansweredCall | undefined>;
  /** What the notes of hosts lack, by host id. */
  owed(): ReadonlyMap<number, OwedNote>;
  /** Adds to what the note of a host lacks. */
  owe(hostId: number, lines: OwedNote): Promise<void>;
  /** The note has them, or is refused for good. */
  paid(hostId: number): Promise<void>;
  /** Which note of a host is the program's, where that is not the oldest that looks like it. */
  noteOf(hostId: number): number | undefined;
  useNote(hostId: number, noteId: number | undefined): Promise<void>;
}

/** Lines that could not be written to a note. */
export interface OwedNote {
  /** Those about the machine; none where the note's own are to stay. */
  facts: readonly string[];
  entries: readonly NoteEntry[];
}

/** Longer than Defender has been seen to list an action late. */
const unansweredMs = 15 * 60_000;

const Call = z.catch(
  z.nullish(z.object({ kind: z.enum(['isolate', 'release']), time: z.number() })),
  undefined,
);
const Entry = z.object({
  time: z.number(),
  what: z.string(),
  action: z.optional(z.object({ id: z.string(), status: z.string(), until: z.optional(z.string()) })),
});
const Notes = z.catch(
  z.object({
    owed: z.array(z.tuple([z.number(), z.object({ facts: z.array(z.string()), entries: z.array(Entry) })])),
    own: z.array(z.tuple([z.number(), z.number()])),
  }),
  { owed: [], own: [] },
);

/**
 * Opens the journal of one Detect. Calls are kept by machine, which several Detects may share; notes by Detect.
 * @param cacheKey names the Detect
 */
export async function openJournal(cache: Cache, cacheKey: string): Promise<Journal> {
  const name = `notes-${cacheKey}`;
  const kept = Notes.parse(await cache.read(name));
  const owed = new Map<number, OwedNote>(kept.owed);
  const own = new Map(kept.own);
  /** One write after the other, so that the last one is what is kept. */
  let saving = Promise.resolve();

  function save(): Promise<void> {
    saving = saving.then(() => cache.write(name, { owed: [...owed], own: [...own] }));
    return saving;
  }

  return {
    calls: (machineId, call) => cache.write(callName(machineId), call),
    answered: (machineId) => cache.remove(callName(machineId)),
    async unanswered(machineIds, now) {
      const calls = await Promise.all(machineIds.map((id) => cache.read(callName(id))));
      return calls
        .flatMap((call) => Call.parse(call) ?? [])
        .filter(({ time }) => time <= now + unansweredMs && now - time < unansweredMs)
        .sort((one, other) => other.time - one.time)[0];
    },
    owed: () => owed,
    async owe(hostId, { facts, entries }) {
      const earlier = owed.get(hostId) ?? { facts: [], entries: [] };
      owed.set(hostId, {
        facts: facts.length > 0 ? facts : earlier.facts,
        entries: [...earlier.entries, ...entries],
      });
      await save();
    },
    async paid(hostId) {
      if (owed.delete(hostId)) await save();
    },
    noteOf: (hostId) => own.get(hostId),
    async useNote(hostId, noteId) {
      if (own.get(hostId) === noteId) return;
      if (noteId === undefined) own.delete(hostId);
      else own.set(hostId, noteId);
      await save();
    },
  };
}

function callName(machineId: string): string {
  return `call-${machineId.toLowerCase()}`;
}
