import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerBefore, type FaultKind, type Faults } from './faults.ts';
import { parseJson } from './json.ts';
import type { Entry, Ledger, Service } from './ledger.ts';
import type { Answer, Match } from './route.ts';
import type { Settings } from './settings.ts';

/** Called around each request, before it is carried out and after it was, before it is answered. */
export interface Hooks {
  before?: ((entry: Entry) => void | Promise<void>) | undefined;
  after?: ((entry: Entry) => void | Promise<void>) | undefined;
  /** What is answered in place of the service's own answer, after the request was carried out. */
  answer?: ((entry: Entry, answer: Answer) => Answer) | undefined;
}

export interface Front {
  readonly url: string;
  close(): Promise<void>;
}

/** Puts a service on a port of 127.0.0.1: reads requests, keeps the ledger, plays faults, writes answers. */
export async function startFront(options: {
  service: Service;
  route: (method: string, path: string) => Match;
  clock: { now(): number };
  settings: Settings;
  ledger: Ledger;
  faults: Faults;
  hooks: Hooks;
  /** Told of credentials sent to the wrong service, and of mistakes of the simulator itself. */
  onHarm: (message: string) => void;
  tls?: { cert: string; key: string } | undefined;
}): Promise<Front> {
  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    answerOne(options, request, response).catch((error: unknown) => {
      options.onHarm(
        `the simulator failed: ${options.service}: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown'}`,
      );
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
  // Node's own limit on headers (16 KiB) must not be met before the services' limit on addresses.
  const server = options.tls
    ? https.createServer({ ...options.tls, maxHeaderSize: 1 << 17 }, listener)
    : http.createServer({ maxHeaderSize: 1 << 17 }, listener);
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What each service's Authorization header looks like, Detect's own access tokens included; the login service gets none. */
const credentials = {
  detect: /^(?:Token |Basic |Bearer detect\.)/,
  login: /^$/,
  atp: /^Bearer (?!detect\.)/,
} as const;

async function answerOne(
  options: Parameters<typeof startFront>[0],
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  response.sendDate = false;
  const text = await readText(request);
  if (text === undefined) return;
  const target = request.url ?? '/';
  const [path = '/', search = ''] = splitOnce(target, '?');
  const match = options.route(request.method ?? 'GET', path);
  const { entry, done } = options.ledger.begin({
    service: options.service,
    call: match.call,
    method: request.method ?? 'GET',
    path,
    query: Object.fromEntries(new URLSearchParams(search)),
    body: bodyOf(text, request.headers['content-type']),
    authorization: request.headers.authorization,
    userAgent: request.headers['user-agent'],
    at: options.clock.now(),
  });
  response.once('close', done);
  const { authorization } = entry;
  if (authorization && !credentials[options.service].test(authorization)) {
    options.onHarm(`${options.service} was sent credentials of another service: ${entry.method} ${path}`);
  }
  await options.hooks.before?.(entry);
  if (options.settings.latencyMs > 0) await sleep(options.settings.latencyMs);
  const fault = options.faults.take(entry);
  if (fault === 'hang') return;
  if (fault === 'reset-before') {
    reset(request);
    return;
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  let answer = fault && answerBefore(fault, options.service);
  if (!answer) {
    answer = await match.handle({ entry, params: match.params, target, headers, text });
    entry.effect = answer.status < 300;
    await options.hooks.after?.(entry);
    answer = options.hooks.answer?.(entry, answer) ?? answer;
    if (typeof fault === 'object')
      answer = { status: fault.status, headers: fault.headers ?? {}, body: fault.body };
  }
  if (fault === 'reset-after') {
    reset(request);
    return;
  }
  entry.status = fault === 'empty-200' ? 200 : answer.status;
  await write(response, answer, fault, new Date(options.clock.now()).toUTCString());
}

async function write(
  response: http.ServerResponse,
  answer: Answer,
  fault: FaultKind | undefined,
  date: string,
): Promise<void> {
  const plain = typeof answer.body === 'string';
  const whole =
    typeof answer.body === 'string'
      ? answer.body
      : answer.body === undefined
        ? ''
        : JSON.stringify(answer.body);
  response.setHeader('date', date);
  if (whole !== '') {
    response.setHeader(
      'content-type',
      plain ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
    );
  }
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  response.statusCode = answer.status;
  switch (fault) {
    case 'empty-200':
      response.statusCode = 200;
      response.setHeader('content-length', '0');
      response.end();
      return;
    case 'truncated':
      response.end(whole.slice(0, Math.floor(whole.length / 2)));
      return;
    case 'drip':
      for (const byte of Buffer.from(whole)) {
        if (response.destroyed) return;
        response.write(Buffer.from([byte]));
        await sleep(100);
      }
      response.end();
      return;
    case 'oversize':
      // The client hanging up is what is hoped for.
      await pipeline(Readable.from(blanks(512)), response).catch(() => undefined);
      return;
    default:
      response.setHeader('content-length', String(Buffer.byteLength(whole)));
      response.end(whole);
  }
}

/** The body, or undefined when the client went away in the middle of it. */
async function readText(request: http.IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function* blanks(mebibytes: number): Generator<string> {
  for (let n = 0; n < mebibytes; n += 1) yield ' '.repeat(1 << 20);
}

function bodyOf(text: string, type: string | undefined): unknown {
  if (text === '') return undefined;
  if (type?.startsWith('application/x-www-form-urlencoded'))
    return Object.fromEntries(new URLSearchParams(text));
  return parseJson(text) ?? text;
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function reset(request: http.IncomingMessage): void {
  // Only plain TCP sockets can be reset.
  if (request.socket instanceof TLSSocket) request.socket.destroy();
  else request.socket.resetAndDestroy();
}
