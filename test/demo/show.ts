import { isOwnNote, isOwnTag } from '../simulator/own-forms.ts';
import type { Snapshot } from '../simulator/world.ts';
import type { Scene } from './cast.ts';
import type { Page } from './page.ts';

/** The state of a host's machine in one word. */
export function machineState({ machine }: Scene): string {
  if (!machine) return '-';
  return machine.isolated ? 'ISOLATED' : machine.online ? 'online' : 'offline';
}

/** The tags that went and those that came. */
export function tagChange(
  had: readonly string[],
  has: readonly string[],
): { gone: string[]; added: string[] } {
  return {
    gone: had.filter((tag) => !has.includes(tag)),
    added: inOrder(has.filter((tag) => !had.includes(tag))),
  };
}

/** Every host before and after the run: what went, what came, what stayed, its notes and its machine. */
export function showHosts(
  page: Page,
  scenes: readonly Scene[],
  machinesBefore: readonly string[],
  before: Snapshot,
  after: Snapshot,
): void {
  for (const [at, scene] of scenes.entries()) {
    const { host, asks } = scene;
    const had = before.hosts[host.id];
    const has = after.hosts[host.id];
    if (!had || !has) continue;
    page.line();
    const state = waitingAction(scene, after) ?? machineState(scene);
    const machine = scene.machine ? `machine ${change(machinesBefore[at] ?? '', state)}` : 'no machine';
    page.line(`  ${page.paint('bold', host.name.padEnd(13))} ${asks.padEnd(26)} ${machine}`);

    const { gone, added } = tagChange(had.tags, has.tags);
    const stayed = has.tags.filter((tag) => had.tags.includes(tag));
    const own = stayed.filter((tag) => isOwnTag(tag)).length;
    const theirs = stayed.filter((tag) => !isOwnTag(tag));
    const kept = own > 0 ? [...theirs, `${own} tags written earlier`] : theirs;
    showTags(page, '-', gone, 'red');
    showTags(page, '+', at === 0 ? added.map(shortId) : withoutDetails(added), 'green');
    showTags(page, '=', kept, undefined);
    showNotes(page, had.notes, has.notes, host.name === 'WS-BOB');
  }
}

function showTags(
  page: Page,
  mark: string,
  tags: readonly string[],
  style: 'red' | 'green' | undefined,
): void {
  if (tags.length === 0) return;
  // A tag is not broken over two lines.
  const whole = tags.map((tag) => tag.replaceAll(' ', '\u00a0'));
  page.text(`${mark} ${whole.join('\u00a0| ')}`, '    ', style);
}

type Notes = Snapshot['hosts'][string]['notes'];

function showNotes(page: Page, before: Notes, after: Notes, inFull: boolean): void {
  const theirs = after.filter(({ note }) => !isOwnNote(note));
  const own = after.find(({ note }) => isOwnNote(note));
  if (theirs.length > 0) page.text(`= note of an analyst: "${theirs[0]?.note ?? ''}"`, '    ');
  if (!own) return;
  const had = before.some(({ note }) => isOwnNote(note));
  page.text(`+ note of atp, ${had ? 'updated' : 'new'}${inFull ? ':' : ''}`, '    ', 'green');
  if (!inFull) return;
  for (const text of own.note.split('\n').filter((row) => row !== '')) page.text(text, '      | ', 'dim');
}

/** Who is who in one table, at the end of the story. */
export function showOverview(page: Page, scenes: readonly Scene[], machinesBefore: readonly string[]): void {
  const widths = [13, 26, 38];
  function row(cells: readonly string[]): string {
    return `  ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' ')}`;
  }
  page.line(page.paint('dim', row(['HOST', 'SOMEBODY ASKED', 'WHAT CAME OF IT', 'MACHINE'])));
  for (const [at, scene] of scenes.entries()) {
    const was = machinesBefore[at] ?? '';
    const is = machineState(scene);
    const machine = was === is ? is : page.paint('bold', change(was, is));
    page.line(row([scene.host.name, scene.asks, scene.outcome, machine]));
  }
}

/** What is asked of the machine and not yet done. */
function waitingAction({ machine }: Scene, { actions }: Snapshot): string | undefined {
  const open = actions.find(({ machineId, status }) => machineId === machine?.id && status === 'Pending');
  return open && (open.type === 'Isolate' ? 'isolation asked for' : 'release asked for');
}

function change(was: string, is: string): string {
  return was === is ? is : `${was} -> ${is}`;
}

/** Several tags are written at once, so that Detect has them in any order. */
function inOrder(tags: readonly string[]): string[] {
  const kinds = [
    'computerDnsName',
    'osPlatform',
    'healthStatus',
    'riskScore',
    'exposureLevel',
    'id: ',
    'ATP_',
    'isolation: ',
    'release: ',
  ];
  const rank = (tag: string): number => {
    const at = kinds.findIndex((kind) => tag.startsWith(kind));
    return at < 0 ? kinds.length : at;
  };
  return [...tags].sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
}

/** Of the six tags about a machine the first only: the first host of the list shows them all. */
function withoutDetails(tags: readonly string[]): string[] {
  const details = tags.filter((tag) => /^(osPlatform|healthStatus|riskScore|exposureLevel|id): /.test(tag));
  return tags.flatMap((tag) => {
    if (tag.startsWith('computerDnsName: ')) return [`${tag} and ${details.length} more about the machine`];
    return details.includes(tag) ? [] : [tag];
  });
}

/** The 40 digits of a machine id tell a person nothing. */
function shortId(tag: string): string {
  return tag.replace(/^(id: [0-9a-f]{6})[0-9a-f]{34}$/, '$1…');
}
