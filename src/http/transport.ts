import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';

/** What is known of a request on the wire. */
export interface Wire {
  /** True from the moment at which something of it may have left. */
  sent: boolean;
  failure: unknown;
  status: number | undefined;
}

interface Transport {
  request(options: RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest;
}

/**
 * Stands between axios and node:http, for three things that axios does not offer: the path exactly as given (axios passes
 * it through URL, which rewrites some), an agent that is not replaced, and word of when the request got its connection.
 */
export function createTransport(options: {
  start: Transport['request'];
  path: string;
  agent: Agent;
  wire: Wire;
  leaves: () => void;
}): Transport {
  const { start, path, agent, wire, leaves } = options;
  return {
    request(given, onResponse) {
      const request = start({ ...given, path, agent }, onResponse);
      request.once('socket', () => {
        wire.sent = true;
        leaves();
      });
      request.on('error', (error) => {
        wire.failure ??= error;
      });
      return request;
    },
  };
}
