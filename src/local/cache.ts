import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  access,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exchangeable, fileTrouble, shellWord, systemCode, untrusted } from './ownership.ts';

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

/** What may be done in the directory; a problem is why nothing may. */
interface Condition {
  isThere: boolean;
  problem?: string;
  warning?: string;
}

/**
 * Opens the cache. The directory is made (0700) at the first write. A directory or file of somebody else, or one that
 * others may write to or exchange, is not used: what it says could steer the run. The first trouble of each kind is told
 * to `warn`. Names consist of letters, digits, `.`, `_` and `-`; another name is a bug and throws.
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
  const { dir = '', warn, readOnly, uid = process.getuid?.() } = options;
  const warned = new Set<string>();
  let judged: Promise<Condition> | undefined;
  let isSwept = false;

  function warnOnce(kind: 'directory' | 'read' | 'write', message: string): void {
    if (warned.has(kind)) return;
    warned.add(kind);
    warn(message);
  }

  async function judge(): Promise<Condition> {
    const condition = await judgeDirectory(dir, uid);
    const { problem, warning } = condition;
    if (problem !== undefined) warnOnce('directory', `the cache is not used: ${problem}`);
    else if (warning !== undefined) warnOnce('directory', warning);
    return condition;
  }

  /** Tells whether the directory is there and may be used. */
  async function isUsable(): Promise<boolean> {
    if (dir === '') return false;
    const { isThere, problem } = await (judged ??= judge());
    return isThere && problem === undefined;
  }

  async function make(): Promise<void> {
    if (dir === '' || (await isUsable()) || (await judged)?.problem !== undefined) return;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // Somebody may have been faster, with other permissions.
    judged = judge();
  }

  /** Changes something in the directory; where that fails, the run goes on. */
  async function change(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // Making a path on a read-only file system fails with ENOENT in Node.js, which says nothing.
      const problem = systemCode(error) === 'ENOENT' ? await cacheProblem(dir, uid) : undefined;
      warnOnce(
        'write',
        problem === undefined
          ? `the cache in ${dir} cannot be written: ${fileTrouble(error)}`
          : `the cache is not used: ${problem}`,
      );
    }
  }

  return {
    async read(name) {
      checkName(name);
      if (!(await isUsable())) return undefined;
      const file = join(dir, `${name}.json`);
      try {
        const stats = await lstat(file);
        const trouble = isFileOfCache(stats) ? untrusted(stats, uid) : 'it is not a file of the cache';
        if (trouble !== undefined) {
          warnOnce('read', `${file} is ignored: ${trouble}`);
          return undefined;
        }
        if (!readOnly && uid === stats.uid && isOpen(stats)) await chmod(file, 0o600);
        const value: unknown = JSON.parse(await readFile(file, 'utf8'));
        return value;
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined;
        // The parser's own message quotes the file, which may hold a token.
        const why = error instanceof SyntaxError ? 'it is damaged' : fileTrouble(error);
        warnOnce('read', `${file} is ignored: ${why}`);
        return undefined;
      }
    },

    async write(name, value) {
      checkName(name);
      if (readOnly) return;
      await change(async () => {
        await make();
        if (!(await isUsable())) return;
        await replace(join(dir, `${name}.json`), JSON.stringify(value));
        if (!isSwept) await sweep(dir);
        isSwept = true;
      });
    },

    async remove(name) {
      checkName(name);
      if (readOnly || !(await isUsable())) return;
      await change(() => rm(join(dir, `${name}.json`), { force: true }));
    },
  };
}

/** Tells why a cache directory could not be used, without making or changing anything; undefined when it could be. */
export async function cacheProblem(dir: string, uid = process.getuid?.()): Promise<string | undefined> {
  const { problem, isThere } = await judgeDirectory(dir, uid);
  if (problem !== undefined) return problem;
  const nearest = isThere ? dir : await nearestExisting(dirname(dir));
  try {
    await access(nearest, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return `${nearest} cannot be written: ${fileTrouble(error)}`;
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

async function judgeDirectory(path: string, uid: number | undefined): Promise<Condition> {
  try {
    const problem = await exchangeable(path, uid);
    if (problem !== undefined) return { isThere: true, problem };
    const stats = await stat(path);
    if (!stats.isDirectory()) return { isThere: true, problem: `${path} is not a directory` };
    const trouble = untrusted(stats, uid);
    if (trouble !== undefined) return { isThere: true, problem: `${path}: ${trouble}` };
    // The files in it are 0600 themselves; and a directory that the program did not make is not its to change.
    return uid !== undefined && isOpen(stats)
      ? { isThere: true, warning: `others may look into the cache: chmod 700 ${shellWord(path)}` }
      : { isThere: true };
  } catch (error) {
    return systemCode(error) === 'ENOENT'
      ? { isThere: false }
      : { isThere: true, problem: `${path} cannot be opened: ${fileTrouble(error)}` };
  }
}

function isFileOfCache(stats: Stats): boolean {
  return stats.isFile() && stats.size <= maxBytes;
}

/** Others may at least read it. */
function isOpen({ mode }: Stats): boolean {
  return (mode & 0o077) !== 0;
}

/** Writes beside the file and renames, so that neither a reader nor a crash ever meets half of it. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o600, flush: true });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes what killed runs left behind. */
async function sweep(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!/^[\w.-]+\.json\.[0-9a-f]{12}\.tmp$/u.test(name)) continue;
    const path = join(dir, name);
    // Another run may have been faster.
    const stats = await stat(path).catch(() => undefined);
    if (stats && Date.now() - stats.mtimeMs > abandonedAfterMs) await rm(path, { force: true });
  }
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/u.test(name)) throw new TypeError('not a name for a cache file');
}
