import { isIP } from 'node:net';
import type { Artifact, Host } from '../detect/schema.ts';

/** A name of a host, with where Detect has it from. */
export interface HostName {
  /** First label, lower case, without a trailing `$`. */
  label: string;
  /** As Detect prints it. */
  text: string;
  source: string;
}

/** Artifacts whose names can confirm a machine and contradict one. */
const decisiveSources = ['dhcp', 'kerberos', 'netbios', 'dns', 'windows_defender_name'];
/** NetBIOS keeps 15 characters of a name (its 16th is the service type). */
const netbiosLength = 15;
const nameOfIpv4 = /^ip[-_ ]?\d{1,3}(?:[.-]\d{1,3}){3}(?:\.|$)/iu;
const nameOfIpv6 = /^ip[-_ ]([0-9a-f:-]+)(?:\.|$)/iu;

/** Tells whether a name says nothing about who somebody is: empty, `localhost`, or made of an address. */
export function isHollowName(name: string): boolean {
  const trimmed = name.trim();
  const label = firstLabel(trimmed);
  return label === '' || label === 'localhost' || isIP(trimmed) !== 0 || isNameOfAddress(trimmed);
}

/** `IP-10.1.2.3`, as Detect calls a host without a name, or `ip-10-1-2-3.…`, as clouds do; not `IPC-01-02`. */
function isNameOfAddress(name: string): boolean {
  const digits = nameOfIpv6.exec(name)?.[1] ?? '';
  return nameOfIpv4.test(name) || isIP(digits.replaceAll('-', ':')) === 6;
}

/** First label of a name, lower case, without the `$` that Kerberos puts behind a computer's account. */
export function firstLabel(name: string): string {
  return (name.trim().split('.')[0] ?? '').replace(/\$$/u, '').toLowerCase();
}

function hostName(source: string, text: string): HostName[] {
  return isHollowName(text) ? [] : [{ label: firstLabel(text), text: text.trim(), source }];
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

/** Tells whether a host's name is the machine's, by first label; NetBIOS names on their 15 characters. */
export function namesAgree(name: HostName, machineLabel: string): boolean {
  if (name.source === 'netbios')
    return name.label.slice(0, netbiosLength) === machineLabel.slice(0, netbiosLength);
  return name.label === machineLabel;
}

/** Keys of which a host and a machine have at least one in common wherever a name or a MAC address confirms the one to be the other. */
export function keysOfHost(host: Host): string[] {
  const names = [...decisiveNames(host), ...supportingNames(host)].map(({ source, label }) =>
    source === 'netbios' ? netbiosKey(label) : nameKey(label),
  );
  return [...names, ...hostMacs(host).map(macKey)];
}

/** The same of a machine, by its name and the MAC addresses of its interfaces. */
export function keysOfMachine(name: string, macs: readonly (string | undefined)[]): string[] {
  const label = firstLabel(name);
  const names = isHollowName(name) ? [] : [nameKey(label), netbiosKey(label)];
  return [...names, ...macs.flatMap((mac) => normalMac(mac) ?? []).map(macKey)];
}

function nameKey(label: string): string {
  return `name ${label}`;
}

function netbiosKey(label: string): string {
  return `netbios ${label.slice(0, netbiosLength)}`;
}

function macKey(mac: string): string {
  return `mac ${mac}`;
}

/** A MAC address as twelve lower-case hexadecimal digits; nothing for null, zero and unreadable ones. */
export function normalMac(mac: string | undefined): string | undefined {
  const digits = (mac ?? '').replaceAll(/[^0-9a-f]/giu, '').toLowerCase();
  return digits.length === 12 && !/^0+$/u.test(digits) ? digits : undefined;
}

/** The MAC addresses that Detect knows of a host. */
export function hostMacs(host: Host): string[] {
  return artifactsOf(host, ['mac']).flatMap(({ value }) => normalMac(value) ?? []);
}
