import { tokenAccess } from '../../src/detect/access.ts';
import { createDetectClient, type DetectClient } from '../../src/detect/client.ts';
import { createRig } from '../http/rig.ts';
import { startServer, type Answer, type Received, type TestServer } from '../http/server.ts';

export const token = '0123456789abcdef0123456789abcdef01234567';

/** A client and the server it talks to, whose answers are given in turn, the last one over and over. */
export async function startDetect(
  answers: Answer | Answer[],
): Promise<{ detect: DetectClient; server: TestServer; received: Received[] }> {
  const server = await startServer(answers);
  const { http } = createRig({ service: 'detect', baseUrl: server.url });
  return {
    detect: createDetectClient({ http, apiVersion: '2.5', access: tokenAccess(token) }),
    server,
    received: server.received,
  };
}

/** Method, path and body of each request, for comparing whole conversations. */
export function conversation(received: readonly Received[]): string[] {
  return received.map(({ method, url, body }) => [method, url, body].filter((part) => part !== '').join(' '));
}

/** Everything that is to be iterated over. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
