import type { HttpClient } from '../http/http.ts';
import type { DetectAccess } from './access.ts';
import { createDetectApi, orGone } from './api.ts';
import { Host } from './host.ts';
import { createNoteCalls, type NoteCalls } from './notes.ts';
import { createSearchCalls, type SearchCalls } from './search.ts';
import { createTagCalls, type TagCalls } from './tags.ts';

/**
 * Detect, as far as the program uses it. Every call rejects with an AuthError for 401 and 403, with a GivenUpError once
 * Detect is given up, and with an ApiError for every other failure that is not named. What concerns a host counts for
 * it; see the breaker.
 */
export interface DetectClient extends SearchCalls, TagCalls, NoteCalls {
  /** A host from the database, not the index; undefined when it is gone. */
  getHost(id: number): Promise<Host | undefined>;
}

/** A document of one host: a thousand times as much as any that was seen. */
const maxHostBytes = 8 * 2 ** 20;

/** Makes the client for one Detect; `http` is for its base URL. */
export function createDetectClient(options: {
  http: HttpClient;
  /** `2.2` to `2.5`. */
  apiVersion: string;
  access: DetectAccess;
}): DetectClient {
  const api = createDetectApi(options);
  return {
    ...createSearchCalls(api, options.apiVersion),
    ...createTagCalls(api),
    ...createNoteCalls(api),
    async getHost(id) {
      const right = 'read hosts';
      const call = {
        method: 'GET',
        path: `/hosts/${id}`,
        subject: id,
        maxBytes: maxHostBytes,
        right,
      } as const;
      const read = api.read(call, (answer) => {
        const host = answer.read(Host, 'the document of a host');
        if (host.id !== id) throw answer.unreadable(`the document of host ${id}`);
        return host;
      });
      return await orGone(read);
    },
  };
}
