import { type SimGroup, type SimHost, type SimNote, seconds } from './hosts.ts';

/** The address a brain behind a NAT names itself by; nobody can reach it. */
export const brainUrl = 'https://brain.internal.example';

const sensor = 'whx12u9g';
const sensorName = 'Sensor_A';
const detectionProfile = 'IT Services';

/** The fields that every kind of host document has. */
function common(host: SimHost, groups: ReadonlyMap<string, SimGroup>, text: (note: string) => string) {
  const newest = [...host.notes].sort((one, other) => one.createdAt - other.createdAt).at(-1);
  const traffic = host.state === 'active';
  return {
    id: host.id,
    name: host.name,
    active_traffic: traffic,
    has_active_traffic: traffic,
    threat: host.threat,
    certainty: host.certainty,
    severity: severity(host),
    last_source: host.last_source,
    ip: host.ip,
    previous_ips: host.previous_ips,
    last_detection_timestamp: host.last_detection_timestamp,
    key_asset: false,
    is_key_asset: false,
    state: host.state,
    targets_key_asset: false,
    is_targeting_key_asset: false,
    host_artifact_set: host.host_artifact_set.map((artifact) => ({ siem: false, source: null, ...artifact })),
    sensor,
    sensor_name: sensorName,
    tags: host.tags,
    note: newest ? text(newest.note) : null,
    note_modified_by: newest ? (newest.modified_by ?? newest.created_by) : null,
    note_modified_timestamp: newest ? seconds(newest.modifiedAt ?? newest.createdAt) : null,
    last_modified: host.last_detection_timestamp,
    assigned_to: null,
    assigned_date: null,
    groups: host.groups.flatMap((name) => {
      const group = groups.get(name);
      return group ? [groupSummary(group)] : [];
    }),
    has_custom_model: false,
    privilege_level: null,
    privilege_category: null,
    probable_owner: null,
    detection_profile: detectionProfile,
    assignment: null,
    detection_summaries: [detection(host)],
    campaign_summaries: [],
    last_seen: host.last_seen,
    suspicious_admin_learnings: { managers_of_host: [], host_manages: [] },
    shell_knocker: [],
    has_shell_knocker_learnings: false,
    host_session_luids: ['tsd-jubc'],
    host_luid: null,
  };
}

/** What queries are asked of; apart from the document, which is costlier to make. */
export function indexedFields(host: SimHost): Record<string, unknown> {
  return {
    id: host.id,
    name: host.name,
    threat: host.threat,
    certainty: host.certainty,
    severity: severity(host),
    last_source: host.last_source,
    ip: host.ip,
    last_detection_timestamp: host.last_detection_timestamp,
    last_seen: host.last_seen,
    state: host.state,
    tags: host.tags,
    note: host.notes.map(({ note }) => note),
    sensor,
    sensor_name: sensorName,
    detection_profile: detectionProfile,
    active_traffic: host.state === 'active',
    is_key_asset: false,
    targets_key_asset: false,
    _doc_modified_ts: indexTime(host),
  };
}

/** A host as `/search/hosts` shows it. */
export function searchDocument(
  host: SimHost,
  groups: ReadonlyMap<string, SimGroup>,
  text: (note: string) => string,
): Record<string, unknown> {
  return {
    ...common(host, groups, text),
    ldap: null,
    _doc_modified_ts: indexTime(host),
    ...oddities(host),
    ...host.overrides,
  };
}

/** A host as `/hosts/{id}` shows it: no index time, the newest ten notes, what other consoles know of it. */
export function hostDocument(
  host: SimHost,
  groups: ReadonlyMap<string, SimGroup>,
  text: (note: string) => string,
  version: string,
): Record<string, unknown> {
  const url = `${brainUrl}/api/v${version}`;
  return {
    ...common(host, groups, text),
    t_score: host.threat,
    c_score: host.certainty,
    detection_set: [`${url}/detections/${host.id * 10}`],
    url: `${url}/hosts/${host.id}`,
    host_url: `${url}/hosts/${host.id}`,
    notes: host.notes.slice(-10).map((note) => noteDocument(note, text)),
    past_assignments: [],
    roles: [],
    edrs: [],
    account_access_history: [],
    service_access_history: [],
    ...oddities(host),
    ...host.overrides,
  };
}

function oddities({ id, tags, odd }: SimHost): Record<string, unknown> {
  return {
    ...(odd.includes('quoted id') && { id: String(id) }),
    ...(odd.includes('null tag') && { tags: [null, ...tags] }),
    ...(odd.includes('no tags') && { tags: undefined }),
  };
}

/** A note as lists show it; the answer to its creation has microseconds. */
export function noteDocument(
  note: SimNote,
  text: (note: string) => string,
  fraction = '',
): Record<string, unknown> {
  return {
    id: note.id,
    date_created: seconds(note.createdAt).replace('Z', `${fraction}Z`),
    date_modified: note.modifiedAt === null ? null : seconds(note.modifiedAt),
    created_by: note.created_by,
    modified_by: note.modified_by,
    note: text(note.note),
  };
}

/** A group as host documents name it. */
function groupSummary(group: SimGroup) {
  return {
    id: group.id,
    name: group.name,
    description: group.description,
    last_modified: '2024-07-11T10:49:23Z',
    last_modified_by: 'cds_xsoar',
    type: group.type,
  };
}

/** A group as `/groups` lists it. */
export function groupDocument(group: SimGroup, hosts: readonly SimHost[]): Record<string, unknown> {
  const members =
    group.type === 'host'
      ? hosts
          .filter((host) => host.groups.includes(group.name))
          .map((host) => ({
            id: host.id,
            name: host.name,
            is_key_asset: false,
            url: `${brainUrl}/hosts/${host.id}`,
          }))
      : group.members;
  return {
    ...groupSummary(group),
    members,
    member_count: members.length,
    rules: [],
    importance: 'medium',
    regex: null,
  };
}

/** The index time has microseconds and no zone. */
function indexTime(host: SimHost): string {
  return `${(host.last_detection_timestamp ?? '2026-01-01T00:00:00Z').slice(0, 19)}.664126`;
}

function severity(host: SimHost): string | null {
  if (host.threat === 0 && host.certainty === 0) return null;
  if (host.threat >= 50) return host.certainty >= 50 ? 'critical' : 'high';
  return host.certainty >= 50 ? 'medium' : 'low';
}

function detection(host: SimHost) {
  return {
    detection_id: host.id * 10,
    detection_type: 'Hidden HTTPS Tunnel',
    detection_category: 'COMMAND & CONTROL',
    is_targeting_key_asset: false,
    state: 'active',
    threat: host.threat,
    certainty: host.certainty,
    is_triaged: false,
    tags: [],
    summary: { dst_ips: ['198.51.100.7'], num_sessions: 117, bytes_sent: 29_139, bytes_received: 648_472 },
    assigned_to: null,
    assigned_date: null,
    filtered_by_ai: false,
    filtered_by_user: false,
    filtered_by_rule: false,
  };
}
