import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { importPKCS8, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  anyNumber,
  anyText,
  askToken,
  call,
  column,
  defender,
  detect,
  foundIds,
  isolate,
  json,
  like,
  noon,
  object,
  refusal,
  release,
  search,
  start,
  token,
  type Reply,
} from './simulator/client.ts';
import { runAtp, spawnAtp } from './simulator/run-atp.ts';

function selfSigned(subject: string): { certificate: string; privateKey: string } {
  const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  const options = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', subject];
  execFileSync('openssl', ['req', ...options, ...files], { stdio: 'ignore' });
  const certificate = readFileSync(join(folder, 'cert.pem'), 'utf8');
  const privateKey = readFileSync(join(folder, 'key.pem'), 'utf8');
  rmSync(folder, { recursive: true });
  return { certificate, privateKey };
}

describe('Detect', () => {
  it('finds hosts by words of their tags, whatever the case, and not by parts of words', async () => {
    const simulator = await start();
    const plain = simulator.world.addHost({ tags: ['Block'] });
    const history = simulator.world.addHost({ tags: ['Manual block:2026-11-24 10:00'] });
    simulator.world.addHost({ tags: ['blocked'] });
    const long = simulator.world.addHost({ tags: ['host_context', 'left', 'right'], state: 'inactive' });
    expect(await foundIds(simulator, 'host.tags:"block"')).toEqual([plain.id, history.id]);
    expect(await foundIds(simulator, 'host.state:"active" AND host.tags:"block"')).toEqual([
      plain.id,
      history.id,
    ]);
    expect(await foundIds(simulator, 'host.tags:"Host-Context"')).toEqual([long.id]);
    expect(await foundIds(simulator, 'host.tags:"context host"')).toEqual([]);
    expect(await foundIds(simulator, 'host.tags:"left right"')).toEqual([]);
    expect(await foundIds(simulator, 'host.tags:"--"')).toEqual([]);
    expect(await foundIds(simulator, 'host.tags:bloc*')).toHaveLength(3);
    expect(await foundIds(simulator, 'NOT host.tags:*')).toEqual([]);
  });

  it('finds hosts by scores, ranges, alternatives and brackets', async () => {
    const simulator = await start();
    const low = simulator.world.addHost({ threat: 10, certainty: 99 });
    const even = simulator.world.addHost({ threat: 75, certainty: 75 });
    const high = simulator.world.addHost({ threat: 99, certainty: 80 });
    expect(await foundIds(simulator, 'host.threat:>=75 AND host.certainty:>=75')).toEqual([even.id, high.id]);
    expect(await foundIds(simulator, 'host.threat:>75 host.certainty:<81')).toEqual([high.id]);
    expect(await foundIds(simulator, 'host.threat:[10 TO 75]')).toEqual([low.id, even.id]);
    expect(await foundIds(simulator, 'host.threat:[76 TO *] OR host.threat:10')).toEqual([low.id, high.id]);
    expect(
      await foundIds(simulator, `(host.id:${low.id} OR host.id:${high.id}) AND NOT host.threat:10`),
    ).toEqual([high.id]);
    expect(await foundIds(simulator, `host.id:(${low.id} OR ${even.id})`)).toEqual([low.id, even.id]);
    expect(await foundIds(simulator, 'host.last_detection_timestamp:>2026-01-01T00:00:00Z')).toHaveLength(3);
  });

  it('refuses unknown fields, lower-case operators, open quotes and stray words', async () => {
    const simulator = await start();
    const queries = [
      'host.Tags:"x"',
      'host.tag:"x"',
      'host.threat:>5 and host.certainty:>5',
      'host.tags:"x',
      'block',
      'host.tags:a:b',
      'host.threat:>=high',
      '(host.threat:>5',
      'host.threat:>5 AND',
      '',
    ];
    for (const query of queries) {
      const reply = await search(simulator, query);
      expect([query, reply.status]).toEqual([query, 422]);
      expect(reply.body).toEqual({ errors: [{ title: anyText }] });
    }
  });

  it('takes quotes and backslashes in a phrase only when they are escaped', async () => {
    const simulator = await start();
    const host = simulator.world.addHost({ tags: [String.raw`say "block" c:\now`] });
    expect(await foundIds(simulator, String.raw`host.tags:"say \"block\" c:\\now"`)).toEqual([host.id]);
    expect((await search(simulator, 'host.tags:"say "block" now"')).status).toBe(422);
  });

  it('pages with addresses that cannot be reached, and answers a page past the end with 404', async () => {
    const simulator = await start({ pageSize: 2 });
    for (let n = 0; n < 5; n += 1) simulator.world.addHost();
    const first = await search(simulator, 'host.state:"active"', '&page_size=5000');
    expect(first.body).toMatchObject({ count: 5, previous: null });
    const { next, results } = object(first.body);
    expect(results).toHaveLength(2);
    expect(next).toMatch(/^https:\/\/brain\.internal\.example\/api\/v2\.5\/search\/hosts\?.*page=2/);
    await expect(fetch(String(next))).rejects.toThrow('fetch failed');
    const last = await search(simulator, 'host.state:"active"', '&page_size=5000&page=3');
    expect(last.body).toMatchObject({ next: null, results: [{ id: 1005 }] });
    const past = await search(simulator, 'host.state:"active"', '&page=4');
    expect(past).toMatchObject({
      status: 404,
      body: { detail: 'Invalid page "4": That page contains no results.' },
    });
    const none = await search(simulator, 'host.id:1');
    expect(none).toMatchObject({ status: 200, body: { count: 0, results: [], previous: null, next: null } });
  });

  it('refuses page sizes out of range and parameters it does not know', async () => {
    const simulator = await start();
    for (const more of ['&page_size=0', '&page_size=5001', '&page_size=ten', '&pagesize=5']) {
      const reply = await search(simulator, 'host.id:1', more);
      const name = more.includes('pagesize') ? 'pagesize' : 'page_size';
      expect(reply).toMatchObject({
        status: 400,
        body: { details: `The following query parameter(s) are invalid: ${name}.` },
      });
    }
    expect((await search(simulator, `host.tags:"${'x'.repeat(8000)}"`)).status).toBe(414);
  });

  it('wants its token exactly, knows its versions only, and lets readers only read', async () => {
    const simulator = await start();
    const { id } = simulator.world.addHost();
    const { detectToken } = simulator.settings;
    for (const authorization of ['Bearer x', 'Bearer detect.x', `Token  ${detectToken}`, 'Token wrong', '']) {
      const reply = await detect(simulator, `/hosts/${id}`, { headers: { authorization } });
      expect(reply).toMatchObject({ status: 401, body: { details: 'Invalid token.' } });
    }
    const unknown = await detect(simulator, `/hosts/${id}`, {}, '3.4');
    expect(unknown.status).toBe(404);
    expect(unknown.headers.get('content-type')).toContain('text/html');
    simulator.settings.detectRights = 'read-only';
    expect((await detect(simulator, `/hosts/${id}`)).status).toBe(200);
    const write = await detect(simulator, '/tagging/host', json('POST', { objectIds: [id], tag: 'block' }));
    expect(write).toMatchObject({
      status: 403,
      body: { details: 'You do not have permission to perform this action.' },
    });
    simulator.settings.detectRights = 'none';
    expect((await detect(simulator, `/hosts/${id}`)).status).toBe(403);
    expect(simulator.world.violations).toEqual([
      'detect was sent credentials of another service: GET /api/v2.5/hosts/1001',
    ]);
  });

  it('grants an API client a token for Basic credentials and the form alone, in version 2.5, for its life', async () => {
    let now = noon;
    const simulator = await start({ clock: { now: () => now } });
    const { id } = simulator.world.addHost();
    const { id: clientId = '', secret = '' } = simulator.settings.apiClient ?? {};
    const basic = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
    const form = 'grant_type=client_credentials';
    const ask = (
      authorization: string,
      body: string,
      version = '2.5',
      type = 'application/x-www-form-urlencoded',
    ) =>
      detect(
        simulator,
        '/oauth2/token',
        { method: 'POST', body, headers: { authorization, 'content-type': type } },
        version,
      );

    expect((await ask('Basic eDp5', form)).status).toBe(401);
    expect((await ask(`Token ${simulator.settings.detectToken}`, form)).status).toBe(401);
    expect((await ask('', `${form}&client_id=${clientId}&client_secret=${secret}`)).status).toBe(401);
    expect((await ask(basic, 'grant_type=password')).status).toBe(400);
    expect((await ask(basic, `${form}&client_id=${clientId}`)).status).toBe(400);
    expect((await ask(basic, form, '2.5', 'application/json')).status).toBe(400);
    expect((await ask(basic, form, '2.4')).status).toBe(404);
    expect((await detect(simulator, '/oauth2/token')).status).toBe(405);

    const granted = await ask(basic, form);
    expect(granted).toMatchObject({ status: 200, body: { expires_in: 3600, token_type: 'Bearer' } });
    const token = String(object(granted.body)['access_token']);
    expect(token.length).toBeGreaterThan(2_000);
    const withToken = { headers: { authorization: `Bearer ${token}` } };
    expect((await detect(simulator, `/hosts/${id}`, withToken)).status).toBe(200);
    expect((await detect(simulator, `/hosts/${id}`, withToken, '2.4')).status).toBe(401);
    now += 3_600_000;
    expect((await detect(simulator, `/hosts/${id}`, withToken)).status).toBe(401);
    simulator.settings.apiClient = undefined;
    expect((await ask(basic, form)).status).toBe(404);
  });

  it('shows a host in its three documents with the fields that each has', async () => {
    const simulator = await start({ clock: { now: () => noon } });
    const { id } = simulator.world.addHost({
      groups: ['NoBlock'],
      tags: ['x'],
      notes: ['older', 'newer'],
      host_artifact_set: [{ type: 'mac', value: '00:04:ac:12:a6:19', vendor: 'Ibm Corp' }],
    });
    const found = await search(simulator, `host.id:${id}`);
    expect(found.headers.get('date')).toBe('Tue, 24 Nov 2026 12:00:00 GMT');
    const single = await detect(simulator, `/hosts/${id}`);
    expect(found.body).toMatchObject({
      results: [
        {
          last_seen: '2026-11-24T11:55:00Z',
          tags: ['x'],
          note: 'newer',
          groups: [{ name: 'NoBlock', type: 'host' }],
          host_artifact_set: [{ siem: false, source: null, type: 'mac', vendor: 'Ibm Corp' }],
          ldap: null,
          _doc_modified_ts: like(/T[\d:]{8}\.\d{6}$/),
        },
      ],
    });
    expect(single.body).toMatchObject({ last_seen: '2026-11-24T11:55:00Z', edrs: [], notes: [{}, {}] });
    expect(single.body).not.toHaveProperty('_doc_modified_ts');
    simulator.world.host(id).overrides = { last_seen: undefined, tags: null };
    const lacking = await detect(simulator, `/hosts/${id}`);
    expect(lacking.body).not.toHaveProperty('last_seen');
    expect(lacking.body).toMatchObject({ tags: null });
    expect(await detect(simulator, '/hosts/7')).toMatchObject({
      status: 404,
      body: { detail: 'Not found.' },
    });
  });

  it('adds and removes one tag of many hosts and leaves the others alone', async () => {
    const simulator = await start();
    const one = simulator.world.addHost({ tags: ['theirs', 'block'] });
    const two = simulator.world.addHost({ tags: ['block'] });
    const ids = [one.id, two.id];
    const add = await detect(
      simulator,
      '/tagging/host',
      json('POST', { objectIds: ids, tag: 'riskScore: High' }),
    );
    expect(add).toMatchObject({ status: 200, body: { status: 'success' } });
    await detect(simulator, '/tagging/host', json('POST', { objectIds: ids, tag: 'riskScore: High' }));
    await detect(simulator, '/tagging/host', json('DELETE', { objectIds: ids, tag: 'block' }));
    const tags = await detect(simulator, `/tagging/host/${one.id}`);
    expect(tags.body).toEqual({
      status: 'success',
      tag_id: String(one.id),
      tags: ['theirs', 'riskScore: High'],
    });
    const failure = { status: 'failure', message: 'Could not find requested object' };
    const missing = await detect(
      simulator,
      '/tagging/host',
      json('POST', { objectIds: [one.id, 7], tag: 'x' }),
    );
    expect(missing).toMatchObject({ status: 404, body: failure });
    expect(one.tags).toEqual(['theirs', 'riskScore: High']);
    for (const body of [
      { objectIds: ['1001'], tag: 'x' },
      { objectIds: [one.id], tags: ['x'] },
      { objectIds: [] },
    ]) {
      expect((await detect(simulator, '/tagging/host', json('POST', body))).status).toBe(400);
    }
    simulator.settings.bulkAnswer = 'empty';
    const empty = await detect(
      simulator,
      '/tagging/host',
      json('DELETE', { objectIds: ids, tag: 'riskScore: High' }),
    );
    expect([empty.status, empty.body]).toEqual([200, '']);
    simulator.settings.bulkTagging = false;
    expect(
      (await detect(simulator, '/tagging/host', json('POST', { objectIds: ids, tag: 'x' }))).status,
    ).toBe(405);
    expect(simulator.world.violations).toEqual([]);
  });

  it('replaces all tags on PATCH, cuts long ones, and reports the foreign ones lost', async () => {
    const simulator = await start();
    const { id } = simulator.world.addHost({ tags: ['theirs', 'block', 'isolation: Pending'] });
    const long = `computerDnsName: ${'x'.repeat(100)}`;
    const reply = await detect(simulator, `/tagging/host/${id}`, json('PATCH', { tags: ['theirs', long] }));
    expect(reply.body).toEqual({ status: 'success', tag_id: id, tags: ['theirs', long.slice(0, 100)] });
    expect(simulator.world.violations).toEqual([]);
    await detect(simulator, `/tagging/host/${id}`, json('PATCH', { tags: ['unblock', 'id: badge 4711'] }));
    expect(simulator.world.violations).toEqual([
      `host ${id}: foreign tags were ["theirs"], are ["id: badge 4711"]`,
      `host ${id}: trigger tags ["unblock"] were added`,
    ]);
    const wrong = await detect(simulator, `/tagging/host/${id}`, json('PATCH', { tags: 'x' }));
    expect(wrong.status).toBe(400);
    const form = { method: 'PATCH', body: 'tags=x' };
    expect((await detect(simulator, `/tagging/host/${id}`, form)).status).toBe(415);
  });

  it('keeps notes as a list in no order of time, and reports harm to those of others', async () => {
    const simulator = await start({ htmlEscapeNotes: true });
    const { id } = simulator.world.addHost({ notes: ['a < b', 'second', 'third'] });
    const list = await detect(simulator, `/hosts/${id}/notes`);
    expect(Array.isArray(list.body)).toBe(true);
    expect(column({ list: list.body }, 'list', 'note')).toEqual(['third', 'second', 'a &lt; b']);
    const own =
      '## Microsoft Defender for Endpoint (atp)\ntext\n_Kept up to date by atp. Add your own text below this line._';
    const created = await detect(simulator, `/hosts/${id}/notes`, json('POST', { note: own }));
    expect(created).toMatchObject({
      status: 200,
      body: { date_created: like(/\.\d{6}Z$/) },
    });
    const noteId = Number(object(created.body)['id']);
    simulator.world.writeNote(id, `${own}\nby hand`, noteId);
    const update = await detect(
      simulator,
      `/hosts/${id}/notes/${noteId}`,
      json('PATCH', { note: `${own}\nby hand` }),
    );
    expect(update.status).toBe(200);
    expect(simulator.world.violations).toEqual([]);
    await detect(simulator, `/hosts/${id}/notes/${noteId}`, json('PATCH', { note: own }));
    await detect(simulator, `/hosts/${id}/notes`, json('POST', { note: own }));
    await detect(simulator, `/hosts/${id}/notes/301`, json('PATCH', { note: 'mine' }));
    expect(simulator.world.violations).toEqual([
      `host ${id}: text that people added to note ${noteId} was lost`,
      `host ${id}: a second note of the program's own`,
      `host ${id}: note 301 of somebody else was changed`,
    ]);
    const tooLong = json('POST', { note: 'x'.repeat(8001) });
    expect((await detect(simulator, `/hosts/${id}/notes`, tooLong)).status).toBe(413);
    expect((await detect(simulator, `/hosts/${id}/notes/9`)).status).toBe(404);
  });

  it('lists groups whose name contains the one asked for', async () => {
    const simulator = await start();
    const host = simulator.world.addHost({ groups: ['NoBlock'] });
    simulator.world.addGroup({ name: 'NoBlock ranges', type: 'ip', members: ['10.0.0.0/8'] });
    const reply = await detect(simulator, '/groups?name=noblock&type=host');
    expect(reply.body).toMatchObject({
      count: 1,
      results: [{ name: 'NoBlock', members: [{ id: host.id }] }],
    });
    expect((await detect(simulator, '/groups?name=noblock')).body).toMatchObject({ count: 2 });
    expect((await detect(simulator, '/groups?kind=host')).status).toBe(400);
  });

  it('speaks HTTPS with the certificate it is given', async () => {
    const { certificate, privateKey } = selfSigned('/O=Vectra Networks, Inc/CN=vectra');
    const simulator = await start({ tls: { cert: certificate, key: privateKey } });
    expect(simulator.detectUrl).toMatch(/^https:/);
    await expect(fetch(`${simulator.detectUrl}/api/v2.5/groups`)).rejects.toThrow('fetch failed');
    const headers = { authorization: `Token ${simulator.settings.detectToken}` };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // The factory certificate names neither a trusted issuer nor the address.
      const options = { headers, ca: certificate, checkServerIdentity: () => undefined };
      get(`${simulator.detectUrl}/api/v2.5/groups`, options, resolve).on('error', reject);
    });
    response.resume();
    expect(response.statusCode).toBe(200);
  });

  it('searches an index that lags behind, and one that is stuck', async () => {
    let now = noon;
    const simulator = await start({ clock: { now: () => now }, indexLagMs: 10_000 });
    const { id } = simulator.world.addHost({ tags: ['block'] });
    expect(await foundIds(simulator, 'host.tags:"block"')).toEqual([id]);
    await detect(simulator, '/tagging/host', json('DELETE', { objectIds: [id], tag: 'block' }));
    expect(await foundIds(simulator, 'host.tags:"block"')).toEqual([id]);
    now += 10_000;
    expect(await foundIds(simulator, 'host.tags:"block"')).toEqual([]);
    simulator.world.tagHost(id, 'unblock');
    simulator.world.indexFreeze(id);
    simulator.world.deleteHost(id);
    now += 100_000;
    expect(await foundIds(simulator, 'host.tags:"unblock"')).toEqual([id]);
    simulator.world.indexThaw(id);
    expect(await foundIds(simulator, 'host.tags:"unblock"')).toEqual([]);
  });
});

