#!/usr/bin/env node
import { readFileSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { ExitCode, InterruptedError } from './errors.ts';
import { parseOptions } from './options.ts';

/** Standard error is written to at once, so that no line is lost however the process ends. */
function writeErr(text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(2, bytes, written);
    } catch (error) {
      // A full pipe is tried again; a closed one loses the log, not the run.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return;
    }
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return /"version": "([^"]+)"/u.exec(text)?.[1] ?? 'unknown';
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

async function start(): Promise<ExitCode> {
  const version = packageVersion();
  // A reader that leaves early (`| head`) is no failure.
  process.stdout.on('error', () => undefined);
  const io = { version, writeErr, writeOut: (text: string) => void process.stdout.write(text) };
  const parsed = parseOptions(process.argv.slice(2), io);
  if ('exit' in parsed) return parsed.exit;

  const stop = stopOnSignals();
  const { main } = await import('./main.ts');
  return await main(parsed, {
    ...io,
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid?.(),
    terminal: isatty(2),
    stop,
  });
}

try {
  process.exitCode = await start();
} catch (error) {
  writeErr(
    `a bug in atp: please report it with this stack\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = ExitCode.bug;
}
