import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { createLog, type Log } from '../../src/output/log.ts';
import { createSecrets } from '../../src/output/secrets.ts';

const time = Date.UTC(2026, 10, 24, 12, 5, 31, 250);

interface Options {
  level?: 'debug' | 'info' | 'warn';
  terminal?: boolean;
  colour?: boolean;
  secrets?: string[];
}

function logged(write: (log: Log) => void, options: Options = {}): string[] {
  const written: string[] = [];
  const secrets = createSecrets();
  options.secrets?.forEach((secret) => {
    secrets.register(secret);
  });
  const log = createLog({
    level: options.level ?? 'info',
    destination: { write: (text) => written.push(text) },
    terminal: options.terminal ?? false,
    scrub: (text) => secrets.scrub(text),
    colour: options.colour ?? false,
    now: () => time,
  });
  write(log);
  return written;
}

describe('without a terminal', () => {
  test('writes one JSON line an entry, with a time that people read', () => {
    const lines = logged((log) => {
      log.info({ host: 472, tags: ['a b'] }, 'Host enriched');
    });

    expect(lines).toEqual([
      '{"level":"info","time":"2026-11-24T12:05:31.250Z","host":472,"tags":["a b"],"msg":"Host enriched"}\n',
    ]);
  });

  test('takes the time from the system when no clock is given', () => {
    const written: string[] = [];
    const log = createLog({
      level: 'info',
      destination: { write: (text) => written.push(text) },
      terminal: false,
      scrub: (text) => text,
    });

    log.info('x');

    expect(written[0]).toMatch(/"time":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/u);
  });

  test.each([
    ['debug', ['d', 'i', 'w', 'e']],
    ['info', ['i', 'w', 'e']],
    ['warn', ['w', 'e']],
  ] as const)('at level %s writes %j', (level, expected) => {
    const lines = logged(
      (log) => {
        log.debug('d');
        log.info('i');
        log.warn('w');
        log.error('e');
      },
      { level },
    );

    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      expected.map((msg) => expect.objectContaining({ msg }) as unknown),
    );
  });

  test('escapes the characters that JSON leaves as they are and terminals obey', () => {
    const lines = logged((log) => {
      log.info({ name: 'a\u001b[31m\u009b31m\u202eb\u2028c\u007f' }, 'x');
    });

    expect(lines[0]).toContain(String.raw`"name":"a\u001b[31m\u009b31m\u202eb\u2028c\u007f"`);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ name: 'a\u001b[31m\u009b31m\u202eb\u2028c\u007f' });
  });

  test('takes registered secrets out of messages, fields, keys and errors', () => {
    const lines = logged(
      (log) => {
        log.info({ deep: { er: ['tok"en-1'] }, 'tok"en-1': 1 }, 'sent tok"en-1');
        log.error({ err: new Error('bad tok"en-1') }, 'Failed');
      },
      { secrets: ['tok"en-1'] },
    );

    expect(lines.join('')).not.toMatch(/tok|en-1/u);
    expect(lines[0]).toContain('"deep":{"er":["[secret]"]},"[secret]":1,"msg":"sent [secret]"');
  });

  test('blanks fields that are secret by their name', () => {
    const lines = logged((log) => {
      log.info({ token: 'unknown-1', headers: { Authorization: 'unknown-2' } }, 'x');
    });

    expect(lines[0]).toContain('"token":"[secret]","headers":{"Authorization":"[secret]"}');
  });

  test('writes the stack of a bug and its causes, and nothing else that hangs on them', () => {
    const error = Object.assign(new TypeError('boom', { cause: new Error('deeper') }), {
      config: { h: 'x' },
    });

    const lines = logged((log) => {
      log.error({ err: error }, 'This is a bug');
    });

    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'error',
      time: '2026-11-24T12:05:31.250Z',
      err: {
        type: 'TypeError',
        message: 'boom',
        stack: error.stack,
        cause: { type: 'Error', message: 'deeper', stack: expect.stringContaining('deeper') as unknown },
      },
      msg: 'This is a bug',
    });
  });

  test('writes the words of an expected error without a stack', () => {
    const lines = logged((log) => {
      log.error({ err: new ConfigError('no file', 'make one') }, 'Stopped');
    });

    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      err: { type: 'ConfigError', message: 'no file', hint: 'make one' },
    });
    expect(lines[0]).not.toContain('stack');
  });
});

