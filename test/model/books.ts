import type { Harness, Outcome } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Witness } from './cast.ts';
import {
  chainOf,
  idsIn,
  isHeldBy,
  lastDone,
  machineByAddress,
  protection,
  suffices,
  surenessOf,
  type Policy,
} from './oracle.ts';

type Kind = 'isolate' | 'release';

/** What a machine should end in, by the last that was granted or done in the portal; undefined where nobody can tell. */
interface Want {
  state: 'isolated' | 'free' | undefined;
  /** The action that is to bring it about, if it is known. */
  action: SimAction | undefined;
  why: string;
}

/** What a run has read so far. */
interface Sight {
  /** Documents of hosts, from the search and by themselves. */
  documents: SimHost[];
  /** The last document of each host that was read by itself. */
  fresh: Map<number, SimHost>;
  tags: Map<number, string[]>;
  machines: { at: number; all: SimMachine[] }[];
  /** When the actions of each machine were listed last. */
  listed: Map<string, number>;
  /** Hosts from which a person took tags of the program's own. */
  tidied: Set<number>;
  /** Trigger tags that the request under way is about to take off. */
  goes: { hostId: number; tag: string }[];
}

/** Watches everything that runs do, and tells what must not be. */
export interface Books {
  readonly problems: string[];
  readonly witness: Witness;
  beginRun(options: { mayWrite: boolean; policy: Policy; args: readonly string[] }): void;
  before(entry: Entry): void;
  after(entry: Entry): void;
  endRun(outcome: Outcome): void;
  /** What machines end in once nothing is open any more. */
  judgeEnd(): void;
}

