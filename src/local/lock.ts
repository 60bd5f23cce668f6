import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { LockedError } from '../errors.ts';

/** The right to be the only run against one Detect. */
export interface Lock {
  /** Why there is no lock although there should be one; the run goes on, since it reads actions before it posts any. */
  warning: string | undefined;
  release(): Promise<void>;
}

/**
 * Takes the lock of one Detect, or rejects with a {@link LockedError} when another process on this machine has it.
 *
 * The lock is a listening socket in Linux's abstract namespace (unix(7)): the kernel gives it up with the process
 * however that ends, and it leaves nothing on disk. The namespace belongs to the network namespace, so that it does
 * not reach across containers. Other systems have no such sockets: there the lock does nothing.
 */
export async function acquireLock(detectUrl: string): Promise<Lock> {
  if (process.platform !== 'linux') return { warning: undefined, release: () => Promise.resolve() };

  const name = createHash('sha256').update(new URL(detectUrl).href).digest('hex');
  // Nobody has anything to say here; an accepted connection would only keep the process alive.
  const server = createServer((socket) => socket.destroy());
  try {
    const listening = once(server, 'listening');
    server.listen(`\0atp-${name}`);
    await listening;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRINUSE') {
      throw new LockedError(`another run for ${detectUrl} is still at work`);
    }
    // Seen where a service manager forbids Unix sockets (systemd's RestrictAddressFamilies).
    return {
      warning: `there is no lock against a second run: Unix sockets cannot be used here (${code})`,
      release: () => Promise.resolve(),
    };
  }
  // A lock alone keeps no process running.
  server.unref();
  return { warning: undefined, release: () => close(server) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
