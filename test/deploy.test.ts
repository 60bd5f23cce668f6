import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/command-line/program.ts';
import { ConfigFile, knownKeys } from '../src/config/schema.ts';
import { results } from '../src/decide/consequences.ts';
import { machineTags, noMachineTag, severalMachinesTag, statusTag } from '../src/decide/tags.ts';
import { ExitCode } from '../src/errors.ts';
import { parseOptions } from '../src/command-line/options.ts';
import { reasons } from '../src/decide/case.ts';
import { minimal } from './config/config-dir.ts';
import { buildMachine } from './decide/samples.ts';
import { isObject, parseJson } from './simulator/json.ts';
import { makeTempDir } from './temp-dir.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = read('README.md');
const typicalLine = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock';

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function deployed(file: string): string {
  return read(`test/deploy/${file}`);
}

/** The code blocks of the README, by their language. */
function blocks(language: string): string[] {
  const found = [...readme.matchAll(/^ *```(\w*)\n([^]*?)^ *```$/gmu)];
  return found.filter(([, name]) => name === language).map(([, , text]) => text ?? '');
}

/** The README without its code blocks. */
const prose = readme.replaceAll(/^ *```\w*\n[^]*?^ *```$/gmu, '');

/** Rows of the table below a heading, each a list of its cells. */
function table(heading: string): string[][] {
  const section = prose.split(/^#+ /mu).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter((line) => /^\| /u.test(line))
    .map((line) => line.split(/(?<!\\)\|/u).slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** The heading's anchor as GitHub makes it. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function has(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

function optionsOf(line: string) {
  const errors: string[] = [];
  const io = { version: '0', writeOut: () => undefined, writeErr: (text: string) => void errors.push(text) };
  const options = parseOptions(line.trim().split(/\s+/u), io);
  expect(errors).toEqual([]);
  return options;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((inner, key) => (isObject(inner) ? inner[key] : undefined), value);
}

describe('the README', () => {
  it.each([
    ['ini', 'atp.service'],
    ['ini', 'atp.timer'],
    ['crontab', 'crontab'],
    ['yaml', 'cronjob.yaml'],
    ['dockerfile', 'Dockerfile'],
  ])('quotes %s file %s to the letter', (language, file) => {
    expect(blocks(language)).toContain(deployed(file));
  });

  it('quotes the example of a configuration to the letter', () => {
    expect(blocks('json')).toContain(read('config.example.json'));
  });

  it('names every flag in its table, with the values that it takes', () => {
    const none = { tags: [], blockTags: [], unblockTags: [], scores: [], wait: [], config: [] };
    const io = { version: '0', writeOut: () => undefined, writeErr: () => undefined };
    const flags = createProgram(none, io).options.map(({ flags: text }) => text.replace('...', ''));
    const documented = table('Command line').map(([flag = '']) => flag.replaceAll('`', ''));
    expect(documented).toEqual(expect.arrayContaining(flags));
    // The header, the line below it and --help, which commander keeps apart.
    expect(documented).toHaveLength(flags.length + 3);
  });

  it('names every key in its table and no other', () => {
    const documented = table('Configuration')
      .map(([key = '']) => /^(?:\*\*)?`([\w.]+)`/u.exec(key)?.[1])
      .filter((key) => key !== undefined);
    expect([...documented].sort()).toEqual([...knownKeys].sort());
  });

  it('gives the default that each key has', () => {
    const defaults = ConfigFile.parse(minimal);
    for (const [key = '', documented] of table('Configuration')) {
      const name = /^`([\w.]+)`/u.exec(key)?.[1];
      if (name === undefined || valueAt(minimal, name.split('.')) !== undefined) continue;
      const value = valueAt(defaults, name.split('.'));
      if (value !== undefined) expect([name, documented]).toEqual([name, `\`${JSON.stringify(value)}\``]);
    }
  });

  it.each(['ATP_CONFIG', 'ATP_DETECT_TOKEN', 'ATP_APP_SECRET', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'])(
    'names the environment variable %s',
    (name) => {
      expect(prose).toContain(`$${name}`);
    },
  );

  it('has a row for every exit code and no other', () => {
    const documented = table('Exit codes').flatMap(([code = '']) =>
      /^\d+$/u.test(code) ? [Number(code)] : [],
    );
    expect(documented).toEqual(Object.values(ExitCode));
  });

  it('names every form of a tag', () => {
    const machine = machineTags(buildMachine());
    const written = table('What is written to Detect').map(([tag]) => tag);
    const forms = [
      ...machine.map((tag) => `\`${tag.replace(/: .*$/u, ':')} `),
      noMachineTag,
      severalMachinesTag,
      statusTag('isolate', 'x').replace('x', '<status>'),
      statusTag('release', 'x').replace('x', '<status>'),
      'Manual block failed',
      'Manual unblock failed',
      'Manual block:',
      'Manual unblock:',
    ];
    for (const form of forms) expect(written.join('\n')).toContain(form);
  });

  it('names every result and every reason of the report', () => {
    for (const word of [...results, ...reasons])
      expect(table('JSON report').flat().join('\n')).toContain(`\`${word}\``);
  });

  it('shows JSON that can be read, and configurations that are valid', () => {
    for (const text of blocks('json')) {
      // An id is good enough for each of the placeholders.
      const value = parseJson(text.replaceAll(/<your [^>]*>/gu, minimal.atp.tenantId));
      expect(value, text).toBeDefined();
      if (isObject(value) && 'detect' in value) ConfigFile.parse(value);
    }
  });

  it('leads to headings and files that exist', () => {
    const anchors = [...prose.matchAll(/^#+ (.+)$/gmu)].map(([, heading = '']) => `#${anchor(heading)}`);
    const links = [...prose.matchAll(/\]\(([^)]+)\)/gu)].map(([, target = '']) => target);
    for (const link of links.filter((target) => !target.startsWith('https://'))) {
      if (link.startsWith('#')) expect(anchors).toContain(link);
      else expect(existsSync(join(root, link)), link).toBe(true);
    }
  });

  it('names only scripts of the package, and its version', () => {
    const manifest = parseJson(read('package.json'));
    const scripts = valueAt(manifest, ['scripts']);
    const version = valueAt(manifest, ['version']);
    for (const [, script = ''] of readme.matchAll(/\bnpm run ([\w:]+)/gu)) {
      expect(scripts).toHaveProperty([script]);
    }
    for (const [, named] of readme.matchAll(/vectra-atp-([\d.]+)\.tgz/gu)) expect(named).toBe(version);
  });

  it('names every folder of the source', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    for (const { name } of folders) expect(prose).toContain(`src/${name}/`);
  });
});

describe('the files to deploy', () => {
  const command = /(?:^ExecStart=|\* )\/usr\/local\/bin\/atp ((?:.*\\\n)*.*)/mu;

  it('run the typical line from a crontab, every five minutes', () => {
    const line = deployed('crontab').trimEnd().split('\n').at(-1) ?? '';
    expect(line).toMatch(/^\*\/5 \* \* \* \* \/usr\/local\/bin\/atp /u);
    expect(optionsOf(command.exec(line)?.[1] ?? '')).toEqual(optionsOf(typicalLine));
  });

  it('run the typical line as a service, with the configuration beside its secrets', () => {
    const service = deployed('atp.service');
    const given = (command.exec(service)?.[1] ?? '').replaceAll('\\\n', '');
    expect(optionsOf(given)).toEqual(
      optionsOf(`--config \${CREDENTIALS_DIRECTORY}/config.json ${typicalLine}`),
    );
    for (const file of ['config.json', 'detect-token', 'app-secret'])
      expect(service).toContain(`LoadCredential=${file}:/etc/atp/${file}\n`);
  });

  it('leave a service what it needs: its lock, and code compiled at run time', () => {
    const settings = deployed('atp.service').replaceAll(/^#.*$/gmu, '');
    expect(settings).toMatch(/^RestrictAddressFamilies=.*\bAF_UNIX\b/mu);
    expect(settings).not.toMatch(/^(?:PrivateNetwork|MemoryDenyWriteExecute)=/mu);
  });

  it('run the typical line in a container, one at a time, with a valid configuration', () => {
    const manifest = deployed('cronjob.yaml');
    const given = /args: \[(.*)\]/u.exec(manifest)?.[1]?.replaceAll(/[,']/gu, '') ?? '';
    expect(optionsOf(given)).toEqual(optionsOf(typicalLine));
    expect(manifest).toContain('\n  concurrencyPolicy: Forbid\n');
    const config = /config\.json: \|\n([^]*?)\n---/u.exec(manifest)?.[1] ?? '';
    expect(ConfigFile.parse(JSON.parse(config)).detect.tokenFile).toBe('detect-token');
  });

  it.skipIf(!has('systemd-analyze'))('are units that systemd finds nothing wrong with', async () => {
    const dir = await makeTempDir();
    // It looks for the command, which is not installed here.
    const service = deployed('atp.service').replace('/usr/local/bin/atp', process.execPath);
    await writeFile(join(dir, 'atp.service'), service);
    await writeFile(join(dir, 'atp.timer'), deployed('atp.timer'));
    const units = ['atp.service', 'atp.timer'].map((unit) => join(dir, unit));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8' });
    // It also judges the units of the system that these depend on.
    expect(stderr.split('\n').filter((line) => line.includes('atp'))).toEqual([]);
    expect(status).toBe(0);
  });

  it.skipIf(!has('kubectl'))('are YAML that kubectl can read', () => {
    const file = join(root, 'test/deploy/cronjob.yaml');
    const label = ['label', '--local', '--filename', file, 'test=1', '--output=name'];
    const names = execFileSync('kubectl', label, {
      encoding: 'utf8',
      env: { ...process.env, KUBECONFIG: '/dev/null' },
    });
    expect(names.trim().split('\n')).toEqual([
      'configmap/atp',
      'persistentvolumeclaim/atp-cache',
      'cronjob.batch/atp',
    ]);
  });
});
