import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Socket } from 'node:net';
import type { Dial } from './dial.ts';

/**
 * How long an unused connection is kept. Common servers close theirs after five seconds or more: to be earlier than
 * they makes it rare that a request meets a connection that is just being closed.
 */
const idleMs = 4000;

interface Agents {
  /** Keeps connections for the next request. */
  shared: HttpAgent;
  /** A new connection for each request, for what must not be lost to a connection that has gone stale. */
  single: HttpAgent;
}

/** Makes the agents that get their connections from `dial`. */
export function createAgents(isTls: boolean, dial: Dial): Agents {
  const Agent = isTls ? HttpsAgent : HttpAgent;
  return {
    shared: withDial(new Agent({ keepAlive: true, timeout: idleMs }), dial),
    single: withDial(new Agent({ keepAlive: false }), dial),
  };
}

/** Node's agents take a connection that is only ready later through the callback (nodejs.org, http.Agent). */
function withDial(agent: HttpAgent, dial: Dial): HttpAgent {
  agent.createConnection = function createConnection(_options, callback) {
    dial().then(
      (socket) => callback?.(null, socket),
      (error: unknown) => {
        // The declared type asks for a socket even here; it is never looked at.
        callback?.(error instanceof Error ? error : new Error('no connection'), new Socket());
      },
    );
    return undefined;
  };
  return agent;
}
