import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHarness, type Harness, type Outcome } from '../harness.ts';
import type { Entry } from '../simulator/ledger.ts';
import { createBooks, type Books } from './books.ts';
import {
  createSmallWorld,
  eventWords,
  smallEvents,
  type Happening,
  type SmallEvent,
  type SmallWorld,
} from './small-events.ts';
import { isReleaseUnseen, untruths } from './small-truth.ts';

const line = ['--tag', 'host_context', '--blocktag', 'block', '--unblocktag', 'unblock'];
const quietRuns = 3;
const betweenQuietRuns = 2 * 3_600_000;
const betweenEvents = 7 * 60_000;

type Run = 'run' | 'killed run' | 'noteless run' | 'quiet run';

/** What became of a small story. */
export interface Told {
  /** Line by line, for people. */
  lines: string[];
  problems: string[];
  /** The kind of the run in which the first problem showed, or what the end came to. */
  at: string;
  /** The last event changed something that no other event, and not its absence, would have changed alike. */
  isNew: boolean;
  /** What may happen next that changes anything. */
  next: SmallEvent[];
}

interface Telling {
  harness: Harness;
  story: SmallWorld;
  books: Books;
  lines: string[];
  orphans: Set<string>;
  /** Where the cache of a killed run is kept, as it was when the run was killed. */
  spare: string;
}

/** Tells one small story; with `start` "held", the host was isolated by two runs before it begins. */
export async function tellSmallStory(
  events: readonly SmallEvent[],
  start: 'fresh' | 'held' = 'fresh',
): Promise<Told> {
  const spare = mkdtempSync(join(tmpdir(), 'atp-small-'));
  const harness = await createHarness({ tokenLifetimeSeconds: 90 * 86_400, config: {} });
  try {
    const books = createBooks(harness);
    const story = createSmallWorld(harness, books.witness);
    const telling: Telling = { harness, story, books, lines: [], orphans: new Set(), spare };
    if (start === 'held') {
      for (const event of ['block', 'run', 'ends well', 'run'] as const) await tell(telling, event);
      telling.lines.push('So far how it began.');
    }
    return await tellOn(telling, events);
  } finally {
    await harness.close();
    rmSync(spare, { recursive: true, force: true });
  }
}

async function tellOn(telling: Telling, events: readonly SmallEvent[]): Promise<Told> {
  const { books, lines, story } = telling;
  const { problems } = books;
  for (const [index, event] of events.entries()) {
    const isNew = await tell(telling, event);
    const isRepeated = !isNew && index === events.length - 1;
    if (isRepeated || problems.length > 0)
      return { lines, problems, at: event, isNew: !isRepeated, next: [] };
  }
  const next = smallEvents.filter((event) => isRun(event) || story.can(event));
  const at = await comeToRest(telling);
  return { lines, problems, at, isNew: true, next };
}

function isRun(event: SmallEvent): event is Exclude<SmallEvent, Happening> {
  return event === 'run' || event === 'killed run' || event === 'noteless run';
}

/** True when the event changed anything, or the run differed from an undisturbed one. */
async function tell(telling: Telling, event: SmallEvent): Promise<boolean> {
  const { story, lines } = telling;
  if (isRun(event)) {
    lines.push(`${timeOf(telling)} ${eventWords[event]}`);
    const { differs } = await play(telling, event);
    story.pass(betweenEvents);
    return differs;
  }
  if (!story.can(event)) return false;
  lines.push(`${timeOf(telling)} ${eventWords[event]}`);
  story.play(event);
  return true;
}

async function play(telling: Telling, run: Run): Promise<{ outcome: Outcome; differs: boolean }> {
  const { harness, books, orphans } = telling;
  const { faults, ledger } = harness.simulator;
  const cache = cacheOf(harness);
  const is = { killed: false, disturbed: false };
  ledger.clear();
  if (run === 'noteless run') faults.add({ match: ({ call }) => call.startsWith('note'), kind: '500' });
  books.beginRun({ mayWrite: true, policy: 'no-conflict', args: line });
  const outcome = await harness.run(line, {
    before(entry, stop) {
      books.before(entry);
      is.disturbed ||= run === 'noteless run' && entry.call.startsWith('note');
      if (is.killed || !isKill(run, entry)) return;
      is.killed = true;
      // Nothing that the process still does reaches anybody, its cache included.
      faults.add({ match: (one) => one === entry, kind: 'reset-after', times: 1 });
      faults.add({ match: (one) => one !== entry, kind: 'reset-before' });
      keep(cache, telling.spare);
      stop();
    },
    after(entry) {
      books.after(entry);
      if (is.killed) orphans.add([...harness.simulator.world.actions.keys()].at(-1) ?? '');
    },
  });
  faults.clear();
  if (is.killed) keep(telling.spare, cache);
  if (!is.killed) {
    books.endRun(outcome);
    books.problems.push(...leftTriggers(telling, outcome));
  }
  telling.lines.push(...linesOf(telling, outcome, is.killed));
  return { outcome, differs: run === 'run' || run === 'quiet run' || is.killed || is.disturbed };
}

