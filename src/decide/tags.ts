import type { Machine } from '../atp/machine.ts';
import { kinds, requestKinds, type RequestKind } from './kinds.ts';

/** Longest tag that Detect keeps; seen in Vectra's Splunk connector, which says longer ones are cut. */
export const maxTagLength = 100;

export const noMachineTag = 'ATP_NoAgent_Or_SensorInactive';
export const severalMachinesTag = 'ATP_MultipleSensors_SameIP';
/** Written by the earlier Python tool only; removed like the others, never written. */
const earlierNoMachineTag = 'ATP_NoAgent';

export const failureTags = {
  isolate: 'Manual block failed',
  release: 'Manual unblock failed',
} as const satisfies Record<RequestKind, string>;
/** A clock may be a little ahead of Defender's; the earlier tool wrote local time, and anybody can write a tag. */
const mostAheadMs = 600_000;

const valueNames = ['computerDnsName', 'osPlatform', 'healthStatus', 'riskScore', 'exposureLevel'] as const;
const valueTagForm = /^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): [A-Za-z0-9_.-]+$/u;
const idTagForm = /^id: ([0-9A-Fa-f]{40})$/u;
const statusTagForm = /^(isolation|release): ([A-Za-z]+)$/u;
const historyTagForm = /^Manual (un)?block:(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2})$/u;
const loneMachineTags: readonly string[] = [noMachineTag, severalMachinesTag, earlierNoMachineTag];

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

export function isFailureTag(tag: string): boolean {
  return tag === failureTags.isolate || tag === failureTags.release;
}

/** What a history tag tells of, and when; nothing for any other tag. */
export function historyTime(tag: string): { kind: RequestKind; time: number } | undefined {
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
  ids: readonly string[];
  /** Its `isolation:` and `release:` tags; more than one only where a run was killed between two writes. */
  statuses: readonly Status[];
  /** Times of its `Manual block:` and `Manual unblock:` tags, the newest first; milliseconds UTC. */
  times: Readonly<Record<RequestKind, readonly number[]>>;
}

/** The content of the status tag. */
export interface Status {
  kind: RequestKind;
  /** Defender's own word. */
  status: string;
}

/**
 * Reads the program's own tags of a host.
 * @param now Defender's time, milliseconds UTC; a time that lies ahead of it is read as if it were not there
 */
export function readTags(tags: readonly string[], now: number): TagState {
  const past = tags.flatMap((tag) => historyTime(tag) ?? []).filter(({ time }) => time <= now + mostAheadMs);
  const timesOf = (kind: RequestKind) =>
    past.flatMap((told) => (told.kind === kind ? told.time : [])).sort((one, other) => other - one);
  return {
    ids: [...new Set(tags.flatMap((tag) => idTagForm.exec(tag)?.[1]?.toLowerCase() ?? []))],
    statuses: tags.flatMap((tag) => statusIn(tag) ?? []),
    times: { isolate: timesOf('isolate'), release: timesOf('release') },
  };
}

function statusIn(tag: string): Status | undefined {
  const [, noun, status] = statusTagForm.exec(tag) ?? [];
  const kind = requestKinds.find((each) => kinds[each].noun === noun);
  return kind && status !== undefined ? { kind, status } : undefined;
}

/** Tells whether the tag names a machine. */
export function isIdTag(tag: string): boolean {
  return idTagForm.test(tag);
}

/** Tells whether the tag is in the status slot. */
export function isStatusTag(tag: string): boolean {
  return statusTagForm.test(tag);
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
export function isUnfinished({ statuses }: TagState, kind?: RequestKind): boolean {
  return statuses.some((each) => !isEndStatus(each.status) && (kind ?? each.kind) === each.kind);
}

/** Tells whether the tags say that the host's machine is, or may be, isolated. */
export function isHeld({ statuses, times }: TagState): boolean {
  if (statuses.length === 0) {
    // The earlier tool wrote no status.
    const [block] = times.isolate;
    return block !== undefined && block > (times.release[0] ?? -Infinity);
  }
  return statuses.some(({ kind, status }) =>
    kind === 'isolate' ? status === 'Succeeded' || !isEndStatus(status) : status !== 'Succeeded',
  );
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
  const prefix = `${kinds[kind].noun}: `;
  const word = status.replaceAll(/[^A-Za-z]+/gu, '').slice(0, maxTagLength - prefix.length);
  return `${prefix}${word || 'Unknown'}`;
}

/** The tag that keeps when an isolation or a release was accepted. */
export function historyTag(kind: RequestKind, time: number): string {
  return `Manual ${kinds[kind].word}:${minuteText(time)}`;
}

/** Tells whether the host carries a complete set of machine tags, or one that says why there is no machine. */
export function carriesContext(tags: readonly string[]): boolean {
  if (tags.includes(noMachineTag) || tags.includes(severalMachinesTag)) return true;
  const values = new Set(tags.map((tag) => valueTagForm.exec(tag)?.[1]));
  return tags.some((tag) => idTagForm.test(tag)) && valueNames.every((name) => values.has(name));
}
