import { describe, expect } from 'vitest';
import type { Harness } from '../harness.ts';
import { it } from '../scale/rig.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { asked, askedOf, hostIn, minute, minutes, textWith } from './rig.ts';

const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];
const week = minutes(7 * 24 * 60);
const notListedYet = textWith('does not list the ');

/** What was asked for through the API, in order. */
function asks({ simulator }: Harness): string[] {
  return asked(simulator).map(({ type, status }) => `${type} ${status}`);
}

function typesAsked({ simulator }: Harness, machine: SimMachine): string[] {
  return askedOf(simulator, machine).map(({ type }) => type);
}

function breakCall({ simulator: { faults } }: Harness, call: string, kind: FaultKind, times: number): void {
  faults.add({ match: (entry) => entry.call === call, kind, times });
}

/** Something that happens once, when this call was answered so many times: between the plan and the act. */
function afterCall(
  call: string,
  times: number,
  change: () => void,
): { after: (entry: { call: string }) => void } {
  let answered = 0;
  return {
    after(entry) {
      if (entry.call === call && ++answered === times) change();
    },
  };
}

/** Another host in Detect for the machine of the first. */
function addTwin({ simulator: { world } }: Harness, host: SimHost, trigger: string): SimHost {
  const { last_source, ip, name, host_artifact_set } = host;
  return world.addHost({ tags: [trigger], last_source, ip, name, host_artifact_set });
}

function seenNow({ clock }: Harness, host: SimHost): void {
  host.last_seen = `${new Date(clock.now() - minutes(3)).toISOString().slice(0, 19)}Z`;
}

/** The host is another machine by now, at another address and under another name. */
function becomeAnother(harness: Harness, host: SimHost): SimMachine {
  const next = harness.simulator.world.addMachine({ computerDnsName: 'other.contoso.example' });
  host.last_source = host.ip = next.lastIpAddress;
  host.name = 'other';
  host.host_artifact_set = [{ type: 'dhcp', value: 'other' }];
  seenNow(harness, host);
  return next;
}

describe('an action of a host that is not held, which its tags were never told of and which is over,', () => {
  it('does not lead a block to the machine of its id: tag when it is a release', async ({ start }) => {
    const harness = await start({ actionIndexLagMs: 20_000 });
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['unblock'] });
    world.portalIsolate(machine.id);
    harness.clock.advance(minutes(2));
    breakCall(harness, 'unisolate', 'reset-after', 1);
    await harness.run(line);
    world.settleActions();
    world.untagHost(host.id, 'unblock');
    harness.clock.advance(week);
    const next = becomeAnother(harness, host);
    world.tagHost(host.id, 'block');

    const outcome = await harness.run(line);

    expect(hostIn(outcome, host.id)).toMatchObject({ result: 'isolated', machine: { id: next.id } });
    expect(typesAsked(harness, next)).toEqual(['Isolate']);
    expect(typesAsked(harness, machine)).toEqual(['Unisolate']);
  });

  it('does not keep a release from the machine at its address when it is an isolation', async ({ start }) => {
    const harness = await start({ actionIndexLagMs: 20_000 });
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    world.setOnline(machine.id, false);
    breakCall(harness, 'isolate', 'reset-after', 1);
    await harness.run(line);
    world.untagHost(host.id, 'block');
    harness.clock.advance(week);
    world.snapshot();
    const next = becomeAnother(harness, host);
    world.portalIsolate(next.id);
    harness.clock.advance(minutes(2));
    world.tagHost(host.id, 'unblock');

    const outcome = await harness.run(line);

    expect(hostIn(outcome, host.id)).toMatchObject({ result: 'released', machine: { id: next.id } });
    expect(typesAsked(harness, next)).toEqual(['Unisolate']);
  });
});

