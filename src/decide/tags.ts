import type { Machine } from '../atp/schema.ts';

/** Longest tag that Detect keeps; seen in Vectra's Splunk connector, which says longer ones are cut. */
export const maxTagLength = 100;

export const noMachineTag = 'ATP_NoAgent_Or_SensorInactive';
export const severalMachinesTag = 'ATP_MultipleSensors_SameIP';
/** Written by the earlier Python tool only; removed like the others, never written. */
const earlierNoMachineTag = 'ATP_NoAgent';

/** What a person asks for with a block or an unblock tag. */
export type RequestKind = 'isolate' | 'release';

const failureTags = { isolate: 'Manual block failed', release: 'Manual unblock failed' } as const;
const historyPrefixes = { isolate: 'Manual block:', release: 'Manual unblock:' } as const;
const slotNames = { isolate: 'isolation', release: 'release' } as const;

const valueNames = ['computerDnsName', 'osPlatform', 'healthStatus', 'riskScore', 'exposureLevel'] as const;
const valueTagForm = /^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): [A-Za-z0-9_.-]+$/u;
const idTagForm = /^id: ([0-9A-Fa-f]{40})$/u;
const statusTagForm = /^(isolation|release): ([A-Za-z]+)$/u;
const historyTagForm = /^Manual (un)?block:(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2})$/u;
const loneMachineTags: readonly string[] = [noMachineTag, severalMachinesTag, earlierNoMachineTag];
const keptHistory = 5;

/** Tells whether a tag is one of the machine tags, which an enrichment replaces as a set. */
export function isMachineTag(tag: string): boolean {
  return valueTagForm.test(tag) || idTagForm.test(tag) || loneMachineTags.includes(tag);
}

/** Tells whether a tag has, to the letter, a form that this program writes; every other tag is somebody else's. */
export function isOwnTag(tag: string): boolean {
  return isMachineTag(tag) || statusTagForm.test(tag) || isFailureTag(tag) || historyTime(tag) !== undefined;
}

const ownTagsInAnyCase =
  /^(?:(?:computerdnsname|osplatform|healthstatus|riskscore|exposurelevel): [a-z0-9_.-]+|id: [0-9a-f]{40}|(?:isolation|release): [a-z]+|manual (?:un)?block failed|manual (?:un)?block:\d{4}-\d{2}-\d{2} \d{2}:\d{2}|atp_noagent(?:_or_sensorinactive)?|atp_multiplesensors_sameip)$/iu;

/** Tells whether this program could write a tag that Detect would take for this one; such a tag cannot be a trigger. */
export function couldBeOwnTag(tag: string): boolean {
  return ownTagsInAnyCase.test(tag);
}

