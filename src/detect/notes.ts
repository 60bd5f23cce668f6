import * as z from 'zod/mini';
import { ApiError } from '../errors.ts';
import { anyList, listOf, mapped, optionalTime } from '../http/read-reply.ts';
import { orGone, type DetectApi, type DetectCall } from './api.ts';
import { positiveId } from './host.ts';

const mostNotes = 1_000;
/** More of one host is not read into memory. */
const maxNotesBytes = 16 * 2 ** 20;
/** The answer to a write holds one note. */
const maxNoteBytes = 2 ** 20;

const Note = mapped(
  z.object({ id: positiveId, note: z.nullish(z.string()), date_created: optionalTime }),
  ({ id, note, date_created: createdAt }) => ({ id, note: note ?? '', createdAt }),
);
/** A note on a host; `createdAt` in milliseconds UTC. */
export type Note = z.infer<typeof Note>;

/** One that cannot be read might be the program's own, so that it spoils the list. */
const NoteList = listOf(Note);

/** The notes of a host, counted or not. */
const NotesReply = z.pipe(
  z.transform((body) => (Array.isArray(body) ? { results: body } : body)),
  z.object({ results: anyList, next: z.optional(z.null()) }),
);

/** The same with every note read. */
export const Notes = z.pipe(
  mapped(NotesReply, ({ results }) => results),
  NoteList,
);

/** What is needed of the answer to a new or changed note. */
const WrittenNote = z.object({ id: positiveId });

export interface NoteCalls {
  /**
   * All notes of a host, in no particular order; undefined when the host is gone. More than 1,000 notes or 16 MiB are not
   * read.
   */
  listNotes(id: number): Promise<Note[] | 'too many' | undefined>;
  /** Creates a note and returns its id. A lost answer is looked for among the notes; if it stays lost, an ApiError. */
  createNote(id: number, text: string): Promise<number>;
  /** Replaces the text of a note. */
  updateNote(id: number, noteId: number, text: string): Promise<void>;
}

/** The notes of hosts, as API 2.2 and later keep them: a list of notes for each host. */
export function createNoteCalls(api: DetectApi): NoteCalls {
  async function listNotes(id: number): Promise<Note[] | 'too many' | undefined> {
    const path = `/hosts/${id}/notes`;
    const right = 'read the notes of hosts';
    const call = { method: 'GET', path, subject: id, maxBytes: maxNotesBytes, right } as const;
    const read = api.read(call, (answer) => {
      const expected = 'a list of notes';
      const { results } = answer.read(NotesReply, expected);
      return results.length > mostNotes ? 'too many' : answer.read(NoteList, expected, results);
    });
    try {
      return await orGone(read);
    } catch (error) {
      if (isTooLarge(error)) return 'too many';
      throw error;
    }
  }

  function writing(method: 'POST' | 'PATCH', path: string, id: number, note: string): DetectCall {
    // Another try of a POST could leave a second note.
    const idempotent = method === 'PATCH';
    const right = 'write notes on hosts';
    return { method, path, subject: id, json: { note }, idempotent, maxBytes: maxNoteBytes, right };
  }

  /** The note that a write with a lost answer may have left; none when the notes cannot be read either. */
  async function findWritten(id: number, text: string, noteId?: number): Promise<Note | undefined> {
    try {
      const listed = await listNotes(id);
      const notes = Array.isArray(listed) ? listed : [];
      return notes
        .filter((note) => (noteId === undefined || note.id === noteId) && isSameText(note.note, text))
        .sort((one, other) => other.id - one.id)[0];
    } catch (error) {
      if (error instanceof ApiError) return undefined;
      throw error;
    }
  }

  return {
    listNotes,
    async createNote(id, text) {
      try {
        const answer = await api.request(writing('POST', `/hosts/${id}/notes`, id, text));
        return answer.read(WrittenNote, 'the note with its id').id;
      } catch (error) {
        const written = isLostAnswer(error) ? await findWritten(id, text) : undefined;
        if (written) return written.id;
        throw error;
      }
    },
    async updateNote(id, noteId, text) {
      try {
        const answer = await api.request(writing('PATCH', `/hosts/${id}/notes/${noteId}`, id, text));
        const written = answer.read(WrittenNote, 'the changed note');
        if (written.id !== noteId) throw answer.unreadable('the changed note');
      } catch (error) {
        if (isLostAnswer(error) && (await findWritten(id, text, noteId))) return;
        throw error;
      }
    },
  };
}

/** The HTTP client says so of an answer that it did not read to its end. */
function isTooLarge(error: unknown): boolean {
  return error instanceof ApiError && /^the answer is larger than/u.test(error.serviceMessage ?? '');
}

/** True when the note may have been written all the same. */
function isLostAnswer(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.notDone) return false;
  return error.failure !== 'status' || (error.status ?? 0) >= 500;
}

/** Vectra's own Python client undoes HTML escaping in notes; line ends and blanks at the end are no difference either. */
function isSameText(read: string, written: string): boolean {
  return [read, unescapeHtml(read)].some((text) => trimEnds(text) === trimEnds(written));
}

function trimEnds(text: string): string {
  return text
    .split(/\r\n|\r|\n/u)
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd();
}

const namedCharacters: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeHtml(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,6})|#x([\da-f]{1,5})|([a-z]+));/giu, (entity, decimal, hex, name) => {
    if (typeof name === 'string') return namedCharacters[name] ?? entity;
    const code = typeof hex === 'string' ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
  });
}
