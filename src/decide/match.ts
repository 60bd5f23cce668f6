import type { Machine } from '../atp/schema.ts';
import type { Host } from '../detect/schema.ts';
import {
  decisiveNames,
  firstLabel,
  hostMacs,
  isHollowName,
  namesAgree,
  normalMac,
  supportingNames,
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

/** Weighs one machine, found by the host's address, against what Detect knows of the host. */
export function weigh(host: Host, machine: Machine): Finding {
  const machineName = machine.computerDnsName ?? '';
  const label = isHollowName(machineName) ? undefined : firstLabel(machineName);
  const decisive = decisiveNames(host);

  if (label !== undefined) {
    const agreeing = [...decisive, ...supportingNames(host)].find((name) => namesAgree(name, label));
    if (agreeing) return { evidence: 'confirmed', because: `name ${agreeing.text} (${agreeing.source})` };
  }

  const macs = new Set((machine.ipAddresses ?? []).flatMap((address) => normalMac(address.macAddress) ?? []));
  const commonMac = hostMacs(host).find((mac) => macs.has(mac));
  const contradicting = label === undefined ? [] : decisive;
  if (contradicting.length === 0) {
    return commonMac === undefined
      ? { evidence: 'ip only', because: 'no name to compare and no MAC address in common' }
      : { evidence: 'confirmed', because: `MAC address ${commonMac}` };
  }

  const known = [...new Set(contradicting.map((name) => `${name.text} (${name.source})`))]
    .slice(0, 3)
    .join(', ');
  const otherName = `Detect knows this host as ${known}`;
  return commonMac === undefined
    ? { evidence: 'conflict', because: otherName }
    : { evidence: 'ip only', because: `MAC address ${commonMac} is common to both, but ${otherName}` };
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
  const candidates = oneRecordPerDevice(countable(found)).map((machine) => ({
    machine,
    finding: weigh(host, machine),
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
    const name = (machine.computerDnsName ?? '').trim().toLowerCase();
    const key = isHollowName(name) ? `id ${machine.id}` : `name ${name}`;
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
