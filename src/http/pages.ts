import { ApiError } from '../errors.ts';

/** A page of a list, as far as reading on depends on it. */
export interface Page {
  /** What tells the members of the page from those of other pages. */
  keys: readonly unknown[];
  /** The number of the next page, or how many members to skip for it; undefined at the end. */
  next: number | undefined;
}

/**
 * Reads a list page by page, and only as far as the pages are asked for. The end is a page without a next one, a page
 * without a new member, whatever its link says, and a page that is not there any more: the list may have become shorter
 * since the page before. The last page has no `next`.
 * @param isMissing tells the error of a page that is not there
 */
export async function* pages<Kind extends Page>(
  first: number,
  read: (at: number) => Promise<Kind>,
  isMissing: (error: ApiError) => boolean,
): AsyncGenerator<Kind, void> {
  const seen = new Set<unknown>();
  for (let at: number | undefined = first; at !== undefined;) {
    let page: Kind;
    try {
      page = await read(at);
    } catch (error) {
      if (at !== first && error instanceof ApiError && isMissing(error)) return;
      throw error;
    }
    const before = seen.size;
    for (const key of page.keys) seen.add(key);
    at = seen.size > before ? page.next : undefined;
    yield { ...page, next: at };
  }
}
