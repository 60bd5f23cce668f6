import { describe, expect, it } from 'vitest';
import {
  anyText,
  column,
  defender,
  detect,
  foundIds,
  isolate,
  json,
  like,
  noon,
  object,
  refusal,
  release,
  search,
  start,
} from './simulator/client.ts';
import type { Simulator } from './simulator/simulator.ts';

const day = 86_400_000;

/** A clock to be moved. */
function stoppedClock(): { time: number; now(): number } {
  return {
    time: noon,
    now() {
      return this.time;
    },
  };
}

async function actionsOf(simulator: Simulator, machineId: string): Promise<unknown[]> {
  const ask = await defender(simulator);
  const filter = encodeURIComponent(`machineId eq '${machineId}'`);
  const { body } = await ask(`/api/machineactions?$filter=${filter}`);
  const list: unknown = object(body)['value'];
  if (!Array.isArray(list)) throw new Error('no list');
  return list.map((row: unknown) => row);
}

describe('an isolation in Defender', () => {
  it('ends seven days after its creation, without a record', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock });
    const { machine } = simulator.world.addPair();
    simulator.world.portalIsolate(machine.id);
    clock.time = noon + 7 * day - 1;
    expect(machine.isolated).toBe(true);
    clock.time = noon + 7 * day;
    expect(machine.isolated).toBe(false);
    expect(simulator.world.snapshot().machines[machine.id]).toEqual({ isolated: false });
    expect(column({ value: await actionsOf(simulator, machine.id) }, 'value', 'type')).toEqual(['Isolate']);
  });

  it.each([
    ['null comment', null],
    ['empty comment', ''],
  ] as const)('ends with a release of nobody in the record (%s)', async (liftRecord, requestorComment) => {
    const clock = stoppedClock();
    const simulator = await start({ clock, liftRecord });
    const { machine } = simulator.world.addPair();
    simulator.world.portalIsolate(machine.id);
    clock.time = noon + 8 * day;
    const [newest] = await actionsOf(simulator, machine.id);
    expect(newest).toMatchObject({
      type: 'Unisolate',
      status: 'Succeeded',
      requestor: null,
      requestorComment,
      creationDateTimeUtc: '2026-12-01T12:00:00.0000000Z',
    });
  });

  it('ends after the days that are set, counted from the last one, or never', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock, isolationEndsAfterDays: 2 });
    const { world, settings } = simulator;
    const [first, second] = [world.addMachine(), world.addMachine()];
    world.portalIsolate(first.id);
    clock.time = noon + day;
    world.portalRelease(first.id);
    world.portalIsolate(first.id);
    settings.isolationEndsAfterDays = 0;
    world.portalIsolate(second.id);
    clock.time = noon + 3 * day - 1;
    expect(first.isolated).toBe(true);
    clock.time = noon + 300 * day;
    expect([first.isolated, second.isolated]).toEqual([false, true]);
  });

  it('may be asked for again once it has ended, which is no harm', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock, releaseOfFree: 'refuse' });
    const { machine } = simulator.world.addPair();
    simulator.world.portalIsolate(machine.id);
    clock.time = noon + 8 * day;
    const ask = await defender(simulator);
    expect(await ask(...release(machine.id))).toMatchObject({
      status: 400,
      body: refusal('BadRequest', `Machine ${machine.id} is not isolated`),
    });
    expect((await ask(...isolate(machine.id))).status).toBe(201);
    simulator.world.settleActions();
    expect(machine.isolated).toBe(true);
    expect(simulator.world.violations).toEqual([]);
  });

  it('may be of nobody, and in a state that nobody documents, in which it stays', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock, actionDelayMs: 1000 });
    const { world } = simulator;
    const { machine } = world.addPair();
    world.addAction({ machineId: machine.id, status: 'Queued', requestor: null });
    clock.time = noon + 4 * day;
    world.settleActions();
    expect(await actionsOf(simulator, machine.id)).toMatchObject([{ status: 'Queued', requestor: null }]);
    expect(machine.isolated).toBe(false);
  });

  it('is missing from the list for ten minutes when the list lags so much', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock, actionIndexLagMs: 600_000 });
    const { machine } = simulator.world.addPair();
    simulator.world.portalIsolate(machine.id);
    clock.time = noon + 599_999;
    expect(await actionsOf(simulator, machine.id)).toEqual([]);
    clock.time = noon + 600_000;
    expect(await actionsOf(simulator, machine.id)).toHaveLength(1);
  });

  it("is listed with other machines' actions when the filter is ignored", async () => {
    const simulator = await start({ machineFilterIgnored: true });
    const { world } = simulator;
    const [first, second] = [world.addMachine(), world.addMachine()];
    world.portalIsolate(first.id);
    world.portalIsolate(second.id);
    const ask = await defender(simulator);
    const filter = encodeURIComponent(`machineId eq '${first.id}' and type eq 'Isolate'`);
    const { body } = await ask(`/api/machineactions?$filter=${filter}`);
    expect(new Set(column(body, 'value', 'machineId'))).toEqual(new Set([first.id, second.id]));
    const none = await ask(`/api/machineactions?$filter=${encodeURIComponent("type eq 'Unisolate'")}`);
    expect(object(none.body)['value']).toEqual([]);
  });
});

