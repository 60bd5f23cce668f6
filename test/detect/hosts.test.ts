import { describe, expect, it } from 'vitest';
import type { DetectClient } from '../../src/detect/client.ts';
import type { FoundHosts } from '../../src/detect/search.ts';
import { AuthError, ConfigError } from '../../src/errors.ts';
import { apiErrorOf, errorOf } from '../http/rig.ts';
import { json, text, type Answer } from '../http/server.ts';
import { collect, startDetect, token } from './rig.ts';

/** A search document as recorded from a brain, with what the program uses and some of the rest. */
const document = {
  _doc_modified_ts: '2022-07-11T07:07:59.203634',
  active_traffic: false,
  certainty: 45,
  groups: [{ id: 3558, name: 'HostBlock', description: '', last_modified_by: 'x', type: 'host' }, 'Plain'],
  host_artifact_set: [
    { siem: false, source: null, type: 'dhcp', value: 'Vectra-Test' },
    { siem: false, source: null, type: 'mac', value: '00:04:ac:12:a6:19', vendor: 'Ibm Corp' },
    { type: 'kerberos', value: null },
  ],
  id: 472,
  ip: '192.168.51.7',
  last_detection_timestamp: '2022-07-09T14:13:58Z',
  last_seen: '2022-07-09T19:38:34Z',
  last_source: '192.168.51.6',
  ldap: null,
  name: 'Vectra-Test',
  state: 'active',
  tags: ['block', 'id: badge 4711'],
  threat: 30,
};
const host = {
  id: 472,
  name: 'Vectra-Test',
  state: 'active',
  threat: 30,
  certainty: 45,
  lastSource: '192.168.51.6',
  ip: '192.168.51.7',
  lastSeen: '2022-07-09T19:38:34Z',
  tags: ['block', 'id: badge 4711'],
  groups: ['HostBlock', 'Plain'],
  artifacts: [
    { type: 'dhcp', value: 'Vectra-Test' },
    { type: 'mac', value: '00:04:ac:12:a6:19' },
  ],
};
const bare = {
  id: 5,
  name: undefined,
  state: undefined,
  threat: undefined,
  certainty: undefined,
  lastSource: undefined,
  ip: undefined,
  lastSeen: undefined,
  tags: [],
  groups: undefined,
  artifacts: undefined,
};

function page(results: unknown[], next: unknown = null): Answer {
  return json({ count: results.length, results, previous: null, next });
}

/** Everything that a search by one tag finds. */
async function find(detect: DetectClient, isOver?: () => boolean): Promise<FoundHosts> {
  const lists = await collect(detect.findHosts({ tags: ['x'] }, isOver));
  expect(lists).toHaveLength(1);
  return lists[0] ?? { hosts: [], unusable: [], isShort: true };
}

