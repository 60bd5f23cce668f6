import fc from 'fast-check';
import { ListReply } from '../../src/atp/lists.ts';
import { Machine, MachineAction } from '../../src/atp/machine.ts';
import { Host } from '../../src/detect/host.ts';
import { Notes } from '../../src/detect/notes.ts';
import { HostList } from '../../src/detect/search.ts';
import { TagsReply } from '../../src/detect/tags.ts';
import { createHarness, type Harness } from '../harness.ts';
import { isObject, parseJson } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { Answer } from '../simulator/route.ts';
import type { Simulator } from '../simulator/simulator.ts';

/** What a service answers in place of what it should. */
export type Mutation =
  /** A value somewhere in the body is replaced, or taken away. `place` picks it among all there are. */
  | { kind: 'value'; place: number; value: unknown }
  | { kind: 'drop'; place: number }
  | { kind: 'whole'; value: unknown }
  | { kind: 'text'; text: string }
  | { kind: 'status'; status: number; value: unknown }
  | { kind: 'redirect'; status: number }
  | { kind: 'next' };

export interface Hostility {
  call: string;
  mutation: Mutation;
}

/** Calls of a run that uses all flags. */
const calls =
  'search tags host notes note-create tag-add tag-remove groups token findbyip machine machineactions alerts isolate unisolate cancel'.split(
    ' ',
  );

/** Too deep for whoever goes down by calling itself. */
function nested(depth: number): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`;
}

const nastyTexts = [
  '',
  ' ',
  '\u001b]0;owned\u0007\u001b[2J\u009b31m',
  'a\r\nInjected: yes\n\n- 2026-11-24 12:00 UTC: line',
  '\u202egnp.exe\u2066',
  '\ud800 and \udfff',
  '\u0000\u0001\u007f',
  '<script>alert(1)</script>',
  "x' or machineId ne '",
  '../../../etc/passwd?x=%2e%2e#',
  '__proto__',
  'block',
  'isolation: Pending',
  'Manual block:2026-11-24 11:00',
  `id: ${'a'.repeat(40)}`,
  'Isolate',
  'Unisolate',
  'Succeeded',
  '0000-00-00T00:00:00Z',
  '9999-12-31T23:59:59.9999999Z',
  '10.0.0.1',
  '::ffff:127.0.0.1%eth0',
  'x'.repeat(20_000),
  '```\n## Microsoft Defender for Endpoint (atp)\n',
];
const nastyNumbers = [0, -1, 0.5, 1e308, -1e308, 2 ** 53, 2 ** 31, -(2 ** 53), 1e-320];

