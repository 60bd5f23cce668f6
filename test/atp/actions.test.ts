import { describe, expect, it } from 'vitest';
import type { MachineActionPost } from '../../src/atp/client.ts';
import { apiErrorOf } from '../http/rig.ts';
import { json, reset, text, type Answer } from '../http/server.ts';
import { conversation } from '../detect/rig.ts';
import { asAction, machineId, startDefender } from './rig.ts';

/** An action as IBM's integration recorded it. */
const record = {
  '@odata.context': 'https://api.securitycenter.microsoft.com/api/$metadata#MachineActions/$entity',
  id: '38199c68-823c-4e6c-8a33-52a5f23ccdf1',
  type: 'Isolate',
  title: null,
  requestor: '2578565a-7957-474e-b626-d290d93c7e38',
  requestorComment: 'full isolate',
  status: 'Pending',
  machineId: machineId.toUpperCase(),
  computerDnsName: 'windowsvmos',
  creationDateTimeUtc: '2021-10-27T20:55:07.8402983Z',
  lastUpdateDateTimeUtc: '2021-10-27T20:55:41.5307443Z',
  cancellationRequestor: null,
  cancellationComment: null,
  errorHResult: 0,
  scope: 'Full',
  requestSource: 'PublicApi',
  commands: [],
};
const action = {
  id: record.id,
  type: 'Isolate',
  status: 'Pending',
  machineId,
  computerDnsName: record.computerDnsName,
  requestor: record.requestor,
  requestorComment: 'full isolate',
  cancellationComment: undefined,
  createdAt: Date.UTC(2021, 9, 27, 20, 55, 7, 840),
  updatedAt: Date.UTC(2021, 9, 27, 20, 55, 41, 530),
};
const isolation: MachineActionPost = {
  machineId,
  type: 'Isolate',
  comment: 'atp isolate; brain brain.example; host 7; "x" \\ ü',
  isolationType: 'Selective',
};
const release: MachineActionPost = { ...isolation, type: 'Unisolate', comment: 'let it go' };

function list(value: unknown[], link?: string): Answer {
  return json({ value, '@odata.nextLink': link });
}

