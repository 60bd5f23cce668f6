import type { MachineAction } from '../atp/machine.ts';
import type { ActionIndex } from '../decide/action-index.ts';
import { kinds, requestKinds, type RequestKind } from '../decide/kinds.ts';
import { openAction } from '../decide/machine-state.ts';
import { isOverByAge } from '../decide/news.ts';
import { untoldAction } from '../decide/answer.ts';
import { isHeld, isStatusTag, isUnfinished, readTags, triggersAmong, type TagState } from '../decide/tags.ts';
import type { Host } from '../detect/host.ts';
import { agrees, machineStatus, mayLag, unknownStatus, type MachineStatus } from './states.ts';

/** A host as `--status` lists it. */
export interface StatusHost extends MachineStatus {
  id: number;
  name: string | null;
  machine: { id: string; computerDnsName: string | null } | null;
  /** Its status tag. */
  tag: string | null;
  /** What a trigger tag on it asks for, and whom that waits for. */
  waiting: string | null;
  /** False where tag and Defender contradict each other; null where Defender's word is not known. */
  agrees: boolean | null;
}

/** A machine that no host names, as `--status` lists it. */
export interface StatusMachine extends MachineStatus {
  id: string;
  computerDnsName: string | null;
}

/** What the rows are made by. */
export interface StatusRules {
  brain: string;
  blockTags: readonly string[];
  unblockTags: readonly string[];
  /** After so many milliseconds Defender lifts an isolation by itself; 0: never. */
  endsAfterMs: number;
  /** Defender's time. */
  now: number;
}

/** Tells whether `--status` lists a host: it is held, has an unfinished status tag, or carries a trigger. */
export function isListed(host: Host, rules: StatusRules): boolean {
  const tags = readTags(host.tags, rules.now);
  return isHeld(tags) || isUnfinished(tags) || asksOf(host, rules).length > 0;
}

/** The rows of the hosts that are listed, in the order of their ids. */
export function hostRows(
  hosts: readonly Host[],
  known: ActionIndex | undefined,
  rules: StatusRules,
): StatusHost[] {
  const looked = hosts.filter((host) => isListed(host, rules)).map((host) => lookAt(host, known, rules));
  const opposed = machinesInConflict(looked);
  return looked
    .filter(({ isOver }) => !isOver)
    .map((one) => rowOf(one, opposed))
    .sort((one, other) => one.id - other.id);
}

/** The machines that are isolated or have an open action, and that none of these ids names; the newest first. */
export function machineRows(
  { ofMachine }: ActionIndex,
  named: ReadonlySet<string>,
  { endsAfterMs, now }: StatusRules,
): StatusMachine[] {
  return [...ofMachine]
    .filter(([id]) => !named.has(id))
    .map(([id, record]) => ({
      id,
      computerDnsName: nameIn(record),
      ...machineStatus(record, endsAfterMs, now),
    }))
    .filter(({ defender }) => defender !== 'free' && defender !== 'lapsed');
}

interface Looked {
  host: Host;
  tags: TagState;
  machineId: string | undefined;
  record: readonly MachineAction[] | undefined;
  status: MachineStatus;
  asks: readonly { kind: RequestKind; tag: string }[];
  /** Its isolation is surely over, and no status tag wants to be put right. */
  isOver: boolean;
}

function lookAt(host: Host, known: ActionIndex | undefined, rules: StatusRules): Looked {
  const { brain, endsAfterMs, now } = rules;
  const tags = readTags(host.tags, now);
  const own = known?.ofHost.get(host.id) ?? [];
  const owner = { brain, hostId: host.id };
  const [idOfTag, ...others] = tags.ids;
  // A run that was killed left an action on a machine that the tags do not name.
  const untold = untoldAction(own, { owner, tags, endsAfterMs, now });
  const machineId = untold?.machineId ?? (others.length > 0 ? undefined : idOfTag);
  const record = machineId === undefined ? undefined : known && (known.ofMachine.get(machineId) ?? []);
  const isKnown = record !== undefined && !mayLag(tags, record, now);
  const status = isKnown ? machineStatus(record, endsAfterMs, now) : unknownStatus;
  const asks = asksOf(host, rules);
  const isOver =
    asks.length === 0 &&
    tags.statuses.length === 0 &&
    isOverByAge(tags, endsAfterMs, now) &&
    status.defender !== 'isolated' &&
    openAction(record ?? [], 'isolate') === undefined;
  return { host, tags, machineId, record, status, asks, isOver };
}

function rowOf(
  { host, tags, machineId, record, status, asks }: Looked,
  opposed: ReadonlySet<string>,
): StatusHost {
  const isOpposed = machineId !== undefined && opposed.has(machineId);
  return {
    id: host.id,
    name: host.name ?? null,
    machine:
      machineId === undefined ? null : { id: machineId, computerDnsName: nameIn(record) ?? nameOnHost(host) },
    tag: host.tags.find(isStatusTag) ?? null,
    ...status,
    waiting: asks.length === 0 ? null : waitingWords(asks, isOpposed, record),
    agrees: agrees(tags, status.defender),
  };
}

function asksOf({ tags }: Host, { blockTags, unblockTags }: StatusRules): Looked['asks'] {
  const triggers = { isolate: blockTags, release: unblockTags };
  return requestKinds.flatMap((kind) =>
    triggersAmong(tags, triggers[kind])
      .slice(0, 1)
      .map((tag) => ({ kind, tag })),
  );
}

/** The machines that hosts ask to be isolated and released at once. */
function machinesInConflict(looked: readonly Looked[]): Set<string> {
  const asked = new Map<string, Set<RequestKind>>();
  for (const { machineId, asks } of looked) {
    if (machineId === undefined) continue;
    const known = asked.get(machineId) ?? new Set();
    asked.set(machineId, new Set([...known, ...asks.map(({ kind }) => kind)]));
  }
  return new Set([...asked].filter(([, asks]) => asks.size > 1).map(([id]) => id));
}

function waitingWords(
  asks: Looked['asks'],
  isOpposed: boolean,
  record: readonly MachineAction[] | undefined,
): string {
  const what = asks.map(({ kind, tag }) => `${kinds[kind].noun} for tag ${tag}`).join(' and ');
  if (asks.length > 1) return `${what}: a person has to take one of the tags off`;
  if (isOpposed)
    return `${what}: another host asks the opposite of its machine; a person has to take one of the tags off`;
  if (record && openAction(record, 'isolate') && openAction(record, 'release'))
    return `${what}: an isolation and a release are open at once; a person has to cancel one of them in the portal`;
  return `${what}: the next run`;
}

function nameIn(record: readonly MachineAction[] | undefined): string | null {
  return record?.find(({ computerDnsName }) => computerDnsName)?.computerDnsName ?? null;
}

/** The name in the machine tags that an enrichment wrote. */
function nameOnHost({ tags }: Host): string | null {
  const name = tags.flatMap((tag) => /^computerDnsName: (.+)$/u.exec(tag)?.[1] ?? [])[0];
  return name === undefined || name === 'Unknown' ? null : name;
}
