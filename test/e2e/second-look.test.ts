import { describe, expect } from 'vitest';
import { startOfTime, type Harness } from '../harness.ts';
import { it } from '../scale/rig.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import {
  asked,
  contextOf,
  hostIn,
  minute,
  minutes,
  noteEntries,
  onlyAsked,
  ownNoteOf,
  tags,
  tagsOf,
  textWith,
} from './rig.ts';

const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];
const enrichLine = ['--tag', 'host_context'];
const days = (count: number) => minutes(count * 24 * 60);

/** Answers of a proxy and of a gateway for an address that they do not know. */
const foreign404s: [whose: string, kind: FaultKind][] = [
  [
    'an HTML page',
    { status: 404, body: '<html>404 Not Found</html>', headers: { 'content-type': 'text/html' } },
  ],
  ["a gateway's JSON", { status: 404, body: { statusCode: 404, message: 'Resource not found' } }],
];

interface Pair {
  host: SimHost;
  machine: SimMachine;
}

/** A host that an earlier run has isolated, and followed to the end. */
async function addIsolated({ simulator: { world }, clock, run }: Harness): Promise<Pair> {
  const pair = world.addPair({ tags: ['block'] });
  await run(line);
  world.settleActions();
  clock.advance(minutes(2));
  await run(line);
  clock.advance(minutes(2));
  return pair;
}

/** What was asked for through the API, in order. */
function asks({ simulator }: Harness): string[] {
  return asked(simulator).map(({ type, status }) => `${type} ${status}`);
}

function breakCall({ simulator: { faults } }: Harness, call: string, kind: FaultKind): void {
  faults.add({ match: (entry) => entry.call === call, kind });
}

/** Something that happens once, when this call was answered for the first time: between the plan and the act. */
function afterFirst(call: string, change: () => void): { after: (entry: { call: string }) => void } {
  let isDone = false;
  return {
    after(entry) {
      if (isDone || entry.call !== call) return;
      isDone = true;
      change();
    },
  };
}

describe.for<[end: string, tagsOfOld: (machine: SimMachine) => string[]]>([
  [
    'TimeOut',
    (machine) => [
      ...contextOf(machine),
      'isolation: Succeeded',
      `Manual block:${minute(startOfTime - days(10))}`,
    ],
  ],
  ['Failed', (machine) => [`id: ${machine.id}`, `Manual block:${minute(startOfTime - days(200))}`]],
])(
  'a held host whose isolation Defender no longer lists, and whose release ended in %s',
  ([end, tagsOfOld]) => {
    async function addHeld(harness: Harness): Promise<Pair> {
      const { simulator, clock, run } = harness;
      const { world } = simulator;
      const { host, machine } = world.addPair();
      machine.isolated = true;
      world.tagHost(host.id, ...tagsOfOld(machine), 'unblock');
      await run(line);
      world.advanceAction(onlyAsked(simulator).id, end);
      clock.advance(minutes(5));
      const followed = await run(line);
      expect(followed.code).toBe(1);
      expect(hostIn(followed, host.id)).toMatchObject({ result: 'failed' });
      return { host, machine };
    }

    it('has its release asked for again by a second unblock tag', async ({ start }) => {
      const harness = await start();
      const { host } = await addHeld(harness);
      harness.simulator.world.tagHost(host.id, 'unblock');

      const outcome = await harness.run(line);

      expect(outcome.code).toBe(0);
      expect(hostIn(outcome, host.id)).toMatchObject({
        result: 'released',
        action: { type: 'release', status: 'Pending' },
      });
      expect(asks(harness)).toEqual([`Unisolate ${end}`, 'Unisolate Pending']);
      expect(tagsOf(host).others).toEqual([]);
    });
  },
);