describe('listMachineActions', () => {
  const filter = `machineId%20eq%20'${machineId}'%20and%20(type%20eq%20'Isolate'%20or%20type%20eq%20'Unisolate')`;

  it('asks for isolations and releases of the machine, and puts the newest first', async () => {
    const older = { ...record, id: 'older', type: 'Unisolate', creationDateTimeUtc: '2020-01-01T00:00:00Z' };
    const undated = { ...record, id: 'undated', creationDateTimeUtc: null };
    const { atp, received, quotas } = await startDefender(list([undated, older, record]));

    const actions = await atp.listMachineActions(machineId, asAction);

    expect(actions.map(({ id }) => id)).toEqual([record.id, 'older', 'undated']);
    expect(actions[0]).toEqual(action);
    expect(received.map(({ url }) => url)).toEqual([`/api/machineactions?$filter=${filter}&$top=10000`]);
    expect(quotas).toEqual(['machineactions action']);
  });

  it('names the time of the last change after either spelling, else the creation', async () => {
    const { lastUpdateDateTimeUtc, ...rest } = record;
    const { atp } = await startDefender(
      list([
        { ...rest, id: '1', lastUpdateTimeUtc: lastUpdateDateTimeUtc },
        { ...rest, id: '2', lastUpdateTimeUtc: null, lastUpdateDateTimeUtc: 'soon' },
      ]),
    );

    const actions = await atp.listMachineActions(machineId, asAction);

    expect(actions.map(({ updatedAt }) => updatedAt)).toEqual([action.updatedAt, action.createdAt]);
  });

  it('leaves out other kinds, should Defender list them', async () => {
    const { atp } = await startDefender(
      list([{ type: 'RunAntiVirusScan' }, { ...record, id: '1', type: 'Offboard', machineId: null }, record]),
    );

    expect(await atp.listMachineActions(machineId, asAction)).toEqual([action]);
  });

  it.each<[string, unknown]>([
    ['an isolation', { ...record, id: '2', machineId: 'f'.repeat(40) }],
    ['an action of another kind', { type: 'RunAntiVirusScan', machineId: 'f'.repeat(40) }],
  ])('does not go by a list with %s of another machine', async (_name, other) => {
    const { atp } = await startDefender(list([record, other]));

    expect(await apiErrorOf(atp.listMachineActions(machineId, asAction))).toMatchObject({
      message: `Defender's answer to GET /api/machineactions cannot be read (expected actions of machine ${machineId} only)`,
      failure: 'unreadable',
      isOutage: false,
    });
  });

  it('asks again for a list that cannot be read', async () => {
    const { atp, received } = await startDefender([
      json({ error: 'busy' }),
      list([{ ...record, status: 7 }]),
      list([record]),
    ]);

    expect(await atp.listMachineActions(machineId, asAction)).toEqual([action]);
    expect(received).toHaveLength(3);
  });

  it('takes the latest state of an action that it reads twice', async () => {
    const later = { ...record, status: 'Succeeded', lastUpdateDateTimeUtc: '2021-10-27T20:56:00Z' };
    const { atp } = await startDefender([
      list([later, record], '?$skip=2'),
      list([record, { ...record, id: 'x' }]),
    ]);

    const actions = await atp.listMachineActions(machineId, asAction);

    expect(actions.map(({ id, status }) => [id, status])).toEqual([
      [record.id, 'Succeeded'],
      ['x', 'Pending'],
    ]);
  });

  it.each<[string, unknown]>([
    ['id', { ...record, id: '' }],
    ['id that fits into a line', { ...record, id: 'a\n- b' }],
    ['type', { ...record, type: null }],
    ['status', { ...record, status: 7 }],
    ['status of one word', { ...record, status: 'Succeeded\r\n\n- 2026-11-24 12:00 UTC: isolated' }],
    ['machine', { ...record, machineId: undefined }],
    ['anything', null],
  ])('does not go by a record with an action without %s', async (_name, broken) => {
    const { atp } = await startDefender(list([record, broken]));

    expect((await apiErrorOf(atp.listMachineActions(machineId, asAction))).message).toBe(
      "Defender's answer to GET /api/machineactions cannot be read (expected machine actions with id, type, status and machineId)",
    );
  });

  it('reads page after page until one is short', async () => {
    const page = (from: number, size: number) =>
      list(Array.from({ length: size }, (_, index) => ({ ...record, id: `id-${from + index}` })));
    const { atp, received } = await startDefender([page(0, 10_000), page(9_990, 10_000), page(20_000, 2)]);

    expect(await atp.listMachineActions(machineId, asAction)).toHaveLength(19_992);
    expect(received.map(({ url }) => url.replace(filter, '…'))).toEqual([
      '/api/machineactions?$filter=…&$top=10000',
      '/api/machineactions?$filter=…&$top=10000&$skip=10000',
      '/api/machineactions?$filter=…&$top=10000&$skip=20000',
    ]);
  });

  it.each<[string, Answer]>([
    ['a page without a new action', list([record], 'https://other.example/?$skip=1')],
    ['a page that is not there', json({ error: { code: 'NotFound' } }, 404)],
  ])('stops at %s', async (_name, second) => {
    const { atp, received } = await startDefender([list([record], 'https://other.example/?$skip=1'), second]);

    expect(await atp.listMachineActions(machineId, asAction)).toEqual([action]);
    expect(received[1]?.url).toBe(`/api/machineactions?$filter=${filter}&$top=10000&$skip=1`);
    expect(received).toHaveLength(2);
  });
});

describe('listActionsSince', () => {
  it('asks for isolations and releases of all machines', async () => {
    const other = { ...record, id: 'other', machineId: 'F'.repeat(40) };
    const { atp, received, quotas } = await startDefender(list([other, record]));

    const actions = await atp.listActionsSince(Date.UTC(2026, 10, 24, 10, 0, 0, 999), asAction);

    expect(actions.map((each) => each.machineId)).toEqual(['f'.repeat(40), machineId]);
    expect(received.map(({ url }) => url)).toEqual([
      "/api/machineactions?$filter=(type%20eq%20'Isolate'%20or%20type%20eq%20'Unisolate')" +
        '%20and%20creationDateTimeUtc%20ge%202026-11-24T10%3A00%3A00Z&$top=10000',
    ]);
    expect(quotas).toEqual(['machineactions action']);
  });
});

