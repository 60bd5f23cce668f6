import type { IncomingHttpHeaders, IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import type { ServerOptions } from 'node:https';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface TestServer {
  port: number;
  /** `http(s)://127.0.0.1:port` */
  url: string;
  /** Every request whose body has arrived. */
  received: Received[];
  /** TCP connections made so far. */
  connections(): number;
}

export type Answer = (response: ServerResponse, request: Received) => void;

/** A server for one test. Its answers are given in turn, the last one over and over. */
export async function startServer(answers: Answer | Answer[], tls?: ServerOptions): Promise<TestServer> {
  const turns = Array.isArray(answers) ? [...answers] : [answers];
  const received: Received[] = [];
  let connections = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const whole = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    received.push(whole);
    const turn = turns.length > 1 ? turns.shift() : turns[0];
    turn?.(response, whole);
  }
  const listener: RequestListener = (request, response) => {
    answer(request, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.on('connection', () => (connections += 1));
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    received,
    connections: () => connections,
  };
}

/** A server that speaks whatever its handler makes of the bare connection. */
export async function startTcp(handle: (socket: Socket) => void): Promise<{ port: number; url: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => sockets.delete(socket));
    handle(socket);
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port, url: `http://127.0.0.1:${port}` };
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers with JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return text(JSON.stringify(body), status, { 'Content-Type': 'application/json', ...headers });
}

/** Answers with this very text. */
export function text(body: string | Buffer, status = 200, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, headers).end(body);
  };
}

/** Takes the request and resets the connection. */
export const reset: Answer = (response) => {
  response.socket?.resetAndDestroy();
};

/** Takes the request and never answers. */
export const silence: Answer = () => undefined;

/** Listens on a free port of 127.0.0.1 and resolves with it. */
export async function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): AddressInfo | string | null;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}
