import type { Entry } from './ledger.ts';

/** A request as a service sees it. */
export interface SimRequest {
  readonly entry: Entry;
  /** What the groups of the route's pattern matched, percent-decoded. */
  readonly params: readonly string[];
  /** Path and query as sent. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

/** What a service answers: text goes out as it is, anything else as JSON, undefined as an empty body. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: unknown;
}

export type Handler = (request: SimRequest) => Answer | Promise<Answer>;

export interface Route {
  method: string;
  /** Matched against the raw path, whole. */
  path: RegExp;
  call: string;
  handle: Handler;
}

export interface Match {
  call: string;
  params: string[];
  handle: Handler;
}

/** Finds the route of a request: the path decides first, so that a wrong method can be told from a wrong path. */
export function createRouter(
  routes: readonly Route[],
  otherwise: { noPath: Handler; noMethod: Handler },
): (method: string, path: string) => Match {
  return (method, path) => {
    const onPath = routes.flatMap((route) => {
      const match = route.path.exec(path);
      return match ? [{ route, params: match.slice(1).map((part) => decode(part)) }] : [];
    });
    const hit = onPath.find(({ route }) => route.method === method);
    if (hit) return { call: hit.route.call, params: hit.params, handle: hit.route.handle };
    const handle = onPath.length > 0 ? otherwise.noMethod : otherwise.noPath;
    return { call: 'unknown', params: [], handle };
  };
}

// Group results are undefined for groups that took no part in the match.
function decode(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    return part ?? '';
  }
}