describe('alerts that Defender cannot tell, answering 500 on and on,', () => {
  it('let a block tag go once its isolation is accepted', async ({ start }) => {
    const harness = await start();
    const { host, machine } = harness.simulator.world.addPair({ tags: ['block'] });
    breakCall(harness, 'alerts', '500');

    const outcome = await harness.run(line);

    expect(outcome.code).toBe(1);
    expect(hostIn(outcome, host.id)).toMatchObject({
      result: 'failed',
      action: { type: 'isolate', status: 'Pending' },
      note: 'created',
      detail: textWith('its alerts could not be read'),
    });
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(startOfTime)}`]),
    );
    expect(ownNoteOf(host)).toContain('\n- **Alerts & severity:** unknown\n');
  });

  it('let an unblock tag go once its release is accepted', async ({ start }) => {
    const harness = await start();
    const { host } = await addIsolated(harness);
    breakCall(harness, 'alerts', '500');
    harness.simulator.world.tagHost(host.id, 'unblock');

    const outcome = await harness.run(line);

    expect(outcome.code).toBe(1);
    expect(hostIn(outcome, host.id)).toMatchObject({
      result: 'failed',
      action: { type: 'release', status: 'Pending' },
      note: 'updated',
      detail: textWith('its alerts could not be read'),
    });
    expect(tagsOf(host).others).toEqual([]);
    expect(tagsOf(host).own).toContain('release: Pending');
    expect(ownNoteOf(host)).toContain('\n- **Alerts & severity:** unknown\n');
  });

  it('keep the tag that asks for the context', async ({ start }) => {
    const harness = await start();
    const { host } = harness.simulator.world.addPair({ tags: ['block', 'host_context'] });
    breakCall(harness, 'alerts', '500');

    const outcome = await harness.run([...line, ...enrichLine]);

    expect(outcome.code).toBe(1);
    expect(asks(harness)).toEqual(['Isolate Pending']);
    expect(tagsOf(host).others).toEqual(['host_context']);
  });

  it('do not undo what somebody releases in the portal after the isolation', async ({ start }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    breakCall(harness, 'alerts', '500');
    await harness.run(line);
    world.settleActions();
    harness.clock.advance(minutes(2));
    await harness.run(line);
    world.portalRelease(machine.id);
    harness.clock.advance(minutes(2));

    const outcome = await harness.run(line);

    expect(outcome.code).toBe(0);
    expect(asks(harness)).toEqual(['Isolate Succeeded']);
    expect(machine.isolated).toBe(false);
    expect(tagsOf(host).others).toEqual([]);
  });

  it('do not undo what somebody isolates in the portal after the release', async ({ start }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = await addIsolated(harness);
    breakCall(harness, 'alerts', '500');
    world.tagHost(host.id, 'unblock');
    await harness.run(line);
    world.settleActions();
    harness.clock.advance(minutes(2));
    world.portalIsolate(machine.id);

    await harness.run(line);

    expect(asks(harness)).toEqual(['Isolate Succeeded', 'Unisolate Succeeded']);
    expect(machine.isolated).toBe(true);
    expect(tagsOf(host).others).toEqual([]);
  });
});

it('puts a host off and writes its note when Defender takes no more calls for alerts', async ({ start }) => {
  const harness = await start();
  const { host } = harness.simulator.world.addPair({ tags: ['block'] });
  breakCall(harness, 'alerts', { status: 429, headers: { 'retry-after': '900' }, body: undefined });

  const outcome = await harness.run(line);

  expect(outcome.code).toBe(0);
  expect(hostIn(outcome, host.id)).toMatchObject({
    result: 'deferred',
    action: { type: 'isolate', status: 'Pending' },
    note: 'created',
    detail: textWith('the service takes no more alerts calls until 2026-11-24T12:15:2'),
  });
  expect(asks(harness)).toEqual(['Isolate Pending']);
  expect(tagsOf(host).others).toEqual([]);
  expect(ownNoteOf(host)).toContain('\n- **Alerts & severity:** unknown\n');
  expect(noteEntries(host)).toEqual([
    textWith('isolation for tag `block`: Pending until 2026-12-01 12:00 UTC, action '),
  ]);
});

describe.for(foreign404s)('a 404 that is not in the words of Defender, but %s,', ([, kind]) => {
  it.for([['block'], ['unblock'], ['host_context']])(
    'does not say of the address of a host that asks by %s that no machine is there',
    async ([trigger = ''], { start }) => {
      const harness = await start();
      const { world } = harness.simulator;
      const { host, machine } = world.addPair();
      world.tagHost(host.id, ...contextOf(machine), trigger);
      if (trigger === 'unblock') world.portalIsolate(machine.id);
      const before = [...host.tags];
      breakCall(harness, 'findbyip', kind);

      const outcome = await harness.run([...line, ...enrichLine]);

      expect(outcome.code).toBe(1);
      expect(hostIn(outcome, host.id)).toMatchObject({
        result: trigger === 'host_context' ? 'failed' : 'deferred',
        action: null,
        note: null,
        detail: textWith('Defender answered 404 to GET /api/machines/findbyip('),
      });
      expect(host.tags).toEqual(before);
      expect(asks(harness)).toEqual([]);
    },
  );

  it.for([['block'], ['unblock'], ['host_context']])(
    'does not say of a held host that asks by %s that its machine is gone',
    async ([trigger = ''], { start }) => {
      const harness = await start();
      const { host } = await addIsolated(harness);
      harness.simulator.world.tagHost(host.id, trigger);
      const before = [...host.tags];
      breakCall(harness, 'machine', kind);

      const outcome = await harness.run([...line, ...enrichLine]);

      expect(outcome.code).toBe(1);
      expect(hostIn(outcome, host.id)).toMatchObject({
        result: trigger === 'host_context' ? 'failed' : 'deferred',
        action: null,
        note: null,
        detail: textWith('Defender answered 404 to GET /api/machines/'),
      });
      expect(host.tags).toEqual(before);
      expect(asks(harness)).toEqual(['Isolate Succeeded']);
    },
  );
});

describe('what somebody does in the portal after the plan was made', () => {
  it('puts off a block whose isolation was to be taken over, when it is a release', async ({ start }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    world.portalIsolate(machine.id);

    const outcome = await harness.run(
      line,
      afterFirst('machineactions', () => world.portalRelease(machine.id)),
    );

    expect(outcome.code).toBe(1);
    expect(hostIn(outcome, host.id)).toMatchObject({
      result: 'deferred',
      action: null,
      detail: textWith('the state of the machine changed while the run worked'),
    });
    expect(tagsOf(host)).toEqual(tags(['block'], contextOf(machine)));
    expect(asks(harness)).toEqual([]);
  });

  it('puts off an unblock that had nothing to release, when it is an isolation', async ({ start }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['unblock'] });

    const outcome = await harness.run(
      line,
      afterFirst('machineactions', () => world.portalIsolate(machine.id)),
    );

    expect(outcome.code).toBe(1);
    expect(hostIn(outcome, host.id)).toMatchObject({
      result: 'deferred',
      action: null,
      detail: textWith('the state of the machine changed while the run worked'),
    });
    expect(tagsOf(host)).toEqual(tags(['unblock'], contextOf(machine)));
    expect(asks(harness)).toEqual([]);
  });
});

describe('an isolation that was carried out and answered with 408', () => {
  it('is taken up from the record', async ({ start }) => {
    const harness = await start({ actionIndexLagMs: 2_000 });
    const { ledger, world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    breakCall(harness, 'isolate', { status: 408, after: true });

    const outcome = await harness.run(line);

    expect(outcome.code).toBe(0);
    expect(hostIn(outcome, host.id)).toMatchObject({
      result: 'isolated',
      action: { id: onlyAsked(harness.simulator).id, status: 'Pending' },
    });
    expect(ledger.count('isolate')).toBe(1);
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(startOfTime)}`]),
    );
  });

  it('is not asked for again while the record does not show it, for no host of the machine', async ({
    start,
  }) => {
    const harness = await start({ actionIndexLagMs: 30_000 });
    const { ledger, world } = harness.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    const { last_source, ip, name, host_artifact_set } = host;
    const twin = world.addHost({ tags: ['block'], last_source, ip, name, host_artifact_set });
    breakCall(harness, 'isolate', { status: 408, after: true });

    const first = await harness.run(line);
    harness.clock.advance(minutes(2));
    const second = await harness.run(line);

    expect(first.report?.hosts.map(({ result }) => result)).toEqual(['deferred', 'deferred']);
    expect(second.report?.hosts.map(({ result }) => result)).toEqual(['isolated', 'isolated']);
    expect([first.code, second.code]).toEqual([1, 0]);
    expect(ledger.count('isolate')).toBe(1);
    expect([...tagsOf(host).others, ...tagsOf(twin).others]).toEqual([]);
  });
});

