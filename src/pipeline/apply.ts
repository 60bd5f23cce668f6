import type { Host } from '../detect/schema.ts';
import type { Note } from '../detect/client.ts';
import {
  factLines,
  isOwnNote,
  keepMatch,
  parseNote,
  putEntry,
  renderNote,
  sameNote,
  syncEntries,
  timeOfEvent,
  type NoteParts,
} from '../decide/note.ts';
import {
  conflictEffect,
  deferredEffect,
  refusedEffect,
  refusedEntry,
  summarise,
  type Effect,
  type ReportedAction,
} from '../decide/outcome.ts';
import {
  judgeAgain,
  judgeRequest,
  mayIsolate,
  requestContext,
  type Look,
  type RequestPlan,
  type Rules,
} from '../decide/plan.ts';
import type { Decision } from '../decide/request.ts';
import { contextTags, machineIdOf, noteFacts, summariseAlerts } from '../decide/resolution.ts';
import {
  changeTags,
  isEmptyChange,
  isHeld,
  isMachineTag,
  isUnfinished,
  readTags,
  withChange,
  type RequestKind,
  type TagChange,
  type WantedTags,
} from '../decide/tags.ts';
import { ApiError, AppError, AuthError, ConfigError, ExitCode, PostponedError } from '../errors.ts';
import { perform, type Act, type ActEffect } from './act.ts';
import type { RunContext } from './context.ts';
import type { HostOutcome, HostReport } from './report.ts';
import type { SelectedHost } from './select.ts';
import { HostGoneError } from './writer.ts';

/** A host that is ready to be worked on. */
export interface HostWork {
  selected: SelectedHost;
  look: Look;
  /** Machine tags and facts are written, not only the outcome of an action. */
  enrich: boolean;
  /** What is known before anything is asked for: actions followed, a release seen in the record. */
  effects: Effect[];
  notes: Note[];
  /** Its block or unblock request, with the trigger tags that ask for it. */
  request?: { kind: RequestKind; triggers: string[]; plan: RequestPlan } | undefined;
  /** Trigger tags of its enrichment. */
  enrichTriggers: string[];
}

/** The host's tags, and for an isolation the host itself, read right before acting. */
export interface Fresh {
  tags: string[];
  host?: Host | undefined;
}

/** What has been done so far, so that a failure in the middle can still be reported in full. */
interface Progress {
  added: Set<string>;
  removed: Set<string>;
  note: HostReport['note'];
  action: ReportedAction | undefined;
  effects: Effect[];
  explanation: string[];
}

/**
 * Works on one host in the order that makes its trigger tag the commit: the machine's context tags, the action in
 * Defender, the note, the remaining tags, the trigger tags. Killed anywhere, the next run completes it.
 */
export async function applyHost(
  work: HostWork,
  fresh: Fresh,
  rules: Rules,
  run: RunContext,
): Promise<HostOutcome> {
  const progress: Progress = {
    added: new Set(),
    removed: new Set(),
    note: null,
    action: undefined,
    effects: [...work.effects],
    explanation: [],
  };
  try {
    await applySteps(work, fresh, rules, run, progress);
  } catch (error) {
    progress.effects.push(failureEffect(error, run, progress));
  }
  return outcomeOf(work.selected, work.look, progress);
}

async function applySteps(
  work: HostWork,
  fresh: Fresh,
  rules: Rules,
  run: RunContext,
  progress: Progress,
): Promise<void> {
  const hostId = work.selected.host.id;
  const write = trackedWriter(hostId, run, progress);
  const ownNote = oldestOwnNote(work.notes);
  const parts = ownNote ? parseNote(ownNote.note) : { facts: [], entries: [], theirs: '' };
  const plan = work.request && planNow(work, fresh, rules, run.clock.now());
  progress.explanation.push(...(plan?.verdicts.map((verdict) => verdict.why) ?? []));

  let tags = fresh.tags;
  if (work.enrich) {
    tags = await write.change(tags, { machine: machineTagsFor(work.look, tags, plan) });
    // A token that may not write never isolates: where the tags are right already, one of them is put once more.
    if (tags === fresh.tags && work.request?.kind === 'isolate' && mayIsolate(plan)) {
      const add = tags.filter((tag) => readTags([tag]).ids.length > 0);
      await run.writer.changeTags(hostId, { add, remove: [] });
    }
  }

  const requested = plan && (await meetRequest(work, fresh, plan, parts, rules, run));
  if (requested) {
    // What was still open a moment ago is told by what the request came to.
    progress.effects = progress.effects.filter(({ result }) => result !== 'unchanged');
    progress.effects.push(requested);
    progress.action = requested.action;
  }

  const noteStands = await writeNote(work, parts, ownNote, run, progress);
  tags = await write.change(tags, wantedTags(progress.effects, requested, tags));

  const settled = noteStands ? settledTriggers(work, fresh, requested) : [];
  const mustConfirm = settled.length > 0 || progress.effects.length > 0;
  if (mustConfirm && !(await write.confirm())) {
    progress.effects.push(failed('Detect does not keep the tags that were written; the trigger tag stays'));
    return;
  }
  await write.change(tags, {}, settled);
  if (work.enrich) {
    run.freshness.enriched(hostId, run.clock.now());
    const wrote =
      progress.added.size + progress.removed.size > 0 ||
      progress.note === 'created' ||
      progress.note === 'updated';
    if (wrote) progress.effects.push(enrichedEffect(work.look));
  }
}

