import type { X509Certificate } from 'node:crypto';
import type { Credential, CredentialContext } from './credential.ts';
import { readCertificates, readPrivateKey } from './pem.ts';
import type { ConfigFile } from './schema.ts';
import { readSecret } from './secret-sources.ts';

/** Warns this long before a certificate expires. */
const expiryNoticeMs = 14 * 86_400_000;

/** Reads certificate and key, which must belong together, and warns when the certificate is due; undefined after a problem. */
export async function readCertificateCredential(
  atp: ConfigFile['atp'],
  context: CredentialContext,
): Promise<Extract<Credential, { kind: 'certificate' }> | undefined> {
  const { files, findings, registerSecret } = context;
  for (const [key, other] of [
    ['certificateFile', 'privateKeyFile'],
    ['privateKeyFile', 'certificateFile'],
  ] as const) {
    if (atp[key] === undefined && !findings.concerns(`atp.${key}`)) {
      findings.problem(`atp.${key}`, `is required for the credential with atp.${other}`);
    }
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
