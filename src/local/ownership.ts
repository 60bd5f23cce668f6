import type { Stats } from 'node:fs';

/**
 * Tells why a file or directory must not steer the run, judged by who may change it: it belongs to neither root nor
 * `uid`, or its group or everybody may write to it. Undefined when it may be trusted, or where there are no users (`uid` undefined).
 */
export function untrusted(stats: Stats, uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  if (stats.uid !== uid && stats.uid !== 0) return 'it belongs to another user';
  return (stats.mode & 0o022) === 0 ? undefined : 'others may write to it';
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
