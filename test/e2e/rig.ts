import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test as base } from 'vitest';
import { parseOptions } from '../../src/command-line/options.ts';
import { main } from '../../src/main.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject, parseJson, type JsonObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { runAtp, type RunOptions, type RunResult } from '../simulator/run-atp.ts';
import { isOwnTag } from '../simulator/own-forms.ts';
import { createSimulator, type Simulator, type SimulatorOptions } from '../simulator/simulator.ts';

/** The production line that the README shows. */
export const typicalLine = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock'.split(' ');

/** `it` with what most tests need; both are taken away when the test is over. */
export const it = base.extend<{
  /** Starts the three services. When the test is over, no harm may have been done to their world. */
  start: (options?: SimulatorOptions) => Promise<Simulator>;
  /** An empty directory. */
  home: string;
}>({
  // vitest finds out from the braces which fixtures a fixture needs: none.
  start: async ({}, use) => {
    const running: Simulator[] = [];
    await use(async (options) => {
      const simulator = await createSimulator(options);
      running.push(simulator);
      return simulator;
    });
    for (const simulator of running) await closeUnharmed(simulator);
  },
  home: async ({}, use) => {
    const directory = await mkdtemp(join(tmpdir(), 'atp-e2e-'));
    await use(directory);
    await rm(directory, { recursive: true, force: true });
  },
});

/** Ends the services, and fails when foreign tags or notes were lost, or a machine was isolated that must not be. */
export async function closeUnharmed(simulator: Simulator): Promise<void> {
  await simulator.close();
  expect(simulator.world.violations).toEqual([]);
}

/** Runs the built command against the services, and fails when it prints anything secret. */
export async function run(
  simulator: Simulator,
  args: readonly string[],
  options: Omit<RunOptions, 'simulator'> = {},
): Promise<RunResult> {
  const result = await runAtp(args, { simulator, ...options });
  expectNoSecrets(simulator, result);
  return result;
}

/**
 * Runs the command in this process, over real sockets and by the real clock, as {@link run} does otherwise: for what the
 * bundle, the process and its signals have no part in, a process each would be most of what the tests cost.
 */
export async function runHere(
  simulator: Simulator,
  args: readonly string[],
  options: Pick<RunOptions, 'config' | 'overrides' | 'home'> = {},
): Promise<RunResult> {
  const scratch = await mkdtemp(join(tmpdir(), 'atp-here-'));
  const file = join(scratch, 'config.json');
  const config = options.config ?? simulator.config(options.overrides);
  await writeFile(file, JSON.stringify(config, undefined, 2), { mode: 0o600 });
  const startedAt = Date.now();
  let stdout = '';
  let stderr = '';
  const io = {
    version: '0.0.0-test',
    writeOut: (text: string) => void (stdout += text),
    writeErr: (text: string) => void (stderr += text),
  };
  const parsed = parseOptions(['--config', file, ...args], io);
  const code =
    'exit' in parsed
      ? parsed.exit
      : await main(parsed, {
          ...io,
          async writeOut(text) {
            io.writeOut(text);
            await Promise.resolve();
          },
          env: { HOME: options.home ?? scratch },
          cwd: scratch,
          uid: process.getuid?.(),
          terminal: false,
          stop: new AbortController().signal,
        });
  await rm(scratch, { recursive: true, force: true });
  const parsedOut = args.includes('--json') ? parseJson(stdout) : undefined;
  const report = isObject(parsedOut) ? parsedOut : undefined;
  const result = { code, signal: null, stdout, stderr, report, ms: Date.now() - startedAt };
  expectNoSecrets(simulator, result);
  return result;
}

/** Prepares a part of the world, and returns what is to be true of it after the run. */
export type Scene = (simulator: Simulator) => (result: RunResult) => void;

/** Plays many scenes in one world with a single run, and judges each by itself: runs are what costs time here. */
export function playInOneRun(
  title: string,
  about: { args: readonly string[]; code: number; overrides?: JsonObject; settings?: SimulatorOptions },
  scenes: Readonly<Record<string, Scene>>,
): void {
  describe.concurrent(title, () => {
    let simulator: Simulator;
    let result: RunResult;
    let judges: Record<string, ReturnType<Scene>> = {};

    beforeAll(async () => {
      simulator = await createSimulator(about.settings);
      judges = Object.fromEntries(Object.entries(scenes).map(([line, scene]) => [line, scene(simulator)]));
      result = await runHere(simulator, about.args, { overrides: about.overrides });
    });

    afterAll(async () => {
      await closeUnharmed(simulator);
    });

    base.for(Object.keys(scenes))('%s', (line) => {
      judges[line]?.(result);
    });

    base(`(all of it: exit code ${about.code})`, () => {
      expect(result.code).toBe(about.code);
    });
  });
}

/** Has something done after each request that was carried out, before it is answered, beside what is done already. */
export function afterCalls(simulator: Simulator, react: (entry: Entry) => void): void {
  const { after } = simulator.hooks;
  simulator.hooks.after = async (entry) => {
    await after?.(entry);
    react(entry);
  };
}

