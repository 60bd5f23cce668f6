import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LockedError } from '../../src/errors.ts';
import { acquireLock } from '../../src/local/lock.ts';

const lockModule = new URL('../../src/local/lock.ts', import.meta.url).href;

/** A URL that no other test and no other run of the tests has locked. */
function freshUrl(): string {
  return `https://${randomUUID()}.example.com`;
}

/** Starts a process that takes the lock and then only lives. */
async function spawnHolder(url: string): Promise<ChildProcess> {
  const script = `
    const { acquireLock } = await import(${JSON.stringify(lockModule)});
    await acquireLock(${JSON.stringify(url)});
    process.stdout.write('held');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

describe.runIf(process.platform === 'linux')('the lock', () => {
  test('is refused to a second holder, with words that say why', async () => {
    const url = freshUrl();
    const lock = await acquireLock(url);
    onTestFinished(() => lock.release());

    const second = acquireLock(url);

    await expect(second).rejects.toThrow(LockedError);
    await expect(second).rejects.toThrow(`another run for ${url} is still at work`);
    expect(lock.warning).toBeUndefined();
  });

  test('is one for each Detect, however its URL is spelt', async () => {
    const url = freshUrl();
    const lock = await acquireLock(url);
    onTestFinished(() => lock.release());

    await expect(acquireLock(`${url.toUpperCase()}/`)).rejects.toThrow(LockedError);
    const other = await acquireLock(freshUrl());

    await other.release();
  });

  test('is free again after its release', async () => {
    const url = freshUrl();
    const lock = await acquireLock(url);

    await lock.release();

    const next = await acquireLock(url);
    await next.release();
  });

  test('can be released twice', async () => {
    const lock = await acquireLock(freshUrl());

    await lock.release();

    await expect(lock.release()).resolves.toBeUndefined();
  });

  test('held by another process is free as soon as that process is killed', async () => {
    const url = freshUrl();
    const child = await spawnHolder(url);
    await expect(acquireLock(url)).rejects.toThrow(LockedError);

    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;

    const lock = await acquireLock(url);
    await lock.release();
  });

  test('neither keeps its process running nor lets a visitor do so', async () => {
    const url = freshUrl();
    const lock = await acquireLock(url);
    onTestFinished(() => lock.release());
    const path = `\0atp-${createHash('sha256').update(new URL(url).href).digest('hex')}`;

    const visitor = connect(path);
    visitor.on('error', () => undefined);

    await once(visitor, 'close');
    const script = `const { acquireLock } = await import(${JSON.stringify(lockModule)}); await acquireLock('https://a.example.com');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
