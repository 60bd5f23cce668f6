import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileTrouble, shellWord, systemCode, untrusted } from './ownership.ts';

/** A larger file is not one of ours. */
const maxBytes = 32 * 1024 * 1024;
/** A temporary file older than this was left by a run that was killed. */
const abandonedAfterMs = 3_600_000;

/** Small JSON files that save calls. All of it may be lost at any time, and no trouble with it ends a run. */
export interface Cache {
  /** The value kept under a name; undefined when there is none, or none that can be trusted. */
  read(name: string): Promise<unknown>;
  /** Replaces the value as a whole: a reader sees the old one or the new one. */
  write(name: string, value: unknown): Promise<void>;
  remove(name: string): Promise<void>;
}

type Condition = 'usable' | 'missing' | 'unusable';

/**
 * Opens the cache. The directory is made (0700) at the first write. A directory or file of somebody else, or one that
 * others may write to, is not used: what it says could steer the run. The first trouble of each kind is told to `warn`.
 * Names consist of letters, digits, `.`, `_` and `-`; another name is a bug and throws.
 */
export function createCache(options: {
  /** Undefined: nothing is kept. */
  dir: string | undefined;
  warn: (message: string) => void;
  /** Nothing is written or mended, as in a dry run. */
  readOnly: boolean;
  /** User whose cache it is. Default: the user of this process. */
  uid?: number | undefined;
}): Cache {
  const { dir, warn, readOnly, uid = process.getuid?.() } = options;
  const warned = new Set<string>();
  let condition: Promise<Condition> | undefined;
  let swept = false;

  function warnOnce(kind: 'directory' | 'read' | 'write', message: string): void {
    if (warned.has(kind)) return;
    warned.add(kind);
    warn(message);
  }

  async function examine(path: string): Promise<Condition> {
    const { missing, problem, warning } = await judgeDirectory(path, uid);
    if (problem !== undefined) {
      warnOnce('directory', `the cache is not used: ${problem}`);
      return 'unusable';
    }
    if (warning !== undefined) warnOnce('directory', warning);
    return missing ? 'missing' : 'usable';
  }

  async function prepare(path: string): Promise<boolean> {
    condition ??= examine(path);
    if ((await condition) === 'missing') {
      await mkdir(path, { recursive: true, mode: 0o700 });
      // Somebody may have been faster, with other permissions.
      condition = examine(path);
    }
    return (await condition) === 'usable';
  }

  return {
    async read(name) {
      checkName(name);
      if (dir === undefined) return undefined;
      condition ??= examine(dir);
      if ((await condition) !== 'usable') return undefined;
      const file = join(dir, `${name}.json`);
      try {
        return await readOwn(file, uid, readOnly);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') warnOnce('read', `${file} is ignored: ${troubleOf(error)}`);
        return undefined;
      }
    },

    async write(name, value) {
      checkName(name);
      if (dir === undefined || readOnly) return;
      try {
        if (!(await prepare(dir))) return;
        await replace(dir, `${name}.json`, JSON.stringify(value));
      } catch (error) {
        // Making a path on a read-only file system fails with ENOENT in Node.js, which says nothing.
        const problem = systemCode(error) === 'ENOENT' ? await cacheProblem(dir, uid) : undefined;
        warnOnce(
          'write',
          problem === undefined
            ? `the cache in ${dir} cannot be written: ${troubleOf(error)}`
            : `the cache is not used: ${problem}`,
        );
        return;
      }
      if (swept) return;
      swept = true;
      await sweep(dir);
    },

    async remove(name) {
      checkName(name);
      if (dir === undefined || readOnly) return;
      condition ??= examine(dir);
      if ((await condition) !== 'usable') return;
      try {
        await rm(join(dir, `${name}.json`), { force: true });
      } catch (error) {
        warnOnce('write', `the cache in ${dir} cannot be written: ${troubleOf(error)}`);
      }
    },
  };
}

/** Tells why a cache directory could not be used, without making or changing anything; undefined when it could be. */
export async function cacheProblem(dir: string, uid = process.getuid?.()): Promise<string | undefined> {
  const { problem, missing } = await judgeDirectory(dir, uid);
  if (problem !== undefined) return problem;
  const nearest = missing ? await nearestExisting(dirname(dir)) : dir;
  try {
    await access(nearest, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${nearest} cannot be written: ${troubleOf(error)}`;
  }
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await lstat(path);
    return path;
  } catch {
    const above = dirname(path);
    return above === path ? path : nearestExisting(above);
  }
}

async function judgeDirectory(
  path: string,
  uid: number | undefined,
): Promise<{ missing: boolean; problem?: string; warning?: string }> {
  let stats: Stats;
  try {
    stats = await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { missing: true };
    return { missing: false, problem: `${path} cannot be opened: ${troubleOf(error)}` };
  }
  if (!stats.isDirectory()) return { missing: false, problem: `${path} is not a directory` };
  const trouble = untrusted(stats, uid);
  if (trouble !== undefined) return { missing: false, problem: `${path}: ${trouble}` };
  // The files in it are 0600 themselves; and a directory that the program did not make is not its to change.
  if (uid !== undefined && (stats.mode & 0o077) !== 0) {
    return { missing: false, warning: `others may look into the cache: chmod 700 ${shellWord(path)}` };
  }
  return { missing: false };
}

class CacheTrouble extends Error {}

function troubleOf(error: unknown): string {
  if (error instanceof CacheTrouble) return error.message;
  // What O_NOFOLLOW says to a link in the place of the file.
  return systemCode(error) === 'ELOOP' ? 'it is a symbolic link' : fileTrouble(error);
}

async function readOwn(file: string, uid: number | undefined, readOnly: boolean): Promise<unknown> {
  // O_NONBLOCK, so that a pipe put in the place of the file cannot hold the run.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > maxBytes) throw new CacheTrouble('it is not a file of the cache');
    const trouble = untrusted(stats, uid);
    if (trouble !== undefined) throw new CacheTrouble(trouble);
    if (!readOnly && uid === stats.uid && (stats.mode & 0o077) !== 0) await handle.chmod(0o600);
    return parse(await handle.readFile('utf8'));
  } finally {
    await handle.close();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the file, which may hold a token.
    throw new CacheTrouble('it is damaged');
  }
}

/** Writes beside the file and renames, so that neither a reader nor a crash ever meets half of it. */
async function replace(dir: string, name: string, text: string): Promise<void> {
  const temporary = join(dir, `${name}.${randomBytes(6).toString('hex')}.tmp`);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(dir, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes what killed runs left behind. */
async function sweep(dir: string): Promise<void> {
  try {
    for (const name of await readdir(dir)) {
      if (!/^[\w.-]+\.json\.[0-9a-f]{12}\.tmp$/u.test(name)) continue;
      const path = join(dir, name);
      const { mtimeMs } = await lstat(path);
      if (Date.now() - mtimeMs > abandonedAfterMs) await rm(path, { force: true });
    }
  } catch {
    // Another run may sweep at the same time, and a file more or less harms nobody.
  }
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/u.test(name)) throw new TypeError('not a name for a cache file');
}
