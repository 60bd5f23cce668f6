import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isObject, parseJson, type JsonObject } from '../simulator/json.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

function read(name: string): JsonObject {
  const value = parseJson(readFileSync(join(root, name), 'utf8'));
  return isObject(value) ? value : {};
}

function section(object: JsonObject, name: string): JsonObject {
  const inner = object[name];
  return isObject(inner) ? inner : {};
}

const manifest = read('package.json');
const lock = read('package-lock.json');

/** Of a package that is there in several versions, each lies in the folder of a package that wants it. */
function lockedVersions(name: string): unknown[] {
  return Object.entries(section(lock, 'packages')).flatMap(([path, entry]) =>
    isObject(entry) && (path === `node_modules/${name}` || path.endsWith(`/node_modules/${name}`))
      ? [entry['version']]
      : [],
  );
}

it('who installs the command installs one package and runs nothing', () => {
  expect(manifest).not.toHaveProperty('dependencies');
  expect(manifest).not.toHaveProperty('optionalDependencies');
  expect(manifest).not.toHaveProperty('bundleDependencies');
  // `prepack` is run where the package is made, never for the packed file.
  for (const name of ['preinstall', 'install', 'postinstall']) {
    expect(section(manifest, 'scripts')).not.toHaveProperty(name);
  }
  expect(manifest['files']).toEqual(['dist', 'config.example.json']);
});

it('every package is named with its exact version, and locked with its hash', () => {
  for (const version of Object.values(section(manifest, 'devDependencies'))) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/u);
  }
  const packages = Object.entries(section(lock, 'packages')).filter(([path]) => path !== '');
  expect(packages.length).toBeGreaterThan(100);
  for (const [, entry] of packages) {
    const { integrity, dev } = isObject(entry) ? entry : {};
    expect(integrity).toMatch(/^sha512-/u);
    expect(dev).toBe(true);
  }
});

it('every package in the command has a licence that asks for no more than to be kept with it, and it is', () => {
  const listed = execFileSync(process.execPath, [join(root, '.config', 'licences.js')], { encoding: 'utf8' });
  const kept = readFileSync(join(root, 'dist', 'third-party-licences.txt'), 'utf8');

  const lines = listed.trim().split('\n');
  for (const line of lines) {
    const [, name = '', version = '', licence = ''] = /^(\S+) (\S+): (.+)$/u.exec(line) ?? [];
    expect(kept).toContain(`\n${name} ${version} (${licence})\n`);
    expect(lockedVersions(name)).toContain(version);
  }
  for (const name of ['axios', 'commander', 'jose', 'p-limit', 'pino', 'zod']) {
    expect(lines.some((line) => line.startsWith(`${name} `))).toBe(true);
  }
});

it('the command asks for no module that is not its own or that of Node.js', () => {
  const dist = join(root, 'dist');
  const sources = readdirSync(dist).filter((name) => name.endsWith('.cjs'));
  const asked = sources.flatMap((name) =>
    [...readFileSync(join(dist, name), 'utf8').matchAll(/\b(?:require|import)\(["']([^"']+)["']\)/gu)].map(
      ([, module = '']) => module,
    ),
  );

  expect(asked).toEqual(expect.arrayContaining(['node:fs', 'node:https']));
  expect(asked.filter((module) => !module.startsWith('./') && !isBuiltin(module))).toEqual([]);
});
