import { ApiError, ConfigError } from '../errors.ts';
import type { HttpClient } from '../http/http.ts';
import { readReply, unreadable } from '../http/read-reply.ts';
import { createDetectApi, type DetectCall } from './api.ts';
import { createBulkTags, type TagOutcome } from './bulk-tags.ts';
import { createNoteCalls, type NoteCalls } from './notes.ts';
import {
  FullHost,
  Group,
  mostTags,
  GroupPage,
  ListedHost,
  Named,
  Page,
  TaggingFailure,
  TagsReply,
} from './reply.ts';
import type { Host } from './schema.ts';

export type { Note } from './schema.ts';

/** A page of the hosts that a search finds. */
export interface HostPage {
  hosts: Host[];
  /** Number of the next page. */
  next: number | undefined;
  /** How many hosts the whole list has, by its own word. */
  count: number | undefined;
  /** Documents of hosts that cannot be used: without an id or without tags, or with such that cannot be read. */
  unusable: UnusableHost[];
}

/** What can be said of a host whose document cannot be used. */
export interface UnusableHost {
  id: number | undefined;
  name: string | undefined;
}

/**
 * Detect, as far as the program uses it. Every call rejects with an AuthError for 401 and 403, with a GivenUpError once
 * Detect is given up, and with an ApiError for every other failure that is not named. What concerns a host counts for
 * it; see the breaker.
 */
export interface DetectClient extends NoteCalls {
  /**
   * One page of the hosts that a Lucene query finds, the first being 1. A page past the end is empty.
   * A first page that no Detect would answer is a ConfigError.
   */
  searchHosts(query: string, page: number): Promise<HostPage>;
  /** A host from the database, not the index; undefined when it is gone. */
  getHost(id: number): Promise<Host | undefined>;
  /** A host's tags from the database; undefined when the host is gone. */
  getTags(id: number): Promise<string[] | undefined>;
  /** Adds one tag and touches no other. A Detect without this call is a ConfigError. */
  addTag(id: number, tag: string): Promise<TagOutcome>;
  /** Removes one tag and touches no other. A Detect without this call is a ConfigError. */
  removeTag(id: number, tag: string): Promise<TagOutcome>;
  /** Names of all groups, of every kind. */
  listGroupNames(): Promise<string[]>;
}

const pageSize = 500;

const groups = '/groups';

/** More tags of one host are not read into memory. */
const maxTagsBytes = 2 ** 20;

/** More groups than any Detect has: the list is one without an end. */
const mostGroups = 100_000;

/** Makes the client for one Detect; `http` is for its base URL. */
export function createDetectClient(options: {
  http: HttpClient;
  /** `2.2` to `2.5`. */
  apiVersion: string;
  token: string;
}): DetectClient {
  const { apiVersion } = options;
  const api = createDetectApi(options);

  function callOf(below: string) {
    return { service: 'detect', method: 'GET', path: api.path(below) } as const;
  }

  async function getTags(id: number): Promise<string[] | undefined> {
    const below = `/tagging/host/${id}`;
    const right = 'read the tags of hosts';
    const call = { method: 'GET', path: below, subject: id, maxBytes: maxTagsBytes, right } as const;
    const read = api.read(call, (reply) => {
      const failure = TaggingFailure.safeParse(reply.body);
      if (failure.success) {
        const words = failure.data.message === undefined ? '' : `: ${failure.data.message}`;
        throw unreadable(callOf(below), reply.status, `success, not failure${words}`);
      }
      const { tags } = readReply(TagsReply, reply, callOf(below), 'a list of tags');
      if (tags.length > mostTags) throw unreadable(callOf(below), reply.status, `at most ${mostTags} tags`);
      return tags;
    });
    return await orGone(read);
  }

  async function searchPage(query: string, page: number): Promise<Page> {
    const below = '/search/hosts';
    const call: DetectCall = {
      method: 'GET',
      path: below,
      query: { page: String(page), page_size: String(pageSize), query_string: query },
      right: 'read hosts',
    };
    return await api.read(call, (reply) => readReply(Page, reply, callOf(below), 'a page of hosts'));
  }

  async function groupPage(page: number): Promise<Page> {
    const query = { page: String(page), page_size: String(pageSize) };
    const call = { method: 'GET', path: groups, query, right: 'read groups' } as const;
    return await api.read(call, (reply) => readReply(GroupPage, reply, callOf(groups), 'a list of groups'));
  }

  const tagging = createBulkTags(api, getTags);
  return {
    ...createNoteCalls(api),
    getTags,
    addTag: tagging.add,
    removeTag: tagging.remove,

    async searchHosts(query, page) {
      try {
        const { results, next, count } = await searchPage(query, page);
        return { ...sorted(results), next: pageAfter(page, next), count };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        // Hosts may have dropped out of the result since the page before.
        if (page > 1 && error.status === 404)
          return { hosts: [], next: undefined, count: undefined, unusable: [] };
        if (page === 1 && isFromSomethingElse(error)) {
          throw new ConfigError(
            `${error.message}: this does not look like Detect's API v${apiVersion}: check detect.url and detect.apiVersion`,
          );
        }
        throw error;
      }
    },

    async getHost(id) {
      const below = `/hosts/${id}`;
      const call = { method: 'GET', path: below, subject: id, right: 'read hosts' } as const;
      const read = api.read(call, (reply) => {
        const host = readReply(FullHost, reply, callOf(below), 'the document of a host');
        if (host.id !== id) throw unreadable(callOf(below), reply.status, `the document of host ${id}`);
        return host;
      });
      return await orGone(read);
    },

    async listGroupNames() {
      const names = new Set<string>();
      for (let page: number | undefined = 1; page !== undefined;) {
        const listed: Page | undefined = await (page > 1 ? orGone(groupPage(page)) : groupPage(page));
        if (listed === undefined) break;
        const { results, next }: Page = listed;
        const known = names.size;
        for (const group of results.flatMap((entry) => Group.safeParse(entry).data ?? []))
          names.add(group.name);
        // A page without a new group is the end, whatever its link says.
        page = names.size > known ? pageAfter(page, next) : undefined;
        if (names.size > mostGroups) throw unreadable(callOf(groups), 200, 'a list that ends');
      }
      return [...names];
    },
  };
}

/** Documents of a search, those that can be used apart from the others. */
function sorted(documents: readonly unknown[]): Pick<HostPage, 'hosts' | 'unusable'> {
  const hosts: Host[] = [];
  const unusable: UnusableHost[] = [];
  for (const document of documents) {
    const { data } = ListedHost.safeParse(document);
    if (data) hosts.push(data);
    else unusable.push(readNames(document));
  }
  return { hosts, unusable };
}

function readNames(document: unknown): UnusableHost {
  const { id, name } = Named.safeParse(document).data ?? {};
  return { id, name };
}

/** The answer, or undefined for 404. */
async function orGone<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The next page's number. The link's host may be one that cannot be reached from here, or that must not get the token. */
function pageAfter(page: number, next: unknown): number | undefined {
  if (next === null || next === undefined || next === '') return undefined;
  const base = 'http://detect.invalid';
  const link = typeof next === 'string' && URL.canParse(next, base) ? new URL(next, base) : undefined;
  const named = link?.searchParams.get('page') ?? '';
  return /^\d{1,9}$/.test(named) && Number(named) > page ? Number(named) : page + 1;
}

/** Tells whether the failure of a first page speaks for a wrong address or API version. */
function isFromSomethingElse({ failure, status }: ApiError): boolean {
  if (failure === 'unreadable') return true;
  return status === 404 || (status !== undefined && status >= 300 && status < 400);
}
