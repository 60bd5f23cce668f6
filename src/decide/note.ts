import { kinds, type RequestKind } from './kinds.ts';
import { isEndStatus, minuteOf, minuteText } from './tags.ts';

/** First line of the program's own note, by which it is found again. */
export const noteTitle = '## Microsoft Defender for Endpoint (atp)';
/** Last line of the program's own part; what people add below it stays. */
export const noteEnd = '_Kept up to date by atp. Add your own text below this line._';
/** Longest note that Detect is known to take: Vectra's connectors cut at this length. */
export const maxNoteLength = 8_000;

const keptEntries = 10;
const actionsTitle = '**Actions**';
const waitingStart = '- Waiting: ';
/** Its `&` tells whether this Detect hands notes out HTML-escaped, as it does on old API versions: every note has the line. */
const alertsLabel = 'Alerts & severity';
const alertsStart = `- **${alertsLabel}:** `;
const alertsLineForm = /^- \*\*Alerts (&|&amp;) severity:\*\* /mu;
const factLabels = ['Machine', 'Matched', alertsLabel, 'Portal'] as const;
const entryForm = /^- (\d{4}-\d{2}-\d{2} \d{2}:\d{2}) UTC: (.*)$/su;
/** How a line about an action ends: its state, when an isolation ends by itself, its id. */
const actionForm =
  /: ([A-Za-z]+)(?: until (\d{4}-\d{2}-\d{2} \d{2}:\d{2}) UTC)?, action ([0-9A-Za-z-]{1,64})$/u;
/** Longer than any such end: only so much of a line is looked at. */
const longestActionEnd = 180;
/** Likewise of how a line about what is waited for begins: a trigger tag has a hundred characters at most. */
const longestWaitingStart = 300;
const endForm = /^_Kept up to date by atp\. Add your own text below this line\._/mu;
const sameEventMs = 3_600_000;

/** One line of the note about an action or a refusal. */
export interface NoteEntry {
  /** Milliseconds UTC, whole minutes. */
  time: number;
  what: string;
  /** The machine action and its state, where there is one. */
  action?: NoteAction | undefined;
}

export interface NoteAction {
  id: string;
  status: string;
  /** When Defender lifts an isolation by itself, as the history tags print a time. */
  until?: string | undefined;
}

/** What an enrichment found; one line each. */
export interface NoteFacts {
  machine: string;
  matched?: string | undefined;
  alerts?: string | undefined;
  portal?: string | undefined;
}

/** The program's note, taken apart. */
export interface NoteParts {
  /** The lines about the machine, as they stand in the note. */
  facts: readonly string[];
  /** What a person has to do before a request can be met. */
  waiting?: string | undefined;
  /** Newest first. */
  entries: readonly NoteEntry[];
  /** What people wrote: everything behind the last line of the program's part, to the letter. */
  theirs: string;
}

/** A text from elsewhere as a code span: it cannot become a link, a heading or a line of its own. */
export function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll(/\s+/gu, ' ')}\``;
}

/** Tells whether a note is the program's own. */
export function isOwnNote(text: string): boolean {
  return text.trimStart().split(/\r?\n/u, 1)[0]?.trim() === noteTitle;
}

/** Takes an own note apart; a line of the own part that the program does not know is taken for somebody's text. */
export function parseNote(text: string): NoteParts {
  const plain = unescapeIfEscaped(text);
  const end = endForm.exec(plain);
  const below = end ? plain.slice(end.index + end[0].length) : '';
  const ownLines = (end ? plain.slice(0, end.index) : plain).trim().split(/\r?\n/u).slice(1);
  const isFact = (line: string) => factLabels.some((label) => line.startsWith(`- **${label}:** `));
  const isKnown = (line: string) =>
    isFact(line) || line.startsWith(waitingStart) || line === actionsTitle || parseEntry(line) !== undefined;
  const strangers = ownLines.filter((line) => line.trim() !== '' && !isKnown(line.trimEnd()));
  return {
    facts: ownLines.filter(isFact),
    waiting: ownLines.find((line) => line.startsWith(waitingStart))?.slice(waitingStart.length),
    entries: ownLines.flatMap((line) => parseEntry(line) ?? []),
    theirs: (strangers.length > 0 ? `\n\n${strangers.join('\n')}` : '') + below,
  };
}

function parseEntry(line: string): NoteEntry | undefined {
  const [, minute, text] = entryForm.exec(line) ?? [];
  if (minute === undefined || text === undefined) return undefined;
  const time = Date.parse(`${minute.replace(' ', 'T')}:00Z`);
  if (Number.isNaN(time)) return undefined;
  const end = text.slice(-longestActionEnd);
  const [tail = '', status, until, id] = actionForm.exec(end) ?? [];
  if (status === undefined || id === undefined) return { time, what: text };
  const what = text.slice(0, text.length - tail.length);
  return { time, what, action: until === undefined ? { id, status } : { id, status, until } };
}

/** Words that end like a line about an action would be read as one. */
function unlikeAnAction(what: string): string {
  const tail = actionForm.exec(what.slice(-longestActionEnd))?.[0];
  return tail === undefined ? what : `${what.slice(0, what.length - tail.length)} ${tail.slice(2)}`;
}

