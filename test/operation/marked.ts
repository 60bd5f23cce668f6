import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRsaIdentity } from '../atp/rsa-identity.ts';
import type { JsonObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import type { Answer } from '../simulator/route.ts';
import { createImpatientClock, runInProcess, type InProcess } from './rig.ts';

/** Values that a search finds wherever they turn up, also cut short. */
export const marks = {
  detectToken: 'MARK1detect2token3of4forty5characters6789',
  appSecret: 'MARK~app secret+with/odd&chars=%7E',
  passphrase: 'MARK pass "phrase" \\ of the key',
  proxyPassword: 'MARK:proxy/pass@word',
  clientSecret: 'MARK+client=secret/of:detect&0123',
};

export const markedCredentials = ['secret', 'certificate', 'client'] as const;
export type MarkedCredential = (typeof markedCredentials)[number];

/** The id of the API client. */
const clientId = 'svc';

/** The services, and a command whose every secret is marked. */
export interface Marked {
  simulator: Simulator;
  dir: string;
  /** The configuration with a client secret, with a certificate and an encrypted key, or with an API client of Detect. */
  config: (credential: MarkedCredential, overrides?: JsonObject) => JsonObject;
  run: (args: readonly string[], config: JsonObject | string, env?: NodeJS.ProcessEnv) => Promise<InProcess>;
  /** Fails when a secret is in what was printed, in a note, in a tag, or in the name of a file of the cache. */
  findLeaks: (printed: string) => Promise<string[]>;
  close: () => Promise<void>;
}

/** Starts services that know the marked secrets. */
export async function startMarked(): Promise<Marked> {
  const identity = createRsaIdentity();
  const { detectToken, appSecret, passphrase, clientSecret } = marks;
  const simulator = await createSimulator({
    detectToken,
    appSecret,
    certificate: identity.certificate,
    apiClient: { id: clientId, secret: clientSecret, tokenSeconds: 3600 },
  });
  const dir = await mkdtemp(join(tmpdir(), 'atp-marked-'));
  await writeFile(join(dir, 'cert.pem'), identity.certificate);
  await writeFile(join(dir, 'plain.pem'), identity.privateKey, { mode: 0o600 });
  await writeFile(join(dir, 'phrase'), passphrase, { mode: 0o600 });
  const encrypt = 'pkcs8 -topk8 -in plain.pem -passout file:phrase -out key.pem'.split(' ');
  execFileSync('openssl', encrypt, { cwd: dir, stdio: 'pipe' });
  const keyLines = [identity.privateKey, readFileSync(join(dir, 'key.pem'), 'utf8')].flatMap((pem) =>
    pem.split('\n').filter((line) => line.length === 64),
  );
  const needles = needlesOf(keyLines);

  return {
    simulator,
    dir,
    config(credential, overrides = {}) {
      const keys = {
        appSecret: undefined,
        certificateFile: join(dir, 'cert.pem'),
        privateKeyFile: join(dir, 'key.pem'),
        privateKeyPassphrase: passphrase,
      };
      const whole = simulator[credential === 'client' ? 'clientConfig' : 'config']({
        cacheDir: join(dir, 'cache'),
        ...(credential === 'certificate' ? { atp: keys } : {}),
      });
      return { ...whole, ...overrides };
    },
    run: (args, config, env = {}) =>
      runInProcess([...args, '--verbose'], config, { env, clock: createImpatientClock() }),
    async findLeaks(printed) {
      const { hosts } = simulator.world.snapshot();
      const files = await readdir(join(dir, 'cache')).catch(() => []);
      const all = [printed, JSON.stringify(hosts), files.join('\n')].join('\n');
      return [
        ...needles.filter((needle) => all.includes(needle)),
        ...(all.match(/eyJ[\w-]{12}\S{0,20}|detect\.[\w-]{30}/gu) ?? []),
      ];
    },
    async close() {
      await simulator.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Each mark as it is, and in the forms in which it travels; the beginning is enough. */
function needlesOf(keyLines: readonly string[]): string[] {
  const forms = Object.values(marks).flatMap((mark) => [
    mark.slice(0, 10),
    encodeURIComponent(mark).slice(0, 12),
    new URLSearchParams({ '': mark }).toString().slice(1, 12),
    Buffer.from(mark).toString('base64').slice(0, 12),
    Buffer.from(`svc:${mark}`).toString('base64').slice(0, 12),
  ]);
  return [...new Set([...forms, ...keyLines.map((line) => line.slice(0, 24))])];
}

/** An answer that says back all that was sent, as debugging pages and some gateways do. */
export function echo(
  status: number,
  shape: 'json' | 'text' | 'html' | 'header' | 'broken',
): (entry: Entry) => Answer {
  return ({ authorization = '', body, path }) => {
    const form = typeof body === 'object' && body !== null ? Object.values(body).join(' ') : '';
    const said = `${path} ${authorization} ${JSON.stringify(body ?? '')} ${form}`;
    const headers = { 'request-id': authorization, 'retry-after': '90' };
    switch (shape) {
      case 'json':
        return {
          status,
          headers,
          body: { error: { code: authorization.split(' ')[1] ?? 'E', message: said }, detail: said },
        };
      case 'text':
        return { status, headers, body: said };
      case 'html':
        return { status, headers, body: `<html><body><p>${said}</p></body></html>` };
      case 'header':
        return {
          status,
          headers: { ...headers, location: `https://elsewhere.example/?t=${encodeURIComponent(said)}` },
          body: undefined,
        };
      case 'broken':
        return { status, headers, body: `{"message": "${said}` };
    }
  };
}

/** The calls whose answers can go wrong in a run of all flags. */
export const calls =
  'detect-token search tags host notes note-create tag-add tag-remove groups token findbyip machineactions isolate unisolate'.split(
    ' ',
  );

/** Answers that say everything back, one after the other. */
export const echoes = [
  echo(400, 'json'),
  echo(401, 'text'),
  echo(403, 'json'),
  echo(404, 'json'),
  echo(429, 'html'),
  echo(500, 'text'),
  echo(302, 'header'),
  echo(200, 'broken'),
] as const;

/** Makes a run ask for the groups. */
export const groupRule = { isolation: { never: { groups: ['nothing*'] } } };

/** A host for each purpose, and nothing else; tokens of earlier runs are refused. */
export function resetWorld({
  world,
  revokeTokens,
  revokeDetectTokens,
  hooks,
  faults,
  ledger,
}: Simulator): void {
  for (const id of [...world.hosts.keys()]) world.deleteHost(id);
  revokeTokens();
  revokeDetectTokens();
  faults.clear();
  ledger.clear();
  hooks.answer = undefined;
  const released = world.addPair({ tags: ['unblock'], notes: ['mine'] });
  world.portalIsolate(released.machine.id);
  world.addPair({ tags: ['block'] });
  world.addPair({ tags: ['host_context'] });
}
