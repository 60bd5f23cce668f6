import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../simulator/json.ts';
import { isOwnTag } from '../simulator/own-forms.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { writesOf } from './state.ts';

/** The services and the cache as a run left them. */
export interface Saved {
  /**
   * All that the next run can learn from them, and all that was written so far: the same text, the same end. Times are
   * told by the minute, and actions that the program asked for by their machines, since their ids are random.
   */
  readonly print: string;
  /** Brings both back to how they were. */
  restore(): void;
}

/** Saves the world, the ledger and the cache; no request may be under way. */
export function save(simulator: Simulator, cacheDir: string): Saved {
  const { world, ledger } = simulator;
  const undo = [keep(world.hosts), keep(world.machines), keep(world.actions)];
  const files = filesOf(cacheDir);
  const harm = world.violations.length;
  const requests = ledger.entries.length;
  return {
    print: printOf(simulator, files),
    restore() {
      for (const back of undo) back();
      world.violations.length = harm;
      ledger.forgetAfter(requests);
      rmSync(cacheDir, { recursive: true, force: true });
      if (files.size > 0) mkdirSync(cacheDir, { mode: 0o700 });
      for (const [name, text] of files) writeFileSync(join(cacheDir, name), text, { mode: 0o600 });
    },
  };
}

/** Copies what is in a map, for a way back; the objects themselves stay the same ones. */
function keep<Key, Value extends object>(map: Map<Key, Value>): () => void {
  const kept = [...map].map(([key, value]) => ({ key, value, fields: structuredClone({ ...value }) }));
  return () => {
    map.clear();
    for (const { key, value, fields } of kept) map.set(key, Object.assign(value, structuredClone(fields)));
  };
}

function filesOf(dir: string): Map<string, string> {
  try {
    return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
  } catch {
    // No run has made it so far.
    return new Map();
  }
}

function printOf(simulator: Simulator, files: ReadonlyMap<string, string>): string {
  const { world, detectUrl } = simulator;
  const actions = [...world.actions.values()].sort(
    (one, other) => one.machineId.localeCompare(other.machineId) || one.createdAt - other.createdAt,
  );
  const whole = [
    ...[...world.hosts.values()].map((host) => ({
      ...host,
      // Those that the program writes are in no order, and a run that goes on at once has no say in a note's id.
      tags: [...host.tags.filter((tag) => !isOwnTag(tag)), '', ...host.tags.filter(isOwnTag).sort()],
      notes: host.notes.map((note) => ({ ...note, id: 0 })),
    })),
    ...world.machines.values(),
    ...actions,
    ...world.violations,
    ...[...writesOf(simulator)].sort(),
    ...[...files].map(([name, text]) => contentOf(name, text)).sort(),
  ];
  const names = new Map(actions.map(({ id }, at) => [id, `action ${at}`]));
  return whole
    .map((part) => JSON.stringify(part))
    .join('\n')
    .replaceAll(new URL(detectUrl).host, '<brain>')
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gu, (id) => names.get(id) ?? id)
    .replaceAll(/(\d{4}-\d\d-\d\d[ T]\d\d:\d\d):\d\d(?:\.\d+)?Z?/gu, '$1')
    .replaceAll(/\b1\d{12}\b/gu, (time) => `${Math.floor(Number(time) / 60_000)} min`);
}

/** What a file of the cache tells the next run. */
function contentOf(name: string, text: string): unknown {
  // Two tokens are never the same; that there is one is what matters.
  if (name.startsWith('token-')) return 'a token';
  // Counted against quotas that no scene comes near.
  if (name.startsWith('calls-')) return 'calls';
  // Left by a write that was cut off; nobody reads it.
  if (name.endsWith('.tmp')) return 'half';
  // The others are named by the simulator's port, but for those of a machine.
  const subject = name.startsWith('call-') ? name : name.replace(/-[0-9a-f]+\.json$/u, '');
  const content = parseJson(text);
  const lines = Array.isArray(content) ? content.map((line) => JSON.stringify(line)).sort() : text;
  return [subject, lines];
}
