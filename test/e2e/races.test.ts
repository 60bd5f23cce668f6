import { describe, expect } from 'vitest';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { spawnAtp } from '../simulator/run-atp.ts';
import type { Simulator } from '../simulator/simulator.ts';
import {
  type Scene,
  afterCalls,
  asked,
  askedOf,
  contextOf,
  detectState,
  expectNoSecrets,
  hostIn,
  it,
  logOf,
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
  textWith,
  typicalLine,
  untilWords,
} from './rig.ts';

const line = [...typicalLine, '--json'];

/** Does something once, after the first answer to a call of that name whose address has this in it. */
function afterCall(simulator: Simulator, call: string, part: string, change: () => void): void {
  let isDone = false;
  afterCalls(simulator, (entry) => {
    const address = entry.path + JSON.stringify(entry.query);
    if (isDone || entry.call !== call || !address.includes(part)) return;
    isDone = true;
    change();
  });
}

/** What names a host, or its machine, in the address of a call. */
type Part = (pair: { host: SimHost; machine: SimMachine }) => string;
const anything: Part = () => '';
const aboutHost: Part = ({ host }) => `/${host.id}`;
const atAddress: Part = ({ host }) => `'${host.last_source ?? ''}'`;
const ofMachine: Part = ({ machine }) => machine.id;

/** A block or unblock tag that its owner takes away after this call. */
function withdrawn(trigger: 'block' | 'unblock', call: string, part: Part): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['vip', trigger] }, { protected: true });
    if (trigger === 'unblock') world.portalIsolate(machine.id);
    afterCall(simulator, call, part({ host, machine }), () => {
      world.untagHost(host.id, trigger);
    });

    return (result) => {
      expect(hostIn(result, host.id)).toMatchObject({
        result: 'unchanged',
        tags: { added: [], removed: [] },
        note: null,
      });
      expect(host.tags).toEqual(['vip']);
      expect(askedOf(simulator, machine)).toEqual([]);
    };
  };
}

playInOneRun(
  'a trigger that is taken away',
  { args: line, code: 0 },
  {
    'after the search isolates nothing': withdrawn('block', 'search', anything),
    'after its machine was found isolates nothing': withdrawn('block', 'findbyip', atAddress),
    'after the isolation was planned isolates nothing': withdrawn('block', 'host', aboutHost),
    'after the release was planned releases nothing': withdrawn('unblock', 'machineactions', ofMachine),
    'is not worth a line': (simulator) => (result) => {
      expect(result.stderr).toBe('');
      expect(simulator.ledger.writes()).toEqual([]);
    },
  },
);

/** What becomes of a block when this happens after its machine's record was read, on which the plan rests. */
function changed(
  change: (host: SimHost, simulator: Simulator) => void,
  expected: { result: string; detail: string; others?: string[] },
): Scene {
  return (simulator) => {
    const { host, machine } = simulator.world.addPair({ tags: ['block'] }, { protected: true });
    afterCall(simulator, 'machineactions', machine.id, () => {
      change(host, simulator);
    });

    return (result) => {
      expect(hostIn(result, host.id)).toMatchObject({
        result: expected.result,
        action: null,
        detail: textWith(expected.detail),
      });
      expect(tagsOf(host).others).toEqual(expected.others ?? ['block']);
      expect(askedOf(simulator, machine)).toEqual([]);
    };
  };
}

playInOneRun(
  'what changes on a host before its machine is isolated:',
  {
    args: line,
    code: 1,
    overrides: { isolation: { never: { tags: ['crown jewel'], groups: ['Servers'] } } },
  },
  {
    'an unblock tag is a conflict': changed(
      (host, { world }) => {
        world.tagHost(host.id, 'unblock');
      },
      {
        result: 'conflict',
        detail: 'the host carries a block and an unblock tag at once',
        others: ['block', 'unblock'],
      },
    ),
    'a tag that protects it refuses': changed(
      (host, { world }) => {
        world.tagHost(host.id, 'crown jewel');
      },
      {
        result: 'refused',
        detail: 'isolation.never.tags "crown jewel" protects crown jewel',
        others: ['crown jewel'],
      },
    ),
    'a group that protects it refuses': changed(
      (host, { world }) => {
        if (!world.groups.has('Servers')) world.addGroup({ name: 'Servers' });
        host.groups.push('Servers');
      },
      { result: 'refused', detail: 'isolation.never.groups "Servers" protects Servers', others: [] },
    ),
    'another address defers': changed((host) => (host.last_source = '10.9.9.9'), {
      result: 'deferred',
      detail: 'to 10.9.9.9 while the run worked',
    }),
    'a name that contradicts defers': changed(
      (host) => {
        host.name = 'somebody-else';
        host.host_artifact_set = [{ type: 'kerberos', value: 'SOMEBODY-ELSE$' }];
      },
      { result: 'deferred', detail: 'is now conflict' },
    ),
    'a newer time at the same address changes nothing': (simulator) => {
      const { host, machine } = simulator.world.addPair({ tags: ['block'] });
      simulator.world.addGroup({ name: 'Servers' });
      afterCall(simulator, 'machineactions', machine.id, () => {
        host.last_seen = new Date().toISOString().replace(/\.\d+/, '');
      });

      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['isolated']);
        expect(askedOf(simulator, machine)).toHaveLength(1);
      };
    },
  },
);

