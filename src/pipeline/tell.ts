import type { Case } from '../decide/case.ts';
import { deferred, failed, unchanged, type Consequence } from '../decide/consequences.ts';
import { machineIdOf } from '../decide/resolution.ts';
import { historyTime, isIdTag, isMachineTag, isStatusTag, triggersAmong } from '../decide/tags.ts';
import { isEmptyChange, type WantedTags } from '../decide/tag-change.ts';
import { AppError, AuthError, ExitCode, PostponedError } from '../errors.ts';
import type { Acted } from './act.ts';
import type { RunContext } from './context.ts';
import type { Hand } from './hand.ts';
import { factsOf, updateNote, type NoteOutcome } from './note-writer.ts';
import { endOf, outcomeOf } from './outcome.ts';
import type { HostOutcome } from './report.ts';

/**
 * The second half of the work on a host, in the order that makes its trigger tag the commit: the note, the remaining tags,
 * the trigger tags. Killed anywhere, the next run completes it.
 */
export async function tell(acted: Acted, run: RunContext): Promise<HostOutcome> {
  const { one, hand, met } = acted;
  try {
    if (acted.failure) hand.say(acted.failure);
    else await tellOn(acted, run);
  } catch (error) {
    hand.say(endOf(one, error, run, met?.action));
  }
  return outcomeOf(one, [...acted.events, ...hand.said()], hand.written());
}

async function tellOn(acted: Acted, run: RunContext): Promise<void> {
  const { hand, met } = acted;
  const alerts = await readAlerts(acted.one, run);
  const isUnread = alerts instanceof AppError;
  const one = isUnread ? acted.one : { ...acted.one, alerts };
  const mustNote = met !== undefined || acted.events.some(({ entry }) => entry);
  const noted =
    isUnread && !mustNote
      ? { note: null, events: acted.events, postponed: alerts }
      : await updateNote(one, acted.events, hand.begin, run);
  hand.noteDone(noted.note);
  await settleNote(one, noted, met, run);
  hand.say(...wordsOnNote(noted, one, met));
  if (one.owed && (noted.note === 'updated' || noted.note === 'created'))
    hand.say(unchanged('what its note lacked is written'));
  if (isUnread && noted.postponed === undefined) hand.say(wordsOnAlerts(alerts, one, run));

  const { accepted, ...others } = wantedTags(noted.events, met, hand);
  await hand.change(others);
  // The time comes last: an action that is later than all times is one that a killed run has left.
  await hand.change({ accepted });
  await commit({ ...acted, one }, { isUnread, noted }, run);
}

/** Takes the trigger tags off whose request has its answer, each purpose by itself. */
async function commit(
  acted: Acted,
  { isUnread, noted }: { isUnread: boolean; noted: NoteOutcome },
  run: RunContext,
): Promise<void> {
  const { one, hand, met, events } = acted;
  // A passing failure of the note keeps the trigger of a refusal: it is refused again, and then said.
  const isMet = met?.settles === true && !(met.event === 'refused' && noted.postponed);
  const isEnriched = one.enriches && one.found !== undefined && !isUnread && !noted.postponed;
  const enrichTriggers = one.enriches ? triggersAmong(one.tags, run.triggers.tags) : [];
  const mustConfirm = isMet || (isEnriched && enrichTriggers.length > 0) || events.length > 0;
  const lacks = mustConfirm ? await hand.confirm() : { add: [], remove: [] };
  const lost = [...lacks.add, ...lacks.remove];
  const isKept = !lost.some((tag) => isStatusTag(tag) || historyTime(tag) !== undefined);
  const isWhole = isEmptyChange(lacks);
  if (!isKept || (!isWhole && isEnriched && enrichTriggers.length > 0))
    hand.say(failed('Detect does not keep the tags that were written; the trigger tag stays'));
  else if (lost.length > 0)
    run.log.warn(
      { host: one.host.id, tags: lost },
      'Detect does not keep these tags; the work goes on without them',
    );

  const id = one.found && machineIdOf(one.found);
  // A refusal of this run is no answer to a call of an earlier one.
  const isAnswer = isMet && met.accepted !== undefined && met.event !== 'nothing in force';
  if (isAnswer && isKept && id !== undefined) await run.journal.answered(id);
  const gone = [...(isMet && isKept ? acted.triggers : []), ...(isEnriched && isWhole ? enrichTriggers : [])];
  await hand.change({}, [...new Set(gone)]);
  if (isEnriched && isWhole) hand.say(...enriched(one, hand, run));
}