describe('the login service', () => {
  it('issues a verifiable token for the audience with the roles of the moment', async () => {
    const simulator = await start({ clock: { now: () => noon }, tokenLifetimeSeconds: 600 });
    const reply = await askToken(simulator);
    const { access_token, ...rest } = object(reply.body);
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 600, ext_expires_in: 600 });
    const claims: unknown = JSON.parse(
      Buffer.from(String(access_token).split('.')[1] ?? '', 'base64url').toString(),
    );
    expect(claims).toMatchObject({
      aud: 'https://api.securitycenter.microsoft.com',
      appid: simulator.settings.appId,
      tid: simulator.settings.tenantId,
      roles: ['Machine.Read.All', 'Alert.Read.All', 'Machine.Isolate'],
      iat: noon / 1000,
      exp: noon / 1000 + 600,
    });
  });

  it('refuses with the numbers that Entra gives', async () => {
    const simulator = await start();
    const cases: [Record<string, string>, number, string, number][] = [
      [{ client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
      [{ client_secret: '' }, 401, 'invalid_client', 7000218],
      [{ client_id: randomUUID() }, 400, 'unauthorized_client', 700016],
      [{ scope: 'https://api.securitycenter.microsoft.com/Machine.Read' }, 400, 'invalid_scope', 70011],
      [{ scope: 'https://example.org/.default' }, 400, 'invalid_resource', 500011],
      [{ resource: 'https://api.securitycenter.microsoft.com' }, 400, 'invalid_request', 901002],
      [{ grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
      [{ scope: '' }, 400, 'invalid_request', 900144],
    ];
    for (const [form, status, error, code] of cases) {
      const reply = await askToken(simulator, form);
      expect(reply).toMatchObject({ status, body: { error, error_codes: [code] } });
      expect(reply.body).toHaveProperty('error_description', like(`^AADSTS${code}: `));
    }
    expect(await askToken(simulator, {}, 'elsewhere')).toMatchObject({
      status: 400,
      body: { error_codes: [90002] },
    });
    simulator.settings.secretExpired = true;
    expect(await askToken(simulator)).toMatchObject({ status: 401, body: { error_codes: [7000222] } });
  });

  it('takes an assertion signed with the registered certificate, once, in its time and for its address', async () => {
    const { certificate, privateKey: pem } = selfSigned('/CN=atp');
    const key = await importPKCS8(pem, 'PS256');
    const simulator = await start({ certificate });
    const { appId, tenantId } = simulator.settings;
    const print = Buffer.from(new X509Certificate(certificate).fingerprint256.replaceAll(':', ''), 'hex');
    const audience = `${simulator.loginUrl}/${tenantId}/oauth2/v2.0/token`;

    async function ask(
      change: { aud?: string; exp?: number; x5t?: string; key?: typeof key; jti?: string } = {},
    ) {
      const now = Math.floor(Date.now() / 1000);
      const assertion = await new SignJWT({ jti: change.jti ?? randomUUID() })
        .setProtectedHeader({
          alg: 'PS256',
          typ: 'JWT',
          'x5t#S256': change.x5t ?? print.toString('base64url'),
        })
        .setIssuer(appId)
        .setSubject(appId)
        .setAudience(change.aud ?? audience)
        .setNotBefore(now - 4000)
        .setExpirationTime(change.exp ?? now + 600)
        .sign(change.key ?? key);
      const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const reply = await askToken(simulator, {
        client_secret: '',
        client_assertion: assertion,
        client_assertion_type: type,
      });
      return reply.status === 200 ? 200 : object(reply.body)['error_codes'];
    }

    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other = await importPKCS8(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'PS256');
    expect(await ask({ jti: 'once' })).toBe(200);
    expect(await ask({ jti: 'once' })).toEqual([700027]);
    expect(await ask({ key: other })).toEqual([700027]);
    expect(await ask({ x5t: 'AAAA' })).toEqual([700027]);
    expect(await ask({ aud: 'https://login.microsoftonline.com/common' })).toEqual([50027]);
    expect(await ask({ exp: Math.floor(Date.now() / 1000) - 600 })).toEqual([700024]);
  });
});

describe('a workload identity', () => {
  it('gets a token for an assertion of the trusted issuer and subject', async () => {
    const keys = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const trusted = { issuer: 'https://oidc.example', subject: 'system:serviceaccount:soc:atp' };
    const simulator = await start({ federated: { ...trusted, publicKey: keys.publicKey } });
    const key = await importPKCS8(keys.privateKey, 'RS256');
    const ask = async (subject: string): Promise<unknown> => {
      const assertion = await new SignJWT()
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(trusted.issuer)
        .setSubject(subject)
        .setAudience('api://AzureADTokenExchange')
        .setExpirationTime('10m')
        .sign(key);
      const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const form = { client_secret: '', client_assertion: assertion, client_assertion_type: type };
      const reply = await askToken(simulator, form);
      return reply.status === 200 ? 200 : object(reply.body)['error_codes'];
    };
    expect(await ask(trusted.subject)).toBe(200);
    expect(await ask('system:serviceaccount:soc:other')).toEqual([700213]);
  });
});

describe('Defender', () => {
  it('verifies tokens: signature, time, audience, revocation', async () => {
    let now = noon;
    const simulator = await start({ clock: { now: () => now } });
    simulator.world.addMachine();
    const good = await token(simulator);
    const machines = (value: string): Promise<Reply> =>
      call(`${simulator.apiUrl}/api/machines`, { headers: { authorization: value } });
    expect((await machines(`Bearer ${good}`)).status).toBe(200);
    const bad = await machines(`Bearer ${good.slice(0, -8)}AAAAAAAA`);
    expect([bad.status, bad.body]).toEqual([401, '']);
    expect((await machines(`bearer ${good}`)).status).toBe(401);
    expect((await call(`${simulator.apiUrl}/api/machines`)).status).toBe(401);
    const other = await askToken(simulator, { scope: 'https://api.security.microsoft.com/.default' });
    expect((await machines(`Bearer ${String(object(other.body)['access_token'])}`)).status).toBe(403);
    simulator.revokeTokens();
    expect((await machines(`Bearer ${good}`)).status).toBe(401);
    const fresh = await token(simulator);
    expect((await machines(`Bearer ${fresh}`)).status).toBe(200);
    now += 3_600_000;
    expect((await machines(`Bearer ${fresh}`)).status).toBe(401);
  });

  it('names the roles that a token lacks', async () => {
    const simulator = await start({ roles: ['Machine.Read.All'] });
    const { id } = simulator.world.addMachine();
    const ask = await defender(simulator);
    const words = (roles: string): string =>
      `The application does not have any of the required application permissions (${roles}) to access the resource.`;
    expect(await ask(...isolate(id))).toMatchObject({
      status: 403,
      body: refusal('Forbidden', words('Machine.Isolate')),
    });
    expect(await ask(`/api/machines/${id}/alerts`)).toMatchObject({
      status: 403,
      body: refusal('Forbidden', words('Alert.Read.All, Alert.ReadWrite.All')),
    });
    expect((await ask(`/api/machines/${id}`)).status).toBe(200);
    simulator.settings.roles = [];
    const without = await defender(simulator);
    expect((await without(`/api/machines/${id}`)).status).toBe(403);
  });

  it('finds machines by address and time, within fifteen minutes', async () => {
    const simulator = await start({ clock: { now: () => noon } });
    const ask = await defender(simulator);
    const machine = simulator.world.addMachine({ lastIpAddress: '10.1.2.3' });
    simulator.world.moveAddress(machine.id, '10.1.2.9', noon - 3_600_000);
    const later = simulator.world.addMachine({
      lastIpAddress: '10.1.2.3',
      addresses: [{ ip: '10.1.2.3', from: noon - 3_600_000, to: noon }],
    });
    const find = async (ip: string, time: string): Promise<unknown[]> => {
      const reply = await ask(`/api/machines/findbyip(ip='${ip}',timestamp=${time})`);
      expect(reply.status).toBe(200);
      return column(reply.body, 'value', 'id');
    };
    expect(await find('10.1.2.3', '2026-11-24T10:00:00Z')).toEqual([machine.id]);
    expect(await find('10.1.2.3', '2026-11-24T10:50:00Z')).toEqual([machine.id, later.id]);
    expect(await find('10.1.2.3', '2026-11-24T11%3A30%3A00.5Z')).toEqual([later.id]);
    expect(await find('10.1.2.4', '2026-11-24T11:30:00Z')).toEqual([]);
    expect(await find('203.0.113.234', '2026-11-24T11:30:00Z')).toEqual([]);
  });

  it('refuses times that are quoted, local, future or too old', async () => {
    const simulator = await start({ clock: { now: () => noon } });
    const ask = await defender(simulator);
    const wrong = [
      "ip='10.1.2.3',timestamp='2026-11-24T10:00:00Z'",
      "ip='10.1.2.3',timestamp=2026-11-24T10:00:00",
      "ip='10.1.2.3',timestamp=2026-11-24T10:00:00%2B00:00",
      "ip='10.1.2.3',timestamp=2026-11-24T12:00:01Z",
      "ip='10.1.2.3',timestamp=2026-10-25T11:59:59Z",
      "ip='10.1.2.3'",
      'ip=10.1.2.3,timestamp=2026-11-24T10:00:00Z',
      "ip='host-1',timestamp=2026-11-24T10:00:00Z",
    ];
    for (const parameters of wrong) {
      const reply = await ask(`/api/machines/findbyip(${parameters})`);
      expect([parameters, reply.status]).toEqual([parameters, 400]);
      expect(reply.body).toMatchObject({ error: { code: anyText, target: anyText } });
    }
  });

  it('shows a machine by id or name, without what its record lacks', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    const machine = simulator.world.addMachine({
      computerDnsName: 'PC-7.corp.example',
      overrides: { riskScore: undefined, healthStatus: null },
    });
    const reply = await ask(`/api/v1.0/machines/${machine.id}`);
    expect(reply.body).toMatchObject({
      id: machine.id,
      healthStatus: null,
      lastSeen: like(/\.\d{7}Z$/),
    });
    expect(reply.body).not.toHaveProperty('riskScore');
    expect((await ask('/api/machines/pc-7.corp.example')).status).toBe(200);
    simulator.world.deleteMachine(machine.id);
    expect(await ask(`/api/machines/${machine.id}`)).toMatchObject({
      status: 404,
      body: refusal('ResourceNotFound', `Machine ${machine.id} was not found`),
    });
  });

  it('lists machine actions newest first, filtered, ordered and paged by links to another host', async () => {
    const simulator = await start({ clock: { now: () => noon }, actionPageSize: 2 });
    const ask = await defender(simulator);
    const { id } = simulator.world.addMachine();
    const other = simulator.world.addMachine();
    for (let hour = 1; hour <= 3; hour += 1) {
      simulator.world.addAction({
        id: `action-${hour}`,
        machineId: id,
        type: hour === 2 ? 'Unisolate' : 'Isolate',
        createdAt: noon - hour * 3_600_000,
      });
    }
    simulator.world.addAction({ id: 'scan', machineId: id, type: 'RunAntiVirusScan', createdAt: noon - 1 });
    simulator.world.addAction({ id: 'elsewhere', machineId: other.id, createdAt: noon - 1 });
    const list = (query: Record<string, string>): Promise<Reply> => {
      const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
      return ask(`/api/machineactions?${pairs.join('&')}`);
    };
    const $filter = `machineId eq '${id}' and (type eq 'Isolate' or type eq 'Unisolate')`;
    const first = await list({ $filter });
    expect(column(first.body, 'value', 'id')).toEqual(['action-1', 'action-2']);
    expect(first.body).toHaveProperty('@odata.nextLink', like(/^https:\/\/api-us3\./));
    const second = await list({ $filter, $skip: '2' });
    expect(column(second.body, 'value', 'id')).toEqual(['action-3']);
    expect(second.body).not.toHaveProperty('@odata.nextLink');
    const since = `type in ('Isolate','Unisolate') and creationDateTimeUtc ge 2026-11-24T10:00:00Z`;
    expect(column((await list({ $filter: since })).body, 'value', 'id')).toEqual(['elsewhere', 'action-1']);
    const oldest = await list({ $filter, $orderby: 'lastUpdateDateTimeUtc asc', $top: '1' });
    expect(column(oldest.body, 'value', 'id')).toEqual(['action-3']);
    expect(oldest.body).not.toHaveProperty('@odata.nextLink');
    const wrong: Record<string, string>[] = [
      { $filter: `machineId eq "${id}"` },
      { $filter: `computerDnsName eq 'x'` },
      { $filter: `creationDateTimeUtc ge '2026-11-24T10:00:00Z'` },
      { $filter: `type eq Isolate` },
      { $filter: `(type eq 'Isolate'` },
      { $top: '10001' },
      { $orderby: 'status' },
      { filter: 'x' },
    ];
    for (const query of wrong)
      expect(await list(query)).toMatchObject({ status: 400, body: { error: { code: 'ODataError' } } });
  });

  it('lists alerts of a machine and of all, but not by machine', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    const { id } = simulator.world.addMachine();
    simulator.world.addAlert({ id: 'one', machineId: id });
    simulator.world.addAlert({ id: 'two', machineId: null, status: 'Resolved' });
    expect(column((await ask(`/api/machines/${id}/alerts`)).body, 'value', 'id')).toEqual(['one']);
    expect((await ask('/api/machines/nobody/alerts')).status).toBe(404);
    const open = await ask(`/api/alerts?$filter=${encodeURIComponent("status ne 'Resolved'")}`);
    expect(column(open.body, 'value', 'id')).toEqual(['one']);
    expect(await ask(`/api/alerts?$filter=${encodeURIComponent(`machineId eq '${id}'`)}`)).toMatchObject({
      status: 400,
      body: { error: { code: 'ODataError' } },
    });
  });

  it('isolates and releases when it is told to, and refuses what it does not understand', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    const { id } = simulator.world.addMachine();
    const path = `/api/machines/${id}/isolate`;
    const refused: [unknown, string][] = [
      [{ comment: 'x', isolationType: 'Full' }, 'InvalidRequestBody'],
      [{ Comment: 'x' }, 'MissingRequiredParameter'],
      [{ Comment: '', IsolationType: 'Full' }, 'MissingRequiredParameter'],
      [{ Comment: 'x', IsolationType: 'full' }, 'InvalidInput'],
      [['x'], 'InvalidRequestBody'],
    ];
    for (const [body, code] of refused) {
      expect(await ask(path, json('POST', body))).toMatchObject({ status: 400, body: { error: { code } } });
    }
    const form = {
      method: 'POST',
      body: 'Comment=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    expect((await ask(path, form)).status).toBe(415);
    expect((await ask(...isolate('0'.repeat(40)))).status).toBe(404);
    expect(simulator.world.snapshot().actions).toEqual([]);

    const asked = await ask(...isolate(id));
    expect(asked).toMatchObject({
      status: 201,
      body: { type: 'Isolate', status: 'Pending', scope: 'Full', machineId: id },
    });
    expect(await ask(...isolate(id))).toMatchObject({
      status: 400,
      body: refusal('ActiveRequestAlreadyExists', 'Action is already in progress'),
    });
    simulator.settings.duplicateAction = 'earlier';
    const earlier = await ask(...isolate(id));
    expect([earlier.status, object(earlier.body)['id']]).toEqual([201, object(asked.body)['id']]);
    simulator.world.settleActions();
    expect(simulator.world.machine(id).isolated).toBe(true);
    expect(await ask(...release(id))).toMatchObject({
      status: 201,
      body: { type: 'Unisolate', scope: null },
    });
    simulator.world.settleActions();
    expect(simulator.world.machine(id).isolated).toBe(false);
    expect(simulator.world.violations).toEqual([]);
  });

  it('leaves a second isolation pending, which comes back after the release', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    const machine = simulator.world.addMachine({ protected: true });
    await ask(...isolate(machine.id));
    simulator.world.settleActions();
    expect((await ask(...isolate(machine.id))).status).toBe(201);
    simulator.world.settleActions();
    expect(simulator.world.snapshot().actions.map(({ status }) => status)).toEqual(['Succeeded', 'Pending']);
    await ask(...release(machine.id));
    simulator.world.settleActions();
    expect(simulator.world.snapshot().actions.map(({ status }) => status)).toEqual([
      'Succeeded',
      'Succeeded',
      'Succeeded',
    ]);
    expect(machine.isolated).toBe(true);
    const isProtected = `machine ${machine.id}: protected, but isolated`;
    expect(simulator.world.violations).toEqual([
      isProtected,
      isProtected,
      `machine ${machine.id}: isolated twice`,
    ]);
  });

  it('cancels pending actions only', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    const { id } = simulator.world.addMachine();
    const action = simulator.world.portalIsolate(id, 'Pending');
    const cancel = (): Promise<Reply> =>
      ask(`/api/machineactions/${action.id}/cancel`, json('POST', { Comment: 'not needed' }));
    expect(await cancel()).toMatchObject({
      status: 200,
      body: { status: 'Cancelled', cancellationComment: 'not needed', errorHResult: -2147467260 },
    });
    expect((await cancel()).status).toBe(400);
    simulator.world.advanceAction(action.id, 'InProgress');
    expect((await cancel()).status).toBe(400);
    expect((await ask('/api/machineactions/unknown/cancel', json('POST', { Comment: 'x' }))).status).toBe(
      404,
    );
  });

  it('carries actions out in time, and lets those of offline machines time out after three days', async () => {
    let now = noon;
    const simulator = await start({
      clock: { now: () => now },
      actionDelayMs: 30_000,
      actionIndexLagMs: 5_000,
    });
    const ask = await defender(simulator);
    const near = simulator.world.addMachine();
    const far = simulator.world.addMachine({ online: false });
    const made = await ask(...isolate(near.id));
    await ask(...isolate(far.id));
    const one = `/api/machineactions/${String(object(made.body)['id'])}`;
    expect((await ask(one)).status).toBe(404);
    expect((await ask('/api/machineactions')).body).toMatchObject({ value: [] });
    now += 5_001;
    expect((await ask(one)).body).toMatchObject({ status: 'Pending' });
    now += 25_000;
    expect((await ask(one)).body).toMatchObject({ status: 'Succeeded', errorHResult: 0 });
    now += 3 * 86_400_000;
    expect(simulator.world.snapshot().actions.map(({ status }) => status)).toEqual(['Succeeded', 'TimeOut']);
    expect(far.isolated).toBe(false);
  });

  it('refuses platforms that cannot be isolated, and takes a release for a record that is gone', async () => {
    const simulator = await start();
    const ask = await defender(simulator);
    for (const fields of [
      { osPlatform: 'Android' },
      { osPlatform: 'iOS' },
      { onboardingStatus: 'CanBeOnboarded' },
    ]) {
      const { id } = simulator.world.addMachine(fields);
      expect(await ask(...isolate(id))).toMatchObject({
        status: 400,
        body: { error: { code: 'OsPlatformNotSupported' } },
      });
    }
    const linux = simulator.world.addMachine({ osPlatform: 'Ubuntu' });
    const selective = json('POST', { Comment: 'x', IsolationType: 'Selective' });
    expect((await ask(`/api/machines/${linux.id}/isolate`, selective)).status).toBe(400);
    simulator.world.portalIsolate(linux.id);
    simulator.world.deleteMachine(linux.id);
    expect((await ask(...release(linux.id))).status).toBe(404);
    simulator.world.deleteMachine(linux.id, { acceptsActions: true });
    expect((await ask(...release(linux.id))).status).toBe(201);
    simulator.world.settleActions();
    expect(linux.isolated).toBe(false);
  });

  it('counts each call by itself and says when the next one may come', async () => {
    let now = noon;
    const simulator = await start({ clock: { now: () => now }, quotas: { perMinute: 2, perHour: 3 } });
    const { id } = simulator.world.addMachine();
    const ask = await defender(simulator);
    const machine = (): Promise<Reply> => ask(`/api/machines/${id}`);
    expect((await machine()).status).toBe(200);
    now += 10_000;
    expect((await machine()).status).toBe(200);
    const perMinute = await machine();
    expect(perMinute).toMatchObject({
      status: 429,
      body: refusal('429', 'API calls quota exceeded! maximum allowed 2 per 00:01:00'),
    });
    expect(perMinute.headers.get('retry-after')).toBe('50');
    expect((await ask('/api/machines')).status).toBe(200);
    now += 50_000;
    expect((await machine()).status).toBe(200);
    const perHour = await machine();
    expect(perHour.body).toEqual(refusal('429', 'API calls quota exceeded! maximum allowed 3 per 01:00:00'));
    expect(perHour.headers.get('retry-after')).toBe('3540');
  });
});