/** The machine tags that the host shall have; nothing where those it has must stay. */
function machineTagsFor(
  look: Look,
  tags: readonly string[],
  plan: RequestPlan | undefined,
): string[] | undefined {
  const state = readTags(tags);
  const heldByAddress = isHeld(state) && look.corrected === undefined && !isById(look);
  const isActing = plan?.kind === 'go' && plan.decision.kind !== 'defer';
  const machine = contextTags(look.resolution, heldByAddress, isActing);
  // An action stays under the id of the record that it was asked for, also when that is merged: until it has ended, only
  // that id finds it.
  const isAwaited = isUnfinished(state) && !mayIsolate(plan);
  if (!machine || !isAwaited || !isById(look)) return machine;
  const isId = (tag: string) => readTags([tag]).ids.length > 0;
  return [...machine.filter((tag) => !isId(tag)), ...tags.filter(isId)];
}

function isById({ resolution }: Look): boolean {
  return resolution.kind === 'gone' || (resolution.kind === 'machine' && resolution.evidence === 'by id');
}

/** The plan for a request once more, from what was read right before acting; it may only withdraw. */
function planNow(work: HostWork, fresh: Fresh, rules: Rules, now: number): RequestPlan | undefined {
  const { request, look } = work;
  if (!request) return undefined;
  if (request.plan.kind === 'conflict' || request.plan.kind === 'defer') return request.plan;
  const before = readTags(look.tags);
  const after = readTags(fresh.tags);
  if (isHeld(before) !== isHeld(after) || before.ids.join() !== after.ids.join()) {
    const reason = 'the tags of the host changed while the run worked';
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: [] };
  }
  const again =
    request.kind === 'isolate'
      ? judgeAgain({ ...look, tags: fresh.tags }, fresh.host ?? look.host, rules, now)
      : judgeRequest('release', { ...look, tags: fresh.tags }, rules, now);
  const isNew = request.plan.kind === 'refuse' && again.kind === 'go';
  return isNew ? request.plan : again;
}

async function meetRequest(
  work: HostWork,
  fresh: Fresh,
  plan: RequestPlan,
  parts: NoteParts,
  rules: Rules,
  run: RunContext,
): Promise<ActEffect | undefined> {
  const { request, look, selected } = work;
  if (!request) return undefined;
  const now = run.clock.now();
  const trigger = request.triggers[0] ?? '';
  switch (plan.kind) {
    case 'conflict':
      return conflictEffect(`${plan.reason}; remove one of the tags`);
    case 'defer':
      return deferredEffect(plan.reason, plan.exitCode);
    case 'refuse': {
      const time = timeOfEvent(parts.entries, refusedEntry(request.kind, trigger, plan.reason), now);
      return refusedEffect(request.kind, trigger, plan.reason, time);
    }
    case 'go': {
      const record = 'record' in look.record ? [...look.record.record] : [];
      const act: Act = {
        kind: request.kind,
        trigger,
        hostName: selected.host.name ?? '',
        machineId: machineIdOf(look.resolution) ?? '',
        record,
        context: requestContext(request.kind, { ...look, tags: fresh.tags }, rules, now),
        entries: parts.entries,
      };
      const effect = await performOrExplain(act, plan.decision, run);
      look.record = { record };
      return effect;
    }
  }
}

