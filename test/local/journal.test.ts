import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCache } from '../../src/local/cache.ts';
import { openJournal } from '../../src/local/journal.ts';
import { makeTempDir } from '../temp-dir.ts';

const now = Date.UTC(2026, 0, 5, 12);
const quarterMs = 15 * 60_000;
const lines = { facts: ['fact'], entries: [{ time: now, what: 'isolated' }] };

function open(dir: string, readOnly = false, key = 'one') {
  return openJournal(createCache({ dir, warn: () => undefined, readOnly }), key);
}

test('a call is kept by machine, for every Detect, until it is answered', async () => {
  const dir = await makeTempDir();
  await (await open(dir)).calls('ABC', { kind: 'isolate', time: now });
  const other = await open(dir, false, 'two');
  expect(await other.unanswered(['abc'], now)).toEqual({ kind: 'isolate', time: now });
  expect(await other.unanswered(['def'], now)).toBeUndefined();
  await other.answered('abc');
  expect(await other.unanswered(['abc'], now)).toBeUndefined();
});

test('a call counts for less than fifteen minutes', async () => {
  const journal = await open(await makeTempDir());
  await journal.calls('abc', { kind: 'release', time: now });
  expect(await journal.unanswered(['abc'], now + quarterMs - 1)).toEqual({ kind: 'release', time: now });
  expect(await journal.unanswered(['abc'], now + quarterMs)).toBeUndefined();
});

test('owed lines and the own note survive the run, and go when paid', async () => {
  const dir = await makeTempDir();
  const first = await open(dir);
  await first.owe(7, lines);
  await first.owe(7, { facts: [], entries: [{ time: now + 1, what: 'released' }] });
  await first.useNote(7, 70);
  const next = await open(dir);
  expect(next.owed().get(7)).toEqual({
    facts: ['fact'],
    entries: [...lines.entries, { time: now + 1, what: 'released' }],
  });
  expect(next.noteOf(7)).toBe(70);
  await next.paid(7);
  await next.useNote(7, undefined);
  const last = await open(dir);
  expect(last.owed().size).toBe(0);
  expect(last.noteOf(7)).toBeUndefined();
});

test('damaged files are as good as none', async () => {
  const dir = await makeTempDir();
  const journal = await open(dir);
  await journal.owe(7, lines);
  await journal.calls('abc', { kind: 'isolate', time: now });
  for (const file of await readdir(dir)) await writeFile(join(dir, file), '{"owed": 1');
  const next = await open(dir);
  expect(next.owed().size).toBe(0);
  expect(await next.unanswered(['abc'], now)).toBeUndefined();
});

test('a read-only cache is left as it is', async () => {
  const dir = await makeTempDir();
  const journal = await open(dir, true);
  await journal.owe(7, lines);
  await journal.calls('abc', { kind: 'isolate', time: now });
  expect(await readdir(dir)).toEqual([]);
});