describe('the world', () => {
  it('is copied as plain JSON, to be compared before and after', async () => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: ['block'], notes: ['theirs'] });
    const before = simulator.world.snapshot();
    expect(JSON.parse(JSON.stringify(before))).toEqual(before);
    expect(before).toEqual({
      hosts: { [host.id]: { tags: ['block'], notes: [{ id: 301, note: 'theirs' }] } },
      actions: [],
      machines: { [machine.id]: { isolated: false } },
    });
    simulator.world.portalIsolate(machine.id);
    simulator.world.tagHost(host.id, 'new');
    expect(before.hosts[host.id]?.tags).toEqual(['block']);
    expect(simulator.world.snapshot()).toMatchObject({
      actions: [{ type: 'Isolate', status: 'Succeeded', machineId: machine.id }],
      machines: { [machine.id]: { isolated: true } },
    });
  });
});

describe('faults, hooks and the ledger', () => {
  it('keep or lose the effect as the kind of fault says', async () => {
    const simulator = await start();
    const { id } = simulator.world.addHost();
    const add = (tag: string): Promise<Reply> =>
      detect(simulator, '/tagging/host', json('POST', { objectIds: [id], tag: `riskScore: ${tag}` }));
    const fault = (kind: Parameters<typeof simulator.faults.add>[0]['kind']): void => {
      simulator.faults.add({ match: (entry) => entry.call === 'tag-add', kind, times: 1 });
    };
    fault('reset-before');
    await expect(add('a')).rejects.toThrow('fetch failed');
    fault('reset-after');
    await expect(add('b')).rejects.toThrow('fetch failed');
    fault('500');
    expect((await add('c')).status).toBe(500);
    fault('502-html');
    expect((await add('c')).body).toContain('<html>');
    fault('429');
    expect((await add('c')).headers.get('retry-after')).toBe('1');
    fault('401');
    expect((await add('c')).body).toEqual({ details: 'Invalid token.' });
    fault('html-200');
    expect((await add('c')).status).toBe(200);
    fault({ status: 418, body: { error: 'teapot' } });
    expect((await add('c')).status).toBe(418);
    fault('empty-200');
    expect(await add('d')).toMatchObject({ status: 200, body: '' });
    fault('truncated');
    await expect(add('e')).rejects.toThrow(SyntaxError);
    fault({ status: 503, after: true });
    expect((await add('f')).status).toBe(503);
    expect(simulator.world.host(id).tags).toEqual(
      ['b', 'd', 'e', 'f'].map((letter) => `riskScore: ${letter}`),
    );
    const effects = simulator.ledger.writes().map(({ fault: kind, effect }) => [kind, effect]);
    expect(effects).toEqual([
      ['reset-before', false],
      ['reset-after', true],
      ['500', false],
      ['502-html', false],
      ['429', false],
      ['401', false],
      ['html-200', false],
      ['418', false],
      ['empty-200', true],
      ['truncated', true],
      ['503', true],
    ]);
  });

  it('hang, drip and never end', async () => {
    const simulator = await start();
    const ask = (kind: 'hang' | 'drip' | 'oversize'): Promise<number> => {
      simulator.faults.add({ match: () => true, kind, times: 1 });
      return fetch(`${simulator.detectUrl}/api/v2.5/groups`, { signal: AbortSignal.timeout(300) }).then(
        async (response) => {
          let bytes = 0;
          if (response.body)
            for await (const chunk of response.body) bytes += chunk instanceof Uint8Array ? chunk.length : 0;
          return bytes;
        },
      );
    };
    for (const kind of ['hang', 'drip', 'oversize'] as const) {
      await expect(ask(kind)).rejects.toThrow('The operation was aborted due to timeout');
    }
  });

  it('let a test step in around each request', async () => {
    const simulator = await start();
    const { id } = simulator.world.addHost({ tags: ['block'] });
    const seen: string[] = [];
    simulator.hooks.before = (entry) => {
      seen.push(`before ${entry.n} ${entry.call}`);
      if (entry.call === 'tags') simulator.world.untagHost(id, 'block');
    };
    simulator.hooks.after = async (entry) => {
      await Promise.resolve();
      seen.push(`after ${entry.n} ${entry.call}`);
    };
    await search(simulator, 'host.tags:"block"');
    expect((await detect(simulator, `/tagging/host/${id}`)).body).toMatchObject({ tags: [] });
    expect(seen).toEqual(['before 1 search', 'after 1 search', 'before 2 tags', 'after 2 tags']);
    expect(simulator.ledger.calls()).toEqual({ detect: 2, login: 0, atp: 0 });
  });

  it('record every request with its name, body and answer', async () => {
    const simulator = await start({ latencyMs: 30 });
    const { machine, host } = simulator.world.addPair();
    const ask = await defender(simulator);
    await Promise.all([
      detect(simulator, `/hosts/${host.id}`),
      detect(simulator, `/hosts/${host.id}`),
      ask(...isolate(machine.id)),
      ask('/api/nothing'),
    ]);
    expect(simulator.ledger.entries).toHaveLength(5);
    expect(simulator.ledger.count('host')).toBe(2);
    expect(simulator.ledger.peak('detect')).toBe(2);
    expect(simulator.ledger.writes()).toEqual([
      {
        n: anyNumber,
        service: 'atp',
        call: 'isolate',
        method: 'POST',
        path: `/api/machines/${machine.id}/isolate`,
        query: {},
        body: { Comment: 'test', IsolationType: 'Full' },
        authorization: like(/^Bearer /),
        userAgent: anyText,
        at: anyNumber,
        status: 201,
        effect: true,
        fault: undefined,
      },
    ]);
    expect(simulator.ledger.of('unknown')).toMatchObject([{ status: 404, effect: false }]);
    simulator.ledger.clear();
    expect(simulator.ledger.entries).toEqual([]);
  });
});

