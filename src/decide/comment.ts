import type { MachineAction } from '../atp/machine.ts';
import { cleanText } from '../output/clean.ts';
import type { RequestKind } from './kinds.ts';

/** What the comment of a machine action says about where it came from. */
export interface ActionComment {
  kind: RequestKind;
  /** Host of `detect.url`, with its port where it names one. */
  brain: string;
  hostId: number;
  /** The trigger tag, as the host carried it. */
  trigger: string;
  /** Milliseconds UTC, whole seconds. */
  time: number;
  hostName: string;
}

const form =
  /^atp (isolate|release); brain ([^;]*); host (\d+); tag ([^;]*); (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})Z;(?: (.*))?$/u;
const longestName = 100;

/**
 * The comment by which later runs know an action again. Fixed fields stand first; the host's name, which others
 * choose, stands last and can therefore forge none of them.
 */
export function writeComment(comment: ActionComment): string {
  const time = new Date(comment.time).toISOString().slice(0, 19);
  const trigger = cleanText(comment.trigger, longestName).replaceAll(';', ',');
  const name = cleanText(comment.hostName, longestName);
  const fixed = `atp ${comment.kind}; brain ${comment.brain}; host ${comment.hostId}; tag ${trigger}; ${time}Z;`;
  // A blank at the end may not come back.
  return `${fixed} ${name}`.trimEnd();
}

/** Reads such a comment; anything else is nobody's this program knows. */
export function readComment(text: string | undefined): ActionComment | undefined {
  const [, kind, brain, hostId, trigger, time, hostName] = form.exec(text ?? '') ?? [];
  if (kind === undefined || brain === undefined || time === undefined) return undefined;
  return {
    kind: kind === 'isolate' ? 'isolate' : 'release',
    brain: brain.toLowerCase(),
    hostId: Number(hostId),
    trigger: trigger ?? '',
    time: Date.parse(`${time}Z`),
    hostName: hostName ?? '',
  };
}

/** A brain and one of its hosts: whose actions are this host's own. */
export interface Owner {
  brain: string;
  hostId: number;
}

function names(comment: ActionComment | undefined, owner: Owner): boolean {
  return comment?.brain === owner.brain.toLowerCase() && comment.hostId === owner.hostId;
}

/** Tells whether this program asked for the action on behalf of this host. */
export function isOwnAction(action: MachineAction, owner: Owner): boolean {
  return names(readComment(action.requestorComment), owner);
}

/** Tells whether this program cancelled the action, for whichever host. */
export function isCancelledByAtp(action: MachineAction): boolean {
  return readComment(action.cancellationComment) !== undefined;
}

/** Tells whether this program cancelled the action on behalf of this host. */
export function isCancelledFor(action: MachineAction, owner: Owner): boolean {
  return names(readComment(action.cancellationComment), owner);
}
