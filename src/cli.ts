#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { AppError, ExitCode, InterruptedError } from './errors.ts';
import { parseOptions } from './command-line/options.ts';
import { createSecrets } from './output/secrets.ts';
import { createOutputs } from './output/streams.ts';

// Packages that print what they do when this is set would print a proxy's password with it.
delete process.env['DEBUG'];
// Node.js would open its inspector at this signal, and whoever reaches that reads the secrets and runs code.
process.on('SIGUSR1', () => undefined);

/** From the first signal to the end at the latest, with time left for the process itself: the contract's ten seconds. */
const mostAfterSignalMs = 9_500;

const { out, err } = createOutputs();
const secrets = createSecrets();

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return /"version": "([^"]+)"/u.exec(text)?.[1] ?? 'unknown';
}

/** A directory that was removed while the shell was in it has a name all the same, and nothing is found there. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return process.env['PWD'] ?? '/';
  }
}

type StopSignal = 'SIGINT' | 'SIGTERM';
const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** Aborts at the first SIGINT or SIGTERM; the second ends the process at once, and time does so where something hangs. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of stopSignals) {
    process.on(signal, () => {
      if (controller.signal.aborted) endBy(signal);
      controller.abort(new InterruptedError(signal));
      setTimeout(endBy, mostAfterSignalMs, signal).unref();
    });
  }
  return controller.signal;
}

/**
 * Takes Node's fetch out of sight. Nobody here uses it, but axios looks for it when it is loaded, and Node.js then loads a
 * whole second HTTP client: a tenth of the processor time of a tick that finds nothing (`npm run bench`).
 */
function hideFetch(): void {
  for (const name of ['fetch', 'FormData', 'Headers', 'Request', 'Response'])
    Reflect.deleteProperty(globalThis, name);
}

/**
 * Work for which Node.js holds a thread. `process.exit` waits for these threads: for a name look-up without an answer
 * ten seconds and more (seen with Node.js 20 and glibc's defaults).
 */
const threadWork = ['GetAddrInfoReqWrap', 'FSReqCallback', 'FSReqPromise'];

/** Ends the process with the code of the signal. Where a thread hangs, the signal itself ends it, which a shell sees as the same code. */
function endBy(signal: StopSignal): never {
  process.removeAllListeners(signal);
  const isHeld = process.getActiveResourcesInfo().some((resource) => threadWork.includes(resource));
  // The first process of a container cannot end itself so; it goes on to the next line.
  if (isHeld) process.kill(process.pid, signal);
  process.exit(new InterruptedError(signal).exitCode);
}

/** What no part of the program has caught. Node.js would print it as it is, with the line of code and all properties. */
function crash(error: unknown): ExitCode {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const plain = stack.replace(/[^\P{Cc}\n]/gu, '');
  err.write(secrets.scrub(`a bug in atp: please report it with this stack\n${plain}\n`));
  return ExitCode.bug;
}

function crashAtOnce(error: unknown): never {
  process.exit(crash(error));
}

async function start(): Promise<ExitCode> {
  const version = packageVersion();
  const parsed = parseOptions(process.argv.slice(2), { version, writeErr: err.write, writeOut: out.write });
  if ('exit' in parsed) {
    await out.drained();
    return parsed.exit;
  }
  const stop = stopOnSignals();
  process.on('uncaughtException', crashAtOnce);
  process.on('unhandledRejection', crashAtOnce);
  hideFetch();
  const { main } = await import('./main.ts');
  return await main(parsed, {
    version,
    writeErr: err.write,
    async writeOut(text) {
      out.write(text);
      await out.drained();
    },
    env: process.env,
    cwd: workingDirectory(),
    uid: process.getuid?.(),
    terminal: isatty(2),
    stop,
    secrets,
  });
}

/** Only help and version fail here in a way that is no bug: there is no log yet. */
function failBeforeLog(error: unknown): ExitCode {
  if (!(error instanceof AppError)) return crash(error);
  err.write(`atp: ${error.message}\n`);
  return error.exitCode;
}

async function end(exitCode: ExitCode): Promise<void> {
  // A log that nobody reads is no failure.
  await err.drained().catch(() => undefined);
  // Node.js lists what a thread has just done until its callback is over.
  await nextTurn();
  if (exitCode === ExitCode.sigint) endBy('SIGINT');
  if (exitCode === ExitCode.sigterm) endBy('SIGTERM');
  // While the exit waits for a thread, no handler runs: from now on a signal does what it does to every process.
  for (const signal of stopSignals) process.removeAllListeners(signal);
  process.exit(exitCode);
}

void start().catch(failBeforeLog).then(end);
