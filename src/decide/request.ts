import type { MachineAction } from '../atp/schema.ts';
import { cleanText } from '../clean.ts';
import { isCancelledByAtp, isCancelledFor, isOwnAction, type Owner } from './comment.ts';
import {
  isolationInForce,
  kindOf,
  newestFirst,
  openAction,
  reachesBackTo,
  unclearAction,
  type MachineRecord,
} from './record.ts';
import { minuteOf, minuteText, type RequestKind } from './tags.ts';

/** How a request is met, given what Defender's record says of the machine. */
export type Decision =
  /** This host's own action, posted by a run that could not finish, is the answer; however it ended. */
  | { kind: 'answered'; action: MachineAction }
  /** An isolation or release that is open or in force already is taken over. */
  | { kind: 'adopt'; action: MachineAction }
  /** The opposite action is still Pending: it is cancelled, then the record is read again. */
  | { kind: 'cancel'; action: MachineAction; mayPost: boolean }
  | { kind: 'post' }
  /** A release is asked for and there is nothing to release. */
  | { kind: 'nothing in force' }
  /** A release is met: this host's run cancelled the pending isolation, before or in an earlier run. */
  | { kind: 'cancelled'; action: MachineAction }
  | { kind: 'defer'; reason: string };

/** What the host's tags add to Defender's record. */
export interface RequestContext {
  owner: Owner;
  /** Minute of the host's newest `Manual block:` (for a block) or `Manual unblock:` (for a release). */
  newestOfKind: number | undefined;
  /** A status tag calls an action of that kind open. */
  unfinished?: boolean | undefined;
  /** Minute of the release that a status tag calls open. */
  openRelease?: number | undefined;
  /** Tags say that the machine is, or may be, isolated. */
  held: boolean;
  /** Minute of the newest `Manual block:` of the host. */
  newestBlock: number | undefined;
  now: number;
}

const hourMs = 3_600_000;

/**
 * Decides how a block or an unblock is met. Nothing is posted while the state is unknown or an action is under way:
 * a second isolation on an isolated machine can stay Pending and isolate it again after its release
 * (reported in MicrosoftDocs/microsoft-365-docs issue 5903).
 */
export function decideRequest(
  request: RequestKind,
  record: MachineRecord,
  context: RequestContext,
): Decision {
  const answer = ownAnswer(request, record, context);
  if (answer) return { kind: 'answered', action: answer };

  const isolation = openAction(record, 'isolate');
  const release = openAction(record, 'release');
  if (isolation && release) {
    const both = `isolation ${isolation.id} (${isolation.status}) and release ${release.id} (${release.status})`;
    return {
      kind: 'defer',
      reason: `Defender has ${both} open at once; nothing is asked for until one of them has ended`,
    };
  }
  const unclear = unclearAction(record);
  if (unclear) {
    const what = unclear.type === 'Isolate' ? 'isolation' : 'release';
    if (unclear.status === 'Succeeded') {
      const reason = `Defender gives no time for ${what} ${unclear.id}, so it does not tell what is in force on the machine; nothing is asked for`;
      return { kind: 'defer', reason };
    }
    return {
      kind: 'defer',
      reason: `Defender gives the state of ${what} ${unclear.id} as "${cleanText(unclear.status, 40)}", which is not known here; nothing is asked for until it has ended`,
    };
  }
  return request === 'isolate'
    ? decideIsolation(record, context, isolation, release)
    : decideRelease(record, context, isolation, release);
}

/** The action that a run posted for the trigger now on the host before it was killed or lost the answer. */
export function ownAnswer(
  request: RequestKind,
  record: MachineRecord,
  { owner, newestOfKind, unfinished }: Pick<RequestContext, 'owner' | 'newestOfKind' | 'unfinished'>,
): MachineAction | undefined {
  const newest = newestFirst(record)[0];
  if (!newest || kindOf(newest) !== request || !isOwnAction(newest, owner)) return undefined;
  // Cancelled for the opposite request, which was later: the trigger now on the host is newer than both.
  if (newest.status === 'Cancelled' && isCancelledByAtp(newest)) return undefined;
  if (newestOfKind === undefined) return newest;
  const minute = minuteOf(newest.createdAt ?? 0);
  // The run may have been killed with all but the trigger written; its status tag then still calls the action open.
  const isUnanswered =
    minute > minuteOf(newestOfKind) || (unfinished === true && minute === minuteOf(newestOfKind));
  return isUnanswered ? newest : undefined;
}

