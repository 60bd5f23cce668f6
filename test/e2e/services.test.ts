import { afterAll, beforeAll, describe, expect } from 'vitest';
import { createFactoryIdentity } from '../http/certificates.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { JsonObject } from '../simulator/json.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from '../simulator/simulator.ts';
import {
  asked,
  askedOf,
  closeUnharmed,
  contextOf,
  detectState,
  errorsOf,
  hostIn,
  it,
  logOf,
  ownNoteOf,
  playInOneRun,
  resultsOf,
  run,
  runHere,
  tags,
  tagsOf,
  typicalLine,
  textLike,
  type Scene,
} from './rig.ts';

/** A port on which nothing listens. */
const nowhere = 'http://127.0.0.1:1';

/** Breaks every answer to the calls of that name. */
function breaking(call: string, kind: FaultKind): (simulator: Simulator) => void {
  return ({ faults }) => faults.add({ match: (entry) => entry.call === call, kind });
}

/** A host for each purpose. */
function addWork({ world }: Simulator): SimHost[] {
  const enriched = world.addPair({ tags: ['host_context', 'vip'], notes: ['mine'] });
  const blocked = world.addPair({ tags: ['block', 'vip'] });
  const unblocked = world.addPair({ tags: ['unblock'] });
  world.portalIsolate(unblocked.machine.id);
  return [enriched.host, blocked.host, unblocked.host];
}

interface Trouble {
  settings?: SimulatorOptions;
  config?: JsonObject;
  prepare?: (simulator: Simulator) => void;
  code: number;
  msg: string;
  hint?: string;
}

/** What is said about a Detect that answers in a way in which none does. */
function notDetect(what: string): Pick<Trouble, 'code' | 'msg'> {
  const advice = "this does not look like Detect's API v2.5: check detect.url and detect.apiVersion";
  return { code: 78, msg: `${what}: ${advice}` };
}

const search = 'GET /api/v2.5/search/hosts';
const unusable = `Detect's answer to ${search} cannot be read`;

