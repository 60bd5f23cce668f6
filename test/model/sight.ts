import type { Harness } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import {
  chainOf,
  idsIn,
  isHeldBy,
  isLapsed,
  isOldBlock,
  isOpen,
  lastDone,
  machineByAddress,
  protection,
  suffices,
  surenessOf,
  type Policy,
} from './oracle.ts';

export type Kind = 'isolate' | 'release';

const hour = 3_600_000;

/** What a run has read so far, and what follows from it. */
export interface Sight {
  /** The tags of a host as they were read last. */
  tagsOf(hostId: number): readonly string[];
  /** True when the host was read by itself. */
  isFresh(hostId: number): boolean;
  /** True for an action that the run's last look at the list of actions could not show. */
  isHidden(action: SimAction): boolean;
  /**
   * True for the heir of an isolated machine's record, to which nothing that was read has led: whoever comes by the heir
   * alone cannot know.
   */
  isHeirOfIsolated(machineId: string): boolean;
  /** Why the machine is not the one that the host's request is for; undefined when it is. */
  strangeness(kind: Kind, hostId: number, machineId: string): string | undefined;
  /** The same for a machine whose record was merged into another's. */
  isStrangeWithHeirs(kind: Kind, hostId: number, machineId: string): string | undefined;
  /** Told of each request that was carried out, or refused. */
  after(entry: Entry): void;
}

/** A look at the machines. */
interface Look {
  at: number;
  all: SimMachine[];
}