describe('findHosts', () => {
  it('sends the query encoded, with page, page size and token', async () => {
    const { detect, received } = await startDetect(page([]));

    await collect(detect.findHosts({ tags: ['a"b & c+d%'], activeScores: { threat: 75, certainty: 1 } }));

    expect(received[0]).toMatchObject({
      method: 'GET',
      url:
        '/api/v2.5/search/hosts?page=1&page_size=500&query_string=(host.state%3A%22active%22%20AND%20' +
        '(host.threat%3A%3E%3D75%20AND%20host.certainty%3A%3E%3D1))%20OR%20' +
        'host.tags%3A%22a%5C%22b%20%26%20c%2Bd%25%22',
      headers: { authorization: `Token ${token}` },
    });
  });

  it('asks nothing for nothing, and one list for each query that the selection needs', async () => {
    const { detect, received } = await startDetect([
      page([{ id: 1, tags: [] }]),
      page([{ id: 2, tags: [] }]),
    ]);

    expect(await collect(detect.findHosts({}))).toEqual([]);
    expect(received).toEqual([]);

    const tags = Array.from({ length: 50 }, (_, index) => `${'t'.repeat(90)}${index}`);
    const lists = await collect(detect.findHosts({ tags }));

    expect(lists.map(({ hosts }) => hosts.map(({ id }) => id))).toEqual([[1], [2]]);
  });

  it('reads every page', async () => {
    const { detect, received } = await startDetect([
      json({
        count: 3,
        results: [
          { id: 1, tags: [] },
          { id: 2, tags: [] },
        ],
        next: '?page=2',
      }),
      json({
        count: 3,
        results: [
          { id: 2, tags: ['b'] },
          { id: 3, tags: [] },
        ],
        next: null,
      }),
    ]);

    const { hosts, isShort } = await find(detect);

    expect(hosts.map(({ id, tags }) => [id, ...tags])).toEqual([[1], [2, 'b'], [3]]);
    expect(isShort).toBe(false);
    expect(received.map(({ url }) => new URL(url, 'http://x').searchParams.get('page'))).toEqual(['1', '2']);
  });

  it('reads a document of a brain', async () => {
    const { detect } = await startDetect(page([document]));

    expect(await find(detect)).toEqual({ hosts: [host], unusable: [], isShort: false });
  });

  it('takes missing, null and mistyped fields for absent, and adds the zone that a time lacks', async () => {
    const odd = {
      id: 5,
      name: 7,
      state: ['active'],
      threat: '75',
      certainty: NaN,
      last_source: null,
      ip: {},
      last_seen: 'soon',
      tags: null,
      groups: [{ id: 1 }],
      host_artifact_set: [{ type: 'dhcp', value: 7 }],
    };
    const { detect } = await startDetect(
      page([
        odd,
        { id: 6, tags: [] },
        { id: 7, tags: [], groups: [], host_artifact_set: 'x', last_seen: '2022-07-09T19:38:34.5' },
      ]),
    );

    const { hosts } = await find(detect);

    expect(hosts).toEqual([
      bare,
      { ...bare, id: 6 },
      { ...bare, id: 7, groups: [], lastSeen: '2022-07-09T19:38:34.5Z' },
    ]);
  });

  it('reads a document as far as it goes: an id in quotes, a null among the tags', async () => {
    const { detect } = await startDetect(page([{ id: '5', tags: [null, 'block', null] }]));

    const { hosts, unusable } = await find(detect);

    expect(hosts).toEqual([{ ...bare, tags: ['block'] }]);
    expect(unusable).toEqual([]);
  });

  it('names the documents that it cannot use, as far as they say who they are', async () => {
    const { detect } = await startDetect(
      page([
        { id: 6, name: 'without-tags' },
        { id: '7', name: 'odd-tag', tags: ['block', 8] },
        { id: 8, tags: 'block' },
        { name: 'without-id', tags: [] },
        { id: 0, tags: [] },
        { id: 1.5, tags: [] },
        { id: '', tags: [] },
        { id: '1e3', tags: [] },
        { id: '99999999999999999999', tags: [] },
        {},
        null,
        'x',
        { id: 5, tags: [] },
      ]),
    );

    const { hosts, unusable, isShort } = await find(detect);

    const nobody = { id: undefined, name: undefined };
    expect(hosts).toEqual([bare]);
    expect(unusable).toEqual([
      { id: 6, name: 'without-tags' },
      { id: 7, name: 'odd-tag' },
      { id: 8, name: undefined },
      { id: undefined, name: 'without-id' },
      ...Array<unknown>(8).fill(nobody),
    ]);
    expect(isShort).toBe(false);
  });

  it('asks again for an answer that no Detect would give, before it calls the address wrong', async () => {
    const { detect, received } = await startDetect([
      text('<html>Starting</html>'),
      json({ hosts: [] }),
      text(''),
      page([document]),
    ]);

    expect((await find(detect)).hosts).toEqual([host]);
    expect(received).toHaveLength(4);
  });

  it('cannot use a host with more than 2,000 tags', async () => {
    const tags = Array.from({ length: 2_001 }, (_, index) => `t${index}`);
    const { detect } = await startDetect(
      page([
        { id: 5, tags: tags.slice(1) },
        { id: 6, name: 'full', tags },
      ]),
    );

    const { hosts, unusable } = await find(detect);

    expect(hosts.map(({ id }) => id)).toEqual([5]);
    expect(unusable).toEqual([{ id: 6, name: 'full' }]);
  });

  it.each<[string, unknown, boolean]>([
    ['that is longer than the list', 3, true],
    ['in quotes', '3', false],
    ['of null', null, false],
    ['that is missing', undefined, false],
  ])(
    'takes a list with a count %s for short or not, and reads it twice then',
    async (_name, count, isShort) => {
      const { detect, received } = await startDetect(
        json({ count, results: [{ id: 5, tags: [] }, {}], next: null }),
      );

      expect(await find(detect)).toEqual({ hosts: [bare], unusable: [{}], isShort });
      expect(received).toHaveLength(isShort ? 2 : 1);
    },
  );

  it('believes the second reading of a list that was short at first', async () => {
    const { detect } = await startDetect([
      json({ count: 2, results: [{ id: 5, tags: [] }], next: null }),
      page([
        { id: 6, tags: [] },
        { id: 7, tags: [] },
      ]),
    ]);

    const { hosts, isShort } = await find(detect);

    expect(hosts.map(({ id }) => id)).toEqual([6, 7]);
    expect(isShort).toBe(false);
  });

  it('leaves the rest of a list when the time is over, and does not call it short', async () => {
    const { detect, received } = await startDetect(
      json({ count: 900, results: [{ id: 5, tags: [] }], next: '?page=2' }),
    );

    expect(await find(detect, () => true)).toEqual({ hosts: [bare], unusable: [], isShort: false });
    expect(received).toHaveLength(1);
  });

  it.each<[unknown, string | undefined]>([
    [null, undefined],
    ['', undefined],
    ['https://10.0.0.1:64443/api/v2.5/search/hosts?page=2&page_size=500', '2'],
    ['/api/v2.5/search/hosts?page_size=500&page=7', '7'],
    ['https://evil.example/?page=x', '2'],
    ['https://evil.example/', '2'],
    ['no link', '2'],
    ['?page=1', '2'],
    [{ page: 4 }, '2'],
  ])('takes from the link %o only the page, here %o after 1', async (next, expected) => {
    const { detect, received } = await startDetect([page([document], next), page([])]);

    await find(detect);

    const pagesAsked = received.map(({ url }) => new URL(url, 'http://x').searchParams.get('page'));
    expect(pagesAsked).toEqual(expected === undefined ? ['1'] : ['1', expected]);
  });

  it.each<[string, Answer]>([
    ['a page that is not there', json({ detail: 'Invalid page "2": That page contains no results.' }, 404)],
    ['a page without a new host', page([{ id: 5, tags: [] }], '?page=3')],
    ['an empty page', page([], '?page=3')],
  ])('takes %s for the end', async (_name, second) => {
    const { detect, received } = await startDetect([page([{ id: 5, tags: [] }], '?page=2'), second]);

    expect(await find(detect)).toEqual({ hosts: [bare], unusable: [], isShort: false });
    expect(received).toHaveLength(2);
  });

  it('does not read a page of more hosts than Detect gives', async () => {
    const { detect } = await startDetect([page([document], '?page=2'), page(Array<unknown>(5_001).fill(1))]);

    expect((await apiErrorOf(find(detect))).message).toBe(
      "Detect's answer to GET /api/v2.5/search/hosts cannot be read (expected at most 5000 members on a page)",
    );
  });

  it.each<[string, Answer, string]>([
    [
      'a 404',
      json({ detail: 'Not found.' }, 404),
      'Detect answered 404 to GET /api/v2.5/search/hosts (Not found.)',
    ],
    [
      'a redirect',
      text('', 302, { location: 'https://sso.example/login' }),
      'Detect answered 302 to GET /api/v2.5/search/hosts (redirects are not followed; this one leads to https://sso.example)',
    ],
    [
      'HTML',
      text('<html>Welcome</html>'),
      "Detect's answer to GET /api/v2.5/search/hosts cannot be read (HTML instead of JSON)",
    ],
    [
      'other JSON',
      json({ hosts: [] }),
      "Detect's answer to GET /api/v2.5/search/hosts cannot be read (expected a page of hosts)",
    ],
    [
      'an empty answer',
      text(''),
      "Detect's answer to GET /api/v2.5/search/hosts cannot be read (expected a page of hosts)",
    ],
  ])('takes %s on the first page for a wrong address or version', async (_name, answer, message) => {
    const { detect } = await startDetect(answer);

    const error = await errorOf(find(detect));

    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      message: `${message}: this does not look like Detect's API v2.5: check detect.url and detect.apiVersion`,
    });
  });

  it('calls a later page that cannot be read just that', async () => {
    const { detect } = await startDetect([page([document], '?page=2'), json({ results: 'none' })]);

    expect((await apiErrorOf(find(detect))).failure).toBe('unreadable');
  });

  it('quotes what Detect has against a query', async () => {
    const { detect } = await startDetect(
      json({ errors: [{ title: 'Unable to look up specified entity' }] }, 422),
    );

    expect((await apiErrorOf(find(detect))).message).toBe(
      'Detect answered 422 to GET /api/v2.5/search/hosts (Unable to look up specified entity)',
    );
  });

  it('tells a refused token', async () => {
    const { detect } = await startDetect(json({ details: 'Invalid token.' }, 401));

    const error = await errorOf(find(detect));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message: 'Detect refused the API token (401): Invalid token.',
      hint: 'Copy the token anew from My Profile → API token in Detect to detect.token, detect.tokenFile or $ATP_DETECT_TOKEN.',
    });
  });

  it('tells a missing right', async () => {
    const { detect } = await startDetect(
      json({ details: 'You do not have permission to perform this action.' }, 403),
    );

    const error = await errorOf(find(detect));

    expect(error).toBeInstanceOf(AuthError);
    expect(error).toMatchObject({
      message:
        'Detect does not let the owner of the API token read hosts (403): You do not have permission to perform this action.',
      hint: 'Give the user whose token it is a role with the permission to read hosts.',
    });
  });
});

