import type { Readable } from 'node:stream';

/** What came of a body: its text, or why there is none. */
export type Body = { text: string } | { trouble: 'tooLarge' | 'brokenOff' };

/**
 * Reads a body to its end, decompressed bytes counted, as UTF-8 (a byte order mark is dropped, broken bytes are replaced).
 * A body of more than `maxBytes` is left and its connection closed.
 */
export async function readBody(stream: Readable, maxBytes: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) continue;
      bytes += chunk.length;
      if (bytes > maxBytes) return { trouble: 'tooLarge' };
      chunks.push(chunk);
    }
  } catch {
    return { trouble: 'brokenOff' };
  }
  return { text: new TextDecoder().decode(Buffer.concat(chunks)) };
}