/** Opens the eyes of a run. */
export function createSight({ simulator, clock }: Harness, policy: Policy): Sight {
  const { world, settings } = simulator;
  const documents: SimHost[] = [];
  /** The last document of each host that was read by itself. */
  const fresh = new Map<number, SimHost>();
  const tags = new Map<number, string[]>();
  /** Tags as the run saw them first. */
  const firstTags = new Map<number, string[]>();
  const looks: Look[] = [];
  /** When the actions of each machine were listed last. */
  const listed = new Map<string, number>();

  function tagsOf(hostId: number): readonly string[] {
    return tags.get(hostId) ?? [];
  }

  function actionsOn(machineIds: readonly string[]): SimAction[] {
    return [...world.actions.values()].filter(
      ({ machineId, type }) => machineIds.includes(machineId) && type !== 'Other',
    );
  }

  /** The host's machine by its tags; whether an address may lead to another one. */
  function byId(kind: Kind, hostId: number, { at, all }: Look): { chain: string[]; isBinding: boolean } {
    // A request that meets a host whose tags still called it isolated is about that machine.
    const has = kind === 'release' ? (firstTags.get(hostId) ?? tagsOf(hostId)) : tagsOf(hostId);
    const ids = idsIn(has);
    const [id] = ids;
    if (id === undefined || ids.length > 1) return { chain: [], isBinding: false };
    const chain = chainOf(id, all);
    const record = actionsOn(chain);
    if (!isHeldBy(has)) {
      const isUntold = record.some((action) => isOwn(action, hostId) && !isToldBy(has, action));
      return { chain: isUntold ? chain : [], isBinding: false };
    }
    if (kind === 'release') return { chain, isBinding: true };
    const last = lastDone(chain, record);
    const isInForce = last?.type === 'Isolate' && !isLapsed(last, at);
    const isOver = isOldBlock(has, at) && !isInForce && !record.some(isOpen);
    const isSilent = !record.some(({ type }) => type === 'Isolate');
    const goesByAddress = isOver || isSilent || last?.type === 'Unisolate' || (last && !isInForce);
    return goesByAddress === true ? { chain: [], isBinding: false } : { chain, isBinding: true };
  }

  function demandedOf(kind: Kind, hostId: number): Policy {
    const has = tagsOf(hostId);
    return kind === 'release' && isHeldBy(has) && idsIn(has).length !== 1 ? 'confirmed' : policy;
  }

  /** Why the machine is not the one at the host's address. */
  function strangeByAddress(
    kind: Kind,
    hostId: number,
    machine: SimMachine,
    { at, all }: Look,
  ): string | undefined {
    const newest = fresh.get(hostId);
    let why: string | undefined = 'nothing that was read leads to it';
    for (const document of documents.filter(({ id }) => id === hostId)) {
      if (kind === 'isolate' && document.last_source !== newest?.last_source) continue;
      const found = machineByAddress(document, all, at);
      if (typeof found === 'string') why = `by its address the machine is ${found}`;
      else if (found.machine.id !== machine.id) why = `by its address the machine is ${found.machine.id}`;
      else {
        const sureness = kind === 'isolate' && newest ? surenessOf(newest, machine) : found.sureness;
        const demanded = demandedOf(kind, hostId);
        if (suffices(sureness, demanded)) return undefined;
        why = `it is ${sureness}, and ${demanded} is demanded`;
      }
    }
    return why;
  }

  function strangeInLook(kind: Kind, hostId: number, machine: SimMachine, look: Look): string | undefined {
    const newest = fresh.get(hostId);
    const guard =
      kind === 'isolate' && newest
        ? protection({ ...newest, tags: [...tagsOf(hostId)] }, machine)
        : undefined;
    if (guard !== undefined) return guard;
    const { chain, isBinding } = byId(kind, hostId, look);
    if (chain.at(-1) === machine.id) return undefined;
    if (isBinding) return `the host is held by its tag on ${chain.join(' → ')}`;
    return strangeByAddress(kind, hostId, machine, look);
  }

  function strangeness(kind: Kind, hostId: number, machineId: string): string | undefined {
    let why: string | undefined = 'nothing that was read leads to it';
    for (const look of looks) {
      const machine = look.all.find(({ id }) => id === machineId);
      if (!machine) continue;
      why = strangeInLook(kind, hostId, machine, look);
      if (why === undefined) return undefined;
    }
    return why;
  }

  return {
    tagsOf,
    isFresh: (hostId) => fresh.has(hostId),
    isHidden({ machineId, createdAt }) {
      return createdAt > (listed.get(machineId) ?? clock.now()) - settings.actionIndexLagMs;
    },
    isHeirOfIsolated(machineId) {
      const merged = [...world.machines.values()].filter(
        ({ mergedIntoMachineId, isolated }) => mergedIntoMachineId === machineId && isolated,
      );
      return merged.length > 0 && !merged.some(({ id }) => listed.has(id));
    },
    strangeness,
    isStrangeWithHeirs(kind, hostId, machineId) {
      const strange = strangeness(kind, hostId, machineId);
      const leadsOn = looks.some(({ all }) =>
        chainOf(machineId, all)
          .slice(1)
          .some((id) => strangeness(kind, hostId, id) === undefined),
      );
      return leadsOn ? undefined : strange;
    },
    after({ call, path, query }) {
      const hostId = Number(/\/host\/(\d+)$|\/hosts\/(\d+)$/.exec(path)?.slice(1).join(''));
      const host = world.hosts.get(hostId);
      if (call === 'search') {
        const found = structuredClone(world.view());
        documents.push(...found);
        for (const { id, tags: has } of found) if (!firstTags.has(id)) firstTags.set(id, has);
      }
      if (call === 'host' && host) {
        fresh.set(hostId, structuredClone(host));
        documents.push(structuredClone(host));
      }
      if (call === 'tags' && host) tags.set(hostId, [...host.tags]);
      if (call === 'findbyip' || call === 'machine') {
        looks.push({ at: clock.now(), all: structuredClone([...world.machines.values()]) });
      }
      if (call !== 'machineactions') return;
      const filter = query['$filter'] ?? '';
      for (const id of world.machines.keys()) {
        if (!filter.includes('machineId') || filter.includes(id)) listed.set(id, clock.now());
      }
    },
  };
}

/** True when a `Manual …:` tag tells of the action. */
export function isToldBy(tags: readonly string[], { type, createdAt }: SimAction): boolean {
  const minute = new Date(createdAt).toISOString().slice(0, 16).replace('T', ' ');
  return tags.includes(`Manual ${type === 'Isolate' ? 'block' : 'unblock'}:${minute}`);
}

/** The host that the comment of an own action names. */
export function hostOf(comment: string): number {
  return Number(/; host (\d+); /.exec(comment)?.[1]);
}

/** True for an action of this program, for that host if one is given. */
export function isOwn({ requestorComment }: SimAction, hostId?: number): boolean {
  const isOurs = requestorComment.startsWith('atp ');
  return isOurs && (hostId === undefined || hostOf(requestorComment) === hostId);
}

/** True for an own action that is too old to answer a trigger on the host now. */
export function isTooOld({ createdAt }: SimAction, now: number): boolean {
  return now - createdAt > 24 * hour;
}
