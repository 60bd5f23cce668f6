/** What the hosts are to be selected by. */
export interface HostSelection {
  /** Of active hosts. */
  tags: readonly string[];
  /** Of active hosts: both scores at or above these. */
  tc: { threat: number; certainty: number } | undefined;
  blockTags: readonly string[];
  unblockTags: readonly string[];
  /** Hosts with a status tag of an isolation or a release. */
  pending: boolean;
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
  const { tags, tc, blockTags, unblockTags, pending } = selection;
  const clauses: Clause[] = [
    ...distinct(tags).map((tag) => ({ text: tagClause(tag), onlyActive: true })),
    ...(tc ? [{ text: scoreClause(tc), onlyActive: true }] : []),
    ...distinct([...blockTags, ...unblockTags]).map((tag) => ({ text: tagClause(tag), onlyActive: false })),
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

/** The queries for the hosts that carry one of these tags, whatever else they carry. */
export function buildTagQueries(tags: readonly string[]): string[] {
  return buildHostQueries({ tags: [], tc: undefined, blockTags: tags, unblockTags: [], pending: false });
}
