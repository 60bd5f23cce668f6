import { describe, expect } from 'vitest';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Simulator } from '../simulator/simulator.ts';
import {
  asked,
  contextOf,
  detectState,
  hostIn,
  it,
  minute,
  minutes,
  noteEntries,
  onlyAsked,
  ownNoteOf,
  resultsOf,
  run,
  tags,
  tagsOf,
  typicalLine,
} from './rig.ts';

const line = ['--unblocktag', 'unblock', '--json'];

/** A host whose machine this program isolated some minutes ago, as the host's tags tell. */
function addHeld(
  simulator: Simulator,
  about: { status?: string; told?: string; ago?: number; tags?: string[] } = {},
): { host: SimHost; machine: SimMachine; action: SimAction } {
  const { status = 'Succeeded', told = status, ago = 30 } = about;
  const { world } = simulator;
  const { host, machine } = world.addPair();
  const action = world.addAction({
    machineId: machine.id,
    status,
    createdAt: Date.now() - minutes(ago),
    requestSource: 'Portal',
    requestorComment: `atp isolate; brain ${new URL(simulator.detectUrl).host}; host ${host.id}; tag block; 2026-11-24T08:00:00Z; x`,
  });
  host.tags = [
    ...contextOf(machine),
    'vip',
    `isolation: ${told}`,
    `Manual block:${minute(action.createdAt)}`,
    ...(about.tags ?? []),
  ];
  return { host, machine, action };
}

describe.concurrent('--unblocktag', () => {
  it('releases a machine whose isolation is in force, and says so on the host', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['vip', 'UNBLOCK'], state: 'inactive' });
    world.portalIsolate(machine.id);

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(action).toMatchObject({
      type: 'Unisolate',
      machineId: machine.id,
      requestorComment: expect.stringMatching(
        new RegExp(`^atp release; brain 127\\.0\\.0\\.1:\\d+; host ${host.id}; tag UNBLOCK; \\S+Z; pc-1$`),
      ),
    });
    expect(tagsOf(host)).toEqual(
      tags(
        ['vip'],
        [...contextOf(machine), 'release: Pending', `Manual unblock:${minute(action.createdAt)}`],
      ),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: release for tag \`UNBLOCK\`: Pending, action ${action.id}`,
    ]);
    expect(hostIn(result, host.id)).toMatchObject({
      reasons: ['unblock'],
      action: { type: 'release', id: action.id, status: 'Pending' },
      result: 'released',
    });
  });

  it('posts nothing when nothing is in force', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const never = world.addPair({ tags: ['unblock', 'Manual unblock failed'] });
    const freed = world.addPair({ tags: ['unblock'] });
    world.portalIsolate(freed.machine.id);
    world.portalRelease(freed.machine.id);
    const before = Date.now();

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(asked(simulator)).toEqual([]);
    const times = [before, Date.now()].map(minute);
    for (const { host, machine } of [never, freed]) {
      const history = tagsOf(host).own.find((tag) => tag.startsWith('Manual unblock:')) ?? '';
      expect(times).toContain(history.slice('Manual unblock:'.length));
      expect(tagsOf(host)).toEqual(tags([], [...contextOf(machine), history]));
      expect(noteEntries(host)).toEqual([
        `- ${history.slice('Manual unblock:'.length)} UTC: release for tag \`unblock\`: nothing was in force`,
      ]);
    }
    expect(resultsOf(result, [never.host, freed.host])).toEqual(['released', 'released']);
  });

  it('cancels an isolation that is still Pending', async ({ start }) => {
    const simulator = await start();
    const { host, machine, action } = addHeld(simulator, { status: 'Pending', tags: ['unblock'] });
    const before = Date.now();

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(action).toMatchObject({
      status: 'Cancelled',
      cancellationComment: expect.stringMatching(/^atp release; brain /),
    });
    expect(asked(simulator)).toEqual([]);
    const history = tagsOf(host).own.find((tag) => tag.startsWith('Manual unblock:')) ?? '';
    expect([before, Date.now()].map(minute)).toContain(history.slice('Manual unblock:'.length));
    expect(tagsOf(host)).toEqual(
      tags(
        ['vip'],
        [...contextOf(machine), 'isolation: Cancelled', `Manual block:${minute(action.createdAt)}`, history],
      ),
    );
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'released',
      action: { type: 'isolate', id: action.id, status: 'Cancelled' },
    });
  });

  it('releases what a repeated isolation, now cancelled, would have isolated again', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    const repeated = world.addAction({
      machineId: machine.id,
      status: 'Pending',
      createdAt: Date.now() - minutes(5),
    });

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(repeated.status).toBe('Cancelled');
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: machine.id });
    expect(tagsOf(host).own).toContain('release: Pending');
  });

  it('waits for an isolation that is under way', async ({ start }) => {
    const simulator = await start();
    const { host, action } = addHeld(simulator, { status: 'InProgress', tags: ['unblock'] });

    const result = await run(simulator, line);

    expect(result.code).toBe(1);
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'deferred',
      detail: expect.stringContaining(
        `isolation ${action.id} is InProgress and cannot be cancelled any more; asked again when it has ended`,
      ),
    });
    expect(asked(simulator)).toEqual([]);
    expect(action.status).toBe('InProgress');
    expect(tagsOf(host).others).toEqual(['vip', 'unblock']);
  });

  it('takes over a release that is under way', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    const release = simulator.world.portalRelease(machine.id, 'Pending');

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(asked(simulator)).toEqual([]);
    expect(hostIn(result, host.id)['action']).toMatchObject({ type: 'release', id: release.id });
    expect(tagsOf(host).own).toContain('release: Pending');
    expect(tagsOf(host).others).toEqual(['vip']);
  });
});

