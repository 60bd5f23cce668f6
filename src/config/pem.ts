import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { shellWord, systemCode } from '../local/ownership.ts';
import { Trouble } from './fields.ts';
import { decodeText, type ReadFile } from './files.ts';

/** Entra ID takes assertions signed with PS256, and jose signs them with RSA keys from this size on (RFC 7518, 3.5). */
const leastRsaBits = 2048;

interface Certificate {
  pem: string;
  x509: X509Certificate;
}

/** Reads every certificate of a PEM file. Throws a {@link Trouble} that says what the file is instead and how to convert it. */
export function readCertificates(file: ReadFile): Certificate[] {
  const text = decodeText(file.bytes);
  const blocks = text?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  if (blocks.length === 0) {
    throw notPem(file, {
      pfx: (word) => `pkcs12 -in ${word} -clcerts -nokeys -out cert.pem`,
      der: (word) => `x509 -inform der -in ${word} -out cert.pem`,
      otherwise: 'has no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
    });
  }
  try {
    return blocks.map((block) => ({ pem: `${block.trim()}\n`, x509: new X509Certificate(block) }));
  } catch {
    throw trouble('has a damaged certificate');
  }
}

/** Reads the certificates of a CA file as one text. Throws a {@link Trouble}. */
export function readAuthorities(file: ReadFile): string {
  return readCertificates(file)
    .map(({ pem }) => pem)
    .join('');
}

/** Reads an RSA key of a PEM file, decrypted if need be. Throws a {@link Trouble} that says how to convert another. */
export function readPrivateKey(
  file: ReadFile,
  passphrase: string | undefined,
): { key: KeyObject; pem: string } {
  const text = decodeText(file.bytes) ?? '';
  // Not up to any `-----END`: where none follows, that would search the rest of the file at each beginning.
  const [block, kind] =
    /-----BEGIN ([A-Z ]*PRIVATE KEY)-----(?:[^-]|-(?!----))+-----END \1-----/u.exec(text) ?? [];
  if (block === undefined) {
    throw notPem(file, {
      pfx: (word) => `pkcs12 -in ${word} -nocerts -nodes -out key.pem`,
      der: (word) => `pkey -inform der -in ${word} -out key.pem`,
      otherwise: 'has no private key in PEM form (-----BEGIN PRIVATE KEY-----)',
    });
  }
  if (kind === 'OPENSSH PRIVATE KEY' || kind === 'EC PRIVATE KEY') throw trouble(rsaWanted);

  const encrypted = kind === 'ENCRYPTED PRIVATE KEY' || block.includes('Proc-Type: 4,ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    throw trouble('is encrypted: give atp.privateKeyPassphrase or atp.privateKeyPassphraseFile');
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(passphrase === undefined ? block : { key: block, passphrase });
  } catch (error) {
    throw trouble(openingTrouble(error, encrypted, shellWord(file.path)));
  }
  if (key.asymmetricKeyType !== 'rsa') throw trouble(rsaWanted);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < leastRsaBits) {
    throw trouble(`has an RSA key of ${bits} bits; at least ${leastRsaBits} are needed`);
  }
  return { key, pem: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

const rsaWanted = 'has no RSA key, which Entra ID demands of an application';

function trouble(text: string): Trouble {
  return new Trouble(`the file named there ${text}`);
}

function openingTrouble(error: unknown, encrypted: boolean, word: string): string {
  if (!encrypted) return 'has a damaged private key';
  // OpenSSL 3 knows the ciphers of old PFX exports (RC2, single DES) only in its legacy provider, which Node.js does not load.
  if (systemCode(error) === 'ERR_OSSL_EVP_UNSUPPORTED') {
    return `is encrypted with an outdated cipher: openssl pkcs8 -topk8 -provider legacy -provider default -in ${word} -out key.pem`;
  }
  return 'cannot be decrypted with the passphrase given';
}

/** Says what a file is that has no PEM, with the command of openssl that converts it. */
function notPem(
  { bytes, path }: ReadFile,
  words: { pfx: (word: string) => string; der: (word: string) => string; otherwise: string },
): Trouble {
  // DER begins with a SEQUENCE and its length.
  if (bytes[0] !== 0x30 || bytes[1] === undefined || bytes[1] < 0x80) return trouble(words.otherwise);
  // Length bytes follow when the highest bit is set; an indefinite length (0x80) has none.
  const content = 2 + (bytes[1] & 0x7f);
  // In a PFX (RFC 7292, section 4) the first element is the version, 3.
  const isPfx = bytes.subarray(content, content + 3).equals(Buffer.from([0x02, 0x01, 0x03]));
  const [form, command] = isPfx ? ['a PFX file', words.pfx] : ['binary', words.der];
  return trouble(`is ${form}; PEM is needed: openssl ${command(shellWord(path))}`);
}
