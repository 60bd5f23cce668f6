import { isIP } from 'node:net';
import type { TokenAuthority } from './defender-gate.ts';
import { createGate, refuse } from './defender-gate.ts';
import { createIsolation } from './defender-isolation.ts';
import { actionRecord, alertRecord, machineRecord } from './defender-records.ts';
import type { SimMachine } from './machines.ts';
import { ODataError, readListOptions } from './odata.ts';
import { createRouter, type Answer, type Handler, type Match, type Route, type SimRequest } from './route.ts';
import type { Settings } from './settings.ts';
import type { World } from './world.ts';

const machineRead = ['Machine.Read.All', 'Machine.ReadWrite.All'];
const alertRead = ['Alert.Read.All', 'Alert.ReadWrite.All'];
const quarter = 15 * 60_000;

// Regional hosts answer, and name themselves in links.
const context = 'https://api-us3.securitycenter.microsoft.com/api/$metadata#';
const otherHost = 'https://api-us3.securitycenter.microsoft.com';

const machineColumns = {
  computerDnsName: 'string',
  id: 'string',
  version: 'string',
  deviceValue: 'string',
  aadDeviceId: 'string',
  lastSeen: 'date',
  exposureLevel: 'string',
  onboardingStatus: 'string',
  lastIpAddress: 'string',
  healthStatus: 'string',
  osPlatform: 'string',
  riskScore: 'string',
  rbacGroupId: 'number',
} as const;

const actionColumns = {
  id: 'string',
  status: 'string',
  machineId: 'string',
  type: 'string',
  requestor: 'string',
  creationDateTimeUtc: 'date',
} as const;

const alertColumns = {
  alertCreationTime: 'date',
  lastUpdateTime: 'date',
  lastEventTime: 'date',
  id: 'string',
  incidentId: 'number',
  assignedTo: 'string',
  detectionSource: 'string',
  status: 'string',
  severity: 'string',
  category: 'string',
} as const;

