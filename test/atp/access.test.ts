import { describe, expect, it } from 'vitest';
import { AuthError, MissingRightError } from '../../src/errors.ts';
import { apiErrorOf, errorOf } from '../http/rig.ts';
import { json, text, type Answer } from '../http/server.ts';
import { asAction, asEnrichment, audience, jwt, machineId, startDefender } from './rig.ts';

const none = json({ value: [] });
const unauthorized = text('', 401);
const forbidden = json(
  {
    error: {
      code: 'Forbidden',
      message: 'The application does not have any of the required application permissions.',
      target: 'x',
    },
  },
  403,
);
const isolation = { machineId, type: 'Isolate', comment: 'c', isolationType: 'Full' } as const;

function bearers(received: { headers: { authorization?: string | undefined } }[]): (string | undefined)[] {
  return received.map(({ headers }) => headers.authorization);
}

describe('a refused token', () => {
  it('is replaced once, for an isolation too', async () => {
    const { atp, received } = await startDefender([
      unauthorized,
      json({ id: 'a', type: 'Isolate', status: 'Pending', machineId }, 201),
    ]);

    expect((await atp.postAction(isolation, asAction)).id).toBe('a');
    expect(bearers(received)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('is the end when a fresh one is refused too', async () => {
    const { atp, received } = await startDefender(unauthorized);

    const error = await errorOf(atp.listActionsSince(0, asAction));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message: 'Defender refused a fresh access token: Defender answered 401 to GET /api/machineactions',
      hint: `The token was issued for ${audience}: check that atp.cloud, atp.audience and atp.apiUrl belong together.`,
    });
    expect(received).toHaveLength(2);
  });

  it('is replaced once for all calls that it was sent with', async () => {
    const { atp, received, tokens } = await startDefender((response, request) => {
      (request.headers.authorization === 'Bearer token-1' ? unauthorized : none)(response, request);
    });

    await Promise.all([1, 2, 3].map(() => atp.listActionsSince(0, asAction)));

    expect(tokens.dropped).toEqual(['token-1']);
    expect(received).toHaveLength(6);
  });
});

describe('a refusal that no token and no permission helps', () => {
  const hint =
    'No token and no permission helps here: look at the licences of the tenant and at the state of Defender for Endpoint in it.';

  it.each(['Account mode is inactive', 'No Tvm license'])('is a 401 that says "%s"', async (message) => {
    const { atp } = await startDefender(json({ error: { code: 'Unauthorized', message } }, 401));

    expect(await errorOf(atp.listActionsSince(0, asAction))).toMatchObject({
      message: `Defender refused a fresh access token: Defender answered 401 to GET /api/machineactions (Unauthorized: ${message})`,
      exitCode: 77,
      hint,
    });
  });

  it('is a 403 that says "Account is not provisioned"', async () => {
    const answer = json({ error: { code: 'Forbidden', message: 'Account is not provisioned' } }, 403);
    const { atp } = await startDefender(answer);

    expect(await errorOf(atp.getMachine(machineId, asAction))).toMatchObject({
      message:
        'Defender refuses this tenant, so that the program cannot find machines and read their actions: ' +
        `Defender answered 403 to GET /api/machines/${machineId} (Forbidden: Account is not provisioned)`,
      exitCode: 77,
      hint,
    });
  });
});

describe('a machine whose onboarding forbids an action', () => {
  const sentence = "the operation isn't allowed on the device";

  it.each<[number, string]>([
    [403, 'DisallowedOperation'],
    [403, 'Forbidden'],
    [400, 'BadRequest'],
  ])('is told from a missing permission, by %i %s', async (status, code) => {
    const { atp, received, tokens } = await startDefender(
      json({ error: { code, message: sentence } }, status),
      { isTokenCached: true },
    );

    for (const call of [atp.postAction(isolation, asAction), atp.cancelAction('a', 'c', asAction)]) {
      expect(await apiErrorOf(call)).toMatchObject({ status, serviceMessage: sentence, notDone: true });
    }
    expect(received).toHaveLength(2);
    expect(tokens.dropped).toEqual([]);
  });

  it('is not what a refused read is about', async () => {
    const answer = json({ error: { code: 'DisallowedOperation', message: 'No' } }, 403);
    const { atp } = await startDefender(answer);

    expect(await errorOf(atp.getMachine(machineId, asAction))).toBeInstanceOf(MissingRightError);
  });
});

describe('a role that the token is seen to lack', () => {
  const reader = jwt({ roles: ['Machine.Read.All', 'Alert.Read.All'] });
  const writer = jwt({ roles: ['Machine.ReadWrite.All', 'Alert.ReadWrite.All', 'Machine.Isolate'] });
  const action = json({ id: 'a', type: 'Isolate', status: 'Pending', machineId }, 201);

  it('is not tried, however often it is needed', async () => {
    const { atp, received } = await startDefender(action, { tokens: [reader] });

    const errors = [
      await errorOf(atp.postAction(isolation, asAction)),
      await errorOf(atp.cancelAction('a', 'c', asAction)),
    ];

    for (const error of errors) {
      expect(error).toBeInstanceOf(MissingRightError);
      expect(error).toMatchObject({
        message:
          'the application lacks the permission Machine.Isolate to isolate and release machines, which --blocktag and --unblocktag need: ' +
          'its token does not have it, so that the call was not tried',
        exitCode: 77,
        hint:
          'Add the application permission Machine.Isolate of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent. ' +
          `Needed: Machine.Isolate. The token for ${audience} has the roles Machine.Read.All, Alert.Read.All.`,
      });
    }
    expect(received).toEqual([]);
  });

  it('leaves the alerts unknown', async () => {
    const { atp, received } = await startDefender(none, { tokens: [jwt({ roles: ['Machine.Read.All'] })] });

    expect(await atp.listAlerts(machineId, asEnrichment)).toBe('unknown');
    expect(await atp.listAlertsSince(0, asEnrichment)).toBe('unknown');
    expect(await atp.listActionsSince(0, asEnrichment)).toEqual([]);
    expect(received).toHaveLength(1);
  });

  it('is every role where the token has none', async () => {
    const { atp, received } = await startDefender(none, { tokens: [jwt({})] });

    expect(await errorOf(atp.findByIp('10.1.2.3', 0, asAction))).toMatchObject({
      message:
        'the application lacks the permission Machine.Read.All to find machines and read their actions: its token does not have it, so that the call was not tried',
      hint: expect.stringMatching(/ has no roles\.$/u) as string,
    });
    expect(received).toEqual([]);
  });

  it('is looked for in a fresh token, when the one at hand is of an earlier run', async () => {
    const { atp, received, tokens } = await startDefender(action, {
      isTokenCached: true,
      tokens: [reader, writer],
    });

    expect(await atp.postAction(isolation, asAction)).toMatchObject({ id: 'a' });
    expect(bearers(received)).toEqual([`Bearer ${writer}`]);
    expect(tokens.dropped).toEqual([reader]);
  });

  it('is included in the one that also writes', async () => {
    const { atp, received } = await startDefender(none, { tokens: [writer] });

    await atp.findByIp('10.1.2.3', 0, asAction);
    await atp.listActionsSince(0, asAction);
    await atp.listAlerts(machineId, asEnrichment);
    expect(received).toHaveLength(3);
  });

  it.each(['opaque', 'a.b.c', `e30.${Buffer.from('[]').toString('base64url')}.x`])(
    'is not known of the token %s, which is tried',
    async (odd) => {
      const { atp, received } = await startDefender(action, { tokens: [odd] });

      await atp.postAction(isolation, asAction);
      expect(bearers(received)).toEqual([`Bearer ${odd}`]);
    },
  );
});

describe('a missing permission', () => {
  it.each([
    'The application does not have any of the required application permissions (Machine.Read.All, Machine.ReadWrite.All) to access the resource.',
    'Missing application roles. API required roles: Machine.Read.All,Machine.ReadWrite.All, application roles: Alert.Read.All.',
  ])('is told in the words "%s"', async (message) => {
    const { atp } = await startDefender(json({ error: { code: 'Forbidden', message } }, 403), {
      tokens: [jwt({ roles: ['Machine.Read.All'] })],
    });

    const error = await errorOf(atp.getMachine(machineId, asAction));

    expect(error).toBeInstanceOf(MissingRightError);
    expect(error).toMatchObject({
      message:
        'the application lacks the permission Machine.Read.All to find machines and read their actions: ' +
        `Defender answered 403 to GET /api/machines/${machineId} (Forbidden: ${message})`,
      hint:
        'Add the application permission Machine.Read.All of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent. ' +
        `Needed: Machine.Read.All or Machine.ReadWrite.All. The token for ${audience} has the roles Machine.Read.All.`,
    });
  });

  it('is believed at once of a token of this run', async () => {
    const { atp, received, tokens } = await startDefender(forbidden);

    const error = await errorOf(atp.findByIp('10.1.2.3', 0, asAction));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message:
        'the application lacks the permission Machine.Read.All to find machines and read their actions: Defender answered 403 to ' +
        "GET /api/machines/findbyip(ip='10.1.2.3',timestamp=1970-01-01T00:00:00Z) " +
        '(Forbidden: The application does not have any of the required application permissions.) (request id x)',
      hint:
        'Add the application permission Machine.Read.All of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent. ' +
        `Needed: Machine.Read.All or Machine.ReadWrite.All. The token for ${audience} has roles that cannot be read.`,
    });
    expect(received).toHaveLength(1);
    expect(tokens.dropped).toEqual([]);
  });

  it('is believed of a token of an earlier run only when a fresh one lacks it too', async () => {
    const { atp, received } = await startDefender(forbidden, { isTokenCached: true });

    const error = await errorOf(atp.postAction(isolation, asAction));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message:
        'the application lacks the permission Machine.Isolate to isolate and release machines, which --blocktag and --unblocktag need: ' +
        `Defender answered 403 to POST /api/machines/${machineId}/isolate ` +
        '(Forbidden: The application does not have any of the required application permissions.) (request id x)',
    });
    expect(bearers(received)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('is told from a disabled feature', async () => {
    const answer: Answer = json({ error: { code: 'DisabledFeature', message: 'Not licensed' } }, 403);
    const { atp } = await startDefender(answer);

    const error = await errorOf(atp.cancelAction('a', 'c', asAction));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message:
        'Defender says that a feature of this tenant is disabled, without which the program cannot isolate and release machines, ' +
        'which --blocktag and --unblocktag need: Defender answered 403 to POST /api/machineactions/a/cancel (DisabledFeature: Not licensed)',
      hint: 'No permission helps here: the tenant lacks the licence, or the feature is switched off in its settings.',
    });
  });
});