describe.concurrent('the machine of a held host', () => {
  it('is found by the id: tag, though another machine has the address by now', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    world.moveAddress(machine.id, '10.250.0.1', Date.now() - minutes(120));
    const newcomer = world.addMachine({ lastIpAddress: host.last_source, protected: true });
    world.portalIsolate(newcomer.id);

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: machine.id });
    expect(simulator.ledger.count('findbyip')).toBe(0);
    expect(tagsOf(host).own).toContain(`id: ${machine.id}`);
  });

  it('is the heir of a record that was merged', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    const heir = world.addMachine({ computerDnsName: 'heir.contoso.example' });
    machine.mergedIntoMachineId = heir.id;

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: heir.id });
    expect(tagsOf(host).own).toContain(`id: ${heir.id}`);
    expect(tagsOf(host).own).not.toContain(`id: ${machine.id}`);
  });

  it('is released by its id when its record is gone', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    simulator.world.deleteMachine(machine.id, { acceptsActions: true });

    const result = await run(simulator, line);

    expect(result.code).toBe(0);
    expect(onlyAsked(simulator)).toMatchObject({ type: 'Unisolate', machineId: machine.id });
    expect(tagsOf(host).own).toContain('release: Pending');
    expect(tagsOf(host).own).toContain(`id: ${machine.id}`);
  });

  it('that Defender knows no more is refused for good, and its id goes to the note', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
    simulator.world.deleteMachine(machine.id);

    const result = await run(simulator, line);

    expect(result.code).toBe(1);
    expect(resultsOf(result, [host])).toEqual(['refused']);
    expect(tagsOf(host).others).toEqual(['vip']);
    expect(tagsOf(host).own).toContain('Manual unblock failed');
    expect(tagsOf(host).own).not.toContain(`id: ${machine.id}`);
    expect(ownNoteOf(host)).toContain(machine.id);
    expect(asked(simulator)).toEqual([]);
  });

  it.for<[evidence: string, names: string[], released: boolean]>([
    ['confirmed', ['pc-1'], true],
    ['ip only', [], false],
  ])(
    'without an id: tag is found by address, and %s evidence decides',
    async ([, names, released], { start }) => {
      const simulator = await start();
      const { world } = simulator;
      // All that the earlier tool left behind.
      const { host, machine } = world.addPair({
        tags: ['Manual block:2026-11-20 10:00', 'unblock'],
        name: 'IP-10.0.0.9',
        host_artifact_set: names.map((value) => ({ type: 'dhcp', value })),
      });
      world.addAction({ machineId: machine.id, createdAt: Date.parse('2026-11-20T10:00:20Z') });

      const result = await run(simulator, line);

      expect(resultsOf(result, [host])).toEqual([released ? 'released' : 'refused']);
      expect(asked(simulator)).toHaveLength(released ? 1 : 0);
      expect(host.tags).not.toContain('unblock');
      expect(host.tags.includes('Manual unblock failed')).toBe(!released);
    },
  );

  it.for<[ago: number, posted: boolean]>([
    [20, false],
    [120, true],
  ])('isolated %i minutes ago, and not in the record, is released: %s', async ([ago, posted], { start }) => {
    const simulator = await start();
    const { host, machine, action } = addHeld(simulator, { ago, tags: ['unblock'] });
    simulator.world.actions.delete(action.id);

    const result = await run(simulator, line);

    expect(result.code).toBe(posted ? 0 : 1);
    expect(resultsOf(result, [host])).toEqual([posted ? 'released' : 'deferred']);
    expect(asked(simulator).map(({ machineId }) => machineId)).toEqual(posted ? [machine.id] : []);
    expect(host.tags.includes('unblock')).toBe(!posted);
  });
});

