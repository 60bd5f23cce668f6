import { bundle } from './bundle.js';

// Lists the packages in the command with their licences, and fails when one is not welcome or comes without its text.

const { packages } = await bundle();
for (const { name, version, licence, problem } of packages) {
  process.stdout.write(
    `${name} ${version}: ${licence}${problem === undefined ? '' : ` — NOT WELCOME: ${problem}`}\n`,
  );
}
if (packages.length === 0 || packages.some(({ problem }) => problem !== undefined)) process.exitCode = 1;
