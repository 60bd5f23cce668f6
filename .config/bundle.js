import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Licences that ask for no more than to be named and kept with the code. */
const welcome = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'BlueOak-1.0.0'];

/**
 * Packages that axios imports and this command never reaches, and the empty module that stands for them. `form-data` brings
 * a table of all media types: a fifth of the file, and 5 % of the processor time of a tick that finds nothing
 * (`npm run bench`). No call of the command has parts.
 */
const unreached = { 'form-data': './.config/nothing.js' };

/** A package that is not installed, which a proxy's agent would look for to log in by Kerberos. It is not looked for at run time. */
const notInstalled = { kerberos: './.config/nothing.js' };

/** For Node.js, jsonc-parser names its other build first, whose way to load its parts no bundler understands. */
const otherBuilds = { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' };

/**
 * Bundles the command with everything it needs into one file, so that what is installed is one package and what runs is
 * what was tested. CommonJS, because Node.js takes a seventh longer to load ES modules. Nothing is written.
 * @returns {Promise<{ files: { path: string, contents: string }[], packages: Package[] }>}
 */
export async function bundle() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    outfile: 'dist/cli.cjs',
    // Half the size; functions keep their names, and with them what the stack of a bug says.
    minify: true,
    keepNames: true,
    lineLimit: 120,
    alias: { ...unreached, ...notInstalled, ...otherBuilds },
    define: { 'import.meta.url': 'fileUrl' },
    banner: { js: `'use strict';\nconst fileUrl = require('node:url').pathToFileURL(__filename).href;` },
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  return {
    files: outputFiles.map(({ path, text }) => ({ path, contents: text })),
    packages: packagesOf(usedIn(metafile)),
  };
}

/** @param {import('esbuild').Metafile} metafile */
function usedIn({ outputs }) {
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
}

/**
 * The packages of which the bundle holds something.
 * @typedef {{ name: string, version: string, licence: string, text: string | undefined, problem: string | undefined }} Package
 * @param {string[]} inputs
 * @returns {Package[]}
 */
function packagesOf(inputs) {
  const folders = inputs.flatMap(
    (input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/u.exec(input)?.[0] ?? [],
  );
  const require = createRequire(`${root}/package.json`);
  return [...new Set(folders)]
    .map((folder) => {
      const { name, version, license } = require(`${root}/${folder}/package.json`);
      const licence = typeof license === 'string' ? license : 'none named';
      const text = licenceText(`${root}/${folder}`) ?? licenceOfRepository(folder, folders);
      const isWelcome = licence
        .replace(/^\((.*)\)$/u, '$1')
        .split(' OR ')
        .some((each) => welcome.includes(each));
      const problem = !isWelcome
        ? `its licence is ${licence}`
        : text === undefined
          ? 'its licence comes without a text'
          : undefined;
      return { name, version, licence, text, problem };
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Of packages that come from one repository, some leave the text to the others. @param {string} folder @param {string[]} others */
function licenceOfRepository(folder, others) {
  const repositoryOf = (each) =>
    JSON.parse(readFileSync(`${root}/${each}/package.json`, 'utf8')).repository?.url;
  const repository = repositoryOf(folder);
  return others
    .filter((other) => other !== folder && repository !== undefined && repositoryOf(other) === repository)
    .map((other) => licenceText(`${root}/${other}`))
    .find((text) => text !== undefined);
}

/** The file with the licence, or the part of the README that has it. @param {string} folder */
function licenceText(folder) {
  const files = readdirSync(folder);
  const own = files.find((name) => /^licen[cs]e(?:\.\w+)?$/iu.test(name));
  if (own !== undefined) return readFileSync(`${folder}/${own}`, 'utf8').trim();
  const readme = files.find((name) => /^readme\.md$/iu.test(name));
  const text = readme === undefined ? '' : readFileSync(`${folder}/${readme}`, 'utf8');
  const part = /^(?:#+ *licen[cs]e|licen[cs]e\n-+) *$([^]*)/imu.exec(text)?.[1]?.trim();
  return part !== undefined && /copyright/iu.test(part) ? part : undefined;
}
