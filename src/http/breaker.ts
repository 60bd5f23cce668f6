import { ApiError, GivenUpError, type Service } from '../errors.ts';
import { withRequest, type HttpClient, type HttpRequest } from './http.ts';

/**
 * Gives a service up for the rest of the run when it cannot be reached, or when it fails for five subjects (hosts) in
 * a row. A given-up login stops Defender too. Requests without a subject count for nothing.
 */
export interface Breaker {
  /** The same client, counted for its service. Once the service is given up, it rejects with a {@link GivenUpError}. */
  guard(client: HttpClient, service: Service): HttpClient;
  /** True when a service was given up, or failed for every subject that needed it. */
  givenUp(): boolean;
}

const subjectsInARow = 5;

/** Creates the breaker of one run. */
export function createBreaker(): Breaker {
  const rows: Record<Service, Set<number>> = { detect: new Set(), login: new Set(), atp: new Set() };
  const hasFailed: Record<Service, boolean> = { detect: false, login: false, atp: false };
  const successes: Record<Service, number> = { detect: 0, login: 0, atp: 0 };
  const ended = new Map<Service, GivenUpError>();
  const gate = createGate();

  function endOf(service: Service): GivenUpError | undefined {
    return ended.get(service) ?? (service === 'atp' ? ended.get('login') : undefined);
  }

  function succeeded(service: Service): void {
    successes[service] += 1;
    rows[service].clear();
    // Defender only answers who has logged in.
    if (service === 'atp') succeeded('login');
  }

  function failed(error: ApiError, subjects: readonly number[], isAlone: boolean): void {
    const { service } = error;
    hasFailed[service] = true;
    if (!isAlone) return;
    for (const subject of subjects) rows[service].add(subject);
    const why = isUnreachable(error)
      ? `: ${error.message}`
      : ` after failing for ${subjectsInARow} hosts in a row; the last failure: ${error.message}`;
    if (isUnreachable(error) || rows[service].size >= subjectsInARow)
      ended.set(service, new GivenUpError(service, why));
  }

  async function counted<Value>(
    service: Service,
    subjects: readonly number[],
    send: () => Promise<Value>,
  ): Promise<Value> {
    const end = endOf(service);
    if (end) throw end;
    const before = { ...successes };
    try {
      const value = await send();
      succeeded(service);
      return value;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A failing call takes long, with its retries: where the service served others meanwhile, it is not a row.
      if (isTrouble(error)) failed(error, subjects, successes[error.service] === before[error.service]);
      else if (isAnswer(error)) succeeded(error.service);
      throw error;
    }
  }

  async function guarded<Value>(
    service: Service,
    call: HttpRequest,
    send: () => Promise<Value>,
  ): Promise<Value> {
    const subjects = [call.subject ?? []].flat();
    if (subjects.length === 0) {
      const end = endOf(service);
      if (end) throw end;
      return await send();
    }
    if (service !== 'atp' || call.priority === 'action') return await counted(service, subjects, send);
    return await gate(
      () => successes.atp === 0 && endOf('atp') === undefined,
      () => counted(service, subjects, send),
    );
  }

  return {
    guard: (client, service) =>
      withRequest((call, read) => guarded(service, call, () => client.read(call, read))),
    givenUp: () =>
      ended.size > 0 ||
      (['detect', 'login', 'atp'] as const).some((service) => hasFailed[service] && successes[service] === 0),
  };
}

/**
 * Lets at most five enrichments at a time ask Defender until it has answered once, so that a large run does not try a
 * dead Defender with all its hosts. An isolation or a release never waits here.
 */
function createGate() {
  let asking = 0;
  const waiting: (() => void)[] = [];

  return async <Value>(isNarrow: () => boolean, task: () => Promise<Value>): Promise<Value> => {
    while (asking >= subjectsInARow && isNarrow())
      await new Promise<void>((resolve) => waiting.push(resolve));
    asking += 1;
    try {
      return await task();
    } finally {
      asking -= 1;
      for (const proceed of waiting.splice(0)) proceed();
    }
  };
}

/** A refusal of this one request comes from a service that works. */
function isAnswer({ failure, status = 0, isOutage }: ApiError): boolean {
  return failure === 'status' && status >= 400 && !isOutage && status !== 401 && status !== 403;
}

/** A login that fails is never about the one host that needed it. */
function isTrouble(error: ApiError): boolean {
  return error.isOutage || error.service === 'login';
}

/** No connection came about, several times in a row: it is no better for the other hosts. */
function isUnreachable({ failure, notDone }: ApiError): boolean {
  return notDone && (failure === 'network' || failure === 'timeout');
}
