import { ApiError, AppError, ExitCode, serviceNames, type Service } from '../errors.ts';

/** A service was unreachable or failed for several hosts in a row, so that nothing more is asked of it in this run. */
export class GivenUpError extends AppError {
  constructor(service: Service, why: string) {
    super(`${serviceNames[service]} was given up${why}`, 'given_up', ExitCode.unavailable);
  }
}

const hostsInARow = 5;

/** What a host asks the service for; see {@link createHealth}. */
export type Use = 'request' | 'enrichment';

/** Counts, per service, the hosts that failed in a row. */
export interface Health {
  /** The same client for one host: its outages count against the service, and a service given up is not called. */
  watch<Client extends object>(client: Client, service: Service, hostId: number, use?: Use): Client;
  givenUp(): boolean;
}

/** Creates the count of a run. */
export function createHealth(): Health {
  const failing = new Map<Service, Set<number>>();
  const ended = new Map<Service, GivenUpError>();
  const successes: Record<Service, number> = { detect: 0, login: 0, atp: 0 };

  /**
   * Until Defender has answered once, so few hosts ask it for their context at a time that a large run does not try it in
   * vain with all. An isolation or a release never waits for that.
   */
  let asking = 0;
  const waiting: (() => void)[] = [];

  async function guarded<Value>(
    service: Service,
    hostId: number,
    use: Use,
    call: () => Promise<Value>,
  ): Promise<Value> {
    if (service !== 'atp' || use === 'request') return await watchedCall(service, hostId, call);
    while (successes.atp === 0 && asking >= hostsInARow && !ended.has('atp') && !ended.has('login'))
      await new Promise<void>((resolve) => waiting.push(resolve));
    asking += 1;
    try {
      return await watchedCall(service, hostId, call);
    } finally {
      asking -= 1;
      for (const proceed of waiting.splice(0)) proceed();
    }
  }

  async function watchedCall<Value>(
    service: Service,
    hostId: number,
    call: () => Promise<Value>,
  ): Promise<Value> {
    const end = ended.get(service) ?? (service === 'atp' ? ended.get('login') : undefined);
    if (end) throw end;
    const before = { ...successes };
    try {
      const value = await call();
      for (const each of service === 'atp' ? (['atp', 'login'] as const) : [service]) {
        successes[each] += 1;
        failing.delete(each);
      }
      return value;
    } catch (error) {
      // A failing call takes long, with its retries: where the service served others meanwhile, it is not a row.
      const isAlone = (failed: Service) => successes[failed] === before[failed];
      if (error instanceof ApiError && isTrouble(error) && isAlone(error.service))
        countFailure(error, hostId);
      throw error;
    }
  }

  function countFailure(error: ApiError, hostId: number): void {
    const hosts = failing.get(error.service) ?? new Set();
    hosts.add(hostId);
    failing.set(error.service, hosts);
    const why = isUnreachable(error)
      ? `: ${error.message}`
      : ` after failing for ${hostsInARow} hosts in a row; the last failure: ${error.message}`;
    if (isUnreachable(error) || hosts.size >= hostsInARow)
      ended.set(error.service, new GivenUpError(error.service, why));
  }

  return {
    watch(client, service, hostId, use = 'request') {
      return new Proxy(client, {
        get(target, key, receiver) {
          const method: unknown = Reflect.get(target, key, receiver);
          if (typeof method !== 'function') return method;
          return (...parameters: unknown[]) =>
            guarded(service, hostId, use, async () => {
              const answer: unknown = await Reflect.apply(method, target, parameters);
              return answer;
            });
        },
      });
    },
    givenUp: () => ended.size > 0,
  };
}

/** A login that fails is never about the one host that needed it. */
function isTrouble(error: ApiError): boolean {
  return error.isOutage || error.service === 'login';
}

/** No connection came about, several times in a row: it is no better for the other hosts. */
function isUnreachable({ failure, notDone }: ApiError): boolean {
  return notDone && (failure === 'network' || failure === 'timeout');
}
