import * as z from 'zod/mini';
import { ApiError } from '../errors.ts';
import { readReply, unreadable } from '../http/read-reply.ts';
import type { DetectApi, DetectCall } from './api.ts';
import { Notes, WrittenNote } from './reply.ts';
import type { Note } from './schema.ts';

export interface NoteCalls {
  /** All notes of a host, in no particular order; undefined when the host is gone. */
  listNotes(id: number): Promise<Note[] | undefined>;
  /** Creates a note and returns its id. A lost answer is looked for among the notes; if it stays lost, an ApiError. */
  createNote(id: number, text: string): Promise<number>;
  /** Replaces the text of a note. */
  updateNote(id: number, noteId: number, text: string): Promise<void>;
}

/** More of one host is not read into memory. */
const maxNotesBytes = 16 * 2 ** 20;
const mostNotes = 1_000;

/** The notes of hosts, as API 2.2 and later keep them: a list of notes for each host. */
export function createNoteCalls(api: DetectApi): NoteCalls {
  function errorCall(method: string, below: string) {
    return { service: 'detect', method, path: api.path(below) } as const;
  }

  async function listNotes(id: number): Promise<Note[] | undefined> {
    const below = `/hosts/${id}/notes`;
    try {
      const call: DetectCall = {
        method: 'GET',
        path: below,
        subject: id,
        maxBytes: maxNotesBytes,
        right: 'read the notes of hosts',
      };
      return await api.read(call, (reply) => {
        const notes = readReply(Notes, reply, errorCall('GET', below), 'a list of notes');
        if (notes.length > mostNotes)
          throw unreadable(errorCall('GET', below), reply.status, `at most ${mostNotes} notes`);
        return notes;
      });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** The note that a write with a lost answer may have left; none when the notes cannot be read either. */
  async function findWritten(id: number, text: string, noteId?: number): Promise<Note | undefined> {
    try {
      const notes = (await listNotes(id)) ?? [];
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
      const below = `/hosts/${id}/notes`;
      try {
        // Another try could leave a second note.
        const reply = await api.request({
          method: 'POST',
          path: below,
          subject: id,
          json: { note: text },
          idempotent: false,
          right: 'write notes on hosts',
        });
        return readReply(WrittenNote, reply, errorCall('POST', below), 'the note with its id').id;
      } catch (error) {
        const written = isLostAnswer(error) ? await findWritten(id, text) : undefined;
        if (written) return written.id;
        throw error;
      }
    },
    async updateNote(id, noteId, text) {
      const below = `/hosts/${id}/notes/${noteId}`;
      try {
        const reply = await api.request({
          method: 'PATCH',
          path: below,
          subject: id,
          json: { note: text },
          idempotent: true,
          right: 'write notes on hosts',
        });
        const sameNote = WrittenNote.check(z.refine((note) => note.id === noteId));
        readReply(sameNote, reply, errorCall('PATCH', below), 'the changed note');
      } catch (error) {
        if (isLostAnswer(error) && (await findWritten(id, text, noteId))) return;
        throw error;
      }
    },
  };
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
