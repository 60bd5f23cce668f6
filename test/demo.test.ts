import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { makeTempDir } from './temp-dir.ts';

const demo = fileURLToPath(new URL('demo/demo.ts', import.meta.url));

it('shows the demo in plain text of 100 columns when nobody watches, and leaves nothing behind', async () => {
  const dir = await makeTempDir();
  const env = { PATH: process.env['PATH'], TMPDIR: dir, HOME: dir, TSX_DISABLE_CACHE: '1' };

  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', demo], {
    encoding: 'utf8',
    env,
    timeout: 60_000,
  });

  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).not.toContain('\u001b');
  expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  expect(stdout).toMatch(
    /^ {2}WS-BOB +isolate it +isolated +online -> ISOLATED\n {2}SRV-DC01 +isolate it +refused: /mu,
  );
  expect(stdout).toMatch(/^Checked: the 13 tags and 3 notes of people are byte for byte what they were;/mu);
  expect(stdout).toMatch(/^ {2}WS-BOB \(\d+\) +isolation: Succeeded +isolated$/mu);
  expect(stdout).toMatch(/^ {4}waits: .*a person has to$/mu);
  expect(readdirSync(dir)).toEqual([]);
}, 60_000);
