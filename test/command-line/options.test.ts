import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Options, parseOptions } from '../../src/command-line/options.ts';

const nothing: Options = {
  tags: [],
  tc: undefined,
  blockTags: [],
  unblockTags: [],
  dryRun: false,
  check: false,
  status: false,
  waitSeconds: 0,
  json: false,
  config: undefined,
  verbosity: 'normal',
};

function parse(...argv: string[]) {
  let out = '';
  let err = '';
  const result = parseOptions(argv, {
    writeOut: (text) => (out += text),
    writeErr: (text) => (err += text),
    version: '1.2.3',
  });
  return { result, out, err };
}

describe('a valid command line', () => {
  test.each<[string[], Partial<Options>]>([
    [
      ['--tag', 'host_context', '--tc', '75', '75', '--blocktag', 'block', '--unblocktag', 'unblock'],
      {
        tags: ['host_context'],
        tc: { threat: 75, certainty: 75 },
        blockTags: ['block'],
        unblockTags: ['unblock'],
      },
    ],
    [['--tag', 'a', '--tag', 'b c', '--tag=d'], { tags: ['a', 'b c', 'd'] }],
    [['--tag', 'One', '--tag', 'one', '--tag', 'ONE'], { tags: ['One'] }],
    [
      ['--blocktag', 'a', '--blocktag', 'b', '--unblocktag', 'c', '--unblocktag', 'd'],
      { blockTags: ['a', 'b'], unblockTags: ['c', 'd'] },
    ],
    [['--tag', 'x'.repeat(100)], { tags: ['x'.repeat(100)] }],
    [['--tag', '🦊'.repeat(99) + 'x'], { tags: ['🦊'.repeat(99) + 'x'] }],
    [['--tag', 'überprüfen'], { tags: ['überprüfen'] }],
    [['--tag', '隔離'], { tags: ['隔離'] }],
    [['--tag', '-5'], { tags: ['-5'] }],
    [['--tag', '-please-'], { tags: ['-please-'] }],
    [['--tag=--dry-run'], { tags: ['--dry-run'] }],
    [['--tag', 'id: badge 4711'], { tags: ['id: badge 4711'] }],
    [['--tag', 'riskScore: very high'], { tags: ['riskScore: very high'] }],
    [['--tc', '0', '100'], { tc: { threat: 0, certainty: 100 } }],
    [['--tc', '60', '70', '--config', 'c.json'], { tc: { threat: 60, certainty: 70 }, config: 'c.json' }],
    [
      ['--json', '--tc', '60', '70', '--dry-run'],
      { json: true, tc: { threat: 60, certainty: 70 }, dryRun: true },
    ],
    [['--check'], { check: true }],
    [['--check', '--blocktag', 'a', '--quiet'], { check: true, blockTags: ['a'], verbosity: 'quiet' }],
    [['--tag', 'a', '--wait', '90', '--verbose'], { tags: ['a'], waitSeconds: 90, verbosity: 'verbose' }],
    [['--tag', 'a', '--wait', '0'], { tags: ['a'] }],
    [['--tag', 'a', '--wait=3600'], { tags: ['a'], waitSeconds: 3600 }],
  ])('%j is read', (argv, expected) => {
    expect(parse(...argv)).toEqual({ result: { ...nothing, ...expected }, out: '', err: '' });
  });
});

