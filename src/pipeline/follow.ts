import type { MachineAction } from '../atp/schema.ts';
import { isOwnAction, type Owner } from '../decide/comment.ts';
import { correctedEffect, followedEffect, type Effect } from '../decide/outcome.ts';
import { kindOf, newestFirst, releaseShown, type MachineRecord } from '../decide/record.ts';
import { isOpenStatus, minuteOf, readTags, type RequestKind, type TagState } from '../decide/tags.ts';

/** How late Defender may list an action. */
const lagMs = 3_600_000;

/**
 * What became of the actions that a host's tags call unfinished, and the release that the tags do not know of.
 * @param record actions of this host's machine, or of many machines
 * @param corrected such a release, where looking for the machine has shown one
 */
export function followEffects(
  tags: readonly string[],
  record: MachineRecord,
  owner: Owner,
  now: number,
  corrected: MachineAction | undefined,
): Effect[] {
  const state = readTags(tags);
  const effects: Effect[] = [];
  let shown = corrected;
  for (const slot of state.slots) {
    if (!isOpenStatus(slot.status)) continue;
    const action = findFollowed(record, slot.kind, state, owner, now);
    if (!action) continue;
    effects.push(followedEffect(slot.kind, slot.status, action, owner, now));
    if (slot.kind === 'isolate' && action.status === 'Succeeded') {
      const ofMachine = record.filter((other) => other.machineId === action.machineId);
      shown ??= releaseShown(ofMachine, state.newest.isolate);
    }
  }
  return shown ? [...effects, correctedEffect(shown, now)] : effects;
}

/**
 * The action that a status tag speaks of: the host's own of that kind, created in the minute of its newest
 * `Manual …:` tag or later; for one that was taken over, the action of that minute on the machine of the `id:` tag.
 */
function findFollowed(
  record: MachineRecord,
  kind: RequestKind,
  state: TagState,
  owner: Owner,
  now: number,
): MachineAction | undefined {
  const newest = state.newest[kind];
  const isOwn = (action: MachineAction) => isOwnAction(action, owner);
  const isOfMachine = (action: MachineAction) => state.ids.includes(action.machineId);
  const ofKind = newestFirst(record).filter((action) => kindOf(action) === kind);
  const ofMinutes = (minutes: readonly number[]) =>
    ofKind.filter((action) => newest === undefined || minutes.includes(minuteOf(action.createdAt ?? 0)));

  // A run that was killed wrote the status and not yet the time.
  const untold = ofKind.find((action) => isOwn(action) && isOfMachine(action));
  if (untold && newest !== undefined && minuteOf(untold.createdAt ?? 0) > newest) return untold;

  const latest = ofMinutes(newest === undefined ? [] : [newest]);
  const ofMachine = latest.filter(isOfMachine);
  const own = ofMachine.find(isOwn) ?? ofMachine[0];
  if (own || state.ids.length !== 1) return own ?? latest.find(isOwn);
  // The newest tag tells of the host's action on another machine, and the one taken over on this machine is older; or it
  // tells of none: the earlier tool wrote local time, which lies ahead of what is asked for since. A time of the last hour
  // may belong to an action that Defender does not list yet.
  const mayLag = newest !== undefined && newest <= now && now - newest < lagMs;
  const earlier = ofMinutes(state.accepted[kind]).find(isOfMachine);
  if (latest.some(isOwn)) return earlier;
  // What something came after has had its end told: the tag speaks of another.
  const isLast = earlier === newestFirst(record).find(isOfMachine);
  return !mayLag && isLast ? earlier : undefined;
}
