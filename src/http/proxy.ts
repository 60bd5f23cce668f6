import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';

export interface ProxySettings {
  /** `http:` or `https:`, with its credentials if it wants any. */
  url: URL;
  noProxy: NoProxy;
}

/** The hosts that are reached without a proxy. */
export type NoProxy = readonly Exemption[];

interface Exemption {
  /** Undefined for every port. */
  port: number | undefined;
  /** Takes a name in small letters, or an address without brackets. */
  includes: (host: string) => boolean;
}

/** A host or a range with its port, an address of IPv6 in brackets. */
const entryForm = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:/]*))(?<range>\/\d+)?(?::(?<port>\d{1,5}))?$/u;

const nameForm = /^(?:\*?\.)?(?<name>(?:[\p{L}\p{N}_-]+\.)*[\p{N}_-]*\p{L}[\p{L}\p{N}_-]*)\.?$/u;

/**
 * Reads a list like that of `NO_PROXY`, separated by commas or blanks: `*`, a name with all below it (a leading `.` or `*.`
 * makes no difference), an address or a range of addresses (`10.0.0.0/8`); each may carry a port. `unknown` are the
 * entries that are none of these.
 */
export function parseNoProxy(text: string): { noProxy: NoProxy; unknown: string[] } {
  const noProxy: Exemption[] = [];
  const unknown: string[] = [];
  for (const entry of text.split(/[\s,]+/u).filter(Boolean)) {
    const exemption = exemptionOf(entry);
    if (exemption) noProxy.push(exemption);
    else unknown.push(entry);
  }
  return { noProxy, unknown };
}

/** The proxy for a target, or undefined when it is reached directly: plain `http:` and loopback always are. */
export function proxyFor(target: URL, settings: ProxySettings | undefined): URL | undefined {
  if (settings === undefined || target.protocol !== 'https:' || isLoopback(target.hostname)) return undefined;
  const host = bareHost(target.hostname);
  const port = Number(target.port || 443);
  const isExempt = settings.noProxy.some(
    (exemption) => (exemption.port ?? port) === port && exemption.includes(host),
  );
  return isExempt ? undefined : settings.url;
}

/** True for `localhost`, names under it, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname);
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || host.endsWith('.localhost');
}

function exemptionOf(entry: string): Exemption | undefined {
  // Without brackets, an address of IPv6 can have no port.
  const whole =
    entry.split(':').length > 2 && !entry.startsWith('[') ? entry.replace(/^[^/]*/u, '[$&]') : entry;
  const { bracketed, plain = '', range, port } = entryForm.exec(whole)?.groups ?? {};
  const host = bracketed ?? plain;
  const includes =
    isIP(host) > 0
      ? addressesOf(host, range)
      : range === undefined && bracketed === undefined && namesOf(host);
  return includes ? { port: port === undefined ? undefined : Number(port), includes } : undefined;
}

function addressesOf(address: string, range: string | undefined): Exemption['includes'] | undefined {
  const list = new BlockList();
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  const prefix = range === undefined ? undefined : Number(range.slice(1));
  if (prefix !== undefined && prefix > (family === 'ipv4' ? 32 : 128)) return undefined;
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, prefix, family);
  return (host) => isIP(host) > 0 && list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}

function namesOf(text: string): Exemption['includes'] | undefined {
  if (text === '*') return () => true;
  const name = domainToASCII(nameForm.exec(text)?.groups?.['name'] ?? '');
  if (name === '') return undefined;
  return (host) => host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/u, '$1')
    .replace(/\.$/u, '');
}
