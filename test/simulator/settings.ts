/** What can be chosen about the simulated services; every property may be changed while they run, `tenantId` excepted. */
export interface Settings {
  /** How long each answer is held back, in milliseconds. */
  latencyMs: number;
  /** The most hosts Detect puts on one page, whatever is asked for. */
  pageSize: number | undefined;
  /** How long after a change Detect's search still shows the old document. */
  indexLagMs: number;
  /** How long after its creation a machine action is missing from Defender's reads. */
  actionIndexLagMs: number;
  /** Days after whose creation Defender lifts an isolation that Succeeded; 0: never. Holds for what is carried out from then on. */
  isolationEndsAfterDays: number;
  /** What Defender records of such a lift: nothing, or an `Unisolate` without a requestor, its comment null or empty. */
  liftRecord: 'none' | 'null comment' | 'empty comment';
  /** What a release meets while the machine is not isolated, which is not documented: a 201 like any other, or a 400. */
  releaseOfFree: 'accept' | 'refuse';
  /** Defender's list of machine actions shows other machines' actions too, as if `machineId` were not in its filter. */
  machineFilterIgnored: boolean;
  /** State of the tenant's licence: `inactive` is a 401, `unprovisioned` a 403, to every call with a valid token. */
  account: 'active' | 'inactive' | 'unprovisioned';
  /** Which of Defender's two sentences tells that a token lacks a role. */
  missingRole: 'permissions' | 'roles';
  /** How long an action of an online machine stays open; 0: until `settleActions()`. */
  actionDelayMs: number;
  /** The most machine actions on one page. */
  actionPageSize: number;
  /** The most machines, or alerts, on one page. */
  machinePageSize: number;
  /** Calls allowed for each documented Defender call; undefined: no limit. */
  quotas: { perMinute: number; perHour: number } | undefined;
  /** Versions of Detect's API that exist; any other is a 404 page. */
  apiVersions: string[];
  readonly tenantId: string;
  appId: string;
  appSecret: string;
  /** The right secret is refused as expired. */
  secretExpired: boolean;
  /** PEM of the certificate registered for the application. */
  certificate: string | undefined;
  /** The workload identity trusted for the application; its assertions are signed by `certificate`'s key type of `publicKey` (PEM). */
  federated: { issuer: string; subject: string; publicKey: string } | undefined;
  tokenLifetimeSeconds: number;
  /** The resource that Defender's tokens must be for. */
  audience: string;
  /** Application roles put into tokens issued from now on; none: the claim is absent. */
  roles: string[];
  detectToken: string;
  /** An API client of Detect, with the life of its tokens; undefined: a brain before 9.1, which knows none. */
  apiClient: { id: string; secret: string; tokenSeconds: number } | undefined;
  /** What the token's user may do in Detect. */
  detectRights: 'full' | 'read-only' | 'none';
  /** False: the brain has no bulk tagging calls (405). */
  bulkTagging: boolean;
  /** How many more searches that find anything lack the last host of their own `count`. */
  shortSearches: number;
  /** Tags that Detect refuses to add (400). */
  refusedTags: string[];
  /** The body of a successful bulk tagging call, which nobody has recorded. */
  bulkAnswer: 'json' | 'empty';
  /** Detect hands out note texts HTML-escaped, as its older versions do. */
  htmlEscapeNotes: boolean;
  /** What a second action of one kind meets while one is open: a 400, or a 201 with the earlier action. */
  duplicateAction: 'refuse' | 'earlier';
  /** Tags that ask the program for something; it may remove them. */
  triggers: string[];
}

const defaults: Settings = {
  latencyMs: 0,
  pageSize: undefined,
  indexLagMs: 0,
  actionIndexLagMs: 0,
  isolationEndsAfterDays: 7,
  liftRecord: 'none',
  releaseOfFree: 'accept',
  machineFilterIgnored: false,
  account: 'active',
  missingRole: 'permissions',
  actionDelayMs: 0,
  actionPageSize: 10_000,
  machinePageSize: 10_000,
  quotas: undefined,
  apiVersions: ['2.2', '2.3', '2.4', '2.5'],
  tenantId: '9f4c1b7e-51a2-4c53-8a3c-6d0e5f1b2a77',
  appId: 'c0ffee00-1d2e-4f3a-9b4c-5d6e7f809a1b',
  appSecret: 'sim~Secret+with/odd&chars=%7E',
  secretExpired: false,
  certificate: undefined,
  federated: undefined,
  tokenLifetimeSeconds: 3599,
  audience: 'https://api.securitycenter.microsoft.com',
  roles: ['Machine.Read.All', 'Alert.Read.All', 'Machine.Isolate'],
  detectToken: '5f0c1d2e3a4b59687766554433221100ffeeddcc',
  apiClient: { id: '7f1d0a5e9b2c4d68', secret: 'sim-client-secret~0123456789+/=%41', tokenSeconds: 3600 },
  detectRights: 'full',
  bulkTagging: true,
  shortSearches: 0,
  refusedTags: [],
  bulkAnswer: 'json',
  htmlEscapeNotes: false,
  duplicateAction: 'refuse',
  triggers: ['block', 'unblock', 'host_context'],
};

/** The settings with their defaults filled in; what is given as undefined keeps its default. */
export function createSettings(options: { [Key in keyof Settings]?: Settings[Key] | undefined }): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...structuredClone(defaults), ...structuredClone(given) };
}
