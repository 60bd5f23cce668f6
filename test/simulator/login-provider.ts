import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Adapter, AdapterPayload, KoaContextWithOIDC } from 'oidc-provider';
import { guid } from './defender-records.ts';
import { entraAnswer, expiredSecret, outOfTime, translate, unknownKey } from './entra-errors.ts';
import { isObject } from './json.ts';
import type { Settings } from './settings.ts';

/** The kind of credential a request brings; the provider knows but one for each client. */
type Credential = 'secret' | 'assertion';

/** A real OpenID provider on a port of its own, behind the front that speaks like Entra. */
export interface Provider {
  readonly keysUrl: string;
  /** Judges a token request and answers as Entra does. `host` is where the client thinks it is. */
  token(
    form: URLSearchParams,
    credential: Credential,
    host: string,
  ): Promise<{ status: number; body: unknown }>;
  isRevoked(tokenId: string): boolean;
  readonly revokeTokens: () => void;
  close(): Promise<void>;
}

// Assertions are judged by the simulator's clock in the provider's own hook; the provider's clock is the system's.
const anyTime = 4_000_000_000;

let sharedKey: Promise<JWK> | undefined;

/** Starts the provider. */
export async function startProvider(settings: Settings, clock: { now(): number }): Promise<Provider> {
  const { Provider: OidcProvider, errors } = await importQuietly();
  sharedKey ??= createKey();
  const key = await sharedKey;
  const tokenPath = `/${settings.tenantId}/oauth2/v2.0/token`;
  const issuer = `https://sts.windows.net/${settings.tenantId}/`;
  const credentials = new AsyncLocalStorage<Credential>();
  const stored = new Map<string, AdapterPayload>();
  const issued = new Set<string>();
  const revoked = new Set<string>();

  async function client(id: string): Promise<AdapterPayload | undefined> {
    if (id !== settings.appId) return undefined;
    const registered = settings.certificate ? await publicJwk(settings.certificate) : publicPart(key);
    const shape = {
      client_id: id,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    };
    return credentials.getStore() === 'assertion'
      ? { ...shape, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [registered] } }
      : { ...shape, token_endpoint_auth_method: 'client_secret_post', client_secret: settings.appSecret };
  }

  function adapter(kind: string): Adapter {
    const nothing = (): Promise<undefined> => Promise.resolve(undefined);
    return {
      upsert(id, payload) {
        stored.set(`${kind} ${id}`, payload);
        return Promise.resolve();
      },
      find: (id) => (kind === 'Client' ? client(id) : Promise.resolve(stored.get(`${kind} ${id}`))),
      findByUserCode: nothing,
      findByUid: nothing,
      consume: nothing,
      destroy: nothing,
      revokeByGrantId: nothing,
    };
  }

  const provider = new OidcProvider(issuer, {
    adapter,
    jwks: { keys: [key] },
    routes: { token: tokenPath, jwks: '/keys' },
    scopes: [],
    clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'RS256'] },
    clockTolerance: anyTime,
    ttl: { ClientCredentials: () => settings.tokenLifetimeSeconds },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource(ctx) {
          // Named here rather than in a `resource` parameter, which the provider reads with URL.parse: Node 20 has none.
          const audience = textOf(ctx.oidc.params?.['scope']).replace(/\/\.default$/, '');
          const servers = ctx.oidc.resourceServers ?? {};
          servers[audience] = new provider.ResourceServer(audience, {
            audience,
            scope: '',
            accessTokenTTL: settings.tokenLifetimeSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          });
          return [];
        },
      },
    },
    formats: {
      customizers: {
        jwt(_ctx, _token, parts) {
          const iat = Math.floor(clock.now() / 1000);
          const jti = String(parts.payload['jti']);
          issued.add(jti);
          parts.header = { typ: 'JWT' };
          parts.payload = {
            aud: parts.payload['aud'],
            iss: issuer,
            iat,
            nbf: iat,
            exp: iat + settings.tokenLifetimeSeconds,
            jti,
            app_displayname: 'atp',
            appid: settings.appId,
            appidacr: credentials.getStore() === 'assertion' ? '2' : '1',
            idp: issuer,
            oid: guid(settings.appId),
            sub: guid(settings.appId),
            ...(settings.roles.length > 0 && { roles: [...settings.roles] }),
            tenant_region_scope: 'EU',
            tid: settings.tenantId,
            ver: '1.0',
          };
        },
      },
    },
    assertJwtClientAuthClaimsAndHeader(_ctx, claims, header) {
      const now = clock.now() / 1000;
      const [nbf, exp] = [Number(claims['nbf'] ?? 0), Number(claims['exp'])];
      // Entra allows clocks to be five minutes apart.
      if (nbf > now + 300 || exp < now - 300) throw new errors.InvalidClientAuth(outOfTime);
      const known = settings.certificate && thumbprint(settings.certificate);
      if (header['x5t#S256'] !== known) throw new errors.InvalidClientAuth(unknownKey);
    },
  });
  // The address that assertions are made for is the front's.
  provider.proxy = true;

  provider.on('grant.success', (ctx: KoaContextWithOIDC) => {
    if (settings.secretExpired && credentials.getStore() === 'secret') {
      Object.assign(ctx, entraAnswer(expiredSecret, clock.now()));
      return;
    }
    const { access_token, expires_in } = isObject(ctx.body) ? ctx.body : {};
    ctx.body = { token_type: 'Bearer', expires_in, ext_expires_in: expires_in, access_token };
  });
  provider.on('grant.error', (ctx, error) => {
    const refusal = translate(
      { error: error.error, detail: error.error_detail ?? error.error_description ?? '' },
      textOf(ctx.oidc.params?.['client_id']),
    );
    const { status, body } = entraAnswer(refusal, clock.now());
    ctx.status = status;
    ctx.body = body;
  });

  const listener = provider.callback();
  const server = createServer((request, response) => {
    const credential = request.headers['x-credential'] === 'assertion' ? 'assertion' : 'secret';
    credentials.run(credential, () => void listener(request, response));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;

  return {
    keysUrl: `${url}/keys`,
    isRevoked: (tokenId) => revoked.has(tokenId),
    revokeTokens() {
      for (const id of issued) revoked.add(id);
    },
    async token(form, credential, host) {
      const headers = { 'x-credential': credential, 'x-forwarded-host': host };
      const response = await fetch(url + tokenPath, { method: 'POST', body: form, headers });
      const body: unknown = await response.json();
      return { status: response.status, body };
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      // A storage that was used once costs every promise of the process something until it is disabled.
      credentials.disable();
    },
  };
}

/** Loads oidc-provider without its warning that Node 20 is not its newest companion. */
async function importQuietly() {
  const { console: output } = globalThis;
  const warn = output.warn.bind(output);
  output.warn = () => undefined;
  try {
    return await import('oidc-provider');
  } finally {
    output.warn = warn;
  }
}

async function createKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'simulator' };
}

function publicPart({ n, e }: JWK): JWK {
  return { kty: 'RSA', ...(n && { n }), ...(e && { e }) };
}

function textOf(parameter: unknown): string {
  return typeof parameter === 'string' ? parameter : '';
}

async function publicJwk(certificate: string): Promise<JWK> {
  return exportJWK(new X509Certificate(certificate).publicKey);
}

function thumbprint(certificate: string): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
}
