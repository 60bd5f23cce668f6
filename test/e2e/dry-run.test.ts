import { readdir } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { parseJson, type JsonObject } from '../simulator/json.ts';
import type { Ledger } from '../simulator/ledger.ts';
import type { Simulator, SimulatorOptions } from '../simulator/simulator.ts';
import { contextOf, hostIn, it, minute, minutes, resultsOf, runHere, typicalLine, textLike } from './rig.ts';

const line = [...typicalLine, '--json'];
const never = { osPlatforms: ['WindowsServer*'], names: ['dc*'] };

/** One host for everything that can be decided about a host. */
function addMixedHosts({ world }: Simulator) {
  const enriched = world.addPair({ tags: ['host_context', 'vip'], notes: ['mine'] });
  const scored = world.addPair({ threat: 90, certainty: 90 });
  const nobody = world.addHost({ tags: ['host_context'] });
  const blocked = world.addPair({ tags: ['block'] });
  const server = world.addPair({ tags: ['block'] }, { osPlatform: 'WindowsServer2022', protected: true });
  const adopted = world.addPair({ tags: ['block'] });
  world.portalIsolate(adopted.machine.id);
  const released = world.addPair({ tags: ['unblock'] });
  world.portalIsolate(released.machine.id);
  const cancelled = world.addPair({ tags: ['unblock'] });
  world.portalIsolate(cancelled.machine.id, 'Pending');
  const torn = world.addPair({ tags: ['block', 'unblock'] }, { protected: true });
  const followed = world.addPair();
  const action = world.addAction({ machineId: followed.machine.id, createdAt: Date.now() - minutes(10) });
  followed.host.tags = [
    ...contextOf(followed.machine),
    'isolation: Pending',
    `Manual block:${minute(action.createdAt)}`,
  ];
  const machines = { enriched, scored, blocked, server, adopted, released, cancelled, torn, followed };
  return { ...machines, nobody: { host: nobody } };
}

/** Every different read that was asked of the services. */
function readsIn({ entries }: Ledger): string[] {
  const reads = entries
    .filter(({ method, service }) => method === 'GET' || service === 'login')
    .map(({ service, method, path, query }) => `${service} ${method} ${path} ${JSON.stringify(query)}`);
  return [...new Set(reads)].toSorted();
}

