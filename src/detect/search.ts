import * as z from 'zod/mini';
import { ApiError, ConfigError } from '../errors.ts';
import { pages, type Page } from '../http/pages.ts';
import { anyList, optionalNumber, unreadable } from '../http/read-reply.ts';
import { isGone, type DetectApi, type DetectCall } from './api.ts';
import { ListedHost, UnusableHost, type Host } from './host.ts';

/** What hosts are looked for by: any of these is enough. */
export interface HostSelection {
  /** Tags of active hosts. */
  activeTags?: readonly string[];
  /** Scores of active hosts, both at or above these. */
  activeScores?: { threat: number; certainty: number } | undefined;
  /** Tags of hosts, active or not. */
  tags?: readonly string[];
  /** Hosts with a status tag of an isolation or a release. */
  pending?: boolean;
}

/** What a search finds: hints, since the index lags and finds tags that merely contain the words. */
export interface FoundHosts {
  hosts: Host[];
  /** Hosts whose documents cannot be used: without an id or without tags, or with such that cannot be read. */
  unusable: UnusableHost[];
  /** The list ended short of its own count, twice. */
  isShort: boolean;
}

export interface SearchCalls {
  /**
   * Searches for hosts: one list for each query that the selection needs, every page of it. A list that ends short of its
   * own count is read once more, because hosts may have come and gone between its pages. A first page that no Detect
   * would answer is a ConfigError.
   * @param isOver asked after each page; when true, the rest of the list is left
   */
  findHosts(selection: HostSelection, isOver?: () => boolean): AsyncIterable<FoundHosts>;
  /** Searches for a host that cannot be: it shows whether hosts can be searched for at all. */
  tryToSearch(): Promise<void>;
  /** Names of all groups, of every kind. */
  listGroupNames(): Promise<string[]>;
}

const pageSize = 500;
/** The largest page that Detect gives to those who ask for one. */
const largestPage = 5_000;
/** More hosts than any Detect has: the list is one without an end. */
const mostHosts = 500_000;
/** Likewise of groups. */
const mostGroups = 100_000;

/** A page of a list that Detect counts; `next` is the address of the next page. */
export const HostList = z.object({ results: anyList, next: z.optional(z.unknown()), count: optionalNumber });
/** Groups came as a bare list in API 2.0. */
const GroupList = z.pipe(
  z.transform((body) => (Array.isArray(body) ? { results: body } : body)),
  HostList,
);
const Group = z.object({ name: z.string() });

const groups = '/groups';
const service = { service: 'detect', method: 'GET' } as const;

/** Makes the calls that read lists of hosts and groups. */
export function createSearchCalls(api: DetectApi, apiVersion: string): SearchCalls {
  /** One page, with what `keep` makes of its members. */
  async function readPage<Kept extends Pick<Page, 'keys'>>(
    call: Pick<DetectCall, 'path' | 'right' | 'query'>,
    page: number,
    [schema, expected]: [typeof HostList | typeof GroupList, string],
    keep: (results: readonly unknown[]) => Kept,
  ) {
    const query = { page: String(page), page_size: String(pageSize), ...call.query };
    return await api.read({ ...call, method: 'GET', query }, (answer) => {
      const { results, next, count } = answer.read(schema, expected);
      if (results.length > largestPage) throw answer.unreadable(`at most ${largestPage} members on a page`);
      return { ...keep(results), count, next: pageAfter(page, next) };
    });
  }

  async function hostPage(query: string, page: number) {
    try {
      const call = { path: '/search/hosts', right: 'read hosts', query: { query_string: query } };
      return await readPage(call, page, [HostList, 'a page of hosts'], sorted);
    } catch (error) {
      if (page > 1 || !(error instanceof ApiError) || !isFromSomethingElse(error)) throw error;
      throw new ConfigError(
        `${error.message}: this does not look like Detect's API v${apiVersion}: check detect.url and detect.apiVersion`,
      );
    }
  }

  async function listHosts(query: string, isOver: () => boolean): Promise<FoundHosts> {
    const hosts = new Map<number, Host>();
    const unusable = new Map<unknown, UnusableHost>();
    let count: number | undefined;
    let isCut = false;
    for await (const page of pages(1, (at) => hostPage(query, at), isGone)) {
      count ??= page.count;
      for (const host of page.hosts) hosts.set(host.id, host);
      for (const host of page.unusable) unusable.set(host.id ?? host, host);
      isCut = hosts.size + unusable.size >= mostHosts || isOver();
      if (isCut) break;
    }
    const isShort = !isCut && hosts.size + unusable.size < (count ?? 0);
    return { hosts: [...hosts.values()], unusable: [...unusable.values()], isShort };
  }

  return {
    async *findHosts(selection, isOver = () => false) {
      for (const query of buildHostQueries(selection)) {
        const found = await listHosts(query, isOver);
        yield found.isShort ? await listHosts(query, isOver) : found;
      }
    },

    async tryToSearch() {
      await hostPage('host.id:0', 1);
    },

    async listGroupNames() {
      const names = new Set<string>();
      const call = { path: groups, right: 'read groups' };
      const read = (at: number) => readPage(call, at, [GroupList, 'a list of groups'], namesAmong);
      for await (const { keys } of pages(1, read, isGone)) {
        for (const name of keys) names.add(name);
        if (names.size > mostGroups)
          throw unreadable({ ...service, path: `/api/v${apiVersion}${groups}` }, 200, 'a list that ends');
      }
      return [...names];
    },
  };
}