describe.concurrent('a Detect that refuses, or is none, ends the run before anything is done', () => {
  it.for<[line: string, trouble: Trouble]>([
    [
      'a wrong token',
      {
        config: { detect: { token: 'f'.repeat(40) } },
        code: 77,
        msg: 'Detect refused the API token (401): Invalid token.',
        hint: 'Copy the token anew from My Profile → API token in Detect to detect.token, detect.tokenFile or $ATP_DETECT_TOKEN.',
      },
    ],
    [
      'a missing right',
      {
        settings: { detectRights: 'none' },
        code: 77,
        msg: 'Detect does not let the owner of the API token read hosts (403): You do not have permission to perform this action.',
        hint: 'Give the user whose token it is a role with the permission to read hosts.',
      },
    ],
    [
      'a page of HTML',
      { prepare: breaking('search', 'html-200'), ...notDetect(`${unusable} (HTML instead of JSON)`) },
    ],
    ['a 404', { settings: { apiVersions: ['2.3'] }, ...notDetect(`Detect answered 404 to ${search}`) }],
    [
      'a redirect',
      {
        prepare: breaking('search', {
          status: 302,
          headers: { location: 'https://sso.example/login?next=1' },
        }),
        ...notDetect(
          `Detect answered 302 to ${search} (redirects are not followed; this one leads to https://sso.example)`,
        ),
      },
    ],
    [
      'half an answer',
      {
        prepare: breaking('search', 'truncated'),
        ...notDetect(`${unusable} (it is not JSON, or cut short)`),
      },
    ],
    [
      'an empty answer',
      { prepare: breaking('search', 'empty-200'), ...notDetect(`${unusable} (expected a page of hosts)`) },
    ],
    [
      'an answer without end',
      {
        prepare: breaking('search', 'oversize'),
        ...notDetect(`${unusable} (the answer is larger than 32 MiB)`),
      },
    ],
    [
      'an answer of another shape',
      {
        prepare: breaking('search', { status: 200, body: { hosts: [] } }),
        ...notDetect(`${unusable} (expected a page of hosts)`),
      },
    ],
    [
      'nobody at the address',
      {
        config: { detect: { url: nowhere } },
        code: 69,
        msg: `Detect cannot be reached: ${search} failed with ECONNREFUSED`,
        hint: 'No connection to 127.0.0.1:1. Check detect.url and the way there (DNS, firewall, proxy).',
      },
    ],
    [
      'an outage',
      { prepare: breaking('search', '502-html'), code: 69, msg: `Detect answered 502 to ${search}` },
    ],
  ])('%s', async ([, { settings, config, prepare, code, msg, hint }], { start }) => {
    const simulator = await start(settings);
    addWork(simulator);
    prepare?.(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json'], { overrides: config });

    expect(result.code).toBe(code);
    expect(errorsOf(result)).toEqual([hint === undefined ? { msg } : { msg, hint }]);
    expect(result.report).toMatchObject({ exitCode: code, hosts: [] });
    expect(simulator.ledger.writes()).toEqual([]);
    expect(simulator.ledger.calls()).toMatchObject({ login: 0, atp: 0 });
  });

  it('a certificate that nobody vouches for, unless it is pinned', async ({ start }) => {
    const { cert, key, fingerprint256 } = createFactoryIdentity();
    const simulator = await start({ tls: { cert, key } });
    const [host] = addWork(simulator);

    const untrusted = await runHere(simulator, ['--tag', 'host_context']);
    const pinned = await runHere(simulator, ['--tag', 'host_context'], {
      overrides: { detect: { fingerprint256 } },
    });

    expect(untrusted.code).toBe(69);
    expect(errorsOf(untrusted)).toEqual([
      {
        msg: `Detect cannot be reached: ${search} failed with DEPTH_ZERO_SELF_SIGNED_CERT`,
        hint: `The certificate of ${new URL(simulator.detectUrl).host} is signed by nobody who is trusted here. Put the CA that signed it into detect.caFile, or the SHA-256 fingerprint of the certificate, compared with that of the appliance, into detect.fingerprint256 (the only way with the factory certificate, whose name is "vectra"); detect.insecure accepts any certificate.`,
      },
    ]);
    expect(pinned.code).toBe(0);
    expect(host?.tags).not.toContain('host_context');
  });
});

describe.concurrent('a Detect that lets the program read, but', () => {
  it('not write, is left as it is, and nothing is isolated for it', async ({ start }) => {
    const simulator = await start({ detectRights: 'read-only' });
    const hosts = addWork(simulator);
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(77);
    expect(resultsOf(result, hosts)).toEqual(['failed', 'failed', 'failed']);
    expect(hostIn(result, hosts[1]?.id ?? 0)['detail']).toBe(
      'Detect does not let the owner of the API token change the tags of hosts (403): You do not have permission to perform this action. (Give the user whose token it is a role with the permission to change the tags of hosts.)',
    );
    expect(detectState(simulator)).toEqual(before);
    expect(asked(simulator)).toEqual([]);
  });

  it('has no bulk tagging, ends with 78 before anything is isolated', async ({ start }) => {
    const simulator = await start({ bulkTagging: false });
    const hosts = addWork(simulator);
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(78);
    expect(hostIn(result, hosts[1]?.id ?? 0)['detail']).toBe(
      'this Detect has no bulk tagging calls (POST and DELETE /tagging/host), and no other call changes a tag without touching the rest (It answered 405 to POST /api/v2.5/tagging/host: check detect.url and detect.apiVersion.)',
    );
    expect(detectState(simulator)).toEqual(before);
    expect(asked(simulator)).toEqual([]);
    expect(simulator.ledger.count('tags-replace')).toBe(0);
  });
});

describe.concurrent('a login that fails leaves everything as it was', () => {
  const refused = 'the login service refused to issue a token';
  /** Another one each time, for Microsoft's support. */
  const loginRequestId = / \(request id [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)/u;

  it.for<[line: string, trouble: Trouble]>([
    [
      'a wrong secret',
      {
        config: { atp: { appSecret: 'another~secret~value' } },
        code: 77,
        msg: `${refused} (401 invalid_client): AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'c0ffee00-1d2e-4f3a-9b4c-5d6…`,
        hint: "The client secret is wrong. Often the secret's id was copied in place of its value: Entra ID shows the value only once, so create a new secret if need be.",
      },
    ],
    [
      'a secret that has expired',
      {
        settings: { secretExpired: true },
        code: 77,
        msg: `${refused} (401 invalid_client): AADSTS7000222: The provided client secret keys are expired.`,
        hint: 'The client secret has expired: create a new one in the app registration (Certificates & secrets) and configure its value.',
      },
    ],
    [
      'an unknown tenant',
      {
        config: { atp: { tenantId: '11111111-2222-3333-4444-555555555555' } },
        code: 77,
        msg: `${refused} (400 invalid_request): AADSTS90002: Tenant '11111111-2222-3333-4444-555555555555' not found.`,
        hint: 'There is no such tenant: check atp.tenantId; a tenant of a US government cloud also needs atp.cloud.',
      },
    ],
    [
      'an unknown application',
      {
        config: { atp: { appId: '11111111-2222-3333-4444-555555555555' } },
        code: 77,
        msg: `${refused} (400 unauthorized_client): AADSTS700016: Application with identifier '11111111-2222-3333-4444-555555555555' was not found in the directory 'Contoso'.`,
        hint: 'The tenant does not know the application: check atp.appId (Application (client) ID) and atp.tenantId.',
      },
    ],
    [
      'an audience of another cloud',
      {
        config: { atp: { audience: 'https://api-gov.securitycenter.microsoft.us' } },
        code: 77,
        msg: `${refused} (400 invalid_resource): AADSTS500011: The resource principal named https://api-gov.securitycenter.microsoft.us was not found in the tenant named Contoso.`,
        hint: 'Defender for Endpoint is not set up in this tenant, or atp.audience belongs to another cloud: check atp.cloud and atp.audience.',
      },
    ],
    [
      'an answer in HTML',
      {
        prepare: breaking('token', 'html-200'),
        code: 69,
        msg: "the login service's answer to POST /9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77/oauth2/v2.0/token cannot be read (HTML instead of JSON)",
      },
    ],
  ])('%s', async ([, { settings, config, prepare, code, msg, hint }], { start }) => {
    const simulator = await start(settings);
    const hosts = addWork(simulator);
    prepare?.(simulator);
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json'], { overrides: config });

    expect(result.code).toBe(code);
    expect(resultsOf(result, hosts)).toEqual(['failed', 'deferred', 'deferred']);
    const words = hint === undefined ? msg : `${msg} (${hint})`;
    const details = hosts.map(({ id }) => String(hostIn(result, id)['detail']));
    expect(details.map((detail) => detail.replace(loginRequestId, ''))).toEqual([words, words, words]);
    expect(details.map((detail) => loginRequestId.test(detail))).toEqual(Array(3).fill(code === 77));
    expect(simulator.ledger.writes()).toEqual([]);
    expect(detectState(simulator)).toEqual(before);
    if (code === 77) expect(simulator.ledger.count('token')).toBeLessThanOrEqual(1);
  });

  it('nobody at the address', async ({ start }) => {
    const simulator = await start();
    const hosts = addWork(simulator);
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json'], {
      overrides: { atp: { loginUrl: nowhere } },
    });

    expect(result.code).toBe(69);
    expect(resultsOf(result, hosts)).toEqual(['deferred', 'deferred', 'deferred']);
    expect(hostIn(result, hosts[1]?.id ?? 0)['detail']).toBe(
      'the login service cannot be reached: POST /9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77/oauth2/v2.0/token failed with ECONNREFUSED',
    );
    expect(detectState(simulator)).toEqual(before);
  });
});

