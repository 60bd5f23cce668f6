import { afterEach, expect } from 'vitest';
import { isObject, type JsonObject } from './json.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from './simulator.ts';

let open: Simulator[] = [];

afterEach(async () => {
  await Promise.all(open.map((simulator) => simulator.close()));
  open = [];
});

/** Starts a simulator that is closed after the test. */
export async function start(options?: SimulatorOptions): Promise<Simulator> {
  const simulator = await createSimulator(options);
  open.push(simulator);
  return simulator;
}

/** An answer, its body parsed. */
export interface Reply {
  status: number;
  body: unknown;
  headers: Headers;
}

/** Sends a request and reads the answer, JSON parsed. */
export async function call(url: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = text !== '' && response.headers.get('content-type')?.startsWith('application/json');
  const body: unknown = isJson ? JSON.parse(text) : text;
  return { status: response.status, body, headers: response.headers };
}

/** A request with a JSON body. */
export function json(method: string, body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
}

/** Asks Detect with its token, unless another is given. */
export function detect(
  simulator: Simulator,
  path: string,
  init: RequestInit = {},
  version = '2.5',
): Promise<Reply> {
  const headers = new Headers(init.headers);
  if (!headers.has('authorization')) headers.set('authorization', `Token ${simulator.settings.detectToken}`);
  return call(`${simulator.detectUrl}/api/v${version}${path}`, { ...init, headers });
}

/** Asks Detect's search. */
export function search(simulator: Simulator, query: string, more = ''): Promise<Reply> {
  return detect(simulator, `/search/hosts?query_string=${encodeURIComponent(query)}${more}`);
}

/** Ids of the hosts that a search finds. */
export async function foundIds(simulator: Simulator, query: string): Promise<unknown[]> {
  const reply = await search(simulator, query);
  expect(reply.status).toBe(200);
  return column(reply.body, 'results', 'id');
}

/** One property of every row of a list. */
export function column(body: unknown, list: string, name: string): unknown[] {
  const rows = isObject(body) ? body[list] : undefined;
  return Array.isArray(rows) ? rows.map((row: unknown) => (isObject(row) ? row[name] : undefined)) : [];
}

/** The value, which has to be an object. */
export function object(value: unknown): JsonObject {
  if (!isObject(value)) throw new Error('no object');
  return value;
}

/** Asks for a token; an empty text leaves the field of the form out. */
export function askToken(
  simulator: Simulator,
  form: Record<string, string> = {},
  tenant?: string,
): Promise<Reply> {
  const { settings } = simulator;
  const body = new URLSearchParams({
    client_id: settings.appId,
    client_secret: settings.appSecret,
    grant_type: 'client_credentials',
    scope: `${settings.audience}/.default`,
    ...form,
  });
  for (const [name, value] of Object.entries(form)) if (value === '') body.delete(name);
  return call(`${simulator.loginUrl}/${tenant ?? settings.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    body,
  });
}

/** A token of the right form. */
export async function token(simulator: Simulator): Promise<string> {
  const reply = await askToken(simulator);
  return String(object(reply.body)['access_token']);
}

/** A client of Defender with a token of its own. */
export async function defender(
  simulator: Simulator,
): Promise<(path: string, init?: RequestInit) => Promise<Reply>> {
  const authorization = `Bearer ${await token(simulator)}`;
  return (path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set('authorization', authorization);
    return call(`${simulator.apiUrl}${path}`, { ...init, headers });
  };
}

/** The call that isolates a machine. */
export function isolate(id: string): [string, RequestInit] {
  return [`/api/machines/${id}/isolate`, json('POST', { Comment: 'test', IsolationType: 'Full' })];
}

/** The call that releases a machine. */
export function release(id: string): [string, RequestInit] {
  return [`/api/machines/${id}/unisolate`, json('POST', { Comment: 'test' })];
}

/** The body of a refusal by Defender. */
export function refusal(code: string, message: string): JsonObject {
  return { error: { code, message, target: anyText } };
}

// Vitest types its matchers as `any`.
export const anyText: unknown = expect.any(String);
export const anyNumber: unknown = expect.any(Number);

/** A text of this form. */
export function like(pattern: string | RegExp): unknown {
  return expect.stringMatching(pattern);
}

/** 2026-11-24T12:00:00Z. */
export const noon = Date.parse('2026-11-24T12:00:00Z');
