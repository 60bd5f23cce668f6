import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.js';
import { configSchema } from './schema.js';

// Writes dist/: the command, the licences of what is in it, and the JSON Schema of the configuration. Each file is put in
// its place as a whole, the command last, so that a command that starts meanwhile finds all that it needs.

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const { files, packages } = await bundle();

const licences = [
  'The command atp holds code of these packages, under these licences.',
  ...packages.map(
    ({ name, version, licence, text }) =>
      `${name} ${version} (${licence})\n\n${text ?? 'No text came with it.'}`,
  ),
].join(`\n\n${'-'.repeat(80)}\n\n`);

const contents = [
  ...files.map((file) => ({ name: basename(file.path), contents: file.contents })),
  { name: 'third-party-licences.txt', contents: `${licences}\n` },
  { name: 'config.schema.json', contents: await configSchema() },
].sort((one, other) => Number(one.name === 'cli.cjs') - Number(other.name === 'cli.cjs'));

mkdirSync(dist, { recursive: true });
for (const { name, contents: text } of contents) {
  const temporary = join(dist, `.${name}.${process.pid}`);
  writeFileSync(temporary, text, { mode: name === 'cli.cjs' ? 0o755 : 0o644 });
  renameSync(temporary, join(dist, name));
}
for (const name of readdirSync(dist)) {
  if (!contents.some((file) => file.name === name))
    rmSync(join(dist, name), { recursive: true, force: true });
}