describe.concurrent('a token', () => {
  it('without any role touches nothing and ends with 77', async ({ start }) => {
    const simulator = await start({ roles: [] });
    const hosts = addWork(simulator);
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(77);
    expect(hostIn(result, hosts[0]?.id ?? 0)).toMatchObject({
      result: 'failed',
      detail: textLike(
        /^the application lacks the permission Machine\.Read\.All to find machines and read their actions: .* \(Add the application permission Machine\.Read\.All of WindowsDefenderATP \(found under "APIs my organization uses"\) to the app registration and grant admin consent\. Needed: Machine\.Read\.All or Machine\.ReadWrite\.All\. The token for https:\/\/api\.securitycenter\.microsoft\.com has no roles\.\)$/,
      ),
    });
    expect(simulator.ledger.writes()).toEqual([]);
    expect(detectState(simulator)).toEqual(before);
  });

  it('that may not isolate enriches all the same, keeps the trigger, and ends with 77', async ({ start }) => {
    const simulator = await start({ roles: ['Machine.Read.All', 'Alert.Read.All'] });
    const { host, machine } = simulator.world.addPair({ tags: ['block'] });

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(77);
    expect(hostIn(result, host.id)).toMatchObject({
      result: 'failed',
      detail: textLike(
        /^the application lacks the permission Machine\.Isolate to isolate and release machines, which --blocktag and --unblocktag need: its token does not have it, so that the call was not tried \(.* has the roles Machine\.Read\.All, Alert\.Read\.All\.\)/,
      ),
    });
    expect(tagsOf(host)).toEqual(tags(['block'], contextOf(machine)));
    expect(asked(simulator)).toEqual([]);
  });

  it('that may not read alerts fails nothing: the note says that they are unknown', async ({ start }) => {
    const simulator = await start({ roles: ['Machine.Read.All', 'Machine.Isolate'] });
    const enriched = simulator.world.addPair({ tags: ['host_context'] });
    const blocked = simulator.world.addPair({ tags: ['block'] });

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(0);
    expect(resultsOf(result, [enriched.host, blocked.host])).toEqual(['enriched', 'isolated']);
    expect(ownNoteOf(enriched.host)).toContain('\n- **Alerts & severity:** unknown\n');
    expect(simulator.ledger.count('alerts')).toBeLessThanOrEqual(2);
  });
});

