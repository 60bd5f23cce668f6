import type { AtpClient } from '../atp/client.ts';
import type { Microsoft } from '../atp/microsoft.ts';
import type { Cache } from '../local/cache.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { clientAccess, tokenAccess, type DetectAccess } from '../detect/access.ts';
import { createDetectClient, type DetectClient } from '../detect/client.ts';
import { createDetectLogin } from '../detect/login.ts';
import { ApiError, type Service } from '../errors.ts';
import type { Breaker } from '../http/breaker.ts';
import { createHttp, withRequest, type HttpClient } from '../http/http.ts';
import { createLimiter, type Limiter } from '../http/limiter.ts';
import { createTokenSource } from '../http/token.ts';
import type { Log } from '../output/log.ts';
import type { Secrets } from '../output/secrets.ts';

/** What came of a request, retries included. */
export interface HttpOutcome {
  /** Value of the `Date` header, milliseconds UTC. */
  serverTime: number | undefined;
  failure: ApiError | undefined;
}

export interface Clients {
  detect: DetectClient;
  /** The login service and Defender, loaded when first asked for. */
  microsoft: () => Promise<Microsoft>;
  atp: AtpClient;
}

/** Detect answers a single client; more at a time only queue there. */
const maxConcurrent = 10;

/** Builds the clients of the three services; nothing is sent until something is asked of them. */
export function createClients(
  config: Config,
  parts: {
    clock: Clock;
    limiter: Limiter;
    breaker: Breaker;
    cache: Cache;
    /** Counts the requests sent. */
    calls: Record<Service, number>;
    log: Log;
    secrets: Secrets;
    stop: AbortSignal;
    /** Told of the end of each request. */
    onOutcome?: (service: Service, outcome: HttpOutcome) => void;
  },
): Clients {
  const { clock, limiter, breaker, cache, calls, log, secrets, stop, onOutcome } = parts;
  const { detect, atp } = config;

  function http(
    service: Service,
    baseUrl: string,
    more: Partial<Parameters<typeof createHttp>[0]>,
  ): HttpClient {
    const client = createHttp({
      service,
      baseUrl,
      timeoutMs: config.http.timeoutSeconds * 1_000,
      clock,
      stop,
      proxy: config.http.proxy,
      limiter: createLimiter({ clock, maxConcurrent, windows: [] }),
      onAttempt(attempt) {
        calls[service] += 1;
        log.debug(attempt, 'request');
      },
      ...more,
    });
    return breaker.guard(
      onOutcome
        ? observed(client, (outcome) => {
            onOutcome(service, outcome);
          })
        : client,
      service,
    );
  }

  const detectTls = {
    tls: {
      insecure: detect.insecure,
      ...(detect.ca === undefined ? {} : { ca: detect.ca }),
      ...(detect.fingerprint256 === undefined ? {} : { fingerprint256: detect.fingerprint256 }),
    },
  };

  function detectAccess(): DetectAccess {
    const { credential, url } = detect;
    if (credential.kind === 'token') return tokenAccess(credential.token);
    const login = createDetectLogin({
      http: http('detect', url, detectTls),
      url,
      client: credential,
      registerSecret: secrets.register,
    });
    return clientAccess(createTokenSource({ login, cache, clock, registerSecret: secrets.register }));
  }

  const microsoftTls = atp.ca === undefined ? {} : { tls: { ca: atp.ca } };
  let made: Promise<Microsoft> | undefined;

  async function make(): Promise<Microsoft> {
    const { createMicrosoft } = await import('../atp/microsoft.ts');
    return createMicrosoft({
      http: http('login', atp.loginUrl, microsoftTls),
      defender: http('atp', atp.apiUrl, { ...microsoftTls, limiter }),
      config: atp,
      cache,
      clock,
      log,
      registerSecret: secrets.register,
      stop,
    });
  }

  function microsoft(): Promise<Microsoft> {
    made ??= make();
    return made;
  }

  return {
    microsoft,
    atp: createAtpWhenNeeded(async () => (await microsoft()).atp),
    detect: createDetectClient({
      http: http('detect', detect.url, detectTls),
      apiVersion: detect.apiVersion,
      access: detectAccess(),
    }),
  };
}

/** The same client, which is only made by its first call: a tick that finds nothing does without the time it takes. */
function createAtpWhenNeeded(make: () => Promise<AtpClient>): AtpClient {
  return {
    findByIp: async (...of) => (await make()).findByIp(...of),
    getMachine: async (...of) => (await make()).getMachine(...of),
    listMachineActions: async (...of) => (await make()).listMachineActions(...of),
    listActionsSince: async (...of) => (await make()).listActionsSince(...of),
    listAlerts: async (...of) => (await make()).listAlerts(...of),
    listAlertsSince: async (...of) => (await make()).listAlertsSince(...of),
    async *listMachines(...of) {
      yield* (await make()).listMachines(...of);
    },
    postAction: async (...of) => (await make()).postAction(...of),
    cancelAction: async (...of) => (await make()).cancelAction(...of),
  };
}

function observed(client: HttpClient, tell: (outcome: HttpOutcome) => void): HttpClient {
  return withRequest(async (request, read) => {
    try {
      let serverTime: number | undefined;
      const value = await client.read(request, (response) => {
        ({ serverTime } = response);
        return read(response);
      });
      tell({ serverTime, failure: undefined });
      return value;
    } catch (error) {
      if (error instanceof ApiError) tell({ serverTime: error.serverTime, failure: error });
      throw error;
    }
  });
}
