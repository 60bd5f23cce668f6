import { ApiError, ConfigError } from '../errors.ts';
import { unreadable } from '../http/read-reply.ts';
import type { DetectApi, DetectCall } from './api.ts';
import { TaggingFailure } from './reply.ts';

/** `gone`: the host does not exist any more. */
export type TagOutcome = 'done' | 'gone';

/** Calls for single tags of single hosts; hosts that wait for the same change share a request. */
export interface BulkTags {
  add: (id: number, tag: string) => Promise<TagOutcome>;
  remove: (id: number, tag: string) => Promise<TagOutcome>;
}

type Method = 'POST' | 'DELETE';

/** What came of one request; a failure is one that a single host among several may be to blame for. */
type Answer = 'done' | { failure: ApiError; mayBeDone: boolean };

/** One request for all hosts that wait for the same change; more may join until it leaves. */
interface Batch {
  ids: Set<number>;
  answer: Promise<Answer>;
  /** After a failure: the first host tried alone. The others wait for it, since it may show that no call can work. */
  probe: Promise<unknown> | undefined;
}

/** Keeps a body to a few kilobytes; Detect is known to refuse what it finds too large. */
const maxIds = 200;

const endpoint = '/tagging/host';

/** How Detect's tagging calls say that there is no such host; a missing call answers in other words. */
const noSuchHost = /could not find requested object/i;

/**
 * Adds and removes single tags by the calls that touch no other tag (`POST` and `DELETE /tagging/host`, seen in
 * Vectra's own Python client). While all connections are busy, requests for the same change gather in one call.
 */
export function createBulkTags(
  api: DetectApi,
  getTags: (id: number) => Promise<string[] | undefined>,
): BulkTags {
  const waiting = new Map<string, Batch>();
  let missing: ConfigError | undefined;

  function callFor(method: Method, ids: Iterable<number>, tag: string): DetectCall {
    if (missing) throw missing;
    const subject = [...ids];
    const json = { objectIds: subject, tag };
    // Adding a tag twice adds it once.
    return { method, path: endpoint, json, subject, idempotent: true, right: 'change the tags of hosts' };
  }

  async function send(method: Method, call: () => DetectCall): Promise<Answer> {
    try {
      const { body, status } = await api.request(call);
      const failed = TaggingFailure.safeParse(body);
      if (!failed.success) return 'done';
      const words = failed.data.message === undefined ? '' : `: ${failed.data.message}`;
      const errorCall = { service: 'detect', method, path: api.path(endpoint) } as const;
      return { failure: unreadable(errorCall, status, `success, not failure${words}`), mayBeDone: false };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { status = 500, failure } = error;
      if (failure === 'unreadable' && status < 300) return { failure: error, mayBeDone: true };
      const isTransient = status === 408 || status === 429 || status >= 500;
      if (failure !== 'status' || isTransient) throw error;
      return { failure: error, mayBeDone: false };
    }
  }

  function openBatch(method: Method, tag: string, key: string): Batch {
    const ids = new Set<number>();
    const answer = send(method, () => {
      if (waiting.get(key)?.ids === ids) waiting.delete(key);
      return callFor(method, ids, tag);
    });
    const batch: Batch = { ids, answer, probe: undefined };
    waiting.set(key, batch);
    return batch;
  }

  async function change(method: Method, tag: string, id: number): Promise<TagOutcome> {
    const key = `${method} ${tag}`;
    const open = waiting.get(key);
    const batch = open && (open.ids.size < maxIds || open.ids.has(id)) ? open : openBatch(method, tag, key);
    batch.ids.add(id);

    const answer = await batch.answer;
    if (answer === 'done') return 'done';
    if (batch.ids.size === 1 || answer.mayBeDone) return judge(method, tag, id, answer);
    // One host that is gone must not spoil it for the others.
    const outcome = afterwards(batch.probe, () => changeAlone(method, tag, id));
    batch.probe ??= outcome;
    return outcome;
  }

  async function changeAlone(method: Method, tag: string, id: number): Promise<TagOutcome> {
    const answer = await send(method, () => callFor(method, [id], tag));
    return answer === 'done' ? 'done' : judge(method, tag, id, answer);
  }

  /** What a failure means for one of the hosts. */
  async function judge(
    method: Method,
    tag: string,
    id: number,
    { failure, mayBeDone }: Exclude<Answer, 'done'>,
  ): Promise<TagOutcome> {
    const isMissing = failure.status === 404 || failure.status === 405;
    if (failure.status === 404 && noSuchHost.test(failure.serviceMessage ?? '')) return 'gone';
    if (!isMissing && !mayBeDone) throw failure;

    const tags = await getTags(id);
    if (tags === undefined) return 'gone';
    if (isMissing) {
      missing = new ConfigError(
        'this Detect has no bulk tagging calls (POST and DELETE /tagging/host), and no other call changes a tag without touching the rest',
        `It answered ${failure.status} to ${failure.method} ${failure.path}: check detect.url and detect.apiVersion.`,
      );
      throw missing;
    }
    // The answer said nothing readable; the tags tell whether it was carried out.
    if (tags.includes(tag) === (method === 'POST')) return 'done';
    throw failure;
  }

  return {
    add: (id, tag) => change('POST', tag, id),
    remove: (id, tag) => change('DELETE', tag, id),
  };
}

async function afterwards<Value>(
  before: Promise<unknown> | undefined,
  task: () => Promise<Value>,
): Promise<Value> {
  await before?.catch(() => undefined);
  return task();
}
