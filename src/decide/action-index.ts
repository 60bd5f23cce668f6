import type { MachineAction } from '../atp/machine.ts';
import { readComment } from './comment.ts';

/** Isolations and releases of many machines: of each machine, and of each host of one brain that they were asked for. */
export interface ActionIndex {
  ofMachine: ReadonlyMap<string, readonly MachineAction[]>;
  ofHost: ReadonlyMap<number, readonly MachineAction[]>;
}

/** Indexes a list of actions; each entry keeps its order. */
export function indexActions(actions: readonly MachineAction[], brain: string): ActionIndex {
  const ofMachine = new Map<string, MachineAction[]>();
  const ofHost = new Map<number, MachineAction[]>();
  for (const action of actions) {
    append(ofMachine, action.machineId, action);
    const comment = readComment(action.requestorComment);
    if (comment?.brain === brain.toLowerCase()) append(ofHost, comment.hostId, action);
  }
  return { ofMachine, ofHost };
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
