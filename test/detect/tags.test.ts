import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { AuthError, ConfigError } from '../../src/errors.ts';
import { apiErrorOf, errorOf } from '../http/rig.ts';
import { json, reset, text, type Answer, type Received } from '../http/server.ts';
import { conversation, startDetect } from './rig.ts';

const noHost = json({ status: 'failure', message: 'Could not find requested object' }, 404);
const tagsOf = (...tags: unknown[]): Answer => json({ status: 'success', tag_id: '7', tags });

const noBulkCalls =
  'this Detect has no bulk tagging calls (POST and DELETE /tagging/host), and no other call changes a tag without touching the rest';

/** A server that holds its answers back until it is told to give them. */
function createGate(answer: Answer): { answer: Answer; held: () => number; open: () => void } {
  let isOpen = false;
  const waiting: [ServerResponse, Received][] = [];
  return {
    answer(response, request) {
      if (isOpen) answer(response, request);
      else waiting.push([response, request]);
    },
    held: () => waiting.length,
    open() {
      isOpen = true;
      for (const [response, request] of waiting.splice(0)) answer(response, request);
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 1000) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The ids of the hosts that a request for a bulk call names. */
function idsIn({ body }: Received): unknown {
  const parsed: unknown = JSON.parse(body);
  return typeof parsed === 'object' && parsed !== null && 'objectIds' in parsed
    ? parsed.objectIds
    : undefined;
}

describe('getTags', () => {
  it('reads the tags of a host', async () => {
    const { detect, received } = await startDetect(tagsOf('tag1', 'Manual block:2026-11-24 10:00'));

    expect(await detect.getTags(7)).toEqual(['tag1', 'Manual block:2026-11-24 10:00']);
    expect(received[0]).toMatchObject({ method: 'GET', url: '/api/v2.5/tagging/host/7' });
  });

  it('takes 404 for gone', async () => {
    const { detect } = await startDetect(noHost);

    expect(await detect.getTags(7)).toBeUndefined();
  });

  it('believes what the answer says of itself, not its HTTP status', async () => {
    const { detect } = await startDetect(json({ status: 'failure', message: 'no', tags: [] }));

    expect((await apiErrorOf(detect.getTags(7))).message).toBe(
      "Detect's answer to GET /api/v2.5/tagging/host/7 cannot be read (expected success, not failure: no)",
    );
  });

  it('leaves out a null among the tags', async () => {
    const { detect } = await startDetect(tagsOf(null, 'block'));

    expect(await detect.getTags(7)).toEqual(['block']);
  });

  it('asks again for an answer that cannot be read', async () => {
    const { detect, received } = await startDetect([
      json({ status: 'failure' }),
      json({ status: 'success' }),
      tagsOf('block'),
    ]);

    expect(await detect.getTags(7)).toEqual(['block']);
    expect(received).toHaveLength(3);
  });

  it.each<[string, unknown[], string]>([
    ['more than 2,000 tags', Array<unknown>(2_001).fill('x'), 'expected at most 2000 tags'],
    ['more than 1 MiB of tags', ['x'.repeat(2 ** 20)], 'the answer is larger than 1 MiB'],
  ])('does not read %s', async (_name, tags, words) => {
    const { detect } = await startDetect(tagsOf(...tags));

    expect((await apiErrorOf(detect.getTags(7))).message).toBe(
      `Detect's answer to GET /api/v2.5/tagging/host/7 cannot be read (${words})`,
    );
  });

  it.each<[string, Answer]>([
    ['a tag that is no text', tagsOf('tag1', 7)],
    ['tags that are null', json({ status: 'success', tags: null })],
    ['no tags', json({ status: 'success' })],
    ['nothing', text('')],
  ])('does not go by half a list: %s', async (_name, answer) => {
    const { detect } = await startDetect(answer);

    expect((await apiErrorOf(detect.getTags(7))).message).toBe(
      "Detect's answer to GET /api/v2.5/tagging/host/7 cannot be read (expected a list of tags)",
    );
  });
});

describe('addTag and removeTag', () => {
  it('touch one tag of one host, and need no words in the answer', async () => {
    const { detect, received } = await startDetect([json({ status: 'success' }), text('', 204)]);

    expect(await detect.addTag(7, 'isolation: Pending')).toBe('done');
    expect(await detect.removeTag(7, 'block')).toBe('done');
    expect(conversation(received)).toEqual([
      'POST /api/v2.5/tagging/host {"objectIds":[7],"tag":"isolation: Pending"}',
      'DELETE /api/v2.5/tagging/host {"objectIds":[7],"tag":"block"}',
    ]);
    expect(received.map(({ headers }) => headers['content-type'])).toEqual([
      'application/json',
      'application/json',
    ]);
  });

  it('are repeated after a lost answer', async () => {
    const { detect, received } = await startDetect([reset, json({ status: 'success' })]);

    expect(await detect.removeTag(7, 'block')).toBe('done');
    expect(received).toHaveLength(2);
  });

  it('tell a host that is gone', async () => {
    const { detect, received } = await startDetect(noHost);

    expect(await detect.addTag(7, 'x')).toBe('gone');
    expect(received).toHaveLength(1);
  });

  it('tell a failure that comes with 200', async () => {
    const { detect } = await startDetect(json({ status: 'failure', message: 'tag is not allowed' }));

    expect((await apiErrorOf(detect.addTag(7, 'x'))).message).toBe(
      "Detect's answer to POST /api/v2.5/tagging/host cannot be read (expected success, not failure: tag is not allowed)",
    );
  });

  it('pass on what is wrong with a tag', async () => {
    const { detect, received } = await startDetect(json({ status: 'failure', message: 'invalid tag' }, 400));

    expect(await apiErrorOf(detect.addTag(7, 'x'))).toMatchObject({
      message: 'Detect answered 400 to POST /api/v2.5/tagging/host (invalid tag)',
      status: 400,
    });
    expect(received).toHaveLength(1);
  });

  it.each([400, 422])('blame a %i on the one tag that it is about', async (status) => {
    const { detect } = await startDetect((response, request) => {
      const answer = request.body.includes('"bad"')
        ? json({ status: 'failure', message: 'invalid tag' }, status)
        : json({ status: 'success' });
      answer(response, request);
    });

    const ends = await Promise.allSettled(
      ['a', 'bad', 'b'].flatMap((tag) => [detect.addTag(7, tag), detect.addTag(8, tag)]),
    );

    const refused = ends.flatMap((end, at) => (end.status === 'rejected' ? [[at, end.reason]] : []));
    const error = {
      message: `Detect answered ${status} to POST /api/v2.5/tagging/host (invalid tag)`,
      status,
      isOutage: false,
    };
    expect(refused).toMatchObject([
      [2, error],
      [3, error],
    ]);
  });

  it.each<[string, number, Answer]>([
    ['a page that is not there', 404, text('<html>Not Found</html>', 404)],
    ['a method that is not allowed', 405, json({ detail: 'Method "POST" not allowed.' }, 405)],
  ])('tell a Detect without bulk calls by %s, and ask no more of it', async (_name, status, answer) => {
    const { detect, received } = await startDetect([answer, tagsOf('a')]);

    const error = await errorOf(detect.addTag(7, 'x'));
    const again = await errorOf(detect.removeTag(8, 'y'));

    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      message: noBulkCalls,
      hint: `It answered ${status} to POST /api/v2.5/tagging/host: check detect.url and detect.apiVersion.`,
    });
    expect(again).toBe(error);
    expect(conversation(received)).toEqual([
      'POST /api/v2.5/tagging/host {"objectIds":[7],"tag":"x"}',
      'GET /api/v2.5/tagging/host/7',
    ]);
  });

  it('do not blame the calls when it is the host that is not there', async () => {
    const { detect } = await startDetect([json({ detail: 'Not found.' }, 404), noHost]);

    expect(await detect.addTag(7, 'x')).toBe('gone');
  });

  it.each<['addTag' | 'removeTag', Answer, string]>([
    ['addTag', tagsOf('x'), 'done'],
    ['addTag', tagsOf('y'), 'an error'],
    ['removeTag', tagsOf('y'), 'done'],
    ['removeTag', tagsOf('x'), 'an error'],
    ['removeTag', noHost, 'gone'],
  ])('look at the tags when the answer to %s is not JSON', async (method, tags, expected) => {
    const { detect } = await startDetect((response, request) => {
      (request.method === 'GET' ? tags : text('<html>OK</html>'))(response, request);
    });

    const outcome = await detect[method](7, 'x').catch(() => 'an error');

    expect(outcome).toBe(expected);
  });

  it('tell a missing right', async () => {
    const { detect } = await startDetect(json({ detail: 'no' }, 403));

    const error = await errorOf(detect.addTag(7, 'x'));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message: 'Detect does not let the owner of the API token change the tags of hosts (403): no',
    });
  });
});

