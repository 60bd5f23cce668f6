import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Makes a directory (0700) that is removed when the test that asked for it is over. */
export async function makeTempDir(): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'atp-test-')));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
