import {
  chmod,
  chown,
  lchown,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cacheProblem, createCache } from '../../src/local/cache.ts';
import { makeTempDir } from '../temp-dir.ts';

const isRoot = process.getuid?.() === 0;

function openCache(dir: string | undefined, options: { readOnly?: boolean; uid?: number } = {}) {
  const warnings: string[] = [];
  const cache = createCache({
    dir,
    warn: (message) => warnings.push(message),
    readOnly: options.readOnly ?? false,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  });
  return { cache, warnings };
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** Directory with mode 0700 inside a fresh one. */
async function makeCacheDir(): Promise<string> {
  const dir = join(await makeTempDir(), 'atp');
  await mkdir(dir, { mode: 0o700 });
  return dir;
}

describe('a cache', () => {
  test('gives back what was written, to a later run as well', async () => {
    const dir = join(await makeTempDir(), 'deep', 'atp');

    await openCache(dir).cache.write('token-1', { a: [1, 'ü'] });

    const { cache, warnings } = openCache(dir);
    expect(await cache.read('token-1')).toEqual({ a: [1, 'ü'] });
    expect(warnings).toEqual([]);
  });

  test('makes its directory 0700 and its files 0600', async () => {
    const dir = join(await makeTempDir(), 'deep', 'atp');

    await openCache(dir).cache.write('x', 1);

    expect(await modeOf(dir)).toBe('700');
    expect(await modeOf(join(dir, 'x.json'))).toBe('600');
  });

  test('has nothing at first, without a warning and without a directory', async () => {
    const dir = join(await makeTempDir(), 'atp');
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    await cache.remove('x');

    expect(warnings).toEqual([]);
    await expect(stat(dir)).rejects.toThrow('ENOENT');
  });

  test('forgets what is removed', async () => {
    const { cache } = openCache(await makeCacheDir());
    await cache.write('x', 1);

    await cache.remove('x');

    expect(await cache.read('x')).toBeUndefined();
  });

  test('keeps nothing without a directory', async () => {
    const { cache, warnings } = openCache(undefined);

    await cache.write('x', 1);
    await cache.remove('x');

    expect(await cache.read('x')).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  test('shows every reader one whole value while it is being replaced', async () => {
    const { cache, warnings } = openCache(await makeCacheDir());
    const values = Array.from({ length: 20 }, (_, n) => Array.from({ length: 2000 }, () => n));
    await cache.write('x', values[0]);

    const [seen] = await Promise.all([
      Promise.all(values.map(() => cache.read('x'))),
      ...values.map((value) => cache.write('x', value)),
    ]);

    for (const value of seen) expect(values).toContainEqual(value);
    expect(warnings).toEqual([]);
  });

  test('leaves no temporary file, and removes old ones of killed runs', async () => {
    const dir = await makeCacheDir();
    const old = join(dir, 'x.json.0123456789ab.tmp');
    const young = join(dir, 'y.json.0123456789ab.tmp');
    const foreign = join(dir, 'notes.tmp');
    for (const path of [old, young, foreign]) await writeFile(path, '{');
    for (const path of [old, foreign]) await utimes(path, 1, 1);

    await openCache(dir).cache.write('x', 1);

    expect((await readdir(dir)).sort()).toEqual(['notes.tmp', 'x.json', 'y.json.0123456789ab.tmp']);
  });

  test.each(['../x', 'a/b', '', '.hidden', 'a\0b', 'x'.repeat(201)])('refuses the name %j', async (name) => {
    const { cache } = openCache(await makeTempDir());

    await expect(cache.read(name)).rejects.toThrow('not a name for a cache file');
    await expect(cache.write(name, 1)).rejects.toThrow('not a name for a cache file');
    await expect(cache.remove(name)).rejects.toThrow('not a name for a cache file');
  });
});

describe('a read-only cache', () => {
  test('reads, and writes or removes nothing', async () => {
    const dir = await makeCacheDir();
    await openCache(dir).cache.write('x', 1);
    const { cache } = openCache(dir, { readOnly: true });

    await cache.write('x', 2);
    await cache.write('y', 2);
    await cache.remove('x');

    expect(await cache.read('x')).toBe(1);
    expect(await readdir(dir)).toEqual(['x.json']);
  });

  test('does not mend permissions', async () => {
    const dir = await makeCacheDir();
    await openCache(dir).cache.write('x', 1);
    await chmod(join(dir, 'x.json'), 0o640);

    expect(await openCache(dir, { readOnly: true }).cache.read('x')).toBe(1);

    expect(await modeOf(join(dir, 'x.json'))).toBe('640');
  });
});

describe('trouble is one warning and otherwise like no cache:', () => {
  test('a damaged file, whose content is not quoted', async () => {
    const dir = await makeCacheDir();
    await writeFile(join(dir, 'x.json'), '{"token":"eyJ0', { mode: 0o600 });
    await writeFile(join(dir, 'y.json'), '', { mode: 0o600 });
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    expect(await cache.read('y')).toBeUndefined();
    expect(await cache.read('x')).toBeUndefined();

    expect(warnings).toEqual([`${join(dir, 'x.json')} is ignored: it is damaged`]);
    await cache.write('x', 2);
    expect(await cache.read('x')).toBe(2);
  });

  test('a file that others may write to', async () => {
    const dir = await makeCacheDir();
    const { cache, warnings } = openCache(dir);
    await cache.write('x', 1);
    await chmod(join(dir, 'x.json'), 0o620);

    expect(await cache.read('x')).toBeUndefined();

    expect(warnings).toEqual([`${join(dir, 'x.json')} is ignored: others may write to it`]);
  });

  test('a directory of another user', async () => {
    const dir = await makeCacheDir();
    await openCache(dir).cache.write('x', 1);
    // Root can give it away; anybody else can only be somebody else.
    if (isRoot) await chown(dir, 4711, 4711);
    const { cache, warnings } = openCache(dir, isRoot ? {} : { uid: 4711 });

    expect(await cache.read('x')).toBeUndefined();
    await cache.write('y', 2);
    await cache.remove('x');

    expect(warnings).toEqual([`the cache is not used: ${dir}: it belongs to another user`]);
    expect(await readdir(dir)).toEqual(['x.json']);
  });

  test.runIf(isRoot)('a file of another user', async () => {
    const dir = await makeCacheDir();
    const { cache, warnings } = openCache(dir);
    await cache.write('x', 1);
    await chown(join(dir, 'x.json'), 4711, 4711);

    expect(await cache.read('x')).toBeUndefined();

    expect(warnings).toEqual([`${join(dir, 'x.json')} is ignored: it belongs to another user`]);
  });

  test('a symbolic link in the place of a file', async () => {
    const dir = await makeCacheDir();
    await writeFile(join(dir, 'target'), '1');
    await symlink(join(dir, 'target'), join(dir, 'x.json'));
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    await cache.write('x', 2);

    expect(warnings).toEqual([`${join(dir, 'x.json')} is ignored: it is not a file of the cache`]);
    expect(await readFile(join(dir, 'target'), 'utf8')).toBe('1');
    expect(await cache.read('x')).toBe(2);
  });

  test('a directory in the place of a file', async () => {
    const dir = await makeCacheDir();
    await mkdir(join(dir, 'x.json'));
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    await cache.write('x', 2);
    await cache.remove('x');

    expect(warnings).toEqual([
      `${join(dir, 'x.json')} is ignored: it is not a file of the cache`,
      `the cache in ${dir} cannot be written: it is a directory`,
    ]);
    expect(await readdir(dir)).toEqual(['x.json']);
  });

  test('a file in the place of the directory', async () => {
    const dir = join(await makeTempDir(), 'atp');
    await writeFile(dir, '');
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    await cache.write('x', 1);
    await cache.write('y', 1);

    expect(warnings).toEqual([`the cache is not used: ${dir} is not a directory`]);
  });

  test('a file in the place of a directory above', async () => {
    const above = join(await makeTempDir(), 'file');
    await writeFile(above, '');
    const dir = join(above, 'atp');
    const { cache, warnings } = openCache(dir);

    await cache.write('x', 1);
    await cache.write('x', 1);

    expect(warnings).toEqual([
      `the cache is not used: ${dir} cannot be opened: a part of the path is not a directory`,
    ]);
  });

  test('a directory that others may write to', async () => {
    const dir = await makeCacheDir();
    await openCache(dir).cache.write('x', 1);
    await chmod(dir, 0o770);
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBeUndefined();
    await cache.write('y', 1);

    expect(warnings).toEqual([`the cache is not used: ${dir}: others may write to it`]);
    expect(await readdir(dir)).toEqual(['x.json']);
  });

  test.skipIf(isRoot)('a directory that cannot be written', async () => {
    const dir = await makeCacheDir();
    await chmod(dir, 0o500);
    const { cache, warnings } = openCache(dir);

    await cache.write('x', 1);
    await cache.write('y', 1);

    expect(warnings).toEqual([`the cache in ${dir} cannot be written: permission denied`]);
    expect(await cacheProblem(dir)).toBe(`${dir} cannot be written: permission denied`);
  });
});

describe.runIf(isRoot)('a cache below a folder that somebody else could exchange', () => {
  /** Folders below one that everybody may look into, each given to a user with a mode. */
  async function make(...folders: [name: string, uid: number, mode: number][]): Promise<string> {
    let path = await makeTempDir();
    // In /tmp, which is sticky, the folder has to be the user's own.
    await chown(path, 4711, 4711);
    await chmod(path, 0o755);
    for (const [name, uid, mode] of folders) {
      path = join(path, name);
      await mkdir(path);
      await chown(path, uid, uid);
      await chmod(path, mode);
    }
    return path;
  }

  test.each<[string, [string, number, number][], (dir: string) => string | undefined]>([
    [
      'of another user',
      [
        ['foreign', 4712, 0o755],
        ['atp', 4711, 0o700],
      ],
      (dir) => `${dirname(dir)}: it belongs to another user`,
    ],
    [
      'that its group may write to',
      [
        ['team', 4711, 0o775],
        ['atp', 4711, 0o700],
      ],
      (dir) => `${dirname(dir)}: others may write to it`,
    ],
    [
      'that everybody may write to, far above',
      [
        ['open', 0, 0o777],
        ['own', 4711, 0o700],
        ['atp', 4711, 0o700],
      ],
      (dir) => `${dirname(dirname(dir))}: others may write to it`,
    ],
    [
      "of somebody else's in a sticky one",
      [
        ['tmp', 0, 0o1777],
        ['foreign', 4712, 0o755],
        ['atp', 4711, 0o700],
      ],
      (dir) => `${dirname(dir)}: it belongs to another user`,
    ],
    [
      "of root's in a sticky one, which nobody else can exchange",
      [
        ['tmp', 0, 0o1777],
        ['roots', 0, 0o755],
        ['atp', 4711, 0o700],
      ],
      () => undefined,
    ],
    [
      "of root, or the user's own in a sticky one",
      [
        ['roots', 0, 0o755],
        ['tmp', 0, 0o1777],
        ['own', 4711, 0o755],
        ['atp', 4711, 0o700],
      ],
      () => undefined,
    ],
  ])('%s', async (_what, folders, expected) => {
    const dir = await make(...folders);
    const problem = expected(dir);
    const { cache, warnings } = openCache(dir, { uid: 4711 });

    await cache.write('x', 1);

    expect(warnings).toEqual(problem === undefined ? [] : [`the cache is not used: ${problem}`]);
    expect(await readdir(dir)).toEqual(problem === undefined ? ['x.json'] : []);
    expect(await cacheProblem(dir, 4711)).toBe(problem);
  });

  test('is not even made', async () => {
    const above = await make(['foreign', 4712, 0o755]);
    const { cache, warnings } = openCache(join(above, 'deep', 'atp'), { uid: 4711 });

    await cache.write('x', 1);

    expect(warnings).toEqual([`the cache is not used: ${above}: it belongs to another user`]);
    expect(await readdir(above)).toEqual([]);
  });

  test('is found behind a symbolic link, and a link to folders of one’s own is followed', async () => {
    const foreign = await make(['foreign', 4712, 0o755], ['atp', 4711, 0o700]);
    const own = await make(['own', 4711, 0o755], ['atp', 4711, 0o700]);
    const links = await make(['links', 4711, 0o755]);
    for (const [name, target] of [
      ['bad', foreign],
      ['good', own],
    ] as const) {
      await symlink(dirname(target), join(links, name));
      await lchown(join(links, name), 4711, 4711);
    }

    expect(await cacheProblem(join(links, 'bad', 'atp'), 4711)).toBe(
      `${dirname(foreign)}: it belongs to another user`,
    );
    expect(await cacheProblem(join(links, 'good', 'atp'), 4711)).toBeUndefined();
  });
});

describe('permissions that only let others read', () => {
  test('of the directory are told, with the command that mends them, and the cache is used', async () => {
    const dir = await makeCacheDir();
    await chmod(dir, 0o755);
    const { cache, warnings } = openCache(dir);

    await cache.write('x', 1);

    expect(await cache.read('x')).toBe(1);
    expect(warnings).toEqual([`others may look into the cache: chmod 700 ${dir}`]);
    expect(await modeOf(dir)).toBe('755');
  });

  test('of a file are mended', async () => {
    const dir = await makeCacheDir();
    await openCache(dir).cache.write('x', 1);
    await chmod(join(dir, 'x.json'), 0o644);
    const { cache, warnings } = openCache(dir);

    expect(await cache.read('x')).toBe(1);

    expect(warnings).toEqual([]);
    expect(await modeOf(join(dir, 'x.json'))).toBe('600');
  });
});

describe('the check of a cache directory', () => {
  test('finds nothing wrong with one that is there or can be made, and makes nothing', async () => {
    const dir = await makeCacheDir();

    expect(await cacheProblem(dir)).toBeUndefined();
    expect(await cacheProblem(join(dir, 'a', 'b'))).toBeUndefined();

    expect(await readdir(dir)).toEqual([]);
  });

  test('says what is wrong', async () => {
    const dir = await makeTempDir();
    await writeFile(join(dir, 'file'), '');
    await mkdir(join(dir, 'open'));
    await chmod(join(dir, 'open'), 0o777);

    expect(await cacheProblem(join(dir, 'file'))).toBe(`${join(dir, 'file')} is not a directory`);
    expect(await cacheProblem(join(dir, 'open'))).toBe(`${join(dir, 'open')}: others may write to it`);
  });
});
