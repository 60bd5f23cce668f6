import { isIP } from 'node:net';
import { Trouble } from './fields.ts';

/** Names below `localhost` do not count: not every resolver keeps them on this machine. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

/**
 * Accepts the base URL of a service: `https:`, or `http:` on a loopback address; without credentials, query and
 * fragment. Slashes at its end and an `/api` there, which the program adds itself, are taken away.
 */
export function serviceUrl(text: string): string {
  if (/\s/u.test(text) || !/^[a-z][a-z0-9+.-]*:\/\//iu.test(text) || !URL.canParse(text)) {
    throw new Trouble('expected a full URL that begins with https://');
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new Trouble('must begin with https:// (http:// is for loopback addresses only)');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Trouble('must not hold a user name or a password');
  }
  if (/[?#]/u.test(text)) throw new Trouble('must not hold a query or a fragment');
  const path = url.pathname
    .replace(/\/+$/u, '')
    .replace(/\/api$/u, '')
    .replace(/\/+$/u, '');
  if (/\/api\/v\d[\d.]*$/u.test(path)) throw new Trouble('must end before /api');
  return url.origin + path;
}

/** Accepts the base URL of a Detect appliance, and refuses the cloud product by name. */
export function detectUrl(text: string): string {
  const url = serviceUrl(text);
  const host = new URL(url).hostname.replace(/\.$/u, '');
  if (host === 'portal.vectra.ai' || host.endsWith('.portal.vectra.ai')) {
    throw new Trouble(
      'the cloud product (*.portal.vectra.ai, API v3) is not supported: the tags of its hosts can only be replaced as a whole, which would lose those of others; atp works with Detect appliances',
    );
  }
  return url;
}

/** Accepts what tokens are asked for: kept to the letter, since Entra ID compares it so. */
export function audienceUrl(text: string): string {
  if (/\/\.default$/u.test(text)) throw new Trouble('must end before /.default');
  serviceUrl(text);
  return text;
}

/** Accepts a forward proxy, also in the form `host:port`. Only the proxy's scheme, host, port and credentials may be given. */
export function proxyUrl(text: string): URL {
  const full = text.includes('://') ? text : `http://${text}`;
  const wanted = 'expected a proxy such as http://proxy.example.com:3128';
  if (/\s/u.test(text) || !URL.canParse(full)) throw new Trouble(wanted);
  const url = new URL(full);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Trouble(`${wanted}; other kinds of proxies are not supported`);
  }
  if (url.pathname !== '/' || /[?#]/u.test(full))
    throw new Trouble(`${wanted}, without anything behind the port`);
  try {
    decodeURIComponent(`${url.username}:${url.password}`);
  } catch {
    throw new Trouble('has a percent sign in its user name or password that must be written as %25');
  }
  return url;
}

/** Accepts a SHA-256 fingerprint, also as `openssl x509 -fingerprint -sha256` prints it; it comes out as Node.js prints it. */
export function fingerprint(text: string): string {
  const digits = text.replace(/^sha-?256 fingerprint=/iu, '').replaceAll(/[:\s]/gu, '');
  if (/^[0-9a-f]{64}$/iu.test(digits)) {
    return digits.toUpperCase().replaceAll(/(?<=^(?:..)+)(?=.)/gu, ':');
  }
  const remark = /^[0-9a-f]{40}$/iu.test(digits) ? '; this looks like one of SHA-1' : '';
  throw new Trouble(`expected a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons${remark}`);
}

/** Accepts an address or CIDR of `isolation.never.ips`, if it can be matched as it is. */
export function range(text: string): string {
  const [base = '', bits, ...more] = text.split('/');
  const family = isIP(base);
  if (family === 0 || base.includes('%') || more.length > 0) {
    throw new Trouble('expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8');
  }
  if (/^::ffff:/iu.test(base) && base.includes('.')) {
    throw new Trouble('expected the IPv4 address without its IPv6 wrapping');
  }
  const most = family === 4 ? 32 : 128;
  if (bits !== undefined && (!/^(?:0|[1-9]\d{0,2})$/u.test(bits) || Number(bits) > most)) {
    throw new Trouble(`expected a prefix length from 0 to ${most} after the slash`);
  }
  return text;
}
