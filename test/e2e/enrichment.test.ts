import { describe, expect } from 'vitest';
import {
  it,
  asked,
  contextOf,
  detectState,
  hostIn,
  minute,
  ownNoteOf,
  resultsOf,
  runHere,
  tags,
  tagsOf,
  typicalLine,
} from './rig.ts';

const none = ['ATP_NoAgent_Or_SensorInactive'];
const several = ['ATP_MultipleSensors_SameIP'];

describe.concurrent('--tag', () => {
  it('enriches active hosts that carry the tag, in whatever case, and takes it off', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const plain = world.addPair({ tags: ['a', 'host_context', 'b'] });
    const loud = world.addPair({ tags: ['Host_Context'] });
    const inactive = world.addPair({ tags: ['host_context'], state: 'inactive' });
    const similar = world.addPair({ tags: ['host_context 2', 'my host_context', 'host context'] });

    const result = await runHere(simulator, ['--tag', 'HOST_context', '--json']);

    expect(result.code).toBe(0);
    expect(tagsOf(plain.host)).toEqual(tags(['a', 'b'], contextOf(plain.machine)));
    expect(tagsOf(loud.host)).toEqual(tags([], contextOf(loud.machine)));
    expect(inactive.host.tags).toEqual(['host_context']);
    expect(similar.host.tags).toEqual(['host_context 2', 'my host_context', 'host context']);
    expect(result.report).toMatchObject({ counts: { selected: 2, enriched: 2 } });
    expect(hostIn(result, plain.host.id)).toEqual({
      id: plain.host.id,
      name: 'pc-1',
      reasons: ['tag'],
      machine: { id: plain.machine.id, computerDnsName: 'pc-1.contoso.example', evidence: 'confirmed' },
      action: null,
      tags: { added: contextOf(plain.machine), removed: ['host_context'] },
      note: 'created',
      result: 'enriched',
      detail: `enriched, found by address ${plain.host.last_source ?? ''}, confirmed: name pc-1 (dhcp)`,
    });
  });

  it('may be given several times: any of the tags selects, and all of them go', async ({ start }) => {
    const simulator = await start({ triggers: ['first', 'second'] });
    const { world } = simulator;
    const hosts = [['first'], ['second'], ['second', 'x', 'first'], ['third']].map(
      (given) => world.addPair({ tags: given }).host,
    );

    const result = await runHere(simulator, ['--tag', 'first', '--tag', 'second']);

    expect(result.code).toBe(0);
    expect(hosts.map((host) => tagsOf(host).others)).toEqual([[], [], ['x'], ['third']]);
  });

  it('says when there is no machine, or more than one, in place of what it said before', async ({
    start,
  }) => {
    const simulator = await start();
    const { world } = simulator;
    const before = ['host_context', 'vip', 'osPlatform: Windows10', `id: ${'a'.repeat(40)}`, 'ATP_NoAgent'];
    const alone = world.addHost({ tags: before });
    const crowded = world.addHost({ tags: [...before, ...none] });
    for (const name of ['one', 'two'])
      world.addMachine({ computerDnsName: `${name}.contoso.example`, lastIpAddress: crowded.last_source });
    const found = world.addPair({ tags: [...before, ...several, ...none] });

    const result = await runHere(simulator, ['--tag', 'host_context', '--json']);

    expect(result.code).toBe(0);
    expect(tagsOf(alone)).toEqual(tags(['vip'], none));
    expect(tagsOf(crowded)).toEqual(tags(['vip'], several));
    expect(tagsOf(found.host)).toEqual(tags(['vip'], contextOf(found.machine)));
    expect(resultsOf(result, [alone, crowded, found.host])).toEqual(['enriched', 'enriched', 'enriched']);
  });

  it('takes nothing for its own but the exact forms that it writes', async ({ start }) => {
    const simulator = await start();
    const foreign = [
      'id: badge 4711',
      `id: ${'a'.repeat(39)}`,
      `ID: ${'a'.repeat(40)}`,
      'riskScore: very High',
      'riskscore: High',
      'osPlatform:Windows10',
      'computerDnsName: pc 7',
      'deviceValue: High',
      'isolation: waiting for approval',
      'release: 2026-11-24',
      'Manual block:yesterday',
      'Manual block',
      'Manual Block failed',
      'ATP_NoAgentX',
      'vip',
    ];
    const { host, machine } = simulator.world.addPair({
      tags: [...foreign, 'host_context', ...foreign.slice(0, 0)],
    });

    const first = await runHere(simulator, ['--tag', 'host_context']);
    const state = detectState(simulator);
    simulator.world.tagHost(host.id, 'host_context');
    const second = await runHere(simulator, ['--tag', 'host_context']);

    expect([first.code, second.code]).toEqual([0, 0]);
    expect(tagsOf(host)).toEqual(tags(foreign, contextOf(machine)));
    expect(detectState(simulator)).toEqual(state);
  });

  it('does no harm to tags that come and go while it works', async ({ start }) => {
    const simulator = await start();
    const { world, hooks } = simulator;
    const { host, machine } = world.addPair({ tags: ['old', 'host_context', 'gone soon'] });
    hooks.after = ({ call }) => {
      if (call === 'notes') {
        world.untagHost(host.id, 'gone soon');
        world.tagHost(host.id, 'during the reads');
      }
      if (call === 'note-create') world.tagHost(host.id, 'during the writes');
    };

    const result = await runHere(simulator, ['--tag', 'host_context']);

    expect(result.code).toBe(0);
    expect(tagsOf(host)).toEqual(tags(['old', 'during the reads', 'during the writes'], contextOf(machine)));
  });
});