describe('on a terminal', () => {
  test.each<[string, (log: Log) => void, string]>([
    [
      'an entry with fields',
      (log) => {
        log.info(
          { host: 472, name: 'pc-1', tags: ['a', 'b c'], machine: { id: 'f0', age: null } },
          'Host enriched',
        );
      },
      '12:05:31Z pc-1 (472): Host enriched tags=[a, "b c"] machine={id=f0 age=null}\n',
    ],
    [
      'the line of a host',
      (log) => {
        log.info(
          { host: 1005, name: 'WS-BOB', result: 'isolated', machine: 'ws-bob' },
          'isolation asked for',
        );
      },
      '12:05:31Z WS-BOB (1005) isolated: isolation asked for machine=ws-bob\n',
    ],
    [
      'a warning',
      (log) => {
        log.warn('Careful');
      },
      '12:05:31Z warning: Careful\n',
    ],
    [
      'an expected error with its hint',
      (log) => {
        log.error({ err: new ConfigError('no file', 'make one'), host: 1 }, 'Stopped');
      },
      '12:05:31Z error: host 1: Stopped: no file\n    make one\n',
    ],
    [
      'an error of several lines',
      (log) => {
        log.error(new ConfigError('two problems:\n- a: one\n- b: two'));
      },
      '12:05:31Z error: two problems:\n    - a: one\n    - b: two\n',
    ],
    [
      'a message of several lines with a hint',
      (log) => {
        log.error({ hint: 'make one' }, 'two problems:\n- a: one\n\u001b[1m- b: two');
      },
      '12:05:31Z error: two problems:\n    - a: one\n    - b: two\n    make one\n',
    ],
    [
      'text that would steer the terminal',
      (log) => {
        log.info({ name: 'a\u001b[31mb\u009b2Jc\r\nd\u202e', 'k\u001b[1m': '' }, 'x\ty\u001b]0;t\u0007z');
      },
      '12:05:31Z x yz name="abc d" k=""\n',
    ],
    [
      'an error that is only words',
      (log) => {
        log.warn({ err: 'it broke' }, 'Failed');
      },
      '12:05:31Z warning: Failed: it broke\n',
    ],
  ])('writes %s readably', (_what, write, expected) => {
    const lines = logged(write, { terminal: true });

    expect(lines).toEqual([expected]);
  });

  test('indents the stack of a bug below its line', () => {
    const lines = logged(
      (log) => {
        log.error({ err: new Error('bo\nom', { cause: new Error('deeper') }) }, 'This is a bug');
      },
      { terminal: true },
    );

    expect(lines[0]).toMatch(
      /^12:05:31Z error: This is a bug: bo om\n {4}at [^\n]+\n(?: {4}at [^\n]+\n)* {4}caused by deeper\n {4}at /u,
    );
  });

  test('colours the level and dims what is beside the point', () => {
    const lines = logged(
      (log) => {
        log.warn({ action: 1 }, 'Careful');
      },
      { terminal: true, colour: true },
    );

    expect(lines).toEqual([
      '\u001b[2m12:05:31Z\u001b[22m \u001b[33mwarning:\u001b[39m Careful \u001b[2maction=\u001b[22m1\n',
    ]);
  });

  test.each([
    ['is coloured', {}, true],
    ['is plain when NO_COLOR is set', { NO_COLOR: '1' }, false],
    ['is coloured when NO_COLOR is empty', { NO_COLOR: '' }, true],
    ['is plain on a dumb terminal', { TERM: 'dumb' }, false],
  ])('%s', (_what, env, coloured) => {
    const before = { NO_COLOR: process.env['NO_COLOR'], TERM: process.env['TERM'] };
    delete process.env['NO_COLOR'];
    process.env['TERM'] = 'xterm';
    Object.assign(process.env, env);
    const written: string[] = [];

    try {
      createLog({
        level: 'info',
        destination: { write: (text) => written.push(text) },
        terminal: true,
        scrub: (text) => text,
      }).info('x');
    } finally {
      for (const [key, value] of Object.entries(before)) {
        if (value === undefined) Reflect.deleteProperty(process.env, key);
        else process.env[key] = value;
      }
    }

    expect(written.join('').includes('\u001b')).toBe(coloured);
  });

  test('takes secrets out of what it prints', () => {
    const lines = logged(
      (log) => {
        log.info({ url: 'p%40ss-word' }, 'p@ss-word');
      },
      { terminal: true, secrets: ['p@ss-word'] },
    );

    expect(lines).toEqual(['12:05:31Z [secret] url=[secret]\n']);
  });
});

describe('a long line', () => {
  const mostBytes = 16 * 1024;

  test('is cut in the middle of its long values, and is still JSON', () => {
    const lines = logged((log) => {
      log.warn({ host: 7, name: `a${'\u2028'.repeat(100_000)}z` }, `begin ${'x'.repeat(100_000)} end`);
    });

    expect(Buffer.byteLength(lines[0] ?? '')).toBeLessThanOrEqual(mostBytes);
    const entry = JSON.parse(lines[0] ?? '') as Record<string, string>;
    expect(entry).toMatchObject({ level: 'warn', host: 7 });
    expect(entry['name']).toMatch(/^a\u2028+ … \d+ characters left out … \u2028+z$/u);
    expect(entry['msg']).toMatch(/^begin x+ … \d+ characters left out … x+ end$/u);
  });

  test('is cut on a terminal as well', () => {
    const lines = logged(
      (log) => {
        log.info('x'.repeat(20_000));
      },
      { terminal: true },
    );

    expect(lines).toEqual([
      `12:05:31Z ${'x'.repeat(2_000)} … 16000 characters left out … ${'x'.repeat(2_000)}\n`,
    ]);
  });

  test('of many values keeps what it is about', () => {
    const fields = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`field${at}`, at]));

    const lines = logged((log) => {
      log.info({ host: 7, ...fields }, 'x');
    });

    expect(lines).toEqual(['{"level":"info","time":"2026-11-24T12:05:31.250Z","host":7,"msg":"x"}\n']);
  });

  test('keeps no half of a secret where it is cut', () => {
    const secret = 'hunter2-hunter3-hunter4';

    const text = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(1_990)).join(secret) + secret;
    const lines = logged(
      (log) => {
        log.info(text.repeat(5));
      },
      { secrets: [secret] },
    );

    expect(lines.join('')).not.toMatch(/hunt|nter/u);
  });

  test('of millions of characters takes no time to speak of', () => {
    const started = performance.now();

    const lines = logged(
      (log) => {
        log.info('\u001b]\u009b'.repeat(3_000_000));
      },
      { terminal: true, secrets: ['hunter2'] },
    );

    expect(Buffer.byteLength(lines[0] ?? '')).toBeLessThanOrEqual(mostBytes);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