describe('an isolation that was cancelled for an unblock', () => {
  it('does not answer an unblock of a later isolation that Defender does not list yet', async ({ start }) => {
    const harness = await start();
    const { world, settings } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    world.setOnline(machine.id, false);
    for (const trigger of ['unblock', 'block']) {
      await harness.run(line);
      harness.clock.advance(minutes(10));
      world.tagHost(host.id, trigger);
    }
    await harness.run(line);
    expect(asks(harness)).toEqual(['Isolate Cancelled', 'Isolate Pending']);
    settings.actionIndexLagMs = minutes(6);
    harness.clock.advance(minutes(2));
    world.tagHost(host.id, 'unblock');

    const early = await harness.run(line);
    settings.actionIndexLagMs = 0;
    const later = await harness.run(line);

    expect(hostIn(early, host.id)).toMatchObject({ result: 'deferred', detail: notListedYet });
    expect(hostIn(later, host.id)).toMatchObject({ result: 'released' });
    expect(asks(harness)).toEqual(['Isolate Cancelled', 'Isolate Cancelled']);
  });

  it('does not keep the next unblock from the machine that is at the address by then', async ({ start }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    world.setOnline(machine.id, false);
    await harness.run(line);
    harness.clock.advance(minutes(10));
    world.tagHost(host.id, 'unblock');
    await harness.run(line);
    expect(host.tags).toContain('isolation: Cancelled');
    const next = becomeAnother(harness, host);
    world.portalIsolate(next.id);
    harness.clock.advance(minutes(20));
    world.tagHost(host.id, 'unblock');

    await harness.run(line);

    expect(typesAsked(harness, next)).toEqual(['Unisolate']);
  });
});

describe('what another host of the machine asked for in the run before, and Defender does not list yet,', () => {
  it('is not isolated a second time', async ({ start }) => {
    const harness = await start({ actionIndexLagMs: minutes(5) });
    const { world } = harness.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    await harness.run(line);
    world.settleActions();
    harness.clock.advance(minutes(1));
    const twin = addTwin(harness, host, 'block');

    const early = await harness.run(line);
    harness.clock.advance(minutes(5));
    const later = await harness.run(line);

    expect(hostIn(early, twin.id)).toMatchObject({ result: 'deferred', action: null });
    expect(hostIn(later, twin.id)).toMatchObject({ result: 'isolated' });
    expect(asks(harness)).toEqual(['Isolate Succeeded']);
  });

  it('keeps a block waiting when it is a release', async ({ start }) => {
    const harness = await start();
    const { world, settings } = harness.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    await harness.run(line);
    world.settleActions();
    harness.clock.advance(minutes(30));
    await harness.run(line);
    world.tagHost(host.id, 'unblock');
    await harness.run(line);
    settings.actionIndexLagMs = minutes(5);
    harness.clock.advance(minutes(1));
    const twin = addTwin(harness, host, 'block');

    const outcome = await harness.run(line);

    expect(hostIn(outcome, twin.id)).toMatchObject({ result: 'deferred', detail: notListedYet });
    expect(asks(harness)).toEqual(['Isolate Succeeded', 'Unisolate Pending']);
  });

  it('keeps an unblock waiting when it is an isolation', async ({ start }) => {
    const harness = await start({ actionIndexLagMs: minutes(5) });
    const { world } = harness.simulator;
    const { host } = world.addPair({ tags: ['block'] });
    await harness.run(line);
    harness.clock.advance(minutes(1));
    const twin = addTwin(harness, host, 'unblock');

    const outcome = await harness.run(line);

    expect(hostIn(outcome, twin.id)).toMatchObject({ result: 'deferred', detail: notListedYet });
    expect(twin.tags).toContain('unblock');
  });
});

describe('what Detect learns of a host after the plan was made', () => {
  it.for([['no-conflict'], ['ip']])(
    'stops the isolation of the one of two machines that it no longer speaks for, under %s',
    async ([match = ''], { start }) => {
      const harness = await start();
      const { world } = harness.simulator;
      const { host, machine } = world.addPair({ tags: ['block'] });
      const second = world.addMachine({ lastIpAddress: host.last_source });

      const outcome = await harness.run(line, {
        overrides: { isolation: { match } },
        ...afterCall('machineactions', 1, () => {
          const label = (second.computerDnsName ?? '').split('.')[0] ?? '';
          host.name = label;
          host.host_artifact_set = match === 'ip' ? [{ type: 'dhcp', value: label }] : [];
        }),
      });

      expect(hostIn(outcome, host.id)).toMatchObject({
        result: 'deferred',
        detail: textWith('what Detect knows of the host changed while the run worked'),
      });
      expect([...typesAsked(harness, machine), ...typesAsked(harness, second)]).toEqual([]);
    },
  );

  it('stops the isolation of a machine of half an hour before that it no longer confirms', async ({
    start,
  }) => {
    const harness = await start();
    const { world } = harness.simulator;
    const { host, machine } = world.addPair({ tags: ['block'] });
    seenNow(harness, host);
    const until = harness.clock.now() - minutes(20);
    machine.addresses = [{ ip: host.last_source ?? '', from: -Infinity, to: until }];

    const outcome = await harness.run(
      line,
      afterCall('machineactions', 1, () => {
        host.name = 'IP-10.0.3.233';
        host.host_artifact_set = [];
      }),
    );

    expect(hostIn(outcome, host.id)).toMatchObject({ result: 'deferred' });
    expect(asks(harness)).toEqual([]);
  });
});