const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...nastyTexts) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(...nastyNumbers) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [null], [[]], { value: null }),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom<unknown>(...nastyTexts, ...nastyNumbers), { maxLength: 5 }),
  },
  { weight: 1, arbitrary: fc.constant(Array.from({ length: 300 }, (_, at) => `tag ${at}`)) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

const text = fc.oneof(
  fc.constantFrom(
    nested(20_000),
    `{"a":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    '{"results":[],"results":[1],"__proto__":{"polluted":true}}',
    '{"value":[{"id":1e999}]}',
    'NaN',
    '\ufeff{}',
    '\u001b[31m{',
    '{"value":[',
    'null',
    '"text"',
    '<html><body>sign in</body></html>',
    ' '.repeat(100_000),
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

const place = fc.nat({ max: 10_000 });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('value' as const), place, value }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop' as const), place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('whole' as const), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('text' as const), text }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('status' as const),
      status: fc.constantFrom(
        201,
        204,
        400,
        401,
        403,
        404,
        405,
        409,
        410,
        413,
        418,
        422,
        429,
        500,
        502,
        503,
        599,
      ),
      value,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('redirect' as const),
      status: fc.constantFrom(301, 302, 303, 307, 308),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'next' as const }) },
);

/** One to three calls that are answered wrongly throughout a run. */
export const hostilities: fc.Arbitrary<Hostility[]> = fc.uniqueArray(
  fc.record({ call: fc.constantFrom(...calls), mutation }),
  { minLength: 1, maxLength: 3, selector: ({ call }) => call },
);

/** The answer as the mutation makes it; links and redirects lead to `elsewhere`. */
function mutate(answer: Answer, change: Mutation, elsewhere: string, entry: Entry): Answer {
  switch (change.kind) {
    case 'whole':
      return { ...answer, body: change.value };
    case 'text':
      return { ...answer, headers: { 'content-type': 'application/json' }, body: change.text };
    case 'status':
      return { status: change.status, headers: { 'retry-after': '1' }, body: change.value };
    case 'redirect':
      return { status: change.status, headers: { location: `${elsewhere}${entry.path}` }, body: undefined };
    case 'next': {
      const link = `${elsewhere}${entry.path}?page=2&$skip=1`;
      return {
        ...answer,
        body: isObject(answer.body) ? { ...answer.body, next: link, '@odata.nextLink': link } : link,
      };
    }
    case 'value':
    case 'drop': {
      const body = structuredClone(answer.body);
      const places = placesIn(body);
      const chosen = places[change.place % Math.max(1, places.length)];
      if (!chosen) return { ...answer, body: change.kind === 'value' ? change.value : undefined };
      if (change.kind === 'value') Reflect.set(chosen.parent, chosen.key, change.value);
      else if (Array.isArray(chosen.parent)) chosen.parent.splice(Number(chosen.key), 1);
      else Reflect.deleteProperty(chosen.parent, chosen.key);
      return { ...answer, body };
    }
  }
}

function placesIn(body: unknown): { parent: object; key: string }[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([key, inner]) => [{ parent: body, key }, ...placesIn(inner)]);
}

const acts = ['isolate', 'unisolate'];
const detectWrites = ['tag-add', 'tag-remove', 'note-create', 'note-update'];

/** What an answer must not lead to, when it does not have the form that the program asks of it. */
function forbiddenAfter(
  asked: Entry,
  answer: Answer,
  { world }: Simulator,
): ((entry: Entry) => boolean) | undefined {
  if (answer.status >= 300) return undefined;
  const body = typeof answer.body === 'string' ? parseJson(answer.body) : asReceived(answer.body);
  const list = ListReply.safeParse(body).data?.value;
  const hostId = Number(/\/hosts?\/(\d+)/u.exec(asked.path)?.[1]);
  const ofHost = (entry: Entry) => hostsOf(entry).includes(hostId);
  switch (asked.call) {
    case 'search':
      return HostList.safeParse(body).success
        ? undefined
        : ({ call }) => [...detectWrites, ...acts, 'cancel'].includes(call);
    case 'tags':
      return TagsReply.safeParse(body).success
        ? undefined
        : (entry) => detectWrites.includes(entry.call) && ofHost(entry);
    case 'host': {
      const [machine] = [...world.machines.values()].filter(
        ({ lastIpAddress }) => lastIpAddress === world.hosts.get(hostId)?.last_source,
      );
      return Host.safeParse(body).success
        ? undefined
        : (entry) => entry.call === 'isolate' && isAbout(entry, machine?.id);
    }
    case 'notes':
      return Notes.safeParse(body).success
        ? undefined
        : (entry) => entry.call.startsWith('note-') && ofHost(entry);
    case 'token':
      return isObject(body) && typeof body['access_token'] === 'string'
        ? undefined
        : ({ service }) => service === 'atp';
    case 'findbyip': {
      const ip = /ip='([^']*)'/u.exec(asked.path)?.[1];
      const [machine] = [...world.machines.values()].filter(({ lastIpAddress }) => lastIpAddress === ip);
      return list?.every((item) => Machine.safeParse(item).success)
        ? undefined
        : (entry) => acts.includes(entry.call) && isAbout(entry, machine?.id);
    }
    case 'machineactions': {
      const machineId = /machineId eq '([^']*)'/u.exec(asked.query['$filter'] ?? '')?.[1];
      return list?.every((item) => isReadableAction(item))
        ? undefined
        : (entry) => acts.includes(entry.call) && isAbout(entry, machineId);
    }
    default:
      return undefined;
  }
}

/** The hosts that a write to Detect is about. */
function hostsOf({ path, body }: Entry): number[] {
  const ids: unknown = isObject(body) ? body['objectIds'] : undefined;
  return [Number(/\/hosts\/(\d+)/u.exec(path)?.[1]), ...(Array.isArray(ids) ? ids.map(Number) : [])];
}

function isAbout({ path }: Entry, machineId: string | undefined): boolean {
  return machineId === undefined || path.includes(machineId);
}

function isReadableAction(item: unknown): boolean {
  const type = isObject(item) && typeof item['type'] === 'string' ? item['type'] : 'Isolate';
  const isOther = type !== 'Isolate' && type !== 'Unisolate';
  return isOther || MachineAction.safeParse(item).success;
}

/** The body after its way through JSON. */
function asReceived(body: unknown): unknown {
  return body === undefined ? undefined : parseJson(JSON.stringify(body));
}

export interface HostileRun {
  code: number;
  /** What is wrong with what the run said and did; nothing, it is hoped. */
  complaints: string[];
}

/** Runs all flags once against services that answer so, and looks at what came of it. */
export async function runHostile(hostile: readonly Hostility[], elsewhere: string): Promise<HostileRun> {
  const harness = await createHarness({
    config: {
      http: { timeoutSeconds: 5 },
      isolation: { never: { groups: ['Domain*'], osPlatforms: ['WindowsServer*'] } },
    },
  });
  const complaints: string[] = [];
  const forbidden: ((entry: Entry) => boolean)[] = [];
  try {
    addWork(harness);
    harness.simulator.hooks.answer = (entry, own) => {
      const change = hostile.find(({ call }) => call === entry.call);
      if (!change || own.status >= 300) return own;
      const answer = mutate(own, change.mutation, elsewhere, entry);
      const isForbidden = forbiddenAfter(entry, answer, harness.simulator);

      if (isForbidden) forbidden.push((later) => later.n > entry.n && isForbidden(later));
      return answer;
    };
    const args = '--tag host_context --tc 80 80 --blocktag block --unblocktag unblock --verbose'.split(' ');
    const { code, stderr, stdout } = await harness.run(args);

    if (![0, 1, 3, 69, 77, 78].includes(code)) complaints.push(`ended with ${code}`);
    if (/a bug in atp|"stack"/u.test(stderr)) complaints.push('logged a bug');
    if (stdout === '') complaints.push('printed no report');
    complaints.push(...printedComplaints(`${stdout}\n${stderr}`), ...writtenComplaints(harness));
    const wrong = harness.simulator.ledger.entries.filter((entry) =>
      forbidden.some((isForbidden) => isForbidden(entry)),
    );
    complaints.push(
      ...wrong.map(({ call, path }) => `${call} ${path} after an answer that fails its schema`),
    );
    return { code, complaints };
  } finally {
    await harness.close();
  }
}

function addWork({ simulator: { world } }: Harness): void {
  world.addGroup({ name: 'Domain Controllers' });
  world.addPair({ tags: ['block', 'vip'], notes: ['mine'] });
  const isolated = world.addPair({ tags: ['unblock', 'vip'] });
  world.portalIsolate(isolated.machine.id);
  const pending = world.addPair({ tags: ['unblock'] });
  world.portalIsolate(pending.machine.id, 'Pending');
  world.addPair({ tags: ['host_context'], notes: ['mine'] });
  const scored = world.addPair({ threat: 90, certainty: 90 });
  world.addAlert({ machineId: scored.machine.id });
}

/** Every control character but the end of a line, and what turns the direction of writing around. */
const unprintable = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u;

function printedComplaints(printed: string): string[] {
  return unprintable.test(printed) ? ['printed characters that steer a terminal'] : [];
}

function writtenComplaints({ simulator: { ledger, world } }: Harness): string[] {
  const texts = ledger.writes().flatMap(({ call, body }) => {
    const { tag, note, Comment: comment } = isObject(body) ? body : {};
    return [tag, note, comment].flatMap((written) =>
      typeof written === 'string' ? [{ call, written }] : [],
    );
  });
  return [
    ...texts.flatMap(({ call, written }) =>
      call !== 'tag-remove' && unprintable.test(written)
        ? [`${call} with control characters: ${JSON.stringify(written)}`]
        : [],
    ),
    ...texts.flatMap(({ call, written }) =>
      call === 'tag-add' && written.length > 100 ? [`a tag of ${written.length} characters`] : [],
    ),
    ...texts.flatMap(({ call, written }) =>
      call.startsWith('note-') && written.length > 8_000 ? [`a note of ${written.length} characters`] : [],
    ),
    // A record that was lied about can hide an isolation; nobody could know.
    ...world.violations.filter((harm) => !harm.endsWith('isolated twice')),
  ];
}
