import type { NamedFiles } from './files.ts';
import type { Findings } from './findings.ts';
import { readCertificates } from './pem.ts';
import type { ConfigFile } from './schema.ts';

/** How the certificate of Detect is judged; with none of these, as any other certificate. */
export interface Trust {
  /** PEM of further certificate authorities. */
  ca: string | undefined;
  /** The one certificate accepted, as Node.js prints fingerprints: upper case, with colons. */
  fingerprint256: string | undefined;
  insecure: boolean;
}

/** Reads `detect.caFile`, `detect.fingerprint256` and `detect.insecure`, of which at most one may be given. */
export async function readTrust(
  detect: ConfigFile['detect'],
  files: NamedFiles,
  findings: Findings,
): Promise<Trust> {
  const given = [
    ...(detect.caFile === undefined ? [] : ['detect.caFile']),
    ...(detect.fingerprint256 === undefined ? [] : ['detect.fingerprint256']),
    ...(detect.insecure ? ['detect.insecure'] : []),
  ];
  const [first, ...others] = given;
  if (first !== undefined && others.length > 0) {
    findings.problem(first, `contradicts ${others.join(' and ')}; keep one`);
  }
  if (detect.insecure) {
    findings.warn(
      'detect.insecure is set: the certificate of Detect is not verified, and whoever sits in between can read the ' +
        'API token and give false answers; pin the certificate with detect.fingerprint256 instead',
    );
  }
  return {
    ca: await readAuthorities('detect.caFile', detect.caFile, files, findings),
    fingerprint256: readFingerprint(detect.fingerprint256, findings),
    insecure: detect.insecure,
  };
}

/** Reads the certificates of a CA file; undefined without one or after a problem. */
export async function readAuthorities(
  key: string,
  path: string | undefined,
  files: NamedFiles,
  findings: Findings,
): Promise<string | undefined> {
  const file = path === undefined ? undefined : await files.read(key, path, 'public');
  if (!file) return undefined;
  const certificates = readCertificates(file);
  if ('trouble' in certificates) {
    findings.problem(key, `the file named there ${certificates.trouble}`);
    return undefined;
  }
  return certificates.map(({ pem }) => pem).join('');
}

function readFingerprint(text: string | undefined, findings: Findings): string | undefined {
  if (text === undefined) return undefined;
  // Also as `openssl x509 -fingerprint -sha256` prints it.
  const digits = text.replace(/^sha-?256 fingerprint=/iu, '').replaceAll(/[:\s]/gu, '');
  if (/^[0-9a-f]{64}$/iu.test(digits)) return digits.toUpperCase().replaceAll(/(?<=^(?:..)+)(?=.)/gu, ':');
  const looksLikeSha1 = /^[0-9a-f]{40}$/iu.test(digits);
  findings.problem(
    'detect.fingerprint256',
    `expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons${looksLikeSha1 ? '; this looks like one of SHA-1' : ''}`,
  );
  return undefined;
}
