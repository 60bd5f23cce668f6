import { addedText, isOwnNote, isOwnTag } from './own-forms.ts';
import type { Settings } from './settings.ts';

/** The longest note that Detect takes. */
const mostCharacters = 8_000;

export interface SimNote {
  readonly id: number;
  note: string;
  created_by: string;
  modified_by: string | null;
  /** Milliseconds UTC. */
  createdAt: number;
  modifiedAt: number | null;
  /** What a change of this note is answered: 403 for another user's, 413 for one that takes no more. */
  refuses: 403 | 413 | undefined;
}

export interface SimArtifact {
  type: string;
  value: string;
  vendor?: string | null;
}

export interface SimGroup {
  readonly id: number;
  name: string;
  description: string;
  type: 'host' | 'account' | 'ip' | 'domain';
  /** Of ip and domain groups; the members of a host group are the hosts that name it. */
  members: string[];
}

/** A host as Detect's database has it. */
export interface SimHost {
  readonly id: number;
  name: string;
  state: string;
  threat: number;
  certainty: number;
  last_source: string | null;
  ip: string | null;
  previous_ips: string[];
  /** As Detect prints it, e.g. `2026-11-24T10:00:00Z`. */
  last_seen: string | null;
  last_detection_timestamp: string | null;
  host_artifact_set: SimArtifact[];
  /** Names of groups. */
  groups: string[];
  tags: string[];
  notes: SimNote[];
  /** What is odd about its documents in Detect's lists and on its page. */
  odd: ('null tag' | 'quoted id' | 'no tags')[];
  /** Laid over every document of the host; an undefined value takes the field away. */
  overrides: Record<string, unknown>;
}

export type HostFields = Partial<Omit<SimHost, 'notes'>> & { notes?: string[] };

export interface HostStore {
  readonly hosts: Map<number, SimHost>;
  readonly groups: Map<string, SimGroup>;
  /** Everything left out gets a sane value: an active host with fresh traffic, no tags, no notes. */
  readonly addHost: (fields?: HostFields) => SimHost;
  readonly addGroup: (fields: { name: string; type?: SimGroup['type']; members?: string[] }) => SimGroup;
  /** An analyst adds tags. */
  readonly tagHost: (id: number, ...tags: string[]) => void;
  /** An analyst takes tags off. */
  readonly untagHost: (id: number, ...tags: string[]) => void;
  /** An analyst writes a note, or rewrites the one named. Returns the note's id. */
  readonly writeNote: (id: number, text: string, noteId?: number) => number;
  readonly deleteHost: (id: number) => void;
  /** The host, or an error: for tests, which know what they added. */
  readonly host: (id: number) => SimHost;
  /** Tags set through the API; judged for harm to foreign tags. */
  readonly setTags: (host: SimHost, tags: readonly string[]) => void;
  /** A note created or changed through the API; judged for harm to what people wrote. */
  readonly putNote: (host: SimHost, text: string, note: SimNote | undefined) => SimNote;
}

