import { ApiError } from '../errors.ts';
import { readReply, unreadable, type Call } from '../http/read-reply.ts';
import { apiPath, type AtpApi, type AtpCall } from './api.ts';
import { refusalOf } from './refusals.ts';
import { Identified, ListReply } from './reply.ts';

/** Largest page that Defender gives (MicrosoftDocs/defender-docs, get-machines and get-machineactions-collection). */
const largestPage = 10_000;
/** A longer list is taken for one without an end, and would not fit into memory. */
export const longestList = 250_000;
/** What a page of the largest size may take, at a few kilobytes a record. */
const maxListBytes = 64 * 2 ** 20;

/** What is kept of a page. */
export interface ListPage<Kept> {
  kept: Kept[];
  /** How many members the page had, kept or not. */
  size: number;
  /** Ids of the members that have one. */
  ids: string[];
  /** How many to skip for the next page; undefined at the end. */
  next: number | undefined;
}

/** A list: its path, its filter, and what it counts as. */
export type ListCall = Pick<AtpCall, 'path' | 'query' | 'quota' | 'role' | 'caller'>;

/** How a list is asked for: with `$top` where the call takes it, else as it comes. */
type Size = 'largest pages' | 'one page';

/**
 * Reads one page of up to 10,000 members, after `skip` others.
 * @param reduce what to keep of each member, so that no more than a page is held whole; an ApiError that it throws makes
 * the page unreadable
 */
export async function readPage<Kept>(
  api: AtpApi,
  call: ListCall,
  skip: number,
  reduce: (item: unknown) => Kept[],
  size: Size = 'largest pages',
): Promise<ListPage<Kept>> {
  const top = size === 'largest pages' ? largestPage : undefined;
  const query = {
    ...call.query,
    ...(top === undefined ? {} : { $top: String(top) }),
    ...(skip > 0 ? { $skip: String(skip) } : {}),
  };
  return await api.read({ ...call, method: 'GET', query, maxBytes: maxListBytes }, (reply) => {
    const list = readReply(ListReply, reply, listCall(call), 'a list in "value"');
    const { value: items } = list;
    const link = list['@odata.nextLink'];
    const goesOn = items.length > 0 && (link !== undefined || items.length >= (top ?? Infinity));
    return {
      kept: items.flatMap(reduce),
      size: items.length,
      ids: items.flatMap((item) => idOf(item) ?? []),
      next: goesOn ? (skipIn(link, skip) ?? skip + items.length) : undefined,
    };
  });
}

/**
 * Reads a list to its end: a page without a new member, whatever it says. A list that changes while it is read can
 * show a member twice.
 * @param longest a list with more members is unreadable
 */
export async function readList<Kept>(
  api: AtpApi,
  call: ListCall,
  reduce: (item: unknown) => Kept[],
  size: Size = 'largest pages',
  longest: number = longestList,
): Promise<Kept[]> {
  const all: Kept[] = [];
  const seen = new Set<string>();
  let count = 0;
  for (let skip: number | undefined = 0; skip !== undefined;) {
    const read: Promise<ListPage<Kept>> = readPage(api, call, skip, reduce, size);
    // The list may have become shorter since the page before.
    const page: ListPage<Kept> | undefined = await (skip > 0 ? orMissing(read) : read);
    if (page === undefined) break;
    count += page.size;
    if (count > longest) throw endless(call, longest);
    const known = seen.size;
    for (const id of page.ids) seen.add(id);
    for (const kept of page.kept) all.push(kept);
    skip = seen.size > known ? page.next : undefined;
  }
  return all;
}

/** The failure of a list that is longer than any that makes sense. */
export function endless(call: Pick<ListCall, 'path'>, longest: number = longestList): ApiError {
  return unreadable(listCall(call), 200, `a list of at most ${longest} members`);
}

/** The id of a member of a list, if it has one that can be read. */
export function idOf(item: unknown): string | undefined {
  return Identified.safeParse(item).data?.id;
}

/** A list as errors name it. */
export function listCall({ path }: Pick<ListCall, 'path'>): Call {
  return { service: 'atp', method: 'GET', path: apiPath(path) };
}

/** The value, or undefined where Defender answers that there is none. */
export async function orMissing<Value>(value: Promise<Value>): Promise<Value | undefined> {
  try {
    return await value;
  } catch (error) {
    if (error instanceof ApiError && refusalOf(error) === 'unknown machine') return undefined;
    throw error;
  }
}

/** The skip number of a link. Its host is not looked at: Defender answers from regional hosts, and the token is for one. */
function skipIn(link: string | undefined, after: number): number | undefined {
  const base = 'http://defender.invalid';
  if (link === undefined || !URL.canParse(link, base)) return undefined;
  const text = new URL(link, base).searchParams.get('$skip') ?? '';
  return /^\d{1,9}$/u.test(text) && Number(text) > after ? Number(text) : undefined;
}
