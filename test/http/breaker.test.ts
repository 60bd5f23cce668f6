import { describe, expect, it } from 'vitest';
import { ApiError, GivenUpError, type ApiErrorFields, type Service } from '../../src/errors.ts';
import { createBreaker } from '../../src/http/breaker.ts';
import { withRequest, type HttpRequest, type HttpResponse } from '../../src/http/http.ts';

const response: HttpResponse = { status: 200, body: {}, serverTime: undefined };

function failure(fields: Partial<ApiErrorFields> = {}): ApiError {
  return new ApiError({
    ...{ service: 'atp', method: 'GET', path: '/api/x', failure: 'status', status: 500, notDone: false },
    ...fields,
  });
}
const refused = { failure: 'network', status: undefined, cause: 'ECONNREFUSED', notDone: true } as const;

type End = 'ok' | ApiError | Promise<'ok'>;

/** A client whose requests end as each of them says, and the guarded calls of it. */
function createCalls(service: Service = 'atp', breaker = createBreaker()) {
  const ends: End[] = [];
  let sent = 0;
  const client = withRequest(async (_request, read) => {
    sent += 1;
    const end = await ends.shift();
    if (end instanceof ApiError) throw end;
    return read(response);
  });
  const guarded = breaker.guard(client, service);
  async function call(
    subject: HttpRequest['subject'],
    end: End,
    priority: 'action' | 'enrichment' = 'action',
  ): Promise<unknown> {
    ends.push(end);
    const for_ = subject === undefined ? {} : { subject };
    return await guarded
      .request({ method: 'GET', path: '/api/x', priority, ...for_ })
      .catch((error: unknown) => error);
  }
  return { breaker, call, sent: () => sent };
}

/** Something that is settled by hand. */
function pending() {
  let settle: (value: 'ok') => void = () => undefined;
  const promise = new Promise<'ok'>((resolve) => {
    settle = resolve;
  });
  return {
    promise,
    settle: () => {
      settle('ok');
    },
  };
}

async function allTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe('a service is given up', () => {
  it('when it fails for five hosts in a row; nothing is asked of it any more', async () => {
    const { breaker, call, sent } = createCalls();

    for (const host of [1, 2, 2, 3, 4]) expect(await call(host, failure())).toBeInstanceOf(ApiError);
    await call(undefined, 'ok');
    expect(await call(5, failure())).toBeInstanceOf(ApiError);

    expect(await call(6, 'ok')).toMatchObject({
      code: 'given_up',
      exitCode: 69,
      message:
        'Defender was given up after failing for 5 hosts in a row; the last failure: Defender answered 500 to GET /api/x',
    });
    expect(await call(undefined, 'ok')).toBeInstanceOf(GivenUpError);
    expect(sent()).toBe(7);
    expect(breaker.givenUp()).toBe(true);
  });

  it('when one request for five hosts fails', async () => {
    const { call } = createCalls('detect');

    await call([1, 2, 3, 4, 5], failure({ service: 'detect' }));

    expect(await call(6, 'ok')).toBeInstanceOf(GivenUpError);
  });

  it('at once when it cannot be reached', async () => {
    const { call } = createCalls();

    await call(1, failure(refused));

    expect(await call(2, 'ok')).toMatchObject({
      message: 'Defender was given up: Defender cannot be reached: GET /api/x failed with ECONNREFUSED',
    });
  });

  it.each<[string, Partial<ApiErrorFields>]>([
    ['an outage', { status: 503 }],
    ['an answer of another kind', { status: 200, failure: 'unreadable' }],
  ])('with the login, by %s that five hosts met on their way to Defender', async (_name, fields) => {
    const { call } = createCalls();

    for (const host of [1, 2, 3, 4, 5]) await call(host, failure({ service: 'login', ...fields }));

    expect(await call(6, 'ok')).toMatchObject({
      message: expect.stringMatching(/^the login service was given up/u) as string,
    });
  });

  it('and no other service with it', async () => {
    const breaker = createBreaker();
    const defender = createCalls('atp', breaker);
    const detect = createCalls('detect', breaker);

    await defender.call(1, failure(refused));

    expect(await defender.call(1, 'ok')).toBeInstanceOf(GivenUpError);
    expect(await detect.call(1, 'ok')).toBe(response);
  });
});

