import { createDefender } from './defender.ts';
import { createDetect } from './detect.ts';
import { createDetectLogin } from './detect-login.ts';
import { createFaults, type Faults } from './faults.ts';
import { startFront, type Hooks } from './front.ts';
import { isObject, type JsonObject } from './json.ts';
import { createLedger, type Ledger, type Service } from './ledger.ts';
import { startProvider } from './login-provider.ts';
import { createLogin } from './login.ts';
import type { Match } from './route.ts';
import { createSettings, type Settings } from './settings.ts';
import { createWorld, type World } from './world.ts';

export type SimulatorOptions = { [Key in keyof Settings]?: Settings[Key] | undefined } & {
  /** Times of answers, records and tokens; the system's clock when left out. */
  clock?: { now(): number } | undefined;
  /** Certificate and key (PEM) of Detect, which speaks HTTPS then. */
  tls?: { cert: string; key: string } | undefined;
};

/** Detect, the login service and Defender, on three ports of 127.0.0.1, over one world. */
export interface Simulator {
  readonly detectUrl: string;
  readonly loginUrl: string;
  readonly apiUrl: string;
  readonly world: World;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly hooks: Hooks;
  readonly settings: Settings;
  /** A whole, valid configuration of atp for this simulator; objects in `overrides` are merged, undefined removes. */
  config(overrides?: JsonObject): JsonObject;
  /** Likewise with Detect's API client in place of the token. */
  clientConfig(overrides?: JsonObject): JsonObject;
  /** Detect refuses, from now on, every access token that it granted so far. */
  revokeDetectTokens(): void;
  /** Defender refuses, from now on, every token issued so far. */
  revokeTokens(): void;
  close(): Promise<void>;
}

/** Starts the three services. */
export async function createSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { clock = { now: () => Date.now() }, tls, ...chosen } = options;
  const settings = createSettings(chosen);
  const world = createWorld(settings, clock);
  const ledger = createLedger();
  const faults = createFaults();
  const hooks: Hooks = {};
  const provider = await startProvider(settings, clock);

  function start(service: Service, route: (method: string, path: string) => Match) {
    return startFront({
      service,
      route,
      clock,
      settings,
      ledger,
      faults,
      hooks,
      onHarm: (message) => world.violations.push(message),
      tls: service === 'detect' ? tls : undefined,
    });
  }

  const detectLogin = createDetectLogin(settings, clock);
  const detect = await start('detect', createDetect(world, settings, detectLogin));
  const login = await start('login', createLogin(settings, clock, provider));
  const atp = await start('atp', createDefender(world, settings, clock, provider));

  function config(overrides: JsonObject = {}): JsonObject {
    const whole = {
      detect: { url: detect.url, token: settings.detectToken },
      atp: {
        tenantId: settings.tenantId,
        appId: settings.appId,
        appSecret: settings.appSecret,
        apiUrl: atp.url,
        loginUrl: login.url,
        audience: settings.audience,
      },
      isolation: { type: 'Full', maxPerRun: 50, match: 'no-conflict', never: {} },
    };
    return merge(whole, overrides);
  }

  return {
    detectUrl: detect.url,
    loginUrl: login.url,
    apiUrl: atp.url,
    world,
    ledger,
    faults,
    hooks,
    settings,
    config,
    clientConfig(overrides = {}) {
      const { apiClient } = settings;
      const detectKeys = { token: undefined, clientId: apiClient?.id, clientSecret: apiClient?.secret };
      return merge(config({ detect: detectKeys }), overrides);
    },
    revokeTokens: provider.revokeTokens,
    revokeDetectTokens: detectLogin.revoke,
    async close() {
      await Promise.all([detect.close(), login.close(), atp.close(), provider.close()]);
    },
  };
}

function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: JsonObject = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const below = merged[name];
    merged[name] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  // As JSON sees it: undefined is absent.
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}
