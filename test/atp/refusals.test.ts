import { describe, expect, it } from 'vitest';
import { refusalOf, type Refusal } from '../../src/atp/refusals.ts';
import { ApiError, type ApiErrorFields } from '../../src/errors.ts';

function answer(fields: Partial<ApiErrorFields>): ApiError {
  const call = { service: 'atp', method: 'POST', path: '/api/machines/x/isolate' } as const;
  return new ApiError({ ...call, failure: 'status', notDone: true, ...fields });
}

const onDevice = "Response actions are restricted: the operation isn't allowed on the device";

describe('a refusal of Defender is', () => {
  it.each<[number, string | undefined, string, Refusal | undefined]>([
    [403, 'DisallowedOperation', 'Not allowed', 'restricted machine'],
    [400, 'DisallowedOperation', 'Not allowed', 'restricted machine'],
    [403, 'Forbidden', onDevice, 'restricted machine'],
    [400, 'BadRequest', onDevice.toUpperCase(), 'restricted machine'],
    [409, undefined, onDevice, 'restricted machine'],
    [400, 'OsPlatformNotSupported', 'x', 'platform'],
    [400, 'ClientVersionNotSupported', 'x', 'platform'],
    [403, 'OsPlatformNotSupported', 'x', undefined],
    [404, 'ResourceNotFound', 'Machine x was not found', 'unknown machine'],
    [404, 'NotFound', 'x', 'unknown machine'],
    [404, undefined, 'no route', undefined],
    [400, 'NotFound', 'x', undefined],
    [400, 'ActiveRequestAlreadyExists', 'Action is already in progress', 'already open'],
    [409, 'ActiveRequestAlreadyExists', 'x', undefined],
    [409, 'Conflict', 'x', undefined],
    [
      403,
      'Forbidden',
      'The application does not have any of the required application permissions',
      undefined,
    ],
    [500, 'InternalServerError', 'x', undefined],
  ])('by %i %s, "%s": %s', (status, serviceCode, serviceMessage, expected) => {
    expect(refusalOf(answer({ status, serviceCode, serviceMessage }))).toBe(expected);
  });

  it.each<[string, Partial<ApiErrorFields>]>([
    ['another service', { service: 'detect', status: 404, serviceCode: 'NotFound' }],
    ['no answer', { failure: 'timeout' }],
    ['an answer that cannot be read', { failure: 'unreadable', status: 200, serviceMessage: onDevice }],
  ])('not read from %s', (_name, fields) => {
    expect(refusalOf(answer(fields))).toBeUndefined();
  });
});
