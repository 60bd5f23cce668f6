import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { apiErrorOf, errorOf } from '../http/rig.ts';
import { json, reset, text, type Answer } from '../http/server.ts';
import { conversation, startDetect } from './rig.ts';

const own = '## Microsoft Defender for Endpoint (atp)\n\n- **Alerts & severity:** <none> "yet"  \n';

function note(id: number, words: unknown, date = '2024-07-11T07:32:31Z') {
  return { id, date_created: date, date_modified: null, created_by: 'xsoar', modified_by: null, note: words };
}

describe('listNotes', () => {
  it('reads the bare list that Detect answers', async () => {
    const { detect, received } = await startDetect(
      json([note(1960, 'test note'), note(1982, null, '2024-07-11T06:23:07.106375Z'), note(3, 'x', 'soon')]),
    );

    expect(await detect.listNotes(7)).toEqual([
      { id: 1960, note: 'test note', createdAt: Date.UTC(2024, 6, 11, 7, 32, 31) },
      { id: 1982, note: '', createdAt: Date.UTC(2024, 6, 11, 6, 23, 7, 106) },
      { id: 3, note: 'x', createdAt: undefined },
    ]);
    expect(received[0]).toMatchObject({ method: 'GET', url: '/api/v2.5/hosts/7/notes' });
  });

  it('reads a counted list, should Detect come to that', async () => {
    const { detect } = await startDetect(json({ count: 1, results: [note(3, 'x')], next: null }));

    expect(await detect.listNotes(7)).toHaveLength(1);
  });

  it('takes 404 for gone', async () => {
    const { detect } = await startDetect(json({ detail: 'Not found.' }, 404));

    expect(await detect.listNotes(7)).toBeUndefined();
  });

  it.each<[string, unknown[]]>([
    ['more than 1,000 notes', Array<unknown>(1_001).fill(note(3, 'x'))],
    ['more than 16 MiB of notes', [note(3, 'x'.repeat(2 ** 24))]],
  ])('does not read %s', async (_name, notes) => {
    const { detect } = await startDetect(json(notes));

    expect(await detect.listNotes(7)).toBe('too many');
  });

  it('reads 1,000 notes', async () => {
    const { detect } = await startDetect(json(Array<unknown>(1_000).fill(note(3, 'x'))));

    expect(await detect.listNotes(7)).toHaveLength(1_000);
  });

  it.each<[string, Answer]>([
    ['a note without id', json([note(3, 'x'), { note: 'y' }])],
    ['a note whose text is none', json([note(3, 7)])],
    ['more pages', json({ count: 900, results: [note(3, 'x')], next: '?page=2' })],
    ['an object', json({ notes: [] })],
    ['nothing', text('')],
  ])('does not go by half a list: %s', async (_name, answer) => {
    const { detect } = await startDetect(answer);

    expect((await apiErrorOf(detect.listNotes(7))).message).toBe(
      "Detect's answer to GET /api/v2.5/hosts/7/notes cannot be read (expected a list of notes)",
    );
  });
});

describe('createNote', () => {
  it('sends the text and returns the id', async () => {
    const { detect, received } = await startDetect(json(note(791, own), 201));

    expect(await detect.createNote(7, own)).toBe(791);
    expect(conversation(received)).toEqual([`POST /api/v2.5/hosts/7/notes ${JSON.stringify({ note: own })}`]);
  });

  it.each<[string, Answer]>([
    ['empty', text('', 204)],
    ['odd', json({ status: 'success' })],
    ['HTML', text('<html>')],
    ['lost', reset],
    ['a server error', text('', 502)],
  ])('looks for the note when the answer is %s', async (_name, answer) => {
    const changed = own.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    const { detect, received } = await startDetect([
      answer,
      json([
        note(5, 'theirs'),
        note(791, `${changed.replaceAll('"', '&#34;').replaceAll('\n', '\r\n')}\r\n`),
        note(790, own),
      ]),
    ]);

    expect(await detect.createNote(7, own)).toBe(791);
    expect(received.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  it.each<[string, Answer]>([
    ['is not there', json([note(5, 'theirs'), note(6, `${own} and more`)])],
    ['cannot be looked for', json({ detail: 'no' }, 400)],
  ])('fails when the answer was empty and the note %s', async (_name, list) => {
    const { detect, received } = await startDetect([text(''), list]);

    expect(await apiErrorOf(detect.createNote(7, own))).toMatchObject({
      message:
        "Detect's answer to POST /api/v2.5/hosts/7/notes cannot be read (expected the note with its id)",
      notDone: false,
    });
    expect(received).toHaveLength(2);
  });

  it.each<[number, string]>([
    [400, 'note: This field is required.'],
    [404, 'Not found.'],
    [413, 'Note is too large'],
  ])('passes a %i on and looks for nothing', async (status, words) => {
    const { detect, received } = await startDetect(json({ detail: words }, status));

    expect(await apiErrorOf(detect.createNote(7, own))).toMatchObject({
      message: `Detect answered ${status} to POST /api/v2.5/hosts/7/notes (${words})`,
      status,
      notDone: true,
    });
    expect(received).toHaveLength(1);
  });

  it('tells a missing right', async () => {
    const { detect } = await startDetect(text('', 403));

    const error = await errorOf(detect.createNote(7, own));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message: 'Detect does not let the owner of the API token write notes on hosts (403)',
    });
  });
});

describe('updateNote', () => {
  it('replaces the text of the note', async () => {
    const { detect, received } = await startDetect(json(note(792, own)));

    await detect.updateNote(7, 792, own);

    expect(conversation(received)).toEqual([
      `PATCH /api/v2.5/hosts/7/notes/792 ${JSON.stringify({ note: own })}`,
    ]);
  });

  it('is repeated after a lost answer', async () => {
    const { detect, received } = await startDetect([reset, json(note(792, own))]);

    await detect.updateNote(7, 792, own);

    expect(received.map(({ method }) => method)).toEqual(['PATCH', 'PATCH']);
  });

  it.each<[string, Answer]>([
    ['empty', text('')],
    ['of another note', json(note(793, own))],
  ])('looks at the note when the answer is %s', async (_name, answer) => {
    const { detect, received } = await startDetect([answer, json([note(792, own), note(793, 'theirs')])]);

    await detect.updateNote(7, 792, own);

    expect(received.map(({ method }) => method)).toEqual(['PATCH', 'GET']);
  });

  it('fails when the note has not changed, though another has that text', async () => {
    const { detect } = await startDetect([text(''), json([note(792, 'old'), note(793, own)])]);

    expect((await apiErrorOf(detect.updateNote(7, 792, own))).message).toBe(
      "Detect's answer to PATCH /api/v2.5/hosts/7/notes/792 cannot be read (expected the changed note)",
    );
  });

  it('passes a 404 on', async () => {
    const { detect } = await startDetect(json({ detail: 'Not found.' }, 404));

    expect((await apiErrorOf(detect.updateNote(7, 792, own))).status).toBe(404);
  });
});
