import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  calls,
  echoes,
  groupRule,
  markedCredentials,
  resetWorld,
  startMarked,
  type Marked,
} from './marked.ts';

let marked: Marked;

beforeAll(async () => {
  marked = await startMarked();
});
afterAll(() => marked.close());
beforeEach(() => {
  resetWorld(marked.simulator);
});

const line = '--tag host_context --blocktag block --unblocktag unblock --json'.split(' ');
const cases = calls.flatMap((call) =>
  echoes.flatMap((answer, at) =>
    markedCredentials
      // A 401 tells that nothing was done, and an API client asks again with another token: this echo would lie.
      .filter((credential) => !(credential === 'client' && call === 'note-create' && at === 1))
      .map((credential) => ({ call, at, answer, credential })),
  ),
);

it.each(cases)(
  'no secret is told when the call $call is answered by echo $at ($credential)',
  async (each) => {
    const { call, answer, credential } = each;
    marked.simulator.hooks.answer = (entry, own) => (entry.call === call ? answer(entry) : own);

    const config = marked.config(credential, call === 'groups' ? groupRule : {});
    const { code, stdout, stderr } = await marked.run(line, config);

    expect(code).not.toBe(70);
    expect(await marked.findLeaks(stdout + stderr)).toEqual([]);
    expect(marked.simulator.world.violations).toEqual([]);
  },
);
