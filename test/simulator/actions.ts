import { randomUUID } from 'node:crypto';
import type { MachineStore, SimMachine } from './machines.ts';
import type { Settings } from './settings.ts';

const day = 86_400_000;
const threeDays = 3 * day;

/** A machine action as Defender keeps it. */
export interface SimAction {
  readonly id: string;
  type: string;
  /** A word of Defender's documentation, or any other: such an action stays as it is until `advanceAction`. */
  status: string;
  machineId: string;
  computerDnsName: string | null;
  /** Null: nobody's, as those that Defender makes by itself. */
  requestor: string | null;
  requestorComment: string;
  requestSource: 'PublicApi' | 'Portal';
  scope: string | null;
  /** Milliseconds UTC. */
  createdAt: number;
  updatedAt: number;
  cancelledBy: string | null;
  cancellationComment: string | null;
  errorHResult: number;
  /** Asked for while the machine was isolated: waits until a release was carried out, then isolates again. */
  stuck: boolean;
  /** Laid over the record; an undefined value takes the property away. */
  overrides: Record<string, unknown>;
}

export interface ActionRequest {
  machineId: string;
  type: 'Isolate' | 'Unisolate';
  comment: string;
  scope: string | null;
  requestor: string;
}

export interface ActionStore {
  readonly actions: Map<string, SimAction>;
  /** An action of the past; a Succeeded isolation or release leaves the machine so. */
  readonly addAction: (fields: Partial<SimAction> & { machineId: string }) => SimAction;
  /** The action, or an error. */
  readonly action: (id: string) => SimAction;
  /** Somebody isolates the machine in the portal; carried out at once unless another status is given. */
  readonly portalIsolate: (id: string, status?: string) => SimAction;
  readonly portalRelease: (id: string, status?: string) => SimAction;
  /** Open actions of online machines are carried out, in the order of their creation. */
  readonly settleActions: () => void;
  /** The action takes this status, with what it does to the machine. */
  readonly advanceAction: (id: string, status: string) => void;
  /** Offline machines carry out nothing until they are back. */
  readonly setOnline: (machineId: string, online: boolean) => void;
  /** An isolation or release asked for through the API. `open` is the open action of that kind that stood in its way. */
  readonly request: (request: ActionRequest) => { action: SimAction } | { open: SimAction };
  readonly cancel: (action: SimAction, by: string, comment: string) => void;
  /** Lets time pass: isolations end by themselves, actions that are due are carried out, pending ones of three days time out. */
  readonly tick: () => void;
}