/** A host that is deleted after this call, before anything is done about it. */
function deletedAfter(call: string, part: Part): Scene {
  return (simulator) => {
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] }, { protected: true });
    afterCall(simulator, call, part({ host, machine }), () => {
      world.deleteHost(host.id);
    });

    return (result) => {
      expect(hostIn(result, host.id)['detail']).toContain(`host ${host.id} no longer exists in Detect`);
      expect(askedOf(simulator, machine)).toEqual([]);
    };
  };
}

playInOneRun(
  'a host that is deleted',
  { args: line, code: 1 },
  {
    'after the search is reported': deletedAfter('search', anything),
    'before its machine is isolated is reported': deletedAfter('machineactions', ofMachine),

    'while its machine is isolated is reported with machine and action': (simulator) => {
      const { world } = simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      afterCall(simulator, 'isolate', machine.id, () => {
        world.deleteHost(host.id);
      });

      return (result) => {
        const action = onlyAsked(simulator, machine);
        expect(hostIn(result, host.id)).toMatchObject({
          result: 'failed',
          machine: { id: machine.id },
          action: { type: 'isolate', id: action.id, status: 'Pending' },
        });
        expect(logOf(result).filter((entry) => entry['host'] === host.id)).toMatchObject([
          {
            level: 'info',
            machine: machine.id,
            action: action.id,
            msg: 'Defender accepted the isolation (Pending)',
          },
          { level: 'warn', machine: machine.computerDnsName, action: action.id, result: 'failed' },
        ]);
      };
    },

    'is in the way of no other': (simulator) => {
      const { host, machine } = simulator.world.addPair({ tags: ['block'] });
      return (result) => {
        expect(resultsOf(result, [host])).toEqual(['isolated']);
        expect(askedOf(simulator, machine)).toHaveLength(1);
      };
    },
  },
);

describe.concurrent('the search index', () => {
  it('that finds a tag as a part of others selects nobody', async ({ start }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const hosts = [
      ['Manual block:2026-01-01 10:00', 'Manual unblock:2026-01-02 10:00', 'release: Succeeded'],
      ['please block', 'un-block', 'block!'],
      ['Manual block failed'],
      ['isolation: Pending review', 'host_context pending'],
    ].map((given) => world.addPair({ tags: given }, { protected: true }).host);
    const before = detectState(simulator);

    const result = await runHere(simulator, line);

    const calls = ledger.calls();
    const query = new URLSearchParams({
      query_string: 'host.tags:"block" OR host.tags:"isolation: Pending"',
    });
    const found = await fetch(`${simulator.detectUrl}/api/v2.5/search/hosts?${query.toString()}`, {
      headers: { authorization: `Token ${simulator.settings.detectToken}` },
    });

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.report).toMatchObject({ hosts: [], counts: { selected: 0 } });
    expect(await found.json()).toMatchObject({ count: hosts.length });
    expect(calls).toEqual({ detect: 1, login: 0, atp: 0 });
    expect(detectState(simulator)).toEqual(before);
  });

  it('that still shows a tag which is gone does nothing', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const blocked = world.addPair({ tags: ['block'] }, { protected: true });
    const enriched = world.addPair({ tags: ['host_context'] });
    for (const { host } of [blocked, enriched]) {
      world.indexFreeze(host.id);
      world.untagHost(host.id, 'block', 'host_context');
    }

    const result = await runHere(simulator, line);

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(resultsOf(result, [blocked.host, enriched.host])).toEqual(['unchanged', 'unchanged']);
    expect(simulator.ledger.writes()).toEqual([]);
  });

  it('that does not show a tag yet costs a run, not the request', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = world.addPair();
    world.indexFreeze(host.id);
    world.tagHost(host.id, 'block');

    const early = await runHere(simulator, line);
    const between = simulator.ledger.calls();
    world.indexThaw(host.id);
    const late = await runHere(simulator, line);

    expect(early).toMatchObject({ code: 0, stderr: '' });
    expect(between).toMatchObject({ login: 0, atp: 0 });
    expect(late.code).toBe(0);
    expect(onlyAsked(simulator).machineId).toBe(machine.id);
  });

  it('that lags behind the program itself makes it ask for nothing twice', async ({ start }) => {
    const simulator = await start({ indexLagMs: minutes(10) });
    const { world } = simulator;
    const blocked = world.addPair({ tags: ['block', 'vip'] });
    const released = world.addPair({ tags: ['unblock'] });
    world.portalIsolate(released.machine.id);
    world.addPair({ tags: ['host_context'] });
    await runHere(simulator, line);
    const between = world.snapshot();
    simulator.ledger.clear();

    const result = await runHere(simulator, line);

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(simulator.ledger.writes()).toEqual([]);
    expect(world.snapshot()).toEqual(between);
    expect(asked(simulator)).toHaveLength(2);
    expect(blocked.host.tags).not.toContain('block');
  });

  it('that shrinks between two pages loses nobody for good', async ({ start }) => {
    const simulator = await start({ pageSize: 2 });
    const { world } = simulator;
    const hosts = [1, 2, 3, 4].map(() => world.addPair({ tags: ['host_context'] }).host);
    afterCall(simulator, 'search', '', () => {
      for (const host of hosts.slice(0, 2)) world.untagHost(host.id, 'host_context');
    });

    const first = await runHere(simulator, line);
    const second = await runHere(simulator, line);

    expect([first.code, second.code]).toEqual([0, 0]);
    expect(hosts.map((host) => host.tags.length)).toEqual([0, 0, 6, 6]);
  });
});