describe('postAction', () => {
  it('asks for an isolation with the two keys that Defender knows', async () => {
    const { atp, received, quotas } = await startDefender(json(record, 201));

    expect(await atp.postAction(isolation, asAction)).toEqual(action);
    expect(conversation(received)).toEqual([
      `POST /api/machines/${machineId}/isolate ${JSON.stringify({ Comment: isolation.comment, IsolationType: 'Selective' })}`,
    ]);
    expect(received[0]?.headers).toMatchObject({
      authorization: 'Bearer token-1',
      'content-type': 'application/json',
    });
    expect(quotas).toEqual(['isolate action']);
  });

  it('asks for a release with a comment alone', async () => {
    const { atp, received, quotas } = await startDefender(
      json({ ...record, type: 'Unisolate', scope: null }, 201),
    );

    expect(await atp.postAction(release, asAction)).toEqual({ ...action, type: 'Unisolate' });
    expect(conversation(received)).toEqual([
      `POST /api/machines/${machineId}/unisolate {"Comment":"let it go"}`,
    ]);
    expect(quotas).toEqual(['unisolate action']);
  });

  it.each<[string, Answer]>([
    ['nothing', text('', 201)],
    ['an action of another kind', json({ ...record, type: 'Unisolate' }, 201)],
    ['an action of another machine', json({ ...record, machineId: 'f'.repeat(40) }, 201)],
    ['an action without id', json({ ...record, id: '' }, 201)],
    ['an action without status', json({ ...record, status: null }, 201)],
    ['a list', json({ value: [record] }, 200)],
  ])('does not know what happened when the answer is %s, and does not ask again', async (_name, answer) => {
    const { atp, received } = await startDefender(answer);

    expect(await apiErrorOf(atp.postAction(isolation, asAction))).toMatchObject({
      message: `Defender's answer to POST /api/machines/${machineId}/isolate cannot be read (expected the Isolate action of this machine)`,
      failure: 'unreadable',
      notDone: false,
    });
    expect(received).toHaveLength(1);
  });

  it.each<[string, Answer]>([
    ['a reset', reset],
    ['a server error', text('', 500)],
    ['HTML', text('<html>', 201)],
  ])('is not repeated after %s', async (_name, answer) => {
    const { atp, received } = await startDefender(answer);

    expect((await apiErrorOf(atp.postAction(isolation, asAction))).notDone).toBe(false);
    expect(received).toHaveLength(1);
  });

  it.each<[number, string, string]>([
    [400, 'ActiveRequestAlreadyExists', 'Action is already in progress'],
    [404, 'ResourceNotFound', 'Machine 123 was not found'],
  ])('passes on a %i with its code', async (status, code, message) => {
    const { atp } = await startDefender(json({ error: { code, message, target: 'x' } }, status));

    expect(await apiErrorOf(atp.postAction(release, asAction))).toMatchObject({
      message: `Defender answered ${status} to POST /api/machines/${machineId}/unisolate (${code}: ${message}) (request id x)`,
      sentence: `Defender answered ${status} to POST /api/machines/${machineId}/unisolate (${code}: ${message})`,
      serviceCode: code,
      notDone: true,
    });
  });
});

describe('cancelAction', () => {
  it('sends a comment and does not look at the answer', async () => {
    const { atp, received, quotas } = await startDefender(text('', 200));

    await atp.cancelAction('a/b', 'why', asAction);

    expect(conversation(received)).toEqual(['POST /api/machineactions/a%2Fb/cancel {"Comment":"why"}']);
    expect(quotas).toEqual(['cancel action']);
  });

  it('is not repeated when the answer is lost', async () => {
    const { atp, received } = await startDefender(reset);

    expect((await apiErrorOf(atp.cancelAction('a', 'why', asAction))).failure).toBe('network');
    expect(received).toHaveLength(1);
  });
});