/** A request that Defender refuses, or an outage, ends the request and not the host's enrichment. */
async function performOrExplain(act: Act, decision: Decision, run: RunContext): Promise<ActEffect> {
  try {
    return await perform(act, decision, run);
  } catch (error) {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    const effect = failureEffect(error, run);
    return { ...effect, exitCode: effect.exitCode === ExitCode.done ? ExitCode.incomplete : effect.exitCode };
  }
}

/** Writes the note when it would change; tells whether the trigger tags may go as far as the note is concerned. */
async function writeNote(
  work: HostWork,
  parts: NoteParts,
  ownNote: Note | undefined,
  run: RunContext,
  progress: Progress,
): Promise<boolean> {
  const { look } = work;
  const { resolution } = look;
  const found = factLines(noteFacts(resolution, alertSummary(look, run), run.settings.portal));
  const wasMatched = resolution.kind === 'machine' && resolution.evidence === 'by id';
  const current = wasMatched ? keepMatch(found, parts.facts, resolution.machine.id) : found;
  const facts = work.enrich ? current : parts.facts;
  let entries = syncEntries(parts.entries, 'record' in look.record ? look.record.record : []);
  for (const { entry, action } of progress.effects) {
    if (entry) entries = putEntry(entries, entry);
    else if (action) entries = syncEntries(entries, [action]);
  }
  if (facts.length === 0 && entries.length === 0) return true;

  const text = renderNote({ facts, entries, theirs: parts.theirs });
  const log = { host: work.selected.host.id };
  if (text === undefined) {
    run.log.warn(
      log,
      'the note was not written: with what people wrote below it, it is longer than Detect allows',
    );
    return true;
  }
  if (ownNote && sameNote(ownNote.note, text)) {
    progress.note = 'unchanged';
    return true;
  }
  try {
    await run.writer.writeNote(work.selected.host.id, ownNote?.id, text);
    progress.note = ownNote ? 'updated' : 'created';
    return true;
  } catch (error) {
    if (error instanceof AuthError || isRefusal(error)) {
      run.log.warn({ ...log, reason: error.message }, 'Detect refused the note; the work goes on without it');
      if (error instanceof AuthError)
        progress.effects.push({ ...failed(error.message), exitCode: error.exitCode, settles: true });
      return true;
    }
    if (!(error instanceof ApiError)) throw error;
    progress.effects.push(
      failed(`the note could not be written, so the trigger tag stays: ${error.message}`),
    );
    return false;
  }
}

function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && [400, 413, 414, 422].includes(error.status ?? 0);
}

function alertSummary(look: Look, run: RunContext) {
  if (look.alerts === undefined || look.alerts === 'unknown') return look.alerts;
  return summariseAlerts(look.alerts, run.clock.now());
}

/** The oldest of the program's own notes; should there be several, the others are left alone. */
export function oldestOwnNote(notes: readonly Note[]): Note | undefined {
  const age = (note: Note) => note.createdAt ?? Infinity;
  return notes
    .filter((note) => isOwnNote(note.note))
    .sort((one, other) => age(one) - age(other) || one.id - other.id)[0];
}

function wantedTags(
  effects: readonly Effect[],
  requested: ActEffect | undefined,
  tags: readonly string[],
): WantedTags {
  return {
    slot: effects.findLast((effect) => effect.slot)?.slot,
    failure: effects.findLast((effect) => effect.failure)?.failure,
    history: effects.flatMap((effect) => effect.history ?? []),
    machine: requested?.machineUnknown
      ? tags.filter((tag) => isMachineTag(tag) && readTags([tag]).ids.length === 0)
      : undefined,
  };
}

/** The trigger tags whose request has its answer, each purpose by itself. */
function settledTriggers(
  { request, enrichTriggers }: HostWork,
  fresh: Fresh,
  requested: ActEffect | undefined,
): string[] {
  const settled = [...enrichTriggers, ...(requested?.settles ? (request?.triggers ?? []) : [])];
  return fresh.tags.filter((tag) => settled.includes(tag));
}

