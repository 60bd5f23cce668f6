import { isIP } from 'node:net';
import { ConfigError } from '../errors.ts';

export interface ProxySettings {
  url: URL | string;
  noProxy: NoProxy;
}

/** Hosts that are reached directly, in the form of `NO_PROXY`. */
export type NoProxy = string;

/** Reads a list like that of `NO_PROXY`; `unknown` has the entries that mean nothing. */
export function parseNoProxy(text: string): { noProxy: NoProxy; unknown: string[] } {
  return { noProxy: text, unknown: text.split(/[\s,]+/u).filter((entry) => /@|:\/\//u.test(entry)) };
}

/**
 * The proxy for a target, or undefined when it is reached directly: plain `http:` and loopback always are, and what
 * `noProxy` names.
 */
export function proxyFor(target: URL, settings: ProxySettings | undefined): URL | undefined {
  if (settings === undefined || target.protocol !== 'https:' || isLoopback(target.hostname)) return undefined;
  if (isExempt(target, settings.noProxy)) return undefined;
  return typeof settings.url === 'string' ? parseProxyUrl(settings.url) : settings.url;
}

/** True for `localhost`, names under it, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname);
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || host.endsWith('.localhost');
}

/**
 * True when a list like that of `NO_PROXY` names the target: `*`, a host with all below it (a leading `.` or `*.` makes no
 * difference), an address; each may carry a port.
 */
function isExempt(target: URL, noProxy: string): boolean {
  const host = bareHost(target.hostname);
  const port = target.port || '443';
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true;
      const parts = /^(?<name>\[.*\]|[^:]*|.*:.*:.*?)(?::(?<port>\d+))?$/.exec(entry)?.groups;
      const name = bareHost(parts?.['name'] ?? entry).replace(/^\*?\./, '');
      if (parts?.['port'] !== undefined && parts['port'] !== port) return false;
      return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
    });
}

/** Like curl, takes a proxy without a scheme for an HTTP proxy. The message never holds the URL: it can hold a password. */
function parseProxyUrl(text: string): URL {
  try {
    const url = new URL(text.includes('://') ? text : `http://${text}`);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Said below; the error of URL repeats its input.
  }
  throw new ConfigError(
    'http.proxy is not the URL of a proxy: expected http://host:port or https://host:port',
  );
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