/** Fails when a run printed a secret: a token, the client secrets, what they are sent as, or an access token. */
export function expectNoSecrets(
  { settings }: Simulator,
  { stdout, stderr }: Pick<RunResult, 'stdout' | 'stderr'>,
): void {
  const printed = stdout + stderr;
  const { detectToken, appSecret, apiClient } = settings;
  const basic = apiClient && Buffer.from(`${apiClient.id}:${apiClient.secret}`).toString('base64');
  for (const secret of [detectToken, appSecret, apiClient?.secret ?? [], basic ?? []].flat())
    expect(printed).not.toContain(secret);
  expect(printed).not.toMatch(/eyJ[\w-]{20}|detect\.[\w-]{40}/);
}

/** The entries of the log that a run without a terminal wrote: one JSON object a line. */
export function logOf({ stderr }: Pick<RunResult, 'stderr'>): JsonObject[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const entry = parseJson(line);
      if (!isObject(entry)) throw new Error(`not a line of JSON: ${line}`);
      return entry;
    });
}

/** The messages of the log's errors, with their hints where they have one. */
export function errorsOf(result: Pick<RunResult, 'stderr'>): { msg: unknown; hint?: unknown }[] {
  return logOf(result)
    .filter((entry) => entry['level'] === 'error')
    .map(({ msg, hint }) => (hint === undefined ? { msg } : { msg, hint }));
}

/** What the JSON report says of one host. */
export function hostIn({ report }: Pick<RunResult, 'report'>, id: number): JsonObject {
  const hosts = report?.['hosts'];
  const found: unknown = Array.isArray(hosts)
    ? hosts.find((host: unknown) => isObject(host) && host['id'] === id)
    : undefined;
  if (!isObject(found)) throw new Error(`the report has no host ${id}`);
  return found;
}

/** Results by host, in the order of the hosts given. */
export function resultsOf(result: Pick<RunResult, 'report'>, hosts: readonly SimHost[]): unknown[] {
  return hosts.map(({ id }) => hostIn(result, id)['result']);
}

/** The six tags that say which machine a host is; its properties must be of the plain kind. */
export function contextOf(machine: SimMachine): string[] {
  return [
    `computerDnsName: ${machine.computerDnsName ?? 'Unknown'}`,
    `osPlatform: ${machine.osPlatform ?? 'Unknown'}`,
    `healthStatus: ${machine.healthStatus ?? 'Unknown'}`,
    `riskScore: ${machine.riskScore ?? 'Unknown'}`,
    `exposureLevel: ${machine.exposureLevel ?? 'Unknown'}`,
    `id: ${machine.id}`,
  ];
}

/**
 * A host's tags in two parts: those that the program writes, whose order is of no matter, and everybody else's, which
 * must stay as they are.
 */
export function tagsOf({ tags }: Pick<SimHost, 'tags'>): { own: string[]; others: string[] } {
  return {
    own: tags.filter((tag) => isOwnTag(tag)).toSorted(),
    others: tags.filter((tag) => !isOwnTag(tag)),
  };
}

/** What {@link tagsOf} is to be. */
export function tags(others: readonly string[], own: readonly string[]): ReturnType<typeof tagsOf> {
  return { own: own.toSorted(), others: [...others] };
}

/** In what is expected: a text with this in it. */
export function textWith(part: string): unknown {
  return expect.stringContaining(part);
}

/** In what is expected: a text of this form. */
export function textLike(form: RegExp): unknown {
  return expect.stringMatching(form);
}

/** When Defender lifts an isolation by itself, as the note prints it. */
export function untilWords(createdAt: number): string {
  return `until ${minute(createdAt + minutes(7 * 24 * 60))} UTC`;
}

/** A time as history tags have it: `2026-11-24 12:05`. */
export function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

/** Isolations and releases asked for through the API, in order. */
export function asked(simulator: Simulator): SimAction[] {
  return [...simulator.world.actions.values()].filter((action) => action.requestSource === 'PublicApi');
}

/** Isolations and releases of one machine asked for through the API, in order. */
export function askedOf(simulator: Simulator, machine: SimMachine): SimAction[] {
  return asked(simulator).filter(({ machineId }) => machineId === machine.id);
}

/** The only action that was asked for, of one machine or of all. */
export function onlyAsked(simulator: Simulator, machine?: SimMachine): SimAction {
  const [action, ...more] = machine ? askedOf(simulator, machine) : asked(simulator);
  if (!action || more.length > 0) throw new Error(`${more.length + (action ? 1 : 0)} actions were asked for`);
  return action;
}

/** The host's one note of the program's own. */
export function ownNoteOf(host: SimHost): string {
  const own = host.notes.filter(({ note }) => note.startsWith('## Microsoft Defender for Endpoint (atp)\n'));
  const [note, ...more] = own;
  if (!note || more.length > 0) throw new Error(`host ${host.id} has ${own.length} own notes`);
  return note.note;
}

/** Lines about actions and refusals in the host's own note, newest first. */
export function noteEntries(host: SimHost): string[] {
  return ownNoteOf(host)
    .split('\n')
    .filter((line) => /^- \d{4}-/.test(line));
}

/** Tags and notes of all hosts, as they are. */
export function detectState({ world }: Simulator): unknown {
  return world.snapshot().hosts;
}

/** Milliseconds of so many minutes. */
export function minutes(count: number): number {
  return count * 60_000;
}
