import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { fileTrouble, systemCode } from '../local/ownership.ts';

const hint =
  'Start from config.example.json, and name the file with --config or $ATP_CONFIG if it lies elsewhere.';

/**
 * Finds the configuration file: the one that is named, or else the first that is there.
 * Throws a {@link ConfigError} with the full paths tried when there is none.
 */
export async function findConfigFile(options: {
  /** The file of `--config`. */
  file: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}): Promise<string> {
  const { file, env, cwd } = options;
  const named = file ?? (env['ATP_CONFIG'] || undefined);
  if (named !== undefined) {
    const path = resolve(cwd, named);
    const trouble = await troubleWith(path);
    if (trouble === undefined) return path;
    const by = file === undefined ? '$ATP_CONFIG' : '--config';
    throw new ConfigError(`no configuration: ${by} names ${path}: ${trouble}`, hint);
  }

  const tried: string[] = [];
  for (const path of usualPlaces(env, cwd)) {
    const trouble = await troubleWith(path);
    if (trouble === undefined) return path;
    tried.push(`- ${path}: ${trouble}`);
  }
  throw new ConfigError(`no configuration; tried\n${tried.join('\n')}`, hint);
}

function usualPlaces(env: NodeJS.ProcessEnv, cwd: string): string[] {
  const user = userDirectory(env, 'XDG_CONFIG_HOME', '.config');
  return [
    join(cwd, 'config.json'),
    ...(user === undefined ? [] : [join(user, 'atp', 'config.json')]),
    '/etc/atp/config.json',
  ];
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

/** Why a file is not there; throws when something is, but broken, since it must not be passed over silently. */
async function troubleWith(path: string): Promise<string | undefined> {
  try {
    await stat(path);
    return undefined;
  } catch (error) {
    switch (systemCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
        return 'there is no such file';
      // A directory that this user may not enter, as when another user's home is set.
      case 'EACCES':
        return fileTrouble(error);
      default:
        throw new ConfigError(`the configuration ${path} cannot be read: ${fileTrouble(error)}`);
    }
  }
}
