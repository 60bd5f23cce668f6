import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { warningText } from '../../src/config/findings.ts';
import {
  appId,
  atp,
  type ConfigDir,
  detect,
  makeConfigDir,
  notValid,
  tenantId,
  token,
} from './config-dir.ts';

const passphrase = 'p4ss phrase';
const dayMs = 86_400_000;

/** Making keys takes a while: two serve every test. */
const keys = [newRsaKey(), newRsaKey()] as const;

function newRsaKey(bits = 2048): string {
  return generateKeyPairSync('rsa', { modulusLength: bits })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

/** Puts `key.pem` (PKCS #8), and `cert.pem` with 60 days to live. */
async function putCertificate(world: ConfigDir, key: string = keys[0]): Promise<void> {
  await world.put('key.pem', key);
  world.openssl('req', '-x509', '-key', 'key.pem', '-subj', '/CN=atp', '-days', '60', '-out', 'cert.pem');
}

/** Replaces `key.pem` by an encrypted one. */
async function encryptKey(world: ConfigDir): Promise<void> {
  world.openssl('pkcs8', '-topk8', '-in', 'key.pem', '-passout', `pass:${passphrase}`, '-out', 'new.pem');
  await rename(world.path('new.pem'), world.path('key.pem'));
}

const certificate = { certificateFile: 'cert.pem', privateKeyFile: 'key.pem' };

async function worldWith(keys: object): Promise<ConfigDir> {
  const world = await makeConfigDir();
  await world.put('config.json', { detect, atp: { tenantId, appId, ...keys } });
  return world;
}

async function text(world: ConfigDir, name: string): Promise<string> {
  return readFile(world.path(name), 'utf8');
}

describe('a certificate credential', () => {
  test('is read from PEM files, and the key is a secret', async () => {
    const world = await worldWith(certificate);
    await putCertificate(world);

    const config = await world.load({ env: { ATP_APP_SECRET: 'of-the-environment' } });

    const privateKey = await text(world, 'key.pem');
    expect(config.atp.credential).toEqual({
      kind: 'certificate',
      certificate: await text(world, 'cert.pem'),
      privateKey,
      passphrase: undefined,
    });
    expect(config.warnings).toEqual([]);
    expect([...world.registered]).toContain(privateKey);
  });

  test.each<[string, string[], object]>([
    ['PKCS #1', ['rsa', '-in', 'key.pem', '-traditional', '-out', 'other.pem'], {}],
    [
      'PKCS #1, encrypted',
      [
        'rsa',
        '-in',
        'key.pem',
        '-traditional',
        '-aes256',
        '-passout',
        `pass:${passphrase}`,
        '-out',
        'other.pem',
      ],
      { privateKeyPassphrase: passphrase },
    ],
    [
      'PKCS #8, encrypted',
      ['pkcs8', '-topk8', '-in', 'key.pem', '-passout', `pass:${passphrase}`, '-out', 'other.pem'],
      { privateKeyPassphrase: passphrase },
    ],
    [
      'PKCS #8, encrypted, with its passphrase in a file',
      ['pkcs8', '-topk8', '-in', 'key.pem', '-passout', `pass:${passphrase}`, '-out', 'other.pem'],
      { privateKeyPassphraseFile: 'passphrase' },
    ],
    [
      'PKCS #8, with a passphrase that is not needed',
      ['pkey', '-in', 'key.pem', '-out', 'other.pem'],
      { privateKeyPassphrase: passphrase },
    ],
  ])('takes a key in %s, and has it as PKCS #8 from then on', async (_form, command, keys) => {
    const world = await worldWith({ ...certificate, privateKeyFile: 'other.pem', ...keys });
    await putCertificate(world);
    world.openssl(...command);
    await world.put('other.pem', await text(world, 'other.pem'));
    await world.put('passphrase', `${passphrase}\n`);
    const plain = await text(world, 'key.pem');

    const { credential } = (await world.load()).atp;

    expect(credential).toMatchObject({ privateKey: plain, passphrase: undefined });
    expect([...world.registered]).toEqual(expect.arrayContaining([plain, await text(world, 'other.pem')]));
  });

  test('takes key and chain from one file, with Windows line ends, and finds the certificate of the key', async () => {
    const world = await worldWith({ certificateFile: 'all.pem', privateKeyFile: 'all.pem' });
    await putCertificate(world, keys[1]);
    const [key, cert] = [await text(world, 'key.pem'), await text(world, 'cert.pem')];
    await putCertificate(world, keys[0]);
    const other = await text(world, 'cert.pem');
    await world.put('all.pem', `Bag Attributes\n${other}${key}${cert}`.replaceAll('\n', '\r\n'));

    const { credential } = (await world.load()).atp;

    expect(credential).toMatchObject({ privateKey: key });
    const found = credential.kind === 'certificate' ? credential.certificate : '';
    expect(new X509Certificate(found).fingerprint256).toBe(new X509Certificate(cert).fingerprint256);
  });

  test.each([
    ['a second before its first', (from: number) => from - 1_000, 'is not valid before FIRST'],
    ['in its first second', (from: number) => from, undefined],
    ['15 days before its end', (_from: number, to: number) => to - 15 * dayMs, undefined],
    ['13 days before its end', (_from: number, to: number) => to - 13 * dayMs, 'expires on LAST'],
    ['after its end', (_from: number, to: number) => to + 1_000, 'expired on LAST'],
  ])('is used %s, with a warning where one is due', async (_when, timeBetween, warning) => {
    const world = await worldWith(certificate);
    await putCertificate(world);
    const { validFrom, validTo } = new X509Certificate(await text(world, 'cert.pem'));
    const [first, last] = [Date.parse(validFrom), Date.parse(validTo)];

    const config = await world.load({ now: timeBetween(first, last) });

    expect(config.warnings).toEqual(
      warning === undefined
        ? []
        : [
            {
              topic: 'certificate',
              text: `the certificate of atp.certificateFile ${warning}`
                .replace('FIRST', new Date(first).toISOString().slice(0, 10))
                .replace('LAST', new Date(last).toISOString().slice(0, 10)),
              ...(warning.includes('FIRST')
                ? {}
                : {
                    mend: 'add a new certificate to the app registration, and name it with its key in the configuration',
                  }),
            },
          ],
    );
  });
});

describe('a certificate credential is refused', () => {
  test.each<[string, object, (world: ConfigDir) => unknown, string[]]>([
    [
      'without a key',
      { certificateFile: 'cert.pem' },
      putCertificate,
      ['atp.privateKeyFile: is required for the credential with atp.certificateFile'],
    ],
    [
      'without a certificate',
      { privateKeyFile: 'key.pem' },
      putCertificate,
      ['atp.certificateFile: is required for the credential with atp.privateKeyFile'],
    ],
    [
      'with nothing but a passphrase',
      { privateKeyPassphrase: passphrase },
      () => undefined,
      [
        'atp.certificateFile: is required for the credential with atp.privateKeyFile',
        'atp.privateKeyFile: is required for the credential with atp.certificateFile',
      ],
    ],
    [
      'with two passphrases',
      { ...certificate, privateKeyPassphrase: passphrase, privateKeyPassphraseFile: 'x' },
      putCertificate,
      ['atp.privateKeyPassphrase: give either this or atp.privateKeyPassphraseFile, not both'],
    ],
    [
      'encrypted and without a passphrase',
      certificate,
      async (world) => {
        await putCertificate(world);
        await encryptKey(world);
      },
      [
        'atp.privateKeyFile: the file named there is encrypted: give atp.privateKeyPassphrase or atp.privateKeyPassphraseFile',
      ],
    ],
    [
      'with the wrong passphrase',
      { ...certificate, privateKeyPassphrase: 'wrong-one' },
      async (world) => {
        await putCertificate(world);
        await encryptKey(world);
      },
      ['atp.privateKeyFile: the file named there cannot be decrypted with the passphrase given'],
    ],
    [
      'with the key of another certificate',
      certificate,
      async (world) => {
        await putCertificate(world);
        await world.put('key.pem', keys[1]);
      },
      [
        'atp.privateKeyFile: the key in the file named there does not belong to the certificate of atp.certificateFile',
      ],
    ],
    [
      'with an elliptic key',
      certificate,
      async (world) => {
        await putCertificate(world);
        world.openssl(
          'genpkey',
          '-algorithm',
          'EC',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-out',
          'key.pem',
        );
      },
      ['atp.privateKeyFile: the file named there has no RSA key, which Entra ID demands of an application'],
    ],
    [
      'with a short key',
      certificate,
      async (world) => {
        await putCertificate(world);
        await world.put('key.pem', newRsaKey(1024));
      },
      ['atp.privateKeyFile: the file named there has an RSA key of 1024 bits; at least 2048 are needed'],
    ],
    [
      'with the files exchanged',
      { certificateFile: 'key.pem', privateKeyFile: 'cert.pem' },
      putCertificate,
      [
        'atp.certificateFile: the file named there has no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
        'atp.privateKeyFile: the file named there has no private key in PEM form (-----BEGIN PRIVATE KEY-----)',
      ],
    ],
    [
      'with a PFX file in both places',
      { certificateFile: 'app.pfx', privateKeyFile: 'app.pfx' },
      async (world) => {
        await putCertificate(world);
        world.openssl(
          'pkcs12',
          '-export',
          '-inkey',
          'key.pem',
          '-in',
          'cert.pem',
          '-passout',
          'pass:',
          '-out',
          'app.pfx',
        );
      },
      [
        'atp.certificateFile: the file named there is a PFX file; PEM is needed: openssl pkcs12 -in DIR/app.pfx -clcerts -nokeys -out cert.pem',
        'atp.privateKeyFile: the file named there is a PFX file; PEM is needed: openssl pkcs12 -in DIR/app.pfx -nocerts -nodes -out key.pem',
      ],
    ],
    [
      'with binary files',
      { certificateFile: 'cert.der', privateKeyFile: 'key.der' },
      async (world) => {
        await putCertificate(world);
        world.openssl('x509', '-in', 'cert.pem', '-outform', 'der', '-out', 'cert.der');
        world.openssl('pkey', '-in', 'key.pem', '-outform', 'der', '-out', 'key.der');
      },
      [
        'atp.certificateFile: the file named there is binary; PEM is needed: openssl x509 -inform der -in DIR/cert.der -out cert.pem',
        'atp.privateKeyFile: the file named there is binary; PEM is needed: openssl pkey -inform der -in DIR/key.der -out key.pem',
      ],
    ],
  ])('%s', async (_what, keys, make, problems) => {
    const world = await worldWith(keys);
    await make(world);
    const message = await world.failure();

    expect(message).toBe(notValid(world, ...problems.map((text) => text.replace('DIR', world.dir))));
    expect(message).not.toContain(passphrase);
  });

  test('with damaged files, of which nothing is repeated', async () => {
    const world = await worldWith(certificate);
    await world.put('cert.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    await world.put('key.pem', '-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n');

    expect(await world.failure()).toBe(
      notValid(
        world,
        'atp.certificateFile: the file named there has a damaged certificate',
        'atp.privateKeyFile: the file named there has a damaged private key',
      ),
    );
  });

  test('encrypted with a cipher that OpenSSL 3 has given up', async () => {
    const world = await worldWith({ ...certificate, privateKeyPassphrase: passphrase });
    await putCertificate(world);
    // PKCS #8 as old tools wrote it: PBE with RC2 of 40 bits (1.2.840.113549.1.12.1.6), the key itself does not matter.
    const algorithm = ['301c', '060a2a864886f70d010c0106', '300e', `0408${'00'.repeat(8)}`, '02020800'];
    const der = Buffer.from(['3030', ...algorithm, `0410${'00'.repeat(16)}`].join(''), 'hex');
    const body = der.toString('base64');
    await world.put(
      'key.pem',
      `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${body}\n-----END ENCRYPTED PRIVATE KEY-----\n`,
    );

    expect(await world.failure()).toBe(
      notValid(
        world,
        `atp.privateKeyFile: the file named there is encrypted with an outdated cipher: openssl pkcs8 -topk8 -provider legacy -provider default -in ${world.path('key.pem')} -out key.pem`,
      ),
    );
  });

  test('with an OpenSSH key', async () => {
    const world = await worldWith(certificate);
    await putCertificate(world);
    await world.put(
      'key.pem',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
    );

    expect(await world.failure()).toBe(
      notValid(
        world,
        'atp.privateKeyFile: the file named there has no RSA key, which Entra ID demands of an application',
      ),
    );
  });
});

describe('trust', () => {
  test.each(['detect', 'atp'] as const)(
    'of %s takes the certificates of a CA file, and nothing else in it',
    async (side) => {
      const world = await makeConfigDir();
      await putCertificate(world);
      const [first, key] = [await text(world, 'cert.pem'), await text(world, 'key.pem')];
      await putCertificate(world);
      const second = await text(world, 'cert.pem');
      await world.put('etc/ca.pem', `# our own\n${first}\n${key}\n${second}`);
      await world.put('config.json', {
        detect: side === 'detect' ? { ...detect, caFile: 'etc/ca.pem' } : detect,
        atp: side === 'atp' ? { ...atp, caFile: 'etc/ca.pem' } : atp,
      });

      const config = await world.load();

      expect(config[side].ca).toBe(first + second);
    },
  );

  test.each(['detect', 'atp'] as const)('of %s names what is wrong with a CA file', async (side) => {
    const world = await makeConfigDir();
    await putCertificate(world);
    world.openssl('x509', '-in', 'cert.pem', '-outform', 'der', '-out', 'ca.crt');
    await world.put('config.json', {
      detect: side === 'detect' ? { ...detect, caFile: 'ca.crt' } : detect,
      atp: side === 'atp' ? { ...atp, caFile: 'ca.crt' } : atp,
    });

    expect(await world.failure()).toBe(
      notValid(
        world,
        `${side}.caFile: the file named there is binary; PEM is needed: openssl x509 -inform der -in ${world.path('ca.crt')} -out cert.pem`,
      ),
    );
  });

  test('takes a fingerprint in every usual spelling', async () => {
    const world = await makeConfigDir();
    await putCertificate(world);
    const { fingerprint256 } = new X509Certificate(await text(world, 'cert.pem'));

    for (const spelling of [
      fingerprint256,
      fingerprint256.toLowerCase(),
      fingerprint256.replaceAll(':', ''),
      fingerprint256.replaceAll(':', ' '),
      `sha256 Fingerprint=${fingerprint256}`,
      `SHA256 Fingerprint=${fingerprint256}`,
    ]) {
      await world.put('config.json', { detect: { ...detect, fingerprint256: spelling }, atp });
      expect((await world.load()).detect.fingerprint256).toBe(fingerprint256);
    }
  });

  test('that is no trust at all is warned about in every run', async () => {
    const world = await makeConfigDir();
    await world.put('config.json', { detect: { ...detect, insecure: true }, atp });

    const config = await world.load();

    expect(config.detect.insecure).toBe(true);
    expect(config.warnings.map(warningText)).toEqual([
      'detect.insecure is set: the certificate of Detect is not verified, and whoever sits in between can read the API token and give false answers; pin the certificate with detect.fingerprint256 instead',
    ]);
  });

  test('in three ways at once is a contradiction', async () => {
    const world = await makeConfigDir();
    await putCertificate(world);
    await world.put('config.json', {
      detect: { url: detect.url, token, caFile: 'cert.pem', fingerprint256: 'ab'.repeat(32), insecure: true },
      atp,
    });

    expect(await world.failure()).toBe(
      notValid(world, 'detect.caFile: contradicts detect.fingerprint256 and detect.insecure; keep one'),
    );
  });
});