describe('Defender refuses', () => {
  it.each([
    ['code', 403, refusal('DisallowedOperation', 'The requested operation is disallowed.')],
    ['sentence', 400, refusal('BadRequest', "The operation isn't allowed on the device")],
  ] as const)('to isolate a restricted machine, by its %s', async (restricted, status, body) => {
    const simulator = await start();
    const { machine } = simulator.world.addPair({}, { restricted });
    const ask = await defender(simulator);
    expect(await ask(...isolate(machine.id))).toMatchObject({ status, body });
    expect((await ask(...release(machine.id))).status).toBe(201);
    expect(simulator.world.actions.size).toBe(1);
  });

  it('what it is told to refuse for one machine', async () => {
    const simulator = await start();
    const refused = { status: 409, code: 'DeviceBusy', message: 'Come back later.' };
    const { machine } = simulator.world.addPair({}, { refusal: refused });
    const { machine: other } = simulator.world.addPair();
    const ask = await defender(simulator);
    for (const request of [isolate(machine.id), release(machine.id)]) {
      expect(await ask(...request)).toMatchObject({
        status: 409,
        body: refusal('DeviceBusy', 'Come back later.'),
      });
    }
    expect((await ask(...isolate(other.id))).status).toBe(201);
  });

  it('a machine by its id for a while, which its address leads to all the same', async () => {
    const clock = stoppedClock();
    const simulator = await start({ clock });
    const { host, machine } = simulator.world.addPair({}, { missingUntil: noon + 5000 });
    const ask = await defender(simulator);
    const missing = { status: 404, body: refusal('ResourceNotFound', `Machine ${machine.id} was not found`) };
    expect(await ask(`/api/machines/${machine.id}`)).toMatchObject(missing);
    expect(await ask(...isolate(machine.id))).toMatchObject(missing);
    expect(await ask(...release(machine.id))).toMatchObject(missing);
    const at = '2026-11-24T11:55:00Z';
    const found = await ask(`/api/machines/findbyip(ip='${host.last_source ?? ''}',timestamp=${at})`);
    expect(column(found.body, 'value', 'id')).toEqual([machine.id]);
    clock.time = noon + 5000;
    expect((await ask(`/api/machines/${machine.id}`)).status).toBe(200);
    expect((await ask(...isolate(machine.id))).status).toBe(201);
  });

  it('tokens that lack a role, in either sentence, and takes the roles that write for those that read', async () => {
    const simulator = await start({ roles: ['Alert.ReadWrite.All'] });
    const { machine } = simulator.world.addPair();
    const poor = await defender(simulator);
    expect(await poor('/api/machines')).toMatchObject({
      status: 403,
      body: refusal(
        'Forbidden',
        'The application does not have any of the required application permissions (Machine.Read.All, Machine.ReadWrite.All) to access the resource.',
      ),
    });
    simulator.settings.missingRole = 'roles';
    expect(await poor(...isolate(machine.id))).toMatchObject({
      status: 403,
      body: refusal(
        'Forbidden',
        'Missing application roles. API required roles: Machine.Isolate, application roles: Alert.ReadWrite.All.',
      ),
    });
    expect((await poor(`/api/machines/${machine.id}/alerts`)).status).toBe(200);
    simulator.settings.roles = ['Machine.ReadWrite.All'];
    const rich = await defender(simulator);
    expect((await rich(`/api/machines/${machine.id}`)).status).toBe(200);
    expect((await rich('/api/machineactions')).status).toBe(200);
  });

  it('everything while the tenant has no licence', async () => {
    const simulator = await start({ account: 'inactive' });
    const ask = await defender(simulator);
    expect(await ask('/api/machineactions')).toMatchObject({
      status: 401,
      body: refusal('Unauthorized', 'Account mode is inactive'),
    });
    simulator.settings.account = 'unprovisioned';
    expect(await ask('/api/machineactions')).toMatchObject({
      status: 403,
      body: refusal('Forbidden', 'Account is not provisioned'),
    });
  });
});