/** Opens the books of a story. */
export function createBooks({ simulator, clock }: Harness): Books {
  const { world, settings } = simulator;
  const problems: string[] = [];
  const wants = new Map<string, Want>();
  const askedAt = new Map<number, number>();
  /** Machines on which the late list may have led to a second isolation, which the program could not know of. */
  const tangled = new Set<string>();
  let policy: Policy = 'no-conflict';
  let mayWrite = true;
  let args: readonly string[] = [];
  let seenViolations = 0;
  let sight = emptySight();

  function emptySight(): Sight {
    return {
      documents: [],
      fresh: new Map(),
      tags: new Map(),
      machines: [],
      listed: new Map(),
      tidied: new Set(),
      goes: [],
    };
  }

  function allMachines(): SimMachine[] {
    return [...world.machines.values()];
  }

  /** Isolations and releases of a device, also under the records that were merged into this one. */
  function actionsOf(machineId: string): SimAction[] {
    const all = allMachines();
    const ids = all.filter(({ id }) => chainOf(id, all).includes(machineId)).map(({ id }) => id);
    return [...world.actions.values()]
      .filter(({ machineId: of }) => ids.includes(of))
      .toSorted((one, other) => one.createdAt - other.createdAt);
  }

  /** True for an action that the run's last look at the list of actions could not show. */
  function isHidden(action: SimAction): boolean {
    const looked = sight.listed.get(action.machineId) ?? clock.now();
    return action.createdAt > looked - settings.actionIndexLagMs;
  }

  /**
   * True for the heir of an isolated machine's record, to which nothing that was read has led: whoever comes by the heir
   * alone cannot know.
   */
  function isHeirOfIsolated(machineId: string): boolean {
    const merged = allMachines().filter(
      ({ mergedIntoMachineId, isolated }) => mergedIntoMachineId === machineId && isolated,
    );
    return merged.length > 0 && !merged.some(({ id }) => sight.listed.has(id));
  }

  function isToldBy(tags: readonly string[], { type, createdAt }: SimAction): boolean {
    const minute = new Date(createdAt).toISOString().slice(0, 16).replace('T', ' ');
    return tags.includes(`Manual ${type === 'Isolate' ? 'block' : 'unblock'}:${minute}`);
  }

  function hostOf(comment: string): number {
    return Number(/; host (\d+); /.exec(comment)?.[1]);
  }

  function isOwn(action: SimAction, hostId?: number): boolean {
    const isOurs = action.requestorComment.startsWith('atp ');
    return isOurs && (hostId === undefined || hostOf(action.requestorComment) === hostId);
  }

  /** Why the machine is not the one that the host's request is for; undefined when it is. */
  function strangeness(kind: Kind, hostId: number, machineId: string): string | undefined {
    const tags = sight.tags.get(hostId) ?? [];
    const fresh = sight.fresh.get(hostId);
    const documents = sight.documents.filter(({ id }) => id === hostId);
    let why = 'nothing that was read leads to it';
    for (const { at, all } of sight.machines) {
      const machine = all.find(({ id }) => id === machineId);
      if (!machine) continue;
      const guard = kind === 'isolate' && fresh ? protection({ ...fresh, tags }, machine) : undefined;
      if (guard !== undefined) {
        why = guard;
        continue;
      }
      const ids = idsIn(tags);
      const [id] = ids;
      const isHeldById = isHeldBy(tags) && ids.length === 1;
      const chain = id === undefined ? [] : chainOf(id, all);
      if (isHeldById && chain.at(-1) === machineId) return undefined;
      if (isHeldById && lastDone(chain, world.actions.values())?.type !== 'Unisolate') {
        why = `the host is held by its tag on ${chain.join(' → ')}`;
        continue;
      }
      const demanded = kind === 'release' && isHeldBy(tags) && !isHeldById ? 'confirmed' : policy;
      for (const document of documents) {
        if (kind === 'isolate' && document.last_source !== fresh?.last_source) continue;
        const found = machineByAddress(document, all, at);
        if (typeof found === 'string') why = `by its address the machine is ${found}`;
        else if (found.machine.id !== machineId) why = `by its address the machine is ${found.machine.id}`;
        else {
          const sureness = kind === 'isolate' && fresh ? surenessOf(fresh, machine) : found.sureness;
          if (suffices(sureness, demanded)) return undefined;
          why = `it is ${sureness}, and ${demanded} is demanded`;
        }
      }
    }
    return why;
  }

  function judgePost(kind: Kind, entry: Entry): void {
    const machineId = entry.path.split('/').at(-2) ?? '';
    const comment = isObject(entry.body) ? String(entry.body['Comment']) : '';
    const hostId = hostOf(comment);
    const posted = actionsOf(machineId).find((action) => action.requestorComment === comment);
    // Defender may answer with an action that is open already.
    if (!posted) return;
    const [ask, against] = kind === 'isolate' ? ['block', 'unblock'] : ['unblock', 'block'];
    const what = `${kind} of ${machineId} for host ${hostId}`;
    const tags = (sight.tags.get(hostId) ?? []).map((tag) => tag.toLowerCase());
    if (!tags.includes(ask)) problems.push(`${what}: the tags read last do not ask for it`);
    if (tags.includes(against) && args.includes(against))
      problems.push(`${what}: the tags read last ask for the opposite too`);
    if (!askedAt.has(hostId)) problems.push(`${what}: no person ever asked for it`);
    if (kind === 'isolate' && !sight.fresh.has(hostId))
      problems.push(`${what}: the host was not read afresh`);
    if (kind === 'isolate' && !mayWrite) problems.push(`${what}: a token that may not write isolated it`);
    const strange = strangeness(kind, hostId, machineId);
    if (strange !== undefined) problems.push(`${what}: wrong machine: ${strange}`);
    const named = idsIn(world.hosts.get(hostId)?.tags ?? [machineId]);
    if (kind === 'isolate' && world.hosts.has(hostId) && !named.includes(machineId)) {
      problems.push(`${what}: no tag of the host names the machine`);
    }

    const others = actionsOf(machineId).filter((action) => action !== posted);
    const open = others.filter(
      ({ type, status }) => type === posted.type && (status === 'Pending' || status === 'InProgress'),
    );
    if (open.some((action) => isOwn(action) && !isHidden(action))) {
      problems.push(`${what}: another of its kind is open`);
    }
    const newest = others.at(-1);
    const isRepeated =
      newest?.type === posted.type &&
      isOwn(newest, hostId) &&
      newest.createdAt > (askedAt.get(hostId) ?? 0) &&
      !(newest.cancellationComment ?? '').startsWith('atp ') &&
      !isHidden(newest);
    if (isRepeated) problems.push(`${what}: asked for twice for one and the same tag`);
    if (others.some(isHidden) || isHeirOfIsolated(machineId)) tangled.add(machineId);
    wants.set(machineId, {
      state: kind === 'isolate' ? 'isolated' : 'free',
      action: posted,
      why: `${what} was accepted`,
    });
  }

  /** A trigger tag goes: what the host's tags then say was granted or refused. */
  function judgeGrant(hostId: number, kind: Kind): void {
    const host = world.hosts.get(hostId);
    if (!host) return;
    const what = `${kind} for host ${hostId}`;
    if (host.tags.includes(kind === 'isolate' ? 'Manual block failed' : 'Manual unblock failed')) return;
    if (sight.tidied.has(hostId)) return;
    const history = kind === 'isolate' ? 'Manual block:' : 'Manual unblock:';
    if (!host.tags.some((tag) => tag.startsWith(history))) {
      problems.push(`${what}: its tag went without a "${history}" tag and without a failure`);
    }
    const ids = idsIn(host.tags);
    const [machineId] = ids;
    // Of a host whose release the record shows, the address need not lead anywhere any more.
    if (kind === 'release' && ids.length === 0 && host.tags.includes('release: Succeeded')) return;
    if (machineId === undefined || ids.length > 1) {
      problems.push(
        `${what}: its tag went, and ${ids.length} id: tags tell which machine it was granted for`,
      );
      return;
    }
    const slot = host.tags.find((tag) => /^(isolation|release): [A-Za-z]+$/.test(tag));
    if (kind === 'isolate' && !/^isolation: (Pending|InProgress|Succeeded)$/.test(slot ?? '')) {
      problems.push(`${what}: its tag went with "${slot ?? 'no status tag'}"`);
    }
    const actions = actionsOf(machineId);
    const newest = actions.at(-1);
    const type = kind === 'isolate' ? 'Isolate' : 'Unisolate';
    // A run that was killed after its POST has left no trace but the list, which is late.
    const isKnown = (action: SimAction) => isOwn(action, hostId) && isToldBy(host.tags, action);
    const isUnknowable =
      isHeirOfIsolated(machineId) || actions.some((action) => isHidden(action) && !isKnown(action));
    wants.set(machineId, {
      state: isUnknowable ? undefined : kind === 'isolate' ? 'isolated' : 'free',
      action: newest?.type === type ? newest : undefined,
      why: `${what} was granted`,
    });
  }

  function judgeCancel(entry: Entry): void {
    const action = world.actions.get(entry.path.split('/').at(-2) ?? '');
    const comment = isObject(entry.body) ? String(entry.body['Comment']) : '';
    const hostId = hostOf(comment);
    const tags = (sight.tags.get(hostId) ?? []).map((tag) => tag.toLowerCase());
    const ask = action?.type === 'Isolate' ? 'unblock' : 'block';
    if (!tags.includes(ask)) {
      problems.push(
        `${action?.type ?? 'nothing'} cancelled for host ${hostId}, whose tags do not ask for it`,
      );
    }
    const strange = strangeness(ask === 'block' ? 'isolate' : 'release', hostId, action?.machineId ?? '');
    const isOfChain = sight.machines.some(({ all }) =>
      chainOf(action?.machineId ?? '', all)
        .slice(1)
        .some((id) => strangeness(ask === 'block' ? 'isolate' : 'release', hostId, id) === undefined),
    );
    if (strange !== undefined && !isOfChain) problems.push(`cancelled on the wrong machine: ${strange}`);
    // Until the request is granted, what was there before counts again, whatever it was.
    if (action) wants.delete(action.machineId);
  }

  function judgeTags(host: SimHost): void {
    for (const beginning of ['Manual block:', 'Manual unblock:']) {
      const times = host.tags.filter((tag) => tag.startsWith(beginning) && /\d$/.test(tag));
      if (times.length > 5) problems.push(`host ${host.id} has ${times.length} "${beginning}" tags`);
      const future = times.filter(
        (tag) => Date.parse(`${tag.slice(beginning.length).replace(' ', 'T')}:00Z`) > clock.now(),
      );
      if (future.length > 0) problems.push(`host ${host.id} has "${future.join()}", which is yet to come`);
    }
    if (new Set(host.tags).size < host.tags.length) problems.push(`host ${host.id} has a tag twice`);
    if (host.tags.some((tag) => tag.length > 100))
      problems.push(`host ${host.id} has a tag that is too long`);
    const notes = host.notes.filter(({ note }) =>
      note.startsWith('## Microsoft Defender for Endpoint (atp)'),
    );
    if (notes.length > 1) problems.push(`host ${host.id} has ${notes.length} notes of the program's own`);
    for (const { note } of notes) {
      const entries = note.split('\n').filter((text) => /^- \d{4}-\d\d-\d\d \d\d:\d\d UTC: /.test(text));
      if (entries.length > 10)
        problems.push(`the note of host ${host.id} has ${entries.length} action lines`);
      if (note.length > 8000) problems.push(`the note of host ${host.id} is too long`);
    }
  }

  return {
    problems,
    witness: {
      portal(machineId, state, action) {
        wants.set(machineId, { state, action, why: 'the portal asked for it' });
      },
      merged(from, to) {
        const want = wants.get(from.id);
        const isOpen = actionsOf(from.id).some(
          ({ status }) => status === 'Pending' || status === 'InProgress',
        );
        if (want) wants.set(to.id, isOpen ? { ...want, state: undefined } : want);
      },
      asked(hostId) {
        askedAt.set(hostId, clock.now());
      },
      tidied(hostId) {
        sight.tidied.add(hostId);
      },
    },
    beginRun(options) {
      ({ policy, mayWrite, args } = options);
      sight = emptySight();
    },
    before({ call, body }) {
      if (call !== 'tag-remove' || !isObject(body)) return;
      const { tag, objectIds } = body;
      if (typeof tag !== 'string' || !Array.isArray(objectIds)) return;
      sight.goes = objectIds
        .map(Number)
        // One that its owner takes off at this moment was granted all the same.
        .filter((id) => [...(world.hosts.get(id)?.tags ?? []), ...(sight.tags.get(id) ?? [])].includes(tag))
        .map((hostId) => ({ hostId, tag: tag.toLowerCase() }));
    },
    after(entry) {
      const { call, path, effect } = entry;
      const hostId = Number(/\/host\/(\d+)$|\/hosts\/(\d+)$/.exec(path)?.slice(1).join(''));
      const host = world.hosts.get(hostId);
      if (call === 'search') sight.documents.push(...structuredClone(world.view()));
      if (call === 'host' && host) {
        sight.fresh.set(hostId, structuredClone(host));
        sight.documents.push(structuredClone(host));
      }
      if (call === 'tags' && host) sight.tags.set(hostId, [...host.tags]);
      if (call === 'findbyip' || call === 'machine') {
        sight.machines.push({ at: clock.now(), all: structuredClone(allMachines()) });
      }
      if (call === 'machineactions') {
        const filter = entry.query['$filter'] ?? '';
        for (const id of world.machines.keys()) {
          if (!filter.includes('machineId') || filter.includes(id)) sight.listed.set(id, clock.now());
        }
      }
      if (!effect) return;
      if (call === 'isolate') judgePost('isolate', entry);
      if (call === 'unisolate') judgePost('release', entry);
      if (call === 'cancel') judgeCancel(entry);
      if (call === 'tag-remove') {
        for (const { hostId: id, tag } of sight.goes) {
          if (tag === 'block') judgeGrant(id, 'isolate');
          if (tag === 'unblock') judgeGrant(id, 'release');
        }
        sight.goes = [];
      }
    },
    endRun({ code, report, stderr }) {
      if (code === 70 || stderr.includes('a bug in atp')) problems.push(`exit code ${code}: ${stderr}`);
      if (![0, 1, 3, 69, 77, 78, 143].includes(code)) problems.push(`exit code ${code}`);
      if (!report) problems.push('no report');
      const harm = world.violations.slice(seenViolations);
      seenViolations = world.violations.length;
      problems.push(
        ...harm.filter(
          (text) => !(text.endsWith('isolated twice') && [...tangled].some((id) => text.includes(id))),
        ),
      );
      world.hosts.forEach(judgeTags);
    },
    judgeEnd() {
      for (const [machineId, { state, action, why }] of wants) {
        const machine = world.machines.get(machineId);
        if (!machine || machine.mergedIntoMachineId !== null || !machine.online) continue;
        if (state === undefined || tangled.has(machineId)) continue;
        if (action && ['Failed', 'TimeOut', 'Cancelled'].includes(action.status)) continue;
        const is = machine.isolated ? 'isolated' : 'free';
        if (is !== state) problems.push(`machine ${machineId} ends ${is} although ${why}`);
      }
    },
  };
}
