import type { Alert } from '../atp/machine.ts';
import type { Host } from '../detect/host.ts';
import type { Consequence } from './consequences.ts';
import type { RequestKind } from './kinds.ts';
import type { MachineRecord, Told } from './machine-state.ts';
import type { NoteEntry } from './note.ts';
import type { Plan } from './plan.ts';
import type { Resolution } from './resolution.ts';
import type { TagState } from './tags.ts';

/** Why a host was selected, in the order in which the report names it. */
export const reasons = ['tag', 'tc', 'block', 'unblock', 'pending'] as const;
export type Reason = (typeof reasons)[number];

/** Defender's record of a machine, or why it could not be read: its state is then unknown. */
export type RecordRead = { record: MachineRecord } | { unreadable: string };

/** What is known of a machine beside Defender's record and the host itself. */
export interface Witnesses {
  /** Other hosts that name the machine and tell of an action that has not ended. */
  others: readonly TagState[];
  /** A call to it whose answer is not known. */
  unanswered: Told['unanswered'];
}

/** One host on its way through the pipeline. Each step returns a new one; nothing that was handed in is changed. */
export interface Case {
  /** As the search found it, or read since. */
  readonly host: Host;
  readonly reasons: readonly Reason[];
  /** Its tags as last read. */
  readonly tags: readonly string[];
  /** When its tags were read, right before acting; milliseconds of the clock. */
  readonly readAt?: number | undefined;
  /** What its block and unblock tags ask for. */
  readonly asks: readonly RequestKind[];
  /** Machine tags and facts are to be written, not only the outcome of an action. */
  readonly enriches: boolean;
  /** What looking for its machine came to; nothing where it was not looked for. */
  readonly found?: Resolution | undefined;
  readonly record: RecordRead;
  /** Ids under which Defender keeps the machine's actions: its own, and those of records merged into it. */
  readonly machineIds: readonly string[];
  /** How its tags hold it to a machine: by their one `id:`, or without one. */
  readonly held?: 'by id' | 'by address' | undefined;
  /** Its tags name the one machine they hold it to, which its address need not lead to. */
  readonly keepsId?: boolean | undefined;
  readonly witnesses: Witnesses;
  /** What Defender's record tells and the tags do not. */
  readonly news: readonly Consequence[];
  /** Actions of which the note tells the end. */
  readonly toldEnds: readonly string[];
  /** What earlier runs could not write to the note. */
  readonly owed?: { readonly facts: readonly string[]; readonly entries: readonly NoteEntry[] } | undefined;
  readonly alerts?: readonly Alert[] | 'unknown' | undefined;
  /** The one of its requests that the plan is about. */
  readonly request?: RequestKind | undefined;
  readonly plan?: Plan | undefined;
  /** Why nothing more is done about the host. */
  readonly ended?: Consequence | undefined;
}

/** The host as the search found it, before anything else was read. */
export function caseOf(host: Host, why: readonly Reason[], asks: readonly RequestKind[]): Case {
  return {
    host,
    reasons: why,
    tags: host.tags,
    asks,
    enriches: false,
    record: { record: [] },
    machineIds: [],
    witnesses: { others: [], unanswered: undefined },
    news: [],
    toldEnds: [],
  };
}
