import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSecrets } from '../../src/output/secrets.ts';

describe('scrubbing', () => {
  test.each([
    ['as it is', 'tok~en/1+"x"', 'sent tok~en/1+"x" along', 'sent [secret] along'],
    ['in JSON', 'a"b\\c', JSON.stringify({ v: 'a"b\\c' }), '{"v":"[secret]"}'],
    [
      'in JSON within JSON',
      'a"b\\c',
      JSON.stringify({ v: JSON.stringify('a"b\\c') }),
      String.raw`{"v":"\"[secret]\""}`,
    ],
    ['in a URL', 'p@ss w/rd', '/x?k=p%40ss%20w%2Frd&y', '/x?k=[secret]&y'],
    ['in a URL of lower-case codes', 'p@ss w/rd', '/x?k=p%40ss%20w%2frd&y', '/x?k=[secret]&y'],
    ['in a form', 'p@ss w/rd~', 'client_secret=p%40ss+w%2Frd%7E&grant=x', 'client_secret=[secret]&grant=x'],
    [
      'in base64',
      'user:pässword',
      `Basic ${Buffer.from('user:pässword').toString('base64')}`,
      'Basic [secret]',
    ],
    ['in base64url', '??>>??>>', Buffer.from('??>>??>>').toString('base64url'), '[secret]'],
    [
      'in base64 of more',
      'user:password',
      Buffer.from('user:password, and more').toString('base64'),
      '[secret]ZCwgYW5kIG1vcmU=',
    ],
    ['with blanks around it', ' padded \n', 'is padded there', 'is [secret] there'],
  ])('finds a value %s', (_how, secret, text, expected) => {
    const secrets = createSecrets();

    secrets.register(secret);

    expect(secrets.scrub(text)).toBe(expected);
  });

  test('finds every line of a key whose line breaks were folded', () => {
    const secrets = createSecrets();
    const lines = ['MIIEvQIBADANBgkqhkiG9w0B', 'AQEFAASCBKcwggSjAgEAAoIB'];

    secrets.register(`-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`);

    expect(secrets.scrub(`key ${lines.join(' ')} end`)).toBe('key [secret] [secret] end');
    expect(secrets.scrub('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----');
  });

  test('leaves values of three characters alone', () => {
    const secrets = createSecrets();

    secrets.register('abc');
    secrets.register('');

    expect(secrets.scrub('abc')).toBe('abc');
  });

  test('leaves nothing of a secret that begins like another one', () => {
    const secrets = createSecrets();

    secrets.register('hunter');
    secrets.register('hunter2hunter');

    expect(secrets.scrub('hunter2hunter hunter')).toBe('[secret] [secret]');
  });

  test('finds any registered value wherever it stands, in text and in JSON', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 4, unit: 'binary' }).filter((text) => !'[secret]'.includes(text)),
        (secret) => {
          const secrets = createSecrets();

          secrets.register(secret);

          expect(secrets.scrub(`<${secret}>`)).not.toContain(secret);
          expect(secrets.scrub(`<${JSON.stringify(secret)}>`)).not.toContain(
            JSON.stringify(secret).slice(1, -1),
          );
        },
      ),
    );
  });
});
