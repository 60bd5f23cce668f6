import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';

/**
 * Tells why a file or directory must not steer the run, judged by who may change it: it belongs to neither root nor
 * `uid`, or its group or everybody may write to it. Undefined when it may be trusted, or where there are no users (`uid` undefined).
 */
export function untrusted(stats: Stats, uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  if (stats.uid !== uid && stats.uid !== 0) return 'it belongs to another user';
  return (stats.mode & 0o022) === 0 ? undefined : 'others may write to it';
}

/** Others may write into a folder with this bit, as into `/tmp`, but exchange only what is their own. */
const sticky = 0o1000;

/**
 * Tells which folder of a path, the last included, somebody else could put another in the place of, and why: it belongs to
 * neither root nor `uid`, or others may write to the folder that it is in. Symbolic links are followed with the same care.
 * Undefined when there is none, as far as the path exists, or where there are no users. Rejects with the system's error.
 */
export async function exchangeable(path: string, uid: number | undefined): Promise<string | undefined> {
  if (uid === undefined) return undefined;
  const names = resolve(path).split(sep).filter(Boolean);
  const folders = names.reduce((above: string[], name) => [...above, join(above.at(-1) ?? sep, name)], [sep]);
  for (const folder of folders) {
    const stats = await lstat(folder).catch((error: unknown) => {
      // What is missing will be the user's own.
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined) return undefined;
    if (stats.uid !== uid && stats.uid !== 0) return `${folder}: it belongs to another user`;
    if (stats.isSymbolicLink()) {
      const problem = await exchangeable(resolve(dirname(folder), await readlink(folder)), uid);
      if (problem !== undefined) return problem;
    }
    const isWritable = !stats.isSymbolicLink() && (stats.mode & 0o022) !== 0;
    if (isWritable && (stats.mode & sticky) === 0) return `${folder}: others may write to it`;
  }
  return undefined;
}

/** A path as a shell command takes it. */
export function shellWord(path: string): string {
  return /^[\w@%+=:,./-]+$/u.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** The code of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Words for a system error with a file. Unlike the error's own message they hold no path. */
export function fileTrouble(error: unknown): string {
  const code = systemCode(error);
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOTDIR':
      return 'a part of the path is not a directory';
    case 'EISDIR':
      return 'it is a directory';
    case 'ELOOP':
      return 'its symbolic links lead in a circle';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full';
    default:
      return code ?? 'unknown trouble';
  }
}
