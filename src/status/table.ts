import { cleanText, escapeControls } from '../output/clean.ts';
import type { ExitCode } from '../errors.ts';
import type { StatusHost, StatusMachine } from './rows.ts';
import type { MachineStatus } from './states.ts';

/** What `--status` prints. */
export interface StatusReport {
  schema: 1;
  exitCode: ExitCode;
  hosts: StatusHost[];
  machines: StatusMachine[];
}

/** The report as `--json` prints it. */
export function statusJson(report: StatusReport): string {
  return `${escapeControls(JSON.stringify(report, null, 2))}\n`;
}

/** Width of a terminal that everybody has. */
const lineWidth = 80;
const columns = [34, 22] as const;

/** The report for a person, in lines of 80 characters: a line of words for each host and machine, and its details below. */
export function statusTable({ hosts, machines }: StatusReport): string {
  const blocks = [
    ...(hosts.length > 0 ? [line('HOST', 'TAG', 'DEFENDER (times: UTC)'), ...hosts.flatMap(hostLines)] : []),
    ...(machines.length > 0
      ? [line('MACHINE WITHOUT A HOST', '', 'DEFENDER (times: UTC)'), ...machines.flatMap(machineLines)]
      : []),
  ];
  return blocks.length > 0 ? `${blocks.join('\n')}\n` : 'nothing is isolated and nothing waits\n';
}

function hostLines(host: StatusHost): string[] {
  const { id, name, machine, tag, defender, waiting } = host;
  const title =
    name === null ? `host ${id}` : `${shortened(name, columns[0] - String(id).length - 3)} (${id})`;
  return [
    line(title, tag ?? '-', defender),
    ...details([
      machine ? `machine ${machine.computerDnsName ?? machine.id}` : 'no machine is named',
      ...actionWords(host),
    ]),
    ...(host.agrees === false ? details(['tag and Defender disagree']) : []),
    ...(waiting === null ? [] : details([`waits: ${waiting}`])),
  ];
}

function machineLines(machine: StatusMachine): string[] {
  const title = shortened(machine.computerDnsName ?? machine.id, columns[0]);
  return [line(title, '', machine.defender), ...details([`id ${machine.id}`, ...actionWords(machine)])];
}

function actionWords({ since, until, by }: MachineStatus): string[] {
  return [
    ...(since === null ? [] : [`since ${minuteOf(since)}`]),
    ...(until === null ? [] : [`until ${minuteOf(until)}`]),
    ...(by === null ? [] : [`by ${by}`]),
  ];
}

function minuteOf(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

function line(first: string, second: string, third: string): string {
  const [one, two] = columns;
  return `${cleanText(first, one).padEnd(one)} ${cleanText(second, two).padEnd(two)} ${third}`.trimEnd();
}

/** Words joined by commas, in as many indented lines as they take. */
function details(words: readonly string[]): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of cleanText(words.join(', '), 2_000).split(' ')) {
    if (current !== '' && current.length + word.length + 3 > lineWidth) {
      lines.push(current);
      current = '';
    }
    current = current === '' ? word : `${current} ${word}`;
  }
  return [...lines, current].map((text) => `  ${text}`);
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