describe.concurrent('an outage of Defender', () => {
  it('that lets nobody in ends with 69, even for a single host', async ({ start }) => {
    const simulator = await start();
    const { host } = simulator.world.addPair({ tags: ['host_context'] });
    const before = detectState(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json'], {
      overrides: { atp: { apiUrl: nowhere } },
    });

    expect(result.code).toBe(69);
    expect(hostIn(result, host.id)).toMatchObject({ result: 'failed' });
    expect(detectState(simulator)).toEqual(before);
  });

  it('that lasts for five hosts in a row ends with 69', async ({ start }) => {
    const simulator = await start();
    const hosts = Array.from({ length: 6 }, () => simulator.world.addPair({ tags: ['host_context'] }).host);
    breaking('findbyip', '500')(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(69);
    expect(new Set(resultsOf(result, hosts))).toEqual(new Set(['failed']));
    expect(simulator.ledger.writes()).toEqual([]);
  });

  it('that is announced for an hour is not waited for: the hosts are left to the next run', async ({
    start,
  }) => {
    const simulator = await start();
    const { ledger, world } = simulator;
    // Nameless, so that Defender's whole inventory can answer for none of them.
    const nameless = { name: 'IP-10.0.0.9', host_artifact_set: [] };
    const hosts = Array.from(
      { length: 100 },
      () => world.addPair({ tags: ['host_context'], ...nameless }).host,
    );
    const headers = { 'retry-after': '3600' };
    breaking('findbyip', { status: 503, headers })(simulator);

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(69);
    expect(new Set(resultsOf(result, hosts))).toEqual(new Set(['deferred']));
    expect(ledger.count('findbyip')).toBeLessThan(hosts.length);
    expect(ledger.writes()).toEqual([]);
  });

  it('that hits one host ends with 1, and the others are done', async ({ start }) => {
    const simulator = await start();
    const hosts = [1, 2, 3].map(() => simulator.world.addPair({ tags: ['host_context'] }).host);
    const [, unlucky] = hosts;
    simulator.faults.add({
      match: ({ path }) => path.includes(`ip='${unlucky?.last_source ?? ''}'`),
      kind: '500',
    });

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(1);
    expect(resultsOf(result, hosts)).toEqual(['enriched', 'failed', 'enriched']);
    expect(unlucky?.tags).toEqual(['host_context']);
  });

  it('that passes is waited for, and nobody notices', async ({ start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['host_context'] });
    for (const call of ['findbyip', 'alerts', 'tags', 'tag-add', 'notes', 'search', 'token']) {
      simulator.faults.add({ match: (entry) => entry.call === call, kind: '500', times: 1 });
    }

    const result = await runHere(simulator, [...typicalLine, '--json']);

    expect(result.code).toBe(0);
    expect(tagsOf(host)).toEqual(tags([], contextOf(machine)));
  });
});

