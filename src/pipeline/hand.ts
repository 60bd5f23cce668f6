import type { Case } from '../decide/case.ts';
import type { Consequence } from '../decide/consequences.ts';
import {
  changeTags,
  isEmptyChange,
  withChange,
  type TagChange,
  type WantedTags,
} from '../decide/tag-change.ts';
import { PostponedError } from '../errors.ts';
import type { RunContext } from './context.ts';
import type { Written } from './outcome.ts';
import type { RefusedTag } from './writer.ts';

/** The hand that writes to one host, and remembers what it wrote. */
export interface Hand {
  /** The host's tags, with what was changed since they were read. */
  tags(): readonly string[];
  /** What was written so far, for the report. */
  written(): Written;
  /** A host is begun with its first write: rejects with a PostponedError when the time of the run is over by then. */
  begin(): void;
  /** Makes the host's own tags what is wanted, and takes trigger tags off; returns the tags that Detect refuses. */
  change(wanted: WantedTags, triggers?: readonly string[]): Promise<RefusedTag[]>;
  /** Puts tags that the host has already once more: whoever may not write learns it now. */
  putAgain(tags: readonly string[]): Promise<RefusedTag[]>;
  /** Reads the host's tags once, mends them, and returns what they still lack. */
  confirm(): Promise<TagChange>;
  noteDone(note: Written['note']): void;
  /** What is to be reported beside the events of the host. */
  say(...words: readonly Consequence[]): void;
  said(): readonly Consequence[];
}

/** Makes the hand for a host whose tags were read right before. */
export function createHand({ host, tags }: Case, run: RunContext): Hand {
  const { writer, clock, deadline } = run;
  let current: readonly string[] = tags;
  let hasBegun = false;
  let all: TagChange = { add: [], remove: [] };
  let note: Written['note'] = null;
  const said: Consequence[] = [];
  const done = { add: new Set<string>(), remove: new Set<string>() };

  function begin(): void {
    if (!hasBegun && clock.now() > deadline)
      throw new PostponedError('the time of this run was over; the next run does it');
    hasBegun = true;
  }

  /** The report names tags in the order of the plan, whichever call came back first. */
  async function inOrder(change: TagChange): Promise<RefusedTag[]> {
    const now = { add: new Set<string>(), remove: new Set<string>() };
    try {
      return await writer.changeTags(host.id, change, (how, tag) => void now[how].add(tag));
    } finally {
      for (const tag of change.add) if (now.add.has(tag)) done.add.add(tag);
      for (const tag of change.remove) if (now.remove.has(tag)) done.remove.add(tag);
    }
  }

  async function apply(change: TagChange): Promise<RefusedTag[]> {
    if (isEmptyChange(change)) return [];
    begin();
    const refused = await inOrder(change);
    // What is refused is tried once more when the tags are confirmed, and told then.
    all = {
      add: [...all.add.filter((tag) => !change.remove.includes(tag)), ...change.add],
      remove: [...all.remove.filter((tag) => !change.add.includes(tag)), ...change.remove],
    };
    const add = change.add.filter((tag) => refused.every((each) => each.tag !== tag));
    current = withChange(current, { add, remove: change.remove });
    return refused;
  }

  return {
    tags: () => current,
    written: () => ({ added: [...done.add], removed: [...done.remove], note }),
    begin,
    change(wanted, triggers = []) {
      const { add, remove } = changeTags(current, wanted, run.now());
      return apply({ add, remove: [...remove, ...triggers] });
    },
    async putAgain(again) {
      if (again.length === 0) return [];
      begin();
      return await writer.changeTags(host.id, { add: again, remove: [] });
    },
    confirm: () => (isEmptyChange(all) ? Promise.resolve(all) : writer.confirmTags(host.id, all)),
    say: (...words) => void said.push(...words),
    said: () => said,
    noteDone(next) {
      const wasWritten = note === 'created' || (note === 'updated' && next === 'unchanged');
      if (!wasWritten) note = next;
    },
  };
}
