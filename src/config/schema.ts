import * as z from 'zod';
import { rangeTrouble } from './ranges.ts';

const inBraces = { error: 'expected an object in braces' };
const inBrackets = { error: 'expected a list in brackets' };
const inQuotes = { error: 'expected text in quotes' };

/**
 * The configuration file as it is written. Every key may be missing here: which ones are required depends on others
 * and on the environment. Messages say what was expected and never what was found, which may be a secret.
 */
export const ConfigFile = z.strictObject(
  {
    detect: z
      .strictObject(
        {
          url: text(),
          token: text(),
          tokenFile: path(),
          apiVersion: z
            .enum(['2.2', '2.3', '2.4', '2.5'], { error: 'expected "2.2", "2.3", "2.4" or "2.5", in quotes' })
            .default('2.5'),
          caFile: path(),
          fingerprint256: text(),
          insecure: z.boolean({ error: 'expected true or false' }).default(false),
        },
        inBraces,
      )
      .prefault({}),
    atp: z
      .strictObject(
        {
          tenantId: text(),
          appId: text(),
          appSecret: text(),
          appSecretFile: path(),
          certificateFile: path(),
          privateKeyFile: path(),
          privateKeyPassphrase: text(),
          privateKeyPassphraseFile: path(),
          federatedTokenFile: path(),
          cloud: z
            .enum(['commercial', 'gcc', 'gcc-high', 'dod'], {
              error: 'expected "commercial", "gcc", "gcc-high" or "dod"',
            })
            .default('commercial'),
          apiUrl: text(),
          loginUrl: text(),
          audience: text(),
          portalUrl: text(),
          caFile: path(),
        },
        inBraces,
      )
      .prefault({}),
    isolation: z
      .strictObject(
        {
          type: z.enum(['Full', 'Selective'], { error: 'expected "Full" or "Selective"' }).default('Full'),
          maxPerRun: whole(0, 1000).default(50),
          match: z
            .enum(['ip', 'no-conflict', 'confirmed'], {
              error: 'expected "ip", "no-conflict" or "confirmed"',
            })
            .default('no-conflict'),
          never: z
            .strictObject(
              {
                names: patterns(),
                ips: z.array(pattern().superRefine(checkRange), inBrackets).default([]),
                tags: patterns(),
                groups: patterns(),
                osPlatforms: patterns(),
                machineTags: patterns(),
              },
              inBraces,
            )
            .prefault({}),
        },
        inBraces,
      )
      .prefault({}),
    enrich: z
      // A month: the context of a host that is older than this is not worth keeping in any case.
      .strictObject({ maxAgeMinutes: whole(0, 43_200).default(60) }, inBraces)
      .prefault({}),
    http: z
      .strictObject(
        {
          timeoutSeconds: number(1, 600).default(30),
          proxy: text(),
          noProxy: z.string(inQuotes).optional(),
        },
        inBraces,
      )
      .prefault({}),
    runTimeoutMinutes: number(0.1, 1440).default(5),
    cacheDir: path(),
  },
  inBraces,
);
export type ConfigFile = z.infer<typeof ConfigFile>;

function text() {
  return z
    .string(inQuotes)
    .refine((value) => value.trim() !== '', { error: 'is empty' })
    .optional();
}

function path() {
  return (
    z
      .string({ error: 'expected a path in quotes' })
      .refine((value) => value.trim() !== '', { error: 'is empty' })
      // Only a shell knows `~`; here it would be a directory of that name.
      .refine((value) => !value.startsWith('~'), { error: 'expected a path without ~' })
      .refine((value) => !value.includes('\0'), { error: 'expected a path' })
      .optional()
  );
}

function whole(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

function number(least: number, most: number) {
  const error = `expected a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

/** A rule that can match nothing would protect nothing, without anybody noticing. */
function pattern() {
  return z
    .string(inQuotes)
    .refine((value) => value !== '', { error: 'is empty', abort: true })
    .refine((value) => value === value.trim(), { error: 'expected no blanks around it', abort: true });
}

function patterns() {
  return z.array(pattern(), inBrackets).default([]);
}

function checkRange(value: string, context: z.RefinementCtx<string>): void {
  const trouble = rangeTrouble(value);
  if (trouble !== undefined) context.addIssue({ code: 'custom', message: trouble });
}

/** Full keys of everything that may be configured, e.g. `isolation.never.ips`, sections included. */
export const knownKeys: readonly string[] = keysOf(ConfigFile, []);

function keysOf(schema: unknown, path: readonly string[]): string[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return keysOf(schema.unwrap(), path);
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).flatMap(([key, inner]) => {
    const full = [...path, key];
    return [full.join('.'), ...keysOf(inner, full)];
  });
}
