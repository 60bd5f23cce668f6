import * as z from 'zod/mini';
import { ApiError } from '../errors.ts';
import { pages } from '../http/pages.ts';
import { anyList, optionalText, unreadable, type Answer } from '../http/read-reply.ts';
import { apiPath, type AtpApi, type AtpCall } from './api.ts';
import { refusalOf } from './refusals.ts';

const mebibyte = 2 ** 20;
/** Largest page that Defender gives (MicrosoftDocs/defender-docs, get-machines and get-machineactions-collection). */
const largestPage = 10_000;
/** A longer list is taken for one without an end, and would not fit into memory. */
const longestList = 250_000;
/** What a page of the largest size may take, at a few kilobytes a record. */
const largestPageBytes = 64 * mebibyte;

/** A list: its path, its filter, and what it counts as. */
export type ListCall = Pick<AtpCall, 'path' | 'query' | 'quota' | 'role' | 'caller'>;

/** How a list is asked for, and how much of it is read. */
export interface ListSize {
  /** Given to calls that take `$top`; the others answer with one page. */
  top?: number;
  /** A list with more members is unreadable. */
  longest: number;
  /** Of a page. */
  maxBytes: number;
}

/** Lists of everything. */
export const everything: ListSize = { top: largestPage, longest: longestList, maxBytes: largestPageBytes };
/** Machines at one address within half an hour; more is no answer. */
export const candidates: ListSize = { longest: 1_000, maxBytes: 16 * mebibyte };
/** Alerts of one machine. */
export const alertsOfMachine: ListSize = { longest: largestPage, maxBytes: 32 * mebibyte };

/** The envelope of every list. */
export const ListReply = z.object({ value: anyList, '@odata.nextLink': optionalText });

/**
 * Reads a list page by page to its end. A list that changes while it is read can show a member twice.
 * @param keep what to keep of a page; an ApiError that it throws makes the page unreadable
 */
export async function* readPages<Kept>(
  api: AtpApi,
  call: ListCall,
  { top, longest, maxBytes }: ListSize,
  keep: (members: readonly unknown[], answer: Answer) => Kept,
): AsyncGenerator<{ kept: Kept; next: number | undefined }, void> {
  async function readPage(skip: number) {
    const query = {
      ...call.query,
      ...(top === undefined ? {} : { $top: String(top) }),
      ...(skip > 0 ? { $skip: String(skip) } : {}),
    };
    return await api.read({ ...call, method: 'GET', query, maxBytes }, (answer) => {
      const { value: members, '@odata.nextLink': link = '' } = answer.read(ListReply, 'a list in "value"');
      const goesOn = members.length > 0 && (link !== '' || members.length >= (top ?? Infinity));
      return {
        // Members without end are not looked at one by one.
        kept: members.length > Math.min(longest, largestPage) ? undefined : keep(members, answer),
        size: members.length,
        keys: members.slice(0, largestPage).flatMap((member) => idOf(member) ?? []),
        next: goesOn ? (skipIn(link, skip) ?? skip + members.length) : undefined,
      };
    });
  }

  let count = 0;
  for await (const { kept, size, next } of pages(0, readPage, isMissing)) {
    count += size;
    if (kept === undefined || count > longest) {
      const expected =
        size > largestPage
          ? `at most ${largestPage} members on a page`
          : `a list of at most ${longest} members`;
      throw unreadable({ service: 'atp', method: 'GET', path: apiPath(call.path) }, 200, expected);
    }
    yield { kept, next };
  }
}

/** Reads a whole list. */
export async function readList<Kept>(
  api: AtpApi,
  call: ListCall,
  size: ListSize,
  keep: (member: unknown, answer: Answer) => Kept[],
): Promise<Kept[]> {
  const all: Kept[] = [];
  const keepPage = (members: readonly unknown[], answer: Answer) =>
    members.flatMap((member) => keep(member, answer));
  for await (const { kept } of readPages(api, call, size, keepPage)) for (const each of kept) all.push(each);
  return all;
}

/** The id of a member of a list, if it has one that can be read. */
export function idOf(member: unknown): string | undefined {
  return textIn(member, 'id');
}

/** The text under a key of a member of a list, whatever the member is. */
export function textIn(member: unknown, key: string): string | undefined {
  const value: unknown = typeof member === 'object' && member !== null ? Reflect.get(member, key) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Defender's own word that there is no such thing. */
export function isMissing(error: unknown): boolean {
  return error instanceof ApiError && refusalOf(error) === 'unknown machine';
}

/** The value, or undefined where Defender answers that there is none. */
export async function orMissing<Value>(value: Promise<Value>): Promise<Value | undefined> {
  try {
    return await value;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The skip number of a link. Its host is not looked at: Defender answers from regional hosts, and the token is for one. */
function skipIn(link: string, after: number): number | undefined {
  const base = 'http://defender.invalid';
  if (link === '' || !URL.canParse(link, base)) return undefined;
  const text = new URL(link, base).searchParams.get('$skip') ?? '';
  return /^\d{1,9}$/u.test(text) && Number(text) > after ? Number(text) : undefined;
}
