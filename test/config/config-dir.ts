import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/errors.ts';
import { makeTempDir } from '../temp-dir.ts';

/** Secret values of the tests, so that each message can be searched for them. */
export const token = 'd3t3ctT0ken0123456789';
export const appSecret = 'Q~s3cr3t.of-the_app';

export const tenantId = '11111111-2222-3333-4444-555555555555';
export const appId = '66666666-7777-8888-9999-aaaaaaaaaaaa';

export const detect = { url: 'https://detect.example.com', token };
export const atp = { tenantId, appId, appSecret };
export const minimal = { detect, atp };

export interface ConfigDir {
  /** Holds `config.json`, which `$ATP_CONFIG` names; also the working directory. */
  dir: string;
  /** `$HOME`, empty. */
  home: string;
  /** Full path of a file in `dir`. */
  path(name: string): string;
  /** Writes a file (0600) and returns its full path. */
  put(name: string, content: string | Buffer | object, mode?: number): Promise<string>;
  openssl(...args: string[]): void;
  load(options?: { file?: string; env?: NodeJS.ProcessEnv; uid?: number; now?: number }): Promise<Config>;
  /** The message of the failed load. */
  failure(options?: Parameters<ConfigDir['load']>[0]): Promise<string>;
  /** What the last load registered as secrets. */
  registered: Set<string>;
}

/** A fresh directory for a configuration, with its own home. */
export async function makeConfigDir(): Promise<ConfigDir> {
  const root = await makeTempDir();
  const dir = join(root, 'work');
  const home = join(root, 'home');
  await mkdir(dir);
  await mkdir(home);
  const registered = new Set<string>();

  const self: ConfigDir = {
    dir,
    home,
    registered,
    path: (name) => join(dir, name),
    async put(name, content, mode = 0o600) {
      const path = join(dir, name);
      await mkdir(dirname(path), { recursive: true });
      const text =
        typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content);
      await writeFile(path, text);
      await chmod(path, mode);
      return path;
    },
    openssl(...args) {
      execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
    },
    async load({ file, env = {}, uid = process.getuid?.(), now } = {}) {
      registered.clear();
      return loadConfig({
        file,
        env: { HOME: home, ATP_CONFIG: 'config.json', ...env },
        cwd: dir,
        uid,
        registerSecret: (secret) => registered.add(secret),
        ...(now === undefined ? {} : { clock: { now: () => now, sleep: () => Promise.resolve() } }),
      });
    },
    async failure(options) {
      try {
        await self.load(options);
      } catch (error) {
        if (error instanceof ConfigError) return error.message;
        throw error;
      }
      return 'no failure';
    },
  };
  return self;
}

/** The message for a `config.json` with these problems, a line each. */
export function notValid(world: ConfigDir, ...problems: string[]): string {
  return [
    `the configuration ${world.path('config.json')} is not valid:`,
    ...problems.map((text) => `- ${text}`),
  ].join('\n');
}
