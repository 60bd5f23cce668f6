import { describe, expect } from 'vitest';
import type { FaultKind } from '../simulator/faults.ts';
import type { Entry } from '../simulator/ledger.ts';
import {
  type Scene,
  asked,
  askedOf,
  contextOf,
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

const line = ['--blocktag', 'block', '--json'];

describe.concurrent('--blocktag', () => {
  it('isolates the machine, and says so on the host: first the machine, then the action, the trigger last', async ({
    start,
  }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const { host, machine } = world.addPair({
      tags: ['vip', 'Block', 'later'],
      state: 'inactive',
      name: 'Jane; "laptop"',
    });
    const before = Date.now();

    const result = await runHere(simulator, line);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(action).toMatchObject({
      type: 'Isolate',
      machineId: machine.id,
      status: 'Pending',
      scope: 'Full',
    });
    const [fixed = '', time = '', name = ''] =
      /^(.*); (\S+Z); (.*)$/.exec(action.requestorComment)?.slice(1) ?? [];
    expect(fixed).toBe(`atp isolate; brain ${new URL(simulator.detectUrl).host}; host ${host.id}; tag Block`);
    expect(Date.parse(time)).toBeGreaterThanOrEqual(before - 1_000);
    expect(name).toBe('Jane; "laptop"');
    expect(tagsOf(host)).toEqual(
      tags(
        ['vip', 'later'],
        [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`],
      ),
    );
    expect(noteEntries(host)).toEqual([
      `- ${minute(action.createdAt)} UTC: isolation for tag \`Block\`: Pending ${untilWords(action.createdAt)}, action ${action.id}`,
    ]);
    expect(hostIn(result, host.id)).toMatchObject({
      reasons: ['block'],
      action: { type: 'isolate', id: action.id, status: 'Pending' },
      note: 'created',
      result: 'isolated',
    });
    // In this order a run that is killed anywhere is completed by the next one.
    const order = ledger.writes().map(({ call, body }) => `${call} ${JSON.stringify(body)}`);
    const at = (text: string) => order.findLastIndex((write) => write.includes(text));
    const steps = [`id: ${machine.id}`, 'IsolationType', 'note-create', 'isolation: Pending', '"Block"'].map(
      at,
    );
    expect(steps).toEqual(steps.toSorted((one, other) => one - other));
  });

  it('may be given several times, and isolates as isolation.type says', async ({ start }) => {
    const simulator = await start({ triggers: ['block', 'quarantine'] });
    const { world } = simulator;
    const both = world.addPair({ tags: ['Quarantine', 'vip', 'block'] });
    const one = world.addPair({ tags: ['quarantine'] });
    const overrides = { isolation: { type: 'Selective' } };

    const result = await runHere(simulator, [...line, '--blocktag', 'quarantine'], { overrides });

    expect(result.code).toBe(0);
    expect(
      asked(simulator)
        .map(({ machineId, scope }) => `${scope ?? ''} ${machineId}`)
        .toSorted(),
    ).toEqual([both, one].map(({ machine }) => `Selective ${machine.id}`).toSorted());
    expect([both, one].map(({ host }) => tagsOf(host).others)).toEqual([['vip'], []]);
  });

  it('keeps the newest five times, and clears the failure of before', async ({ start }) => {
    const simulator = await start();
    const older = ['2026-01-05', '2026-01-01', '2026-01-03', '2026-01-04', '2026-01-02'].map(
      (day) => `Manual block:${day} 10:00`,
    );
    const unblocks = ['Manual unblock:2026-01-06 10:00', 'Manual unblock failed', 'release: Succeeded'];
    const { host, machine } = simulator.world.addPair({
      tags: [...older, ...unblocks, 'Manual block failed', 'block'],
    });

    const result = await runHere(simulator, line);

    expect(result.code).toBe(0);
    expect(tagsOf(host).own).toEqual(
      [
        ...contextOf(machine),
        'isolation: Pending',
        `Manual block:${minute(onlyAsked(simulator).createdAt)}`,
        ...older.filter((tag) => !tag.includes('01-01')),
        'Manual unblock:2026-01-06 10:00',
      ].toSorted(),
    );
  });

  it('asks once for a machine of two hosts: the other takes the isolation over', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const one = world.addPair({ tags: ['block'] });
    const other = world.addHost({ ...one.host, id: 2_000, tags: ['block', 'vip'], notes: [] });

    const result = await runHere(simulator, line);

    expect(result.code).toBe(0);
    const action = onlyAsked(simulator);
    const accepted = ['isolation: Pending', `Manual block:${minute(action.createdAt)}`];
    expect(tagsOf(one.host)).toEqual(tags([], [...contextOf(one.machine), ...accepted]));
    expect(tagsOf(other)).toEqual(tags(['vip'], [...contextOf(one.machine), ...accepted]));
    expect(resultsOf(result, [one.host, other])).toEqual(['isolated', 'isolated']);
    expect([one.host, other].map((host) => ownNoteOf(host).includes(action.id))).toEqual([true, true]);
  });
});

/** An isolation of the portal in this state, which a block takes over. */
function adoption(status: string): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const old = world.addAction({ machineId: machine.id, status, createdAt: Date.now() - minutes(90) });

    return (result) => {
      expect(resultsOf(result, [host])).toEqual(['isolated']);
      expect(askedOf(simulator, machine)).toEqual([]);
      expect(tagsOf(host)).toEqual(
        tags([], [...contextOf(machine), `isolation: ${status}`, `Manual block:${minute(old.createdAt)}`]),
      );
      expect(noteEntries(host)).toEqual([
        `- ${minute(old.createdAt)} UTC: isolation by \`analyst@contoso.example\`, taken over for tag \`block\`: ${status} ${untilWords(old.createdAt)}, action ${old.id}`,
      ]);
    };
  };
}

