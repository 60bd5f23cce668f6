import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A self-signed certificate for an application, with its RSA key; both PEM. */
export function createRsaIdentity(): { certificate: string; privateKey: string } {
  const dir = mkdtempSync(join(tmpdir(), 'atp-rsa-'));
  try {
    const args = 'req -x509 -newkey rsa:2048 -nodes -subj /CN=atp -days 2 -keyout key.pem -out cert.pem';
    execFileSync('openssl', args.split(' '), { cwd: dir, stdio: 'pipe' });
    const read = (name: string) => readFileSync(join(dir, name), 'utf8');
    return { certificate: read('cert.pem'), privateKey: read('key.pem') };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
