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

/** Reads a reply, or throws {@link unreadable} with the words of `expected`, or those of {@link listOf}. */
export function readReply<Value>(
  schema: z.ZodMiniType<Value>,
  { body, status }: { body: unknown; status: number },
  call: Call,
  expected: string,
): Value {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw unreadable(call, status, issue?.code === 'too_big' ? issue.message : expected);
}

/** The answer to a call. */
export interface Answer {
  body: unknown;
  /** Reads the body, or a member of it, as {@link readReply} does. */
  read<Value>(schema: z.ZodMiniType<Value>, expected: string, member?: unknown): Value;
  /** The error for a body that is not what was expected. */
  unreadable(expected: string): ApiError;
}

/** Puts a reply and its call together. */
export function answerTo(call: Call, { body, status }: { body: unknown; status: number }): Answer {
  return {
    body,
    read: (schema, expected, member = body) => readReply(schema, { body: member, status }, call, expected),
    unreadable: (expected) => unreadable(call, status, expected),
  };
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

/** A list whose members are not looked at yet. */
export const anyList = z.custom<unknown[]>((value) => Array.isArray(value));

/**
 * A list of one kind of members. One of another kind makes it unreadable, since part of a list would mislead; the first
 * such ends the reading, because millions of them would be millions of issues.
 * @param most a longer list is unreadable
 * @param plural what the error calls the members of a list that is too long
 */
export function listOf<Member extends z.ZodMiniType>(member: Member, most = Infinity, plural = 'members') {
  return z.pipe(
    anyList,
    z.transform((list, { issues }) => {
      if (list.length > most) {
        const message = `at most ${most} ${plural}`;
        issues.push({ code: 'too_big', origin: 'array', maximum: most, input: list, message });
        return z.NEVER;
      }
      const read: z.output<Member>[] = [];
      for (const each of list) {
        const { success, data } = member.safeParse(each);
        if (!success) {
          issues.push({ code: 'custom', input: each });
          return z.NEVER;
        }
        read.push(data);
      }
      return read;
    }),
  );
}

/** A list that a reply may lack; every other type counts as absent. */
export function optionalList<Member extends z.ZodMiniType>(member: Member) {
  return z.pipe(
    z.transform((value) => (Array.isArray(value) ? value : undefined)),
    z.optional(listOf(member)),
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