describe('changes that wait for a connection', () => {
  /** Ten reads that hold all connections. */
  async function holdAll(answer: Answer) {
    const gate = createGate(answer);
    const rig = await startDetect(gate.answer);
    const reads = Array.from({ length: 10 }, (_, index) => rig.detect.getTags(900 + index));
    await until(() => gate.held() === 10);
    return { ...rig, gate, reads: Promise.allSettled(reads) };
  }

  const bulkOf = (received: Received[]) => received.filter(({ url }) => url === '/api/v2.5/tagging/host');

  it('go out as one call for each tag and direction', async () => {
    const { detect, received, gate, reads } = await holdAll(json({ status: 'success', tags: [] }));
    const changes = [
      ...[1, 2, 3, 2].map((id) => detect.addTag(id, 'a')),
      ...[4, 5].map((id) => detect.removeTag(id, 'a')),
      detect.addTag(6, 'b'),
    ];

    gate.open();

    expect(await Promise.all(changes)).toEqual(Array(7).fill('done'));
    await reads;
    expect(conversation(bulkOf(received)).sort()).toEqual([
      'DELETE /api/v2.5/tagging/host {"objectIds":[4,5],"tag":"a"}',
      'POST /api/v2.5/tagging/host {"objectIds":[1,2,3],"tag":"a"}',
      'POST /api/v2.5/tagging/host {"objectIds":[6],"tag":"b"}',
    ]);
  });

  it('share a call with no more than 200 hosts', async () => {
    const { detect, received, gate, reads } = await holdAll(json({ status: 'success', tags: [] }));
    const changes = Array.from({ length: 450 }, (_, index) => detect.addTag(index + 1, 'a'));

    gate.open();
    await Promise.all(changes);
    await reads;

    const sizes = bulkOf(received).map((request) => [idsIn(request)].flat().length);
    expect(sizes.sort((one, other) => one - other)).toEqual([50, 200, 200]);
  });

  it.each<[string, Answer]>([
    ['404', noHost],
    ['400', json({ status: 'failure' }, 400)],
    ['413', text('too large', 413)],
    ['a failure with 200', json({ status: 'failure' })],
  ])('are made one by one when the common call ends with %s', async (_name, refusal) => {
    const { detect, received, gate, reads } = await holdAll((response, request) => {
      const ids = request.method === 'POST' ? idsIn(request) : [];
      const isSpoilt = Array.isArray(ids) && ids.includes(2);
      const isAlone = Array.isArray(ids) && ids.length === 1;
      const answer = isSpoilt ? (isAlone ? noHost : refusal) : json({ status: 'success', tags: [] });
      answer(response, request);
    });
    const changes = [1, 2, 3].map((id) => detect.addTag(id, 'a'));

    gate.open();

    expect(await Promise.all(changes)).toEqual(['done', 'gone', 'done']);
    await reads;
    expect(bulkOf(received).map(idsIn)).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it('fail together when Detect is out of order', async () => {
    const { detect, received, gate, reads } = await holdAll((response, request) => {
      (request.method === 'POST' ? text('', 503) : tagsOf())(response, request);
    });
    const changes = [1, 2, 3].map((id) => apiErrorOf(detect.addTag(id, 'a')));

    gate.open();

    expect((await Promise.all(changes)).map(({ status }) => status)).toEqual([503, 503, 503]);
    await reads;
    expect(bulkOf(received)).toHaveLength(4);
  });

  it('are judged by the tags of each host when the answer is not JSON', async () => {
    const { detect, received, gate, reads } = await holdAll((response, request) => {
      const answer =
        request.method === 'POST' ? text('OK') : tagsOf(...(request.url.endsWith('/2') ? [] : ['a']));
      answer(response, request);
    });
    const changes = [1, 2].map((id) => detect.addTag(id, 'a').catch(() => 'an error'));

    gate.open();

    expect(await Promise.all(changes)).toEqual(['done', 'an error']);
    await reads;
    expect(bulkOf(received).map(idsIn)).toEqual(Array(4).fill([1, 2]));
  });

  it('are all told when Detect has no bulk calls', async () => {
    const { detect, received, gate, reads } = await holdAll((response, request) => {
      (request.method === 'POST' ? text('', 405) : tagsOf())(response, request);
    });
    const changes = Array.from({ length: 100 }, (_, index) => errorOf(detect.addTag(index + 1, 'a')));

    gate.open();

    const errors = await Promise.all(changes);
    await reads;
    expect(errors.every((error) => error instanceof ConfigError && error.message === noBulkCalls)).toBe(true);
    expect(bulkOf(received).length).toBeLessThan(25);
  });
});
