import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inspectJson } from '../../src/config/json-faults.ts';

describe('what is wrong with JSON', () => {
  test('has a place exactly where JSON.parse fails', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.nat(), fc.string({ maxLength: 1 }), (json, at, slip) => {
        for (const text of [json, json.slice(0, at % json.length) + slip + json.slice(at % json.length)]) {
          let isJson = true;
          try {
            JSON.parse(text);
          } catch {
            isJson = false;
          }
          expect([text, 'fault' in inspectJson(text)]).toEqual([text, !isJson]);
        }
      }),
    );
  });

  test.each([
    ['', 1, 1, 'expected a value, but the file ends here'],
    ['{', 1, 2, 'expected a key in double quotes, but the file ends here'],
    ['{\n  "a": 1,\n}', 3, 1, 'expected a key in double quotes; the comma before it is one too many'],
    ['[1,]', 1, 4, 'expected a value; the comma before it is one too many'],
    ['{"a": 1\n "b": 2}', 2, 2, 'expected a comma or a closing brace'],
    ['[1 2]', 1, 4, 'expected a comma or a closing bracket'],
    ['{"a" 1}', 1, 6, 'expected a colon after the key'],
    ["{'a': 1}", 1, 2, 'expected a key in double quotes; JSON has no single quotes'],
    ['{"a": \'x\'}', 1, 7, 'expected a value; JSON has no single quotes'],
    ['{\r\n  // note\r\n}', 2, 3, 'expected a key in double quotes; JSON has no comments'],
    ['# note\n{}', 1, 1, 'expected a value; JSON has no comments'],
    ['{"a": True}', 1, 7, 'expected a value'],
    ['{"a": 01}', 1, 8, 'expected a comma or a closing brace'],
    ['{"a": secret}', 1, 7, 'expected a value'],
    ['{"a": "C:\\temp"}', 1, 1, undefined],
    [
      '{"a": "C:\\qemu"}',
      1,
      7,
      'this string has no end on its line, or a backslash or control character that JSON forbids',
    ],
    [
      '{"a": "x\n"}',
      1,
      7,
      'this string has no end on its line, or a backslash or control character that JSON forbids',
    ],
    ['{} {}', 1, 4, 'expected nothing more'],
    ['[['.repeat(5000), 1, 34, 'nested too deeply'],
  ])('tells where %j fails', (text, line, column, what) => {
    expect(inspectJson(text)).toEqual(what === undefined ? { twice: [] } : { fault: { line, column, what } });
  });

  test('finds keys that are given twice, in whatever spelling', () => {
    expect(inspectJson(String.raw`{"a": {"b": 1, "\u0062": 2}, "c": [{"d": 1, "d": 1}], "a": 3}`)).toEqual({
      twice: [['a', 'b'], ['c', 0, 'd'], ['a']],
    });
  });
});