describe.concurrent('--tc', () => {
  it('enriches active hosts with both scores at or above, and no trigger is needed', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const scores: [number, number][] = [
      [75, 80],
      [99, 99],
      [74, 99],
      [99, 79],
    ];
    const pairs = scores.map(([threat, certainty]) => world.addPair({ threat, certainty, tags: ['vip'] }));
    world.addPair({ threat: 99, certainty: 99, state: 'inactive' });
    world.addPair({ overrides: { threat: null, certainty: 99 } });

    const result = await runHere(simulator, ['--tc', '75', '80', '--json']);

    expect(result.code).toBe(0);
    expect(pairs.map(({ host }) => tagsOf(host))).toEqual(
      pairs.map(({ machine }, at) => tags(['vip'], at < 2 ? contextOf(machine) : [])),
    );
    expect(result.report).toMatchObject({ counts: { selected: 2, enriched: 2 } });
  });

  it('leaves hosts alone whose context is fresh, but not those that lost it, nor those that are tagged', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const [fresh, bare, tagged] = [1, 2, 3].map(() => world.addPair({ threat: 90, certainty: 90 }));
    const line = ['--tc', '75', '75', '--tag', 'host_context', '--json'];
    await runHere(simulator, line, { home });
    world.untagHost(bare?.host.id ?? 0, `id: ${bare?.machine.id ?? ''}`);
    world.tagHost(tagged?.host.id ?? 0, 'host_context');
    ledger.clear();

    const result = await runHere(simulator, line, { home });

    expect(result.code).toBe(0);
    expect([fresh, bare, tagged].map((pair) => hostIn(result, pair?.host.id ?? 0)['result'])).toEqual([
      'unchanged',
      'enriched',
      'enriched',
    ]);
    expect(ledger.count('findbyip')).toBe(2);
    expect(ledger.entries.some(({ path }) => path.includes(`/host/${fresh?.host.id ?? 0}`))).toBe(false);
  });

  it('reads again what is older than enrich.maxAgeMinutes, and writes what has changed', async ({
    start,
    home,
  }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ threat: 90, certainty: 90 });
    const options = { home, overrides: { enrich: { maxAgeMinutes: 0 } } };
    await runHere(simulator, ['--tc', '75', '75'], options);
    simulator.ledger.clear();

    const same = await runHere(simulator, ['--tc', '75', '75', '--json'], options);
    const idleWrites = simulator.ledger.writes();
    machine.riskScore = 'High';
    const changed = await runHere(simulator, ['--tc', '75', '75', '--json'], options);

    expect(resultsOf(same, [host])).toEqual(['unchanged']);
    expect(same.stderr).toBe('');
    expect(idleWrites).toEqual([]);
    expect(hostIn(changed, host.id)).toMatchObject({
      result: 'enriched',
      tags: { added: ['riskScore: High'], removed: ['riskScore: None'] },
      note: 'updated',
    });
  });
});

