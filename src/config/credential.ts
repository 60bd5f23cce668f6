import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { decodeText, type NamedFiles } from './files.ts';
import type { Findings } from './findings.ts';
import { readCertificates, readPrivateKey } from './pem.ts';
import type { ConfigFile } from './schema.ts';
import { readSecret } from './secret-sources.ts';

/** How the program proves to Entra ID that it is the application. */
export type Credential =
  | { kind: 'secret'; secret: string }
  | {
      kind: 'certificate';
      /** PEM, the one certificate that the key belongs to. */
      certificate: string;
      /** PKCS #8 PEM, decrypted. */
      privateKey: string;
      /** Undefined from {@link loadConfig}, which decrypts the key. */
      passphrase: string | undefined;
    }
  | {
      kind: 'federated';
      /** Full path; to be read afresh for each assertion, since its issuer replaces it. */
      tokenFile: string;
    };

export interface CredentialContext {
  env: NodeJS.ProcessEnv;
  files: NamedFiles;
  findings: Findings;
  clock: Clock;
  registerSecret: (secret: string) => void;
}

/** Warns this long before a certificate expires. */
const expiryNoticeMs = 14 * 86_400_000;

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu;

/** Tells whether a text has the form of an id in Entra ID. */
export function isGuid(text: string): boolean {
  return guid.test(text);
}

/** Reads the one credential of `atp`; undefined after a problem. */
export async function readCredential(
  atp: ConfigFile['atp'],
  context: CredentialContext,
): Promise<Credential | undefined> {
  const { findings } = context;
  const given = credentialKeys.filter((keys) => keys.some((key) => isGiven(atp, key, findings)));
  if (given.length > 1) {
    const keys = given.map((group) => `atp.${group.find((key) => isGiven(atp, key, findings)) ?? ''}`);
    findings.problem('atp', `has more than one credential (${keys.join(', ')}); keep one`);
    return undefined;
  }
  switch (given[0]) {
    case certificateKeys:
      return readCertificateCredential(atp, context);
    case federatedKeys:
      return readFederatedCredential(atp, context);
    default:
      return readSecretCredential(atp, context);
  }
}

type AtpKey = keyof ConfigFile['atp'];

const secretKeys: readonly AtpKey[] = ['appSecret', 'appSecretFile'];
const certificateKeys: readonly AtpKey[] = [
  'certificateFile',
  'privateKeyFile',
  'privateKeyPassphrase',
  'privateKeyPassphraseFile',
];
const federatedKeys: readonly AtpKey[] = ['federatedTokenFile'];
const credentialKeys = [secretKeys, certificateKeys, federatedKeys];

/** A key that was found unusable is gone from the document, but was given all the same. */
function isGiven(atp: ConfigFile['atp'], key: AtpKey, findings: Findings): boolean {
  return atp[key] !== undefined || (findings.concerns(`atp.${key}`) && !findings.concerns('atp'));
}

async function readSecretCredential(
  atp: ConfigFile['atp'],
  context: CredentialContext,
): Promise<Credential | undefined> {
  const { findings } = context;
  const secret = await readSecret(
    {
      valueKey: 'atp.appSecret',
      value: atp.appSecret,
      fileKey: 'atp.appSecretFile',
      file: atp.appSecretFile,
      variable: 'ATP_APP_SECRET',
    },
    'secret',
    context,
  );
  if (secret === undefined) {
    if (!findings.concerns('atp.appSecret', 'atp.appSecretFile', '$ATP_APP_SECRET')) {
      findings.problem(
        'atp.appSecret',
        'a credential is required: atp.appSecret, atp.appSecretFile, $ATP_APP_SECRET, ' +
          'atp.certificateFile with atp.privateKeyFile, or atp.federatedTokenFile',
      );
    }
    return undefined;
  }
  if (isGuid(secret)) {
    findings.warn(
      'the client secret has the form of an id: Entra ID shows the id and the value of a secret, and the value is needed',
    );
  }
  return { kind: 'secret', secret };
}

async function readCertificateCredential(
  atp: ConfigFile['atp'],
  context: CredentialContext,
): Promise<Credential | undefined> {
  const { files, findings, registerSecret } = context;
  for (const [key, other] of [
    ['certificateFile', 'privateKeyFile'],
    ['privateKeyFile', 'certificateFile'],
  ] as const) {
    if (!isGiven(atp, key, findings))
      findings.problem(`atp.${key}`, `is required for the credential with atp.${other}`);
  }
  const passphrase = await readSecret(
    {
      valueKey: 'atp.privateKeyPassphrase',
      value: atp.privateKeyPassphrase,
      fileKey: 'atp.privateKeyPassphraseFile',
      file: atp.privateKeyPassphraseFile,
    },
    'passphrase',
    context,
  );
  const certificateFile =
    atp.certificateFile === undefined
      ? undefined
      : await files.read('atp.certificateFile', atp.certificateFile, 'public');
  const keyFile =
    atp.privateKeyFile === undefined
      ? undefined
      : await files.read('atp.privateKeyFile', atp.privateKeyFile, 'secret');

  const certificates = certificateFile && readCertificates(certificateFile);
  if (certificates && 'trouble' in certificates) {
    findings.problem('atp.certificateFile', `the file named there ${certificates.trouble}`);
  }
  // Without the passphrase that was meant, nothing true can be said about the key.
  if (findings.concerns('atp.privateKeyPassphrase', 'atp.privateKeyPassphraseFile')) return undefined;
  const key = keyFile && readPrivateKey(keyFile, passphrase);
  if (key && 'trouble' in key) findings.problem('atp.privateKeyFile', `the file named there ${key.trouble}`);
  if (!certificates || 'trouble' in certificates || !key || 'trouble' in key) return undefined;

  registerSecret(key.pem);
  const own = certificates.find(({ x509 }) => x509.checkPrivateKey(key.key));
  if (!own) {
    findings.problem(
      'atp.privateKeyFile',
      'the key in the file named there does not belong to the certificate of atp.certificateFile',
    );
    return undefined;
  }
  warnOfValidity(own.x509, context);
  return { kind: 'certificate', certificate: own.pem, privateKey: key.pem, passphrase: undefined };
}

function warnOfValidity(x509: X509Certificate, { clock, findings }: CredentialContext): void {
  const now = clock.now();
  const start = Date.parse(x509.validFrom);
  const end = Date.parse(x509.validTo);
  const what = 'the certificate of atp.certificateFile';
  if (start > now) findings.warn(`${what} is not valid before ${day(start)}`);
  if (end <= now) findings.warn(`${what} expired on ${day(end)}`);
  else if (end - now < expiryNoticeMs) findings.warn(`${what} expires on ${day(end)}`);
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/**
 * Only looks whether the token is there. Who owns the file and who may read it is up to its issuer, which replaces it
 * (Kubernetes projects it 0644 for every user of the pod).
 */
async function readFederatedCredential(
  atp: ConfigFile['atp'],
  context: CredentialContext,
): Promise<Credential | undefined> {
  const { files, findings } = context;
  const key = 'atp.federatedTokenFile';
  if (atp.federatedTokenFile === undefined) return undefined;
  const file = await files.read(key, atp.federatedTokenFile, 'foreign');
  if (!file) return undefined;
  const text = decodeText(file.bytes)?.trim();
  if (text === undefined || text === '' || /\s/u.test(text)) {
    findings.problem(
      key,
      text === '' ? 'the file named there is empty' : 'the file named there does not hold a token',
    );
    return undefined;
  }
  return { kind: 'federated', tokenFile: file.path };
}
