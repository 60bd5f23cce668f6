import * as z from 'zod/mini';
import { asRead } from '../output/clean.ts';
import { rangeTrouble } from './ranges.ts';

const inBrackets = { error: 'expected a list in brackets' };
const inQuotes = { error: 'expected text in quotes' };

/**
 * The configuration file as it is written. Every key may be missing here: which ones are required depends on others
 * and on the environment. Messages say what was expected and never what was found, which may be a secret.
 */
export const ConfigFile = section({
  detect: z.prefault(
    section({
      url: text(),
      token: text(),
      tokenFile: path(),
      apiVersion: z._default(
        z.enum(['2.2', '2.3', '2.4', '2.5'], { error: 'expected "2.2", "2.3", "2.4" or "2.5", in quotes' }),
        '2.5',
      ),
      caFile: path(),
      fingerprint256: text(),
      insecure: z._default(z.boolean({ error: 'expected true or false' }), false),
    }),
    {},
  ),
  atp: z.prefault(
    section({
      tenantId: text(),
      appId: text(),
      appSecret: text(),
      appSecretFile: path(),
      certificateFile: path(),
      privateKeyFile: path(),
      privateKeyPassphrase: text(),
      privateKeyPassphraseFile: path(),
      federatedTokenFile: path(),
      cloud: z._default(
        z.enum(['commercial', 'gcc', 'gcc-high', 'dod'], {
          error: 'expected "commercial", "gcc", "gcc-high" or "dod"',
        }),
        'commercial',
      ),
      apiUrl: text(),
      loginUrl: text(),
      audience: text(),
      portalUrl: text(),
      caFile: path(),
    }),
    {},
  ),
  isolation: z.prefault(
    section({
      type: z._default(z.enum(['Full', 'Selective'], { error: 'expected "Full" or "Selective"' }), 'Full'),
      maxPerRun: z._default(whole(0, 1000), 50),
      match: z._default(
        z.enum(['ip', 'no-conflict', 'confirmed'], {
          error: 'expected "ip", "no-conflict" or "confirmed"',
        }),
        'no-conflict',
      ),
      // Longer than any isolation is known to last.
      endsAfterDays: z._default(whole(0, 365), 7),
      never: z.prefault(
        section({
          names: patterns(),
          ips: z._default(z.array(pattern().check(z.superRefine(checkRange)), inBrackets), []),
          tags: patterns(),
          groups: patterns(),
          osPlatforms: patterns(),
          machineTags: patterns(),
        }),
        {},
      ),
    }),
    {},
  ),
  enrich: z.prefault(
    // A month: the context of a host that is older than this is not worth keeping in any case.
    section({ maxAgeMinutes: z._default(whole(0, 43_200), 60) }),
    {},
  ),
  http: z.prefault(
    section({
      timeoutSeconds: z._default(number(1, 600), 30),
      proxy: text(),
      noProxy: z.optional(z.string(inQuotes)),
    }),
    {},
  ),
  runTimeoutMinutes: z._default(number(0.1, 1440), 5),
  cacheDir: path(),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** Keys that are not known are a problem. */
function section<Shape extends Record<string, z.core.SomeType>>(shape: Shape) {
  return z.strictObject(shape, { error: 'expected an object in braces' });
}

function text() {
  return z.optional(
    z.string(inQuotes).check(z.refine((value) => value.trim() !== '', { error: 'is empty' })),
  );
}

function path() {
  return z.optional(
    z.string({ error: 'expected a path in quotes' }).check(
      z.refine((value) => value.trim() !== '', { error: 'is empty' }),
      // Only a shell knows `~`; here it would be a directory of that name.
      z.refine((value) => !value.startsWith('~'), { error: 'expected a path without ~' }),
      z.refine((value) => !value.includes('\0'), { error: 'expected a path' }),
    ),
  );
}

function whole(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).check(z.minimum(least, { error }), z.maximum(most, { error }));
}

function number(least: number, most: number) {
  const error = `expected a number from ${least} to ${most}`;
  return z.number({ error }).check(z.minimum(least, { error }), z.maximum(most, { error }));
}

/** A rule that can match nothing would protect nothing, without anybody noticing. */
function pattern() {
  return z.string(inQuotes).check(
    z.refine((value) => asRead(value) !== '', { error: 'is empty', abort: true }),
    z.refine((value) => value === value.trim(), { error: 'expected no blanks around it', abort: true }),
  );
}

function patterns() {
  return z._default(z.array(pattern(), inBrackets), []);
}

function checkRange(value: string, context: z.core.$RefinementCtx<string>): void {
  const trouble = rangeTrouble(value);
  if (trouble !== undefined) context.addIssue({ code: 'custom', message: trouble });
}

/** Full keys of everything that may be configured, e.g. `isolation.never.ips`, sections included. */
export const knownKeys: readonly string[] = keysOf(ConfigFile, []);

function keysOf(schema: unknown, path: readonly string[]): string[] {
  if (schema instanceof z.ZodMiniDefault || schema instanceof z.ZodMiniPrefault)
    return keysOf(schema._zod.def.innerType, path);
  if (!(schema instanceof z.ZodMiniObject)) return [];
  return Object.entries(schema.shape).flatMap(([key, inner]) => {
    const full = [...path, key];
    return [full.join('.'), ...keysOf(inner, full)];
  });
}
