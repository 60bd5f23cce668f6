import type { Harness, Outcome } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import { isOwnNote } from '../simulator/own-forms.ts';
import { badEnds, idsIn, isHeldBy, isLapsed, isOldBlock, isOpen, lastDone } from './oracle.ts';
import { isOwn, isToldBy } from './sight.ts';
import type { SmallWorld } from './small-events.ts';

/** What the books of a small story know beside the world itself. */
export interface Facts {
  /** Actions whose POST was the last thing that a killed run did. */
  orphans: ReadonlySet<string>;
  /** The last of the quiet runs. */
  last: Outcome;
}

interface Truth extends SmallWorld {
  now: number;
  actions: readonly SimAction[];
  status: { kind: string; word: string } | undefined;
  /** The machine that the host's only `id:` tag names. */
  named: string | undefined;
}

/** True when the host's tags call a machine isolated of which Defender's record shows the release: an enrichment sees it. */
export function isReleaseUnseen(story: SmallWorld, { simulator, clock }: Harness): boolean {
  const truth = truthOf(story, simulator.world.actions, clock.now());
  if (truth.named === undefined || !isHeldBy(story.host.tags)) return false;
  return lastDone([truth.named], truth.actions)?.type === 'Unisolate';
}

/** What is not true, or not done, of what the host says when everything has come to rest. */
export function untruths(story: SmallWorld, { simulator, clock }: Harness, facts: Facts): string[] {
  const truth = truthOf(story, simulator.world.actions, clock.now());
  return [
    ...aboutTriggers(truth, facts),
    ...aboutStatus(truth),
    ...aboutMachines(truth, facts),
    ...aboutFailures(truth),
    ...aboutNote(truth, facts),
  ];
}

function truthOf(story: SmallWorld, actions: ReadonlyMap<string, SimAction>, now: number): Truth {
  const { tags } = story.host;
  const [, kind, word] =
    tags.map((tag) => /^(isolation|release): ([A-Za-z]+)$/.exec(tag)).find((match) => match !== null) ?? [];
  const ids = idsIn(tags);
  return {
    ...story,
    now,
    actions: [...actions.values()],
    status: kind !== undefined && word !== undefined ? { kind, word } : undefined,
    named: ids.length === 1 ? ids[0] : undefined,
  };
}

function isIsolated({ machines }: Truth, machineId: string | undefined): boolean {
  return machines.some(({ id, isolated }) => id === machineId && isolated);
}

/** A trigger stays in a conflict only, and only a conflict fails the last run. */
function aboutTriggers({ host: { tags, state } }: Truth, { last }: Facts): string[] {
  const isConflict = tags.includes('block') && tags.includes('unblock');
  // A tag for context selects active hosts only.
  const triggers = ['block', 'unblock', ...(state === 'active' ? ['host_context'] : [])];
  const left = triggers.filter((tag) => tags.includes(tag));
  const waits = isConflict ? left.filter((tag) => tag === 'host_context') : left;
  const code = isConflict ? 1 : 0;
  return [
    ...waits.map((tag) => `the trigger tag ${tag} is still there`),
    ...(last.code === code ? [] : [`the last run ends with ${last.code} in place of ${code}`]),
  ];
}

function aboutStatus(truth: Truth): string[] {
  const { host, status, actions, named } = truth;
  const slots = host.tags.filter((tag) => /^(isolation|release): /.test(tag));
  if (slots.length > 1) return [`the host has ${slots.join(' and ')}`];
  // In a conflict the end of an action waits for the request whose trigger is still on the host.
  const isConflict = host.tags.includes('block') && host.tags.includes('unblock');
  if (status === undefined || isConflict) return [];
  const { kind, word } = status;
  const says = `the host says ${kind}: ${word}`;
  if (isOpen({ status: word })) return [`${says}, and nothing is open`];
  const type = kind === 'isolation' ? 'Isolate' : 'Unisolate';
  if (!actions.some((action) => action.type === type && action.status === word))
    return [`${says}, and no such action exists`];
  if (word !== 'Succeeded') return [];
  if (named === undefined) return [`${says}, and no single id: tag`];
  const isTrue = kind === 'isolation' ? isTrulyIsolated(truth, named) : isTrulyFree(truth, named);
  return isTrue ? [] : [`${says}, and its machine is ${isIsolated(truth, named) ? 'isolated' : 'free'}`];
}

/** Isolated, or so lately lifted that an offline machine might not have been. */
function isTrulyIsolated(truth: Truth, machineId: string): boolean {
  if (isIsolated(truth, machineId)) return true;
  const last = lastDone([machineId], truth.actions);
  const isBelieved = !isOldBlock(truth.host.tags, truth.now - 2 * 3_600_000);
  return last?.type === 'Isolate' && isLapsed(last, truth.now) && isBelieved;
}

/** Free, or isolated since by somebody else, of which this host's tags need not know. */
function isTrulyFree(truth: Truth, machineId: string): boolean {
  if (!isIsolated(truth, machineId)) return true;
  const last = lastDone([machineId], truth.actions);
  return last !== undefined && !isToldBy(truth.host.tags, last);
}

/** Every machine that this program isolated is named by the host, which is held by it. */
function aboutMachines(truth: Truth, { orphans }: Facts): string[] {
  const { host, machines, actions, named } = truth;
  return machines.flatMap(({ id, isolated }) => {
    const last = lastDone([id], actions);
    if (!isolated || last?.type !== 'Isolate' || !isOwn(last, host.id)) return [];
    if (named !== id) return [`machine ${id} was isolated for the host, and no id: tag names it`];
    // Nothing leads a run to what a killed one asked for, once the trigger was taken off; the id: tag is enough.
    if (orphans.has(last.id) && !isToldBy(host.tags, last)) return [];
    return isHeldBy(host.tags) ? [] : [`machine ${id} was isolated for the host, which does not say so`];
  });
}

/** A failure tag tells of an action that ended badly, or of a host that was not heard of for a month. */
function aboutFailures({ host, actions, now }: Truth): string[] {
  const kinds = [
    ['Manual block failed', 'Isolate'],
    ['Manual unblock failed', 'Unisolate'],
  ] as const;
  const isStale = now - Date.parse(host.last_seen ?? '') > 30 * 86_400_000;
  return kinds.flatMap(([tag, type]) => {
    const has = actions.some(
      (action) => action.type === type && badEnds.includes(action.status) && isOwn(action, host.id),
    );
    return !host.tags.includes(tag) || has || isStale ? [] : [`the host says ${tag}, and nothing failed`];
  });
}

/** Each action of this program's stands in the one note. */
function aboutNote({ host, actions }: Truth, { orphans }: Facts): string[] {
  const note = host.notes.find((candidate) => isOwnNote(candidate.note))?.note ?? '';
  return actions
    .filter((action) => isOwn(action, host.id) && !note.includes(action.id))
    .filter((action) => !orphans.has(action.id) || isToldBy(host.tags, action))
    .map(({ type, status }) => `the note does not name an ${type} that is ${status}`);
}
