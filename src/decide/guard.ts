import { BlockList, isIP } from 'node:net';
import type { Machine } from '../atp/schema.ts';
import type { Host } from '../detect/schema.ts';
import { allNames, firstLabel, fullName } from './names.ts';

/** The rules of `isolation.never`: machines that are never isolated. Globs know `*` and `?`, without regard to case. */
export interface NeverRules {
  names: string[];
  /** Addresses and CIDRs. */
  ips: string[];
  /** Tags of the host in Detect. */
  tags: string[];
  /** Groups of the host in Detect. */
  groups: string[];
  osPlatforms: string[];
  /** Tags of the machine in Defender. */
  machineTags: string[];
}

/** What one guard rail says of a host and its machine. */
export interface Verdict {
  rule: keyof NeverRules;
  refuses: boolean;
  /** For a person: which pattern met which fact, or which fact is missing. */
  why: string;
}

interface Facts {
  known: string[];
  /** Facts that the rule needs and that nobody gave: the rule then refuses. */
  missing: string[];
}

/**
 * Tries every configured guard rail on a host and its machine, in a fixed order.
 * A rule whose fact is missing refuses; an empty list is a fact.
 */
export function checkGuardRails(never: NeverRules, host: Host, machine: Machine): Verdict[] {
  const facts: Record<keyof NeverRules, () => Facts> = {
    names: () => nameFacts(host, machine),
    ips: () => addressFacts(host, machine),
    tags: () => ({ known: host.tags, missing: [] }),
    groups: () => listFacts(host.groups, 'the groups of the host'),
    osPlatforms: () => factOf(machine.osPlatform, "the machine's osPlatform"),
    machineTags: () => listFacts(machine.machineTags, "the machine's tags"),
  };
  const order = ['names', 'ips', 'tags', 'groups', 'osPlatforms', 'machineTags'] as const;
  return order
    .filter((rule) => never[rule].length > 0)
    .map((rule) => judge(rule, never[rule], facts[rule](), rule === 'ips' ? addressMatches : globMatches));
}

function judge(
  rule: keyof NeverRules,
  patterns: readonly string[],
  { known, missing }: Facts,
  matches: (pattern: string, fact: string) => boolean,
): Verdict {
  for (const pattern of patterns) {
    const fact = known.find((candidate) => matches(pattern, candidate));
    if (fact !== undefined) {
      return { rule, refuses: true, why: `isolation.never.${rule} "${pattern}" protects ${fact}` };
    }
  }
  if (missing.length > 0) {
    return {
      rule,
      refuses: true,
      why: `isolation.never.${rule} cannot be judged without ${missing.join(' and ')}`,
    };
  }
  return { rule, refuses: false, why: `isolation.never.${rule} does not apply` };
}

function factOf(value: string | undefined, name: string): Facts {
  return value === undefined || value.trim() === ''
    ? { known: [], missing: [name] }
    : { known: [value], missing: [] };
}

function listFacts(list: string[] | undefined, name: string): Facts {
  return list === undefined ? { known: [], missing: [name] } : { known: list, missing: [] };
}

function nameFacts(host: Host, machine: Machine): Facts {
  const parts = [
    factOf(host.name, 'the name of the host'),
    listFacts(host.artifacts && allNames(host), 'the artifacts of the host'),
    factOf(machine.computerDnsName, "the machine's name"),
  ];
  const names = parts.flatMap((part) => part.known);
  return {
    // Reverse DNS ends names with a dot and Kerberos with a `$`: neither may keep a rule from the machine it names.
    known: [
      ...new Set(
        names.flatMap((name) => [name, name.trim().replace(/\.$/u, ''), firstLabel(fullName(name))]),
      ),
    ],
    missing: parts.flatMap((part) => part.missing),
  };
}

function addressFacts(host: Host, machine: Machine): Facts {
  const parts = [
    factOf(host.lastSource, "the host's last_source"),
    factOf(host.ip, "the host's ip"),
    factOf(machine.lastIpAddress, "the machine's lastIpAddress"),
    listFacts(
      machine.ipAddresses?.flatMap(({ ipAddress }) =>
        ipAddress === undefined || ipAddress === '' ? [] : [ipAddress],
      ),
      "the machine's ipAddresses",
    ),
  ];
  const known = parts.flatMap((part) => part.known).map(plainAddress);
  const unreadable = known.filter((address) => isIP(address) === 0);
  return {
    known: known.filter((address) => isIP(address) !== 0),
    missing: [
      ...parts.flatMap((part) => part.missing),
      ...unreadable.map((address) => `an address in place of "${address}"`),
    ],
  };
}

/** An address without its zone (`fe80::1%eth0`). */
function withoutZone(address: string): string {
  return address.trim().replace(/%.*$/u, '');
}

/** An address without its zone, and an IPv4 address out of its IPv6 wrapping. */
function plainAddress(address: string): string {
  const bare = withoutZone(address);
  const wrapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/iu.exec(bare)?.[1];
  return wrapped ?? bare;
}

function addressMatches(pattern: string, address: string): boolean {
  const [base = '', bits] = pattern.split('/');
  // A wrapped network stays wrapped: its prefix counts the bits of the wrapping.
  const network = bits === undefined ? plainAddress(base) : withoutZone(base);
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  if (bits === undefined) list.addAddress(network, family);
  else list.addSubnet(network, Number(bits), family);
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Matches a glob without backtracking over more than the last star, so that no name can make it slow. */
export function globMatches(glob: string, text: string): boolean {
  const pattern = Array.from(glob.toLowerCase());
  const subject = Array.from(text.toLowerCase());
  let at = 0;
  let pos = 0;
  let star = -1;
  let resume = 0;
  while (pos < subject.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = pos;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === subject[pos])) {
      at++;
      pos++;
    } else if (star >= 0) {
      at = star + 1;
      pos = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

/** The patterns of `isolation.never.groups` that no group of Detect answers to. */
export function unknownGroups(patterns: readonly string[], groupNames: readonly string[]): string[] {
  return patterns.filter((pattern) => !groupNames.some((name) => globMatches(pattern, name)));
}
