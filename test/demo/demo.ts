import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isObject, parseJson } from '../simulator/json.ts';
import { spawnAtp, type RunningAtp, type RunResult } from '../simulator/run-atp.ts';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import type { Snapshot } from '../simulator/world.ts';
import { castWorld, type Scene } from './cast.ts';
import { createPage, type Page } from './page.ts';
import { machineState, showHosts, showOverview, tagChange } from './show.ts';
import { countOfPeople, findComplaints } from './verdict.ts';

const flags = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock';
/** Some requests in this world are refused, contradict each other or have failed: the code that asks for a person. */
const expectedCode = 1;
/** Hosts whose plan is shown as the dry run prints it. */
const shownPlans = ['WS-BOB', 'SRV-DC01'];

/** What the acts of the demo share. */
interface Demo {
  simulator: Simulator;
  scenes: readonly Scene[];
  page: Page;
  complaints: string[];
  /** Runs the built command to its end, and complains of an exit code that is not the expected one. */
  run(flags: string): Promise<RunResult>;
}

/** Tells the whole story; true when everything was as it must be. */
async function tell(demo: Demo): Promise<boolean> {
  const { simulator, scenes, page, complaints } = demo;
  const { world } = simulator;
  const before = world.snapshot();
  const machinesBefore = scenes.map((scene) => machineState(scene));

  page.line(
    page.paint('bold', 'atp: a tag on a host in Vectra Cognito Detect, and Microsoft Defender answers'),
  );
  page.line();
  page.text(
    'An analyst tags a host in Detect. Every few minutes cron runs atp: it asks Microsoft Defender for Endpoint ' +
      'which machine that is, writes the answer on the host as tags and a note, and isolates or releases the machine ' +
      'if that was asked for. Here both services are simulated on this computer; the atp command is the real one.',
  );
  await dryRun(demo, before);
  await realRun(demo);
  const afterRun = world.snapshot();
  showHosts(page, scenes, machinesBefore, before, afterRun);
  world.settleActions();
  await nextTick(demo, afterRun);

  await handOver(demo);

  page.heading('At a glance');
  const after = world.snapshot();
  showOverview(page, scenes, machinesBefore);
  complaints.push(...findComplaints(simulator, scenes, before, after));
  page.line();
  if (complaints.length === 0) {
    const { tags, notes } = countOfPeople(simulator, after);
    page.text(
      `${page.paint('green', 'Checked:')} the ${tags} tags and ${notes} notes of people are byte for byte what they were; ` +
        'no machine was isolated twice or against a guard rail; each host came to what the table says.',
    );
    page.line('The next step: README.md, "Setting it up".');
  } else {
    page.line(page.paint('red', 'Not as it must be:'));
    for (const complaint of complaints) page.text(`- ${complaint}`, '  ');
  }
  return complaints.length === 0;
}

async function dryRun({ simulator, page, run, complaints }: Demo, before: Snapshot): Promise<void> {
  page.heading('1. A dry run: what would it do?');
  page.command(`atp --dry-run ${flags}`);
  const { stdout } = await run(`--dry-run ${flags}`);
  const plans = stdout.trimEnd().split('\n\n');
  for (const name of shownPlans) {
    const plan = plans.find((block) => block.split('\n', 1)[0]?.includes(` ${name} `));
    if (plan === undefined) complaints.push(`the dry run prints no plan for ${name}`);
    for (const text of plan?.split('\n') ?? []) {
      const isTitle = !text.startsWith(' ');
      page.text(text.trimStart(), isTitle ? '  ' : '    ', isTitle ? 'bold' : undefined);
    }
    page.line();
  }
  page.line(page.paint('dim', `  … and ${plans.length - shownPlans.length} more hosts in this way.`));
  page.line();

  const { ledger, world } = simulator;
  const writes = ledger.writes().length;
  page.text(`The services got ${ledger.entries.length} requests, ${writes} of them to change something.`);
  const isUntouched = JSON.stringify(world.snapshot()) === JSON.stringify(before);
  if (writes > 0 || !isUntouched) complaints.push('the dry run changed something');
}