/** Defender's API: machines, alerts, machine actions, isolation and release. */
export function createDefender(
  world: World,
  settings: Settings,
  clock: { now(): number },
  authority: TokenAuthority,
): (method: string, path: string) => Match {
  const gate = createGate(settings, clock, authority);

  function live(): SimMachine[] {
    return [...world.machines.values()].filter((machine) => !machine.vanished);
  }

  /** By id or by name. */
  function find(key: string): SimMachine | undefined {
    const exact = world.machines.get(key);
    if (exact && !exact.vanished) return exact;
    const name = key.toLowerCase();
    return live().find((machine) => machine.computerDnsName?.toLowerCase() === name);
  }

  function findByIp(request: SimRequest): Answer {
    const given = /^ip='([^']*)',timestamp=([^,]*)$/.exec(request.params[1] ?? '');
    if (!given) return refuse(400, 'BadRequest', `Parameters of 'findbyip' cannot be read.`);
    const [, ip = '', timestamp = ''] = given;
    if (isIP(ip) === 0) return refuse(400, 'InvalidIpAddress', `The IP address '${ip}' is not valid.`);
    if (
      !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/.test(timestamp) ||
      Number.isNaN(Date.parse(timestamp))
    ) {
      return refuse(
        400,
        'BadRequest',
        `The timestamp parameter '${timestamp}' is not a valid DateTimeOffset literal.`,
      );
    }
    const at = Date.parse(timestamp);
    if (at > clock.now() || at < clock.now() - 30 * 86_400_000) {
      return refuse(400, 'InvalidInput', 'The timestamp must be in the past 30 days.');
    }
    const machines = live().filter((machine) =>
      machine.addresses.some(
        (held) => held.ip === ip && held.from <= at + quarter && held.to >= at - quarter,
      ),
    );
    return list('Machines', isInternal(ip) ? machines.map((machine) => machineRecord(machine)) : []);
  }

  function getMachine(request: SimRequest): Answer {
    const [, key = ''] = request.params;
    const machine = find(key);
    if (!machine || clock.now() < machine.missingUntil) return noMachine(key);
    return {
      status: 200,
      body: { '@odata.context': `${context}Machines/$entity`, ...machineRecord(machine) },
    };
  }

  function listMachines(request: SimRequest): Answer {
    if (live().length === 0) return refuse(404, 'ResourceNotFound', 'No recent machines were found');
    const rows = live().map((machine) => machineRecord(machine));
    const allowed = { filter: machineColumns, orderBy: ['lastSeen'] };
    return pageOf(request, 'Machines', rows, allowed, settings.machinePageSize);
  }

  function listAlerts(request: SimRequest): Answer {
    const rows = world.alerts.map((alert) => alertRecord(alert, world.machines));
    const allowed = { filter: alertColumns, orderBy: ['alertCreationTime'], options: ['$expand'] };
    return pageOf(request, 'Alerts', rows, allowed, settings.machinePageSize);
  }

  function machineAlerts(request: SimRequest): Answer {
    const [, key = ''] = request.params;
    const machine = find(key);
    if (!machine) return noMachine(key);
    // The service takes no options here: all alerts of the machine come at once.
    const [option] = Object.keys(request.entry.query);
    if (option !== undefined)
      return refuse(400, 'BadRequest', `The query option '${option}' is not allowed.`);
    const rows = world.alerts
      .filter((alert) => alert.machineId === machine.id)
      .map((alert) => alertRecord(alert, world.machines));
    return list('Alerts', rows);
  }

  function listActions(request: SimRequest): Answer {
    const rows = [...world.actions.values()]
      .filter((action) => clock.now() - action.createdAt >= settings.actionIndexLagMs)
      .sort((one, other) => other.createdAt - one.createdAt)
      .map((action) => actionRecord(action));
    const allowed = { filter: actionColumns, orderBy: ['creationDateTimeUtc', 'lastUpdateDateTimeUtc'] };
    const ids = settings.machineFilterIgnored ? [...world.machines.keys()] : [];
    return pageOf(request, 'MachineActions', rows, allowed, settings.actionPageSize, (row, filter) =>
      [row, ...ids.map((machineId) => ({ ...row, machineId }))].some((candidate) => filter(candidate)),
    );
  }

  const isolation = createIsolation(world, settings, clock);

  function call(
    method: string,
    path: string,
    name: string,
    roles: readonly string[],
    handle: Handler,
  ): Route {
    return {
      method,
      path: new RegExp(`^/api(/v1\\.0)?${path}$`),
      call: name,
      handle: gate(name, roles, (request) => {
        world.tick();
        return handle(request);
      }),
    };
  }

  const routes = [
    call('GET', String.raw`/machines/findbyip\((.*)\)`, 'findbyip', machineRead, findByIp),
    call('GET', '/machines/([^/()]+)', 'machine', machineRead, getMachine),
    call('GET', '/machines', 'machines', machineRead, listMachines),
    call('GET', '/machines/([^/()]+)/alerts', 'alerts', alertRead, machineAlerts),
    call('GET', '/alerts', 'alertlist', alertRead, listAlerts),
    call('GET', '/machineactions', 'machineactions', machineRead, listActions),
    call('GET', '/machineactions/([^/()]+)', 'machineaction', machineRead, isolation.get),
    call('POST', '/machines/([^/()]+)/isolate', 'isolate', ['Machine.Isolate'], isolation.isolate),
    call('POST', '/machines/([^/()]+)/unisolate', 'unisolate', ['Machine.Isolate'], isolation.release),
    call('POST', '/machineactions/([^/()]+)/cancel', 'cancel', ['Machine.Isolate'], isolation.cancel),
  ];
  const noPath: Handler = ({ entry }) =>
    refuse(404, 'NotFound', `No HTTP resource was found that matches the request URI '${entry.path}'.`);
  const noMethod: Handler = ({ entry }) =>
    refuse(405, 'BadRequest', `The requested resource does not support http method '${entry.method}'.`);
  return createRouter(routes, {
    noPath: gate('unknown', [...machineRead, ...alertRead], noPath),
    noMethod: gate('unknown', [...machineRead, ...alertRead], noMethod),
  });
}

type Row = Record<string, unknown>;

/** One page of a list, as its options want it; `fits` judges a row by the filter. */
function pageOf(
  request: SimRequest,
  kind: string,
  rows: Row[],
  allowed: Parameters<typeof readListOptions>[1],
  pageSize: number,
  fits: (row: Row, filter: (row: Row) => boolean) => boolean = (row, filter) => filter(row),
): Answer {
  let options;
  try {
    options = readListOptions(request.entry.query, allowed);
  } catch (error) {
    if (error instanceof ODataError) return refuse(400, 'ODataError', error.message);
    throw error;
  }
  const found = rows.filter((row) => fits(row, options.filter));
  const { orderBy } = options;
  if (orderBy) {
    const sign = orderBy.descending ? -1 : 1;
    found.sort((one, other) => (String(one[orderBy.name]) < String(other[orderBy.name]) ? -sign : sign));
  }
  const wanted = options.top === undefined ? Infinity : options.top;
  const size = Math.min(wanted, pageSize);
  const shown = found.slice(options.skip, options.skip + size);
  const more = found.length > options.skip + size && wanted > size;
  const next = new URLSearchParams({ ...request.entry.query, $skip: String(options.skip + size) });
  if (options.top !== undefined) next.set('$top', String(options.top - size));
  return list(kind, shown, {
    ...(options.count && { '@odata.count': found.length }),
    ...(more && { '@odata.nextLink': `${otherHost}${request.entry.path}?${next.toString()}` }),
  });
}

function list(kind: string, value: readonly unknown[], extra: Record<string, unknown> = {}): Answer {
  return { status: 200, body: { '@odata.context': `${context}${kind}`, ...extra, value } };
}

function noMachine(key: string): Answer {
  return refuse(404, 'ResourceNotFound', `Machine ${key} was not found`);
}

// The call is documented for internal addresses only.
function isInternal(ip: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cde])/i.test(
    ip,
  );
}
