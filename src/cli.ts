#!/usr/bin/env node
import { readFileSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { ExitCode, InterruptedError } from './errors.ts';
import { parseOptions } from './command-line/options.ts';
import { createSecrets } from './output/secrets.ts';

/** How often a line of the log is offered to a pipe that is full, ten milliseconds apart; then it is lost. */
const mostTries = 500;

/** Standard error is written to at once, so that no line is lost however the process ends. */
function writeErr(text: string): void {
  const bytes = Buffer.from(text);
  let tries = 0;
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(2, bytes, written);
    } catch (error) {
      // A full pipe is tried again; a closed one, or a reader that has stopped, loses the log and not the run.
      if (systemCode(error) !== 'EAGAIN' || ++tries > mostTries) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function systemCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

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

/** Aborts at the first SIGINT or SIGTERM; the second ends the process at once. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const interruption = new InterruptedError(signal);
      if (controller.signal.aborted) process.exit(interruption.exitCode);
      controller.abort(interruption);
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

const secrets = createSecrets();

/** What no part of the program has caught. Node.js would print it as it is, with the line of code and all properties. */
function crash(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const plain = stack.replace(/[^\P{Cc}\n]/gu, '');
  writeErr(secrets.scrub(`a bug in atp: please report it with this stack\n${plain}\n`));
}

function crashAtOnce(error: unknown): void {
  crash(error);
  process.exit(ExitCode.bug);
}

async function start(): Promise<ExitCode> {
  const version = packageVersion();
  process.stdout.on('error', (error) => {
    // A reader that leaves early (`| head`) is no failure.
    if (systemCode(error) === 'EPIPE') return;
    writeErr(`atp: standard output cannot be written: ${String(systemCode(error))}\n`);
  });
  const io = { version, writeErr, writeOut: (text: string) => void process.stdout.write(text) };
  const parsed = parseOptions(process.argv.slice(2), io);
  if ('exit' in parsed) return parsed.exit;

  const stop = stopOnSignals();
  process.on('uncaughtException', crashAtOnce);
  process.on('unhandledRejection', crashAtOnce);
  hideFetch();
  const { main } = await import('./main.ts');
  return await main(parsed, {
    ...io,
    env: process.env,
    cwd: workingDirectory(),
    uid: process.getuid?.(),
    terminal: isatty(2),
    stop,
    secrets,
  });
}

start().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    crash(error);
    process.exitCode = ExitCode.bug;
  },
);