describe('running the command', () => {
  it('gives it a bare environment, a private configuration file and no terminal', async () => {
    const simulator = await start();
    const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
    const script = join(folder, 'script.mjs');
    writeFileSync(
      script,
      `import { readFileSync, statSync } from 'node:fs';
       const file = process.argv[3];
       console.error('words');
       console.log(JSON.stringify({
         args: process.argv.slice(4), names: Object.keys(process.env).filter((name) => name !== '_' && name !== 'PWD').sort(),
         mode: statSync(file).mode & 0o777, config: JSON.parse(readFileSync(file, 'utf8')), tty: Boolean(process.stdout.isTTY),
         stdin: readFileSync(0, 'utf8'),
       }));
       process.exitCode = 3;`,
    );
    const overrides = { isolation: { maxPerRun: 2 }, detect: { token: undefined } };
    const result = await runAtp(['--json', "it's"], { simulator, overrides, script, env: { EXTRA: 'a b' } });
    expect(result).toMatchObject({ code: 3, signal: null, stderr: 'words\n' });
    expect(result.report).toMatchObject({
      args: ['--json', "it's"],
      names: ['EXTRA', 'HOME', 'PATH'],
      mode: 0o600,
      tty: false,
      stdin: '',
      config: { detect: { url: simulator.detectUrl }, isolation: { type: 'Full', maxPerRun: 2 } },
    });
    expect(object(result.report)['config']).not.toHaveProperty('detect.token');

    writeFileSync(
      script,
      `process.on('SIGTERM', () => process.exit(9)); console.log('up'); setInterval(() => {}, 1000);`,
    );
    const running = spawnAtp([], { simulator, script });
    if (!running.child.stdout) throw new Error('no output');
    await once(running.child.stdout, 'data');
    running.child.kill('SIGTERM');
    expect(await running.result).toMatchObject({ code: 9, signal: null, stdout: 'up\n', report: undefined });
    rmSync(folder, { recursive: true });
  });
});
