import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
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
const subject = ['-subj', '/CN=atp'];

/** Makes `key.pem` (PKCS #8) and `cert.pem` with so many days to live. */
function makeCertificate(world: ConfigDir, days = 60): void {
  world.openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...subject,
    '-days',
    String(days),
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
  );
  world.openssl('rsa', '-in', 'key.pem', '-out', 'key.pem');
  world.openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'key.pem', '-out', 'key.pem');
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
    makeCertificate(world);

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
    makeCertificate(world);
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
    makeCertificate(world);
    const [key, cert] = [await text(world, 'key.pem'), await text(world, 'cert.pem')];
    makeCertificate(world);
    const other = await text(world, 'cert.pem');
    await world.put('all.pem', `Bag Attributes\n${other}${key}${cert}`.replaceAll('\n', '\r\n'));

    const { credential } = (await world.load()).atp;

    expect(credential).toMatchObject({ privateKey: key });
    const found = credential.kind === 'certificate' ? credential.certificate : '';
    expect(new X509Certificate(found).fingerprint256).toBe(new X509Certificate(cert).fingerprint256);
  });

  test.each([
    [-70, 'the certificate of atp.certificateFile is not valid before DAY0'],
    [-50, undefined],
    [45, undefined],
    [47, 'the certificate of atp.certificateFile expires on DAY60'],
    [61, 'the certificate of atp.certificateFile expired on DAY60'],
  ])('looked at %i days after it was made is used, with a warning when it is due', async (days, warning) => {
    const world = await worldWith(certificate);
    makeCertificate(world);
    const { validFrom, validTo } = new X509Certificate(await text(world, 'cert.pem'));
    const day = (time: string) => new Date(time).toISOString().slice(0, 10);

    const now =
      days < 0 ? Date.parse(validFrom) - (days < -60 ? 1000 : 0) : Date.parse(validFrom) + days * 86_400_000;
    const config = await world.load({ now });

    expect(config.warnings).toEqual(
      warning === undefined ? [] : [warning.replace('DAY0', day(validFrom)).replace('DAY60', day(validTo))],
    );
  });
});

describe('a certificate credential is refused', () => {
  test.each<[string, object, (world: ConfigDir) => void, string[]]>([
    [
      'without a key',
      { certificateFile: 'cert.pem' },
      makeCertificate,
      ['atp.privateKeyFile: is required for the credential with atp.certificateFile'],
    ],
    [
      'without a certificate',
      { privateKeyFile: 'key.pem' },
      makeCertificate,
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
      makeCertificate,
      ['atp.privateKeyPassphrase: give either this or atp.privateKeyPassphraseFile, not both'],
    ],
    [
      'encrypted and without a passphrase',
      certificate,
      (world) => {
        makeCertificate(world);
        world.openssl(
          'pkcs8',
          '-topk8',
          '-in',
          'key.pem',
          '-passout',
          `pass:${passphrase}`,
          '-out',
          'new.pem',
        );
        world.openssl(
          'pkey',
          '-in',
          'key.pem',
          '-aes256',
          '-passout',
          `pass:${passphrase}`,
          '-out',
          'key.pem',
        );
      },
      [
        'atp.privateKeyFile: the file named there is encrypted: give atp.privateKeyPassphrase or atp.privateKeyPassphraseFile',
      ],
    ],
    [
      'with the wrong passphrase',
      { ...certificate, privateKeyPassphrase: 'wrong-one' },
      (world) => {
        makeCertificate(world);
        world.openssl(
          'pkey',
          '-in',
          'key.pem',
          '-aes256',
          '-passout',
          `pass:${passphrase}`,
          '-out',
          'key.pem',
        );
      },
      ['atp.privateKeyFile: the file named there cannot be decrypted with the passphrase given'],
    ],
    [
      'with the key of another certificate',
      certificate,
      (world) => {
        makeCertificate(world);
        world.openssl('genrsa', '-out', 'key.pem', '2048');
      },
      [
        'atp.privateKeyFile: the key in the file named there does not belong to the certificate of atp.certificateFile',
      ],
    ],
    [
      'with an elliptic key',
      certificate,
      (world) => {
        makeCertificate(world);
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
      (world) => {
        makeCertificate(world);
        world.openssl('genrsa', '-out', 'key.pem', '1024');
      },
      ['atp.privateKeyFile: the file named there has an RSA key of 1024 bits; at least 2048 are needed'],
    ],
    [
      'with the files exchanged',
      { certificateFile: 'key.pem', privateKeyFile: 'cert.pem' },
      makeCertificate,
      [
        'atp.certificateFile: the file named there has no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
        'atp.privateKeyFile: the file named there has no private key in PEM form (-----BEGIN PRIVATE KEY-----)',
      ],
    ],
    [
      'with a PFX file in both places',
      { certificateFile: 'app.pfx', privateKeyFile: 'app.pfx' },
      (world) => {
        makeCertificate(world);
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
      (world) => {
        makeCertificate(world);
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
    make(world);
    for (const name of ['key.pem', 'key.der', 'app.pfx']) {
      try {
        await world.put(name, await readFile(world.path(name)));
      } catch {
        // Not every case has every file.
      }
    }

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

  test('with an OpenSSH key', async () => {
    const world = await worldWith(certificate);
    makeCertificate(world);
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
      makeCertificate(world);
      const [first, key] = [await text(world, 'cert.pem'), await text(world, 'key.pem')];
      makeCertificate(world);
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
    makeCertificate(world);
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
    makeCertificate(world);
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
    expect(config.warnings).toEqual([
      'detect.insecure is set: the certificate of Detect is not verified, and whoever sits in between can read the API token and give false answers; pin the certificate with detect.fingerprint256 instead',
    ]);
  });

  test('in three ways at once is a contradiction', async () => {
    const world = await makeConfigDir();
    makeCertificate(world);
    await world.put('config.json', {
      detect: { url: detect.url, token, caFile: 'cert.pem', fingerprint256: 'ab'.repeat(32), insecure: true },
      atp,
    });

    expect(await world.failure()).toBe(
      notValid(world, 'detect.caFile: contradicts detect.fingerprint256 and detect.insecure; keep one'),
    );
  });
});
