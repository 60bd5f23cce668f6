import { cleanText } from '../output/clean.ts';
import type { ApiErrorFields } from '../errors.ts';
import { ApiError } from '../errors.ts';
import { ConnectError, errorCode, urlKeys } from './connection.ts';
import type { Call } from './read-reply.ts';
import { parseHttpDate, parseRetryAfter, retryAfterInWords } from './retry-after.ts';
import { isMarkup, quotable, serviceWords } from './service-words.ts';

/** Answers of somebody who gave up waiting for the one who works: whether the work was done, they do not tell. */
const gaveUpWaiting = [408, 499];

/** What is longer than this (in UTF-16 units) is no refusal that a person could read. */
const maxWordsLength = 256 * 1024;

/** The body of an answer: its text, or why there is none. */
export type Body = { text: string } | { trouble: 'tooLarge' | 'brokenOff' };

/** What a request that succeeded resolves with. */
export interface HttpResponse {
  status: number;
  /** The parsed JSON, or undefined for an empty body. */
  body: unknown;
  /** Value of the `Date` header, milliseconds UTC. */
  serverTime: number | undefined;
}

/** Whether another attempt may be made: surely not carried out, only harmless if it was, or of no use. */
type Repeat = 'always' | 'ifIdempotent' | 'never';

/** What came of one attempt. */
export type Outcome = { response: HttpResponse } | Failure;

interface Failure {
  error: ApiError;
  repeat: Repeat;
}

const requestIdHeaders = [
  'request-id',
  'x-request-id',
  'x-ms-request-id',
  'client-request-id',
  'x-correlation-id',
];

/** Judges an answer by its status and body; `secrets` are what its words must not repeat. */
export function judgeAnswer(options: {
  call: Call;
  status: number;
  header: (name: string) => string | undefined;
  body: Body;
  maxBytes: number;
  /** Milliseconds UTC. */
  now: number;
  secrets: readonly string[];
}): Outcome {
  const { call, status, header, body, maxBytes, now, secrets } = options;
  const serverTime = parseHttpDate(header('date') ?? '', now);
  const isSuccess = status >= 200 && status < 300;
  const text = 'text' in body && body.text.length <= maxWordsLength ? body.text : '';
  const words = isSuccess ? undefined : serviceWords(text, secrets);
  const idHeader = requestIdHeaders.map(header).find((value) => value !== undefined);
  const requestId = quotable(idHeader, 64, secrets) ?? words?.requestId;
  const fields = { ...call, status, requestId, serverTime };

  if (isSuccess) {
    const read = parseBody(body, maxBytes);
    if ('value' in read) return { response: { status, body: read.value, serverTime } };
    const error = new ApiError({
      ...fields,
      failure: 'unreadable',
      serviceMessage: read.trouble,
      notDone: false,
    });
    return { error, repeat: read.isFinal ? 'never' : 'ifIdempotent' };
  }
  if (status < 400) {
    const serviceMessage = `redirects are not followed${leadingTo(header('location'))}`;
    // Nothing tells a redirect before the work (to a login) from one after it (303), so the outcome is not known.
    const error = new ApiError(
      { ...fields, failure: 'status', serviceMessage, notDone: false },
      `Check ${urlKeys[call.service]}.`,
    );
    return { error, repeat: 'never' };
  }

  const isThrottled = status === 429;
  const error = new ApiError({
    ...fields,
    failure: 'status',
    serviceCode: words?.code,
    serviceMessage: words?.message,
    retryAfterMs:
      isThrottled || status >= 500
        ? (parseRetryAfter(header('retry-after'), serverTime ?? now) ??
          (isThrottled ? retryAfterInWords(text) : undefined))
        : undefined,
    notDone: status < 500 && !gaveUpWaiting.includes(status),
  });
  return { error, repeat: isThrottled ? 'always' : status >= 500 ? 'ifIdempotent' : 'never' };
}

/** Reads a successful answer; where `read` throws an ApiError, the attempt has failed. */
export function readOutcome<Value>(
  outcome: Outcome,
  read: (response: HttpResponse) => Value,
): { value: Value } | Failure {
  if ('error' in outcome) return outcome;
  try {
    return { value: read(outcome.response) };
  } catch (error) {
    if (error instanceof ApiError) return { error, repeat: 'ifIdempotent' };
    throw error;
  }
}

/** Judges an attempt without an answer. `wasSent` tells whether something of the request may have left. */
export function judgeFailure(call: Call, failure: unknown, wasSent: boolean): Outcome {
  if (failure instanceof ConnectError) {
    const { message: cause, isUntrusted } = failure;
    const fields: ApiErrorFields = { ...call, failure: 'network', cause, isUntrusted, notDone: true };
    return { error: new ApiError(fields, failure.hint), repeat: failure.isFinal ? 'never' : 'always' };
  }
  const code = errorCode(failure);
  const repeat = wasSent ? 'ifIdempotent' : 'always';
  // Codes of Node's HTTP parser begin like this.
  if (code?.startsWith('HPE_')) {
    const serviceMessage = `it is not HTTP: ${code}`;
    return {
      error: new ApiError({ ...call, failure: 'unreadable', serviceMessage, notDone: !wasSent }),
      repeat,
    };
  }
  const cause = code ?? 'an error without a code';
  return { error: new ApiError({ ...call, failure: 'network', cause, notDone: !wasSent }), repeat };
}

/** Judges an attempt that ran out of time. */
export function judgeLateness(call: Call, wasSent: boolean, timeoutMs: number): Outcome {
  const hint = wasSent
    ? undefined
    : `There was no connection after ${timeoutMs / 1000} seconds. Check ${urlKeys[call.service]} and the way there (firewall, proxy).`;
  const error = new ApiError({ ...call, failure: 'timeout', notDone: !wasSent }, hint);
  return { error, repeat: wasSent ? 'ifIdempotent' : 'always' };
}

type Read = { value: unknown } | { trouble: string; isFinal: boolean };

function parseBody(body: Body, maxBytes: number): Read {
  if ('trouble' in body) {
    return body.trouble === 'tooLarge'
      ? { trouble: `the answer is larger than ${inMebibytes(maxBytes)}`, isFinal: true }
      : { trouble: 'the answer broke off', isFinal: false };
  }
  if (body.text.trim() === '') return { value: undefined };
  try {
    return { value: JSON.parse(body.text) };
  } catch {
    return {
      trouble: isMarkup(body.text) ? 'HTML instead of JSON' : 'it is not JSON, or cut short',
      isFinal: false,
    };
  }
}

/** The place a redirect leads to, without its path and query, which may hold anything. */
function leadingTo(location: string | undefined): string {
  if (location === undefined || !URL.canParse(location)) return '';
  return `; this one leads to ${cleanText(new URL(location).origin, 100)}`;
}

function inMebibytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes} bytes` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
