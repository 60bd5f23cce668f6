import { BlockList, isIP } from 'node:net';
import type { Machine } from '../atp/machine.ts';
import { asRead } from '../output/clean.ts';
import type { Host } from '../detect/host.ts';
import { allNames, firstLabel, fullName } from './names.ts';

/** The rules of `isolation.never`: machines that are never isolated. Globs know `*` and `?` and are compared as a person reads them. */
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

interface Fact {
  /** For a person. */
  text: string;
  /** What the rules are tried on: the characters of a text as it is read, or the forms of an address. */
  form: readonly string[];
}

interface Facts {
  known: Fact[];
  /** Facts that the rule needs and that nobody gave: the rule then refuses. */
  missing: string[];
}

type Matcher = (form: readonly string[]) => boolean;

const order = ['names', 'ips', 'tags', 'groups', 'osPlatforms', 'machineTags'] as const;

/**
 * Tries every configured guard rail on a host and its machine, in a fixed order.
 * A rule whose fact is missing refuses; an empty list is a fact.
 */
export function checkGuardRails(never: NeverRules, host: Host, machine: Machine): Verdict[] {
  const facts: Record<keyof NeverRules, () => Facts> = {
    names: () => nameFacts(host, machine),
    ips: () => addressFacts(host, machine),
    tags: () => listFacts(host.tags, 'the tags of the host'),
    groups: () => listFacts(host.groups, 'the groups of the host'),
    osPlatforms: () => factOf(machine.osPlatform, "the machine's osPlatform"),
    machineTags: () => listFacts(machine.machineTags, "the machine's tags"),
  };
  return order
    .filter((rule) => never[rule].length > 0)
    .map((rule) => judge(rule, never[rule], facts[rule](), rule === 'ips' ? addressMatcher : globMatcher));
}

function judge(
  rule: keyof NeverRules,
  patterns: readonly string[],
  { known, missing }: Facts,
  matcher: (pattern: string) => Matcher,
): Verdict {
  for (const pattern of patterns) {
    const matches = matcher(pattern);
    const fact = known.find(({ form }) => matches(form));
    if (fact !== undefined) {
      return { rule, refuses: true, why: `isolation.never.${rule} "${pattern}" protects ${fact.text}` };
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

function textFact(text: string): Fact {
  return { text, form: charactersOf(text) };
}

function charactersOf(text: string): string[] {
  return Array.from(asRead(text));
}

function factOf(value: string | undefined, name: string): Facts {
  const fact = textFact(value ?? '');
  return fact.form.length === 0 ? { known: [], missing: [name] } : { known: [fact], missing: [] };
}

function listFacts(list: string[] | undefined, name: string): Facts {
  return list === undefined ? { known: [], missing: [name] } : { known: list.map(textFact), missing: [] };
}

function nameFacts(host: Host, machine: Machine): Facts {
  const parts = [
    factOf(host.name, 'the name of the host'),
    listFacts(host.artifacts && allNames(host), 'the artifacts of the host'),
    factOf(machine.computerDnsName, "the machine's name"),
  ];
  const forms = parts.flatMap(({ known }) => known).flatMap(({ text }) => formsOfName(text));
  return {
    known: [...new Set(forms)].map(textFact),
    missing: parts.flatMap((part) => part.missing),
  };
}

/** A name as it is, in full and its first label: no domain, realm, `$` or dot of the root may keep a rule from a machine. */
function formsOfName(text: string): string[] {
  const full = fullName(asRead(text));
  return [text.trim(), full, firstLabel(full)];
}

function addressFacts(host: Host, machine: Machine): Facts {
  const parts = [
    factOf(host.lastSource, "the host's last_source"),
    factOf(host.ip, "the host's ip"),
    factOf(machine.lastIpAddress, "the machine's lastIpAddress"),
    listFacts(
      machine.ipAddresses?.flatMap(({ ipAddress }) => ipAddress || []),
      "the machine's ipAddresses",
    ),
  ];
  const texts = parts.flatMap((part) => part.known).map(({ text }) => text);
  const unreadable = texts.filter((text) => isIP(withoutZone(text)) === 0);
  return {
    known: texts.filter((text) => isIP(withoutZone(text)) !== 0).map(addressFact),
    missing: [
      ...parts.flatMap((part) => part.missing),
      ...unreadable.map((text) => `an address in place of "${text}"`),
    ],
  };
}

function addressFact(text: string): Fact {
  const address = withoutZone(text);
  const inside = ipv4Inside(address);
  return inside === undefined
    ? { text: address, form: [address] }
    : { text: inside, form: [inside, address] };
}

/** An address without its zone (`fe80::1%eth0`). */
function withoutZone(address: string): string {
  return address.trim().replace(/%.*$/su, '');
}

/** First 96 bits of the IPv6 addresses that are IPv4 addresses: mapped ones (RFC 4291) and those of NAT64 (RFC 6052). */
const wrappings = ['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0'];
const wrappingBits = 96;

function ipv4Inside(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  // An IPv6 host of a URL comes back in hexadecimal, without leading zeros.
  const [front = [], back = []] = new URL(`http://[${address}]`).hostname
    .slice(1, -1)
    .split('::')
    .map((side) => side.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - front.length - back.length).fill('0');
  const groups = [...front, ...zeros, ...back];
  if (!wrappings.includes(groups.slice(0, 6).join(':'))) return undefined;
  return groups
    .slice(6)
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** Matches addresses in a range, whichever of the two is wrapped in IPv6. */
function addressMatcher(pattern: string): Matcher {
  const [base = '', prefix] = pattern.split('/');
  const network = withoutZone(base);
  const bits = Number(prefix ?? (isIP(network) === 6 ? 128 : 32));
  const inside = ipv4Inside(network);
  const list = new BlockList();
  list.addSubnet(network, bits, familyOf(network));
  // A range that is wider than the wrapping holds every IPv4 address.
  if (inside !== undefined) list.addSubnet(inside, Math.max(0, bits - wrappingBits), 'ipv4');
  return (addresses) => addresses.some((address) => list.check(address, familyOf(address)));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function globMatcher(pattern: string): Matcher {
  const glob = charactersOf(pattern);
  return (subject) => matchesGlob(glob, subject);
}

/** Matches a glob without backtracking over more than the last star, so that no name can make it slow. */
function matchesGlob(glob: readonly string[], subject: readonly string[]): boolean {
  let at = 0;
  let pos = 0;
  let star = -1;
  let resume = 0;
  while (pos < subject.length) {
    if (glob[at] === '*') {
      star = at++;
      resume = pos;
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === subject[pos])) {
      at++;
      pos++;
    } else if (star >= 0) {
      at = star + 1;
      pos = ++resume;
    } else {
      return false;
    }
  }
  while (glob[at] === '*') at++;
  return at === glob.length;
}

/** The patterns of `isolation.never.groups` that no group of Detect answers to. */
export function unknownGroups(patterns: readonly string[], groupNames: readonly string[]): string[] {
  const groups = groupNames.map(charactersOf);
  return patterns.filter((pattern) => !groups.some(globMatcher(pattern)));
}
