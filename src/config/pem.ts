import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { shellWord, systemCode } from '../local/ownership.ts';
import { decodeText, type NamedFiles, type ReadFile } from './files.ts';
import type { Findings } from './findings.ts';

/** Entra ID takes assertions signed with PS256, and jose signs them with RSA keys from this size on (RFC 7518, 3.5). */
const leastRsaBits = 2048;

interface Certificate {
  pem: string;
  x509: X509Certificate;
}

/** Reads every certificate of a PEM file, or says what the file is instead and how to convert it. */
export function readCertificates(file: ReadFile): Certificate[] | { trouble: string } {
  const text = decodeText(file.bytes);
  const blocks = text?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  if (blocks.length === 0) {
    const word = shellWord(file.path);
    switch (binaryKind(file.bytes)) {
      case 'pfx':
        return {
          trouble: `is a PFX file; PEM is needed: openssl pkcs12 -in ${word} -clcerts -nokeys -out cert.pem`,
        };
      case 'der':
        return { trouble: `is binary; PEM is needed: openssl x509 -inform der -in ${word} -out cert.pem` };
      default:
        return { trouble: 'has no certificate in PEM form (-----BEGIN CERTIFICATE-----)' };
    }
  }
  try {
    return blocks.map((block) => ({ pem: `${block.trim()}\n`, x509: new X509Certificate(block) }));
  } catch {
    return { trouble: 'has a damaged certificate' };
  }
}

/** Reads an RSA key of a PEM file, decrypted if need be, or says why it cannot be used and how to convert it. */
export function readPrivateKey(
  file: ReadFile,
  passphrase: string | undefined,
): { key: KeyObject; pem: string } | { trouble: string } {
  const word = shellWord(file.path);
  const text = decodeText(file.bytes) ?? '';
  // Not up to any `-----END`: where none follows, that would search the rest of the file at each beginning.
  const [block, kind] =
    /-----BEGIN ([A-Z ]*PRIVATE KEY)-----(?:[^-]|-(?!----))+-----END \1-----/u.exec(text) ?? [];
  if (block === undefined) {
    switch (binaryKind(file.bytes)) {
      case 'pfx':
        return {
          trouble: `is a PFX file; PEM is needed: openssl pkcs12 -in ${word} -nocerts -nodes -out key.pem`,
        };
      case 'der':
        return { trouble: `is binary; PEM is needed: openssl pkey -inform der -in ${word} -out key.pem` };
      default:
        return { trouble: 'has no private key in PEM form (-----BEGIN PRIVATE KEY-----)' };
    }
  }
  if (kind === 'OPENSSH PRIVATE KEY' || kind === 'EC PRIVATE KEY') return { trouble: rsaWanted };

  const encrypted = kind === 'ENCRYPTED PRIVATE KEY' || block.includes('Proc-Type: 4,ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    return {
      trouble: 'is encrypted: give atp.privateKeyPassphrase or atp.privateKeyPassphraseFile',
    };
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(passphrase === undefined ? block : { key: block, passphrase });
  } catch (error) {
    return { trouble: openingTrouble(error, encrypted, word) };
  }
  if (key.asymmetricKeyType !== 'rsa') return { trouble: rsaWanted };
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < leastRsaBits) {
    return { trouble: `has an RSA key of ${bits} bits; at least ${leastRsaBits} are needed` };
  }
  return { key, pem: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

const rsaWanted = 'has no RSA key, which Entra ID demands of an application';

function openingTrouble(error: unknown, encrypted: boolean, word: string): string {
  if (!encrypted) return 'has a damaged private key';
  // OpenSSL 3 knows the ciphers of old PFX exports (RC2, single DES) only in its legacy provider, which Node.js does not load.
  if (systemCode(error) === 'ERR_OSSL_EVP_UNSUPPORTED') {
    return `is encrypted with an outdated cipher: openssl pkcs8 -topk8 -provider legacy -provider default -in ${word} -out key.pem`;
  }
  return 'cannot be decrypted with the passphrase given';
}

/** DER begins with a SEQUENCE; in a PFX (RFC 7292, section 4) its first element is the version, 3. */
function binaryKind(bytes: Buffer): 'pfx' | 'der' | undefined {
  if (bytes[0] !== 0x30 || bytes[1] === undefined || bytes[1] < 0x80) return undefined;
  // Length bytes follow when the highest bit is set; an indefinite length (0x80) has none.
  const content = 2 + (bytes[1] & 0x7f);
  return bytes.subarray(content, content + 3).equals(Buffer.from([0x02, 0x01, 0x03])) ? 'pfx' : 'der';
}

/** Reads the certificates of a CA file; undefined without one and after a problem. */
export async function readAuthorities(
  key: string,
  { files, findings }: { files: NamedFiles; findings: Findings },
): Promise<string | undefined> {
  const file = await files.read(key, 'public');
  if (!file) return undefined;
  const certificates = readCertificates(file);
  if ('trouble' in certificates) {
    findings.problem(key, `the file named there ${certificates.trouble}`);
    return undefined;
  }
  return certificates.map(({ pem }) => pem).join('');
}
