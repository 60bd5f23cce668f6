import {
  invalidParameters,
  methodNotAllowed,
  noRight,
  notFound,
  notFoundPage,
  noTagged,
  page,
} from './detect-answers.ts';
import {
  brainUrl,
  groupDocument,
  hostDocument,
  indexedFields,
  noteDocument,
  searchDocument,
} from './detect-documents.ts';
import type { DetectLogin } from './detect-login.ts';
import { escapeHtml, isIds, isTexts, numberOf, only } from './detect-values.ts';
import { cutTag, type SimHost, type SimNote } from './hosts.ts';
import { isObject, parseJson, type JsonObject } from './json.ts';
import { compileQuery, LuceneError } from './lucene.ts';
import { createRouter, type Answer, type Handler, type Match, type Route, type SimRequest } from './route.ts';
import type { Settings } from './settings.ts';
import type { World } from './world.ts';

/** Detect's API, versions 2.2 to 2.5: search, hosts, tags, notes and groups. */
export function createDetect(
  world: World,
  settings: Settings,
  login: DetectLogin,
): (method: string, path: string) => Match {
  function text(note: string): string {
    return settings.htmlEscapeNotes ? escapeHtml(note) : note;
  }

  /** What is asked of every call before it is looked at: version, token, rights, length of the address, parameters. */
  function guarded(parameters: readonly string[], handler: Handler): Handler {
    return (request) => {
      if (!settings.apiVersions.includes(versionOf(request))) return notFoundPage;
      if (request.target.length > 8000) return page(414, 'Request-URI Too Large');
      if (!login.admits(versionOf(request), request.headers['authorization'])) {
        return { status: 401, body: { details: 'Invalid token.' } };
      }
      const writes = request.entry.method !== 'GET';
      if (settings.detectRights === 'none' || (settings.detectRights === 'read-only' && writes)) {
        return { status: 403, body: noRight };
      }
      const unknown = Object.keys(request.entry.query).filter((name) => !parameters.includes(name));
      if (unknown.length > 0) return invalidParameters(unknown);
      if (writes) {
        const type = request.headers['content-type'] ?? '';
        if (!/^application\/json\b/.test(type)) {
          return { status: 415, body: { detail: `Unsupported media type "${type}" in request.` } };
        }
        if (!isObject(parseJson(request.text))) {
          return {
            status: 400,
            body: { detail: 'JSON parse error - Expecting value: line 1 column 1 (char 0)' },
          };
        }
      }
      return handler(request);
    };
  }

  function search({ entry }: SimRequest): Answer {
    let matches;
    try {
      matches = compileQuery(entry.query['query_string'] ?? 'host.id:*');
    } catch (error) {
      if (error instanceof LuceneError) return { status: 422, body: { errors: [{ title: error.message }] } };
      throw error;
    }
    const found = world
      .view()
      .map((host) => ({ host, fields: indexedFields(host) }))
      .filter(({ fields }) => matches(fields));
    const order = entry.query['order_field'];
    if (order !== undefined) {
      found.sort((one, other) => (String(one.fields[order]) < String(other.fields[order]) ? -1 : 1));
    }
    const whole = paged(entry, found, ({ host }) =>
      only(searchDocument(host, world.groups, text), entry.query['field']),
    );
    return found.length > 0 && settings.shortSearches > 0 ? shortened(whole) : whole;
  }

  /** The last page of a list without its last row, once less from now on; any other page as it is. */
  function shortened(whole: Answer): Answer {
    const { body } = whole;
    if (!isObject(body) || body['next'] !== null || !Array.isArray(body['results'])) return whole;
    settings.shortSearches -= 1;
    return { ...whole, body: { ...body, results: body['results'].slice(0, -1) } };
  }

  function paged<T>(entry: SimRequest['entry'], items: readonly T[], show: (item: T) => unknown): Answer {
    const size = numberOf(entry.query['page_size'] ?? '50');
    if (size === undefined || size < 1 || size > 5000) return invalidParameters(['page_size']);
    const perPage = Math.min(size, settings.pageSize ?? size);
    const number = numberOf(entry.query['page'] ?? '1');
    const pages = Math.max(1, Math.ceil(items.length / perPage));
    if (number === undefined || number < 1 || number > pages) {
      const asked = entry.query['page'] ?? '';
      return { status: 404, body: { detail: `Invalid page "${asked}": That page contains no results.` } };
    }
    const link = (to: number): string =>
      `${brainUrl}${entry.path}?${new URLSearchParams({ ...entry.query, page: String(to) }).toString()}`;
    return {
      status: 200,
      body: {
        count: items.length,
        results: items.slice((number - 1) * perPage, number * perPage).map(show),
        previous: number > 1 ? link(number - 1) : null,
        next: number < pages ? link(number + 1) : null,
      },
    };
  }

  /** A call about one host, which may not exist. */
  function ofHost(missing: Answer, handler: (host: SimHost, request: SimRequest) => Answer): Handler {
    return (request) => {
      const host = world.hosts.get(Number(request.params[1]));
      return host ? handler(host, request) : missing;
    };
  }

  function replaceTags(host: SimHost, request: SimRequest): Answer {
    const { tags, ...rest } = bodyOf(request);
    if (!isTexts(tags) || Object.keys(rest).length > 0) {
      return { status: 400, body: { status: 'failure', message: 'Invalid request', invalid_tags: [] } };
    }
    world.setTags(host, tags);
    return { status: 200, body: { status: 'success', tag_id: host.id, tags: host.tags } };
  }

  function bulk(
    change: (tags: readonly string[], tag: string) => string[],
    refused: () => string[],
  ): Handler {
    return (request) => {
      if (!settings.bulkTagging) return methodNotAllowed(request);
      const { objectIds, tag, ...rest } = bodyOf(request);
      if (!isIds(objectIds) || typeof tag !== 'string' || tag === '' || Object.keys(rest).length > 0) {
        return { status: 400, body: { status: 'failure', message: 'Invalid request' } };
      }
      if (refused().includes(tag)) {
        return { status: 400, body: { status: 'failure', message: 'Invalid tag', invalid_tags: [tag] } };
      }
      const hosts = objectIds.flatMap((id) => world.hosts.get(id) ?? []);
      if (hosts.length < objectIds.length) return noTagged;
      for (const host of new Set(hosts)) world.setTags(host, change(host.tags, cutTag(tag)));
      return { status: 200, body: settings.bulkAnswer === 'json' ? { status: 'success' } : undefined };
    };
  }

  function listNotes(host: SimHost): Answer {
    // Recorded lists are in no order of time.
    const shuffled = [...host.notes].sort((one, other) => ((one.id * 7) % 10) - ((other.id * 7) % 10));
    return { status: 200, body: shuffled.map((note) => noteDocument(note, text)) };
  }

  function putNote(host: SimHost, request: SimRequest, note: SimNote | undefined): Answer {
    const { note: words, ...rest } = bodyOf(request);
    if (typeof words !== 'string' || words === '')
      return { status: 400, body: { note: ['This field is required.'] } };
    if (Object.keys(rest).length > 0) return { status: 400, body: { non_field_errors: ['Unknown field.'] } };
    if (Array.from(words).length > 8000) return page(413, 'Request Entity Too Large');
    if (note?.refuses === 413) return page(413, 'Request Entity Too Large');
    if (note?.refuses === 403) return { status: 403, body: noRight };
    return { status: 200, body: noteDocument(world.putNote(host, words, note), text, '.106375') };
  }

  function ofNote(handler: (host: SimHost, request: SimRequest, note: SimNote) => Answer): Handler {
    return ofHost(notFound, (host, request) => {
      const note = host.notes.find(({ id }) => id === Number(request.params[2]));
      return note ? handler(host, request, note) : notFound;
    });
  }

  function listGroups({ entry }: SimRequest): Answer {
    const { name = '', description = '', type } = entry.query;
    if (type !== undefined && !['host', 'account', 'ip', 'domain'].includes(type))
      return invalidParameters(['type']);
    const groups = [...world.groups.values()].filter(
      (group) =>
        group.name.toLowerCase().includes(name.toLowerCase()) &&
        group.description.toLowerCase().includes(description.toLowerCase()) &&
        (type ?? group.type) === group.type,
    );
    return paged(entry, groups, (group) => groupDocument(group, [...world.hosts.values()]));
  }

  const paging = ['page', 'page_size'];
  const routes: Route[] = [
    route('POST', '/oauth2/token', 'detect-token', (request) => login.token(versionOf(request), request)),
    route(
      'GET',
      '/search/hosts',
      'search',
      guarded([...paging, 'query_string', 'order_field', 'field'], search),
    ),
    route(
      'GET',
      String.raw`/hosts/(\d+)`,
      'host',
      guarded(
        ['fields', 'include_ldap', 'include_external'],
        ofHost(notFound, (host, request) => ({
          status: 200,
          body: only(
            hostDocument(host, world.groups, text, versionOf(request)),
            request.entry.query['fields'],
          ),
        })),
      ),
    ),
    route(
      'GET',
      String.raw`/tagging/host/(\d+)`,
      'tags',
      guarded(
        [],
        ofHost(noTagged, (host) => ({
          status: 200,
          body: { status: 'success', tag_id: String(host.id), tags: host.tags },
        })),
      ),
    ),
    route(
      'PATCH',
      String.raw`/tagging/host/(\d+)`,
      'tags-replace',
      guarded([], ofHost(noTagged, replaceTags)),
    ),
    route(
      'POST',
      '/tagging/host',
      'tag-add',
      guarded(
        [],
        bulk(withTag, () => settings.refusedTags),
      ),
    ),
    route(
      'DELETE',
      '/tagging/host',
      'tag-remove',
      guarded(
        [],
        bulk(withoutTag, () => []),
      ),
    ),
    route('GET', String.raw`/hosts/(\d+)/notes`, 'notes', guarded([], ofHost(notFound, listNotes))),
    route(
      'POST',
      String.raw`/hosts/(\d+)/notes`,
      'note-create',
      guarded(
        [],
        ofHost(notFound, (host, request) => putNote(host, request, undefined)),
      ),
    ),
    route(
      'GET',
      String.raw`/hosts/(\d+)/notes/(\d+)`,
      'note',
      guarded(
        [],
        ofNote((_host, _request, note) => ({ status: 200, body: noteDocument(note, text) })),
      ),
    ),
    route('PATCH', String.raw`/hosts/(\d+)/notes/(\d+)`, 'note-update', guarded([], ofNote(putNote))),
    route('GET', '/groups', 'groups', guarded([...paging, 'name', 'type', 'description'], listGroups)),
  ];
  return createRouter(routes, { noPath: () => notFoundPage, noMethod: methodNotAllowed });
}

// A tag that is there already is not added twice, and one that is not there is no failure to remove.
function withTag(tags: readonly string[], tag: string): string[] {
  return tags.includes(tag) ? [...tags] : [...tags, tag];
}

function withoutTag(tags: readonly string[], tag: string): string[] {
  return tags.filter((has) => has !== tag);
}

function route(method: string, path: string, call: string, handle: Handler): Route {
  return { method, path: new RegExp(String.raw`^/api/v(\d+\.\d+)${path}$`), call, handle };
}

function versionOf(request: SimRequest): string {
  return request.params[0] ?? '';
}

function bodyOf(request: SimRequest): JsonObject {
  const body = parseJson(request.text);
  return isObject(body) ? body : {};
}
