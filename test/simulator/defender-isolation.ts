import type { SimAction } from './actions.ts';
import { refuse } from './defender-gate.ts';
import { actionRecord } from './defender-records.ts';
import { isObject, parseJson } from './json.ts';
import type { SimMachine } from './machines.ts';
import type { Answer, Handler, SimRequest } from './route.ts';
import type { Settings } from './settings.ts';
import type { World } from './world.ts';

// Selective isolation is not there for Linux, and no isolation for phones (defender-docs: respond-machine-alerts).
const linux = /ubuntu|linux|debian|centos|suse|fedora|oracle|rocky|alma/i;
const phones = /^(ios|android)$/i;

// The documentation shows the refusal in a picture only: the code is likely, the sentence is what it quotes.
const disallowed = {
  code: refuse(403, 'DisallowedOperation', 'The requested operation is disallowed.'),
  sentence: refuse(400, 'BadRequest', "The operation isn't allowed on the device"),
};

interface Isolation {
  isolate: Handler;
  release: Handler;
  cancel: Handler;
  get: Handler;
}

/** The calls that make, end and read single machine actions. */
export function createIsolation(world: World, settings: Settings, clock: { now(): number }): Isolation {
  function visible(id: string): SimAction | undefined {
    const action = world.actions.get(id);
    return action && clock.now() - action.createdAt >= settings.actionIndexLagMs ? action : undefined;
  }

  /** The machine an action is asked for: its record, or what is left of it and still takes actions. */
  function target(id: string): SimMachine | undefined {
    const machine = world.machines.get(id);
    if (!machine || clock.now() < machine.missingUntil) return undefined;
    return !machine.vanished || machine.acceptsActions ? machine : undefined;
  }

  /** Why Defender does not take the request for this machine, or undefined. */
  function refusalOf(machine: SimMachine, type: 'Isolate' | 'Unisolate'): Answer | undefined {
    const { refusal, restricted } = machine;
    if (refusal) return refuse(refusal.status, refusal.code, refusal.message);
    if (type === 'Isolate' && restricted) return disallowed[restricted];
    if (type === 'Unisolate' && settings.releaseOfFree === 'refuse' && !machine.isolated) {
      return refuse(400, 'BadRequest', `Machine ${machine.id} is not isolated`);
    }
    return undefined;
  }

  function ask(
    machine: SimMachine,
    type: 'Isolate' | 'Unisolate',
    comment: string,
    scope: string | null,
  ): Answer {
    const refusal = refusalOf(machine, type);
    if (refusal) return refusal;
    const asked = world.request({ machineId: machine.id, type, comment, scope, requestor: settings.appId });
    if ('action' in asked) return entity(201, asked.action);
    return settings.duplicateAction === 'earlier'
      ? entity(201, asked.open)
      : refuse(400, 'ActiveRequestAlreadyExists', 'Action is already in progress');
  }

  return {
    isolate(request) {
      const [, id = ''] = request.params;
      const body = readBody(request, ['Comment', 'IsolationType']);
      if ('status' in body) return body;
      const { Comment: comment = '', IsolationType: scope = '' } = body.fields;
      if (scope !== 'Full' && scope !== 'Selective') {
        return refuse(400, 'InvalidInput', `The IsolationType '${scope}' is not valid.`);
      }
      const machine = target(id);
      if (!machine) return refuse(404, 'ResourceNotFound', `Machine ${id} was not found`);
      const platform = machine.osPlatform ?? '';
      const refused =
        phones.test(platform) ||
        machine.onboardingStatus.toLowerCase() !== 'onboarded' ||
        (scope === 'Selective' && linux.test(platform));
      if (refused) {
        return refuse(
          400,
          'OsPlatformNotSupported',
          `The action is not supported on the platform '${platform}'.`,
        );
      }
      return ask(machine, 'Isolate', comment, scope);
    },
    release(request) {
      const [, id = ''] = request.params;
      const body = readBody(request, ['Comment']);
      if ('status' in body) return body;
      const machine = target(id);
      if (!machine) return refuse(404, 'ResourceNotFound', `Machine ${id} was not found`);
      return ask(machine, 'Unisolate', body.fields['Comment'] ?? '', null);
    },
    cancel(request) {
      const [, id = ''] = request.params;
      const body = readBody(request, ['Comment']);
      if ('status' in body) return body;
      const action = visible(id);
      if (!action) return refuse(404, 'ResourceNotFound', `Machine action ${id} was not found`);
      if (action.status !== 'Pending') {
        return refuse(400, 'BadRequest', `Machine action ${id} is ${action.status} and cannot be cancelled`);
      }
      world.cancel(action, settings.appId, body.fields['Comment'] ?? '');
      return entity(200, action);
    },
    get(request) {
      const [, id = ''] = request.params;
      const action = visible(id);
      return action
        ? entity(200, action)
        : refuse(404, 'ResourceNotFound', `Machine action ${id} was not found`);
    },
  };
}

/** The body's texts under exactly these names, case included; otherwise the refusal. */
function readBody(
  request: SimRequest,
  names: readonly string[],
): { fields: Record<string, string> } | Answer {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    return refuse(415, 'UnsupportedMediaType', 'The request entity must be of media type application/json.');
  }
  const body = parseJson(request.text);
  if (!isObject(body)) return refuse(400, 'InvalidRequestBody', 'Request body is incorrect');
  if (Object.keys(body).some((name) => !names.includes(name))) {
    return refuse(400, 'InvalidRequestBody', 'Request body is incorrect');
  }
  const fields: Record<string, string> = {};
  for (const name of names) {
    const value = body[name];
    if (value === undefined || value === '') {
      return refuse(400, 'MissingRequiredParameter', `Missing required parameter ${name}`);
    }
    if (typeof value !== 'string') return refuse(400, 'InvalidRequestBody', 'Request body is incorrect');
    fields[name] = value;
  }
  return { fields };
}

function entity(status: number, action: SimAction): Answer {
  const context = 'https://api-us3.securitycenter.microsoft.com/api/$metadata#MachineActions/$entity';
  return { status, body: { '@odata.context': context, ...actionRecord(action) } };
}
