import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isMarkup, serviceWords } from '../../src/http/service-words.ts';

it.each([
  ['{"details": "Invalid token."}', undefined, 'Invalid token.'],
  ['{"detail": "Not found."}', undefined, 'Not found.'],
  [
    '{"status": "failure", "message": "Could not find requested object"}',
    undefined,
    'Could not find requested object',
  ],
  ['{"reason": "because"}', undefined, 'because'],
  ['{"Message": "No HTTP resource was found"}', undefined, 'No HTTP resource was found'],
  [
    '{"errors": [{"title": "Unable to look up specified entity"}]}',
    undefined,
    'Unable to look up specified entity',
  ],
  ['{"errors": ["first", "second"]}', undefined, 'first'],
  ['{"_meta": {"message": "Invalid field(s) found", "level": "error"}}', undefined, 'Invalid field(s) found'],
  [
    '{"detection_ids": ["Detection id(s) 1 do not exist"]}',
    undefined,
    'detection_ids: Detection id(s) 1 do not exist',
  ],
  [
    '{"error": "Authentication Error. Please try again."}',
    undefined,
    'Authentication Error. Please try again.',
  ],
  ['{"error": "temporarily_unavailable"}', 'temporarily_unavailable', undefined],
  [
    '{"error": {"code": "NotFound", "message": "Machine 1 was not found"}}',
    'NotFound',
    'Machine 1 was not found',
  ],
  ['{"error": {"code": 429, "message": "quota exceeded"}}', '429', 'quota exceeded'],
  ['{"error": {}}', undefined, undefined],
  ['["only this"]', undefined, 'only this'],
  ['"only this"', undefined, 'only this'],
  ['Too Many Requests', undefined, 'Too Many Requests'],
  ['{"broken": ', undefined, '{"broken":'],
  ['', undefined, undefined],
  ['{}', undefined, undefined],
  ['null', undefined, undefined],
  ['[]', undefined, undefined],
  ['{"detail": null, "message": "", "reason": "third"}', undefined, 'third'],
  ['{"detail": {"deep": 1}, "message": ["a list"]}', undefined, 'a list'],
  ['<html><body>Bad Gateway</body></html>', undefined, undefined],
  ['\n<!DOCTYPE html>', undefined, undefined],
  ['<?xml version="1.0"?><Error/>', undefined, undefined],
  ['{"detail": "oops: <div>page</div>"}', undefined, undefined],
  ['{"detail": "1 < 2, \\u001b[31mred\\u001b[0m\\nnext"}', undefined, '1 < 2, red next'],
])('finds the words of %s', (body, code, message) => {
  expect(serviceWords(body)).toEqual({ code, message, requestId: undefined });
});

it("takes the first line of Entra ID's description, its error and its correlation id", () => {
  const body = JSON.stringify({
    error: 'invalid_client',
    error_description:
      'AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1\r\nTimestamp: 2026-11-24 10:00:00Z',
    error_codes: [7000215],
    trace_id: 'aaaa',
    correlation_id: 'bbbb',
  });

  expect(serviceWords(body)).toEqual({
    code: 'invalid_client',
    message: 'AADSTS7000215: Invalid client secret provided.',
    requestId: 'bbbb',
  });
});

it("takes Defender's target as the id to name to its support", () => {
  const body = '{"error": {"code": "InternalServerError", "message": "sorry", "target": "4711-abc"}}';

  expect(serviceWords(body).requestId).toBe('4711-abc');
});

it('cuts long words', () => {
  expect(serviceWords(JSON.stringify({ detail: 'x'.repeat(500) })).message).toBe(`${'x'.repeat(199)}…`);
});

it('quotes no secret of the request and nothing that looks like a token', () => {
  const token = `eyJ${'a'.repeat(40)}.eyJ${'b'.repeat(40)}.${'c'.repeat(40)}`;
  const body = JSON.stringify({
    detail: `Authorization was "Bearer s3cr3t-value"; assertion ${token} is bad`,
  });

  expect(serviceWords(body, ['Bearer s3cr3t-value', 's3cr3t-value']).message).toBe(
    'Authorization was "[removed]"; assertion [token] is bad',
  );
});

it('survives any JSON and any text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), (body) => {
      const { code, message, requestId } = serviceWords(body);

      for (const words of [code, message, requestId]) {
        expect(words === undefined || words.length <= 200).toBe(true);
        expect(words ?? '').not.toMatch(/\p{Cc}/u);
      }
    }),
  );
});

it('survives deep nesting', () => {
  const depth = 200_000;

  expect(serviceWords('['.repeat(depth) + ']'.repeat(depth)).message).toBeUndefined();
  expect(serviceWords(`${'{"error":'.repeat(depth)}1${'}'.repeat(depth)}`).message).toBeUndefined();
});

it.each([
  ['  <a>', true],
  ['text with <br/> in it', true],
  ['1 <b> 2', false],
  ['x <y and z>', false],
])('tells whether %s is markup', (text, answer) => {
  expect(isMarkup(text)).toBe(answer);
});
