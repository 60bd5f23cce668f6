import type { SimAction } from '../simulator/actions.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import { isOwnNote, isOwnTag } from '../simulator/own-forms.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { startOfTime } from '../harness.ts';

const startMinute = Math.floor(startOfTime / 60_000);

/** Words that may stand in place of others after a run was killed, each with what stands there usually. */
export type Twins = readonly (readonly [RegExp, string])[];

/**
 * What is to be the same however a run came about, line by line: tags (the program's own in any order), notes, machine
 * actions, and which machines are cut off. Times are told as `<run>` from the first run on; earlier ones stay apart.
 */
export function stateOf(simulator: Simulator, twins: Twins = []): string[] {
  const { world } = simulator;
  const neutral = neutraliser(simulator, twins);
  const { hosts, machines } = world.snapshot();
  const lines: string[] = [];
  for (const [id, { tags, notes }] of Object.entries(hosts)) {
    const own = tags.filter((tag) => isOwnTag(tag)).sort();
    lines.push(...own.map((tag) => neutral(`host ${id} has its own tag ${tag}`)));
    const others = tags.filter((tag) => !isOwnTag(tag));
    lines.push(`host ${id} has other tags, in this order: ${others.join(' | ')}`);
    const inOrder = [...notes].sort((one, other) => one.id - other.id);
    inOrder.forEach(({ note }, index) => {
      lines.push(...note.split('\n').map((line) => neutral(`note ${index + 1} of ${id}: ${line}`)));
    });
  }
  for (const action of byMachine(world)) {
    const { id, type, status, machineId, requestorComment: comment, cancellationComment } = action;
    const words = `action ${id}: ${type} of ${machineId}, ${status}, "${comment}"`;
    lines.push(
      neutral(cancellationComment === null ? words : `${words}, cancelled "${cancellationComment}"`),
    );
  }
  for (const [id, { isolated }] of Object.entries(machines)) {
    lines.push(`machine ${id} is ${isolated ? 'isolated' : 'free'}`);
  }
  return lines.filter((line) => line !== '');
}

/** What has been written through the APIs so far, each thing once: tags, lines of the program's notes, actions. */
export function writesOf(simulator: Simulator, twins: Twins = []): Set<string> {
  const neutral = neutraliser(simulator, twins);
  const done = simulator.ledger.writes().filter((entry) => entry.effect);
  const words = done.flatMap((entry) => wordsOf(entry)).map((one) => neutral(one));
  return new Set(words.filter((one) => one !== ''));
}

/** The writes that change nothing any more: adding the tags that are there. */
export function idleWritesOf(simulator: Simulator, twins: Twins = []): string[] {
  const neutral = neutraliser(simulator, twins);
  return [...simulator.world.hosts.values()].flatMap(({ id, tags }) =>
    tags.filter((tag) => isOwnTag(tag)).map((tag) => neutral(`tag-add ${id}: ${tag}`)),
  );
}

/** The lines of the program's notes as they stand, in the words of {@link writesOf}. */
export function noteLinesOf(simulator: Simulator, twins: Twins = []): string[] {
  const neutral = neutraliser(simulator, twins);
  return [...simulator.world.hosts.values()].flatMap(({ id, notes }) =>
    notes.flatMap(({ note }) => note.split('\n').map((line) => neutral(`note of ${id}: ${line}`))),
  );
}

function wordsOf({ call, path, body }: Entry): string[] {
  const fields = isObject(body) ? body : {};
  const { objectIds, tag, note } = fields;
  if (Array.isArray(objectIds)) return objectIds.map((id) => `${call} ${String(id)}: ${String(tag)}`);
  if (typeof note === 'string') {
    const host = /\/hosts\/(\d+)\//u.exec(path)?.[1] ?? path;
    const part = isOwnNote(note) ? note.split('\n_Kept up to date')[0] : note;
    return (part ?? '').split('\n').map((line) => `note of ${host}: ${line}`);
  }
  return [`${call} ${path}`];
}

/** Which machine is acted on first, no order tells; what happens to one of them is told in order. */
function byMachine(world: Simulator['world']): SimAction[] {
  return [...world.machines.keys()].flatMap((id) =>
    inOrderOfCreation(world).filter(({ machineId }) => machineId === id),
  );
}

function inOrderOfCreation({ actions }: Simulator['world']): SimAction[] {
  return [...actions.values()].sort((one, other) => one.createdAt - other.createdAt);
}

/** Replaces the ids of actions that the program asked for, times, and the brain's port. */
function neutraliser({ world, detectUrl }: Simulator, twins: Twins): (text: string) => string {
  const names = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const { id, type, machineId } of inOrderOfCreation(world)) {
    if (id.startsWith('seed-')) continue;
    const kind = `${type} of ${machineId}`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    names.set(id, `<${kind} no. ${count}>`);
  }
  const brain = new URL(detectUrl).host;
  const plain = (text: string) =>
    text
      .replaceAll(brain, '<brain>')
      // A note that a later run had to write tells how that run found the machine: by then, by its id.
      .replaceAll(/(\*\*Matched:\*\* )by .*/gu, '$1<somehow>')
      .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gu, (id) => names.get(id) ?? id)
      .replaceAll(
        /(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::\d{2}Z)?/gu,
        (_whole, day: string, time: string) => {
          const minute = Date.parse(`${day}T${time}:00Z`) / 60_000;
          return minute >= startMinute ? '<run>' : `<${startMinute - minute} minutes before>`;
        },
      );
  return (text) => twins.reduce((left, [twin, usual]) => left.replace(twin, usual), plain(text));
}

/** The lines in which two states differ; none when they are the same. */
export function differences(expected: readonly string[], actual: readonly string[]): string[] {
  if (expected.join('\n') === actual.join('\n')) return [];
  const lines = [
    ...expected.filter((line) => !actual.includes(line)).map((line) => `missing: ${line}`),
    ...actual.filter((line) => !expected.includes(line)).map((line) => `instead: ${line}`),
  ];
  if (lines.length > 0) return lines;
  const at = expected.findIndex((line, index) => line !== actual[index]);
  return [`the same lines, but in another order or number, from "${actual[at] ?? 'the end'}" on`];
}
