import { ApiError, MissingRightError } from '../errors.ts';
import type { HttpClient } from '../http/http.ts';
import { utcSeconds } from '../http/read-reply.ts';
import { createAtpApi, type AtpCall, type Caller } from './api.ts';
import {
  alertsOfMachine,
  candidates,
  everything,
  idOf,
  isMissing,
  orMissing,
  readList,
  readPages,
  textIn,
  type ListCall,
  type ListSize,
} from './lists.ts';
import { Addresses, Alert, Machine, MachineAction } from './machine.ts';
import type { TokenSource } from '../http/token.ts';

export type { Caller } from './api.ts';

/** An isolation or a release to ask for. */
export interface MachineActionPost {
  machineId: string;
  type: 'Isolate' | 'Unisolate';
  comment: string;
  /** Of an isolation; a release has none. */
  isolationType: 'Full' | 'Selective';
}

/** A page of Defender's inventory. */
export interface MachinePage {
  machines: Machine[];
  /** Where the records without a usable id are, which were left out. */
  unusable: Addresses[];
  isLast: boolean;
}

/**
 * Defender, as far as the program uses it. Every call rejects with an AuthError when the token is refused, with a
 * MissingRightError when Defender refuses the permission or the token is seen to lack it (the call is not sent then),
 * with a PostponedError when its quota is used up, with a GivenUpError once Defender or the login is given up, and
 * with an ApiError for every other failure not named.
 */
export interface AtpClient {
  /**
   * Machines that had an internal address within 15 minutes of a time (milliseconds UTC, cut to seconds). A time that
   * Defender takes for future is replaced by Defender's own; `stale` means older than the 30 days it remembers.
   */
  findByIp: (ip: string, at: number, caller: Caller) => Promise<Machine[] | 'stale'>;
  /** A machine's record; undefined when there is none. */
  getMachine: (id: string, caller: Caller) => Promise<Machine | undefined>;
  /**
   * Isolations and releases of one machine, newest first. One that cannot be read, or that is another machine's, makes
   * the record unreadable.
   */
  listMachineActions: (machineId: string, caller: Caller) => Promise<MachineAction[]>;
  /** Isolations and releases of every machine created since a time (milliseconds UTC), newest first. */
  listActionsSince: (since: number, caller: Caller) => Promise<MachineAction[]>;
  /** Alerts of a machine; `unknown` when the permission or the feature is missing, which is remembered. */
  listAlerts: (machineId: string, caller: Caller) => Promise<Alert[] | 'unknown'>;
  /** Alerts of every machine created since a time (milliseconds UTC); `unknown` likewise. */
  listAlertsSince: (since: number, caller: Caller) => Promise<Alert[] | 'unknown'>;
  /** The inventory, up to 10,000 records at a time, as far as it is asked for. */
  listMachines: (caller: Caller) => AsyncIterable<MachinePage>;
  /**
   * Asks once for an isolation or a release. A 2xx without that action is an ApiError: it may have been carried out. Why
   * Defender will not act on this machine, `refusalOf` reads from the ApiError.
   */
  postAction: (post: MachineActionPost, caller: Caller) => Promise<MachineAction>;
  /** Asks to cancel an action; whether it was cancelled, only the actions of the machine tell. */
  cancelAction: (actionId: string, comment: string, caller: Caller) => Promise<void>;
}

const addressMemoryMs = 30 * 86_400_000;
const isolationsAndReleases = "(type eq 'Isolate' or type eq 'Unisolate')";
const aMachine = 'a machine with an id of 40 digits';
/** A record of one machine: two thousand interfaces, or as many tags. */
const maxMachineBytes = 2 ** 20;

