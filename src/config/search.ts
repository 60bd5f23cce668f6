import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { fileTrouble, systemCode } from '../local/ownership.ts';
import { mayBeMislaid } from './files.ts';

const hint =
  'Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.';

/** A configuration file by its full path, and how a message names it: not by what may be a secret. */
export interface FoundFile {
  path: string;
  name: string;
}

/**
 * Finds the configuration file: the one that is named, or else the first that is there.
 * Throws a {@link ConfigError} with the full paths tried when there is none.
 */
export async function findConfigFile(options: {
  /** The file of `--config`. */
  file: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}): Promise<FoundFile> {
  const { file, env, cwd } = options;
  const named = file ?? (env['ATP_CONFIG'] || undefined);
  if (named !== undefined)
    return findNamed(
      resolve(cwd, named),
      file === undefined ? '$ATP_CONFIG' : '--config',
      mayBeMislaid(named),
    );

  const tried: string[] = [];
  for (const path of usualPlaces(env)) {
    const trouble = await troubleWith(path, path);
    if (trouble === undefined) return { path, name: path };
    tried.push(`- ${path}: ${trouble}`);
  }
  // Not taken by itself: in a folder of somebody else's it would lead the secrets of the environment to their server.
  if (await isThere(join(cwd, 'config.json'))) {
    tried.push('The config.json of the current folder is used only when it is named: --config ./config.json');
  }
  throw new ConfigError(`no configuration; tried\n${tried.join('\n')}`, hint);
}

async function findNamed(path: string, by: string, isMislaid: boolean): Promise<FoundFile> {
  const name = isMislaid ? `that ${by} names` : path;
  const trouble = await troubleWith(path, name);
  if (trouble === undefined) return { path, name };
  if (!isMislaid) throw new ConfigError(`no configuration: ${by} names ${path}: ${trouble}`, hint);
  throw new ConfigError(
    `no configuration: ${by} names no file that can be read: ${trouble}`,
    `Give ${by} the path of a file. What it holds now is not shown, since it may be a secret.`,
  );
}

function usualPlaces(env: NodeJS.ProcessEnv): string[] {
  const user = userDirectory(env, 'XDG_CONFIG_HOME', '.config');
  return [...(user === undefined ? [] : [join(user, 'atp', 'config.json')]), '/etc/atp/config.json'];
}

/**
 * A base directory of the user after the XDG Base Directory specification, which wants relative values ignored.
 * Undefined without a home.
 */
export function userDirectory(
  env: NodeJS.ProcessEnv,
  variable: string,
  fallback: string,
): string | undefined {
  const set = env[variable];
  if (set && isAbsolute(set)) return set;
  const home = env['HOME'];
  return home && isAbsolute(home) ? join(home, fallback) : undefined;
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Why a file is not there; throws when something is, but broken, since it must not be passed over silently. */
async function troubleWith(path: string, name: string): Promise<string | undefined> {
  try {
    await stat(path);
    return undefined;
  } catch (error) {
    switch (systemCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
      case 'ENAMETOOLONG':
        return 'there is no such file';
      // A directory that this user may not enter, as when another user's home is set.
      case 'EACCES':
        return fileTrouble(error);
      default:
        throw new ConfigError(`the configuration ${name} cannot be read: ${fileTrouble(error)}`);
    }
  }
}
