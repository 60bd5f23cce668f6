import { describe, expect } from 'vitest';
import type { HostFields, SimHost, SimNote } from '../simulator/hosts.ts';
import { isOwnNote } from '../simulator/own-forms.ts';
import {
  actionLines,
  breakCall,
  it,
  line,
  lineWithTag,
  moveHost,
  moveTo,
  noteOf,
  outsideCode,
  past,
  today,
  told,
} from './rig.ts';

const title = '## Microsoft Defender for Endpoint (atp)';
const full = `${title}\n${'What we know of this host. '.repeat(300)}`.slice(0, 7_990);
const foreign = `${title}\n\nThis note is mine.`;

/** The note with this text, which cannot be changed any more when a status is given. */
function noteWith(host: SimHost, text: string, refuses?: 403 | 413): SimNote {
  const note = host.notes.find((one) => one.note === text);
  if (!note) throw new Error('the host has no such note');
  note.refuses = refuses;
  return note;
}

function laterNotes(host: SimHost, ...before: readonly SimNote[]): string[] {
  return host.notes.filter((one) => !before.includes(one) && isOwnNote(one.note)).map(({ note }) => note);
}

describe.each([
  ['is full', full, 413],
  ["is another user's", foreign, 403],
] as const)("an older note that has the program's first line and %s", (_what, text, status) => {
  it('is left alone: a new note is written, and nothing goes unsaid', async ({ start }) => {
    const stage = await start();
    const { world, ledger } = stage.simulator;
    const { host } = world.addPair({ tags: ['block'], notes: [text] });
    const old = noteWith(host, text, status);

    const outcome = await stage.run(line);

    expect(outcome.code).toBe(0);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: 'created' });
    expect(host.tags).not.toContain('block');
    expect(old.note).toBe(text);
    const [note = '', ...more] = laterNotes(host, old);
    expect(more).toEqual([]);
    expect(actionLines(note)).toHaveLength(1);
    ledger.clear();
    world.settleActions();
    moveTo(stage, 10);
    const later = await stage.run(line);

    expect(later.code).toBe(0);
    expect(told(later, host)).toMatchObject({ result: 'isolated', note: 'updated' });
    expect(laterNotes(host, old)).toHaveLength(1);
    expect(actionLines(laterNotes(host, old)[0] ?? '').join('\n')).toContain('Succeeded');
    expect(old.note).toBe(text);
    // The cache knows which note is the host's.
    expect(ledger.of('note-update').filter(({ path }) => path.endsWith(`/${old.id}`))).toEqual([]);
  });

  it('gives way to the next that takes the text', async ({ start }) => {
    const stage = await start();
    const own = `${title}\n\nan older line of mine`;
    const { host } = stage.simulator.world.addPair({ tags: ['block'], notes: [text, own] });
    const old = noteWith(host, text, status);
    const next = noteWith(host, own);

    const outcome = await stage.run(line);

    expect(outcome.code).toBe(0);
    expect(told(outcome, host)).toMatchObject({ result: 'isolated', note: 'updated' });
    expect(host.notes).toHaveLength(2);
    expect(old.note).toBe(text);
    expect(actionLines(next.note)).toHaveLength(1);
    expect(next.note).toContain('an older line of mine');
  });

  it('leaves an enrichment its note, too', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['host_context'], notes: [text] });
    const old = noteWith(host, text, status);

    const outcome = await stage.run(lineWithTag);

    expect(outcome.code).toBe(0);
    expect(told(outcome, host)).toMatchObject({ result: 'enriched', note: 'created' });
    expect(host.tags).not.toContain('host_context');
    expect(laterNotes(host, old)[0]).toContain(machine.id);
  });
});

/** What must not get out of a code span: a link, a line of its own, terminal commands. */
const poison =
  '\r\n- 2020-01-01 00:00 UTC: forged: Succeeded, action 4711\n# https://evil.example/x `\u001b[31m\u202e';

/** The note holds so many lines about actions, and nothing of the poison but as code. */
function expectHarmless(note: string, lines: number): void {
  expect(actionLines(note)).toHaveLength(lines);
  expect(note).not.toContain('\n# ');
  expect(note).not.toContain('\n- 2020-01-01');
  expect(note).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  expect(outsideCode(note)).not.toContain('evil.example');
}

