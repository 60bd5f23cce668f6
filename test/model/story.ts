import * as fc from 'fast-check';
import { createHarness, type Harness, type Outcome } from '../harness.ts';
import { createBooks, type Books } from './books.ts';
import { createCast, type Cast } from './cast.ts';
import { never } from './oracle.ts';
import {
  deviceNames,
  hostNames,
  settingArb,
  stepArb,
  type Setting,
  type Step,
  type Trouble,
} from './steps.ts';
import { sentence } from './words.ts';

type Run = Extract<Step, { do: 'run' }>;

const lines = {
  all: ['--tag', 'host_context', '--tc', '75', '75', '--blocktag', 'block', '--unblocktag', 'unblock'],
  'without --tag': ['--blocktag', 'block', '--unblocktag', 'unblock'],
  'only --blocktag': ['--blocktag', 'block'],
  'only --unblocktag': ['--unblocktag', 'unblock'],
  'only --tag': ['--tag', 'host_context'],
} satisfies Record<Run['flags'], string[]>;

const quietRun: Run = { do: 'run', flags: 'all', trouble: undefined, meanwhile: undefined };
/** What an undisturbed run may say once: how an action or an isolation ended, and what Defender does not know. */
const toldOnce = /ended in|lifted by Defender|Defender knows no such action/;
/** Runs in which everything must have come to rest: every open action has ended, and every delay is over. */
const runsToRest = 6;

/** Everything that is needed to tell and to judge a story. */
interface Telling {
  harness: Harness;
  cast: Cast;
  books: Books;
  setting: Setting;
  /** Every call for notes fails. */
  isNoteless: boolean;
  /** The story so far, line by line. */
  told: string[];
}

/** Tells a story against the program; rejects with the whole story at the first thing that must not be. */
export async function tellStory(setting: Setting, steps: readonly Step[]): Promise<string[]> {
  const harness = await createHarness({
    actionDelayMs: setting.actionDelay * 1_000,
    duplicateAction: setting.duplicateAction,
    bulkAnswer: setting.bulkAnswer,
    htmlEscapeNotes: setting.htmlEscapeNotes,
    liftRecord: setting.liftRecord,
    releaseOfFree: setting.releaseOfFree,
    config: { isolation: { match: setting.match, maxPerRun: setting.maxPerRun, never } },
  });
  try {
    const books = createBooks(harness);
    const cast = createCast(harness, books.witness, setting);
    const told = [`Given ${JSON.stringify(setting)}`];
    const telling: Telling = { harness, cast, books, setting, isNoteless: false, told };
    for (const step of steps) {
      telling.told.push(`${timeOf(harness)} ${sentence(step)}`);
      if (step.do === 'run') await play(telling, step);
      else if (step.do === 'notes') telling.isNoteless = step.fail;
      else cast.play(step);
      assertNothingWrong(telling);
    }
    await comeToRest(telling);
    return telling.told;
  } finally {
    await harness.close();
  }
}

function timeOf({ clock }: Harness): string {
  return new Date(clock.now()).toISOString().slice(5, 19).replace('T', ' ');
}

function assertNothingWrong({ books, told, cast }: Telling): void {
  if (books.problems.length === 0) return;
  const state = hostNames.map((name) => `${name}: ${JSON.stringify(cast.host(name)?.tags)}`);
  throw new Error(
    ['The story:', ...told, 'ends with:', ...books.problems, 'The tags are:', ...state].join('\n  '),
  );
}

async function play(telling: Telling, step: Run): Promise<Outcome> {
  const { harness, cast, books, setting, told } = telling;
  const { simulator } = harness;
  const { trouble, meanwhile } = step;
  let requests = 0;

  if (trouble?.kind === 'may not write to Detect') simulator.settings.detectRights = 'read-only';
  const args = lines[step.flags];
  const mayWrite = simulator.settings.detectRights === 'full';
  books.beginRun({ mayWrite, policy: setting.match, args });
  if (telling.isNoteless) {
    simulator.faults.add({ match: ({ call }) => call.startsWith('note'), kind: '500' });
  }
  addFaults(harness, trouble, () => requests);
  const outcome = await harness.run(args, {
    before(entry, stop) {
      requests += 1;
      if (meanwhile?.at === requests) cast.play(meanwhile.what);
      if (trouble?.kind === 'told to stop' && trouble.at === requests) stop();
      books.before(entry);
    },
    after: books.after,
  });
  simulator.faults.clear();
  simulator.settings.detectRights = 'full';
  books.endRun(outcome);
  const results = outcome.report?.hosts.map(
    ({ id, result, detail }) => `${cast.hostName(id) ?? '?'} ${result} (${detail})`,
  );
  told.push(`      → ${requests} requests, exit ${outcome.code}; ${results?.join('; ') ?? 'no report'}`);
  return outcome;
}

