import type { X509Certificate } from 'node:crypto';
import { Trouble } from './fields.ts';
import { decodeText } from './files.ts';
import type { Findings } from './findings.ts';
import { readCertificates, readPrivateKey } from './pem.ts';
import { guidForm } from './schema.ts';
import { fileKeyOf, readSecret, type SecretContext, secrets } from './secrets.ts';

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

/** How the program proves to Detect who asks. */
export type DetectCredential =
  | { kind: 'token'; token: string }
  /** An API client. */
  | { kind: 'client'; id: string; secret: string };

/** One way to prove who one is: the keys that give it, and how it is read; undefined after a problem. */
interface Way<Value> {
  keys: readonly string[];
  read: (context: SecretContext) => Promise<Value | undefined>;
}

/** Reads the one credential for Detect; undefined after a problem. */
export async function readDetectCredential(context: SecretContext): Promise<DetectCredential | undefined> {
  const { detectToken, clientSecret } = secrets;
  return readOnlyWay('detect', context, [
    { keys: [detectToken.key, fileKeyOf(detectToken)], read: readDetectToken },
    { keys: [clientId, clientSecret.key, fileKeyOf(clientSecret)], read: readApiClient },
  ]);
}

const clientId = 'detect.clientId';

async function readDetectToken(context: SecretContext): Promise<DetectCredential | undefined> {
  const token = await readSecret(
    secrets.detectToken,
    context,
    'is required: give detect.token, detect.tokenFile or $ATP_DETECT_TOKEN (in Detect: My Profile, API token), or ' +
      'detect.clientId with detect.clientSecret (in Detect: Manage, API Clients)',
  );
  return token === undefined ? undefined : { kind: 'token', token };
}

async function readApiClient(context: SecretContext): Promise<DetectCredential | undefined> {
  const { document, findings } = context;
  const { clientSecret } = secrets;
  const id = document.valueOf(clientId);
  if (!document.has(clientId))
    findings.problem(clientId, `is required for the credential with ${clientSecret.key}`);
  const version = document.valueOf('detect.apiVersion');
  if (version !== undefined && version !== '2.5')
    findings.problem('detect.apiVersion', 'must be "2.5" for the credential with detect.clientId');
  const wanted = `is required for the credential with ${clientId}: give it, ${fileKeyOf(clientSecret)} or $${clientSecret.variable}`;
  const secret = await readSecret(clientSecret, context, wanted);
  return typeof id === 'string' && secret !== undefined ? { kind: 'client', id, secret } : undefined;
}

/** Reads the one credential of `atp`; undefined after a problem. */
export async function readCredential(context: SecretContext): Promise<Credential | undefined> {
  const { appSecret, passphrase } = secrets;
  return readOnlyWay('atp', context, [
    { keys: [appSecret.key, fileKeyOf(appSecret)], read: readSecretCredential },
    {
      keys: ['atp.certificateFile', 'atp.privateKeyFile', passphrase.key, fileKeyOf(passphrase)],
      read: readCertificateCredential,
    },
    { keys: ['atp.federatedTokenFile'], read: readFederatedCredential },
  ]);
}

/** Reads the one way that the file gives; the first, which the environment may give as well, when it gives none. */
async function readOnlyWay<Value>(
  section: string,
  context: SecretContext,
  ways: readonly [Way<Value>, ...Way<Value>[]],
): Promise<Value | undefined> {
  const given = ways.flatMap(({ keys, read }) => {
    const key = keys.find((name) => context.document.has(name));
    return key === undefined ? [] : [{ key, read }];
  });
  if (given.length > 1) {
    const keys = given.map(({ key }) => key).join(', ');
    context.findings.problem(section, `has more than one credential (${keys}); keep one`);
    return undefined;
  }
  return (given[0] ?? ways[0]).read(context);
}

async function readSecretCredential(context: SecretContext): Promise<Credential | undefined> {
  const secret = await readSecret(
    secrets.appSecret,
    context,
    'a credential is required: atp.appSecret, atp.appSecretFile, $ATP_APP_SECRET, ' +
      'atp.certificateFile with atp.privateKeyFile, or atp.federatedTokenFile',
  );
  if (secret === undefined) return undefined;
  if (guidForm.test(secret)) {
    context.findings.warn({
      topic: 'secret',
      text: 'the client secret has the form of an id: Entra ID shows the id and the value of a secret, and the value is needed',
    });
  }
  return { kind: 'secret', secret };
}

/** Reads certificate and key, which must belong together, and warns when the certificate is due. */
async function readCertificateCredential(context: SecretContext): Promise<Credential | undefined> {
  const { document, files, findings, registerSecret } = context;
  for (const [key, other] of [
    ['atp.certificateFile', 'atp.privateKeyFile'],
    ['atp.privateKeyFile', 'atp.certificateFile'],
  ] as const) {
    if (!document.has(key)) findings.problem(key, `is required for the credential with ${other}`);
  }
  const passphrase = await readSecret(secrets.passphrase, context);
  // Without the passphrase that was meant, nothing true can be said about the key.
  const isMeant = document.has(secrets.passphrase.key) || document.has(fileKeyOf(secrets.passphrase));
  const lacksPassphrase = passphrase === undefined && isMeant;
  const certificates = await files.read('atp.certificateFile', 'public', readCertificates);
  const key = await files.read('atp.privateKeyFile', 'secret', (file) =>
    lacksPassphrase ? undefined : readPrivateKey(file, passphrase),
  );
  if (!certificates || !key) return undefined;

  registerSecret(key.pem);
  const own = certificates.find(({ x509 }) => x509.checkPrivateKey(key.key));
  if (!own) {
    findings.problem(
      'atp.privateKeyFile',
      'the key in the file named there does not belong to the certificate of atp.certificateFile',
    );
    return undefined;
  }
  warnOfValidity(own.x509, context.clock.now(), findings);
  return { kind: 'certificate', certificate: own.pem, privateKey: key.pem, passphrase: undefined };
}

/** Warns this long before a certificate expires. */
const expiryNoticeMs = 14 * 86_400_000;

function warnOfValidity(x509: X509Certificate, now: number, findings: Findings): void {
  const start = Date.parse(x509.validFrom);
  const end = Date.parse(x509.validTo);
  if (start > now) {
    findings.warn({ topic: 'certificate', text: `${certificate} is not valid before ${day(start)}` });
  }
  if (end - now >= expiryNoticeMs) return;
  findings.warn({
    topic: 'certificate',
    text: `${certificate} ${end <= now ? 'expired' : 'expires'} on ${day(end)}`,
    mend: 'add a new certificate to the app registration, and name it with its key in the configuration',
  });
}

const certificate = 'the certificate of atp.certificateFile';

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/**
 * Only looks whether the token is there. Who owns the file and who may read it is up to its issuer, which replaces it
 * (Kubernetes projects it 0644 for every user of the pod).
 */
async function readFederatedCredential({ files }: SecretContext): Promise<Credential | undefined> {
  return files.read('atp.federatedTokenFile', 'foreign', ({ path, bytes }): Credential => {
    const text = decodeText(bytes)?.trim();
    if (text === '') throw new Trouble('the file named there is empty');
    if (text === undefined || /\s/u.test(text))
      throw new Trouble('the file named there does not hold a token');
    return { kind: 'federated', tokenFile: path };
  });
}
