import { smallEvents, type SmallEvent } from './small-events.ts';
import { tellSmallStory, type Told } from './small-telling.ts';

/** Which stories are told. */
export interface Choice {
  /** The most events in a story. */
  length: number;
  only: readonly SmallEvent[];
  start: 'fresh' | 'held';
  /** Tells the k-th of n parts, from 1. */
  shard: { k: number; n: number };
}

/** Stories that break the same invariant at the same place. */
export interface Group {
  what: string;
  stories: { events: readonly SmallEvent[]; told: Told }[];
}

/** What became of all of them. */
export interface Collection {
  /** Sequences of exactly so many events, those that are told by a shorter one included. */
  sequences: number;
  /** Stories that differ. */
  told: number;
  seconds: number;
  groups: Group[];
}

/**
 * Tells every sequence of so many events, and every shorter one: an event that changes nothing takes no time, so that a
 * story with it is the story without it, and a disturbance that meets no request leaves the run undisturbed. For this
 * reason each story that differs is told once.
 */
export async function tellSmallStories(choice: Choice): Promise<Collection> {
  const startedAt = performance.now();
  const groups = new Map<string, Group>();
  let told = 0;
  let branch = 0;

  async function tellFrom(events: readonly SmallEvent[]): Promise<void> {
    // The first two events say whose part a story is.
    if (events.length === 2 && branch++ % choice.shard.n !== choice.shard.k - 1) return;
    const result = await tellSmallStory(events, choice.start);
    if (!result.isNew) return;
    if (events.length >= 2 || choice.shard.k === 1) {
      told += 1;
      file(events, result);
    }
    if (events.length === choice.length) return;
    for (const event of choice.only) if (result.next.includes(event)) await tellFrom([...events, event]);
  }

  function file(events: readonly SmallEvent[], result: Told): void {
    for (const problem of new Set(result.problems)) {
      const what = `${nameless(problem)} — at ${result.at}`;
      const group = groups.get(what) ?? { what, stories: [] };
      group.stories.push({ events, told: result });
      groups.set(what, group);
    }
  }

  await tellFrom([]);
  return {
    sequences: choice.only.length ** choice.length,
    told,
    seconds: (performance.now() - startedAt) / 1000,
    groups: [...groups.values()].sort((one, other) => other.stories.length - one.stories.length),
  };
}

/** The problem without what differs from story to story. */
function nameless(problem: string): string {
  return problem
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<action>')
    .replaceAll(/\b[0-9a-f]{40}\b/g, '<machine>')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, '<time>')
    .split('\n', 1)
    .join('');
}

/** The collection for people: each group with its shortest story, and all its stories in short. */
export function printed({ sequences, told, seconds, groups }: Collection, most = 12): string {
  const speed = told / seconds;
  const lines = [
    `${sequences} sequences, ${told} different stories, ${seconds.toFixed(0)} s, ${speed.toFixed(1)} stories per second, ${groups.length} kinds of failure`,
  ];
  for (const { what, stories } of groups) {
    const [shortest] = stories.toSorted((one, other) => one.events.length - other.events.length);
    lines.push('', `${stories.length} × ${what}`);
    lines.push(...stories.slice(0, most).map(({ events }) => `  - ${events.join(', ')}`));
    if (stories.length > most) lines.push(`  - and ${stories.length - most} more`);
    lines.push(...(shortest?.told.lines ?? []).map((text) => `    ${text}`));
    lines.push(...(shortest?.told.problems ?? []).map((text) => `    !! ${text}`));
  }
  return lines.join('\n');
}

/**
 * The choices that the environment makes: `SMALL_EVENTS` (4), `SMALL_ONLY` (a comma list of events), `SMALL_START`
 * (`fresh` or `held`; both if left out) and `SMALL_SHARD` (`2/4`).
 */
export function choicesOf(env: NodeJS.ProcessEnv): Choice[] {
  const named = env['SMALL_ONLY']?.split(',').map((name) => name.trim());
  const [k = 1, n = 1] = (env['SMALL_SHARD'] ?? '1/1').split('/').map(Number);
  const unknown = named?.filter((name) => !smallEvents.some((event) => event === name)) ?? [];
  if (unknown.length > 0) throw new Error(`no such event: ${unknown.join(', ')}`);
  const starts = (['fresh', 'held'] as const).filter((start) => (env['SMALL_START'] ?? start) === start);
  const only = smallEvents.filter((event) => named?.includes(event) ?? true);
  return starts.map((start) => ({ length: Number(env['SMALL_EVENTS'] ?? 4), only, start, shard: { k, n } }));
}