describe('it is no row', () => {
  it.each<[string, End]>([
    ['a success', 'ok'],
    ['a refusal of one request', failure({ status: 404 })],
  ])('when %s comes in between', async (_name, end) => {
    const { breaker, call } = createCalls();

    for (const host of [1, 2, 3, 4]) await call(host, failure());
    await call(5, end);
    for (const host of [6, 7, 8, 9]) await call(host, failure());

    expect(await call(10, 'ok')).toBe(response);
    expect(breaker.givenUp()).toBe(false);
  });

  it('when the service served others while the failing call went on', async () => {
    const { call } = createCalls();
    for (const host of [1, 2, 3, 4]) await call(host, failure());
    const slow = pending();

    const fifth = call(
      5,
      slow.promise.then(() => Promise.reject(failure())),
    );
    await call(6, 'ok');
    slow.settle();
    await fifth;
    for (const host of [1, 2, 3, 4]) await call(host, failure());

    expect(await call(7, 'ok')).toBe(response);
  });

  it.each<[string, ApiError]>([
    ['refusals', failure({ status: 400 })],
    ['refused tokens', failure({ status: 401 })],
    ['missing rights', failure({ status: 403 })],
    ['answers that cannot be read', failure({ status: 200, failure: 'unreadable' })],
  ])('of %s, which are no outage', async (_name, end) => {
    const { breaker, call } = createCalls();

    for (const host of [1, 2, 3, 4, 5, 6]) await call(host, end);

    expect(await call(7, 'ok')).toBe(response);
    expect(breaker.givenUp()).toBe(false);
  });

  it('of requests for the whole run', async () => {
    const { breaker, call } = createCalls();

    for (let count = 0; count < 6; count += 1) await call(undefined, failure(refused));

    expect(await call(1, 'ok')).toBe(response);
    expect(breaker.givenUp()).toBe(false);
  });
});

describe('at the end, a service counts as given up', () => {
  it.each<[string, End[], boolean]>([
    ['that failed for the only host', [failure()], true],
    ['that failed for both hosts', [failure(), failure()], true],
    ['that failed for one host and answered for the other', [failure(), 'ok'], false],
    [
      'that failed for one host and refused a request of the other',
      [failure({ status: 404 }), failure()],
      false,
    ],
    ['that nobody needed', [], false],
  ])('%s', async (_name, ends, expected) => {
    const { breaker, call } = createCalls();

    for (const [host, end] of ends.entries()) await call(host, end);

    expect(breaker.givenUp()).toBe(expected);
  });

  it('also when it answered what was asked for the whole run', async () => {
    const { breaker, call } = createCalls();

    await call(undefined, 'ok');
    await call(1, failure());

    expect(breaker.givenUp()).toBe(true);
  });
});

describe('until Defender has answered once', () => {
  it('at most five enrichments ask it at a time, actions excepted', async () => {
    const { call, sent } = createCalls();
    const slow = pending();

    const first = [1, 2, 3, 4, 5].map((host) => call(host, slow.promise, 'enrichment'));
    const sixth = call(6, 'ok', 'enrichment');
    await allTurns();
    expect(sent()).toBe(5);
    await call(7, 'ok', 'action');
    expect(sent()).toBe(6);
    await call(8, 'ok', 'enrichment');
    await sixth;
    expect(sent()).toBe(8);

    slow.settle();
    await Promise.all(first);
  });

  it('those that wait are told when it is given up', async () => {
    const { call, sent } = createCalls();
    const slow = pending();

    const first = [1, 2, 3, 4, 5].map((host) =>
      call(
        host,
        slow.promise.then(() => Promise.reject(failure())),
        'enrichment',
      ),
    );
    const others = [6, 7, 8].map((host) => call(host, 'ok', 'enrichment'));
    await allTurns();
    slow.settle();
    await Promise.all(first);

    for (const other of others) expect(await other).toBeInstanceOf(GivenUpError);
    expect(sent()).toBe(5);
  });
});
