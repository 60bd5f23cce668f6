import { describe, expect } from 'vitest';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import type { Simulator } from '../simulator/simulator.ts';
import {
  asked,
  askedOf,
  contextOf,
  detectState,
  hostIn,
  it,
  minute,
  minutes,
  noteEntries,
  onlyAsked,
  ownNoteOf,
  playInOneRun,
  resultsOf,
  runHere,
  tags,
  tagsOf,
  textLike,
  textWith,
  typicalLine,
  untilWords,
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

/** All that the earlier tool left behind: the time of its block, and the isolation that Defender records. */
function addHeldByEarlierTool({ world }: Simulator, names: string[]) {
  const pair = world.addPair(
    {
      tags: ['Manual block:2026-11-20 10:00', 'unblock'],
      name: 'IP-10.0.0.9',
      host_artifact_set: names.map((value) => ({ type: 'dhcp', value })),
    },
    { computerDnsName: 'laptop-7.contoso.example' },
  );
  world.addAction({ machineId: pair.machine.id, createdAt: Date.parse('2026-11-20T10:00:20Z') });
  return pair;
}

/** The minute that a host's newest `Manual unblock:` names, which must be one of the run. */
function timeOfRun({ report }: RunResult, host: SimHost): string {
  const time = host.tags
    .findLast((tag) => tag.startsWith('Manual unblock:'))
    ?.slice('Manual unblock:'.length);
  const times = ['startedAt', 'finishedAt'].map((name) => minute(Date.parse(String(report?.[name]))));
  expect(times).toContain(time);
  return time ?? '';
}

function expectNothingInForce(
  simulator: Simulator,
  { host, machine }: { host: SimHost; machine: SimMachine },
): (result: RunResult) => void {
  return (result) => {
    const time = timeOfRun(result, host);
    expect(askedOf(simulator, machine)).toEqual([]);
    expect(tagsOf(host)).toEqual(tags([], [...contextOf(machine), `Manual unblock:${time}`]));
    expect(noteEntries(host)).toEqual([`- ${time} UTC: release for tag \`unblock\`: nothing was in force`]);
    expect(resultsOf(result, [host])).toEqual(['released']);
  };
}

playInOneRun(
  '--unblocktag',
  { args: line, code: 1 },
  {
    'releases a machine whose isolation is in force, and says so on the host': (simulator) => {
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['vip', 'UNBLOCK'], state: 'inactive' });
      world.portalIsolate(machine.id);

      return (result) => {
        const action = onlyAsked(simulator, machine);
        expect(action).toMatchObject({
          type: 'Unisolate',
          requestorComment: textLike(
            new RegExp(
              `^atp release; brain 127\\.0\\.0\\.1:\\d+; host ${host.id}; tag UNBLOCK; \\S+Z; ${host.name}$`,
            ),
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
      };
    },

    'posts nothing when nothing was ever in force': (simulator) => {
      const pair = simulator.world.addPair({ tags: ['unblock', 'Manual unblock failed'] });
      return expectNothingInForce(simulator, pair);
    },

    'posts nothing when what was in force was released': (simulator) => {
      const { world } = simulator;
      const pair = world.addPair({ tags: ['unblock'] });
      world.portalIsolate(pair.machine.id);
      world.portalRelease(pair.machine.id);
      return expectNothingInForce(simulator, pair);
    },

    'cancels an isolation that is still Pending': (simulator) => {
      const { host, machine, action } = addHeld(simulator, { status: 'Pending', tags: ['unblock'] });

      return (result) => {
        expect(action).toMatchObject({
          status: 'Cancelled',
          cancellationComment: textLike(/^atp release; brain /),
        });
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(tagsOf(host)).toEqual(
          tags(
            ['vip'],
            [
              ...contextOf(machine),
              'isolation: Cancelled',
              `Manual block:${minute(action.createdAt)}`,
              `Manual unblock:${timeOfRun(result, host)}`,
            ],
          ),
        );
        expect(hostIn(result, host.id)).toMatchObject({
          result: 'released',
          action: { type: 'isolate', id: action.id, status: 'Cancelled' },
        });
      };
    },

    'releases what a repeated isolation, now cancelled, would have isolated again': (simulator) => {
      const { world } = simulator;
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      const repeated = world.addAction({
        machineId: machine.id,
        status: 'Pending',
        createdAt: Date.now() - minutes(5),
      });

      return (result) => {
        expect(repeated.status).toBe('Cancelled');
        expect(onlyAsked(simulator, machine).type).toBe('Unisolate');
        expect(tagsOf(host).own).toContain('release: Pending');
        expect(resultsOf(result, [host])).toEqual(['released']);
      };
    },

    'waits for an isolation that is under way': (simulator) => {
      const { host, machine, action } = addHeld(simulator, { status: 'InProgress', tags: ['unblock'] });

      return (result) => {
        expect(hostIn(result, host.id)).toMatchObject({
          result: 'deferred',
          detail: textWith(
            `isolation ${action.id} is InProgress and cannot be cancelled any more; asked again when it has ended`,
          ),
        });
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(action.status).toBe('InProgress');
        expect(tagsOf(host).others).toEqual(['vip', 'unblock']);
      };
    },

    'takes over a release that is under way': (simulator) => {
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      const release = simulator.world.portalRelease(machine.id, 'Pending');

      return (result) => {
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(hostIn(result, host.id)).toMatchObject({
          result: 'released',
          action: { type: 'release', id: release.id },
        });
        expect(tagsOf(host).own).toContain('release: Pending');
        expect(tagsOf(host).others).toEqual(['vip']);
      };
    },

    'finds a held machine by the id: tag, though another has the address by now': (simulator) => {
      const { world } = simulator;
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      world.moveAddress(machine.id, '10.250.0.1', Date.now() - minutes(120));
      const newcomer = world.addMachine({ lastIpAddress: host.last_source });
      world.portalIsolate(newcomer.id);

      return () => {
        expect(onlyAsked(simulator, machine).type).toBe('Unisolate');
        expect(askedOf(simulator, newcomer)).toEqual([]);
        expect(
          simulator.ledger.of('findbyip').some(({ path }) => path.includes(`'${host.last_source ?? ''}'`)),
        ).toBe(false);
        expect(tagsOf(host).own).toContain(`id: ${machine.id}`);
      };
    },

    'releases the heir of a record that was merged': (simulator) => {
      const { world } = simulator;
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      const heir = world.addMachine({ computerDnsName: 'heir.contoso.example' });
      machine.mergedIntoMachineId = heir.id;

      return () => {
        expect(onlyAsked(simulator, heir).type).toBe('Unisolate');
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(tagsOf(host).own).toContain(`id: ${heir.id}`);
        expect(tagsOf(host).own).not.toContain(`id: ${machine.id}`);
      };
    },

    'releases by its id a machine whose record is gone': (simulator) => {
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      simulator.world.deleteMachine(machine.id, { acceptsActions: true });

      return () => {
        expect(onlyAsked(simulator, machine).type).toBe('Unisolate');
        expect(tagsOf(host).own).toContain('release: Pending');
        expect(tagsOf(host).own).toContain(`id: ${machine.id}`);
      };
    },

    'is refused for a machine that Defender knows no more, whose id goes to the note': (simulator) => {
      const { host, machine } = addHeld(simulator, { tags: ['unblock'] });
      simulator.world.deleteMachine(machine.id);

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['refused']);
        expect(tagsOf(host).others).toEqual(['vip']);
        expect(tagsOf(host).own).toContain('Manual unblock failed');
        expect(tagsOf(host).own).not.toContain(`id: ${machine.id}`);
        expect(ownNoteOf(host)).toContain(machine.id);
        expect(askedOf(simulator, machine)).toEqual([]);
      };
    },

    'goes by address for a host held without an id: tag, with confirmed evidence': (simulator) => {
      const { host, machine } = addHeldByEarlierTool(simulator, ['laptop-7']);

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['released']);
        expect(onlyAsked(simulator, machine).type).toBe('Unisolate');
        expect(host.tags).not.toContain('unblock');
      };
    },

    'is refused for a host held without an id: tag and less evidence': (simulator) => {
      const { host, machine } = addHeldByEarlierTool(simulator, []);

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['refused']);
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(host.tags).not.toContain('unblock');
        expect(host.tags).toContain('Manual unblock failed');
      };
    },

    'waits while a fresh isolation is missing from the record': (simulator) => {
      const { host, machine, action } = addHeld(simulator, { ago: 20, tags: ['unblock'] });
      simulator.world.actions.delete(action.id);

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['deferred']);
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(host.tags).toContain('unblock');
      };
    },

    'is posted when an isolation of more than an hour ago is missing from the record': (simulator) => {
      const { host, machine, action } = addHeld(simulator, { ago: 120, tags: ['unblock'] });
      simulator.world.actions.delete(action.id);

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['released']);
        expect(onlyAsked(simulator, machine).type).toBe('Unisolate');
        expect(host.tags).not.toContain('unblock');
      };
    },
  },
);

