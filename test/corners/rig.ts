import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base } from 'vitest';
import { createHarness, startOfTime, type Harness, type Outcome, type Report } from '../harness.ts';
import type { SimAction } from '../simulator/actions.ts';
import type { FaultKind } from '../simulator/faults.ts';
import type { SimHost } from '../simulator/hosts.ts';
import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';
import type { SimMachine } from '../simulator/machines.ts';
import { isOwnNote, isOwnTag } from '../simulator/own-forms.ts';

/** Isolations and releases, no enrichment. */
export const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];
/** The same with enrichment by tag. */
export const lineWithTag = [...line, '--tag', 'host_context'];

/** A harness that can be rid of what a killed run did to its cache. */
export interface Stage extends Harness {
  readonly cacheDir: string;
}

/** `it` with a way to start the services; when the test is over, no harm may have been done to their world. */
export const it = base.extend<{
  start: (...options: Parameters<typeof createHarness>) => Promise<Stage>;
}>({
  // vitest finds out from the braces which fixtures a fixture needs: none.
  start: async ({}, use) => {
    const stages: Stage[] = [];
    await use(async (options = {}) => {
      const cacheDir = mkdtempSync(join(tmpdir(), 'atp-corner-'));
      const harness = await createHarness({ ...options, config: { ...options.config, cacheDir } });
      const stage = { ...harness, cacheDir };
      stages.push(stage);
      return stage;
    });
    for (const { simulator, close, cacheDir } of stages) {
      await close();
      rmSync(cacheDir, { recursive: true, force: true });
      expect(simulator.world.violations).toEqual([]);
    }
  },
});

/** Milliseconds of so many minutes. */
export function minutes(count: number): number {
  return count * 60_000;
}

/** Milliseconds of so many days. */
export function days(count: number): number {
  return minutes(count * 24 * 60);
}

/** A time of the day on which the tests begin, at 12:00:20 UTC. */
export function today(clock: string): number {
  return Date.parse(`2026-11-24T${clock}:05Z`);
}

/** A time as history tags have it: `2026-11-24 12:05`. */
export function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

/** Moves the clock to so many minutes after the start; it never goes back. */
export function moveTo({ clock }: Stage, minutesAfterStart: number): void {
  clock.advance(Math.max(0, startOfTime + minutes(minutesAfterStart) - clock.now()));
}

/** A fault for one call, all its requests or so many. */
export function breakCall({ simulator }: Stage, call: string, kind: FaultKind, times?: number): () => void {
  return simulator.faults.add({
    match: (entry) => entry.call === call,
    kind,
    ...(times !== undefined && { times }),
  });
}

/** No note can be written any more; what is returned ends it. */
export function breakNotes(stage: Stage): () => void {
  const undo = ['note-create', 'note-update'].map((call) => breakCall(stage, call, '500'));
  return () => {
    for (const mend of undo) mend();
  };
}

/** The only action that was asked for through the API, or an error. */
export function onlyPosted({ simulator: { world } }: Stage): SimAction {
  const [action, ...more] = [...world.actions.values()].filter(
    ({ requestSource }) => requestSource === 'PublicApi',
  );
  if (!action || more.length > 0) throw new Error('one action was to be asked for');
  return action;
}

/** An action of the past. */
export function past(
  { simulator: { world } }: Stage,
  machine: SimMachine,
  fields: Partial<SimAction> & { createdAt: number },
): SimAction {
  return world.addAction({ machineId: machine.id, updatedAt: fields.createdAt, ...fields });
}

/** An action that an earlier run asked for, for this host. */
export function ownPast(
  stage: Stage,
  host: Pick<SimHost, 'id' | 'name'>,
  machine: SimMachine,
  fields: Partial<SimAction> & { type: 'Isolate' | 'Unisolate'; createdAt: number },
): SimAction {
  const { simulator } = stage;
  const [verb, tag] = fields.type === 'Isolate' ? ['isolate', 'block'] : ['release', 'unblock'];
  const asked = new Date(fields.createdAt - 1_000).toISOString().slice(0, 19);
  const brain = new URL(simulator.detectUrl).host;
  return past(stage, machine, {
    requestorComment: `atp ${verb}; brain ${brain}; host ${host.id}; tag ${tag}; ${asked}Z; ${host.name}`,
    requestor: simulator.settings.appId,
    requestSource: 'PublicApi',
    ...fields,
  });
}

/** The tags of a host held for a machine since that time. */
export function heldTags(machine: SimMachine, since: number, status = 'Succeeded'): string[] {
  return [`id: ${machine.id}`, `isolation: ${status}`, `Manual block:${minute(since)}`];
}

/** A host whose machine this program isolated in an earlier run. */
export function addHeld(
  stage: Stage,
  about: { since?: number; tags?: string[] } = {},
): { host: SimHost; machine: SimMachine; isolation: SimAction } {
  const { since = today('09:00'), tags = [] } = about;
  const { host, machine } = stage.simulator.world.addPair();
  const isolation = ownPast(stage, host, machine, { type: 'Isolate', createdAt: since });
  host.tags.push(...heldTags(machine, since), ...tags);
  return { host, machine, isolation };
}

/** Another host in Detect for the machine of the first. */
export function addTwin({ simulator: { world } }: Stage, host: SimHost, ...tags: string[]): SimHost {
  const { last_source, ip, name, host_artifact_set } = host;
  return world.addHost({ tags, last_source, ip, name, host_artifact_set });
}