/** Defender's actions and what they do to the machines. `report` is told of harm. */
export function createActionStore(
  { machines, machine }: Pick<MachineStore, 'machines' | 'machine'>,
  settings: Settings,
  clock: { now(): number },
  report: (harm: string) => void,
): ActionStore {
  const actions = new Map<string, SimAction>();
  let lastStamp = 0;

  /** The time now, but never the same one twice: the order of changes must show in their times. */
  function stamp(): number {
    const now = clock.now();
    lastStamp = lastStamp >= now && lastStamp < now + 1000 ? lastStamp + 1 : now;
    return lastStamp;
  }

  function action(id: string): SimAction {
    const found = actions.get(id);
    if (!found) throw new Error(`the simulator has no machine action ${id}`);
    return found;
  }

  function openOf(machineId: string, type: string): SimAction | undefined {
    return [...actions.values()].find(
      (candidate) => candidate.machineId === machineId && candidate.type === type && isOpen(candidate),
    );
  }

  function addAction(fields: Partial<SimAction> & { machineId: string }): SimAction {
    const createdAt = fields.createdAt ?? stamp();
    const type = fields.type ?? 'Isolate';
    const added: SimAction = {
      id: randomUUID(),
      type,
      status: 'Succeeded',
      computerDnsName: machines.get(fields.machineId)?.computerDnsName ?? null,
      requestor: 'analyst@contoso.example',
      requestorComment: 'by hand',
      requestSource: 'Portal',
      scope: type === 'Isolate' ? 'Full' : null,
      createdAt,
      updatedAt: createdAt,
      cancelledBy: null,
      cancellationComment: null,
      errorHResult: 0,
      stuck: false,
      overrides: {},
      ...structuredClone(fields),
    };
    actions.set(added.id, added);
    if (added.status === 'Succeeded') carryOut(added);
    return added;
  }

  function carryOut({ machineId, type, createdAt }: SimAction): void {
    const target = machines.get(machineId);
    if (target && type === 'Isolate') {
      const days = settings.isolationEndsAfterDays;
      Object.assign(target, { isolated: true, liftsAt: days === 0 ? undefined : createdAt + days * day });
    }
    if (target && type === 'Unisolate') Object.assign(target, { isolated: false, liftsAt: undefined });
  }

  function advanceAction(id: string, status: string): void {
    const moved = action(id);
    moved.status = status;
    moved.updatedAt = stamp();
    // As recorded: HTTP 408 and E_ABORT.
    if (status === 'TimeOut') moved.errorHResult = -2145844840;
    if (status === 'Cancelled') moved.errorHResult = -2147467260;
    if (status === 'Succeeded') carryOut(moved);
  }

  function settle(isDue: (candidate: SimAction) => boolean): void {
    const waiting = [...actions.values()].filter(
      (candidate) => isOpen(candidate) && machines.get(candidate.machineId)?.online && isDue(candidate),
    );
    for (const candidate of waiting) if (!candidate.stuck) advanceAction(candidate.id, 'Succeeded');
    for (const { id, machineId, stuck } of waiting) {
      const released = !machine(machineId).isolated && !openOf(machineId, 'Unisolate');
      if (stuck && released) advanceAction(id, 'Succeeded');
    }
  }

  /** Isolations whose days are over end, which Defender may record as a release of nobody's. */
  function lift(): void {
    for (const target of machines.values()) {
      const { liftsAt } = target;
      if (liftsAt === undefined || clock.now() < liftsAt) continue;
      Object.assign(target, { isolated: false, liftsAt: undefined });
      if (settings.liftRecord === 'none') continue;
      addAction({
        machineId: target.id,
        type: 'Unisolate',
        createdAt: liftsAt,
        requestor: null,
        requestorComment: '',
        overrides: settings.liftRecord === 'null comment' ? { requestorComment: null } : {},
      });
    }
  }

  function tick(): void {
    lift();
    if (settings.actionDelayMs > 0) {
      settle((candidate) => clock.now() - candidate.createdAt >= settings.actionDelayMs);
    }
    for (const { id, status, createdAt } of actions.values()) {
      if (status === 'Pending' && clock.now() - createdAt >= threeDays) advanceAction(id, 'TimeOut');
    }
  }

  /** Harm that an isolation would do, whether it is carried out or met by an open one. */
  function judge(target: SimMachine, open: SimAction | undefined): void {
    if (target.protected) report(`machine ${target.id}: protected, but isolated`);
    if (target.isolated && !open) report(`machine ${target.id}: isolated twice`);
  }

  return {
    actions,
    action,
    addAction,
    advanceAction,
    portalIsolate: (machineId, status = 'Succeeded') => addAction({ machineId, type: 'Isolate', status }),
    portalRelease: (machineId, status = 'Succeeded') => addAction({ machineId, type: 'Unisolate', status }),
    settleActions: () => {
      settle(() => true);
    },
    setOnline: (machineId, online) => {
      tick();
      machine(machineId).online = online;
    },
    request: ({ comment, ...asked }) => {
      const target = machine(asked.machineId);
      const open = openOf(asked.machineId, asked.type);
      if (asked.type === 'Isolate') judge(target, open);
      if (open) return { open };
      const stuck = asked.type === 'Isolate' && target.isolated;
      const fields = { requestorComment: comment, requestSource: 'PublicApi', status: 'Pending' } as const;
      return { action: addAction({ ...asked, ...fields, stuck }) };
    },
    cancel: (cancelled, by, comment) => {
      advanceAction(cancelled.id, 'Cancelled');
      Object.assign(cancelled, { cancelledBy: by, cancellationComment: comment });
    },
    tick,
  };
}

function isOpen({ status }: SimAction): boolean {
  return status === 'Pending' || status === 'InProgress';
}