describe.concurrent('--dry-run', () => {
  it('reads what a real run reads, foretells what it does, and writes nothing anywhere', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const hosts = Object.values(addMixedHosts(simulator)).map(({ host }) => host);
    const before = world.snapshot();
    const overrides = { isolation: { never } };

    const dry = await runHere(simulator, [...line, '--dry-run'], { overrides, home });
    const after = world.snapshot();
    const dryWrites = ledger.writes();
    const dryReads = readsIn(ledger);
    const kept = await readdir(home);
    ledger.clear();
    const real = await runHere(simulator, line, { overrides, home });

    expect(dryWrites).toEqual([]);
    expect(after).toEqual(before);
    expect(kept).toEqual([]);
    expect(dryReads).toEqual(readsIn(ledger));
    expect(dry.code).toBe(1);
    expect(real.code).toBe(1);
    expect(dry.report).toMatchObject({ dryRun: true, exitCode: 1, counts: real.report?.['counts'] });
    expect(resultsOf(dry, hosts)).toEqual(resultsOf(real, hosts));
    for (const { id } of hosts) {
      const withoutIds = [...world.actions.keys()].reduce(
        (text, actionId) => text.replaceAll(`"id":"${actionId}"`, '"id":null'),
        toTheDay(JSON.stringify(hostIn(real, id))),
      );
      expect(parseJson(toTheDay(JSON.stringify(hostIn(dry, id))))).toEqual(parseJson(withoutIds));
    }
  });

  it('prints for each host the machine and its evidence, the guard rails, the action, the tags and the note', async ({
    start,
  }) => {
    const simulator = await start();
    const { blocked, server, nobody, torn } = addMixedHosts(simulator);

    const result = await runHere(simulator, [...typicalLine, '--dry-run'], {
      overrides: { isolation: { never } },
    });

    expect(result.code).toBe(1);
    const blocks = new Map(
      result.stdout
        .split('\n\n')
        .map((block) => [Number(/^host (\d+) /.exec(block)?.[1]), block.split('\n')]),
    );
    const { host, machine } = blocked;
    const seen = `${host.last_source ?? ''} at ${(host.last_seen ?? '').slice(0, 16).replace('T', ' ')}Z`;
    const [title, ...lines] = blocks.get(host.id) ?? [];
    expect(title).toBe(`host ${host.id} ${host.name}  [block]  → isolated`);
    expect(lines).toEqual([
      `  machine: ${machine.computerDnsName ?? ''} (${machine.id}), confirmed`,
      `  matched: ${seen} is ${machine.computerDnsName ?? ''} in Defender (confirmed: name ${host.name} (dhcp))`,
      '  isolation.never.names does not apply',
      '  isolation.never.osPlatforms does not apply',
      '  action: isolate (new, Pending)',
      textLike(
        new RegExp(
          `^  tags added: computerDnsName: .* \\| id: ${machine.id} \\| isolation: Pending \\| Manual block:\\S+ \\S+$`,
        ),
      ),
      '  tags removed: block',
      '  note: created',
      textLike(/^ {2}isolation asked for \(Pending\), until \S+ \S+ UTC; enriched, found by address /),
    ]);
    expect(blocks.get(server.host.id)).toContain(
      '  isolation.never.osPlatforms "WindowsServer*" protects WindowsServer2022',
    );
    expect(blocks.get(nobody.host.id)).toContain('  machine: none');
    expect(blocks.get(torn.host.id)?.[0]).toMatch(/ \[block, unblock\] {2}→ conflict$/);
    expect(simulator.ledger.writes()).toEqual([]);
  });

  it('says so when there is nothing to do', async ({ start }) => {
    const simulator = await start();

    const result = await runHere(simulator, [...typicalLine, '--dry-run']);

    expect(result).toMatchObject({ code: 0, stdout: 'nothing to do: no host is selected\n', stderr: '' });
  });

  interface World {
    settings?: SimulatorOptions;
    config?: JsonObject;
    fill: (simulator: Simulator) => void;
  }

  it.for<[line: string, code: number, world: World]>([
    ['all goes well', 0, { fill: ({ world }) => void world.addPair({ tags: ['block'] }) }],
    [
      'too many are to be isolated',
      3,
      {
        config: { isolation: { maxPerRun: 1 } },
        fill({ world }) {
          world.addPair({ tags: ['block'] }, { protected: true });
          world.addPair({ tags: ['block'] }, { protected: true });
        },
      },
    ],
    [
      'a group is unknown',
      78,
      {
        config: { isolation: { never: { groups: ['nobody'] } } },
        fill: ({ world }) => void world.addPair({ tags: ['block'] }, { protected: true }),
      },
    ],
    [
      'the credentials are wrong',
      77,
      {
        config: { atp: { appSecret: 'another~secret~value' } },
        fill: ({ world }) => void world.addPair({ tags: ['block', 'host_context'] }, { protected: true }),
      },
    ],
    [
      'nobody is at the address of Defender',
      69,
      {
        config: { atp: { apiUrl: 'http://127.0.0.1:1' } },
        fill: ({ world }) => void world.addPair({ tags: ['host_context'] }),
      },
    ],
  ])('ends as the real run does when %s', async ([, code, { settings, config, fill }], { start }) => {
    const simulator = await start(settings);
    fill(simulator);

    const dry = await runHere(simulator, [...line, '--dry-run'], { overrides: config });
    const writes = simulator.ledger.writes();
    const real = await runHere(simulator, line, { overrides: config });

    expect([dry.code, real.code]).toEqual([code, code]);
    expect(writes).toEqual([]);
  });
});

/** A dry run foretells what a run some seconds later does. */
function toTheDay(text: string): string {
  return text.replaceAll(/("until":"[\d-]+)T[^"]+"/g, '$1"');
}
