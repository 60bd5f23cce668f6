import type { Harness, Outcome } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import type { Witness } from './cast.ts';
import { badEnds, chainOf, idsIn, isLapsed, isOpen, type Policy } from './oracle.ts';
import { createSight, hostOf, isOwn, isToldBy, isTooOld, type Kind } from './sight.ts';

/** What a machine should end in, by the last that was granted or done in the portal; undefined where nobody can tell. */
interface Want {
  state: 'isolated' | 'free' | undefined;
  /** The action that is to bring it about, if it is known. */
  action: SimAction | undefined;
  why: string;
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
export function createBooks(harness: Harness): Books {
  const { simulator, clock } = harness;
  const { world } = simulator;
  const problems: string[] = [];
  const wants = new Map<string, Want>();
  /** When a person asked last, by host and kind. */
  const askedAt = new Map<string, number>();
  /** Hosts from which a person took tags of the program's own in the middle of the run. */
  let tidied = new Set<number>();
  /** Machines on which the late list may have led to a second isolation, which the program could not know of. */
  const tangled = new Set<string>();
  /** Actions whose POST was carried out and not answered. */
  const unanswered = new Set<string>();
  /** Trigger tags that the request under way is about to take off. */
  let goes: { hostId: number; tag: string }[] = [];
  let mayWrite = true;
  let args: readonly string[] = [];
  let seenViolations = 0;
  let sight = createSight(harness, 'no-conflict');

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

  /** A late list is no excuse for what this program knows of: a POST without an answer is kept in the cache. */
  function isExcused(action: SimAction): boolean {
    return sight.isHidden(action) && !unanswered.has(action.id);
  }

  /** True when the trigger now on the host has had its answer, by an action before this one. */
  function isRepeated(posted: SimAction, hostId: number, kind: Kind): boolean {
    const asked = askedAt.get(`${kind} ${hostId}`) ?? 0;
    const answers = [...world.actions.values()].filter(
      (action) =>
        action !== posted &&
        action.type === posted.type &&
        action.createdAt > asked &&
        isOwn(action, hostId) &&
        !isTooOld(action, clock.now()) &&
        !(action.cancellationComment ?? '').startsWith('atp ') &&
        !isExcused(action),
    );
    return answers.some((answer) => {
      const isTold = isToldBy(world.hosts.get(hostId)?.tags ?? [], answer);
      // Of what no tag tells, only the newest of its machine's actions is an answer.
      const others = actionsOf(answer.machineId).filter((action) => action !== posted);
      return isTold || others.at(-1) === answer;
    });
  }

  function judgePost(kind: Kind, entry: Entry): void {
    const machineId = entry.path.split('/').at(-2) ?? '';
    const comment = isObject(entry.body) ? String(entry.body['Comment']) : '';
    const hostId = hostOf(comment);
    const posted = actionsOf(machineId).find((action) => action.requestorComment === comment);
    // Defender may answer with an action that is open already.
    if (!posted) return;
    if (entry.fault !== undefined) unanswered.add(posted.id);
    const [ask, against] = kind === 'isolate' ? ['block', 'unblock'] : ['unblock', 'block'];
    const what = `${kind} of ${machineId} for host ${hostId}`;
    const tags = sight.tagsOf(hostId).map((tag) => tag.toLowerCase());
    if (!tags.includes(ask)) problems.push(`${what}: the tags read last do not ask for it`);
    if (tags.includes(against) && args.includes(against))
      problems.push(`${what}: the tags read last ask for the opposite too`);
    if (!askedAt.has(`${kind} ${hostId}`)) problems.push(`${what}: no person ever asked for it`);
    if (kind === 'isolate' && !sight.isFresh(hostId)) problems.push(`${what}: the host was not read afresh`);
    if (kind === 'isolate' && !mayWrite) problems.push(`${what}: a token that may not write isolated it`);
    const strange = sight.strangeness(kind, hostId, machineId);
    if (strange !== undefined) problems.push(`${what}: wrong machine: ${strange}`);
    const named = idsIn(world.hosts.get(hostId)?.tags ?? [machineId]);
    if (kind === 'isolate' && world.hosts.has(hostId) && !named.includes(machineId)) {
      problems.push(`${what}: no tag of the host names the machine`);
    }

    const others = actionsOf(machineId).filter((action) => action !== posted);
    const open = others.filter((action) => action.type === posted.type && isOpen(action));
    if (open.some((action) => isOwn(action) && !isExcused(action))) {
      problems.push(`${what}: another of its kind is open`);
    }
    if (isRepeated(posted, hostId, kind)) problems.push(`${what}: asked for twice for one and the same tag`);
    if (others.some(sight.isHidden) || sight.isHeirOfIsolated(machineId)) tangled.add(machineId);
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
    if (tidied.has(hostId)) return;
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
    const isDead = newest?.status === 'Succeeded' && isLapsed(newest, clock.now());
    if (kind === 'isolate' && newest?.type === type && isDead) {
      problems.push(`${what}: its tag went for an isolation that Defender has lifted`);
    }
    // A run that was killed after its POST has left no trace but the list, which is late.
    const isKnown = (action: SimAction) => isOwn(action, hostId) && isToldBy(host.tags, action);
    const isUnknowable =
      sight.isHeirOfIsolated(machineId) ||
      actions.some((action) => sight.isHidden(action) && !isKnown(action));
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
    const tags = sight.tagsOf(hostId).map((tag) => tag.toLowerCase());
    const [ask, kind]: [string, Kind] =
      action?.type === 'Isolate' ? ['unblock', 'release'] : ['block', 'isolate'];
    if (!tags.includes(ask)) {
      problems.push(
        `${action?.type ?? 'nothing'} cancelled for host ${hostId}, whose tags do not ask for it`,
      );
    }
    const strange = sight.isStrangeWithHeirs(kind, hostId, action?.machineId ?? '');
    if (strange !== undefined) problems.push(`cancelled on the wrong machine: ${strange}`);
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
        const isUnderWay = actionsOf(from.id).some(isOpen);
        if (want) wants.set(to.id, isUnderWay ? { ...want, state: undefined } : want);
      },
      asked(hostId, kind) {
        askedAt.set(`${kind} ${hostId}`, clock.now());
      },
      tidied(hostId) {
        tidied.add(hostId);
      },
    },
    beginRun(options) {
      ({ mayWrite, args } = options);
      sight = createSight(harness, options.policy);
      tidied = new Set();
    },
    before({ call, body }) {
      if (call !== 'tag-remove' || !isObject(body)) return;
      const { tag, objectIds } = body;
      if (typeof tag !== 'string' || !Array.isArray(objectIds)) return;
      goes = objectIds
        .map(Number)
        // One that its owner takes off at this moment was granted all the same.
        .filter((id) => [...(world.hosts.get(id)?.tags ?? []), ...sight.tagsOf(id)].includes(tag))
        .map((hostId) => ({ hostId, tag: tag.toLowerCase() }));
    },
    after(entry) {
      const { call, effect } = entry;
      sight.after(entry);
      if (!effect) return;
      if (call === 'isolate') judgePost('isolate', entry);
      if (call === 'unisolate') judgePost('release', entry);
      if (call === 'cancel') judgeCancel(entry);
      if (call === 'tag-remove') {
        for (const { hostId: id, tag } of goes) {
          if (tag === 'block') judgeGrant(id, 'isolate');
          if (tag === 'unblock') judgeGrant(id, 'release');
        }
        goes = [];
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
        if (action && badEnds.includes(action.status)) continue;
        const isolation = actionsOf(machineId).findLast(({ type }) => type === 'Isolate');
        // Defender has lifted it since, whoever asked for it.
        if (state === 'isolated' && isolation && isLapsed(isolation, clock.now())) continue;
        const is = machine.isolated ? 'isolated' : 'free';
        if (is !== state) problems.push(`machine ${machineId} ends ${is} although ${why}`);
      }
    },
  };
}
