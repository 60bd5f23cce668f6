import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { errorOf } from '../http/rig.ts';
import { json, text, type Answer } from '../http/server.ts';
import { asAction, audience, machineId, startDefender } from './rig.ts';

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

describe('a missing permission', () => {
  it('is believed at once of a token of this run', async () => {
    const { atp, received, tokens } = await startDefender(forbidden);

    const error = await errorOf(atp.findByIp('10.1.2.3', 0, asAction));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message:
        'the application lacks the permission Machine.Read.All to find machines and read their actions: Defender answered 403 to ' +
        "GET /api/machines/findbyip(ip='10.1.2.3',timestamp=1970-01-01T00:00:00Z) " +
        '(Forbidden: The application does not have any of the required application permissions.)',
      hint: 'Add the application permission Machine.Read.All of WindowsDefenderATP (found under "APIs my organization uses") to the app registration and grant admin consent.',
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
        '(Forbidden: The application does not have any of the required application permissions.)',
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