describe.concurrent('the next run', () => {
  it('follows what the one before asked for, and then has nothing to say', async ({ start }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    await runHere(simulator, typicalLine);
    const action = onlyAsked(simulator);
    const pendingTags = [...host.tags];

    const waiting = await runHere(simulator, [...typicalLine, '--json']);
    const tagsWhileWaiting = [...host.tags];
    world.advanceAction(action.id, 'InProgress');
    const moving = await runHere(simulator, [...typicalLine, '--json']);
    const tagsWhileMoving = [...host.tags];
    world.advanceAction(action.id, 'Succeeded');
    const ended = await runHere(simulator, [...typicalLine, '--json']);
    ledger.clear();
    const idle = await runHere(simulator, typicalLine);

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
      `- ${minute(action.createdAt)} UTC: isolation for tag \`block\`: Succeeded ${untilWords(action.createdAt)}, action ${action.id}`,
    ]);
    expect(idle).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(ledger.calls()).toEqual({ detect: 1, login: 0, atp: 0 });
    expect(asked(simulator)).toHaveLength(1);
  });

  it('says once that an action ended badly, and leaves it to a person', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const ends = [
      { kind: 'isolation', trigger: 'block', status: 'Failed' },
      { kind: 'isolation', trigger: 'block', status: 'TimeOut' },
      { kind: 'isolation', trigger: 'block', status: 'Cancelled' },
      { kind: 'release', trigger: 'unblock', status: 'Failed' },
    ].map((end) => {
      const { host, machine } = world.addPair({ tags: [end.trigger] });
      if (end.kind === 'release') world.portalIsolate(machine.id);
      return { ...end, host, machine };
    });
    await runHere(simulator, typicalLine);
    const actions = ends.map(({ machine }) => onlyAsked(simulator, machine));
    ends.forEach(({ status }, at) => {
      world.advanceAction(actions[at]?.id ?? '', status);
    });

    const told = await runHere(simulator, [...typicalLine, '--json']);
    const between = detectState(simulator);
    const silent = await runHere(simulator, typicalLine);

    expect(told.code).toBe(1);
    for (const [at, { kind, trigger, status, host, machine }] of ends.entries()) {
      const { id = '', createdAt = 0 } = actions[at] ?? {};
      expect(hostIn(told, host.id)).toMatchObject({ result: 'failed', detail: textWith(id) });
      const history = `Manual ${trigger}:${minute(createdAt)}`;
      expect(tagsOf(host)).toEqual(
        tags([], [...contextOf(machine), `${kind}: ${status}`, `Manual ${trigger} failed`, history]),
      );
      expect(noteEntries(host)).toEqual([
        `- ${minute(createdAt)} UTC: ${kind} for tag \`${trigger}\`: ${status}, action ${id}`,
      ]);
    }
    expect(silent).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(detectState(simulator)).toEqual(between);
    expect(asked(simulator)).toHaveLength(ends.length);
  });

  it('follows any number of hosts with one list of actions', async ({ start }) => {
    const simulator = await start();
    const held = Array.from({ length: 30 }, (_, at) =>
      addHeld(simulator, { status: 'Succeeded', told: 'Pending', ago: 30 + at }),
    );

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(0);
    expect(held.every(({ host }) => host.tags.includes('isolation: Succeeded'))).toBe(true);
    expect(simulator.ledger.calls().atp).toBe(1);
    expect(simulator.ledger.count('tag-add')).toBeLessThan(30);
  });

  it('isolates again what was released and is asked for anew', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = addHeld(simulator, { ago: 90, tags: ['unblock'] });
    await runHere(simulator, typicalLine);
    world.settleActions();
    await runHere(simulator, typicalLine);
    const released = tagsOf(host);
    world.tagHost(host.id, 'block');

    const result = await runHere(simulator, [...typicalLine, '--json']);

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

    const result = await runHere(simulator, [...typicalLine, '--json', '--wait', '20']);

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
      `- ${minute(action.createdAt)} UTC: isolation for tag \`block\`: Succeeded ${untilWords(action.createdAt)}, action ${action.id}`,
    ]);
    expect(result.ms).toBeLessThan(20_000);
  });

  it('is over when the time is, and an action that is still Pending is no failure', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    simulator.world.setOnline(machine.id, false);

    const result = await runHere(simulator, [...typicalLine, '--json', '--wait', '1']);

    expect(result.code).toBe(0);
    expect(hostIn(result, host.id)).toMatchObject({ result: 'isolated', action: { status: 'Pending' } });
    expect(tagsOf(host).own).toContain('isolation: Pending');
    expect(result.ms).toBeGreaterThan(1_000);
  });
});