function addFaults({ simulator }: Harness, trouble: Trouble | undefined, count: () => number): void {
  const { faults } = simulator;
  switch (trouble?.kind) {
    case 'one request':
      faults.add({ match: () => count() === trouble.at, kind: trouble.fault, times: 1 });
      return;
    case 'one call':
      faults.add({ match: ({ call }) => call === trouble.call, kind: trouble.fault });
      return;
    case 'cut off':
      // Whatever the program still does, nothing of it reaches anybody: as if it had been killed.
      if (trouble.carriedOut) {
        faults.add({ match: () => count() === trouble.at, kind: 'reset-after', times: 1 });
      }
      faults.add({ match: () => count() >= trouble.at, kind: 'reset-before' });
      return;
    default:
      return;
  }
}

/** Everything settles: then the tags tell the truth, requests have their answers, and a further run writes nothing. */
async function comeToRest(telling: Telling): Promise<void> {
  const { harness, cast, books, told } = telling;
  const { world, settings, ledger } = harness.simulator;
  settings.actionIndexLagMs = 0;
  telling.isNoteless = false;
  for (const host of hostNames) cast.play({ do: 'index', host, follows: true });
  told.push('Then everybody is online, every action is carried out, and atp runs undisturbed:');

  let isAtRest = false;
  for (let run = 1; run <= runsToRest && !isAtRest; run++) {
    for (const device of deviceNames) cast.play({ do: 'power', device, online: true });
    world.settleActions();
    // What was asked of records that no device has any more.
    for (const { id, status } of world.actions.values()) {
      if (status === 'Pending' || status === 'InProgress') world.advanceAction(id, 'TimeOut');
    }
    cast.play({ do: 'wait', minutes: 120 });
    world.settleActions();
    ledger.clear();
    telling.told.push(`${timeOf(harness)} ${sentence(quietRun)}`);
    const { report, code } = await play(telling, quietRun);
    isAtRest = ledger.writes().length === 0;
    if (![0, 1, 3].includes(code)) books.problems.push(`an undisturbed run ends with ${code}`);
    for (const { id, result, detail } of report?.hosts ?? []) {
      if (result === 'failed' && !toldOnce.test(detail)) {
        books.problems.push(`an undisturbed run fails for ${cast.hostName(id) ?? '?'}: ${detail}`);
      }
    }
    assertNothingWrong(telling);
    if (!isAtRest) continue;
    for (const { id, result, detail } of report?.hosts ?? []) {
      const isPatient = detail.includes('maxPerRun');
      if (result === 'conflict' || (result === 'deferred' && isPatient)) continue;
      books.problems.push(`at rest, ${cast.hostName(id) ?? '?'} is still ${result}: ${detail}`);
    }
  }
  if (!isAtRest) books.problems.push(`run ${runsToRest} still writes`);
  judgeTruth(telling);
  books.judgeEnd();
  assertNothingWrong(telling);
}

/** No tag speaks of an action as unfinished, and each status is that of the action of its minute. */
function judgeTruth({ harness, books }: Telling): void {
  const { world } = harness.simulator;
  for (const host of world.hosts.values()) {
    const slots = host.tags.filter((tag) => /^(isolation|release): [A-Za-z]+$/.test(tag));
    if (slots.length > 1) books.problems.push(`at rest, host ${host.id} has ${slots.join(' and ')}`);
    // In a conflict the end of an action waits for the request whose trigger is still on the host.
    if (host.tags.some((tag) => /^(un)?block$/i.test(tag))) continue;
    for (const slot of slots) {
      const [, kind, status] = /^(\w+): (\w+)$/.exec(slot) ?? [];
      if (status === 'Pending' || status === 'InProgress') {
        books.problems.push(`at rest, host ${host.id} still has ${slot}`);
      }
      const type = kind === 'isolation' ? 'Isolate' : 'Unisolate';
      const isKnown = [...world.actions.values()].some(
        (action) => action.type === type && action.status === status,
      );
      if (!isKnown) books.problems.push(`host ${host.id} has ${slot}, and no such action exists`);
    }
  }
}

/** Stories of up to so many steps. */
function storyArb(longest: number): fc.Arbitrary<[Setting, Step[]]> {
  return fc.tuple(settingArb, fc.array(stepArb, { minLength: 1, maxLength: longest, size: 'max' }));
}

/** Tells so many stories and returns how many went well; rejects with the shortest one that goes wrong, and with what tells it again. */
export async function tellStories(options: {
  count: number;
  seed: number;
  longest: number;
  /** Told every story that went well. */
  onStory?: (told: readonly string[]) => void;
}): Promise<number> {
  let stories = 0;
  const property = fc.asyncProperty(storyArb(options.longest), async ([setting, steps]) => {
    const told = await tellStory(setting, steps);
    stories += 1;
    options.onStory?.(told);
  });
  const details = await fc.check(property, {
    numRuns: options.count,
    seed: options.seed,
    endOnFailure: false,
    interruptAfterTimeLimit: 1_200_000,
    markInterruptAsFailure: false,
  });
  if (!details.failed) return stories;
  const error = details.errorInstance instanceof Error ? details.errorInstance.message : 'unknown';
  const again = `tellStory(${details.counterexample?.[0].map((part: unknown) => JSON.stringify(part)).join(', ') ?? ''})`;
  throw new Error(
    `${error}\n\nFound with seed ${details.seed} after ${details.numRuns} stories and ${details.numShrinks} steps of shrinking; again with:\n${again}`,
  );
}