/** A record of a machine that is spoilt in this way: nobody knows what is in force, and nothing is asked for. */
function brokenRecord(kind: FaultKind): Scene {
  return (simulator) => {
    const { host, machine } = simulator.world.addPair({ tags: ['vip', 'block'] });
    simulator.faults.add({
      match: ({ call, query }) => call === 'machineactions' && (query['$filter'] ?? '').includes(machine.id),
      kind,
    });

    return (result) => {
      expect(hostIn(result, host.id)).toMatchObject({ result: 'deferred', action: null });
      expect(tagsOf(host).others).toEqual(['vip', 'block']);
      expect(askedOf(simulator, machine)).toEqual([]);
    };
  };
}

playInOneRun(
  "a broken answer to Defender's record of a machine defers the isolation:",
  { args: [...typicalLine, '--json'], code: 1 },
  {
    'a page of HTML': brokenRecord('html-200'),
    'half an answer': brokenRecord('truncated'),
    'an empty answer': brokenRecord('empty-200'),
    'an answer of another shape': brokenRecord({ status: 200, body: { value: [{ id: 7 }] } }),
  },
);

describe.concurrent('a broken answer to what was written', () => {
  it.for(['truncated', 'empty-200', 'oversize', 'reset-after'] as const)(
    '(%s) is no reason to write it twice',
    async (kind, { start }) => {
      const simulator = await start();
      const { host, machine } = simulator.world.addPair({ tags: ['host_context', 'vip'], notes: ['mine'] });
      for (const call of ['tag-add', 'tag-remove', 'note-create'])
        simulator.faults.add({ match: (entry) => entry.call === call, kind, times: 1 });

      const result = await runHere(simulator, [...typicalLine, '--json']);

      expect(result.code).toBe(0);
      expect(tagsOf(host)).toEqual(tags(['vip'], contextOf(machine)));
      expect(ownNoteOf(host)).toContain(machine.id);
      expect(host.notes).toHaveLength(2);
    },
  );

  it('by a page of HTML in place of the service leaves the trigger, and the next run completes the host', async ({
    start,
  }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['host_context', 'vip'] });
    const heal = simulator.faults.add({ match: ({ call }) => call === 'tag-add', kind: 'html-200' });

    const broken = await runHere(simulator, [...typicalLine, '--json']);
    const between = [...host.tags];
    heal();
    const healed = await runHere(simulator, [...typicalLine, '--json']);

    expect(broken.code).toBe(1);
    expect(between).toEqual(['host_context', 'vip']);
    expect(healed.code).toBe(0);
    expect(tagsOf(host)).toEqual(tags(['vip'], contextOf(machine)));
  });
});

