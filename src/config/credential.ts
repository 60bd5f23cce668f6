import type { Clock } from '../clock.ts';
import { readCertificateCredential } from './certificate.ts';
import { isGuid } from './entra.ts';
import { decodeText, type NamedFiles } from './files.ts';
import type { Findings } from './findings.ts';
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
