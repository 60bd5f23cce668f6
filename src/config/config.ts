import { join } from 'node:path';
import { type Clock, systemClock } from '../clock.ts';
import type { NeverRules } from '../decide/guard.ts';
import { ConfigError } from '../errors.ts';
import { type Credential, readCredential } from './credential.ts';
import { passwordsIn, readDocument } from './document.ts';
import { type Entra, readEntra } from './entra.ts';
import { createNamedFiles, decodeText, ownershipTrouble, readabilityWarning, readBounded } from './files.ts';
import { createFindings, type Findings } from './findings.ts';
import { proxyVariables, readProxy } from './proxy.ts';
import type { ProxySettings } from '../http/proxy.ts';
import { type ConfigFile, knownKeys } from './schema.ts';
import { findConfigFile, userDirectory } from './search.ts';
import { readSecret } from './secret-sources.ts';
import { readAuthorities, readTrust, type Trust } from './trust.ts';
import { checkDetectUrl } from './urls.ts';

export type { Credential };

/** A configuration that is complete and valid; what it may leave out has its default. */
export interface Config {
  /** Full path of the file read. */
  file: string;
  /** What should be mended but stops nothing, in whole sentences for the log. */
  warnings: string[];
  detect: Trust & {
    /** Without a slash or `/api` at its end. */
    url: string;
    apiVersion: '2.2' | '2.3' | '2.4' | '2.5';
    token: string;
  };
  atp: Entra & {
    credential: Credential;
    /** PEM of further certificate authorities for Microsoft's side. */
    ca: string | undefined;
  };
  isolation: {
    type: 'Full' | 'Selective';
    /** 0 to 1,000. */
    maxPerRun: number;
    /** Days after which Defender lifts an isolation by itself; 0: never. */
    endsAfterDays: number;
    match: 'ip' | 'no-conflict' | 'confirmed';
    never: NeverRules;
  };
  enrich: { maxAgeMinutes: number };
  http: { timeoutSeconds: number; proxy: ProxySettings | undefined };
  runTimeoutMinutes: number;
  /** Full path; undefined without a home directory. */
  cacheDir: string | undefined;
}

/**
 * Finds, reads and checks the configuration with everything it names: secret and certificate files, environment.
 * Throws a {@link ConfigError} that lists every problem found, each with its key; no message holds a secret.
 * Every secret value goes to `registerSecret` as soon as it is read.
 */
export async function loadConfig(options: {
  /** The file of `--config`. */
  file: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** User that the files should belong to; undefined where there are no users. */
  uid: number | undefined;
  registerSecret: (secret: string) => void;
  /** For the validity of a certificate. Default: the system's clock. */
  clock?: Clock;
}): Promise<Config> {
  const { env, uid, registerSecret, clock = systemClock } = options;
  registerEnvironment(env, registerSecret);
  const path = await findConfigFile(options);
  const file = await readBounded(path);
  if ('trouble' in file) {
    throw new ConfigError(
      `the configuration ${path} cannot be read: ${file.trouble}`,
      accessHint(file.trouble),
    );
  }

  const findings = createFindings(knownKeys.filter((key) => !key.includes('.')));
  const ownership = ownershipTrouble(file, uid);
  if (ownership !== undefined) findings.problem('permissions', ownership);
  const text = decodeText(file.bytes);
  if (text === undefined) findings.problem('encoding', 'expected text in UTF-8');
  const read = text === undefined ? undefined : readDocument(text, findings, registerSecret);
  if (!read) throw findings.error(path);
  const readability = read.holdsSecrets ? readabilityWarning(file, uid) : undefined;
  if (readability !== undefined) findings.warn(readability);

  const { document } = read;
  const files = createNamedFiles({ configFile: path, uid, findings, registerSecret });
  const context = { env, files, findings, clock, registerSecret };
  const config = {
    file: path,
    warnings: findings.warnings,
    detect: {
      url: readDetectUrl(document.detect.url, findings),
      apiVersion: document.detect.apiVersion,
      token: await readDetectToken(document.detect, context),
      ...(await readTrust(document.detect, files, findings)),
    },
    atp: {
      ...readEntra(document.atp, findings),
      credential: await readCredential(document.atp, context),
      ca: await readAuthorities('atp.caFile', document.atp.caFile, files, findings),
    },
    isolation: document.isolation,
    enrich: document.enrich,
    http: { timeoutSeconds: document.http.timeoutSeconds, proxy: readProxy(document.http, env, findings) },
    runTimeoutMinutes: document.runTimeoutMinutes,
    cacheDir: cacheDirectory(document.cacheDir && files.resolve(document.cacheDir), env, findings),
  };

  const { credential } = config.atp;
  if (findings.any() || credential === undefined) throw findings.error(path);
  return { ...config, atp: { ...config.atp, credential } };
}

/** Also what is not used in the end may turn up in a message. */
function registerEnvironment(env: NodeJS.ProcessEnv, registerSecret: (secret: string) => void): void {
  for (const name of ['ATP_DETECT_TOKEN', 'ATP_APP_SECRET']) {
    if (env[name]) registerSecret(env[name]);
  }
  for (const name of proxyVariables) passwordsIn(env[name] ?? '').forEach(registerSecret);
}

function readDetectUrl(text: string | undefined, findings: Findings): string {
  const key = 'detect.url';
  if (text === undefined) {
    if (!findings.concerns(key)) {
      findings.problem(key, 'is required: the base URL of Detect, such as https://detect.example.com');
    }
    return '';
  }
  const verdict = checkDetectUrl(text);
  if ('url' in verdict) return verdict.url;
  findings.problem(key, verdict.trouble);
  return '';
}

async function readDetectToken(
  detect: ConfigFile['detect'],
  context: Parameters<typeof readSecret>[2],
): Promise<string> {
  const keys = { valueKey: 'detect.token', fileKey: 'detect.tokenFile', variable: 'ATP_DETECT_TOKEN' };
  const token = await readSecret({ ...keys, value: detect.token, file: detect.tokenFile }, 'token', context);
  if (token === undefined && !context.findings.concerns(keys.valueKey, keys.fileKey, `$${keys.variable}`)) {
    context.findings.problem(
      keys.valueKey,
      `is required: give detect.token, detect.tokenFile or $${keys.variable} (in Detect: My Profile, API token)`,
    );
  }
  return token ?? '';
}

function cacheDirectory(
  configured: string | undefined,
  env: NodeJS.ProcessEnv,
  findings: Findings,
): string | undefined {
  if (configured !== undefined) return configured;
  const base = userDirectory(env, 'XDG_CACHE_HOME', '.cache');
  if (base !== undefined) return join(base, 'atp');
  findings.warn('there is no cache, because $HOME is not set; name a directory with cacheDir to save calls');
  return undefined;
}

function accessHint(trouble: string): string | undefined {
  return trouble === 'permission denied'
    ? 'The user of the run must be able to read it: run atp as that user (sudo -u atp -H atp …), or give the file to its group with chgrp and chmod 640.'
    : undefined;
}