describe('a usage error is one line that points to the help, and ends with 64:', () => {
  test.each<[string[], string]>([
    [['--tc'], '--tc takes exactly two scores, threat and certainty (--tc 75 75), not nothing'],
    [['--tc', '--tag', 'a'], '--tc takes exactly two scores, threat and certainty (--tc 75 75), not nothing'],
    [['--tc', '50'], '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50"'],
    [['--tc', '50', '--json'], '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50"'],
    [
      ['--tc', '50', '60', '70'],
      '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50" "60" "70"',
    ],
    [['--tc', '50,60'], '--tc takes exactly two scores, threat and certainty (--tc 75 75), not "50,60"'],
    [['--tc', 'a', '5'], 'the threat of --tc is not a whole number: "a"'],
    [['--tc', '-1', '5'], 'the threat of --tc is not between 0 and 100: "-1"'],
    [['--tc', '5', '-1'], 'the certainty of --tc is not between 0 and 100: "-1"'],
    [['--tc', '5', '101'], 'the certainty of --tc is not between 0 and 100: "101"'],
    [['--tc', '60.5', '1'], 'the threat of --tc is not a whole number: "60.5"'],
    [['--tc', '6e1', '1'], 'the threat of --tc is not a whole number: "6e1"'],
    [['--tc', '0x10', '1'], 'the threat of --tc is not a whole number: "0x10"'],
    [['--tc', '1', ''], 'the certainty of --tc is not a whole number: ""'],
    [['--tc', '1', ' 2'], 'the certainty of --tc is not a whole number: " 2"'],
    [['--tc', '1', '２'], 'the certainty of --tc is not a whole number: "２"'],
    [['--tc', '50', '60', '--tc', '50', '60'], '--tc is given more than once'],
    [['--tc', '50', '--tc', '60'], '--tc is given more than once'],
    [['--tc=50', '60'], '--tc takes its two scores after blanks, not after an equals sign: --tc 75 75'],
    [['--tag', ''], 'the tag of --tag is empty'],
    [['--blocktag', '  '], 'the tag of --blocktag is empty'],
    [['--unblocktag='], 'the tag of --unblocktag is empty'],
    [['--tag', 'x'.repeat(101)], 'the tag of --tag is longer than the 100 characters that Detect keeps'],
    [['--tag', 'a\tb'], String.raw`the tag of --tag has control characters: "a\tb"`],
    [['--tag', 'a\u001b[31mb'], String.raw`the tag of --tag has control characters: "a\u001b[31mb"`],
    [['--tag', 'a\u009bb'], 'the tag of --tag has control characters: "a b"'],
    [['--tag', '--', '--tag', 'a'], '--tag needs a value; if "--" is meant, write --tag=--'],
    [['--blocktag', '!?-'], 'the tag of --blocktag has no letter or digit: "!?-"'],
    [['--tag', '🦊'], 'the tag of --tag has no letter or digit: "🦊"'],
    [['--tag', 'riskScore: High'], 'the tag of --tag is one that atp writes itself: "riskScore: High"'],
    [['--tag', 'RISKSCORE: high'], 'the tag of --tag is one that atp writes itself: "RISKSCORE: high"'],
    [
      ['--unblocktag', 'Manual block failed'],
      'the tag of --unblocktag is one that atp writes itself: "Manual block failed"',
    ],
    [
      ['--tag', 'manual unblock:2026-11-24 12:05'],
      'the tag of --tag is one that atp writes itself: "manual unblock:2026-11-24 12:05"',
    ],
    [['--tag', 'atp_noagent'], 'the tag of --tag is one that atp writes itself: "atp_noagent"'],
    [['--tag', 'a', '--blocktag', 'A'], 'the tag "a" cannot be for both --tag and --blocktag'],
    [
      ['--tag', 'x', '--tag', 'a', '--unblocktag', 'a'],
      'the tag "a" cannot be for both --tag and --unblocktag',
    ],
    [
      ['--blocktag', 'ä', '--unblocktag', 'b', '--unblocktag', 'Ä'],
      'the tag "ä" cannot be for both --blocktag and --unblocktag',
    ],
    [['--tag'], '--tag needs a value'],
    [['--tag', 'a', '--config'], '--config needs a value'],
    [
      ['--blocktag', '--dry-run'],
      '--blocktag needs a value; if "--dry-run" is meant, write --blocktag=--dry-run',
    ],
    [['--tag', '-V'], '--tag needs a value; if "-V" is meant, write --tag=-V'],
    [['--tag', 'a', '--config', ''], 'the file name of --config is empty'],
    [['--tag', 'a', '--config', 'x', '--config', 'y'], '--config is given more than once'],
    [['--tag', 'a', '--wait', '1', '--wait', '2'], '--wait is given more than once'],
    [['--tag', 'a', '--wait', '-5'], '--wait takes whole seconds from 0 to 3600, not "-5"'],
    [['--tag', 'a', '--wait', '3601'], '--wait takes whole seconds from 0 to 3600, not "3601"'],
    [['--tag', 'a', '--wait', '1.5'], '--wait takes whole seconds from 0 to 3600, not "1.5"'],
    [['--tag', 'a', '--wait', '5m'], '--wait takes whole seconds from 0 to 3600, not "5m"'],
    [['--tag', 'a', '--verbose', '--quiet'], '--verbose and --quiet exclude each other'],
    [['--tag', 'please', 'block'], 'unexpected argument "block"; a tag with blanks needs quotes'],
    [['--', '--check'], 'unexpected argument "--check"; a tag with blanks needs quotes'],
    [
      ['--check', 'a\u001b]0;x\u0007'],
      String.raw`unexpected argument "a\u001b]0;x\u0007"; a tag with blanks needs quotes`,
    ],
    [['--tags', 'a'], "unknown option '--tags' (Did you mean --tag?)"],
    [['--token=s3cr3t', '--check'], "unknown option '--token'"],
    [['--\u001b[31mx'], "unknown option '-- [31mx'"],
    [['-x'], "unknown option '-x'"],
    [['--dry-run=yes', '--tag', 'a'], '--dry-run takes no value'],
    [['--status=all'], '--status takes no value'],
    [['--status', '--check'], '--status and --check exclude each other'],
    [['--status', '--dry-run'], '--status and --dry-run exclude each other'],
    [['--wait', '5', '--status'], '--status and --wait exclude each other'],
    [['--tag', 'a', '--status'], '--status and --tag exclude each other'],
    [['--status', '--tc', '5', '5'], '--status and --tc exclude each other'],
  ])('%j', (argv, message) => {
    expect(parse(...argv)).toEqual({
      result: { exit: 64 },
      out: '',
      err: `atp: ${message} (see atp --help)\n`,
    });
  });
});

