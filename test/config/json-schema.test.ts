import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { ConfigFile, knownKeys } from '../../src/config/schema.ts';
import { minimal } from './config-dir.ts';

const root = new URL('../../', import.meta.url);

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(path, root), 'utf8')) as unknown;
}

interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
}

async function shipped(): Promise<JsonSchema> {
  return (await readJson('dist/config.schema.json')) as JsonSchema;
}

/** What an editor says of a file. */
async function isAccepted(file: unknown): Promise<boolean> {
  return z.fromJSONSchema((await shipped()) as Parameters<typeof z.fromJSONSchema>[0]).safeParse(file)
    .success;
}

function entriesOf({ properties = {} }: JsonSchema, parent = ''): [key: string, schema: JsonSchema][] {
  return Object.entries(properties).flatMap(([name, inner]) => [
    [parent + name, inner],
    ...entriesOf(inner, `${parent}${name}.`),
  ]);
}

describe('the JSON Schema that the package ships', () => {
  test('accepts the example, which names it', async () => {
    const example = await readJson('config.example.json');

    expect(example).toMatchObject({ $schema: './dist/config.schema.json' });
    expect(await isAccepted(example)).toBe(true);
  });

  test('accepts the smallest configuration', async () => {
    expect(await isAccepted(minimal)).toBe(true);
    expect(ConfigFile.safeParse(minimal).success).toBe(true);
  });

  test.each<[string, unknown]>([
    ['no object', []],
    ['a file without sections', {}],
    ['a missing address', { ...minimal, detect: {} }],
    ['an unknown key', { ...minimal, frobnicate: 1 }],
    ['a misspelt guard rail', { ...minimal, isolation: { never: { osPlatform: ['WindowsServer*'] } } }],
    ['a version as a number', { ...minimal, detect: { ...minimal.detect, apiVersion: 2.5 } }],
    ['an unknown cloud', { ...minimal, atp: { ...minimal.atp, cloud: 'china' } }],
    ['a number above its limit', { ...minimal, isolation: { maxPerRun: 1001 } }],
    ['half a number', { ...minimal, enrich: { maxAgeMinutes: 1.5 } }],
    ['a rule that is no list', { ...minimal, isolation: { never: { names: 'dc*' } } }],
    ['an item that is no text', { ...minimal, isolation: { never: { ips: [5] } } }],
  ])('refuses %s, as the program does', async (_what, file) => {
    expect(await isAccepted(file)).toBe(false);
    expect(ConfigFile.safeParse(file).success).toBe(false);
  });

  test('describes every key in a few words, and names no other', async () => {
    const entries = entriesOf(await shipped());

    expect(entries.map(([key]) => key)).toEqual(['$schema', ...knownKeys]);
    for (const [key, { description }] of entries) {
      expect([key, description]).toEqual([key, expect.stringMatching(/^.{5,90}$/u)]);
    }
  });
});