/** Actions on the machine, oldest first, in the face of which a block must wait. */
function deferral(...actions: [type: 'Isolate' | 'Unisolate', status: string][]): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const known = actions.map(([type, status], at) =>
      world.addAction({ machineId: machine.id, type, status, createdAt: Date.now() - minutes(30 - at) }),
    );
    const before = structuredClone(known);

    return (result) => {
      expect(resultsOf(result, [host])).toEqual(['deferred']);
      expect(askedOf(simulator, machine)).toEqual([]);
      expect(known).toEqual(before);
      expect(tagsOf(host)).toEqual(tags(['block'], contextOf(machine)));
    };
  };
}

playInOneRun(
  'what is under way on the machine already',
  { args: line, code: 1 },
  {
    'an isolation in force is taken over': adoption('Succeeded'),
    'an isolation that is Pending is taken over': adoption('Pending'),
    'an isolation that is InProgress is taken over': adoption('InProgress'),
    'a release that is InProgress defers the isolation': deferral(
      ['Isolate', 'Succeeded'],
      ['Unisolate', 'InProgress'],
    ),
    'an isolation and a release at once defer it': deferral(['Unisolate', 'Pending'], ['Isolate', 'Pending']),
    'an isolation in a state that nobody documents defers it': deferral(
      ['Unisolate', 'Succeeded'],
      ['Isolate', 'Waiting'],
    ),

    'a release that is Pending is cancelled, and the isolation in force taken over': (simulator) => {
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      const isolation = world.portalIsolate(machine.id);
      const release = world.portalRelease(machine.id, 'Pending');

      return () => {
        expect(release).toMatchObject({
          status: 'Cancelled',
          cancellationComment: textLike(/^atp isolate; /),
        });
        expect(askedOf(simulator, machine)).toEqual([]);
        expect(machine.isolated).toBe(true);
        expect(tagsOf(host)).toEqual(
          tags(
            [],
            [...contextOf(machine), 'isolation: Succeeded', `Manual block:${minute(isolation.createdAt)}`],
          ),
        );
      };
    },
  },
);

describe.concurrent('an action of the same kind that the record does not show', () => {
  it.for(['refuse', 'earlier'] as const)(
    'an isolation that the record does not show yet (%s) is not asked for twice',
    async (duplicateAction, { start }) => {
      const simulator = await start({ duplicateAction, actionIndexLagMs: minutes(60) });
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      const earlier = world.portalIsolate(machine.id, 'Pending');

      const result = await runHere(simulator, line);

      expect(asked(simulator)).toEqual([]);
      expect(world.actions.size).toBe(1);
      if (duplicateAction === 'refuse') {
        expect(result.code).toBe(1);
        expect(resultsOf(result, [host])).toEqual(['deferred']);
        expect(host.tags).toContain('block');
      } else {
        expect(result.code).toBe(0);
        expect(hostIn(result, host.id)['action']).toMatchObject({ id: earlier.id });
        expect(host.tags).not.toContain('block');
      }
    },
  );
});

