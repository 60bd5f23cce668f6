import type { Entry, Service } from './ledger.ts';
import type { Answer } from './route.ts';

/**
 * What goes wrong with a request. Before anything is carried out: `reset-before`, `hang`, `429`, `500`, `502-html`,
 * `401`, `html-200` (a captive portal). After it was carried out: `reset-after`, `truncated` (half of the JSON),
 * `empty-200`, `drip` (the answer byte by byte), `oversize` (an answer without end). A status of one's own is answered
 * before anything is carried out, unless `after` is set.
 */
export type FaultKind =
  | 'reset-before'
  | 'hang'
  | '429'
  | '500'
  | '502-html'
  | '401'
  | 'html-200'
  | 'reset-after'
  | 'truncated'
  | 'empty-200'
  | 'drip'
  | 'oversize'
  | { status: number; body?: unknown; headers?: Record<string, string>; after?: boolean };

export interface Fault {
  match(entry: Entry): boolean;
  kind: FaultKind;
  /** How many requests it is played on; all when left out. */
  times?: number;
}

export interface Faults {
  /** The first fault that matches is played. Returns a function that takes it away again. */
  add(fault: Fault): () => void;
  clear(): void;
  /** The fault to be played on this request, counted as played. For the simulator's own use. */
  take(entry: Entry): FaultKind | undefined;
}

/** The list of things that go wrong. */
export function createFaults(): Faults {
  const list: { fault: Fault; left: number }[] = [];
  return {
    add(fault) {
      const item = { fault, left: fault.times ?? Infinity };
      list.push(item);
      return () => {
        item.left = 0;
      };
    },
    clear() {
      list.length = 0;
    },
    take(entry) {
      const item = list.find(({ fault, left }) => left > 0 && fault.match(entry));
      if (!item) return undefined;
      item.left -= 1;
      entry.fault = typeof item.fault.kind === 'string' ? item.fault.kind : String(item.fault.kind.status);
      return item.fault.kind;
    },
  };
}

const html = { 'content-type': 'text/html; charset=utf-8' };

/** The answer that a fault gives in place of the service, or undefined when the service is asked first. */
export function answerBefore(kind: FaultKind, service: Service): Answer | undefined {
  if (typeof kind === 'object') {
    return kind.after
      ? undefined
      : { status: kind.status, body: kind.body, ...(kind.headers && { headers: kind.headers }) };
  }
  switch (kind) {
    case '429':
      return {
        status: 429,
        headers: { 'retry-after': '1' },
        body: error(service, '429', 'API calls quota exceeded! maximum allowed 100 per 00:01:00'),
      };
    case '500':
      return { status: 500, body: error(service, 'InternalServerError', 'An error has occurred.') };
    case '502-html':
      return {
        status: 502,
        headers: html,
        body: '<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>',
      };
    case '401':
      return service === 'detect'
        ? { status: 401, body: { details: 'Invalid token.' } }
        : { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: undefined };
    case 'html-200':
      return {
        status: 200,
        headers: html,
        body: '<!doctype html><html><body><form action="/login">Please sign in</form></body></html>',
      };
    default:
      return undefined;
  }
}

function error(service: Service, code: string, message: string): unknown {
  if (service === 'detect') return { detail: message };
  if (service === 'login') return { error: 'temporarily_unavailable', error_description: message };
  return { error: { code, message, target: '00000000-0000-0000-0000-000000000000' } };
}
