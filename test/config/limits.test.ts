import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { atp, detect, makeConfigDir, minimal } from './config-dir.ts';

const mib = 1024 * 1024;

/** A text as long as a configuration may be. */
function filled(part: string, before = '', after = ''): string {
  const rest = mib - before.length - after.length;
  return before + part.repeat(Math.floor(rest / part.length)) + after;
}

const inDetect = `{"atp": ${JSON.stringify(atp)}, "detect": {"token": "${detect.token}", "url": "`;

const tooLong = /valid:\n- detect\.url: is longer than 2048 characters$/u;

function withRanges(count: number): string {
  const never = { ips: Array.from({ length: count }, () => 'x') };
  return JSON.stringify({ ...minimal, isolation: { never } });
}

/** Far more than any of these takes, and far less than a step that goes over the file for each part of it. */
const enoughMs = 5_000;

const tooMany = /valid:\n- the file: expected at most 20000 keys and list items$/u;

test.each<[string, string, RegExp]>([
  ['lists in lists', filled('['), /: nested too deeply$/u],
  ['whole lists in lists', '['.repeat(mib / 2) + ']'.repeat(mib / 2), tooMany],
  [
    'whole objects in objects',
    `${'{"a":'.repeat(15_000)}1${'}'.repeat(15_000)}`,
    /valid:\n- a: unknown key\n- detect\.url/u,
  ],
  [
    'objects in objects, with a key given twice',
    `{"b":1,"b":2,"a":${'{"a":'.repeat(15_000)}1${'}'.repeat(15_001)}`,
    /: nested too deeply\n/u,
  ],
  [
    'one key, many times',
    `{${filled('"a":1,', '', '"a":1')}}`.slice(0, mib),
    /valid:\n- a: is given twice\n- a: unknown key\n- detect\.url/u,
  ],
  ['many keys', `{${Array.from({ length: 80_000 }, (_, at) => `"k${at}":1`).join(',')}}`, tooMany],
  [
    'unknown keys',
    `{${Array.from({ length: 15_000 }, (_, at) => `"k${at}":1`).join(',')}}`,
    /- k99: unknown key\n- and 14905 more$/u,
  ],
  ['a URL of slashes', filled('/', `${inDetect}https://x`, 'x"}}'), tooLong],
  ['a URL of escapes', filled(String.raw`\u002f`, `${inDetect}https://x`, 'x"}}'), tooLong],
  ['many rules', withRanges(200_000), tooMany],
  [
    'rules that are no addresses',
    withRanges(15_000),
    /isolation\.never\.ips\[99\]: expected an address[^\n]*\n- and 14900 more$/u,
  ],
  ['a string without an end', filled(String.raw`\\`, '{"a": "'), /this string has no end/u],
])('a file of %s is read in no time', async (_what, text, message) => {
  const world = await makeConfigDir();
  await world.put('config.json', text);
  const began = performance.now();

  expect(await world.failure()).toMatch(message);

  expect(performance.now() - began).toBeLessThan(enoughMs);
});

test('a key file of beginnings without an end is read in no time', async () => {
  const world = await makeConfigDir();
  await world.put('key.pem', filled('-----BEGIN PRIVATE KEY-----\n'));
  const { tenantId, appId } = atp;
  await world.put('config.json', {
    detect,
    atp: { tenantId, appId, certificateFile: 'key.pem', privateKeyFile: 'key.pem' },
  });
  const began = performance.now();

  expect(await world.failure()).toMatch(
    /atp\.privateKeyFile: the file named there has no private key in PEM form/u,
  );

  expect(performance.now() - began).toBeLessThan(enoughMs);
});