describe.concurrent('opposite requests', () => {
  it('on one host are a conflict: nothing is done but enrichment', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = world.addPair(
      { tags: ['block', 'host_context', 'unblock'] },
      { protected: true },
    );

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(1);
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'conflict',
      action: null,
      detail: textWith('the host carries a block and an unblock tag at once'),
    });
    expect(tagsOf(host)).toEqual(tags(['block', 'unblock'], contextOf(machine)));
    expect(asked(simulator)).toEqual([]);
  });

  it('on two hosts of one machine are a conflict for both', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const one = world.addPair({ tags: ['block'] });
    const isolation = world.portalIsolate(one.machine.id);
    const other = world.addHost({ ...one.host, id: 2_000, tags: ['unblock'], notes: [] });
    const bystander = world.addPair({ tags: ['block'] });

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(1);
    expect(resultsOf(result, [one.host, other, bystander.host])).toEqual([
      'conflict',
      'conflict',
      'isolated',
    ]);
    expect([one.host, other].map((host) => tagsOf(host))).toEqual([
      tags(['block'], contextOf(one.machine)),
      tags(['unblock'], contextOf(one.machine)),
    ]);
    expect(hostIn(result, other.id)['detail']).toContain(`by host ${other.id} and host ${one.host.id}`);
    expect(onlyAsked(simulator).machineId).toBe(bystander.machine.id);
    expect(isolation.status).toBe('Succeeded');
  });
});

/** An isolation whose answer is spoilt in this way: it is looked for by its comment, and found. */
function lostAnswer(kind: FaultKind): Scene {
  return (simulator) => {
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });
    const isMeant = ({ call, path }: Entry) => call === 'isolate' && path.includes(machine.id);
    simulator.faults.add({ match: isMeant, kind });

    return (result) => {
      const action = onlyAsked(simulator, machine);
      expect(simulator.ledger.entries.filter((entry) => isMeant(entry))).toHaveLength(1);
      expect(resultsOf(result, [host])).toEqual(['isolated']);
      expect(tagsOf(host)).toEqual(
        tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
      );
    };
  };
}

playInOneRun(
  'an isolation whose answer is lost is not asked for again:',
  { args: line, code: 0 },
  {
    'on the way': lostAnswer('reset-after'),
    'but for its status': lostAnswer('empty-200'),
    'in half': lostAnswer('truncated'),
    'in an answer without end': lostAnswer('oversize'),
    'behind a page of HTML': lostAnswer({ status: 200, body: '<html>hello</html>', after: true }),
    'behind an error': lostAnswer({ status: 502, after: true }),
  },
);

describe.concurrent('an isolation whose answer was lost', () => {
  it('and which the record does not show is taken up by the next run', async ({ start }) => {
    const simulator = await start({ actionIndexLagMs: minutes(60) });
    const { world, faults, ledger, settings } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    const heal = faults.add({ match: ({ call }) => call === 'isolate', kind: 'reset-after' });

    const lost = await runHere(simulator, line);
    const between = tagsOf(host);
    heal();
    settings.actionIndexLagMs = 0;
    const found = await runHere(simulator, line);

    expect(lost.code).toBe(1);
    expect(resultsOf(lost, [host])).toEqual(['deferred']);
    expect(between).toEqual(tags(['block'], contextOf(machine)));
    expect(found.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(ledger.count('isolate')).toBe(1);
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
    );
    expect(noteEntries(host)).toHaveLength(1);
  });

  it('because it was certainly not carried out is repeated', async ({ start }) => {
    const simulator = await start();
    const { world, faults, ledger } = simulator;
    const { host } = world.addPair({ tags: ['block'] });
    faults.add({ match: ({ call }) => call === 'isolate', kind: '429', times: 1 });

    const result = await runHere(simulator, line);

    expect(result.code).toBe(0);
    expect(ledger.count('isolate')).toBe(2);
    expect(asked(simulator)).toHaveLength(1);
    expect(host.tags).not.toContain('block');
  });
});