function unescapeIfEscaped(text: string): string {
  // The first such line is the program's; what people quote below it tells nothing.
  const isEscaped = alertsLineForm.exec(text)?.[1] === '&amp;';
  if (!isEscaped) return text;
  const characters: Record<string, string> = {
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    '#39': "'",
    '#x27': "'",
  };
  return text.replaceAll(
    /&(amp|lt|gt|quot|#39|#x27);/gu,
    (entity, name: string) => characters[name] ?? entity,
  );
}

/** The waiting line of a request; tags and Defender's words stand in it as code. */
export function waitingLine(kind: RequestKind, trigger: string, what: string): string {
  return `${kinds[kind].noun} for tag ${code(trigger)}: ${what}`;
}

/** Tells whether the request of a waiting line may still be on a host with these tags. */
export function isStillAsked(waiting: string, tags: readonly string[]): boolean {
  const start = waiting.slice(0, longestWaitingStart);
  return tags.some((tag) => start.includes(` for tag ${code(tag)}: `));
}

/** The lines about a machine as the note shows them. */
export function factLines(facts: NoteFacts): string[] {
  const values = [facts.machine, facts.matched, facts.alerts ?? 'not asked', facts.portal];
  return factLabels.flatMap((label, index) => {
    const value = values[index];
    return value === undefined ? [] : [`- **${label}:** ${value}`];
  });
}

/**
 * Puts the words on how a machine was matched in place of new ones, where the note is about that machine already: what
 * its `id:` tag leads to was matched in an earlier run.
 */
export function keepMatch(lines: readonly string[], earlier: readonly string[], machineId: string): string[] {
  const [machine, matched] = ([0, 1] as const).map((index) =>
    earlier.find((line) => line.startsWith(`- **${factLabels[index]}:** `)),
  );
  if (matched === undefined || !machine?.includes(`, id ${machineId},`)) return [...lines];
  return lines.map((line) => (line.startsWith(`- **${factLabels[1]}:** `) ? matched : line));
}

/**
 * Puts an entry among the others: an action keeps its one line and gets its new state; an event that an
 * interrupted run has already noted within the hour is not noted twice.
 */
export function putEntry(entries: readonly NoteEntry[], entry: NoteEntry): NoteEntry[] {
  const { action } = entry;
  const known = action ? entries.find((other) => other.action?.id === action.id) : sameEvent(entries, entry);
  if (!known) return [{ ...entry, what: unlikeAnAction(entry.what), time: minuteOf(entry.time) }, ...entries];
  return entries.map((other) => (other === known && action ? { ...other, action } : other));
}

/** The entry of an event that was noted within the last hour, where no action was asked for since. */
function sameEvent(
  entries: readonly NoteEntry[],
  event: Pick<NoteEntry, 'time' | 'what'>,
): NoteEntry | undefined {
  const what = unlikeAnAction(event.what);
  const lastAction = entries.reduce(
    (last, { action, time }) => (action ? Math.max(last, time) : last),
    -Infinity,
  );
  return entries.find(
    (noted) =>
      noted.action === undefined &&
      noted.what === what &&
      Math.abs(event.time - noted.time) < sameEventMs &&
      lastAction <= noted.time,
  );
}

/** The time at which an event was noted, if a run that was interrupted within the last hour has noted it; else `now`. */
export function timeOfEvent(entries: readonly NoteEntry[], what: string, now: number): number {
  return sameEvent(entries, { time: now, what })?.time ?? now;
}

/** Gives every action among the entries the state that Defender records for it. */
export function syncEntries(entries: readonly NoteEntry[], record: readonly NoteAction[]): NoteEntry[] {
  const states = new Map(record.map((action) => [action.id, action]));
  return entries.map((entry) => {
    const action = states.get(entry.action?.id ?? '');
    return action ? { ...entry, action } : entry;
  });
}

/** Ids of the actions whose end is told. */
export function endsToldIn(entries: readonly NoteEntry[]): string[] {
  return entries.flatMap(({ action }) => (action && isEndStatus(action.status) ? action.id : []));
}

/** The note's text, with the oldest entries left out where it would grow too long; nothing when even that is too long. */
export function renderNote(parts: NoteParts): string | undefined {
  const entries = [...parts.entries].sort((one, other) => other.time - one.time).slice(0, keptEntries);
  const isAsked = parts.facts.some((line) => line.startsWith(alertsStart));
  const facts = isAsked ? parts.facts : [...parts.facts, `${alertsStart}not asked`];
  for (let kept = entries.length; kept >= 0; kept--) {
    const waiting = parts.waiting === undefined ? [] : [`${waitingStart}${parts.waiting}`];
    const lines = [...waiting, ...entries.slice(0, kept).map(entryLine)];
    const text = [
      noteTitle,
      '',
      ...facts,
      ...(lines.length > 0 ? ['', actionsTitle, '', ...lines] : []),
      '',
      `${noteEnd}${parts.theirs}`,
    ].join('\n');
    if (text.length <= maxNoteLength) return text;
  }
  return undefined;
}

function entryLine({ time, what, action }: NoteEntry): string {
  return `- ${minuteText(time)} UTC: ${what}${action ? actionEnd(action) : ''}`;
}

function actionEnd({ id, status, until }: NoteAction): string {
  // What was never in force ends at no time.
  const isRunning = until !== undefined && (status === 'Succeeded' || !isEndStatus(status));
  return `: ${status}${isRunning ? ` until ${until} UTC` : ''}, action ${id}`;
}

/** Tells whether two texts of a note are the same, whatever Detect does to line ends, blanks at the end and HTML characters. */
export function sameNote(one: string, other: string): boolean {
  const plain = (text: string) => unescapeIfEscaped(text).replaceAll('\r\n', '\n').trim();
  return plain(one) === plain(other);
}