function trackedWriter(hostId: number, run: RunContext, progress: Progress) {
  const all: TagChange = { add: [], remove: [] };
  return {
    /** Makes the host's own tags what is wanted, and returns its tags thereafter. */
    async change(tags: string[], wanted: WantedTags, triggers: string[] = []): Promise<string[]> {
      const change = changeTags(tags, wanted);
      change.remove.push(...triggers);
      if (isEmptyChange(change)) return tags;
      await run.writer.changeTags(hostId, change);
      for (const tag of change.add) progress.added.add(tag);
      for (const tag of change.remove) progress.removed.add(tag);
      all.add = [...all.add.filter((tag) => !change.remove.includes(tag)), ...change.add];
      all.remove = [...all.remove.filter((tag) => !change.add.includes(tag)), ...change.remove];
      return withChange(tags, change);
    },
    async confirm(): Promise<boolean> {
      return isEmptyChange(all) || (await run.writer.confirmTags(hostId, all));
    },
  };
}

function failed(detail: string): Effect {
  return { result: 'failed', detail, exitCode: ExitCode.incomplete, settles: false };
}

function enrichedEffect({ resolution }: Look): Effect {
  const detail = {
    machine: resolution.kind === 'machine' ? `enriched, found ${resolution.how}` : '',
    gone: 'Defender no longer has the record of its machine',
    none: resolution.kind === 'none' ? `no machine: ${resolution.why}` : '',
    ambiguous: resolution.kind === 'ambiguous' ? resolution.why : '',
  }[resolution.kind];
  return { result: 'enriched', detail, exitCode: ExitCode.done, settles: true };
}

/** A service that asks for more patience than this leaves the hosts concerned to the next run. */
const longestPauseMs = 60_000;

/** What an error means for the host on which it happened. */
export function failureEffect(
  error: unknown,
  run: Pick<RunContext, 'log' | 'stop'>,
  progress?: Pick<Progress, 'action'>,
): Effect {
  const done = progress?.action
    ? `; before that, ${progress.action.type} ${progress.action.id ?? ''} (${progress.action.status}) was accepted`
    : '';
  if (run.stop.aborted) return deferredEffect(`interrupted; the next run goes on with this host${done}`);
  if (error instanceof PostponedError) return deferredEffect(`${error.message}${done}`, error.exitCode);
  if (error instanceof AuthError || error instanceof ConfigError) {
    return {
      ...failed(`${error.message}${error.hint ? ` (${error.hint})` : ''}${done}`),
      exitCode: error.exitCode,
    };
  }
  if (error instanceof ApiError && (error.retryAfterMs ?? 0) > longestPauseMs) {
    const wait = `the service asks to wait for ${Math.ceil((error.retryAfterMs ?? 0) / 60_000)} minutes`;
    return deferredEffect(`${error.message}; ${wait}${done}`);
  }
  if (error instanceof HostGoneError || error instanceof ApiError) return failed(`${error.message}${done}`);
  if (error instanceof AppError)
    return { ...deferredEffect(`${error.message}${done}`), exitCode: ExitCode.incomplete };
  run.log.error({ err: error }, 'a bug in atp: please report it with this stack');
  return { ...failed(`a bug in atp stopped the work on this host${done}`), exitCode: ExitCode.bug };
}

function outcomeOf({ host, reasons }: SelectedHost, look: Look | undefined, progress: Progress): HostOutcome {
  const { result, detail, exitCodes } = summarise(progress.effects);
  const action = progress.action ?? progress.effects.findLast((effect) => effect.action)?.action;
  return {
    report: {
      id: host.id,
      name: host.name ?? null,
      reasons,
      machine: look ? machineOf(look) : null,
      action: action ?? null,
      tags: { added: [...progress.added], removed: [...progress.removed] },
      note: progress.note,
      result,
      detail: detail || 'nothing changed',
    },
    exitCodes,
    explanation: [
      ...(look?.resolution.kind === 'machine' ? [`matched: ${look.resolution.claim}`] : []),
      ...progress.explanation,
    ],
  };
}

function machineOf({ resolution }: Look): HostReport['machine'] {
  if (resolution.kind === 'gone')
    return { id: resolution.machineId, computerDnsName: null, evidence: 'by id' };
  if (resolution.kind !== 'machine') return null;
  const { machine, evidence } = resolution;
  return { id: machine.id, computerDnsName: machine.computerDnsName ?? null, evidence };
}

/** The outcome of a host on which nothing was begun. */
export function outcomeWithout(selected: SelectedHost, effects: Effect[]): HostOutcome {
  const progress: Progress = {
    added: new Set(),
    removed: new Set(),
    note: null,
    action: undefined,
    effects,
    explanation: [],
  };
  return outcomeOf(selected, undefined, progress);
}