test('--status goes with trigger tags, --json and --quiet', () => {
  expect(parse('--status', '--blocktag', 'b', '--unblocktag', 'u', '--json', '--quiet').result).toEqual({
    ...nothing,
    status: true,
    blockTags: ['b'],
    unblockTags: ['u'],
    json: true,
    verbosity: 'quiet',
  });
});

describe('--tc', () => {
  test('takes the whole numbers from 0 to 100, and no other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: -200, max: 300 }).map(String), fc.string()), (text) => {
        fc.pre(!text.startsWith('-') || /^-\d+$/u.test(text));
        const { result } = parse('--tc', text, '50');

        const valid = /^\d{1,9}$/u.test(text) && Number(text) <= 100;
        expect(result).toEqual(
          valid ? { ...nothing, tc: { threat: Number(text), certainty: 50 } } : { exit: 64 },
        );
      }),
    );
  });
});

describe('help and version', () => {
  test.each(['--version', '-V'])('%s prints the version alone', (flag) => {
    expect(parse(flag)).toEqual({ result: { exit: 0 }, out: '1.2.3\n', err: '' });
  });

  test.each(['--help', '-h'])('%s goes to standard output and names every flag as people type it', (flag) => {
    const { result, out, err } = parse(flag);

    expect(result).toEqual({ exit: 0 });
    expect(err).toBe('');
    expect(out).toMatch(/^Usage: atp \[options\]\n\nBrings Microsoft Defender for Endpoint context/u);
    for (const term of [
      '--tag <tag> ',
      '--tc <threat> <certainty> ',
      '--blocktag <tag> ',
      '--unblocktag <tag> ',
      '--check ',
      '--status ',
      '--dry-run ',
      '--wait <seconds> ',
      '--json ',
      '--config <file> ',
      '--verbose ',
      '--quiet ',
      '-V, --version ',
      '-h, --help ',
      'Examples:',
      '/etc/atp/config.json',
      'Exit codes:',
    ]) {
      expect(out).toContain(term);
    }
  });

  test('help is given beside other flags, also incomplete ones', () => {
    expect(parse('--tag', 'a', '--tc', '5', '--help').result).toEqual({ exit: 0 });
  });

  test.each([[[]], [['--dry-run']], [['--json', '--verbose', '--config', 'x']]])(
    'a line that asks for nothing, %j, gets the help on the error stream and 64',
    (argv) => {
      const { result, out, err } = parse(...argv);

      expect(result).toEqual({ exit: 64 });
      expect(out).toBe('');
      expect(err).toContain(parse('--help').out);
      expect(err.trimEnd().split('\n').at(-1)).toBe(
        'atp: nothing to do: give --tag, --tc, --blocktag, --unblocktag, --check or --status (see atp --help)',
      );
    },
  );
});
