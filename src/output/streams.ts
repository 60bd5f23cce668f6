import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError, ExitCode } from '../errors.ts';
import { fileTrouble, systemCode } from '../local/ownership.ts';

/** Standard output or standard error, neither of which ever holds up the run. */
export interface Output {
  /** Writes at once what the stream takes, so that even a killed run leaves it behind. The rest follows when there is room. */
  write(text: string): void;
  /**
   * Resolves when all is written, or when the reader has left, which is no failure.
   * @throws AppError when something could not be written, or its reader has stopped; exit code 1
   */
  drained(): Promise<void>;
}

/** How long readers that have stopped are waited for, both streams together. */
const mostPatienceMs = 5_000;
/** How soon a stream that was full is tried again. */
const againMs = 10;
/** More than a reader can be behind and still want to know; what comes then is lost. */
const mostWaiting = 16 * 1024 * 1024;

/** How long readers may still stand idle; shared by both streams. */
interface Patience {
  leftMs: number;
}

/** Opens both streams of the process. */
export function createOutputs(): { out: Output; err: Output } {
  const patience = { leftMs: mostPatienceMs };
  return {
    out: createOutput(1, 'standard output', patience),
    err: createOutput(2, 'standard error', patience),
  };
}

function createOutput(fd: 1 | 2, name: string, patience: Patience): Output {
  let target: number | undefined;
  /** What is being written, and what comes after it: joined only when its turn has come, so that many lines cost no more than their length. */
  let head = Buffer.alloc(0);
  let tail: Buffer[] = [];
  let left = 0;
  let timer: NodeJS.Timeout | undefined;
  let hasReader = true;
  let failure: AppError | undefined;

  /** Writes what the stream takes now. */
  function push(): void {
    timer = undefined;
    target ??= withoutBlocking(fd);
    try {
      while (left > 0) {
        if (head.length === 0) [head, tail] = [Buffer.concat(tail), []];
        // A disk that is nearly full takes a part, and says why at the next one.
        const written = writeSync(target, head);
        head = head.subarray(written);
        left -= written;
      }
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EAGAIN') {
        timer = setTimeout(push, againMs).unref();
        return;
      }
      drop();
      hasReader = code !== 'EPIPE' && code !== 'ECONNRESET';
      if (hasReader) failure = unwritten(fileTrouble(error));
    }
  }

  function drop(): void {
    [head, tail, left] = [Buffer.alloc(0), [], 0];
  }

  function unwritten(why: string): AppError {
    return new AppError(`${name} cannot be written: ${why}`, 'output', ExitCode.incomplete);
  }

  return {
    write(text) {
      if (!hasReader || left > mostWaiting) return;
      const bytes = Buffer.from(text);
      tail.push(bytes);
      left += bytes.length;
      if (!timer) push();
    },

    async drained() {
      while (left > 0 && patience.leftMs > 0) {
        const before = left;
        const since = performance.now();
        await pause(againMs);
        // A slow reader is waited for; only the time of one that takes nothing counts.
        if (left === before) patience.leftMs -= performance.now() - since;
      }
      if (left > 0) failure = unwritten('its reader has stopped reading');
      drop();
      if (failure) throw failure;
    },
  };
}

/** A descriptor for the same stream that takes what it can and never waits. Files need none: they do not make anybody wait. */
function withoutBlocking(fd: 1 | 2): number {
  if (fstatSync(fd).isFile()) return fd;
  try {
    // Opened once more, since the mode of the descriptor itself is shared with every process that has inherited it.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // A socket, another user's terminal, or no Linux. Node.js changes the mode as soon as its own stream is asked for.
    return fd === 1 ? process.stdout.fd : process.stderr.fd;
  }
}