describe.concurrent('the note', () => {
  it('says which machine it is and why, its open alerts, and where it is in the portal', async ({
    start,
  }) => {
    const simulator = await start();
    const { world, settings } = simulator;
    const { host, machine } = world.addPair({ tags: ['host_context'] });
    const days = (count: number) => Date.now() - count * 86_400_000;
    const alert = { machineId: machine.id };
    world.addAlert({ ...alert, severity: 'High', status: 'Resolved', createdAt: days(3) });
    world.addAlert({ ...alert, severity: 'Low', status: 'New', createdAt: days(29) });
    world.addAlert({ ...alert, severity: 'Medium', status: 'InProgress', createdAt: days(1) });
    world.addAlert({ ...alert, severity: 'High', status: 'New', createdAt: days(40) });
    world.addAlert({ severity: 'High', createdAt: days(1) });

    const result = await runHere(simulator, ['--tag', 'host_context']);

    expect(result.code).toBe(0);
    expect(ownNoteOf(host)).toBe(
      [
        '## Microsoft Defender for Endpoint (atp)',
        '',
        `- **Machine:** \`pc-1.contoso.example\`, id ${machine.id}, platform \`Windows11\`, health \`Active\`, risk \`None\`, exposure \`Low\``,
        `- **Matched:** by address ${host.last_source ?? ''}, confirmed: \`name pc-1 (dhcp)\``,
        '- **Alerts & severity:** 3 in the last 30 days, 2 open, highest open severity `Medium`',
        `- **Portal:** https://security.microsoft.com/machines/v2/${machine.id}?tid=${settings.tenantId}`,
        '',
        '_Kept up to date by atp. Add your own text below this line._',
      ].join('\n'),
    );
  });

  it.for([false, true])(
    'is kept up to date in its place, and what people write stays (escaped by Detect: %s)',
    async (htmlEscapeNotes, { start }) => {
      const simulator = await start({ htmlEscapeNotes });
      const { world } = simulator;
      const { host, machine } = world.addPair({
        tags: ['host_context'],
        notes: ['first <b>"mine"</b> & yours'],
      });
      await runHere(simulator, ['--tag', 'host_context']);
      const own = host.notes[1];
      const added = '\n\nCalled the owner: "R&D" <it@contoso.example>\n- she knows';
      world.writeNote(host.id, (own?.note ?? '') + added, own?.id);
      world.writeNote(host.id, 'last\r\nnote');
      machine.riskScore = 'High';
      world.tagHost(host.id, 'host_context');

      const changed = await runHere(simulator, ['--tag', 'host_context']);
      const between = detectState(simulator);
      world.tagHost(host.id, 'host_context');
      simulator.ledger.clear();
      const same = await runHere(simulator, ['--tag', 'host_context']);

      expect([changed.code, same.code]).toEqual([0, 0]);
      expect(host.notes.map(({ id }) => id)).toEqual([301, 302, 303]);
      expect(host.notes[0]?.note).toBe('first <b>"mine"</b> & yours');
      expect(host.notes[2]?.note).toBe('last\r\nnote');
      const text = ownNoteOf(host);
      expect(text).toContain('risk `High`');
      expect(text.endsWith(`_Kept up to date by atp. Add your own text below this line._${added}`)).toBe(
        true,
      );
      expect(simulator.ledger.writes().map(({ call }) => call)).toEqual(['tag-remove']);
      expect(detectState(simulator)).toEqual(between);
    },
  );

  it('is the oldest, where there are several of the program', async ({ start }) => {
    const simulator = await start();
    const { world } = simulator;
    const title = '## Microsoft Defender for Endpoint (atp)';
    const { host, machine } = world.addPair({
      tags: ['host_context'],
      notes: ['mine', `${title}\n\nan older one`, `${title}\n\na copy`],
    });
    host.notes.forEach((note, at) => {
      note.createdAt = Date.now() - (at === 2 ? 9 : 5) * 60_000;
    });

    const result = await runHere(simulator, ['--tag', 'host_context']);

    expect(result.code).toBe(0);
    expect(host.notes.map(({ note }) => note.includes(machine.id))).toEqual([false, false, true]);
    expect(host.notes[2]?.note).toContain('a copy');
  });
});

describe.concurrent('a large run', () => {
  it('enriches 250 tagged hosts of several pages, though their tags go while it works', async ({ start }) => {
    const simulator = await start({ pageSize: 40 });
    const { world, ledger } = simulator;
    const pairs = Array.from({ length: 250 }, (_, at) =>
      world.addPair({ tags: [`number ${at}`, 'host_context'], notes: [`note ${at}`] }),
    );

    const result = await runHere(simulator, ['--tag', 'host_context', '--json']);

    expect(result.code).toBe(0);
    expect(result.report).toMatchObject({ counts: { selected: 250, enriched: 250 } });
    expect(pairs.map(({ host }) => tagsOf(host))).toEqual(
      pairs.map(({ machine }, at) => tags([`number ${at}`], contextOf(machine))),
    );
    expect(pairs.map(({ host }) => host.notes[0]?.note)).toEqual(pairs.map((_, at) => `note ${at}`));
    expect(pairs.every(({ host, machine }) => ownNoteOf(host).includes(machine.id))).toBe(true);
    expect(ledger.of('search').map(({ query }) => query['page'])).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
    ]);
    expect(ledger.peak('detect')).toBeLessThanOrEqual(10);
  });
});

