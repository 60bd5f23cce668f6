import { readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { parseJson } from '../simulator/json.ts';
import { runAtp } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import { closeUnharmed, it, run, typicalLine } from './rig.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

let simulator: Simulator;

beforeAll(async () => {
  simulator = await createSimulator();
  simulator.world.addPair({ tags: ['host_context', 'block', 'x'], threat: 99, certainty: 99 });
});

afterAll(async () => {
  await closeUnharmed(simulator);
});

describe('wrong usage', () => {
  it.for<[line: string, args: string[], message: string]>([
    ['an unknown flag', ['--blok', 'x'], `unknown option '--blok'`],
    ['an unknown flag beside good ones', ['--tag', 'x', '--unisolate'], `unknown option '--unisolate'`],
    ['an abbreviated flag', ['--unblock', 'x'], `unknown option '--unblock' (Did you mean --unblocktag?)`],
    [
      'one score',
      ['--tc', '50'],
      '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50"',
    ],
    [
      'three scores',
      ['--tc', '50', '60', '70'],
      '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50" "60" "70"',
    ],
    [
      'no scores',
      ['--tc', '--json'],
      '--tc takes exactly two scores, threat and certainty (--tc 75 75), not nothing',
    ],
    ['a score in letters', ['--tc', 'a', '5'], 'the threat of --tc is not a whole number: "a"'],
    ['a negative score', ['--tc', '-1', '5'], 'the threat of --tc is not between 0 and 100: "-1"'],
    ['a score above 100', ['--tc', '5', '101'], 'the certainty of --tc is not between 0 and 100: "101"'],
    ['a broken score', ['--tc', '5', '7.5'], 'the certainty of --tc is not a whole number: "7.5"'],
    [
      'one tag to enrich and to block',
      ['--tag', 'x', '--blocktag', 'X'],
      'the tag "x" cannot be for both --tag and --blocktag',
    ],
    [
      'one tag to block and to unblock',
      ['--blocktag', 'block', '--unblocktag', 'BLOCK'],
      'the tag "block" cannot be for both --blocktag and --unblocktag',
    ],
    ['an empty tag', ['--tag', ''], 'the tag of --tag is empty'],
    ['a tag of blanks', ['--unblocktag', '  '], 'the tag of --unblocktag is empty'],
    ['a tag of signs', ['--tag', '#!'], 'the tag of --tag has no letter or digit: "#!"'],
    ['a tag with a tab', ['--tag', 'a\tb'], String.raw`the tag of --tag has control characters: "a\tb"`],
    [
      'a tag of 101 characters',
      ['--blocktag', 'x'.repeat(101)],
      'the tag of --blocktag is longer than the 100 characters that Detect keeps',
    ],
    [
      'a tag that atp writes',
      ['--tag', 'riskScore: High'],
      'the tag of --tag is one that atp writes itself: "riskScore: High"',
    ],
    [
      'a tag of failure that atp writes',
      ['--blocktag', 'manual block failed'],
      'the tag of --blocktag is one that atp writes itself: "manual block failed"',
    ],
    ['a flag without its value', ['--blocktag'], '--blocktag needs a value'],
    [
      'a flag in place of a value',
      ['--blocktag', '--dry-run'],
      '--blocktag needs a value; if "--dry-run" is meant, write --blocktag=--dry-run',
    ],
    [
      'a tag with blanks and no quotes',
      ['--tag', 'please', 'isolate'],
      'unexpected argument "isolate"; a tag with blanks needs quotes',
    ],
    [
      'seconds in letters',
      ['--tag', 'x', '--wait', 'soon'],
      '--wait takes whole seconds from 0 to 3600, not "soon"',
    ],
    [
      'loud and quiet at once',
      ['--tag', 'x', '--verbose', '--quiet'],
      '--verbose and --quiet exclude each other',
    ],
  ])('%s ends with 64 and one line', async ([, args, message]) => {
    const result = await run(simulator, args);

    expect(result).toMatchObject({ code: 64, stdout: '', stderr: `atp: ${message} (see atp --help)\n` });
    expect(simulator.ledger.entries).toEqual([]);
  });

  it.for<[line: string, args: string[]]>([
    ['no flags', []],
    ['flags that ask for nothing', ['--dry-run', '--json', '--wait', '5']],
  ])('%s ends with 64 and the help on standard error', async ([, args]) => {
    const result = await run(simulator, args);

    expect(result).toMatchObject({ code: 64, stdout: '' });
    expect(result.stderr).toMatch(/^Usage: atp \[options\]\n/);
    expect(result.stderr).toMatch(
      /\natp: nothing to do: give --tag, --tc, --blocktag, --unblocktag, --check or --status \(see atp --help\)\n$/,
    );
    expect(simulator.ledger.entries).toEqual([]);
  });
});

describe('help and version', () => {
  it.for(['--help', '-h'])('%s names every flag, and needs no configuration', async (flag, { home }) => {
    const result = await runAtp([flag], { home, cwd: home });

    expect(result).toMatchObject({ code: 0, stderr: '' });
    const flags =
      'tag tc blocktag unblocktag dry-run check wait json config verbose quiet help version'.split(' ');
    for (const name of flags) expect(result.stdout).toMatch(new RegExp(`^  (-., )?--${name} `, 'm'));
  });

  it.for(['--version', '-V'])('%s prints the version, and needs no configuration', async (flag, { home }) => {
    const manifest = parseJson(readFileSync(join(root, 'package.json'), 'utf8'));

    const result = await runAtp([flag], { home, cwd: home });

    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(manifest).toMatchObject({ version: result.stdout.trimEnd() });
  });
});

describe('a broken installation', () => {
  it('ends with 70 and a stack, as every fault of the program itself does', async ({ home }) => {
    // What an update that was broken off leaves behind: the command is there, and its package.json is not.
    await cp(join(root, 'dist'), join(home, 'dist'), { recursive: true });

    const result = await run(simulator, typicalLine, { script: join(home, 'dist', 'cli.cjs') });

    expect(result).toMatchObject({ code: 70, stdout: '' });
    expect(result.stderr).toMatch(/^a bug in atp: please report it with this stack\n/);
    expect(result.stderr).toContain(
      `ENOENT: no such file or directory, open '${join(home, 'package.json')}'\n`,
    );
    expect(result.stderr).toMatch(/\n {4}at /);
    expect(simulator.ledger.entries).toEqual([]);
  });
});
