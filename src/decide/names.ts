import { isIP } from 'node:net';
import type { Artifact, Host } from '../detect/host.ts';

/** A name of a host, with where Detect has it from. */
export interface HostName {
  /** First label of its full name, lower case. */
  label: string;
  /** As Detect prints it. */
  text: string;
  source: string;
}

/** Artifacts whose names can confirm a machine and contradict one. */
const decisiveSources = ['dhcp', 'kerberos', 'netbios', 'dns', 'windows_defender_name'];
/** NetBIOS keeps 15 characters of a name (its 16th is the service type), and so does a computer account. */
const shortLength = 15;

/** Words that DHCP servers, VPN gateways, clouds and Detect put before an address to make a name of it. */
const addressWords = 'ip|ipv4|ipv6|addr|dhcp|dyn|dynamic|static|host|client|pool|vpn|ppp|nat|ec2';
const nameOfIpv4 = new RegExp(`^(?:(?:${addressWords})[-_. ]?)?(\\d{1,3}(?:[-_.]\\d{1,3}){3})(?:\\.|$)`, 'u');
const nameOfIpv6 = new RegExp(`^(?:${addressWords})[-_ ]([0-9a-f:-]+)(?:\\.|$)`, 'u');
const addressZone = /(?:^|\.)(?:in-addr\.arpa|ip6\.arpa|ipv6-literal\.net)$/u;

/**
 * A computer's full name in lower case and in one Unicode form, as directories write it: without `DOMAIN\`, a service
 * prefix such as `host/`, `@REALM`, the dot of the DNS root and the `$` of an account.
 */
export function fullName(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFC')
    .replace(/@.*$/su, '')
    .replace(/^.*\\/su, '')
    .replace(/^\s*[a-z][\w-]*\/([^/]*).*$/su, '$1')
    .trim()
    .replace(/\.$/u, '')
    .replace(/\$(?=\.|$)/u, '');
}

/** First label of a full name. */
export function firstLabel(fullName: string): string {
  return fullName.split('.', 1)[0] ?? '';
}

/** The full name, unless it says nothing about who somebody is: empty, `localhost`, or made of an address. */
export function tellingName(text: string): string | undefined {
  const name = fullName(text);
  const label = firstLabel(name);
  const isHollow = label === '' || label === 'localhost' || isIP(name) !== 0 || isNameOfAddress(name);
  return isHollow ? undefined : name;
}

/** `IP-10.1.2.3`, as Detect calls a host without a name, `ip-10-1-2-3.…`, as clouds do; not `IPC-01-02`. */
function isNameOfAddress(name: string): boolean {
  const octets = nameOfIpv4.exec(name)?.[1]?.split(/[-_.]/u) ?? [];
  if (octets.length > 0 && octets.every((octet) => Number(octet) < 256)) return true;
  const digits = nameOfIpv6.exec(name)?.[1] ?? '';
  return isIP(digits.replaceAll('-', ':')) === 6 || addressZone.test(name);
}

function hostName(source: string, text: string): HostName[] {
  const name = tellingName(text);
  return name === undefined ? [] : [{ label: firstLabel(name), text: text.trim(), source }];
}

function artifactsOf(host: Host, types: readonly string[]): Artifact[] {
  return (host.artifacts ?? []).filter((artifact) => types.includes(artifact.type));
}

/** Names that Detect took from the host's own traffic; these can contradict a machine's name. */
export function decisiveNames(host: Host): HostName[] {
  return artifactsOf(host, decisiveSources).flatMap(({ type, value }) => hostName(type, value));
}

/** Names that can confirm a machine but never contradict one: reverse DNS may be stale, the host's own name chosen by a person. */
export function supportingNames(host: Host): HostName[] {
  return [
    ...artifactsOf(host, ['rdns']).flatMap(({ type, value }) => hostName(type, value)),
    ...(host.name === undefined ? [] : hostName('host name', host.name)),
  ];
}

/** Every name of a host as Detect prints it, for rules about names. */
export function allNames(host: Host): string[] {
  const artifacts = artifactsOf(host, [...decisiveSources, 'rdns']).map((artifact) => artifact.value);
  return [...(host.name === undefined ? [] : [host.name]), ...artifacts].filter((name) => name.trim() !== '');
}

/** Keys of which a host and a machine have at least one in common wherever a name or a MAC address confirms the one to be the other. */
export function keysOfHost(host: Host): string[] {
  const names = [...decisiveNames(host), ...supportingNames(host)];
  return [...names.map(keyOfName), ...hostMacs(host).map(macKey)];
}

/** The same of a machine, by its name and the MAC addresses of its interfaces. */
export function keysOfMachine(name: string, macs: readonly (string | undefined)[]): string[] {
  return [...keysOfMachineName(name), ...macs.flatMap((mac) => normalMac(mac) ?? []).map(macKey)];
}

/** Key of a host's name, which is among those of {@link keysOfMachineName} exactly when the two names agree. */
export function keyOfName(name: HostName): string {
  return name.source === 'netbios' || isFullAccount(name) ? shortKey(name.label) : nameKey(name.label);
}

/** A computer account as long as one can be, which may be the beginning of a longer name; a DNS name in a ticket is not cut. */
function isFullAccount({ source, label, text }: HostName): boolean {
  return source === 'kerberos' && Array.from(label).length === shortLength && fullName(text) === label;
}

/** Keys of a machine's name: in full and cut as NetBIOS does; none for a hollow name. */
export function keysOfMachineName(text: string): string[] {
  const name = tellingName(text);
  if (name === undefined) return [];
  const label = firstLabel(name);
  return [nameKey(label), shortKey(label)];
}

function nameKey(label: string): string {
  return `name ${label}`;
}

function shortKey(label: string): string {
  return `netbios ${Array.from(label).slice(0, shortLength).join('')}`;
}

function macKey(mac: string): string {
  return `mac ${mac}`;
}

/** Twelve hexadecimal digits as the two services and network gear write them; not any text that holds so many. */
const macForm =
  /^(?:[\da-f]{12}|[\da-f]{2}([:-])(?:[\da-f]{2}\1){4}[\da-f]{2}|[\da-f]{4}([.:-])[\da-f]{4}\2[\da-f]{4})$/u;
/** Nobody's, or every client's: zeros, tunnels of Teredo and ISATAP, adapters of Cisco AnyConnect and GlobalProtect. */
const commonMacs = new Set(['000000000000', '0000000000e0', '00059a3c7a00', '025041000001']);

/** A MAC address as twelve lower-case hexadecimal digits; nothing for unreadable ones and for those that are no machine's own. */
export function normalMac(mac: string | undefined): string | undefined {
  const text = (mac ?? '').trim().toLowerCase();
  if (!macForm.test(text)) return undefined;
  const digits = text.replaceAll(/[.:-]/gu, '');
  // An odd first octet is a group's address: multicast and broadcast.
  const isOfGroup = Number.parseInt(digits.slice(0, 2), 16) % 2 === 1;
  return isOfGroup || commonMacs.has(digits) ? undefined : digits;
}

/** The MAC addresses that Detect knows of a host. */
export function hostMacs(host: Host): string[] {
  return artifactsOf(host, ['mac']).flatMap(({ value }) => normalMac(value) ?? []);
}