describe('getHost', () => {
  it('reads a host', async () => {
    const { detect, received } = await startDetect(json(document));

    expect(await detect.getHost(472)).toEqual(host);
    expect(received[0]?.url).toBe('/api/v2.5/hosts/472');
  });

  it('does not read more than 8 MiB of one host', async () => {
    const { detect } = await startDetect(json({ ...document, ldap: 'x'.repeat(2 ** 23) }));

    expect((await apiErrorOf(detect.getHost(472))).message).toBe(
      "Detect's answer to GET /api/v2.5/hosts/472 cannot be read (the answer is larger than 8 MiB)",
    );
  });

  it('takes 404 for gone', async () => {
    const { detect } = await startDetect(json({ detail: 'Not found.' }, 404));

    expect(await detect.getHost(472)).toBeUndefined();
  });

  it.each<[string, object]>([
    ['groups that are null', { groups: null, host_artifact_set: null }],
    ['groups of another type', { groups: 'HostBlock', host_artifact_set: 7 }],
  ])('takes %s for unknown', async (_name, fields) => {
    const { detect } = await startDetect(json({ ...document, ...fields }));

    expect(await detect.getHost(472)).toEqual({ ...host, groups: undefined, artifacts: undefined });
  });

  it.each<[string, unknown]>([
    ['another host', { ...document, id: 473 }],
    ['a group that cannot be read', { ...document, groups: ['HostBlock', { id: 3 }] }],
    ['an artifact that cannot be read', { ...document, host_artifact_set: [{ type: 'dhcp', value: ['x'] }] }],
    ['tags that cannot be read', { ...document, tags: [['block']] }],
    ['a list', [document]],
    ['nothing', undefined],
  ])('does not go by half a document: %s', async (_name, body) => {
    const { detect } = await startDetect(body === undefined ? text('') : json(body));

    expect((await apiErrorOf(detect.getHost(472))).failure).toBe('unreadable');
  });
});

