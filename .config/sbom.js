import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.js';

// Prints the bill of materials of the command (CycloneDX, by `npm sbom`): of all packages installed here, those of which the
// command holds something.

const root = fileURLToPath(new URL('..', import.meta.url));
const { packages } = await bundle();
const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application'];
const whole = JSON.parse(execFileSync('npm', args, { cwd: root, maxBuffer: 1 << 26, encoding: 'utf8' }));

// npm names the application after the folder that it happens to lie in.
whole.metadata.component.name = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).name;
const own = whole.metadata.component['bom-ref'];
const components = whole.components.filter((component) =>
  packages.some(({ name, version }) => component.name === name && component.version === version),
);
const kept = new Set([own, ...components.map((component) => component['bom-ref'])]);
const bill = {
  ...whole,
  // To npm they are development packages, since nobody has to install them; in the command they are.
  components: components.map(({ scope: _scope, properties, ...component }) => ({
    ...component,
    properties: properties?.filter(({ name }) => name !== 'cdx:npm:package:development'),
  })),
  dependencies: whole.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((on) => kept.has(on)) })),
};
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