function enriched(one: Case, hand: Hand, run: RunContext): Consequence[] {
  run.freshness.enriched(one.host.id, run.clock.now());
  const { added, removed, note } = hand.written();
  const isWritten = note === 'created' || note === 'updated' || added.length + removed.length > 0;
  if (!isWritten || !one.found) return [];
  const { found } = one;
  const detail = {
    machine: () => (found.kind === 'machine' ? `enriched, found ${found.how}: ${found.because}` : ''),
    gone: () => 'Defender no longer has the record of its machine',
    none: () => (found.kind === 'none' ? `no machine: ${found.why}` : ''),
    ambiguous: () => (found.kind === 'ambiguous' ? found.why : ''),
  }[found.kind]();
  return [{ ...unchanged(detail), result: 'enriched' }];
}

/** Puts the tags right that Defender's record contradicts, before another machine's `id:` comes. */
export async function putRight(
  one: Case,
  news: readonly Consequence[],
  hand: Hand,
  run: RunContext,
): Promise<void> {
  if (!news.some(({ status }) => status !== undefined)) return;
  const noted = await updateNote({ ...one, enriches: false }, news, hand.begin, run);
  hand.noteDone(noted.note);
  await settleNote(one, noted, undefined, run);
  const { accepted, ...others } = wantedTags(noted.events, undefined, hand);
  await hand.change(others);
  await hand.change({ accepted });
}

/** Remembers the lines that could not be written, before the tags and triggers go that would bring the next run back. */
async function settleNote(
  one: Case,
  { events, postponed }: NoteOutcome,
  met: Consequence | undefined,
  run: RunContext,
): Promise<void> {
  const { host } = one;
  const { journal } = run;
  if (postponed === undefined) {
    await journal.paid(host.id);
    return;
  }
  const entries = events
    .filter(({ event }) => event !== 'refused' || met?.event !== 'refused')
    .flatMap(({ entry }) => entry ?? []);
  if (entries.length > 0) await journal.owe(host.id, { facts: factsOf(one, [], run), entries });
}

function wordsOnNote(
  { postponed, refused }: NoteOutcome,
  { enriches, owed }: Case,
  met: Consequence | undefined,
): Consequence[] {
  // A right that is missing is said, but keeps no trigger.
  if (refused?.exitCode === ExitCode.refused) return [unchanged(refused.message, refused.exitCode)];
  if (postponed === undefined) return [];
  const isRefused = postponed instanceof AuthError;
  const exitCode = isRefused ? ExitCode.refused : ExitCode.incomplete;
  const isAnswered = met?.settles === true && met.event !== 'refused';
  if (isAnswered || (!enriches && !owed)) {
    return [
      unchanged(
        `the note could not be written, so the next run adds its line: ${postponed.message}`,
        exitCode,
      ),
    ];
  }
  return [postponedBy('the note could not be written, so the next run comes back to this host', postponed)];
}

/** The rest of a host's work is left to the next run; where its time or a quota ran out, that is no failure. */
function postponedBy(what: string, why: AppError): Consequence {
  const detail = `${what}: ${why.message}`;
  if (why instanceof PostponedError) return deferred(detail, why.exitCode);
  return failed(detail, why.exitCode === ExitCode.refused ? ExitCode.refused : ExitCode.incomplete);
}

function wordsOnAlerts(why: AppError, { tags }: Case, { triggers }: RunContext): Consequence {
  const isKept = triggersAmong(tags, triggers.tags).length > 0;
  const what = 'its alerts could not be read';
  return postponedBy(isKept ? `${what}, so the next run comes back to this host` : what, why);
}

/**
 * Reads the machine's alerts for the note, after the request: an isolation does not wait for them. The error, where they
 * cannot be read for now.
 */
async function readAlerts({ enriches, alerts, found, host }: Case, run: RunContext) {
  if (!enriches || alerts !== undefined || found?.kind !== 'machine') return alerts;
  try {
    return await run.atp.listAlerts(found.machine.id, { host: host.id, priority: 'enrichment' });
  } catch (error) {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    return error;
  }
}

function wantedTags(events: readonly Consequence[], met: Consequence | undefined, hand: Hand): WantedTags {
  const isUnknown = met?.event === 'machine unknown to Defender';
  return {
    status: events.findLast(({ status }) => status !== undefined)?.status,
    failure: events.findLast(({ failure }) => failure !== undefined)?.failure,
    accepted: events.flatMap(({ accepted }) => accepted ?? []),
    machine: isUnknown ? hand.tags().filter((tag) => isMachineTag(tag) && !isIdTag(tag)) : undefined,
  };
}