it('keeps to the letter what people add to a note that was made anew while following, where Detect escapes HTML', async ({
  start,
}) => {
  const harness = await start({ htmlEscapeNotes: true });
  const { world } = harness.simulator;
  const { host } = world.addPair({ tags: ['block'] });
  await harness.run(line);
  host.notes.length = 0;
  world.advanceAction(onlyAsked(harness.simulator).id, 'InProgress');
  await harness.run(line);
  const anew = host.notes[0];
  const added = '\n\nuser said: 3 < 5 & "ok" <b>, and it\'s not &amp; or &lt;';
  if (anew) world.writeNote(host.id, anew.note + added, anew.id);

  world.settleActions();
  await harness.run(line);
  const followed = ownNoteOf(host);
  world.tagHost(host.id, 'host_context');
  await harness.run(enrichLine);

  expect(noteEntries(host)).toEqual([textWith(': Succeeded until 2026-12-01 12:00 UTC, action ')]);
  expect(followed.endsWith(`below this line._${added}`)).toBe(true);
  expect(ownNoteOf(host).endsWith(`below this line._${added}`)).toBe(true);
  expect(ownNoteOf(host)).not.toBe(followed);
});

it('does not take an older isolation, released since, for one that Defender has lost', async ({ start }) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host, machine } = world.addPair();
  const at = (ago: number) => startOfTime - minutes(ago);
  world.addAction({ machineId: machine.id, status: 'Succeeded', createdAt: at(600), updatedAt: at(599) });
  world.addAction({
    machineId: machine.id,
    type: 'Unisolate',
    status: 'Succeeded',
    createdAt: at(500),
    updatedAt: at(499),
  });
  const older = [`Manual block:${minute(at(600))}`, `Manual block:${minute(at(400))}`];
  host.tags = [...contextOf(machine), ...older, 'isolation: Pending'];
  // Its list then reaches back to both.
  world.addPair({ tags: ['isolation: Pending', `Manual block:${minute(at(700))}`] });

  const outcome = await harness.run(line);

  expect(host.tags).not.toContain('isolation: Pending');
  expect(host.tags).not.toContain('isolation: Succeeded');
  expect(hostIn(outcome, host.id)).toMatchObject({
    result: 'failed',
    detail: textWith('Defender knows no such action'),
  });
});