/** The host's address and names lead to this machine from now on, with traffic of three minutes ago. */
export function moveHost({ clock }: Stage, host: SimHost, to: SimMachine): void {
  const [label = ''] = (to.computerDnsName ?? '').split('.');
  host.last_source = host.ip = to.lastIpAddress;
  host.name = label;
  host.host_artifact_set = [{ type: 'dhcp', value: label }];
  host.last_seen = `${new Date(clock.now() - minutes(3)).toISOString().slice(0, 19)}Z`;
}

/** The host's own tags but for the five that describe a machine, sorted; `PC` stands for the machine named. */
export function ownTags(host: SimHost, machine?: SimMachine): string[] {
  return host.tags
    .filter((tag) => isOwnTag(tag))
    .filter((tag) => !/^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): /.test(tag))
    .map((tag) => (machine ? tag.replace(machine.id, 'PC') : tag))
    .toSorted();
}

/** Posted isolations and releases in order, refused ones and those without an answer included: `isolate <machine id>`. */
export function posts({ simulator: { ledger } }: Stage): string[] {
  return ledger
    .writes()
    .filter(({ service, call }) => service === 'atp' && call !== 'cancel')
    .map(({ call, path }) => `${call} ${path.split('/').at(-2) ?? ''}`);
}

/** The posts and cancellations that reached one machine: `isolate`, `unisolate`. */
export function postsTo(stage: Stage, machine: SimMachine): string[] {
  return posts(stage)
    .filter((post) => post.endsWith(machine.id))
    .map((post) => post.split(' ')[0] ?? '');
}

/** What a run's report says of one host. */
export function told(outcome: Outcome, { id }: SimHost): Report['hosts'][number] {
  const found = outcome.report?.hosts.find((host) => host.id === id);
  if (!found) throw new Error(`the report has no host ${id}`);
  return found;
}

/** The ids of the hosts in the report. */
export function toldIds({ report }: Outcome): number[] {
  return (report?.hosts ?? []).map(({ id }) => id);
}

/** The host's only own note, or an error. */
export function noteOf(host: SimHost): string {
  const own = host.notes.filter(({ note }) => isOwnNote(note));
  const [note, ...more] = own;
  if (!note || more.length > 0) throw new Error(`host ${host.id} has ${own.length} own notes`);
  return note.note;
}

/** The lines about actions and refusals in a note, newest first. */
export function actionLines(note: string): string[] {
  return note.split('\n').filter((text) => /^- \d{4}-\d\d-\d\d \d\d:\d\d UTC/.test(text));
}

/** A note without its code spans: what a reader's browser may take for a link or a line. */
export function outsideCode(note: string): string {
  return note.replaceAll(/`[^`\n]*`/g, '``');
}

/** Writes to a host's tags and notes. */
export function writesTo({ simulator: { ledger } }: Stage, { id }: SimHost): Entry[] {
  return ledger.writes().filter(({ service, path, body }) => {
    const ids = isObject(body) ? body['objectIds'] : undefined;
    return service === 'detect' && (path.includes(`/${id}/`) || (Array.isArray(ids) && ids.includes(id)));
  });
}

/** True for the request that adds or removes this tag of a host. */
export function isTagWrite(
  entry: Entry,
  call: 'tag-add' | 'tag-remove',
  tag: string,
  host?: SimHost,
): boolean {
  if (entry.call !== call || !isObject(entry.body)) return false;
  const { objectIds } = entry.body;
  const isOfHost = host === undefined || (Array.isArray(objectIds) && objectIds.includes(host.id));
  return isOfHost && entry.body['tag'] === tag;
}

/**
 * A run that is killed when the first request that matches has taken effect, before its answer: nothing of what it does
 * afterwards reaches a service, its cache is as it was at that moment, and so is the clock.
 */
export async function runKilled(
  stage: Stage,
  args: readonly string[],
  match: (entry: Entry) => boolean,
): Promise<void> {
  const { simulator, clock, cacheDir } = stage;
  const copy = mkdtempSync(join(tmpdir(), 'atp-killed-'));
  let diedAt: number | undefined;
  const undo = [
    simulator.faults.add({ match: () => diedAt !== undefined, kind: 'reset-before' }),
    simulator.faults.add({ match, kind: 'reset-after', times: 1 }),
  ];
  await stage.run(args, {
    after(entry) {
      if (diedAt !== undefined || !match(entry)) return;
      diedAt = clock.now();
      if (existsSync(cacheDir)) cpSync(cacheDir, copy, { recursive: true });
    },
  });
  for (const remove of undo) remove();
  if (diedAt === undefined) throw new Error('the run made no such request');
  clock.advance(diedAt - clock.now());
  rmSync(cacheDir, { recursive: true, force: true });
  cpSync(copy, cacheDir, { recursive: true });
  rmSync(copy, { recursive: true, force: true });
}

/** A run that is told to stop (SIGTERM) when the first request that matches has taken effect, before its answer. */
export async function runStopped(
  stage: Stage,
  args: readonly string[],
  match: (entry: Entry) => boolean,
): Promise<Outcome> {
  let stopRun: (() => void) | undefined;
  return stage.run(args, {
    before(_entry, stop) {
      stopRun = stop;
    },
    after(entry) {
      if (match(entry)) stopRun?.();
    },
  });
}