describe.concurrent('a tag that Detect forgets', () => {
  it('is written once more', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const { host, machine } = world.addPair({ tags: ['host_context'] });
    afterCall(simulator, 'note-create', `/${host.id}`, () => {
      world.untagHost(host.id, 'osPlatform: Windows11');
    });

    const result = await runHere(simulator, line);

    expect(result.code).toBe(0);
    expect(tagsOf(host)).toEqual(tags([], contextOf(machine)));
  });

  it('again and again keeps the trigger, and the next run tries anew', async ({ start }) => {
    const simulator = await start();
    const { world, hooks } = simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    hooks.after = ({ call }) => {
      if (call === 'tag-add') world.untagHost(host.id, 'isolation: Pending');
    };

    const forgetful = await runHere(simulator, line);
    const between = tagsOf(host).others;
    hooks.after = undefined;
    const healed = await runHere(simulator, line);

    expect(forgetful.code).toBe(1);
    expect(hostIn(forgetful, host.id)).toMatchObject({ result: 'failed', action: { type: 'isolate' } });
    expect(between).toEqual(['block']);
    expect(healed.code).toBe(0);
    const action = onlyAsked(simulator);
    expect(tagsOf(host)).toEqual(
      tags([], [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`]),
    );
  });
});

describe.concurrent('a run that is killed', () => {
  // The writes of such a run: six tags of the machine, the action, the note, two tags of the action, the trigger.
  it.for([1, 6, 7, 8, 10, 11])(
    'at its write no. %i is completed by the next one',
    async (fatal, { start }) => {
      const simulator = await start();
      const { world, hooks, ledger } = simulator;
      const { host, machine } = world.addPair({ tags: ['vip', 'block'], notes: ['mine'] });
      const running = spawnAtp(line, { simulator });
      hooks.after = async () => {
        if (ledger.writes().filter(({ effect }) => effect).length < fatal) return;
        running.child.kill('SIGKILL');
        // Its answer must not reach it.
        await running.result;
      };

      const killed = await running.result;
      const writes = ledger.writes().length;
      hooks.after = undefined;
      const next = await runHere(simulator, line);

      expect(killed.signal).toBe('SIGKILL');
      expectNoSecrets(simulator, killed);
      expect(writes).toBeGreaterThanOrEqual(fatal);
      expect(next.code).toBe(0);
      const action = onlyAsked(simulator);
      expect(tagsOf(host)).toEqual(
        tags(
          ['vip'],
          [...contextOf(machine), 'isolation: Pending', `Manual block:${minute(action.createdAt)}`],
        ),
      );
      expect(host.notes).toHaveLength(2);
      expect(ownNoteOf(host)).toContain(machine.id);
      expect(noteEntries(host)).toEqual([
        `- ${minute(action.createdAt)} UTC: isolation for tag \`block\`: Pending ${untilWords(action.createdAt)}, action ${action.id}`,
      ]);
    },
  );
});
