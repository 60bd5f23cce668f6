import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isObject, parseJson } from '../simulator/json.ts';
import { isOwnNote, isOwnTag } from '../simulator/own-forms.ts';
import { spawnAtp, type RunningAtp, type RunResult } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import type { Snapshot } from '../simulator/world.ts';
import { castWorld, type Scene } from './cast.ts';
import { createPage, cut, type Page } from './page.ts';

const typicalLine = [
  '--tag',
  'host_context',
  '--tc',
  '75',
  '75',
  '--blocktag',
  'block',
  '--unblocktag',
  'unblock',
];
/** Hosts are refused, in conflict and given up in this world: the code that asks for a person's eye. */
const expectedCode = 1;
/** The hosts whose plan is printed as the command prints it, and the one whose note is. */
const shownPlans = ['WS-BOB', 'SRV-DC01'];
const shownNote = 'WS-BOB';

interface Demo {
  simulator: Simulator;
  scenes: Scene[];
  page: Page;
  /** Home of all runs, so that the second has the token of the first. */
  home: string;
  /** What was not as it must be. */
  complaints: string[];
  run(args: readonly string[]): Promise<RunResult>;
}

/** Tells the whole story; true when everything was as it must be. */
async function tell(demo: Demo): Promise<boolean> {
  const { simulator, scenes, page } = demo;
  const { world } = simulator;
  const before = world.snapshot();
  const machinesBefore = scenes.map(machineState);

  page.line(page.paint('bold', 'atp: tags on hosts in Vectra Cognito Detect become answers from Defender'));
  page.line();
  page.line(
    'An analyst tags a host in Detect. Every few minutes cron runs atp, which asks Microsoft Defender for',
  );
  page.line(
    'Endpoint who that host is, writes the answer on the host as tags and a note, and isolates or releases',
  );
  page.line(
    'its machine if that was asked for. Here both services are simulated on this computer; atp is real.',
  );

  await dryRun(demo, before);
  await realRun(demo);
  const afterRun = world.snapshot();
  showHosts(demo, before, afterRun, machinesBefore);
  world.settleActions();
  await nextTick(demo, afterRun);
  const after = world.snapshot();
  showOverview(demo, machinesBefore, after);
  return verdict(demo, before, after);
}

async function dryRun({ simulator, page, run, complaints }: Demo, before: Snapshot): Promise<void> {
  page.heading('1. A dry run: what would it do?');
  page.command(`atp --dry-run ${typicalLine.join(' ')}`);
  const { stdout } = await run(['--dry-run', ...typicalLine]);
  const plans = stdout.trimEnd().split('\n\n');
  for (const name of shownPlans) {
    const plan = plans.find((block) => block.split('\n', 1)[0]?.includes(` ${name} `));
    if (plan === undefined) complaints.push(`the dry run prints no plan for ${name}`);
    page.line();
    for (const text of plan?.split('\n') ?? []) page.line(`  ${cut(text, 98)}`);
  }
  page.line();
  page.line(page.paint('dim', `  … and ${plans.length - shownPlans.length} more hosts in the same way`));
  const { ledger, world } = simulator;
  const isUntouched = JSON.stringify(world.snapshot()) === JSON.stringify(before);
  if (ledger.writes().length > 0 || !isUntouched) complaints.push('the dry run wrote something');
  page.line();
  page.line(
    `Detect and Defender got ${ledger.entries.length} questions and ${ledger.writes().length} writes.`,
  );
}

async function realRun({ page, run }: Demo): Promise<void> {
  page.heading('2. The same for real, as cron runs it');
  page.command(`atp ${typicalLine.join(' ')}`);
  const result = await run(typicalLine);
  page.line();
  page.line(`  ${summaryOf(result)}`);
  page.line();
  page.line(
    'Exit code 1: something was refused or contradicts itself, so that a person should look. The hosts,',
  );
  page.line(
    `with tags removed (${page.paint('red', '-')}), added (${page.paint('green', '+')}) and left alone (=):`,
  );
}