it('follows an isolation to its bad end and says so once, where older history tags lie ahead of the clock', async ({
  start,
}) => {
  const harness = await start();
  const { simulator, clock, run } = harness;
  const { host } = simulator.world.addPair({
    tags: [
      'block',
      `Manual block:${minute(startOfTime + minutes(90))}`,
      `Manual unblock:${minute(startOfTime + minutes(100))}`,
    ],
  });
  await run(line);
  const { id } = onlyAsked(simulator);
  simulator.world.advanceAction(id, 'Failed');
  clock.advance(minutes(5));

  const followed = await run(line);
  const tagsThen = [...host.tags];
  clock.advance(days(1));
  const dayAfter = await run(line);

  expect(followed.code).toBe(1);
  expect(hostIn(followed, host.id)).toMatchObject({
    result: 'failed',
    detail: textWith(`isolation ${id} ended in Failed`),
  });
  expect(tagsThen).toEqual(expect.arrayContaining(['isolation: Failed', 'Manual block failed']));
  expect(dayAfter).toMatchObject({ code: 0, report: { hosts: [] } });
  expect(host.tags).toEqual(tagsThen);
  expect(noteEntries(host)).toEqual([textWith(`: Failed, action ${id}`)]);
});

describe('a 404 to the question for the notes of a host', () => {
  const notes404: FaultKind = { status: 404, body: '<html/>', headers: { 'content-type': 'text/html' } };

  it('makes no second note, and keeps the trigger tag', async ({ start }) => {
    const harness = await start();
    const { faults, world } = harness.simulator;
    const { host } = world.addPair({ tags: ['host_context'] });
    await harness.run(enrichLine);
    const note = ownNoteOf(host);
    world.tagHost(host.id, 'host_context');
    faults.add({ match: ({ method, path }) => method === 'GET' && path.endsWith('/notes'), kind: notes404 });

    const outcome = await harness.run(enrichLine);

    expect(outcome.code).toBe(1);
    expect(hostIn(outcome, host.id)).toMatchObject({ result: 'failed', note: null });
    expect(host.notes).toHaveLength(1);
    expect(ownNoteOf(host)).toBe(note);
    expect(tagsOf(host).others).toEqual(['host_context']);
  });

  it('does not have an isolation asked for twice', async ({ start }) => {
    const harness = await start();
    const { faults, world } = harness.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    faults.add({ match: ({ method, path }) => method === 'GET' && path.endsWith('/notes'), kind: notes404 });

    const first = await harness.run(line);
    const afterFirstRun = tagsOf(host).others;
    expect(host.tags).toContain('isolation: Pending');
    harness.clock.advance(minutes(2));
    faults.clear();
    const second = await harness.run(line);

    expect([first.code, second.code]).toEqual([1, 0]);
    // The isolation is the answer, whatever becomes of its note: the line is owed.
    expect(afterFirstRun).toEqual([]);
    expect(tagsOf(host).others).toEqual([]);
    expect(asks(harness)).toEqual(['Isolate Pending']);
    expect(host.notes).toHaveLength(1);
  });
});

