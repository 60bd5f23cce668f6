import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Identity {
  /** PEM. */
  cert: string;
  /** PEM. */
  key: string;
  /** SHA-256 in hexadecimal with colons. */
  fingerprint256: string;
}

export interface Authority {
  /** PEM. */
  ca: string;
  /** A certificate by this authority for these names (`DNS:…`, `IP:…`); a negative number of days makes it expired. */
  issue(names: string, days?: number): Identity;
}

/** A certificate authority of its own, made by openssl. */
export function createAuthority(): Authority {
  return inTempDir((openssl, read) => {
    newKey(openssl, 'ca');
    openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=Test CA', '-days', '2', '-out', 'ca.crt');
    const ca = read('ca.crt');
    const caKey = read('ca.key');

    return {
      ca,
      issue(names, days = 2) {
        return inTempDir((run, readHere, write) => {
          write('ca.crt', ca);
          write('ca.key', caKey);
          write('extensions', `subjectAltName=${names}\n`);
          newKey(run, 'leaf');
          run('req', '-new', '-key', 'leaf.key', '-subj', '/CN=leaf', '-out', 'leaf.csr');
          run(
            ...['x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', '1'],
            ...['-days', String(days), '-extfile', 'extensions', '-out', 'leaf.crt'],
          );
          return identity(readHere('leaf.crt'), readHere('leaf.key'));
        });
      },
    };
  });
}

/** What a brain ships with: self-signed, and for a name that is never the one it is reached by. */
export function createFactoryIdentity(): Identity {
  return inTempDir((openssl, read) => {
    newKey(openssl, 'leaf');
    const subject = '/O=Vectra Networks, Inc/CN=vectra';
    openssl('req', '-x509', '-new', '-key', 'leaf.key', '-subj', subject, '-days', '2', '-out', 'leaf.crt');
    return identity(read('leaf.crt'), read('leaf.key'));
  });
}

type OpenSsl = (...args: string[]) => void;

function newKey(openssl: OpenSsl, name: string): void {
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
}

function identity(cert: string, key: string): Identity {
  return { cert, key, fingerprint256: new X509Certificate(cert).fingerprint256 };
}

function inTempDir<T>(
  make: (openssl: OpenSsl, read: (name: string) => string, write: (name: string, text: string) => void) => T,
): T {
  const dir = mkdtempSync(join(tmpdir(), 'atp-certificates-'));
  try {
    return make(
      (...args) => {
        execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
      },
      (name) => readFileSync(join(dir, name), 'utf8'),
      (name, text) => {
        writeFileSync(join(dir, name), text);
      },
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}