/** The pending isolation that a run cancelled for the trigger now on the host before it was killed. */
export function ownCancellation(
  record: MachineRecord,
  {
    owner,
    newestOfKind,
    newestBlock,
    now,
  }: Pick<RequestContext, 'owner' | 'newestOfKind' | 'newestBlock' | 'now'>,
): MachineAction | undefined {
  const newest = newestFirst(record)[0];
  if (newest?.type !== 'Isolate' || newest.status !== 'Cancelled' || !isCancelledFor(newest, owner))
    return undefined;
  // The host was blocked again since, and Defender does not list that isolation yet. A block that lies ahead tells nothing:
  // the earlier tool wrote local time.
  const isOfEarlierBlock = newestBlock !== undefined && minuteOf(newest.createdAt ?? 0) < newestBlock;
  if (isOfEarlierBlock && newestBlock <= now) return undefined;
  const at = newest.updatedAt ?? 0;
  // The run may have been killed with all but the trigger written: for an hour that is not told from a new request.
  const isUnanswered = minuteOf(at) > (newestOfKind ?? -Infinity) || now - at < hourMs;
  return isUnanswered ? newest : undefined;
}

function decideIsolation(
  record: MachineRecord,
  context: RequestContext,
  openIsolation: MachineAction | undefined,
  openRelease: MachineAction | undefined,
): Decision {
  const inForce = isolationInForce(record);
  if (openRelease) return meetOpposite(openRelease, inForce === undefined);
  if (context.openRelease !== undefined && isUnlisted(record, context.openRelease, context.now)) {
    return deferUntilListed('release', context.openRelease, 'isolation');
  }
  const standing = openIsolation ?? inForce;
  if (standing) return { kind: 'adopt', action: standing };
  if (context.held && !reaches(record, context)) {
    const reason =
      'the tags say that the machine is isolated, but Defender lists no such action; a second isolation could return after a release, so none is asked for: check the machine in the portal, or unblock the host first';
    return { kind: 'defer', reason };
  }
  return { kind: 'post' };
}

function decideRelease(
  record: MachineRecord,
  context: RequestContext,
  openIsolation: MachineAction | undefined,
  openRelease: MachineAction | undefined,
): Decision {
  const inForce = isolationInForce(record);
  if (openIsolation) return meetOpposite(openIsolation, inForce !== undefined);
  if (openRelease) return { kind: 'adopt', action: openRelease };
  if (inForce) return { kind: 'post' };

  const cancelled = ownCancellation(record, context);
  if (cancelled) return { kind: 'cancelled', action: cancelled };
  if (!context.held || reaches(record, context)) return { kind: 'nothing in force' };
  if (context.newestBlock !== undefined && context.now - context.newestBlock < hourMs) {
    return deferUntilListed('isolation', context.newestBlock, 'release');
  }
  return { kind: 'post' };
}

/** Tells whether a release of the last hour, which the host's tags know of, is not in the record yet. */
function isUnlisted(record: MachineRecord, minute: number, now: number): boolean {
  const isListed = record.some(
    (action) => kindOf(action) === 'release' && minuteOf(action.createdAt ?? 0) >= minute,
  );
  return !isListed && now - minute < hourMs;
}

function deferUntilListed(unlisted: string, minute: number, asked: string): Decision {
  const since = minuteText(minute);
  return {
    kind: 'defer',
    reason: `Defender does not list the ${unlisted} of ${since} UTC yet; its record can lag, so the ${asked} waits for up to an hour`,
  };
}

function reaches(record: MachineRecord, { newestBlock }: RequestContext): boolean {
  if (newestBlock !== undefined) return reachesBackTo(record, newestBlock);
  // Without a date, any isolation may be the one; a release that did not succeed tells nothing.
  return newestFirst(record).some(({ type, status }) => type === 'Isolate' || status === 'Succeeded');
}

function meetOpposite(opposite: MachineAction, mayPost: boolean): Decision {
  if (opposite.status === 'Pending') return { kind: 'cancel', action: opposite, mayPost };
  const what = opposite.type === 'Isolate' ? 'isolation' : 'release';
  return {
    kind: 'defer',
    reason: `${what} ${opposite.id} is ${opposite.status} and cannot be cancelled any more; asked again when it has ended`,
  };
}
