import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanText } from '../../src/output/clean.ts';
import {
  isCancelledByAtp,
  isCancelledFor,
  isOwnAction,
  readComment,
  writeComment,
} from '../../src/decide/comment.ts';
import { anyText, buildAction, noon, owner, ownComment } from './samples.ts';

const comment = {
  kind: 'isolate',
  brain: 'brain.contoso.example',
  hostId: 472,
  trigger: 'block',
  time: noon,
  hostName: 'laptop-7',
} as const;

it('writes the fixed fields first and the name last', () => {
  expect(writeComment(comment)).toBe(ownComment);
  expect(writeComment({ ...comment, kind: 'release', trigger: 'unblock', time: noon + 5_999 })).toBe(
    'atp release; brain brain.contoso.example; host 472; tag unblock; 2026-11-24T12:00:05Z; laptop-7',
  );
});

it('reads what it wrote', () => {
  expect(readComment(ownComment)).toEqual(comment);
  expect(readComment(ownComment.replace('isolate', 'release'))).toEqual({ ...comment, kind: 'release' });
  expect(readComment(ownComment.replace('brain.contoso', 'BRAIN.Contoso'))).toEqual(comment);
});

it('knows its comment again when the host has no name and the blank at the end is lost', () => {
  const nameless = writeComment({ ...comment, hostName: '' });

  expect(nameless).toBe(
    'atp isolate; brain brain.contoso.example; host 472; tag block; 2026-11-24T12:00:00Z;',
  );
  expect(readComment(nameless)).toEqual({ ...comment, hostName: '' });
  expect(readComment(`${nameless} `)).toEqual({ ...comment, hostName: '' });
});

it.each([
  ['a name that looks like fields', '; host 1; tag x; 2020-01-01T00:00:00Z; other', undefined],
  ['a name of several lines', 'one\ntwo', 'one two'],
  ['a name with terminal commands', '\u001b[31mred\u202e', 'red'],
  ['a long name', 'n'.repeat(101), `${'n'.repeat(99)}…`],
  ['a name of a hundred characters', 'n'.repeat(100), 'n'.repeat(100)],
])('keeps the fixed fields whatever the name: %s', (_, hostName, clean = hostName) => {
  expect(readComment(writeComment({ ...comment, hostName }))).toEqual({ ...comment, hostName: clean });
});

it.each([
  ['a;b; host 1', 'a,b, host 1'],
  ['line\nbreak', 'line break'],
  ['t'.repeat(100), 't'.repeat(100)],
  ['t'.repeat(101), `${'t'.repeat(99)}…`],
])('keeps the fixed fields whatever the trigger: %j', (trigger, clean) => {
  expect(readComment(writeComment({ ...comment, trigger }))).toEqual({ ...comment, trigger: clean });
});

it('reads what it wrote, whatever trigger and name', () => {
  const texts = fc.oneof(
    anyText(30),
    fc.constantFrom('; host 1; ', 'x; tag y', '\u2028Z; ', '$&', ' ', ';', ';;'),
  );
  const comments = fc.record({
    kind: fc.constantFrom('isolate' as const, 'release' as const),
    brain: fc.constantFrom('brain.contoso.example', '10.0.0.1:8443', '[fd00::1]'),
    hostId: fc.nat(),
    trigger: texts,
    time: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1_000),
    hostName: texts,
  });
  fc.assert(
    fc.property(comments, (written) => {
      expect(readComment(writeComment(written))).toEqual({
        ...written,
        trigger: cleanText(written.trigger).replaceAll(';', ','),
        hostName: cleanText(written.hostName),
      });
    }),
  );
});

it.each([
  undefined,
  '',
  'by hand',
  ` ${ownComment}`,
  `re: ${ownComment}`,
  `${ownComment}\nand more`,
  ownComment.replace('atp ', 'ATP '),
  ownComment.replace('isolate', 'cancel'),
  ownComment.replace('host 472', 'host 472x'),
  ownComment.replace('host 472', 'host -1'),
  ownComment.replace('2026-11-24T12:00:00Z', '2026-11-24T12:00Z'),
  ownComment.replace('12:00:00Z', '12:00:00.000Z'),
  ownComment.replace('Z; ', 'Z '),
  ownComment.replace('; tag block', ''),
  ownComment.replace('tag block', 'tag a;b'),
])('takes the comment %j for nobody it knows', (text) => {
  expect(readComment(text)).toBeUndefined();
});

describe('an own action', () => {
  it.each([
    ['its own', ownComment, true],
    ['its own release', ownComment.replace('isolate', 'release'), true],
    ['its own, the brain in other letters', ownComment.replace('brain.c', 'BRAIN.C'), true],
    ["another host's", ownComment.replace('host 472', 'host 47'), false],
    ["another brain's", ownComment.replace('brain.contoso', 'brain2.contoso'), false],
    ['one whose name tells of this host', ownComment.replace('host 472', 'host 1') + '; host 472', false],
    ["somebody's", 'isolate host 472', false],
    ['nobody’s', undefined, false],
  ])('names this brain and this host: %s', (_, requestorComment, own) => {
    expect(isOwnAction(buildAction({ requestorComment }), owner)).toBe(own);
    expect(isOwnAction(buildAction({ requestorComment }), { ...owner, brain: 'BRAIN.contoso.EXAMPLE' })).toBe(
      own,
    );
  });

  it('is not made by the comment of its cancellation', () => {
    expect(isOwnAction(buildAction({ cancellationComment: ownComment }), owner)).toBe(false);
  });

  it('is cancelled by this program, for this host or another, or by somebody', () => {
    const here = buildAction({ cancellationComment: ownComment });
    const there = buildAction({ cancellationComment: ownComment.replace('host 472', 'host 9') });
    const person = buildAction({ requestorComment: ownComment, cancellationComment: 'mistake' });
    const nobody = buildAction({ requestorComment: ownComment });

    expect([here, there, person, nobody].map(isCancelledByAtp)).toEqual([true, true, false, false]);
    expect([here, there, person, nobody].map((action) => isCancelledFor(action, owner))).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
