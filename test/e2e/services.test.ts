import { describe, expect } from 'vitest';
import type { FaultKind } from '../simulator/faults.ts';
import type { JsonObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { Simulator, SimulatorOptions } from '../simulator/simulator.ts';
import { createFactoryIdentity } from '../http/certificates.ts';
import {
  asked,
  contextOf,
  detectState,
  errorsOf,
  hostIn,
  it,
  ownNoteOf,
  resultsOf,
  run,
  typicalLine,
} from './rig.ts';

/** A port on which nothing listens. */
const nowhere = 'http://127.0.0.1:1';

/** Breaks every answer to the calls of that name. */
function breaking(call: string, kind: FaultKind): (simulator: Simulator) => void {
  return ({ faults }) => faults.add({ match: (entry) => entry.call === call, kind });
}

function addWork({ world }: Simulator): void {
  world.addPair({ tags: ['host_context', 'vip'], notes: ['mine'] });
  world.addPair({ tags: ['block', 'vip'] });
  world.portalIsolate(world.addPair({ tags: ['unblock'] }).machine.id);
}

interface Refusal {
  line: string;
  settings?: SimulatorOptions;
  config?: JsonObject;
  prepare?: (simulator: Simulator) => unknown;
  code: number;
  msg: string;
  hint?: string;
}

describe.concurrent('a Detect that refuses, or is none, ends the run before anything is done', () => {
  it.for<Refusal>([
    {
      line: 'a wrong token',
      config: { detect: { token: 'f'.repeat(40) } },
      code: 77,
      msg: 'Detect refused the API token (401): Invalid token.',
      hint: 'Copy the token anew from My Profile → API token in Detect to detect.token, detect.tokenFile or $ATP_DETECT_TOKEN.',
    },
    {
      line: 'a missing right',
      settings: { detectRights: 'none' },
      code: 77,
      msg: 'Detect does not let the owner of the API token read hosts (403): You do not have permission to perform this action.',
      hint: 'Give the user whose token it is a role with the permission to read hosts.',
    },
    {
      line: 'a page of HTML',
      prepare: breaking('search', 'html-200'),
      code: 78,
      msg: "?",
    },
    {
      line: 'a 404',
      settings: { apiVersions: ['2.3'] },
      code: 78,
      msg: "?",
    },
    {
      line: 'a redirect',
      prepare: breaking('search', { status: 302, headers: { location: 'https://sso.example/login' } }),
      code: 78,
      msg: "?",
    },
    {
      line: 'half an answer',
      prepare: breaking('search', 'truncated'),
      code: 78,
      msg: "?",
    },
    {
      line: 'an empty answer',
      prepare: breaking('search', 'empty-200'),
      code: 78,
      msg: "?",
    },
    {
      line: 'an answer without end',
      prepare: breaking('search', 'oversize'),
      code: 78,
      msg: "?",
    },
    {
      line: 'an answer of another shape',
      prepare: breaking('search', { status: 200, body: { hosts: [] } }),
      code: 78,
      msg: "?",
    },
    {
      line: 'no answer at all',
      config: { detect: { url: nowhere } },
      code: 69,
      msg: '?',
    },
    {
      line: 'an outage',
      prepare: breaking('search', '502-html'),
      code: 69,
      msg: '?',
    },
  ])('$line: exit $code', async ({ settings, config, prepare, code, msg, hint }, { start }) => {
    const simulator = await start(settings);
    addWork(simulator);
    prepare?.(simulator);

    const result = await run(simulator, [...typicalLine, '--json'], { overrides: config });

    expect(result.code).toBe(code);
    expect(errorsOf(result)).toEqual([hint === undefined ? { msg } : { msg, hint }]);
    expect(result.report).toMatchObject({ exitCode: code, hosts: [] });
    expect(simulator.ledger.writes()).toEqual([]);
    expect(simulator.ledger.calls()).toMatchObject({ login: 0, atp: 0 });
  });
});

describe.concurrent('a login that is refused leaves everything as it was', () => {
  it.for<Refusal>([
    {
      line: 'a wrong secret',
      config: { atp: { appSecret: 'another~secret~value' } },
      code: 77,
      msg: '?',
      hint: '?',
    },
    {
      line: 'a secret that has expired',
      settings: { secretExpired: true },
      code: 77,
      msg: '?',
      hint: '?',
    },
    {
      line: 'an unknown tenant',
      config: { atp: { tenantId: '11111111-2222-3333-4444-555555555555' } },
      code: 77,
      msg: '?',
      hint: '?',
    },
    {
      line: 'an unknown application',
      config: { atp: { appId: '11111111-2222-3333-4444-555555555555' } },
      code: 77,
      msg: '?',
      hint: '?',
    },
    {
      line: 'an audience of another cloud',
      config: { atp: { audience: 'https://api-gov.securitycenter.microsoft.us' } },
      code: 77,
      msg: '?',
      hint: '?',
    },
    {
      line: 'a login service that answers in HTML',
      prepare: breaking('token', 'html-200'),
      code: 1,
      msg: '?',
    },
    {
      line: 'a login service that is not there',
      config: { atp: { loginUrl: nowhere } },
      code: 1,
      msg: '?',
    },
  ])('$line: exit $code', async ({ settings, config, prepare, code, msg, hint }, { start }) => {
    const simulator = await start(settings);
    addWork(simulator);
    prepare?.(simulator);
    const before = detectState(simulator);

    const result = await run(simulator, [...typicalLine, '--json'], { overrides: config });

    expect(result.code).toBe(code);
    console.log(result.stderr, JSON.stringify(result.report));
    expect(result.report).toMatchObject({ exitCode: code });
    expect(simulator.ledger.writes()).toEqual([]);
    expect(simulator.ledger.count('token')).toBeLessThan(5);
    expect(detectState(simulator)).toEqual(before);
  });
});
