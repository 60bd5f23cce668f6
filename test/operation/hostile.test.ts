import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { listen } from '../http/server.ts';
import { hostilities, runHostile } from './hostile.ts';

/** Where links and redirects lead: nobody may ever come here. */
let visitors = 0;
const trap = createServer((_request, response) => {
  visitors += 1;
  response.end('{}');
});
trap.on('connection', () => (visitors += 1));
let elsewhere: string;

beforeAll(async () => {
  elsewhere = `http://127.0.0.1:${await listen(trap)}`;
});
afterAll(() => {
  trap.close();
});
afterEach(() => {
  expect(visitors).toBe(0);
});

it('a run against honest services is beyond reproach', async () => {
  expect(await runHostile([], elsewhere)).toEqual({ code: 0, complaints: [] });
});

it('whatever the services answer, a run ends in an orderly way, harms nobody and goes nowhere else', async () => {
  await fc.assert(
    fc.asyncProperty(hostilities, async (hostile) => {
      const { complaints } = await runHostile(hostile, elsewhere);
      expect(complaints).toEqual([]);
    }),
    { numRuns: 15, seed: 20_261_124 },
  );
}, 120_000);
