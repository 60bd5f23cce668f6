import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asRead, cleanText } from '../../src/output/clean.ts';

it.each([
  ['plain words', 'plain words'],
  ['Grüße, 東京 🛡️', 'Grüße, 東京 🛡️'],
  ['one\r\ntwo\tthree\u2028four', 'one two three four'],
  ['  trimmed \n', 'trimmed'],
  ['\u001b[31mred\u001b[0m', 'red'],
  ['\u009b31mred', 'red'],
  ['\u001b]0;title\u0007text', 'text'],
  ['\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u001b\\', 'link'],
  ['\u001b]never ended', 'never ended'],
  ['\u001bPsecret\u001b\\after', 'after'],
  ['\u001b(B\u001b7\u001bcreset', 'reset'],
  ['a\u0000b\u0007c\u007fd\u009fe', 'abcde'],
  ['user\u202etxt.exe\u202c', 'usertxt.exe'],
  ['\u2066x\u2069\u200f\u061c', 'x'],
  ['\ufeffbom', 'bom'],
  ['half \ud83d and \udee1 half', 'half  and  half'],
])('cleans %j to %j', (text, clean) => {
  expect(cleanText(text)).toBe(clean);
});

it('cuts long text with an ellipsis inside the limit', () => {
  expect(cleanText('abcdef', 6)).toBe('abcdef');
  expect(cleanText('abcdefg', 6)).toBe('abcde…');
});

it('takes no longer for text made of openings that never end', () => {
  expect(cleanText('\u009d'.repeat(1_000_000))).toBe('');
});

it('never cuts a character in two', () => {
  expect(cleanText('abc🛡🛡🛡', 5)).toBe('abc…');
});

it('leaves no control character, override or broken pair in any text, and changes clean text no more', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (text, max) => {
        const clean = cleanText(text, max);

        expect(clean).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u);
        expect(clean.length).toBeLessThanOrEqual(max);
        expect(cleanText(clean, max)).toBe(clean);
      },
    ),
  );
});

describe('text as a person reads it', () => {
  it.each([
    ['', ''],
    [' \u200b\ufeff\u00a0 ', ''],
    ['  Crown \t\u00a0 Jewel\r\n', 'crown jewel'],
    ['v\u200bi\u200d\ufe0fp\u00ad', 'vip'],
    ['BU\u0308RO', 'b\u00fcro'],
    ['bu\u200d\u0308ro', 'b\u00fcro'],
    ['Stra\u00dfe STRA\u1e9eE', 'strasse strasse'],
    [
      '\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03bf\u03c2',
      '\u03bf\u03b4\u03bf\u03c3 \u03bf\u03b4\u03bf\u03c3',
    ],
    ['\uff36\uff29\uff30\uff0a', 'vip*'],
    ['\u{1f6e1}\ufe0f a', '\u{1f6e1} a'],
  ])('of %j is %j', (text, read) => {
    expect(asRead(text)).toBe(read);
  });

  it('is the same for every form of a text, and changes no more', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(text, (given) => {
        const read = asRead(given);

        expect(read).not.toMatch(/^\s|\s$|\s\s|\p{Cf}|\p{Default_Ignorable_Code_Point}|\p{Surrogate}/u);
        expect(asRead(read)).toBe(read);
        for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) expect(asRead(given.normalize(form))).toBe(read);
        expect(asRead(given.toUpperCase())).toBe(asRead(given.toLowerCase()));
        expect(asRead(` \u200b${given}\u00a0`)).toBe(read);
      }),
      { numRuns: 5_000 },
    );
  });
});
