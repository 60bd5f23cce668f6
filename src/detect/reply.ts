import * as z from 'zod/mini';
import {
  mapped,
  optionalList,
  optionalNumber,
  optionalText,
  optionalTime,
  parseUtc,
} from '../http/read-reply.ts';
import type { Artifact, Host, Note } from './schema.ts';

const positiveId = z.int().check(z.positive());

/** The id of a host, which may come in quotes. */
const hostId = z.union([
  positiveId,
  z.pipe(mapped(z.string().check(z.regex(/^\d{1,15}$/u)), Number), positiveId),
]);

/** A host with more tags cannot be used. */
export const mostTags = 2_000;

/** Tags; a null among them says nothing. */
const tagList = mapped(z.array(z.nullable(z.string())), (tags) => tags.filter((tag) => tag !== null));

/** Where Detect prints no zone, it means UTC; whoever reads the text shall not have to know. */
const time = mapped(optionalText, (text) => {
  if (parseUtc(text) === undefined) return undefined;
  return /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text?.trim() ?? '') ? text : `${text?.trim() ?? ''}Z`;
});

const groupName = z.union([z.string(), mapped(z.object({ name: z.string() }), ({ name }) => name)]);
const groups = optionalList(groupName);

/** An artifact without a value says nothing about the host and is left out. */
const artifacts = mapped(
  optionalList(z.object({ type: z.string(), value: z.nullish(z.string()) })),
  (list): Artifact[] | undefined =>
    list?.flatMap(({ type, value }) => (value === undefined || value === null ? [] : [{ type, value }])),
);

const hostTags = tagList.check(z.maxLength(mostTags));

const fields = {
  id: hostId,
  name: optionalText,
  state: optionalText,
  threat: optionalNumber,
  certainty: optionalNumber,
  last_source: optionalText,
  ip: optionalText,
  last_seen: time,
  tags: mapped(z.nullish(hostTags), (tags) => tags ?? []),
};

interface Document {
  id: number;
  name?: string | undefined;
  state?: string | undefined;
  threat?: number | undefined;
  certainty?: number | undefined;
  last_source?: string | undefined;
  ip?: string | undefined;
  last_seen?: string | undefined;
  tags: string[];
  groups?: string[] | undefined;
  host_artifact_set?: Artifact[] | undefined;
}

function toHost(document: Document): Host {
  return {
    id: document.id,
    name: document.name,
    state: document.state,
    threat: document.threat,
    certainty: document.certainty,
    lastSource: document.last_source,
    ip: document.ip,
    lastSeen: document.last_seen,
    tags: document.tags,
    groups: document.groups,
    artifacts: document.host_artifact_set,
  };
}

/** What a document says of itself whose host cannot be used. */
export const Named = z.object({
  id: z.catch(z.optional(hostId), undefined),
  name: optionalText,
});

/**
 * A host in a list: groups or artifacts that cannot be read count as unknown. A document without `tags` is no document
 * of a host without tags: those have an empty list, or null.
 */
export const ListedHost = mapped(
  z.object({
    ...fields,
    tags: mapped(z.nullable(hostTags), (tags) => tags ?? []),
    groups: z.catch(groups, undefined),
    host_artifact_set: z.catch(artifacts, undefined),
  }),
  toHost,
);

/** A host read by itself, which an isolation is decided by: a list with a member that cannot be read spoils it. */
export const FullHost = mapped(z.object({ ...fields, groups, host_artifact_set: artifacts }), toHost);

/** A page of a list that Detect counts; `next` is the address of the next page. */
export const Page = z.object({
  results: z.array(z.unknown()),
  next: z.unknown(),
  count: optionalNumber,
});
export type Page = z.infer<typeof Page>;

/** Answer of the tagging calls; `status` is `success` or `failure`. */
export const TagsReply = z.object({ status: optionalText, tags: tagList });

/** A tagging call that failed although its HTTP status says otherwise. */
export const TaggingFailure = z.object({
  status: z.string().check(z.regex(/^failure$/i)),
  message: optionalText,
});

const NoteDocument = z.object({
  id: positiveId,
  note: z.nullish(z.string()),
  date_created: optionalTime,
});

/** The notes of a host. One that cannot be read might be the program's own, so that it spoils the list. */
export const Notes = mapped(
  z.union([z.array(NoteDocument), z.object({ results: z.array(NoteDocument), next: z.optional(z.null()) })]),
  (reply): Note[] =>
    (Array.isArray(reply) ? reply : reply.results).map(({ id, note, date_created }) => ({
      id,
      note: note ?? '',
      createdAt: date_created,
    })),
);

/** What is needed of the answer to a new or changed note. */
export const WrittenNote = z.object({ id: positiveId });

/** Groups came as a bare list in API 2.0, later with count and pages. */
export const GroupPage = z.union([
  mapped(z.array(z.unknown()), (results): Page => ({ results, next: null, count: undefined })),
  Page,
]);

export const Group = z.object({ name: z.string() });