it('takes an isolation that Succeeded at a time not told to be in force, and asks for no second one', async ({
  start,
}) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });
  world.portalIsolate(machine.id);
  world.portalRelease(machine.id);
  const timeless = world.portalIsolate(machine.id);
  timeless.overrides = { creationDateTimeUtc: null, lastUpdateDateTimeUtc: null };

  const outcome = await harness.run(line);

  expect(outcome.code).toBe(0);
  expect(hostIn(outcome, host.id)).toMatchObject({
    result: 'isolated',
    action: { type: 'isolate', id: timeless.id, until: null },
  });
  expect(asks(harness)).toEqual([]);
  expect(tagsOf(host).own).toContain('isolation: Succeeded');
});

it("does not call a machine released whose release was cancelled for another host's block", async ({
  start,
}) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host, machine } = await addIsolated(harness);
  world.setOnline(machine.id, false);
  world.tagHost(host.id, 'unblock');
  await harness.run(line);
  const { last_source, ip, name, host_artifact_set } = host;
  const other = world.addHost({ tags: ['block'], last_source, ip, name, host_artifact_set });
  harness.clock.advance(minutes(2));

  const outcome = await harness.run(line);

  expect(outcome.code).toBe(0);
  expect(asks(harness)).toEqual(['Isolate Succeeded', 'Unisolate Cancelled']);
  expect(machine.isolated).toBe(true);
  expect(hostIn(outcome, host.id)).toMatchObject({
    result: 'isolated',
    action: { type: 'release', status: 'Cancelled' },
  });
  expect(hostIn(outcome, other.id)).toMatchObject({
    result: 'isolated',
    action: { type: 'isolate', status: 'Succeeded' },
  });
  expect(outcome.report?.counts).toMatchObject({ isolated: 2, released: 0 });
});

it('reports the tags that were written when Detect refuses one of several', async ({ start }) => {
  const harness = await start();
  const { faults, world } = harness.simulator;
  const { host, machine } = world.addPair({ tags: ['host_context'] });
  faults.add({
    match: ({ call, body }) => call === 'tag-add' && JSON.stringify(body).includes('riskScore'),
    kind: { status: 400, body: { detail: 'no' } },
  });

  const outcome = await harness.run(enrichLine);

  const written = contextOf(machine).filter((tag) => !tag.startsWith('riskScore'));
  expect(outcome.code).toBe(1);
  expect(hostIn(outcome, host.id)).toMatchObject({
    result: 'failed',
    tags: { added: written, removed: [] },
  });
  expect(tagsOf(host)).toEqual(tags(['host_context'], written));
});

describe('an isolated host whose machine was released in the portal', () => {
  async function addReleased(harness: Harness): Promise<Pair> {
    const pair = await addIsolated(harness);
    const { world } = harness.simulator;
    world.addAction({
      machineId: pair.machine.id,
      type: 'Unisolate',
      status: 'Succeeded',
      requestor: 'ann@contoso.example',
      createdAt: harness.clock.now() - minutes(1),
    });
    world.tagHost(pair.host.id, 'host_context');
    return pair;
  }

  it.for([
    [
      "Defender's record cannot be read",
      'machineactions',
      "Defender's record of its machine could not be read: ",
    ],
  ] as const)(
    'keeps its trigger while %s, and is told of it by the next run',
    async ([, call, detail], { start }) => {
      const harness = await start();
      const { host } = await addReleased(harness);
      breakCall(harness, call, '500');
      const before = tagsOf(host);

      const broken = await harness.run(enrichLine);
      const between = tagsOf(host);
      harness.simulator.faults.clear();
      harness.clock.advance(minutes(5));
      const whole = await harness.run(enrichLine);

      expect(broken.code).toBe(1);
      expect(hostIn(broken, host.id)).toMatchObject({ detail: textWith(detail) });
      expect(between).toEqual(before);
      expect(whole.code).toBe(0);
      expect(tagsOf(host).own).toContain('release: Succeeded');
      expect(tagsOf(host).others).toEqual([]);
      expect(ownNoteOf(host)).toContain('release by `ann@contoso.example`: Succeeded');
    },
  );
});
