import { cleanText } from '../output/clean.ts';
import type { Priority } from './limiter.ts';

/** A call to a service, not tied to any attempt. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Begins with `/`, is encoded already, and goes out byte for byte behind the path of the base URL. */
  path: string;
  /** Each value is encoded as a component of a URL; a `$` in a key stays. */
  query?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as a form. */
  form?: Record<string, string>;
  /** The call whose quota this counts against; none by default. */
  quota?: string;
  /** @default 'enrichment' */
  priority?: Priority;
  /** The id of the host that this is for, or of several; none where it is for the run. The breaker counts them. */
  subject?: number | readonly number[];
  /** May be repeated although it was perhaps carried out. By default only GET may. */
  idempotent?: boolean;
  /** The value of the `Authorization` header, asked for in each attempt. */
  authorization?: () => Promise<string>;
  /** Largest body that is read, decompressed. @default 32 MiB */
  maxBytes?: number;
}

/** True when the request may be repeated although it was perhaps carried out. */
export function isIdempotent(request: HttpRequest): boolean {
  return request.idempotent ?? request.method === 'GET';
}

/** All headers that are not a matter of the connection or the body's length; false for one that axios must not add. */
export function headersOf(
  request: HttpRequest,
  authorization: string | undefined,
): Record<string, string | false> {
  return {
    Accept: 'application/json',
    'User-Agent': 'vectra-atp',
    'Content-Type': contentTypeOf(request),
    ...(authorization === undefined ? {} : { Authorization: authorization }),
  };
}

function contentTypeOf(request: HttpRequest): string | false {
  if (request.form !== undefined) return 'application/x-www-form-urlencoded';
  return request.json === undefined ? false : 'application/json';
}

/** The body as it goes out, undefined for none. */
export function bodyOf(request: HttpRequest): string | undefined {
  if (request.form !== undefined) return new URLSearchParams(request.form).toString();
  return request.json === undefined ? undefined : JSON.stringify(request.json);
}

/** The query without its `?`. */
export function queryOf(query: Record<string, string>): string {
  return Object.entries(query)
    .map(([key, value]) => `${encoded(key).replaceAll('%24', '$')}=${encoded(value)}`)
    .join('&');
}

/** encodeURIComponent throws at half a surrogate pair, which no service can have meant. */
function encoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
}

/** The values that an answer might repeat and an error must not, as such and as they were sent. */
export function secretsOf(request: HttpRequest, authorization: string | undefined): string[] {
  const token = authorization?.split(' ').at(-1);
  const fromForm = Object.entries(request.form ?? {})
    .filter(([key]) => /secret|assertion|password/i.test(key))
    .flatMap(([key, value]) => [
      value,
      encoded(value),
      new URLSearchParams({ [key]: value }).toString().slice(key.length + 1),
    ]);
  return [authorization ?? '', token ?? '', ...fromForm].filter((secret) => secret.length >= 4);
}

/**
 * Refuses a path that would not go out as it is: characters that need encoding, which in a request line could start another
 * request, and what URL, through which axios passes it, reads as another path (`..`).
 */
export function assertPath(path: string): void {
  if (/^\/[!-~]*$/.test(path) && new URL(`http://host${path}`).pathname === path) return;
  throw new TypeError(`not an encoded path: ${cleanText(path, 100)}`);
}
