import { conflictEffect, deferredEffect, refusedEffect, type Effect } from '../decide/outcome.ts';
import {
  judgeAgain,
  judgeRequest,
  mayIsolate,
  requestContext,
  type Look,
  type RequestPlan,
  type Rules,
} from '../decide/plan.ts';
import { contextTags, machineIdOf } from '../decide/resolution.ts';
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
import type { Host } from '../detect/schema.ts';
import { AppError, AuthError, ExitCode, PostponedError } from '../errors.ts';
import { perform, type Act, type ActEffect } from './act.ts';
import type { RunContext } from './context.ts';
import { updateNote } from './note-writer.ts';
import { failedEffect, failureEffect, outcomeOf, startProgress, type HostProgress } from './outcomes.ts';
import type { HostOutcome } from './report.ts';
import type { SelectedHost } from './select.ts';

/** A host that is ready to be worked on. */
export interface HostWork {
  selected: SelectedHost;
  look: Look;
  /** Machine tags and facts are written, not only the outcome of an action. */
  enrich: boolean;
  /** What is known before anything is asked for: actions followed, a release seen in the record. */
  effects: Effect[];
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

/**
 * Works on one host in the order that makes its trigger tag the commit: the machine's context tags, the action in
 * Defender, the note, the remaining tags, the trigger tags. Killed anywhere, the next run completes it.
 * @param onActed called when nothing more is to be asked of the machine
 */
export async function applyHost(
  work: HostWork,
  fresh: Fresh,
  rules: Rules,
  run: RunContext,
  onActed: () => void = () => undefined,
): Promise<HostOutcome> {
  const progress = startProgress(work.effects);
  try {
    await applySteps(work, fresh, rules, run, progress, onActed);
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
  progress: HostProgress,
  onActed: () => void,
): Promise<void> {
  const { look, enrich, request } = work;
  const hostId = work.selected.host.id;
  const write = trackedWriter(hostId, run, progress);
  const plan = request && planNow(request, look, fresh, rules, run.clock.now());
  progress.explanation.push(...(plan?.verdicts.map((verdict) => verdict.why) ?? []));

  let tags = fresh.tags;
  if (enrich && look.corrected && look.resolution.kind === 'machine') {
    // Before another machine's id: a tag that still says isolated would hold the host for that machine.
    const early = await updateNote(hostId, look, false, progress.effects, run);
    progress.note = early.note;
    // Once the tag is corrected, no run looks for the release again. A request does not wait for that line of the note.
    if (early.postponed && (!request || early.postponed instanceof AuthError)) {
      progress.effects.push(postponedEffect(`the note could not be written, ${comesBack}`, early.postponed));
      return;
    }
    const { slot, failure } = wantedTags(progress.effects, undefined, tags);
    tags = await write.change(tags, { slot, failure });
  }
  if (enrich) {
    tags = await write.change(tags, { machine: machineTagsFor(look, tags, plan) });
    // A token that may not write never isolates: where the tags are right already, one of them is put once more.
    if (tags === fresh.tags && request?.kind === 'isolate' && mayIsolate(plan)) {
      const add = tags.filter((tag) => readTags([tag]).ids.length > 0);
      await run.writer.changeTags(hostId, { add, remove: [] });
    }
  }

  const requested = plan && (await meetRequest(work, fresh, plan, rules, run));
  if (requested) {
    // What was still open a moment ago is told by what the request came to.
    progress.effects = progress.effects.filter(({ result }) => result !== 'unchanged');
    progress.effects.push(requested);
    progress.action = requested.action;
  }
  onActed();

  const unread = enrich ? await readAlerts(look, run) : undefined;
  // A request that has its answer does not wait for alerts: acted on again, it could undo what people did since.
  const noted =
    unread === undefined || requested
      ? await updateNote(hostId, look, enrich, progress.effects, run)
      : { note: null, postponed: unread };
  const isWritten =
    progress.note === 'created' || (progress.note === 'updated' && noted.note === 'unchanged');
  if (!isWritten) progress.note = noted.note;
  // Without a request it is the status tag that brings the next run back to this host: it waits for the note.
  if (requested || noted.postponed === undefined) {
    const { history, ...others } = wantedTags(progress.effects, requested, tags);
    tags = await write.change(tags, others);
    // The time comes last: an action that is later than all times is one that a killed run has left.
    tags = await write.change(tags, { history });
  }
  if (noted.postponed !== undefined) {
    progress.effects.push(postponedEffect(`the note could not be written, ${comesBack}`, noted.postponed));
    return;
  }
  if (unread !== undefined) {
    const isKept = work.enrichTriggers.length > 0;
    const what = isKept ? `its alerts could not be read, ${comesBack}` : 'its alerts could not be read';
    progress.effects.push(postponedEffect(what, unread));
  }
  // A right that is missing is said, but does not keep the trigger.
  if (noted.refused?.exitCode === ExitCode.refused) {
    progress.effects.push(failedEffect(noted.refused.message, noted.refused.exitCode));
  }

  const settled = settledTriggers(
    unread === undefined ? work : { ...work, enrichTriggers: [] },
    fresh,
    requested,
  );
  const mustConfirm = settled.length > 0 || progress.effects.length > 0;
  if (mustConfirm && !(await write.confirm())) {
    progress.effects.push(
      failedEffect('Detect does not keep the tags that were written; the trigger tag stays'),
    );
    return;
  }
  await write.change(tags, {}, settled);
  if (enrich && unread === undefined) finishEnrichment(work, run, progress);
}

const comesBack = 'so the next run comes back to this host';

/** The rest of a host's work is left to the next run; where its time or a quota ran out, that is no failure. */
function postponedEffect(what: string, why: AppError): Effect {
  const detail = `${what}: ${why.message}`;
  if (why instanceof PostponedError) return deferredEffect(detail, why.exitCode);
  return failedEffect(detail, why.exitCode === ExitCode.refused ? ExitCode.refused : ExitCode.incomplete);
}

function finishEnrichment({ selected, look }: HostWork, run: RunContext, progress: HostProgress): void {
  run.freshness.enriched(selected.host.id, run.clock.now());
  const wroteNote = progress.note === 'created' || progress.note === 'updated';
  if (wroteNote || progress.added.size + progress.removed.size > 0)
    progress.effects.push(enrichedEffect(look));
}

/**
 * Reads the machine's alerts for the note, after the request: an isolation does not wait for them. What keeps them from
 * being read for now, if anything: the note is then left to the next run.
 */
async function readAlerts(look: Look, run: RunContext): Promise<AppError | undefined> {
  if (look.alerts !== undefined || look.resolution.kind !== 'machine') return undefined;
  try {
    look.alerts = await run.atp.listAlerts(look.resolution.machine.id, {
      host: look.host.id,
      priority: 'enrichment',
    });
    return undefined;
  } catch (error) {
    if (run.stop.aborted || !(error instanceof AppError)) throw error;
    return error;
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

/** Tells whether a host's machine was found by the id in its tag. */
export function isById({ resolution }: Look): boolean {
  return resolution.kind === 'gone' || (resolution.kind === 'machine' && resolution.evidence === 'by id');
}

/** The plan for a request once more, from what was read right before acting; it may only withdraw. */
function planNow(
  request: { kind: RequestKind; plan: RequestPlan },
  look: Look,
  fresh: Fresh,
  rules: Rules,
  now: number,
): RequestPlan {
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
  // An isolation that was not planned was not counted against `maxPerRun`.
  if (
    request.kind === 'isolate' &&
    mayIsolate(again) &&
    request.plan.kind === 'go' &&
    !mayIsolate(request.plan)
  ) {
    const reason = 'the state of the machine changed while the run worked';
    return { kind: 'defer', reason, exitCode: ExitCode.incomplete, verdicts: again.verdicts };
  }
  const isNew = request.plan.kind === 'refuse' && again.kind === 'go';
  return isNew ? request.plan : again;
}

async function meetRequest(
  work: HostWork,
  fresh: Fresh,
  plan: RequestPlan,
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
    case 'refuse':
      return refusedEffect(request.kind, trigger, plan.reason, now);
    case 'go': {
      const record = 'record' in look.record ? [...look.record.record] : [];
      const act: Act = {
        kind: request.kind,
        trigger,
        hostName: selected.host.name ?? '',
        machineId: machineIdOf(look.resolution) ?? '',
        machineIds: look.machineIds,
        record,
        context: requestContext(request.kind, { ...look, tags: fresh.tags }, rules, now),
      };
      try {
        const effect = await perform(act, plan.decision, run);
        // Whoever comes next to this machine must not ask again for what may have been carried out.
        look.record = effect.unclear ? { unreadable: effect.detail } : { record };
        return effect;
      } catch (error) {
        // What Defender refuses, or an outage, ends the request and not the host's enrichment.
        if (run.stop.aborted || !(error instanceof AppError)) throw error;
        const effect = failureEffect(error, run);
        return {
          ...effect,
          exitCode: effect.exitCode === ExitCode.done ? ExitCode.incomplete : effect.exitCode,
        };
      }
    }
  }
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

function trackedWriter(hostId: number, run: RunContext, progress: HostProgress) {
  const all: TagChange = { add: [], remove: [] };
  return {
    /** Makes the host's own tags what is wanted, and returns its tags thereafter. */
    async change(tags: string[], wanted: WantedTags, triggers: string[] = []): Promise<string[]> {
      const change = changeTags(tags, wanted);
      change.remove.push(...triggers);
      if (isEmptyChange(change)) return tags;
      const done = { add: new Set<string>(), remove: new Set<string>() };
      try {
        await run.writer.changeTags(hostId, change, (how, tag) => void done[how].add(tag));
      } finally {
        for (const tag of change.add) if (done.add.has(tag)) progress.added.add(tag);
        for (const tag of change.remove) if (done.remove.has(tag)) progress.removed.add(tag);
      }
      all.add = [...all.add.filter((tag) => !change.remove.includes(tag)), ...change.add];
      all.remove = [...all.remove.filter((tag) => !change.add.includes(tag)), ...change.remove];
      return withChange(tags, change);
    },
    async confirm(): Promise<boolean> {
      return isEmptyChange(all) || (await run.writer.confirmTags(hostId, all));
    },
  };
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
