import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileTrouble, shellWord, untrusted } from '../local/ownership.ts';
import type { Document } from './document.ts';
import { Trouble } from './fields.ts';
import type { Findings } from './findings.ts';

/** Nothing that belongs into a configuration comes near this. */
const maxBytes = 1024 * 1024;

/** A file that was read, by its full path. */
export interface ReadFile {
  path: string;
  bytes: Buffer;
  stats: Stats;
}

/** Reads a file of at most 1 MiB. Says in words why it cannot be used; they hold no path, which may be a mislaid secret. */
export async function readBounded(path: string): Promise<ReadFile | { trouble: string }> {
  try {
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (stats.isDirectory()) return { trouble: 'it is a directory' };
      if (!stats.isFile()) return { trouble: 'it is not a regular file' };
      if (stats.size > maxBytes) return { trouble: 'it is larger than 1 MiB' };
      return { path, stats, bytes: await handle.readFile() };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { trouble: fileTrouble(error) };
  }
}

/** Why others must not be able to change a file of the configuration, with the command that mends it; else undefined. */
export function ownershipTrouble(file: ReadFile, uid: number | undefined): string | undefined {
  const trouble = untrusted(file.stats, uid);
  if (trouble === undefined || uid === undefined) return undefined;
  const word = shellWord(file.path);
  const foreign = file.stats.uid !== uid && file.stats.uid !== 0;
  return foreign
    ? `${file.path} belongs to another user, who could change it: chown ${uid} ${word}`
    : `${file.path} can be changed by others: chmod go-w ${word}`;
}

/** Warns of a file with secrets that others may read, with the command that mends it. */
export function warnOfReaders(file: ReadFile, uid: number | undefined, findings: Findings): void {
  const mend = uid === undefined ? undefined : howToHide(file, uid);
  if (mend === undefined) return;
  findings.warn({ topic: 'permissions', text: `${file.path} holds secrets and others may read it`, mend });
}

function howToHide({ path, stats }: ReadFile, uid: number): string | undefined {
  const word = shellWord(path);
  if (stats.uid === uid) return (stats.mode & 0o044) === 0 ? undefined : `chmod 600 ${word}`;
  // A file of root's that this user reads by its group is as it should be.
  if ((stats.mode & 0o004) === 0) return undefined;
  const byGroup = (stats.mode & 0o040) !== 0 && (process.getgroups?.() ?? []).includes(stats.gid);
  return byGroup ? `chmod o= ${word}` : `chown ${uid} ${word} && chmod 600 ${word}`;
}

/** Text of a file in UTF-8, without a byte order mark; undefined when it is something else. */
export function decodeText(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

/**
 * Tells whether a text given as the name of a file may be a secret or a whole configuration that was put in the wrong place,
 * and must not be repeated.
 */
export function mayBeMislaid(name: string): boolean {
  // What Entra ID makes for a secret may have a dot near its end, but seldom small letters only behind it.
  const isLikePath = name.includes('/') || /\.(?:[a-z][a-z0-9]{0,5}|[A-Z]{1,6})$/u.test(name);
  return !isLikePath || name.length > 256 || /[{}"'\r\n]|-----BEGIN/u.test(name);
}

/** Reads the files that a configuration names, and reports what is wrong with them under the key that names them. */
export interface NamedFiles {
  /**
   * What `use` makes of the file that a key names; undefined without one and after a problem, such as a `Trouble` that `use`
   * throws. `secret`: nobody else should be able to read the file. `foreign`: a secret that somebody else keeps up to date,
   * whose owner and permissions are theirs to choose.
   */
  read<Value>(
    key: string,
    content: 'secret' | 'public' | 'foreign',
    use: (file: ReadFile) => Value,
  ): Promise<Value | undefined>;
  /** The full path of a file that is named relative to the configuration. */
  resolve(path: string): string;
}

/** Reads files named relative to the configuration file; registers the content of all but `public` ones at once. */
export function createNamedFiles(options: {
  configFile: string;
  document: Document;
  uid: number | undefined;
  findings: Findings;
  registerSecret: (secret: string) => void;
}): NamedFiles {
  const { document, uid, findings, registerSecret } = options;
  const base = dirname(options.configFile);
  return {
    resolve: (path) => resolve(base, path),
    async read(key, content, use) {
      const name = document.valueOf(key);
      if (typeof name !== 'string') return undefined;
      return findings.attempt(key, async () => {
        const path = resolve(base, name);
        const file = await readBounded(path);
        if ('trouble' in file) {
          const trouble = `cannot be read: ${file.trouble}`;
          throw new Trouble(
            mayBeMislaid(name)
              ? `the file named there ${trouble} (relative paths start at ${base})`
              : `${path} ${trouble}`,
          );
        }
        if (content !== 'public') registerSecret(file.bytes.toString());
        if (content !== 'foreign') {
          const trouble = ownershipTrouble(file, uid);
          if (trouble !== undefined) findings.problem(key, trouble);
        }
        if (content === 'secret') warnOfReaders(file, uid, findings);
        return use(file);
      });
    },
  };
}
