import { describe, expect } from 'vitest';
import { addHeld, it, line, lineWithTag, postsTo, told } from './rig.ts';

/** One more than is read of a host. */
const tooMany = Array.from({ length: 1_001 }, (_, at) => `note ${at}`);
const warning = 'the host has more notes than are read (1,000, or 16 MiB)';

describe('a host with more notes than are read', () => {
  it('is isolated, keeps no trigger, and gets no note', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'], notes: tooMany });

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['isolate']);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: null });
    expect(host.tags).not.toContain('block');
    expect(host.tags).toContain('isolation: Pending');
    expect(host.notes).toHaveLength(1_001);
    expect(outcome.stderr).toContain(`${warning}; the work goes on without its own`);
    expect(outcome.code).toBe(0);
  });

  it('is released', async ({ start }) => {
    const stage = await start();
    const { host, machine } = addHeld(stage, { tags: ['unblock'] });
    for (const text of tooMany) stage.simulator.world.writeNote(host.id, text);

    const outcome = await stage.run(line);

    expect(postsTo(stage, machine)).toEqual(['unisolate']);
    expect(told(outcome, host)).toMatchObject({ result: 'released', note: null });
    expect(host.tags).not.toContain('unblock');
    expect(outcome.code).toBe(0);
  });

  it('keeps the trigger of an enrichment, and fails nobody else', async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host } = world.addPair({ tags: ['host_context'], notes: tooMany });
    const { host: bystander } = world.addPair({ tags: ['host_context'] });

    const outcome = await stage.run(lineWithTag);

    expect(told(outcome, host)).toMatchObject({
      result: 'failed',
      note: null,
      detail: expect.stringContaining(`the next run comes back to this host: ${warning}`) as unknown,
    });
    expect(host.tags).toContain('host_context');
    expect(told(outcome, bystander)).toMatchObject({ result: 'enriched', note: 'created' });
    expect(outcome.code).toBe(1);
  });
});
