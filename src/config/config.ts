import { join } from 'node:path';
import { type Clock, systemClock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { clouds } from './clouds.ts';
import { type Credential, readCredential, readDetectCredential } from './credential.ts';
import { type Document, readDocument } from './document.ts';
import { createNamedFiles, decodeText, ownershipTrouble, readBounded, warnOfReaders } from './files.ts';
import { createFindings, type Findings } from './findings.ts';
import { readAuthorities } from './pem.ts';
import { proxySettings, readProxyVariable } from './proxy.ts';
import { findConfigFile, userDirectory } from './search.ts';
import { registerEnvironment } from './secrets.ts';

export type { Credential };

/** A configuration that is complete and valid; what it may leave out has its default. */
export type Config = Awaited<ReturnType<typeof loadConfig>>;

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
}) {
  const { env, uid, registerSecret, clock = systemClock } = options;
  registerEnvironment(env, registerSecret);
  const { path, name } = await findConfigFile(options);
  const content = await readBounded(path);
  if ('trouble' in content) {
    throw new ConfigError(
      `the configuration ${name} cannot be read: ${content.trouble}`,
      accessHint(content.trouble),
    );
  }

  const findings = createFindings();
  const ownership = ownershipTrouble(content, uid);
  if (ownership !== undefined) findings.problem('permissions', ownership);
  const text = decodeText(content.bytes);
  if (text === undefined) findings.problem('encoding', 'expected text in UTF-8');
  const document = text === undefined ? undefined : await readDocument(text, findings, registerSecret);
  if (!document) throw await findings.error(path);
  if (document.holdsSecrets) warnOfReaders(content, uid, findings);

  const files = createNamedFiles({ configFile: path, document, uid, findings, registerSecret });
  const context = { document, env, files, findings, clock, registerSecret };
  const detectCredential = document.hasFault('detect') ? undefined : await readDetectCredential(context);
  checkTrust(document, findings);
  const detectCa = await files.read('detect.caFile', 'public', readAuthorities);
  const credential = document.hasFault('atp') ? undefined : await readCredential(context);
  const microsoftCa = await files.read('atp.caFile', 'public', readAuthorities);
  const proxyOfEnvironment = await readProxyVariable(document, env, findings);
  const { file } = document;
  if (findings.any() || !file || detectCredential === undefined || credential === undefined) {
    throw await findings.error(path);
  }

  const { detect, atp, isolation, enrich, http, runTimeoutMinutes } = file;
  const cloud = clouds[atp.cloud];
  const audience = atp.audience ?? cloud.audience;
  if (detect.insecure) warnOfInsecurity(findings);
  warnOfAudience(audience, findings);
  return {
    /** Full path of the file read. */
    file: path,
    /** What should be mended but stops nothing. */
    warnings: findings.warnings,
    detect: {
      /** Without a slash or `/api` at its end. */
      url: detect.url,
      apiVersion: detect.apiVersion,
      credential: detectCredential,
      /** PEM of further certificate authorities. */
      ca: detectCa,
      /** The one certificate accepted, as Node.js prints fingerprints: upper case, with colons. */
      fingerprint256: detect.fingerprint256,
      insecure: detect.insecure,
    },
    /** Addresses are without a slash at the end. */
    atp: {
      tenantId: atp.tenantId,
      appId: atp.appId,
      credential,
      cloud: atp.cloud,
      apiUrl: atp.apiUrl ?? cloud.apiUrl,
      loginUrl: atp.loginUrl ?? cloud.loginUrl,
      audience,
      portalUrl: atp.portalUrl ?? cloud.portalUrl,
      /** PEM of further certificate authorities for Microsoft's side. */
      ca: microsoftCa,
    },
    isolation,
    enrich,
    http: {
      timeoutSeconds: http.timeoutSeconds,
      proxy: proxySettings(http.proxy ?? proxyOfEnvironment, http.noProxy, env, findings),
    },
    runTimeoutMinutes,
    /** Full path; undefined without a home directory. */
    cacheDir: file.cacheDir === undefined ? usualCacheDir(env, findings) : files.resolve(file.cacheDir),
  };
}

/** At most one way to judge the certificate of Detect. */
function checkTrust({ has, valueOf }: Document, findings: Findings): void {
  const [first, ...others] = [
    ...['detect.caFile', 'detect.fingerprint256'].filter(has),
    ...(valueOf('detect.insecure') === true ? ['detect.insecure'] : []),
  ];
  if (first === undefined || others.length === 0) return;
  findings.problem(first, `contradicts ${others.join(' and ')}; keep one`);
}

function warnOfInsecurity(findings: Findings): void {
  findings.warn({
    topic: 'insecure',
    text:
      'detect.insecure is set: the certificate of Detect is not verified, and whoever sits in between can read the ' +
      'API token and give false answers',
    mend: 'pin the certificate with detect.fingerprint256 instead',
  });
}

/** MicrosoftDocs defender-docs: api.security.microsoft.com serves the API, but tokens for it are for Microsoft 365 Defender. */
function warnOfAudience(audience: string, findings: Findings): void {
  if (!/^https:\/\/api\.security\.microsoft\.com\/*$/iu.test(audience)) return;
  findings.warn({
    topic: 'audience',
    text: 'atp.audience: Defender for Endpoint refuses tokens for api.security.microsoft.com',
    mend: `the audience is ${clouds.commercial.audience} there too`,
  });
}

function usualCacheDir(env: NodeJS.ProcessEnv, findings: Findings): string | undefined {
  const base = userDirectory(env, 'XDG_CACHE_HOME', '.cache');
  if (base !== undefined) return join(base, 'atp');
  findings.warn({
    topic: 'cache',
    text: 'there is no cache, because $HOME is not set',
    mend: 'name a directory with cacheDir to save calls',
  });
  return undefined;
}

function accessHint(trouble: string): string | undefined {
  return trouble === 'permission denied'
    ? 'The user of the run must be able to read it: run atp as that user (sudo -u atp -H atp …), or give the file to its group with chgrp and chmod 640.'
    : undefined;
}
