import type { Machine } from '../atp/schema.ts';
import type { Host } from '../detect/schema.ts';
import {
  decisiveNames,
  fullName,
  hostMacs,
  isHollowName,
  keyOfName,
  keysOfMachineName,
  normalMac,
  supportingNames,
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

/** Weighs one machine, found by the host's address, against what Detect knows of the host. */
export function weigh(host: Host, machine: Machine): Finding {
  return compare(identityOf(host), machine);
}

function compare({ names, macs, knownAs }: Identity, machine: Machine): Finding {
  const keys = keysOfMachineName(machine.computerDnsName ?? '');
  const agreeing = keys.flatMap((key) => names.get(key) ?? [])[0];
  if (agreeing) return { evidence: 'confirmed', because: `name ${agreeing.text} (${agreeing.source})` };

  const commonMac = macsOf(machine).find((mac) => macs.has(mac));
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

/** Tells whether evidence is as sure as `isolation.match` demands. */
export function isSureEnough(evidence: Evidence, policy: MatchPolicy): boolean {
  if (evidence === 'by id' || policy === 'ip') return true;
  return policy === 'confirmed' ? evidence === 'confirmed' : evidence !== 'conflict';
}

/**
 * Chooses the machine among those that Defender saw with the host's address.
 * @param confirmedOnly candidates of an earlier time than the host's own count only when confirmed
 */
export function chooseMachine(host: Host, found: readonly Machine[], confirmedOnly = false): Match {
  const identity = identityOf(host);
  const candidates = oneRecordPerDevice(countable(found)).map((machine) => ({
    machine,
    finding: compare(identity, machine),
  }));
  const confirmed = candidates.filter(({ finding }) => finding.evidence === 'confirmed');
  const remaining = confirmedOnly ? confirmed : candidates;

  const only = remaining.length === 1 ? remaining[0] : confirmed.length === 1 ? confirmed[0] : undefined;
  if (only) return { kind: 'one', ...only };
  if (remaining.length === 0) return { kind: 'none' };
  return { kind: 'ambiguous', machines: remaining.map(({ machine }) => machine) };
}

function countable(machines: readonly Machine[]): Machine[] {
  const distinct = [...new Map(machines.map((machine) => [machine.id, machine])).values()];
  // Records in Microsoft's own samples lack the status; only a status that says otherwise rules a machine out.
  const live = distinct.filter(
    ({ mergedIntoMachineId, onboardingStatus }) =>
      mergedIntoMachineId === undefined && (onboardingStatus ?? 'onboarded').toLowerCase() === 'onboarded',
  );
  const included = live.filter((machine) => !machine.isExcluded);
  return included.length > 0 ? included : live;
}

/** A reinstalled device leaves its old record behind, Inactive, under the same name. */
function oneRecordPerDevice(machines: readonly Machine[]): Machine[] {
  const byName = new Map<string, Machine[]>();
  for (const machine of machines) {
    const name = machine.computerDnsName ?? '';
    const key = isHollowName(name) ? `id ${machine.id}` : `name ${fullName(name)}`;
    byName.set(key, [...(byName.get(key) ?? []), machine]);
  }
  return [...byName.values()].flatMap((records) => {
    const active = records.filter(isActive);
    if (active.length > 1) return records;
    const newest = [...records].sort((one, other) => (other.lastSeen ?? 0) - (one.lastSeen ?? 0))[0];
    return active[0] ?? newest ?? [];
  });
}

function isActive(machine: Machine): boolean {
  return machine.healthStatus?.toLowerCase() === 'active';
}