describe('a broken answer about one host', () => {
  const kinds = ['html-200', 'truncated', 'empty-200', 'oversize'] as const;
  const reads = [
    ['host_context', 'tags'],
    ['host_context', 'notes'],
    ['host_context', 'findbyip'],
    ['block', 'tags'],
    ['block', 'notes'],
    ['block', 'findbyip'],
    ['block', 'host'],
  ] as const;
  let simulator: Simulator;
  let result: RunResult;
  const pairs = new Map<string, { host: SimHost; machine: SimMachine }>();
  let bystander: SimHost;

  function noPair(): never {
    throw new Error('no such pair');
  }

  beforeAll(async () => {
    simulator = await createSimulator();
    const { world, faults } = simulator;
    bystander = world.addPair({ tags: ['host_context'] }).host;
    for (const kind of kinds) {
      for (const [trigger, name] of reads) {
        const pair = world.addPair({ tags: ['vip', trigger], notes: ['mine'] });
        pairs.set(`${trigger} ${name} ${kind}`, pair);
        const { id, last_source } = pair.host;
        const part = name === 'findbyip' ? `'${last_source ?? ''}'` : `/${id}`;
        faults.add({ match: ({ call, path }) => call === name && path.includes(part), kind });
      }
    }
    result = await runHere(simulator, [...typicalLine, '--json']);
  });

  afterAll(async () => {
    await closeUnharmed(simulator);
  });

  it.for(
    kinds.flatMap((kind) => reads.map(([trigger, call]): [string, string, string] => [trigger, call, kind])),
  )('with tag %s, to the call %s, %s: what is not done keeps its tag', ([trigger, call, kind]) => {
    const { host, machine } = pairs.get(`${trigger} ${call} ${kind}`) ?? noPair();
    const { result: outcome, note } = hostIn(result, host.id);

    // An isolation that was granted is the answer, and its trigger goes with it; the note's line is owed.
    const isAnswered = call === 'notes' && trigger === 'block';
    expect(isAnswered ? ['isolated'] : ['failed', 'deferred']).toContain(outcome);
    expect(note).toBe(null);
    expect(tagsOf(host).others).toEqual(isAnswered ? ['vip'] : ['vip', trigger]);
    expect(host.notes.map((each) => each.note)).toEqual(['mine']);
    // The notes are read last, and only for the note: what was asked for before that stays asked for, once.
    if (call === 'notes') {
      expect(askedOf(simulator, machine).length).toBeLessThanOrEqual(trigger === 'block' ? 1 : 0);
    } else {
      expect(tagsOf(host).own).toEqual([]);
      expect(askedOf(simulator, machine)).toEqual([]);
    }
  });

  it('is in the way of no other host', () => {
    expect(result.code).toBe(1);
    expect(hostIn(result, bystander.id)['result']).toBe('enriched');
    expect(logOf(result).filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is forgotten when the next one is whole', async () => {
    simulator.faults.clear();

    const next = await runHere(simulator, [...typicalLine, '--json']);

    expect(next.code).toBe(0);
    for (const { host } of pairs.values()) expect(tagsOf(host).others).toEqual(['vip']);
    const blocked = [...pairs].flatMap(([name, { machine }]) => (name.startsWith('block') ? [machine] : []));
    for (const machine of blocked) expect(askedOf(simulator, machine)).toHaveLength(1);
  });
});

it('an isolation does not wait for the alerts of other hosts, whose quota may take half a minute', async ({
  start,
}) => {
  const simulator = await start();
  const headers = { 'retry-after': '30' };
  simulator.faults.add({ match: ({ call }) => call === 'alerts', kind: { status: 429, headers } });
  const pairs = Array.from({ length: 15 }, () => simulator.world.addPair({ tags: ['vip', 'block'] }));

  const result = await run(simulator, typicalLine, { signalAfter: { ms: 8_000, signal: 'SIGTERM' } });

  expect(result.code).toBe(143);
  for (const { machine } of pairs) expect(askedOf(simulator, machine)).toHaveLength(1);
  // The rest of their work is the next run's.
  for (const { host } of pairs) expect(tagsOf(host).others).toEqual(['vip', 'block']);
});