/** Detect's database. `report` is told of harm done through the API. */
export function createHostStore(
  settings: Settings,
  clock: { now(): number },
  report: (harm: string) => void,
): HostStore {
  const hosts = new Map<number, SimHost>();
  const groups = new Map<string, SimGroup>();
  let lastHost = 1000;
  let lastNote = 300;

  function host(id: number): SimHost {
    const found = hosts.get(id);
    if (!found) throw new Error(`the simulator has no host ${id}`);
    return found;
  }

  function newNote(owner: SimHost, text: string, author: string): SimNote {
    lastNote += 1;
    const note: SimNote = {
      id: lastNote,
      note: text,
      created_by: author,
      modified_by: null,
      createdAt: clock.now(),
      modifiedAt: null,
      refuses: undefined,
    };
    owner.notes.push(note);
    return note;
  }

  function addGroup(fields: Parameters<HostStore['addGroup']>[0]): SimGroup {
    const group: SimGroup = {
      id: 3500 + groups.size,
      name: fields.name,
      description: '',
      type: fields.type ?? 'host',
      members: [...(fields.members ?? [])],
    };
    groups.set(group.name, group);
    return group;
  }

  function isTrigger(tag: string): boolean {
    return settings.triggers.some((trigger) => trigger.toLowerCase() === tag.toLowerCase());
  }

  function isForeign(tag: string): boolean {
    return !isOwnTag(tag) && !isTrigger(tag);
  }

  return {
    hosts,
    groups,
    host,
    addGroup,
    addHost(fields = {}) {
      const id = fields.id ?? lastHost + 1;
      lastHost = Math.max(lastHost, id);
      const address = `10.${(id >> 16) & 255}.${(id >> 8) & 255}.${id & 255}`;
      const { notes = [], ...rest } = fields;
      const added: SimHost = {
        id,
        name: `HOST-${id}`,
        state: 'active',
        threat: 0,
        certainty: 0,
        last_source: address,
        ip: fields.last_source ?? address,
        previous_ips: [],
        last_seen: seconds(clock.now() - 5 * 60_000),
        last_detection_timestamp: seconds(clock.now() - 60 * 60_000),
        host_artifact_set: [],
        groups: [],
        tags: [],
        odd: [],
        overrides: {},
        ...structuredClone(rest),
        notes: [],
      };
      for (const name of added.groups) if (!groups.has(name)) addGroup({ name });
      for (const text of notes) newNote(added, text, 'analyst');
      hosts.set(id, added);
      return added;
    },
    tagHost(id, ...tags) {
      host(id).tags.push(...tags);
    },
    untagHost(id, ...tags) {
      const found = host(id);
      found.tags = found.tags.filter((tag) => !tags.includes(tag));
    },
    writeNote(id, text, noteId) {
      const owner = host(id);
      if (noteId === undefined) return newNote(owner, text, 'analyst').id;
      const note = owner.notes.find((candidate) => candidate.id === noteId);
      if (!note) throw new Error(`host ${id} has no note ${noteId}`);
      Object.assign(note, { note: text, modified_by: 'analyst', modifiedAt: clock.now() });
      return noteId;
    },
    deleteHost(id) {
      hosts.delete(id);
    },
    setTags(owner, tags) {
      // Seen by a Splunk connector: tags are cut, not refused.
      const after = tags.map((tag) => cutTag(tag));
      const had = owner.tags.filter((tag) => isForeign(tag));
      const has = after.filter((tag) => isForeign(tag));
      if (JSON.stringify(had) !== JSON.stringify(has)) {
        report(`host ${owner.id}: foreign tags were ${JSON.stringify(had)}, are ${JSON.stringify(has)}`);
      }
      const asked = after.filter((tag) => isTrigger(tag) && !owner.tags.includes(tag));
      if (asked.length > 0) report(`host ${owner.id}: trigger tags ${JSON.stringify(asked)} were added`);
      owner.tags = after;
    },
    putNote(owner, text, note) {
      if (!note) {
        // One that a person has filled has no room for the program's text.
        const hasRoom = (other: SimNote) => text.length + addedText(other.note).length <= mostCharacters;
        const isTaken = owner.notes.some(
          (other) => isOwnNote(other.note) && !other.refuses && hasRoom(other),
        );
        if (isOwnNote(text) && isTaken) {
          report(`host ${owner.id}: a second note of the program's own`);
        }
        return newNote(owner, text, 'api_atp');
      }
      if (!isOwnNote(note.note)) report(`host ${owner.id}: note ${note.id} of somebody else was changed`);
      const added = addedText(note.note);
      if (!addedText(text).includes(added)) {
        report(`host ${owner.id}: text that people added to note ${note.id} was lost`);
      }
      return Object.assign(note, { note: text, modified_by: 'api_atp', modifiedAt: clock.now() });
    },
  };
}

/** The hundred characters of a tag that Detect keeps. */
export function cutTag(tag: string): string {
  return Array.from(tag).slice(0, 100).join('');
}

/** A time as Detect prints it: whole seconds, UTC. */
export function seconds(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