describe.concurrent('a typical run over mixed hosts', () => {
  it('keeps every foreign tag and note as it was, and a second run writes nothing', async ({ start }) => {
    const simulator = await start();
    const { world, ledger } = simulator;
    const foreign = [
      'vip',
      'id: badge 4711',
      'Quarantine: see ticket "7"',
      'blocked by finance',
      'isolation: ask first',
    ];
    const notes = [
      'Called the owner.',
      '# My heading\r\n\r\n* tabs\tand <b>markup</b> & more ',
      '## Microsoft Defender',
    ];
    const about = (...more: string[]) => ({ tags: [...foreign, ...more, 'after'], notes });
    const context = world.addPair(about('host_context'));
    const scored = world.addPair({ ...about(), threat: 90, certainty: 80 });
    const nobody = world.addHost(about('host_context', 'osPlatform: Windows10'));
    const crowded = world.addHost(about('Host_Context'));
    for (const name of ['one', 'two'])
      world.addMachine({ computerDnsName: `${name}.contoso.example`, lastIpAddress: crowded.last_source });
    const blocked = world.addPair(about('block'));
    const server = world.addPair(about('block'), { osPlatform: 'WindowsServer2022', protected: true });
    const stranger = world.addPair(
      {
        ...about('block'),
        host_artifact_set: [{ type: 'dhcp', value: 'somebody-else' }],
        name: 'somebody-else',
      },
      { protected: true },
    );
    const released = world.addPair(about('unblock'));
    const isolation = world.portalIsolate(released.machine.id);
    const free = world.addPair(about('unblock'));
    const held = world.addPair();
    const pending = world.addAction({
      machineId: held.machine.id,
      status: 'InProgress',
      createdAt: Date.now() - 600_000,
    });
    Object.assign(held.host, {
      tags: about('isolation: Pending', `Manual block:${minute(pending.createdAt)}`, `id: ${held.machine.id}`)
        .tags,
    });
    notes.forEach((text) => world.writeNote(held.host.id, text));
    const torn = world.addPair(about('block', 'unblock'), { protected: true });
    const inactive = world.addPair({ ...about('host_context'), state: 'inactive' });
    const all = [
      context,
      scored,
      { host: nobody },
      { host: crowded },
      blocked,
      server,
      stranger,
      released,
      free,
      held,
      torn,
      inactive,
    ];
    const hosts = all.map(({ host }) => host);
    const noteIds = hosts.map((host) => host.notes.map(({ id }) => id));
    const overrides = { isolation: { never: { osPlatforms: ['WindowsServer*'] } } };

    const first = await runHere(simulator, [...typicalLine, '--json'], { overrides });
    const between = world.snapshot();
    ledger.clear();
    const second = await runHere(simulator, [...typicalLine, '--json'], { overrides });

    expect(first.code).toBe(1);
    expect(resultsOf(first, hosts.slice(0, 11))).toEqual([
      ...[
        'enriched',
        'enriched',
        'enriched',
        'enriched',
        'isolated',
        'refused',
        'refused',
        'released',
        'released',
      ],
      ...['isolated', 'conflict'],
    ]);
    expect(first.report).toMatchObject({ counts: { selected: 11 } });
    const kept = (...more: string[]) => [...foreign, ...more, 'after'];
    expect(hosts.map((host) => tagsOf(host).others)).toEqual([
      ...Array.from({ length: 10 }, () => kept()),
      kept('block', 'unblock'),
      kept('host_context'),
    ]);
    expect(hosts.map((host) => host.notes.slice(0, 3).map(({ note }) => note))).toEqual(
      hosts.map(() => notes),
    );
    expect(hosts.map((host) => host.notes.slice(0, 3).map(({ id }) => id))).toEqual(noteIds);
    expect(asked(simulator).map(({ type, machineId }) => ({ type, machineId }))).toEqual(
      expect.arrayContaining([
        { type: 'Isolate', machineId: blocked.machine.id },
        { type: 'Unisolate', machineId: released.machine.id },
      ]),
    );
    expect(asked(simulator)).toHaveLength(2);
    expect(isolation.status).toBe('Succeeded');

    expect(second.code).toBe(1);
    expect(ledger.writes()).toEqual([]);
    expect(world.snapshot()).toEqual(between);
  });
});
