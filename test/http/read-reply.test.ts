import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { optionalList, optionalText, parseUtc, readReply, utcSeconds } from '../../src/http/read-reply.ts';
import { errorOf } from './rig.ts';

describe('parseUtc', () => {
  it.each([
    ['2024-07-11T06:33:55Z', Date.UTC(2024, 6, 11, 6, 33, 55)],
    ['2019-10-04T18:56:40.683282Z', Date.UTC(2019, 9, 4, 18, 56, 40, 683)],
    ['2021-10-27T20:55:07.8402983Z', Date.UTC(2021, 9, 27, 20, 55, 7, 840)],
    ['2025-04-03T10:20:00.1Z', Date.UTC(2025, 3, 3, 10, 20, 0, 100)],
    ['2022-07-11T07:07:59.203634', Date.UTC(2022, 6, 11, 7, 7, 59, 203)],
    ['2022-07-11 07:07:59', Date.UTC(2022, 6, 11, 7, 7, 59)],
    ['2022-07-11T07:07:59+02:00', Date.UTC(2022, 6, 11, 5, 7, 59)],
    ['2022-07-11T07:07:59-0130', Date.UTC(2022, 6, 11, 8, 37, 59)],
    [' 2022-07-11t07:07:59z ', Date.UTC(2022, 6, 11, 7, 7, 59)],
  ])('reads %s', (text, expected) => {
    expect(parseUtc(text)).toBe(expected);
  });

  it.each([
    undefined,
    '',
    'yesterday',
    '2022-07-11',
    '2022-13-11T07:07:59Z',
    '11 Jul 2022 07:07:59',
    '1657523279',
  ])('takes %s for no time', (text) => {
    expect(parseUtc(text)).toBeUndefined();
  });
});

describe('utcSeconds', () => {
  it('cuts a time to whole seconds', () => {
    expect(utcSeconds(Date.UTC(2026, 10, 24, 10, 0, 59, 999))).toBe('2026-11-24T10:00:59Z');
  });
});

describe('readReply', () => {
  const schema = z.object({ name: optionalText, list: optionalList(z.string()) });
  const call = { service: 'atp', method: 'GET', path: '/api/things' } as const;

  function read(body: unknown): unknown {
    return readReply(schema, { body, status: 200 }, call, 'a thing');
  }

  it.each([{}, { name: null, list: null }, { name: 7, list: 'x' }, { name: ['x'], list: {} }])(
    'takes null and other types for absent: %o',
    (body) => {
      expect(read(body)).toEqual({ name: undefined, list: undefined });
    },
  );

  it.each([undefined, null, 'text', [], { list: ['x', 7] }])(
    'says what was expected, and nothing of the body: %o',
    async (body) => {
      const error = await errorOf(Promise.resolve().then(() => read(body)));

      expect(error).toMatchObject({
        message: "Defender's answer to GET /api/things cannot be read (expected a thing)",
        failure: 'unreadable',
        status: 200,
        notDone: false,
      });
    },
  );
});