describe('Detect', () => {
  it('may end a list short of its own count, once or always, on its last page only', async () => {
    const simulator = await start({ shortSearches: 1, pageSize: 2 });
    const { world, settings } = simulator;
    const ids = [1, 2, 3, 4].map(() => world.addHost({ tags: ['block'] }).id);
    const first = await search(simulator, 'host.tags:"block"', '&page=1');
    expect(column(first.body, 'results', 'id')).toEqual(ids.slice(0, 2));
    const last = await search(simulator, 'host.tags:"block"', '&page=2');
    expect(last.body).toMatchObject({ count: 4, next: null });
    expect(column(last.body, 'results', 'id')).toEqual(ids.slice(2, 3));
    const again = await search(simulator, 'host.tags:"block"', '&page=2');
    expect(column(again.body, 'results', 'id')).toEqual(ids.slice(2));
    settings.shortSearches = Infinity;
    settings.pageSize = 50;
    for (let n = 0; n < 3; n += 1) {
      expect(await foundIds(simulator, 'host.tags:"block"')).toEqual(ids.slice(0, 3));
    }
    expect(await foundIds(simulator, 'host.tags:"nothing"')).toEqual([]);
  });

  it('may show documents with a null among the tags, an id in quotes, or no tags', async () => {
    const simulator = await start();
    const { world } = simulator;
    const host = world.addHost({ tags: ['block'], odd: ['null tag', 'quoted id'] });
    const bare = world.addHost({ tags: ['block'], odd: ['no tags'] });
    const { body } = await search(simulator, 'host.tags:"block"');
    expect(column(body, 'results', 'id')).toEqual([String(host.id), bare.id]);
    expect(column(body, 'results', 'tags')).toEqual([[null, 'block'], undefined]);
    const alone = await detect(simulator, `/hosts/${host.id}`);
    expect(alone.body).toMatchObject({ id: String(host.id), tags: [null, 'block'] });
    const tags = await detect(simulator, `/tagging/host/${host.id}`);
    expect(tags.body).toMatchObject({ tags: ['block'] });
  });

  it('may refuse to add a tag, and takes others', async () => {
    const simulator = await start({ refusedTags: ['riskScore: High'] });
    const { id } = simulator.world.addHost({ tags: ['riskScore: High'] });
    const body = (tag: string) => ({ objectIds: [id], tag });
    const refused = await detect(simulator, '/tagging/host', json('POST', body('riskScore: High')));
    expect(refused).toMatchObject({ status: 400, body: { message: 'Invalid tag' } });
    expect((await detect(simulator, '/tagging/host', json('POST', body('VIP')))).status).toBe(200);
    const removed = await detect(simulator, '/tagging/host', json('DELETE', body('riskScore: High')));
    expect(removed.status).toBe(200);
    expect(simulator.world.host(id).tags).toEqual(['VIP']);
  });

  it("may refuse to change a note, as another user's or as full", async () => {
    const simulator = await start();
    const { id, notes } = simulator.world.addHost({ notes: ['one', 'two', 'three'] });
    const [foreign, full] = notes;
    if (foreign) foreign.refuses = 403;
    if (full) full.refuses = 413;
    const replies = await Promise.all(
      notes.map((note) => detect(simulator, `/hosts/${id}/notes/${note.id}`, json('PATCH', { note: 'new' }))),
    );
    expect(replies.map(({ status }) => status)).toEqual([403, 413, 200]);
    expect(replies[0]?.body).toEqual({ details: anyText });
    expect(replies[1]?.body).toEqual(like('413 Request Entity Too Large'));
    expect(notes.map(({ note }) => note)).toEqual(['one', 'two', 'new']);
  });
});