/** Makes the client for one Defender; `http` is for its base URL, without `/api`. */
export function createAtpClient(options: {
  http: HttpClient;
  token: TokenSource;
  /** What the token was asked for, for the message when Defender refuses it. */
  audience: string;
}): AtpClient {
  const api = createAtpApi(options);
  let areAlertsUnknown = false;

  async function machinesAt(ip: string, at: number, caller: Caller): Promise<Machine[]> {
    const path = `/machines/findbyip(ip='${addressInPath(ip)}',timestamp=${utcSeconds(at)})`;
    const call: ListCall = { path, quota: 'findbyip', role: 'Machine.Read.All', caller };
    // Left out, a record that cannot be read could make the only machine of two.
    const list = readList(api, call, candidates, (member, answer) => [
      answer.read(Machine, aMachine, member),
    ]);
    return (await orMissing(list)) ?? [];
  }

  /** @param machineId the only machine that the filter lets through, if it names one */
  async function actionsBy($filter: string, caller: Caller, machineId?: string): Promise<MachineAction[]> {
    const call: ListCall = {
      path: '/machineactions',
      query: { $filter },
      quota: 'machineactions',
      role: 'Machine.Read.All',
      caller,
    };
    const expected = 'machine actions with id, type, status and machineId';
    const actions = await readList(api, call, everything, (member, answer) => {
      // A filter that is not honoured proves nothing of this machine either.
      if (machineId !== undefined && isOfAnother(member, machineId))
        throw answer.unreadable(`actions of machine ${machineId} only`);
      return mayBeIsolationOrRelease(member) ? [answer.read(MachineAction, expected, member)] : [];
    });
    return latestOfEach(actions).sort((one, other) => (other.createdAt ?? 0) - (one.createdAt ?? 0));
  }

  /** Each alert once. */
  async function alertsBy(call: Omit<ListCall, 'role'>, size: ListSize): Promise<Alert[] | 'unknown'> {
    if (areAlertsUnknown) return 'unknown';
    try {
      const list = readList(api, { ...call, role: 'Alert.Read.All' }, size, alertOf);
      return [...new Map(await orMissing(list)).values()];
    } catch (error) {
      if (!(error instanceof MissingRightError)) throw error;
      areAlertsUnknown = true;
      return 'unknown';
    }
  }

  return {
    async findByIp(ip, at, caller) {
      const asked = Math.floor(at / 1000) * 1000;
      try {
        return await machinesAt(ip, asked, caller);
      } catch (error) {
        const isRefused = error instanceof ApiError && error.status === 400 && error.service === 'atp';
        const now = isRefused ? error.serverTime : undefined;
        if (now === undefined) throw error;
        if (asked > now) return await machinesAt(ip, now, caller);
        if (now - asked >= addressMemoryMs) return 'stale';
        throw error;
      }
    },

    async getMachine(id, caller) {
      const path = `/machines/${encodeURIComponent(id)}`;
      const call: AtpCall = { method: 'GET', path, quota: 'machine', role: 'Machine.Read.All', caller };
      const read = api.read({ ...call, maxBytes: maxMachineBytes }, (answer) => {
        const machine = answer.read(Machine, aMachine);
        if (machine.id !== id.toLowerCase()) throw answer.unreadable(`machine ${id}`);
        return machine;
      });
      return await orMissing(read);
    },

    async listMachineActions(machineId, caller) {
      const filter = `machineId eq ${odataText(machineId)} and ${isolationsAndReleases}`;
      return await actionsBy(filter, caller, machineId.toLowerCase());
    },

    listActionsSince: (since, caller) =>
      actionsBy(`${isolationsAndReleases} and creationDateTimeUtc ge ${utcSeconds(since)}`, caller),

    listAlerts: (machineId, caller) =>
      alertsBy(
        { path: `/machines/${encodeURIComponent(machineId)}/alerts`, quota: 'alerts', caller },
        alertsOfMachine,
      ),

    listAlertsSince(since, caller) {
      const query = { $filter: `alertCreationTime ge ${utcSeconds(since)}` };
      return alertsBy({ path: '/alerts', query, quota: 'alertlist', caller }, everything);
    },

    async *listMachines(caller) {
      const call: ListCall = { path: '/machines', quota: 'machines', role: 'Machine.Read.All', caller };
      try {
        for await (const { kept, next } of readPages(api, call, everything, machinesAmong))
          yield { ...kept, isLast: next === undefined };
      } catch (error) {
        // So it says that there are no machines.
        if (!isMissing(error)) throw error;
      }
    },

    async postAction({ machineId, type, comment, isolationType }, caller) {
      const isIsolation = type === 'Isolate';
      const quota = isIsolation ? 'isolate' : 'unisolate';
      const path = `/machines/${encodeURIComponent(machineId)}/${quota}`;
      const json = isIsolation ? { Comment: comment, IsolationType: isolationType } : { Comment: comment };
      const call: AtpCall = { method: 'POST', path, json, quota, role: 'Machine.Isolate', caller };
      const expected = `the ${type} action of this machine`;
      return await api.read(call, (answer) => {
        const action = answer.read(MachineAction, expected);
        const isAnother = action.type !== type || action.machineId !== machineId.toLowerCase();
        if (isAnother) throw answer.unreadable(expected);
        return action;
      });
    },

    async cancelAction(actionId, comment, caller) {
      const path = `/machineactions/${encodeURIComponent(actionId)}/cancel`;
      const json = { Comment: comment };
      const call: AtpCall = { method: 'POST', path, json, quota: 'cancel', role: 'Machine.Isolate', caller };
      // Whether it was cancelled, only the machine's actions tell.
      await api.read(call, () => undefined);
    },
  };
}

/** An alert by what tells it from others. */
function alertOf(member: unknown): [unknown, Alert][] {
  const { data } = Alert.safeParse(member);
  return data === undefined ? [] : [[idOf(member) ?? member, data]];
}

function machinesAmong(members: readonly unknown[]): Omit<MachinePage, 'isLast'> {
  const machines: Machine[] = [];
  const unusable: Addresses[] = [];
  for (const member of members) {
    const { data } = Machine.safeParse(member);
    if (data) machines.push(data);
    else unusable.push(Addresses.safeParse(member).data ?? {});
  }
  return { machines, unusable };
}

/** An entry of another kind is of no interest, however odd; one whose kind cannot be read may be of either. */
function mayBeIsolationOrRelease(member: unknown): boolean {
  const type = textIn(member, 'type') ?? 'Isolate';
  return type === 'Isolate' || type === 'Unisolate';
}

/** Tells whether an entry names another machine than this one (lower case). */
function isOfAnother(member: unknown, machineId: string): boolean {
  return (textIn(member, 'machineId')?.toLowerCase() ?? machineId) !== machineId;
}

/** Each action once, in the state of its last change. */
function latestOfEach(actions: readonly MachineAction[]): MachineAction[] {
  const latest = new Map<string, MachineAction>();
  for (const action of actions) {
    const { updatedAt = 0 } = latest.get(action.id) ?? {};
    if ((action.updatedAt ?? 0) >= updatedAt) latest.set(action.id, action);
  }
  return [...latest.values()];
}

/** OData doubles a quote inside a text (OData 4.01, URL conventions). */
function odataText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Only the zone of a link-local address needs encoding; anything else must not become a part of the path. */
function addressInPath(ip: string): string {
  return encodeURIComponent(ip).replaceAll('%3A', ':').replaceAll("'", '%27%27');
}