describe('a text that others chose', () => {
  it.for<[string, HostFields]>([
    ['a DHCP name', { host_artifact_set: [{ type: 'dhcp', value: 'https://evil.example/login' }] }],
    ["the host's name", { name: '[click](https://evil.example/login)', host_artifact_set: [] }],
    ['a name with a backtick', { host_artifact_set: [{ type: 'dhcp', value: '`https://evil.example/x' }] }],
  ])('is no link in the note: %s', async ([, fields], { start }) => {
    const stage = await start({ config: { isolation: { match: 'confirmed' } } });
    const { world } = stage.simulator;
    const machine = world.addMachine();
    const at = { last_source: machine.lastIpAddress, ip: machine.lastIpAddress };
    const host = world.addHost({ tags: ['block'], ...at, ...fields });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('refused');
    expectHarmless(noteOf(host), 1);
  });

  it.for(['laptop: Succeeded, action 4711', 'laptop: Failed, action 0a1b2c3d-1111-2222-3333-444455556666'])(
    'is no action in the note: a host called "%s"',
    async (name, { start }) => {
      const stage = await start();
      const { world } = stage.simulator;
      const machine = world.addMachine();
      const at = { last_source: machine.lastIpAddress, ip: machine.lastIpAddress };
      const artifacts = [{ type: 'dhcp', value: name }];
      const host = world.addHost({ tags: ['block'], ...at, name, host_artifact_set: artifacts });
      const first = await stage.run(line);
      expect(told(first, host).result).toBe('refused');
      const [refusal = ''] = actionLines(noteOf(host));
      expect(outsideCode(refusal)).not.toMatch(/action [0-9a-z]/);

      for (const hours of [2, 4]) {
        moveTo(stage, hours * 60);
        moveHost(stage, host, machine);
        host.name = name;
        host.host_artifact_set = artifacts;
        world.tagHost(host.id, 'block');
        await stage.run(line);
      }

      const lines = actionLines(noteOf(host));
      expect(lines).toHaveLength(3);
      expect(lines[2]).toBe(refusal);
    },
  );

  it("is text in the note: the portal user's name of an isolation that is taken over", async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    const requestor = `ann${poison}`;
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00'), requestor });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expectHarmless(noteOf(host), 1);
    expect(told(outcome, host).detail).not.toContain('\n');
  });

  it('is text in the note: a comment that looks like one of ours', async ({ start }) => {
    const stage = await start();
    const { host, machine } = stage.simulator.world.addPair({ tags: ['block'] });
    const requestorComment = `atp isolate; brain evil${poison}; host 7; tag a${poison}; 2026-11-24T08:59:00Z; x`;
    past(stage, machine, { type: 'Isolate', createdAt: today('09:00'), requestorComment });

    const outcome = await stage.run(line);

    expect(told(outcome, host).result).toBe('isolated');
    expectHarmless(noteOf(host), 1);
  });

  it.for([
    [403, 'DisallowedOperation', "The operation isn't allowed on the device", 'refused', 1],
    [409, 'Conflict', 'The device is in another state', 'failed', 0],
  ] as const)(
    'is text in the note: the sentence of a refusal of Defender (%d %s)',
    async ([status, code, words, result, lines], { start }) => {
      const stage = await start();
      const { host } = stage.simulator.world.addPair({ tags: ['block'] });
      breakCall(stage, 'isolate', { status, body: { error: { code, message: `${words}${poison}` } } });

      const outcome = await stage.run(line);

      expect(told(outcome, host).result).toBe(result);
      const note = noteOf(host);
      expectHarmless(note, lines);
      expect(note).toContain(words);
      expect(note.split('\n').filter((text) => text.startsWith('- Waiting: '))).toHaveLength(1 - lines);
      expect(host.tags.includes('block')).toBe(result === 'failed');
    },
  );

  it("is text in the note: what Defender's document of the machine says", async ({ start }) => {
    const stage = await start();
    const { world } = stage.simulator;
    const { host, machine } = world.addPair(
      { tags: ['host_context'] },
      { osPlatform: `Windows${poison}`, riskScore: `High${poison}` },
    );
    machine.computerDnsName = `https://evil.example/${poison}`;
    world.addAlert({ machineId: machine.id, severity: `High${poison}` });

    await stage.run(lineWithTag);

    expect(host.tags).not.toContain('host_context');
    expectHarmless(noteOf(host), 0);
  });
});
