import { createHash, createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { ConfigError } from '../errors.ts';

/** msal-node's value; Entra ID advises five to ten minutes (MicrosoftDocs entra-docs, certificate-credentials). */
const lifetimeSeconds = 600;

/**
 * Signs a client assertion with a certificate's key, in the form that Entra ID documents (certificate-credentials):
 * PS256, the certificate named by its SHA-256 thumbprint, valid for ten minutes from `now`, its id used once.
 */
export async function signAssertion(options: {
  /** PEM. */
  certificate: string;
  /** PEM. */
  privateKey: string;
  passphrase: string | undefined;
  appId: string;
  /** URL of the token endpoint. */
  audience: string;
  /** Milliseconds UTC. */
  now: number;
}): Promise<string> {
  const { certificate, privateKey, passphrase, appId, audience, now } = options;
  // Runs with another credential, and runs that need no token, do without the time to load it.
  const { SignJWT } = await import('jose');
  const seconds = Math.floor(now / 1000);
  try {
    const { raw } = new X509Certificate(certificate);
    const key = createPrivateKey(passphrase === undefined ? privateKey : { key: privateKey, passphrase });
    const thumbprint = createHash('sha256').update(raw).digest('base64url');
    return await new SignJWT()
      .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })
      .setIssuer(appId)
      .setSubject(appId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setNotBefore(seconds)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + lifetimeSeconds)
      .sign(key);
  } catch {
    // What OpenSSL and jose say may quote the key.
    throw new ConfigError(
      'the certificate of atp.certificateFile and the key of atp.privateKeyFile cannot be used to sign',
      'A certificate and an unencrypted RSA key of at least 2048 bits are needed, both in PEM form.',
    );
  }
}
