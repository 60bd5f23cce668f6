import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Service } from '../errors.ts';
import { ConnectError } from './connect-error.ts';

/** How the other side of a TLS connection is recognised; without any of these by the system's CAs and its name. */
export interface Trust {
  /** PEM of CAs that are trusted besides the system's. */
  ca?: string | undefined;
  /** SHA-256 of the one certificate that is accepted, hexadecimal, with or without colons. Chain and name do not matter then. */
  fingerprint256?: string | undefined;
  /** Accepts any certificate. */
  insecure?: boolean | undefined;
}

/** The options of a TLS connection over `socket` to the host of this name or address. */
export function createTlsOptions(trust: Trust): (socket: Socket, host: string) => ConnectionOptions {
  let secureContext: ConnectionOptions['secureContext'];

  return (socket, host) => {
    // Reading the system's roots takes time, which connections to an open port should not cost; one context does for all.
    if (trust.ca !== undefined)
      secureContext ??= createSecureContext({ ca: [...rootCertificates, trust.ca] });
    return {
      socket,
      host,
      ALPNProtocols: ['http/1.1'],
      // A pinned certificate is compared by assertPinned, before anything is sent; it needs no chain and no name.
      rejectUnauthorized: trust.fingerprint256 === undefined && trust.insecure !== true,
      // RFC 6066, section 3: addresses are not permitted as server names.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(secureContext === undefined ? {} : { secureContext }),
    };
  };
}

/** Throws when the connection's certificate is not the pinned one. */
export function assertPinned(socket: TLSSocket, trust: Trust): void {
  if (trust.fingerprint256 === undefined) return;
  const expected = normalFingerprint(trust.fingerprint256);
  const presented = normalFingerprint(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
  if (presented === expected) return;
  throw new ConnectError('a certificate that is not the pinned one', {
    isFinal: true,
    isUntrusted: true,
    hint:
      `The SHA-256 fingerprint of the certificate presented is ${withColons(presented)}, ` +
      `detect.fingerprint256 is ${withColons(expected)}. Nothing was sent. If the certificate was replaced on ` +
      'purpose, put the new fingerprint into detect.fingerprint256.',
  });
}

/** What to do about a certificate that was not accepted, by Node's code for the reason. */
export function certificateHint(service: Service, code: string | undefined, authority: string): string {
  const remedy =
    service === 'detect'
      ? 'Put the CA that signed it into detect.caFile, or the SHA-256 fingerprint of the certificate, compared with ' +
        'that of the appliance, into detect.fingerprint256 (the only way with the factory certificate, whose name ' +
        'is "vectra"); detect.insecure accepts any certificate.'
      : 'If a proxy that inspects TLS is in between, put its CA into atp.caFile.';
  return `${certificateTrouble(code, authority)} ${remedy}`;
}

function certificateTrouble(code: string | undefined, authority: string): string {
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `The certificate of ${authority} is for another name.`;
    case 'CERT_HAS_EXPIRED':
      return `The certificate of ${authority} has expired, or the clock of this computer is wrong.`;
    case 'CERT_NOT_YET_VALID':
      return `The certificate of ${authority} is not valid yet, or the clock of this computer is wrong.`;
    default:
      return `The certificate of ${authority} is signed by nobody who is trusted here.`;
  }
}

function normalFingerprint(text: string): string {
  return text.replaceAll(':', '').toUpperCase();
}

function withColons(fingerprint: string): string {
  return fingerprint === '' ? 'missing' : (fingerprint.match(/..?/g) ?? []).join(':');
}