describe('listGroupNames', () => {
  it('reads every page', async () => {
    const { detect, received } = await startDetect([
      page([{ id: 1, name: 'NoBlock' }, { id: 2 }, 'x'], 'https://other/api/v2.5/groups?page=2'),
      page([{ id: 3, name: 'Cognito - Zoom' }]),
    ]);

    expect(await detect.listGroupNames()).toEqual(['NoBlock', 'Cognito - Zoom']);
    expect(received.map(({ url }) => url)).toEqual([
      '/api/v2.5/groups?page=1&page_size=500',
      '/api/v2.5/groups?page=2&page_size=500',
    ]);
  });

  it('reads a bare list', async () => {
    const { detect } = await startDetect(json([{ name: 'NoBlock' }]));

    expect(await detect.listGroupNames()).toEqual(['NoBlock']);
  });

  it.each<[string, Answer]>([
    ['a page without a new group', page([{ name: 'NoBlock' }], '?page=2')],
    ['a page that is not there', json({ detail: 'Invalid page' }, 404)],
  ])('stops at %s', async (_name, second) => {
    const { detect, received } = await startDetect([page([{ name: 'NoBlock' }], '?page=2'), second]);

    expect(await detect.listGroupNames()).toEqual(['NoBlock']);
    expect(received).toHaveLength(2);
  });

  it.each<[string, Answer]>([
    ['no list', json({ groups: [] })],
    ['nothing', text('')],
  ])('does not take %s for no groups', async (_name, answer) => {
    const { detect } = await startDetect(answer);

    expect((await apiErrorOf(detect.listGroupNames())).message).toBe(
      "Detect's answer to GET /api/v2.5/groups cannot be read (expected a list of groups)",
    );
  });
});
