import * as z from 'zod/mini';
import { listOf, mapped, optionalList, optionalNumber, optionalText, parseUtc } from '../http/read-reply.ts';

/** The id of whatever Detect keeps. */
export const positiveId = z.int().check(z.positive());

/** The id of a host, which may come in quotes. */
const hostId = z.union([
  positiveId,
  z.pipe(mapped(z.string().check(z.regex(/^\d{1,15}$/u)), Number), positiveId),
]);

/** A host with more tags cannot be used. */
const mostTags = 2_000;

/** The tags of a host; a null among them says nothing. */
export const hostTags = mapped(listOf(z.nullable(z.string()), mostTags, 'tags'), (tags) =>
  tags.filter((tag) => tag !== null),
);

/** Where Detect prints no zone, it means UTC; readers of the text need not know that. */
const time = mapped(optionalText, (text = '') => {
  if (parseUtc(text) === undefined) return undefined;
  return /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text.trim()) ? text : `${text.trim()}Z`;
});

/** Something Detect learned about a host from its traffic: a name or a MAC address. */
export interface Artifact {
  /** `dhcp`, `kerberos`, `netbios`, `dns`, `rdns`, `mac`, `windows_defender_name` and others. */
  type: string;
  value: string;
}

/** An artifact without a value says nothing about the host and is left out. */
const artifacts = mapped(
  optionalList(z.object({ type: z.string(), value: z.nullish(z.string()) })),
  (list): Artifact[] | undefined =>
    list?.flatMap(({ type, value }) => (value === undefined || value === null ? [] : [{ type, value }])),
);

/** Names of the groups that a host is in. */
const groups = optionalList(
  z.union([z.string(), mapped(z.object({ name: z.string() }), ({ name }) => name)]),
);

const document = z.object({
  id: hostId,
  name: optionalText,
  /** `active` or `inactive`. */
  state: optionalText,
  threat: optionalNumber,
  certainty: optionalNumber,
  last_source: optionalText,
  ip: optionalText,
  /** When the host's last traffic was seen, as Detect prints it (UTC). */
  last_seen: time,
  tags: mapped(z.nullish(hostTags), (tags) => tags ?? []),
  groups,
  host_artifact_set: artifacts,
});

/** A document by the names that this program has for its members. */
function named({ last_source, last_seen, host_artifact_set, ...rest }: z.infer<typeof document>) {
  return { ...rest, lastSource: last_source, lastSeen: last_seen, artifacts: host_artifact_set };
}

/** A host read by itself, which an isolation is decided by: a list with a member that cannot be read spoils it. */
export const Host = mapped(document, named);
/** A host container in Detect, reduced to what the program uses. What the document lacks is `undefined`. */
export type Host = z.infer<typeof Host>;

/**
 * A host in a list: groups or artifacts that cannot be read count as unknown. A document without `tags` is no document
 * of a host without tags: those have an empty list, or null.
 */
export const ListedHost = mapped(
  z.extend(document, {
    tags: mapped(z.nullable(hostTags), (tags) => tags ?? []),
    groups: z.catch(groups, undefined),
    host_artifact_set: z.catch(artifacts, undefined),
  }),
  named,
);

/** What the document of a host that cannot be used says of itself. */
export const UnusableHost = z.object({ id: z.catch(z.optional(hostId), undefined), name: optionalText });
export type UnusableHost = z.infer<typeof UnusableHost>;