it('isolates no more machines than maxPerRun when an isolation to be taken over fails before the act', async ({
  start,
}) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host, machine } = world.addPair({ tags: ['block'] });
  const twin = addTwin(harness, host, 'block');
  const other = world.addPair({ tags: ['block'] });
  const portal = world.portalIsolate(machine.id, 'InProgress');

  const outcome = await harness.run(line, {
    overrides: { isolation: { maxPerRun: 1 } },
    ...afterCall('machineactions', 3, () => {
      world.advanceAction(portal.id, 'Failed');
    }),
  });

  const resultOf = ({ id }: SimHost) => hostIn(outcome, id)['result'];
  expect([host, twin, other.host].map(resultOf)).toEqual(['deferred', 'deferred', 'isolated']);
  expect(typesAsked(harness, other.machine)).toEqual(['Isolate']);
  expect(typesAsked(harness, machine)).toEqual([]);
});

describe('a dry run over two hosts of one machine', () => {
  it.for([
    ['unblock', 'an isolation'],
    ['block', 'a release'],
  ] as const)(
    'tells what the real run does when %s tags meet %s that is Pending',
    async ([trigger], { start }) => {
      const harness = await start();
      const { world } = harness.simulator;
      const { host, machine } = world.addPair({ tags: [trigger] });
      const twin = addTwin(harness, host, trigger);
      if (trigger === 'unblock') world.portalIsolate(machine.id, 'Pending');
      else world.portalRelease(machine.id, 'Pending');

      const dry = await harness.run([...line, '--dry-run']);
      const real = await harness.run(line);

      expect(dry.code).toBe(real.code);
      expect(dry.report?.counts).toEqual(real.report?.counts);
      for (const { id } of [host, twin]) {
        expect(hostIn(dry, id)['tags']).toEqual(hostIn(real, id)['tags']);
      }
    },
  );
});

it('an unblock after a block and a release in the portal is told by the time of that release', async ({
  start,
}) => {
  const harness = await start();
  const { world } = harness.simulator;
  const { host, machine } = world.addPair({ tags: ['unblock'] });
  await harness.run(line);
  harness.clock.advance(minutes(5));
  world.tagHost(host.id, 'block');
  await harness.run(line);
  world.settleActions();
  harness.clock.advance(minutes(2));
  await harness.run(line);
  const at = harness.clock.now();
  world.portalRelease(machine.id);
  harness.clock.advance(minutes(5));
  world.tagHost(host.id, 'unblock');

  await harness.run(line);

  expect(host.tags).toContain(`Manual unblock:${minute(at)}`);
});

it('an exclusion group that Detect does not know is told, with 78, although no block comes as far as that rule', async ({
  start,
}) => {
  const harness = await start();
  harness.simulator.world.addHost({ tags: ['block'] });
  const overrides = { isolation: { never: { groups: ['No such group'] } } };

  const { code, stderr } = await harness.run(line, { overrides });

  expect(code).toBe(78);
  expect(stderr).toContain(
    String.raw`no isolation in this run: isolation.never.groups names \"No such group\", which Detect does not know`,
  );
});

it('refused credentials are told, with 77, also of a host whose two tags are a conflict', async ({
  start,
}) => {
  const harness = await start();
  const { faults, world } = harness.simulator;
  const { host } = world.addPair({ tags: ['block', 'unblock'] });
  faults.add({ match: ({ call }) => call === 'tags', kind: '401' });

  const result = await harness.run(line);

  expect(result.code).toBe(77);
  expect(hostIn(result, host.id)).toMatchObject({ result: 'conflict' });
});