function showHosts({ scenes, page }: Demo, before: Snapshot, after: Snapshot, machines: string[]): void {
  for (const [at, scene] of scenes.entries()) {
    const { host, asks } = scene;
    const had = before.hosts[host.id];
    const has = after.hosts[host.id];
    if (!had || !has) continue;
    page.line();
    const state = waitingAction(scene, after) ?? machineState(scene);
    const machine = scene.machine ? `its machine: ${change(machines[at] ?? '', state)}` : '';
    page.line(`  ${page.paint('bold', host.name.padEnd(13))} ${asks.padEnd(29)} ${machine}`);
    const gone = had.tags.filter((tag) => !has.tags.includes(tag));
    const added = has.tags.filter((tag) => !had.tags.includes(tag));
    page.items('-', gone.map(short), 'red');
    page.items('+', added.map(short), 'green');
    page.items('=', has.tags.filter((tag) => had.tags.includes(tag)).map(short), undefined);
    const notes = notesLine(had.notes, has.notes);
    if (notes !== '') page.line(`    ${notes}`);
    if (host.name !== shownNote) continue;
    const own = has.notes.find(({ note }) => isOwnNote(note));
    for (const text of own?.note.split('\n').filter((row) => row !== '') ?? [])
      page.line(page.paint('dim', `      | ${cut(text, 90)}`));
  }
}

function notesLine(before: Snapshot['hosts'][string]['notes'], after: typeof before): string {
  const theirs = after.filter(({ note }) => !isOwnNote(note)).length;
  const own = after.find(({ note }) => isOwnNote(note));
  const had = before.find(({ note }) => isOwnNote(note));
  const parts = [
    ...(theirs > 0 ? [`${theirs} by an analyst, untouched`] : []),
    ...(own ? [had ? "atp's, updated" : "atp's, new"] : []),
  ];
  return parts.length > 0 ? `notes: ${parts.join('; ')}` : '';
}

async function nextTick({ simulator, scenes, page, run }: Demo, before: Snapshot): Promise<void> {
  page.heading('3. The next tick of cron: Defender has carried out what it could, atp follows');
  page.command(`atp ${typicalLine.join(' ')}`);
  const result = await run(typicalLine);
  page.line();
  page.line(`  ${summaryOf(result)}`);
  page.line();
  const after = simulator.world.snapshot();
  for (const { host } of scenes) {
    const had = before.hosts[host.id]?.tags ?? [];
    const has = after.hosts[host.id]?.tags ?? [];
    const gone = had.filter((tag) => !has.includes(tag));
    const added = has.filter((tag) => !had.includes(tag));
    if (gone.length + added.length === 0) continue;
    const words = `${page.paint('red', gone.join(', '))} -> ${page.paint('green', added.join(', '))}`;
    page.line(`  ${host.name.padEnd(13)} ${words}`);
  }
}

function showOverview({ scenes, page }: Demo, machinesBefore: string[], after: Snapshot): void {
  page.heading('At a glance');
  const widths = [13, 28, 41];
  function row(cells: readonly string[]): string {
    return `  ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' ')}`.trimEnd();
  }
  page.line(page.paint('dim', row(['HOST', 'SOMEBODY ASKED', 'WHAT CAME OF IT', 'MACHINE'])));
  for (const [at, scene] of scenes.entries()) {
    const state = machineState(scene);
    const was = machinesBefore[at] ?? '';
    const machine = scene.machine && after.machines[scene.machine.id] ? change(was, state) : '-';
    const text = row([scene.host.name, scene.asks, scene.outcome, machine]);
    page.line(was === state ? text : text.replace(machine, page.paint('bold', machine)));
  }
}

/** Compares what must not have changed byte for byte, and what was promised with what is. */
function verdict(demo: Demo, before: Snapshot, after: Snapshot): boolean {
  const { simulator, scenes, page, complaints } = demo;
  const { world } = simulator;
  complaints.push(...world.violations);
  if (foreignBytes(simulator, before) !== foreignBytes(simulator, after)) {
    complaints.push('tags or notes of people are not what they were');
  }
  for (const scene of scenes) complaints.push(...brokenPromises(scene));

  page.line();
  if (complaints.length === 0) {
    const tags = scenes.flatMap(({ host }) => before.hosts[host.id]?.tags ?? []);
    const foreign = tags.filter((tag) => isForeign(simulator, tag)).length;
    const notes = scenes.flatMap(({ host }) => before.hosts[host.id]?.notes ?? []).length;
    page.line(
      `${page.paint('green', 'Checked:')} the ${foreign} tags and ${notes} notes of people are byte for byte what they were, no machine was`,
    );
    page.line('isolated twice or against a guard rail, and every host came to what the table says.');
    page.line();
    page.line('README.md says how to set it up for real.');
    return true;
  }
  page.line(page.paint('red', 'NOT AS IT MUST BE:'));
  for (const complaint of complaints) page.line(`  - ${complaint}`);
  return false;
}

