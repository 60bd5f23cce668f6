import * as z from 'zod/mini';
import { ApiError, ConfigError } from '../errors.ts';
import { optionalText, type Answer } from '../http/read-reply.ts';
import { orGone, type DetectApi, type DetectCall } from './api.ts';
import { hostTags } from './host.ts';

/** `gone`: the host does not exist any more. */
export type TagOutcome = 'done' | 'gone';

/** Calls for the tags of single hosts. */
export interface TagCalls {
  /** A host's tags from the database; undefined when the host is gone. */
  getTags(id: number): Promise<string[] | undefined>;
  /** Adds one tag and touches no other. A Detect without this call is a ConfigError. */
  addTag(id: number, tag: string): Promise<TagOutcome>;
  /** Removes one tag and touches no other. A Detect without this call is a ConfigError. */
  removeTag(id: number, tag: string): Promise<TagOutcome>;
}

/** The tags of one host. */
export const TagsReply = z.object({ tags: hostTags });

/** A tagging call that failed although its HTTP status says otherwise. */
const TaggingFailure = z.object({
  status: z.string().check(z.regex(/^failure$/i)),
  message: optionalText,
});

type Method = 'POST' | 'DELETE';

/** The result of one call; a failure is one that a single host among several may be to blame for. */
type Result = 'done' | { failure: ApiError; mayBeDone: boolean };

/** One call for all hosts that wait for the same change; more may join until it leaves. */
interface Batch {
  ids: Set<number>;
  result: Promise<Result>;
  /** After a failure: the first host tried alone. The others wait for it, since it may show that no call can work. */
  probe: Promise<unknown> | undefined;
}

/** Keeps a body to a few kilobytes; Detect is known to refuse what it finds too large. */
const maxIds = 200;

/** More tags of one host are not read into memory. */
const maxTagsBytes = 2 ** 20;

const endpoint = '/tagging/host';

/** How Detect's tagging calls say that there is no such host; a missing call answers in other words. */
const noSuchHost = /could not find requested object/i;

/**
 * Adds and removes single tags by the calls that touch no other tag (`POST` and `DELETE /tagging/host`, seen in
 * Vectra's own Python client). While all connections are busy, hosts that wait for the same change gather in one call.
 */
export function createTagCalls(api: DetectApi): TagCalls {
  const waiting = new Map<string, Batch>();
  let missing: ConfigError | undefined;

  async function getTags(id: number): Promise<string[] | undefined> {
    const path = `${endpoint}/${id}`;
    const right = 'read the tags of hosts';
    const call = { method: 'GET', path, subject: id, maxBytes: maxTagsBytes, right } as const;
    const read = api.read(call, (answer) => {
      const failure = failureIn(answer);
      if (failure) throw failure;
      return answer.read(TagsReply, 'a list of tags').tags;
    });
    return await orGone(read);
  }

  function callFor(method: Method, ids: Iterable<number>, tag: string): DetectCall {
    if (missing) throw missing;
    const subject = [...ids];
    const json = { objectIds: subject, tag };
    const right = 'change the tags of hosts';
    // Adding a tag twice adds it once.
    return { method, path: endpoint, json, subject, idempotent: true, maxBytes: maxTagsBytes, right };
  }

  async function send(call: () => DetectCall): Promise<Result> {
    try {
      const failure = failureIn(await api.request(call));
      return failure ? { failure, mayBeDone: false } : 'done';
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
    const result = send(() => {
      if (waiting.get(key)?.ids === ids) waiting.delete(key);
      return callFor(method, ids, tag);
    });
    const batch: Batch = { ids, result, probe: undefined };
    waiting.set(key, batch);
    return batch;
  }

  async function change(method: Method, tag: string, id: number): Promise<TagOutcome> {
    const key = `${method} ${tag}`;
    const open = waiting.get(key);
    const batch = open && (open.ids.size < maxIds || open.ids.has(id)) ? open : openBatch(method, tag, key);
    batch.ids.add(id);

    const result = await batch.result;
    if (result === 'done') return 'done';
    if (batch.ids.size === 1 || result.mayBeDone) return judge(method, tag, id, result);
    // One host that is gone must not spoil it for the others.
    const outcome = afterwards(batch.probe, () => changeAlone(method, tag, id));
    batch.probe ??= outcome;
    return outcome;
  }

  async function changeAlone(method: Method, tag: string, id: number): Promise<TagOutcome> {
    const result = await send(() => callFor(method, [id], tag));
    return result === 'done' ? 'done' : judge(method, tag, id, result);
  }

  /** What a failure means for one of the hosts. */
  async function judge(
    method: Method,
    tag: string,
    id: number,
    { failure, mayBeDone }: Exclude<Result, 'done'>,
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
    getTags,
    addTag: (id, tag) => change('POST', tag, id),
    removeTag: (id, tag) => change('DELETE', tag, id),
  };
}

/** The failure that an answer tells of in its own words. */
function failureIn(answer: Answer): ApiError | undefined {
  const { data } = TaggingFailure.safeParse(answer.body);
  const words = data?.message === undefined ? '' : `: ${data.message}`;
  return data && answer.unreadable(`success, not failure${words}`);
}

async function afterwards<Value>(
  before: Promise<unknown> | undefined,
  task: () => Promise<Value>,
): Promise<Value> {
  await before?.catch(() => undefined);
  return task();
}
