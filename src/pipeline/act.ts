import { cleanText } from '../output/clean.ts';
import type { Case } from '../decide/case.ts';
import {
  conflicting,
  deferred,
  overtaken,
  silentWhenOvertaken,
  type Consequence,
} from '../decide/consequences.ts';
import { refused } from '../decide/events.ts';
import type { RequestKind } from '../decide/kinds.ts';
import { mayIsolate, type Rules } from '../decide/plan.ts';
import { code } from '../decide/note.ts';
import { contextTags } from '../decide/resolution.ts';
import { isIdTag, isUnfinished, readTags, triggersAmong } from '../decide/tags.ts';
import { ApiError, AppError, MissingRightError } from '../errors.ts';
import type { RunContext } from './context.ts';
import { createHand, type Hand } from './hand.ts';
import { factsOf } from './note-writer.ts';
import { endOf } from './outcome.ts';
import { perform, type Performed } from './perform.ts';
import { putRight } from './tell.ts';

/** A host of which everything was asked that is to be asked of its machine. */
export interface Acted {
  one: Case;
  hand: Hand;
  events: readonly Consequence[];
  /** What its request came to. */
  met?: Consequence | undefined;
  /** Trigger tags of the request. */
  triggers: readonly string[];
  /** What ended the work on the host. */
  failure?: Consequence;
}

/**
 * The first half of the work on a host: the machine's context tags, so that no isolated machine is without a host that
 * names it, and then the request to Defender. It never rejects.
 */
export async function act(one: Case, rules: Rules, run: RunContext): Promise<Acted> {
  const hand = createHand(one, run);
  const untouched: Acted = { one, hand, events: one.news, triggers: [] };
  try {
    run.stop.throwIfAborted();
    return await actOn(untouched, rules, run);
  } catch (error) {
    return { ...untouched, failure: endOf(one, error, run) };
  }
}

async function actOn({ one, hand, ...rest }: Acted, rules: Rules, run: RunContext): Promise<Acted> {
  const kind = one.plan && one.request;
  // A tag that still says isolated would hold the host for the machine whose id: comes now.
  if (one.enriches && one.found && !isNamed(one)) await putRight(one, newsToSay(one), hand, run);
  await writeContext(one, kind, hand, run);
  const acted: Acted = { ...rest, one, hand };
  if (kind === undefined || !one.plan) return acted;

  const flags = kind === 'isolate' ? run.triggers.blockTags : run.triggers.unblockTags;
  const triggers = triggersAmong(one.tags, flags);
  const { met, record } = await meet(one, kind, triggers[0] ?? '', hand, rules, run);
  return { ...acted, one: { ...one, record }, triggers, met, events: [...overtaken(one.news, met), met] };
}

/** Tells whether the host's `id:` tags name the machine that was found. */
function isNamed({ tags, found }: Case): boolean {
  return found?.kind === 'machine' && tags.some((tag) => tag.toLowerCase() === `id: ${found.machine.id}`);
}

/** What is said whatever comes of the request. */
function newsToSay({ news, plan }: Case): Consequence[] {
  const isActing = plan?.kind === 'go' && plan.decision.kind !== 'wait';
  return news.filter(({ event }) => !isActing || !silentWhenOvertaken.includes(event));
}

async function writeContext(
  one: Case,
  kind: RequestKind | undefined,
  hand: Hand,
  run: RunContext,
): Promise<void> {
  if (!one.enriches || !one.found) return;
  const before = hand.tags();
  const refusedTags = await hand.change({ machine: machineTagsFor(one, before, run) });
  if (!mayIsolate(kind, one.plan)) return;
  // Somebody may have taken it off since it was read; and whoever may not write learns it now.
  const again = await hand.putAgain(before.filter((tag) => isIdTag(tag) && hand.tags().includes(tag)));
  const lost = [...refusedTags, ...again].find(({ tag }) => isIdTag(tag));
  if (lost) throw lost.error;
}

/** The machine tags that the host is to have; nothing where those it has must stay. */
function machineTagsFor(one: Case, tags: readonly string[], run: RunContext): string[] | undefined {
  const { found, plan, held, keepsId } = one;
  if (!found) return undefined;
  const isActing = plan?.kind === 'go' && plan.decision.kind !== 'wait';
  // A held host keeps the `id:` that its release goes by, until the request of this run is about another machine.
  if (keepsId && !isActing) return undefined;
  const machine = contextTags(found, held === 'by address', isActing);
  // An action stays under the id of the record that it was asked for, also when that is merged: until it has ended, only
  // that id finds it.
  const isOpen = isUnfinished(readTags(tags, run.now())) || one.witnesses.unanswered !== undefined;
  const isAwaited = held === 'by id' && isOpen;
  if (!machine || !isAwaited) return machine;
  return [...machine.filter((tag) => !isIdTag(tag)), ...tags.filter(isIdTag)];
}

/** Meets a request as planned. What Defender refuses, or an outage, ends the request and not the host's enrichment. */
async function meet(
  one: Case,
  kind: RequestKind,
  trigger: string,
  hand: Hand,
  rules: Rules,
  run: RunContext,
): Promise<Performed> {
  const { plan, record } = one;
  switch (plan?.kind) {
    case undefined:
      throw new TypeError('a request without a plan');
    case 'conflict':
      return {
        met: {
          ...conflicting(`${plan.reason}; remove one of the tags`),
          waiting: conflictWords(plan.reason),
        },
        record,
      };
    case 'defer':
      return { met: { ...deferred(plan.reason, plan.exitCode), waiting: plan.waiting }, record };
    case 'refuse':
      return { met: refused(kind, trigger, plan.reason, run.now()), record };
    case 'go':
      try {
        if (plan.decision.kind === 'post' || plan.decision.kind === 'cancel') hand.begin();
        if (plan.decision.kind === 'post') await oweNews(one, run);
        return await perform({ kind, trigger, one, rules }, plan.decision, run);
      } catch (error) {
        if (run.stop.aborted || !(error instanceof AppError)) throw error;
        return { met: { ...endOf(one, error, run), waiting: waitingFor(error) }, record };
      }
  }
}

/** Once the request is open, the record does not tell the news before it any more: a run that is killed owes its lines. */
async function oweNews(one: Case, run: RunContext): Promise<void> {
  const entries = newsToSay(one).flatMap(({ entry }) => entry ?? []);
  if (entries.length > 0) await run.journal.owe(one.host.id, { facts: factsOf(one, [], run), entries });
}

function conflictWords(reason: string): string {
  return `${reason}; remove one of the tags`;
}

/** What a person has to do about an error: give a right, or look into a refusal that is not known here. */
function waitingFor(error: AppError): string | undefined {
  if (error instanceof MissingRightError) return `${rightWords}; ${error.hint ?? ''}`.trim();
  if (!(error instanceof ApiError) || error.isOutage || error.failure !== 'status') return undefined;
  const words = [error.serviceCode, error.serviceMessage].filter(Boolean).join(': ');
  return `Defender refuses it with ${code(cleanText(words.replaceAll(anyId, '…'), 300))}; look at the machine in the portal`;
}

const rightWords = 'the application may not do it (Machine.Isolate)';
/** Ids change from one refusal to the next. */
const anyId = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32,40}\b/giu;
