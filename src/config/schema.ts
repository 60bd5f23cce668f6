import * as z from 'zod/mini';
import { asRead } from '../output/clean.ts';
import { audienceUrl, detectUrl, fingerprint, proxyUrl, range, serviceUrl } from './addresses.ts';
import {
  isPlaceholder,
  number,
  oneOf,
  parsed,
  path,
  placeholderTrouble,
  readAs,
  section,
  text,
  textLike,
  whole,
} from './fields.ts';

const guid = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const domain = String.raw`(?=.{1,253}$)(?:[0-9a-zA-Z](?:[0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?\.)+[a-zA-Z]{2,63}`;

/** The form of an id in Entra ID. */
export const guidForm = new RegExp(`^${guid}$`, 'u');

/**
 * The configuration file. Messages say what was expected and never what was found, which may be a secret. Values come out
 * as the program uses them; secrets and files are named here and read later. The JSON Schema of the file is made of this.
 */
export const ConfigFile = section({
  $schema: z.optional(z.string({ error: 'expected text in quotes' })),
  detect: section({
    url: parsed(detectUrl, 'the base URL of Detect, such as https://detect.example.com'),
    token: z.optional(text()),
    tokenFile: path(),
    clientId: z.optional(
      textLike(/^[^:\s\p{Cc}]{1,256}$/u, 'the id of an API client, without colons and blanks'),
    ),
    clientSecret: z.optional(text()),
    clientSecretFile: path(),
    apiVersion: oneOf(['2.2', '2.3', '2.4', '2.5'], '2.5', ', in quotes'),
    caFile: path(),
    fingerprint256: z.optional(parsed(fingerprint)),
    insecure: z._default(z.boolean({ error: 'expected true or false' }), false),
  }),
  atp: section({
    // `common` and its like would let anybody's tenant answer, and Entra ID refuses them to an application.
    tenantId: textLike(new RegExp(`^(?:${guid}|${domain})$`, 'u'), 'the tenant, as a GUID or a domain name'),
    appId: textLike(guidForm, 'the application (client) id, a GUID'),
    appSecret: z.optional(text()),
    appSecretFile: path(),
    certificateFile: path(),
    privateKeyFile: path(),
    privateKeyPassphrase: z.optional(text()),
    privateKeyPassphraseFile: path(),
    federatedTokenFile: path(),
    cloud: oneOf(['commercial', 'gcc', 'gcc-high', 'dod'], 'commercial'),
    apiUrl: z.optional(parsed(serviceUrl)),
    loginUrl: z.optional(parsed(serviceUrl)),
    audience: z.optional(parsed(audienceUrl)),
    portalUrl: z.optional(parsed(serviceUrl)),
    caFile: path(),
  }),
  isolation: z.prefault(
    section({
      type: oneOf(['Full', 'Selective'], 'Full'),
      maxPerRun: whole(0, 1000, 50),
      match: oneOf(['ip', 'no-conflict', 'confirmed'], 'no-conflict'),
      // Longer than any isolation is known to last.
      endsAfterDays: whole(0, 365, 7),
      never: z.prefault(
        section({
          names: rules(rule()),
          ips: rules(readAs(rule(), range)),
          tags: rules(rule()),
          groups: rules(rule()),
          osPlatforms: rules(rule()),
          machineTags: rules(rule()),
        }),
        {},
      ),
    }),
    {},
  ),
  enrich: z.prefault(
    // A month: the context of a host that is older than this is not worth keeping in any case.
    section({ maxAgeMinutes: whole(0, 43_200, 60) }),
    {},
  ),
  http: z.prefault(
    section({
      timeoutSeconds: number(1, 600, 30),
      proxy: z.optional(parsed(proxyUrl)),
      noProxy: z.optional(
        z
          .string({ error: 'expected text in quotes' })
          .check(z.maxLength(16_384, { error: 'is longer than 16384 characters' })),
      ),
    }),
    {},
  ),
  runTimeoutMinutes: number(0.1, 1440, 5),
  cacheDir: path(),
});

/** A rule that can match nothing would protect nothing, without anybody noticing. */
function rule() {
  return z.string({ error: 'expected text in quotes' }).check(
    z.refine((value) => asRead(value) !== '', { error: 'is empty', abort: true }),
    z.refine((value) => value === value.trim(), { error: 'expected no blanks around it', abort: true }),
    z.refine((value) => !isPlaceholder(value), { error: placeholderTrouble, abort: true }),
  );
}

function rules(item: z.core.$ZodType<string>) {
  return z._default(z.array(item, { error: 'expected a list in brackets' }), []);
}

/** Full keys of everything that may be configured, e.g. `isolation.never.ips`, sections included. */
export const knownKeys: readonly string[] = keysOf(ConfigFile, '').filter((key) => key !== '$schema');

function keysOf(schema: unknown, parent: string): string[] {
  if (schema instanceof z.ZodMiniPrefault) return keysOf(schema._zod.def.innerType, parent);
  if (!(schema instanceof z.ZodMiniObject)) return [];
  return Object.entries(schema.shape).flatMap(([key, inner]) => [
    parent + key,
    ...keysOf(inner, `${parent}${key}.`),
  ]);
}