/** Compares two tags as Detect's tag search does: without regard to case. */
export function sameTag(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** The tags of a host that equal one of the trigger tags, in the spelling that the host carries. */
export function triggersAmong(tags: readonly string[], triggers: readonly string[]): string[] {
  return tags.filter((tag) => triggers.some((trigger) => sameTag(tag, trigger)));
}

function isFailureTag(tag: string): boolean {
  return tag === failureTags.isolate || tag === failureTags.release;
}

function historyTime(tag: string): { kind: RequestKind; time: number } | undefined {
  const match = historyTagForm.exec(tag);
  if (!match) return undefined;
  const time = Date.parse(`${match[2] ?? ''}T${match[3] ?? ''}:00Z`);
  const kind = match[1] ? 'release' : 'isolate';
  // Date.parse reads the 30th of February as a day in March; no such tag is the program's.
  return Number.isNaN(time) || historyTag(kind, time) !== tag ? undefined : { kind, time };
}

/** Start of the minute that a time is in; the history tags know no finer time. */
export function minuteOf(time: number): number {
  return Math.floor(time / 60_000) * 60_000;
}

/** A time as the history tags and the note print it, in UTC: `2026-11-24 12:05`. */
export function minuteText(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

/** What a host's own tags say about it. */
export interface TagState {
  /** Machine ids of its `id:` tags, lower case, each once. */
  ids: string[];
  /** Its `isolation:` and `release:` tags; more than one only where a run was killed between two writes. */
  slots: { kind: RequestKind; status: string }[];
  /** Times of the newest `Manual block:` and `Manual unblock:`, milliseconds UTC. */
  newest: Record<RequestKind, number | undefined>;
  /** Times of all of them. */
  accepted: Record<RequestKind, number[]>;
  failed: RequestKind[];
}

/** Reads the program's own tags of a host. */
export function readTags(tags: readonly string[]): TagState {
  const ids = new Set<string>();
  const state: TagState = {
    ids: [],
    slots: [],
    newest: { isolate: undefined, release: undefined },
    accepted: { isolate: [], release: [] },
    failed: [],
  };
  for (const tag of tags) {
    const id = idTagForm.exec(tag)?.[1];
    if (id) ids.add(id.toLowerCase());
    const slot = statusTagForm.exec(tag);
    if (slot)
      state.slots.push({ kind: slot[1] === 'isolation' ? 'isolate' : 'release', status: slot[2] ?? '' });
    const past = historyTime(tag);
    if (past) {
      state.newest[past.kind] = Math.max(past.time, state.newest[past.kind] ?? -Infinity);
      state.accepted[past.kind].push(past.time);
    }
    if (tag === failureTags.isolate) state.failed.push('isolate');
    if (tag === failureTags.release) state.failed.push('release');
  }
  state.ids = [...ids];
  return state;
}

/** Tells whether a machine action with this status is still to be carried out. */
export function isOpenStatus(status: string): boolean {
  return status === 'Pending' || status === 'InProgress';
}

/** Tells whether a machine action with this status has come to its end; neither open nor ended is a word that Defender does not document. */
export function isEndStatus(status: string): boolean {
  return ['Succeeded', 'Failed', 'TimeOut', 'Cancelled'].includes(status);
}

/** Tells whether an earlier run left an action of this host, or one of this kind, that has not come to its end. */
export function isUnfinished(state: TagState, kind?: RequestKind): boolean {
  return state.slots.some((slot) => isOpenStatus(slot.status) && (kind ?? slot.kind) === slot.kind);
}

/** Tells whether the tags say that the host's machine is, or may be, isolated. */
export function isHeld(state: TagState): boolean {
  const held = state.slots.some(({ kind, status }) =>
    kind === 'isolate' ? isOpenStatus(status) || status === 'Succeeded' : status !== 'Succeeded',
  );
  if (held || state.slots.length > 0) return held;
  const { isolate, release } = state.newest;
  return isolate !== undefined && isolate > (release ?? -Infinity);
}

function cleanValue(value: string | undefined, room: number): string {
  return (value ?? '').replaceAll(/[^A-Za-z0-9_.-]+/gu, '_').slice(0, room) || 'Unknown';
}

function valueTag(name: string, value: string | undefined): string {
  return `${name}: ${cleanValue(value, maxTagLength - name.length - 2)}`;
}

/** The six tags that describe a machine. */
export function machineTags(machine: Machine): string[] {
  return [
    valueTag('computerDnsName', machine.computerDnsName),
    valueTag('osPlatform', machine.osPlatform),
    valueTag('healthStatus', machine.healthStatus),
    valueTag('riskScore', machine.riskScore),
    valueTag('exposureLevel', machine.exposureLevel),
    `id: ${machine.id}`,
  ];
}

/** The tag of the one status slot, with Defender's own status word. */
export function statusTag(kind: RequestKind, status: string): string {
  const prefix = `${slotNames[kind]}: `;
  const word = status.replaceAll(/[^A-Za-z]+/gu, '').slice(0, maxTagLength - prefix.length);
  return `${prefix}${word || 'Unknown'}`;
}

/** The tag that keeps when an isolation or a release was accepted. */
export function historyTag(kind: RequestKind, time: number): string {
  return `${historyPrefixes[kind]}${minuteText(time)}`;
}

/** Tells whether the host carries a complete set of machine tags, or one that says why there is no machine. */
export function carriesContext(tags: readonly string[]): boolean {
  if (tags.includes(noMachineTag) || tags.includes(severalMachinesTag)) return true;
  const values = new Set(tags.map((tag) => valueTagForm.exec(tag)?.[1]));
  return tags.some((tag) => idTagForm.test(tag)) && valueNames.every((name) => values.has(name));
}

/** What a host's tags shall become; what is left out stays as it is. */
export interface WantedTags {
  /** The whole set of machine tags. */
  machine?: readonly string[] | undefined;
  /** The content of the status slot. */
  slot?: { kind: RequestKind; status: string } | undefined;
  /** The failure tag to carry, or `none` for neither. */
  failure?: RequestKind | 'none' | undefined;
  /** Accepted isolations and releases to remember; with none, not even the oldest times are touched. */
  history?: { kind: RequestKind; time: number }[] | undefined;
}

export interface TagChange {
  add: string[];
  remove: string[];
}

/** The smallest change that makes a host's own tags what is wanted; no foreign tag is ever in it. */
export function changeTags(current: readonly string[], wanted: WantedTags): TagChange {
  const target: string[] = [];
  const outdated = new Set<string>();

  if (wanted.machine) {
    target.push(...wanted.machine);
    current.filter(isMachineTag).forEach((tag) => outdated.add(tag));
  }
  if (wanted.slot) {
    target.push(statusTag(wanted.slot.kind, wanted.slot.status));
    current.filter((tag) => statusTagForm.test(tag)).forEach((tag) => outdated.add(tag));
  }
  if (wanted.failure) {
    if (wanted.failure !== 'none') target.push(failureTags[wanted.failure]);
    current.filter(isFailureTag).forEach((tag) => outdated.add(tag));
  }
  if (wanted.history && wanted.history.length > 0) {
    const fresh = wanted.history.map(({ kind, time }) => historyTag(kind, time));
    const all = [...new Set([...current, ...fresh])].filter((tag) => historyTime(tag));
    for (const kind of ['isolate', 'release'] as const) {
      // The text of the time sorts like the time itself.
      const ofKind = all
        .filter((tag) => historyTime(tag)?.kind === kind)
        .sort()
        .reverse();
      target.push(...ofKind.slice(0, keptHistory).filter((tag) => fresh.includes(tag)));
      ofKind.slice(keptHistory).forEach((tag) => outdated.add(tag));
    }
  }

  return {
    add: [...new Set(target)].filter((tag) => !current.includes(tag)),
    remove: [...outdated].filter((tag) => !target.includes(tag) && current.includes(tag)),
  };
}

/** The tags of a host after a change. */
export function withChange(current: readonly string[], change: TagChange): string[] {
  return [...current.filter((tag) => !change.remove.includes(tag)), ...change.add];
}

export function isEmptyChange(change: TagChange): boolean {
  return change.add.length === 0 && change.remove.length === 0;
}