/** The documents on a page, those that can be used apart from the others. */
function sorted(documents: readonly unknown[]) {
  const hosts: Host[] = [];
  const unusable: UnusableHost[] = [];
  for (const document of documents) {
    const { data } = ListedHost.safeParse(document);
    if (data) hosts.push(data);
    else unusable.push(UnusableHost.safeParse(document).data ?? {});
  }
  return { hosts, unusable, keys: [...hosts, ...unusable].map((host) => host.id ?? host) };
}

function namesAmong(groups: readonly unknown[]) {
  return { keys: groups.flatMap((group) => Group.safeParse(group).data?.name ?? []) };
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

/**
 * Hosts with a status tag that is of interest. Any word may stand behind the colon, and the search finds tags that merely
 * contain it; of releases, most have Succeeded, and nothing is to be done for those.
 */
const statusClause =
  '(host.tags:"isolation" OR (host.tags:"release" AND NOT host.tags:"release: Succeeded"))';

/** Half of what proxies and Apache, at their defaults, take for a whole request line. */
const maxEncodedLength = 3500;

interface Clause {
  text: string;
  onlyActive: boolean;
}

/**
 * Writes the selection in the Lucene syntax of Detect's host search: as one query, or as several where one would make
 * the address too long. No selection, no query. The search ignores case and finds tags that merely contain the words.
 */
export function buildHostQueries(selection: HostSelection): string[] {
  const { activeTags = [], activeScores, tags = [], pending = false } = selection;
  const clauses: Clause[] = [
    ...distinct(activeTags).map((tag) => ({ text: tagClause(tag), onlyActive: true })),
    ...(activeScores ? [{ text: scoreClause(activeScores), onlyActive: true }] : []),
    ...distinct(tags).map((tag) => ({ text: tagClause(tag), onlyActive: false })),
    ...(pending ? [{ text: statusClause, onlyActive: false }] : []),
  ];

  const queries: string[] = [];
  let part: Clause[] = [];
  for (const clause of clauses) {
    if (part.length > 0 && encodeURIComponent(join([...part, clause])).length > maxEncodedLength) {
      queries.push(join(part));
      part = [];
    }
    part.push(clause);
  }
  return part.length > 0 ? [...queries, join(part)] : queries;
}

function join(clauses: readonly Clause[]): string {
  const active = clauses.filter(({ onlyActive }) => onlyActive).map(({ text }) => text);
  const others = clauses.filter(({ onlyActive }) => !onlyActive).map(({ text }) => text);
  const anyActive = active.length > 1 ? `(${active.join(' OR ')})` : active.join('');
  if (active.length === 0) return others.join(' OR ');
  const whole = `host.state:"active" AND ${anyActive}`;
  return others.length === 0 ? whole : [`(${whole})`, ...others].join(' OR ');
}

function scoreClause({ threat, certainty }: { threat: number; certainty: number }): string {
  return `(host.threat:>=${threat} AND host.certainty:>=${certainty})`;
}

function tagClause(tag: string): string {
  return `host.tags:${phrase(tag)}`;
}

/** In a quoted phrase, Lucene's query syntax gives a meaning to the backslash and the quote only. */
function phrase(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** Each tag once, in its first spelling: the search does not tell others apart. */
function distinct(tags: readonly string[]): string[] {
  const seen = new Set<string>();
  return tags.filter((tag) => seen.size < seen.add(tag.toLowerCase()).size);
}