/** A trigger goes with its answer, whatever became of the note: people may act on the machine before the next run. */
function leftTriggers({ story: { host } }: Telling, { report }: Outcome): string[] {
  const results = report?.hosts.map(({ result }) => result) ?? [];
  const answered = [
    ...(results.includes('isolated') ? ['block'] : []),
    ...(results.includes('released') ? ['unblock'] : []),
  ];
  return answered
    .filter((tag) => host.tags.includes(tag))
    .map((tag) => `the request was answered, and the trigger tag ${tag} stays`);
}

function isKill(run: Run, { call }: Entry): boolean {
  return run === 'killed run' && (call === 'isolate' || call === 'unisolate');
}

function cacheOf({ dir }: Harness): string {
  return join(dir, 'cache');
}

/** Makes `to` a copy of `from`. */
function keep(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  if (existsSync(from)) cpSync(from, to, { recursive: true });
  else mkdirSync(to);
  if (readdirSync(to).length === 0) rmSync(to, { recursive: true });
}

/** Everything settles, and three quiet runs follow; returns what came last. */
async function comeToRest(telling: Telling): Promise<string> {
  const { harness, story, books, orphans, lines } = telling;
  lines.push('Then both machines are online, what is open is carried out, and atp runs undisturbed:');
  let last: Outcome | undefined;
  for (let run = 1; run <= quietRuns; run++) {
    last = await playQuietly(telling);
    if (books.problems.length > 0) return `quiet run ${run}`;
  }
  const more = harness.simulator.ledger.writes().map(({ call }) => call);
  if (more.length > 0) books.problems.push(`the third quiet run still writes: ${more.join(', ')}`);
  if (isReleaseUnseen(story, harness)) {
    lines.push('Nobody has seen the release yet, so an analyst asks for context:');
    story.play('enrichment');
    last = await playQuietly(telling);
  }
  if (last) books.problems.push(...untruths(story, harness, { orphans, last }));
  books.judgeEnd();
  return 'the end';
}

async function playQuietly(telling: Telling): Promise<Outcome> {
  const { story, lines } = telling;
  story.settle();
  story.pass(betweenQuietRuns);
  lines.push(`${timeOf(telling)} ${eventWords.run}`);
  const { outcome } = await play(telling, 'quiet run');
  return outcome;
}

function timeOf({ harness }: Telling): string {
  return new Date(harness.clock.now()).toISOString().slice(5, 16).replace('T', ' ');
}

/** What a run did, and what there is after it. */
function linesOf({ harness, story }: Telling, { code, report }: Outcome, killed: boolean): string[] {
  const { world, ledger } = harness.simulator;
  const [home] = story.machines;
  const short = (text: string) =>
    text.replaceAll(/\b[0-9a-f]{40}\b/g, (id) => (id === home.id ? 'HOME' : 'AWAY'));
  const results = report?.hosts.map(({ result, detail }) => `${result} (${detail})`) ?? [];
  const actions = [...world.actions.values()].map(
    ({ type, status, machineId, requestorComment }) =>
      `${type} of ${machineId} ${status}${requestorComment.startsWith('atp ') ? '' : ' (portal)'}`,
  );
  const tags = story.host.tags.filter((tag) => !/^(computerDns|osPl|health|risk|exposure|VIP)/.test(tag));
  const cutOff = story.machines.filter(({ isolated }) => isolated).map(({ id }) => id);
  return [
    `  → ${killed ? 'killed' : `exit ${code}`}: ${results.join('; ') || 'nobody'} [${ledger
      .writes()
      .map(({ call }) => call)
      .join(' ')}]`,
    `    tags ${tags.join(' | ')}`,
    `    actions ${actions.join(', ') || 'none'}; isolated: ${cutOff.join(', ') || 'none'}`,
  ].map(short);
}