async function realRun({ page, run }: Demo): Promise<void> {
  page.heading('2. For real, as cron runs it');
  page.command(`atp ${flags}`);
  page.text(summaryOf(await run(flags)), '  ');
  page.line();
  page.text(
    'The exit code says that a person should look: something was refused, has failed or contradicts itself. ' +
      'Host by host, with what went (-), came (+) and stayed (=):',
  );
}

async function nextTick({ simulator, scenes, page, run }: Demo, before: Snapshot): Promise<void> {
  page.heading('3. The next tick of cron: the machines that are online have obeyed, and atp follows up');
  page.command(`atp ${flags}`);
  page.text(summaryOf(await run(flags)), '  ');
  page.line();
  const after = simulator.world.snapshot();
  for (const { host } of scenes) {
    const { gone, added } = tagChange(before.hosts[host.id]?.tags ?? [], after.hosts[host.id]?.tags ?? []);
    if (gone.length + added.length === 0) continue;
    const words = `${page.paint('red', `- ${gone.join(' | ')}`)}   ${page.paint('green', `+ ${added.join(' | ')}`)}`;
    page.line(`  ${page.paint('bold', host.name.padEnd(13))} ${words}`);
  }
}

/** Who is isolated and what waits, as one shift hands it over to the next. */
async function handOver({ scenes, page, complaints, run }: Demo): Promise<void> {
  const triggers = '--blocktag block --unblocktag unblock';
  page.heading('4. The hand-over of a shift: who is isolated, and what waits?');
  page.command(`atp --status ${triggers}`);
  const { stdout } = await run(`--status ${triggers}`);
  for (const text of stdout.trimEnd().split('\n')) page.line(`  ${text}`.trimEnd());
  page.line();
  page.text('What waits for a person stands in the note on the host as well:');
  for (const { host } of scenes) {
    const waiting = host.notes.flatMap(({ note }) => /^- (Waiting: .*)$/mu.exec(note)?.[1] ?? []);
    for (const text of waiting) page.text(`${host.name}: ${text}`, '  ');
    if (waiting.length === 0 && host.tags.includes('unblock'))
      complaints.push(`the note on ${host.name} does not say what waits`);
  }
}

/** The closing line of the command's log. */
function summaryOf({ stderr }: RunResult): string {
  const last = parseJson(stderr.trimEnd().split('\n').at(-1) ?? '');
  return isObject(last) && typeof last['msg'] === 'string' ? last['msg'] : 'the log has no summary';
}

async function main(): Promise<number> {
  const stop = new AbortController();
  let running: RunningAtp | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      stop.abort();
      // It takes its own leave, and its configuration is then removed.
      running?.child.kill(signal);
    });
  }
  // One home for all runs, so that the second has the token of the first, as under cron.
  const home = mkdtempSync(join(tmpdir(), 'atp-demo-'));
  const simulator = await createSimulator();
  const overrides = { isolation: { never: { osPlatforms: ['WindowsServer*'] } } };
  const complaints: string[] = [];

  async function run(given: string): Promise<RunResult> {
    stop.signal.throwIfAborted();
    running = spawnAtp(given.split(' '), { simulator, overrides, home });
    const result = await running.result;
    stop.signal.throwIfAborted();
    if (result.code !== expectedCode) {
      complaints.push(`atp ${given} ended with ${result.code ?? 'no'} code instead of ${expectedCode}`);
      process.stderr.write(result.stderr);
    }
    return result;
  }

  try {
    const scenes = castWorld(simulator);
    const isGood = await tell({ simulator, scenes, page: createPage(), complaints, run });
    return isGood ? 0 : 1;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write('interrupted\n');
    return 1;
  } finally {
    await simulator.close();
    rmSync(home, { recursive: true, force: true });
  }
}

process.exitCode = await main();
