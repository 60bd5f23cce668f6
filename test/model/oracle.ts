import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';

/*
 * The contract's rules once more, apart from the program and from the state of the simulated services: who a host's
 * machine is, how sure that is, who is protected. An oracle that shared the program's code would share its mistakes.
 */

export type Policy = 'ip' | 'no-conflict' | 'confirmed';
export type Sureness = 'confirmed' | 'ip only' | 'conflict';

export type Found = { machine: SimMachine; sureness: Sureness } | 'none' | 'stale' | 'ambiguous';

const minute = 60_000;
const day = 1440 * minute;

/** Tags, groups and platforms of the guard rails that every world of the stories has. */
export const never = {
  osPlatforms: ['WindowsServer*'],
  tags: ['keep online'],
  groups: ['Crown jewels'],
  machineTags: ['critical'],
};

/** Why the machine may not be isolated for the host, as far as the guard rails above go. */
export function protection(host: Pick<SimHost, 'tags' | 'groups'>, machine: SimMachine): string | undefined {
  if (machine.vanished) return 'its facts are not known';
  if (machine.osPlatform === null) return 'its platform is not known';
  if (machine.osPlatform.startsWith('WindowsServer')) return 'it is a server';
  if (host.tags.some((tag) => tag.toLowerCase() === 'keep online')) return 'the host is to be kept online';
  if (host.groups.includes('Crown jewels')) return 'the host is one of the crown jewels';
  return machine.machineTags.includes('critical') ? 'the machine is critical' : undefined;
}

/** True when a machine found with this sureness may be acted upon under the policy. */
export function suffices(sureness: Sureness, policy: Policy): boolean {
  if (policy === 'ip') return true;
  return policy === 'confirmed' ? sureness === 'confirmed' : sureness !== 'conflict';
}

/** The machine at the host's address at the time when Detect last saw the host there. */
export function machineByAddress(host: SimHost, machines: readonly SimMachine[], now: number): Found {
  const ip = host.last_source;
  const seen = Date.parse(host.last_seen ?? '');
  if (ip === null || Number.isNaN(seen)) return 'none';
  if (now - seen > 30 * 24 * 60 * minute) return 'stale';
  const first = holdersOf(ip, seen, machines);
  if (first.length > 0 || now - seen >= 60 * minute) return choose(host, first, false);
  return choose(host, holdersOf(ip, seen - 30 * minute, machines), true);
}

function holdersOf(ip: string, at: number, machines: readonly SimMachine[]): SimMachine[] {
  return machines.filter(
    ({ vanished, addresses }) =>
      !vanished &&
      addresses.some(
        (held) => held.ip === ip && held.from <= at + 15 * minute && held.to >= at - 15 * minute,
      ),
  );
}

function choose(host: SimHost, found: readonly SimMachine[], onlyConfirmed: boolean): Found {
  const counting = found.filter(
    ({ mergedIntoMachineId, onboardingStatus }) =>
      mergedIntoMachineId === null && onboardingStatus.toLowerCase() === 'onboarded',
  );
  const included = counting.filter(({ isExcluded }) => !isExcluded);
  const devices = groupByName(included.length > 0 ? included : counting).flatMap((records) => {
    const active = records.filter(({ healthStatus }) => healthStatus === 'Active');
    if (active.length > 1 || records.length === 1) return records;
    const [newest] = records.toSorted((one, other) => other.lastSeen - one.lastSeen);
    return active[0] ?? newest ?? [];
  });
  const weighed = devices
    .map((machine) => ({ machine, sureness: surenessOf(host, machine) }))
    .filter(({ sureness }) => !onlyConfirmed || sureness === 'confirmed');
  const [only] = weighed;
  if (!only) return 'none';
  if (weighed.length === 1) return only;
  const confirmed = weighed.filter(({ sureness }) => sureness === 'confirmed');
  return confirmed.length === 1 && confirmed[0] ? confirmed[0] : 'ambiguous';
}

function groupByName(machines: readonly SimMachine[]): SimMachine[][] {
  const groups = new Map<string, SimMachine[]>();
  for (const machine of machines) {
    const name = machine.computerDnsName?.toLowerCase() ?? '';
    const key = name === '' ? machine.id : name;
    groups.set(key, [...(groups.get(key) ?? []), machine]);
  }
  return [...groups.values()];
}

