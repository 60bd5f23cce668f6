import { describe, expect, it } from 'vitest';
import { deferred } from '../../src/decide/consequences.ts';
import { chooseMachine } from '../../src/decide/match.ts';
import { newsOf } from '../../src/decide/news.ts';
import { isStillAsked, parseNote, putEntry } from '../../src/decide/note.ts';
import { withConflicts } from '../../src/decide/plan.ts';
import { changeTags, withChange } from '../../src/decide/tag-change.ts';
import { historyTag } from '../../src/decide/tags.ts';
import { outcomeOf } from '../../src/pipeline/outcome.ts';
import { heldBack } from '../../src/pipeline/siblings.ts';
import { readInventory } from '../../src/pipeline/inventory.ts';
import { asEnrichment, startDefender } from '../atp/rig.ts';
import { startDetect } from '../detect/rig.ts';
import {
  artifacts,
  buildCase,
  buildHost,
  buildIsolation,
  buildMachine,
  buildTags,
  machineId,
  minute,
  noon,
  owner,
} from '../decide/samples.ts';
import { json } from '../http/server.ts';

/** Processor time of this process, whatever else the machine is busy with. */
async function msOf(step: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await step();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** How many times as long a step takes with four times as much; below twenty milliseconds that says nothing. */
async function growth(size: number, prepare: (size: number) => () => unknown): Promise<number> {
  const [small, large] = [prepare(size), prepare(4 * size)];
  const times: (readonly [number, number])[] = [];
  for (let round = 0; round < 3; round += 1) times.push([await msOf(small), await msOf(large)]);
  const best = (at: 0 | 1) => Math.min(...times.map((pair) => pair[at]));
  return best(1) / Math.max(best(0), 20);
}

const ids = (size: number) => Array.from({ length: size }, (_, at) => at + 1);
const idOf = (at: number) => at.toString(16).padStart(40, '0');

describe('four times as much takes less than eight times as long', () => {
  it.each<[string, number, (size: number) => () => unknown]>([
    [
      'conflicts of hosts that are one machine',
      2_000,
      (size) => {
        const cases = ids(size).map((id) => buildCase([id % 2 === 0 ? 'isolate' : 'release'], {}, id));
        const planned = cases.map((one) => ({
          ...one,
          plan: { kind: 'defer', reason: 'x', exitCode: 1, verdicts: [] } as const,
        }));
        return () => withConflicts(machineId, planned);
      },
    ],
    [
      'hosts of released machines',
      1_500,
      (size) => {
        const cases = ids(size).map((id) => buildCase([], { machineIds: [idOf(id)] }, id));
        const outcomes = cases.map((one) => outcomeOf(one, [deferred('x')]));
        const siblings = { released: new Map(), cases, isComplete: true };
        return () => heldBack(cases, siblings, outcomes, noon);
      },
    ],
    [
      'lines of a note, and a line that is none of them',
      20_000,
      (size) => {
        const line = '- 2026-11-24 12:00 UTC: isolation refused: no machine';
        const action = '- 2026-11-24 12:30 UTC: isolated: Pending, action 4711';
        const text = ['## Microsoft Defender for Endpoint (atp)', ...Array<string>(size).fill(line), action];
        const note = text.join('\n');
        return () =>
          putEntry(parseNote(note).entries, { time: noon, what: 'isolation refused: no machine' }).length;
      },
    ],
    [
      'tags that a long line of a note may name',
      20_000,
      (size) => {
        const tags = ids(2_000).map((id) => `tag ${id}`);
        const waiting = 'isolation for tag '.repeat(size);
        return () => isStillAsked(waiting, tags);
      },
    ],
    [
      'tags that are replaced',
      500,
      (size) => {
        const current = ids(size).map((id) => `id: ${idOf(id)}`);
        return () =>
          withChange(current, changeTags(current, { machine: ['id: x'], status: 'none' }, noon)).length;
      },
    ],
    [
      'actions of a machine and times of its host',
      2_000,
      (size) => {
        const times = ids(2_000).map((at) => noon - at * minute);
        const tags = buildTags(['isolation: Pending', ...times.map((time) => historyTag('isolate', time))]);
        const record = ids(size).map((at) =>
          buildIsolation({ id: `${at}`, status: 'Failed', createdAt: noon - at * minute, machineId }),
        );
        const listed = { record, machineIds: [machineId], isWhole: true, carried: [] };
        return () => newsOf(tags, listed, { owner, endsAfterMs: 0, now: noon + minute });
      },
    ],
    [
      'candidates of an address, and names of the host',
      250,
      (size) => {
        const host = buildHost({ artifacts: artifacts(...ids(size).map((at) => `dhcp other-${at}`)) });
        const machines = ids(size).map((at) => buildMachine({ id: idOf(at) }));
        return () => chooseMachine(host, machines);
      },
    ],
  ])('%s', async (_name, size, prepare) => {
    expect(await growth(size, prepare)).toBeLessThan(8);
  });
});

/** A list of Defender's, in pages of 10,000. */
async function startWithList(size: number, member: (at: number) => object) {
  const page = 10_000;
  return await startDefender((response, request) => {
    const skip = Number(new URL(request.url, 'http://x').searchParams.get('$skip') ?? 0);
    const value = ids(Math.min(page, size - skip)).map((at) => member(skip + at));
    json({ value })(response, request);
  });
}

describe('lists as long as Defender may give', () => {
  it('of 250,000 machines of one name at one address leave each host to be asked for by itself, in seconds', async () => {
    const machine = { computerDnsName: 'pc', lastIpAddress: '10.1.2.3', onboardingStatus: 'Onboarded' };
    const { atp, received } = await startWithList(250_000, (at) => ({ ...machine, id: idOf(at) }));
    const hosts = ids(1_000).map((id) => buildHost({ id, artifacts: artifacts('dhcp pc') }));

    const took = await msOf(async () => {
      const inventory = await readInventory(atp, hosts, noon);
      expect(hosts.filter((host) => inventory?.confirmed(host))).toEqual([]);
      expect(hosts.every((host) => inventory?.mayConfirm(host))).toBe(true);
    });

    expect(received.filter(({ url }) => url.startsWith('/api/machines'))).toHaveLength(26);
    expect(took).toBeLessThan(60_000);
  }, 180_000);

  it('of 100,000 actions are read in seconds', async () => {
    const { atp } = await startWithList(100_000, (at) => ({
      ...{ id: `${at}`, type: 'Isolate', status: 'Succeeded', machineId },
      creationDateTimeUtc: new Date(noon - at * minute).toISOString(),
    }));
    let count = 0;

    const took = await msOf(async () => {
      count = (await atp.listActionsSince(0, asEnrichment)).length;
    });

    expect(count).toBe(100_000);
    expect(took).toBeLessThan(30_000);
  }, 120_000);
});

describe('answers with more members than anybody asked for are not looked at one by one', () => {
  const millions = Array<number>(4_000_000).fill(1);

  it.each<[string, () => Promise<unknown>]>([
    [
      'machines at an address',
      async () =>
        (await startDefender(json({ value: millions }))).atp.findByIp('10.1.2.3', noon, asEnrichment),
    ],
    ['notes of a host', async () => (await startDetect(json(millions))).detect.listNotes(7)],
  ])(
    '%s',
    async (_name, read) => {
      const took = await msOf(async () => {
        const answer = await read().catch((error: unknown) => String(error));
        expect(['too many', expect.stringContaining('cannot be read (')]).toContainEqual(answer);
      });

      expect(took).toBeLessThan(15_000);
    },
    60_000,
  );
});
