import * as z from 'zod/mini';
import { ApiError, type Service } from '../errors.ts';

/** The call that a reply answers, as errors name it. */
export interface Call {
  service: Service;
  method: string;
  path: string;
}

/** The error for a 2xx whose body is not what the call returns; it says what was expected and nothing of the body. */
export function unreadable(call: Call, status: number, expected: string): ApiError {
  const { service, method, path } = call;
  const serviceMessage = `expected ${expected}`;
  return new ApiError({
    service,
    method,
    path,
    failure: 'unreadable',
    status,
    serviceMessage,
    notDone: false,
  });
}

/** Reads a reply, or throws {@link unreadable} with the words of `expected`. */
export function readReply<Value>(
  schema: z.ZodMiniType<Value>,
  { body, status }: { body: unknown; status: number },
  call: Call,
  expected: string,
): Value {
  const read = schema.safeParse(body);
  if (!read.success) throw unreadable(call, status, expected);
  return read.data;
}

/** Reads one member of a list in a reply, likewise. */
export function readMember<Value>(
  schema: z.ZodMiniType<Value>,
  member: unknown,
  call: Call,
  expected: string,
): Value {
  return readReply(schema, { body: member, status: 200 }, call, expected);
}

/** What fits a schema, as another function makes it of it. */
export function mapped<Read extends z.core.SomeType, Value>(
  schema: Read,
  map: (read: z.output<Read>) => Value,
) {
  return z.pipe(schema, z.transform(map));
}

/** Text that a reply may lack: null and every other type count as absent. */
export const optionalText = z.catch(z.optional(z.string()), undefined);

/** A number that a reply may lack. */
export const optionalNumber = z.catch(z.optional(z.number()), undefined);

/** A time that a reply may lack, milliseconds UTC. */
export const optionalTime = mapped(optionalText, parseUtc);

/** A list that a reply may lack. A list with a member of another kind is not readable at all: part of it would mislead. */
export function optionalList<Member extends z.ZodMiniType>(member: Member) {
  return z.pipe(
    z.transform((value) => (Array.isArray(value) ? value : undefined)),
    z.optional(z.array(member)),
  );
}

const timeForm = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * Reads a time as both services print it, milliseconds UTC: with up to nine digits of fraction, or none. One without a
 * zone is UTC, as Detect prints `_doc_modified_ts`; `Date.parse` would take it for local time.
 */
export function parseUtc(text: string | undefined): number | undefined {
  const [, date, time, fraction = '', zone = 'Z'] = timeForm.exec(text?.trim() ?? '') ?? [];
  if (date === undefined || time === undefined) return undefined;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const at = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
  return Number.isNaN(at) ? undefined : at;
}

/** A time as both services take it: whole seconds, UTC. */
export function utcSeconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