/** How sure it is that the machine is the host. The names of the stories are neither hollow nor cut. */
export function surenessOf(host: SimHost, machine: SimMachine): Sureness {
  const machineName = labelOf(machine.computerDnsName ?? '');
  const own = host.host_artifact_set.filter(({ type }) =>
    ['dhcp', 'kerberos', 'netbios', 'dns'].includes(type),
  );
  const names = own.map(({ value }) => labelOf(value));
  const given = host.name.startsWith('IP-') ? [] : [labelOf(host.name)];
  if ([...names, ...given].includes(machineName)) return 'confirmed';
  const hostMacs = host.host_artifact_set
    .filter(({ type }) => type === 'mac')
    .map(({ value }) => value.replaceAll(':', '').toUpperCase());
  const isMacCommon = machine.ipAddresses.some(({ macAddress }) => hostMacs.includes(macAddress ?? ''));
  if (names.length === 0) return isMacCommon ? 'confirmed' : 'ip only';
  return isMacCommon ? 'ip only' : 'conflict';
}

function labelOf(name: string): string {
  return (name.split('.')[0] ?? '').replace(/\$$/, '').toLowerCase();
}

/** True when the tags say that the host's machine is, or may be, isolated. */
export function isHeldBy(tags: readonly string[]): boolean {
  const slots = tags.flatMap((tag) => {
    const [, kind = '', status = ''] = /^(isolation|release): ([A-Za-z]+)$/.exec(tag) ?? [];
    return kind === '' ? [] : [{ kind, status }];
  });
  if (slots.length > 0) {
    // A status that nobody documents is no end.
    return slots.some(({ kind, status }) =>
      kind === 'isolation' ? !badEnds.includes(status) : status !== 'Succeeded',
    );
  }
  const block = newestTime(tags, 'block');
  const unblock = newestTime(tags, 'unblock');
  return block !== undefined && (unblock === undefined || block > unblock);
}

/** How a machine action ends that did nothing. */
export const badEnds: readonly string[] = ['Failed', 'TimeOut', 'Cancelled'];

/** True for a machine action that has not ended. */
export function isOpen({ status }: Pick<SimAction, 'status'>): boolean {
  return status === 'Pending' || status === 'InProgress';
}

/** True when Defender has lifted an isolation of that age by itself. */
export function isLapsed({ createdAt }: Pick<SimAction, 'createdAt'>, now: number): boolean {
  return now - createdAt >= 7 * day;
}

/** True when whatever the newest `Manual block:` tells of has been lifted, however late an offline machine got it. */
export function isOldBlock(tags: readonly string[], now: number): boolean {
  const block = newestTime(tags, 'block');
  return block !== undefined && now - timeOf(block) >= 10 * day;
}

function timeOf(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}:00Z`);
}

/** The newest `Manual block:` or `Manual unblock:` among the tags, as text: it sorts like the time. */
export function newestTime(tags: readonly string[], kind: 'block' | 'unblock'): string | undefined {
  const beginning = `Manual ${kind}:`;
  return tags
    .filter((tag) => tag.startsWith(beginning) && tag.length === beginning.length + 16)
    .map((tag) => tag.slice(beginning.length))
    .sort()
    .at(-1);
}

/** The machine ids in the host's `id:` tags, each once. */
export function idsIn(tags: readonly string[]): string[] {
  return [...new Set(tags.flatMap((tag) => /^id: ([0-9a-f]{40})$/.exec(tag)?.[1] ?? []))];
}

/** The ids of one device: of the record and of those it was merged into, the heir last. */
export function chainOf(id: string, machines: readonly SimMachine[]): string[] {
  const chain = [id];
  for (;;) {
    const next = machines.find(
      (machine) => machine.id === chain.at(-1) && !machine.vanished,
    )?.mergedIntoMachineId;
    if (next === undefined || next === null || chain.includes(next)) return chain;
    chain.push(next);
  }
}

/** Of the isolations and releases that Succeeded on these machines, the one that did so last. */
export function lastDone(ids: readonly string[], actions: Iterable<SimAction>): SimAction | undefined {
  return [...actions]
    .filter(
      ({ machineId, status, type }) => ids.includes(machineId) && status === 'Succeeded' && type !== 'Other',
    )
    .toSorted((one, other) => one.updatedAt - other.updatedAt)
    .at(-1);
}
