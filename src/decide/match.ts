import type { Machine } from '../atp/machine.ts';
import type { Host } from '../detect/host.ts';
import {
  decisiveNames,
  hostMacs,
  keyOfName,
  keysOfMachineName,
  normalMac,
  supportingNames,
  tellingName,
  type HostName,
} from './names.ts';

export type AddressEvidence = 'confirmed' | 'ip only' | 'conflict';
/** How sure it is that a machine is the host. */
export type Evidence = AddressEvidence | 'by id';
export type MatchPolicy = 'ip' | 'no-conflict' | 'confirmed';

/** What speaks for or against a machine being the host. */
export interface Finding {
  evidence: AddressEvidence;
  /** For a person, e.g. `name laptop-7 (dhcp)`. */
  because: string;
}

export type Match =
  | { kind: 'one'; machine: Machine; finding: Finding }
  | { kind: 'none' }
  | { kind: 'ambiguous'; machines: Machine[] };

const noMacs: ReadonlySet<string> = new Set();

/** What Detect knows of a host, ready to be compared with any number of machines. */
interface Identity {
  /** The host's names by the key under which a machine's name agrees. */
  names: ReadonlyMap<string, HostName>;
  macs: ReadonlySet<string>;
  /** The names that contradict another one, for a person; nothing where there are none. */
  knownAs: string | undefined;
}

function identityOf(host: Host): Identity {
  const decisive = decisiveNames(host);
  const names = [...decisive, ...supportingNames(host)];
  const known = [...new Set(decisive.map((name) => `${name.text} (${name.source})`))].slice(0, 3);
  return {
    // The first name of a key is the one that is told: of equal keys, a map keeps the last.
    names: new Map(names.toReversed().map((name) => [keyOfName(name), name])),
    macs: new Set(hostMacs(host)),
    knownAs: known.length > 0 ? `Detect knows this host as ${known.join(', ')}` : undefined,
  };
}

/**
 * Weighs one machine, found by the host's address, against what Detect knows of the host.
 * @param sharedMacs MAC addresses that do not count: those of {@link macsOfSeveral}
 */
export function weigh(host: Host, machine: Machine, sharedMacs?: ReadonlySet<string>): Finding {
  return weigher(host, sharedMacs)(machine);
}

/** Weighs any number of machines, likewise. */
export function weigher(host: Host, sharedMacs: ReadonlySet<string> = noMacs): (machine: Machine) => Finding {
  const identity = identityOf(host);
  return (machine) => compare(identity, machine, [sharedMacs]);
}

function compare(
  { names, macs, knownAs }: Identity,
  machine: Machine,
  shared: readonly ReadonlySet<string>[],
): Finding {
  const keys = keysOfMachineName(machine.computerDnsName ?? '');
  const agreeing = keys.flatMap((key) => names.get(key) ?? [])[0];
  if (agreeing) return { evidence: 'confirmed', because: `name ${agreeing.text} (${agreeing.source})` };

  const isShared = (mac: string) => shared.some((several) => several.has(mac));
  const commonMac = macsOf(machine).find((mac) => macs.has(mac) && !isShared(mac));
  const isContradicted = keys.length > 0 && knownAs !== undefined;
  if (commonMac === undefined) {
    return isContradicted
      ? { evidence: 'conflict', because: knownAs }
      : { evidence: 'ip only', because: 'no name to compare and no MAC address in common' };
  }
  return isContradicted
    ? { evidence: 'ip only', because: `MAC address ${commonMac} is common to both, but ${knownAs}` }
    : { evidence: 'confirmed', because: `MAC address ${commonMac}` };
}

function macsOf({ ipAddresses = [] }: Machine): string[] {
  return ipAddresses.flatMap(({ macAddress }) => normalMac(macAddress) ?? []);
}

/**
 * The MAC addresses that more than one machine has: of docking stations, virtual adapters, copied images.
 * Records with one id count as one machine, and so do the records of one device: a merged one and its heir, an old one
 * of the same name.
 */
export function macsOfSeveral(machines: Iterable<Machine>): ReadonlySet<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const records of devicesAmong(unmerged(machines))) {
    for (const mac of new Set(records.flatMap(macsOf))) {
      if (seen.has(mac)) shared.add(mac);
      seen.add(mac);
    }
  }
  return shared;
}

/** Tells whether evidence is as sure as `isolation.match` demands. */
export function isSureEnough(evidence: Evidence, policy: MatchPolicy): boolean {
  if (evidence === 'by id' || policy === 'ip') return true;
  return policy === 'confirmed' ? evidence === 'confirmed' : evidence !== 'conflict';
}

/**
 * Chooses the machine among those that Defender saw with the host's address.
 * @param options `confirmedOnly`: candidates of an earlier time than the host's own count only when confirmed;
 *   `sharedMacs`: MAC addresses that do not count, beside those that several of the found machines have
 */
export function chooseMachine(
  host: Host,
  found: readonly Machine[],
  options: { confirmedOnly?: boolean; sharedMacs?: ReadonlySet<string> } = {},
): Match {
  const { confirmedOnly = false, sharedMacs = noMacs } = options;
  const identity = identityOf(host);
  const shared = [sharedMacs, macsOfSeveral(found)];
  const candidates = devicesAmong(countable(found))
    .map(recordThatCounts)
    .map((machine) => ({ machine, finding: compare(identity, machine, shared) }));
  const confirmed = candidates.filter(({ finding }) => finding.evidence === 'confirmed');
  const remaining = confirmedOnly ? confirmed : candidates;

  const only = remaining.length === 1 ? remaining[0] : confirmed.length === 1 ? confirmed[0] : undefined;
  if (only) return { kind: 'one', ...only };
  if (remaining.length === 0) return { kind: 'none' };
  return { kind: 'ambiguous', machines: remaining.map(({ machine }) => machine) };
}

function countable(machines: readonly Machine[]): Machine[] {
  // Records in Microsoft's own samples lack the status; only a status that says otherwise rules a machine out.
  const live = unmerged(machines).filter(
    ({ onboardingStatus }) => (onboardingStatus ?? 'onboarded').toLowerCase() === 'onboarded',
  );
  const included = live.filter((machine) => !machine.isExcluded);
  return included.length > 0 ? included : live;
}

/** One record of each id, the later one, without those that were merged into another. */
function unmerged(machines: Iterable<Machine>): Machine[] {
  const byId = new Map(Array.from(machines, (machine) => [machine.id, machine]));
  return [...byId.values()].filter(({ mergedIntoMachineId }) => mergedIntoMachineId === undefined);
}

/** A device and its records. */
type Records = [Machine, ...Machine[]];

/** Groups records by device: a reinstalled one leaves its old record behind, Inactive, under the same name. */
function devicesAmong(machines: readonly Machine[]): Records[] {
  const byName = new Map<string, Records>();
  for (const machine of machines) {
    const name = tellingName(machine.computerDnsName ?? '');
    const key = name === undefined ? `id ${machine.id}` : `name ${name}`;
    const records = byName.get(key);
    if (records) records.push(machine);
    else byName.set(key, [machine]);
  }
  return [...byName.values()].flatMap((records) =>
    records.filter(isActive).length > 1 ? records.map((record): Records => [record]) : [records],
  );
}

/** The Active record of a device, else the newest. */
function recordThatCounts(records: Records): Machine {
  const newest = records.reduce((one, other) => ((other.lastSeen ?? 0) > (one.lastSeen ?? 0) ? other : one));
  return records.find(isActive) ?? newest;
}

function isActive(machine: Machine): boolean {
  return machine.healthStatus?.toLowerCase() === 'active';
}