describe.concurrent('the next run', () => {
  it('follows what the one before asked for, and then has nothing to say', async ({ start }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await run(simulator, typicalLine);
    const action = onlyAsked(simulator);
    const pendingTags = [...host.tags];

    const waiting = await run(simulator, [...typicalLine, '--json']);
    const tagsWhileWaiting = [...host.tags];
    world.advanceAction(action.id, 'InProgress');
    const moving = await run(simulator, [...typicalLine, '--json']);
    const tagsWhileMoving = [...host.tags];
    world.advanceAction(action.id, 'Succeeded');
    const ended = await run(simulator, [...typicalLine, '--json']);
    ledger.clear();
    const idle = await run(simulator, typicalLine);

    expect([waiting, moving, ended].map((result) => result.code)).toEqual([0, 0, 0]);
    expect(waiting.stderr).toBe('');
    expect(hostIn(waiting, host.id)).toMatchObject({
      reasons: ['pending'],
      result: 'unchanged',
      action: { type: 'isolate', id: action.id, status: 'Pending' },
      tags: { added: [], removed: [] },
    });
    expect(tagsWhileWaiting).toEqual(pendingTags);
    expect(hostIn(moving, host.id)).toMatchObject({
      result: 'isolated',
      tags: { added: ['isolation: InProgress'] },
    });
    expect(tagsWhileMoving).toContain('isolation: InProgress');
    expect(hostIn(ended, host.id)).toMatchObject({
      result: 'isolated',
      tags: { added: ['isolation: Succeeded'] },
    });
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Succeeded', `Manual block:${minute(action.createdAt)}`]),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: isolation for tag \`block\`: Succeeded, action ${action.id}`,
    ]);
    expect(idle).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(ledger.calls()).toEqual({ detect: 1, login: 0, atp: 0 });
    expect(asked(simulator)).toHaveLength(1);
  });

  it.for<[kind: 'isolation' | 'release', status: string]>([
    ['isolation', 'Failed'],
    ['isolation', 'TimeOut'],
    ['isolation', 'Cancelled'],
    ['release', 'Failed'],
  ])('says once that an %s ended in %s, and leaves it to a person', async ([kind, status], { start }) => {
    const simulator = await start();
    const { world } = simulator;
    const trigger = kind === 'isolation' ? 'block' : 'unblock';
    const { host, machine } = world.addPair({ tags: [trigger] });
    if (kind === 'release') world.portalIsolate(machine.id);
    await run(simulator, typicalLine);
    const action = onlyAsked(simulator);
    world.advanceAction(action.id, status);

    const told = await run(simulator, [...typicalLine, '--json']);
    const between = detectState(simulator);
    const silent = await run(simulator, typicalLine);

    expect(told.code).toBe(1);
    expect(hostIn(told, host.id)).toMatchObject({
      result: 'failed',
      detail: expect.stringContaining(action.id),
    });
    expect(tagsOf(host).own).toEqual(
      [
        ...contextOf(machine),
        `${kind}: ${status}`,
        `Manual ${trigger} failed`,
        `Manual ${trigger}:${minute(action.createdAt)}`,
      ].toSorted(),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: ${kind} for tag \`${trigger}\`: ${status}, action ${action.id}`,
    ]);
    expect(silent).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(detectState(simulator)).toEqual(between);
    expect(asked(simulator)).toHaveLength(1);
  });

  it('follows any number of hosts with one list of actions', async ({ start }) => {
    const simulator = await start();
    const held = Array.from({ length: 30 }, (_, at) =>
      addHeld(simulator, { status: 'Succeeded', told: 'Pending', ago: 30 + at }),
    );

    const result = await run(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(0);
    expect(held.every(({ host }) => host.tags.includes('isolation: Succeeded'))).toBe(true);
    expect(simulator.ledger.calls().atp).toBe(1);
    expect(simulator.ledger.count('tag-add')).toBeLessThan(30);
  });

  it('isolates again what was released and is asked for anew', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = addHeld(simulator, { ago: 90, tags: ['unblock'] });
    await run(simulator, typicalLine);
    world.settleActions();
    await run(simulator, typicalLine);
    const released = tagsOf(host);
    world.tagHost(host.id, 'block');

    const result = await run(simulator, [...typicalLine, '--json']);

    expect(released.own).toContain('release: Succeeded');
    expect(result.code).toBe(0);
    expect(asked(simulator).map(({ type }) => type)).toEqual(['Unisolate', 'Isolate']);
    expect(tagsOf(host).own).toContain('isolation: Pending');
    world.settleActions();
    expect(machine.isolated).toBe(true);
  });
});

describe.concurrent('--wait', () => {
  it('follows the action to its end within the run', async ({ start }) => {
    const simulator = await start({ actionDelayMs: 1 });
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });

    const result = await run(simulator, [...typicalLine, '--json', '--wait', '20']);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(machine.isolated).toBe(true);
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'isolated',
      action: { type: 'isolate', id: action.id, status: 'Succeeded' },
    });
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Succeeded', `Manual block:${minute(action.createdAt)}`]),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: isolation for tag \`block\`: Succeeded, action ${action.id}`,
    ]);
    expect(result.ms).toBeLessThan(20_000);
  });

  it('is over when the time is, and an action that is still Pending is no failure', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    simulator.world.setOnline(machine.id, false);

    const result = await run(simulator, [...typicalLine, '--json', '--wait', '1']);

    expect(result.code).toBe(0);
    expect(hostIn(result, host.id)).toMatchObject({ result: 'isolated', action: { status: 'Pending' } });
    expect(tagsOf(host).own).toContain('isolation: Pending');
    expect(result.ms).toBeGreaterThan(1_000);
  });
});