function isForeign({ settings }: Simulator, tag: string): boolean {
  return !isOwnTag(tag) && !settings.triggers.includes(tag);
}

/** What belongs to people, as one text. */
function foreignBytes(simulator: Simulator, { hosts }: Snapshot): string {
  return JSON.stringify(
    Object.entries(hosts).map(([id, { tags, notes }]) => ({
      id,
      tags: tags.filter((tag) => isForeign(simulator, tag)),
      notes: notes.filter(({ note }) => !isOwnNote(note)),
    })),
  );
}

function brokenPromises({ host, machine, carries, lacks, isolated }: Scene): string[] {
  const missing = carries.filter((start) => !host.tags.some((tag) => tag.startsWith(start)));
  const extra = host.tags.filter((tag) => lacks.some((start) => tag.startsWith(start)));
  return [
    ...missing.map((start) => `${host.name} has no tag "${start}…"`),
    ...extra.map((tag) => `${host.name} still has, or got, the tag "${tag}"`),
    ...(machine && machine.isolated !== isolated
      ? [`the machine of ${host.name} is ${machine.isolated ? '' : 'not '}isolated`]
      : []),
  ];
}

function machineState({ machine }: Scene): string {
  if (!machine) return '-';
  return machine.isolated ? 'ISOLATED' : machine.online ? 'online' : 'offline';
}

/** What is asked of the machine and not yet done. */
function waitingAction({ machine }: Scene, { actions }: Snapshot): string | undefined {
  const open = actions.find(({ machineId, status }) => machineId === machine?.id && status === 'Pending');
  return open && (open.type === 'Isolate' ? 'isolation asked for' : 'release asked for');
}

function change(was: string, is: string): string {
  return was === is ? is : `${was} -> ${is}`;
}

/** Machine ids are 40 digits, which tell a person nothing. */
function short(tag: string): string {
  return tag.replace(/^(id: [0-9a-f]{6})[0-9a-f]{34}$/, '$1…');
}

/** The closing line of the command's log. */
function summaryOf({ stderr }: RunResult): string {
  const last = parseJson(stderr.trimEnd().split('\n').at(-1) ?? '');
  return isObject(last) && typeof last['msg'] === 'string' ? last['msg'] : 'the log has no summary';
}

async function main(): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'atp-demo-'));
  const simulator = await createSimulator();
  const complaints: string[] = [];
  let running: RunningAtp | undefined;
  let interrupted: number | undefined;
  // The command gets a terminal's Ctrl-C too, and cleans up behind itself; the demo only waits for that.
  process.on('SIGINT', () => (interrupted = 130));
  process.on('SIGTERM', () => {
    interrupted = 143;
    running?.child.kill('SIGTERM');
  });
  const overrides = { isolation: { never: { osPlatforms: ['WindowsServer*'] } } };
  try {
    const good = await tell({
      simulator,
      scenes: castWorld(simulator),
      page: createPage(),
      home,
      complaints,
      async run(args) {
        running = spawnAtp(args, { simulator, overrides, home });
        const result = await running.result;
        if (interrupted !== undefined) throw new Error('interrupted');
        if (result.code !== expectedCode) {
          complaints.push(
            `exit code ${result.code ?? 'none'} instead of ${expectedCode} of: atp ${args.join(' ')}`,
          );
          process.stderr.write(result.stderr);
        }
        return result;
      },
    });
    return good ? 0 : 1;
  } catch (error) {
    if (interrupted === undefined) throw error;
    return interrupted;
  } finally {
    await simulator.close();
    rmSync(home, { recursive: true, force: true });
  }
}

process.exitCode = await main();
