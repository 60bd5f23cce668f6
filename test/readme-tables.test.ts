import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { answers, type Answer } from '../src/decide/answer.ts';
import { consequences, type Event } from '../src/decide/consequences.ts';
import type { MachineState } from '../src/decide/machine-state.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** What each state of a machine means, in the words of the README. */
const states: Record<MachineState, string> = {
  unanswered:
    'an earlier call lost its answer less than fifteen minutes ago, and Defender does not list its action',
  'silent, within an hour': 'Defender does not list the isolation of a `Manual block:` of the last hour',
  'both open': 'an isolation and a release are open at once',
  'undocumented state': 'an action of the last three days has a status that Microsoft does not document',
  'isolation Pending': 'an isolation is Pending, whoever asked for it',
  'isolation InProgress': 'an isolation is InProgress',
  'release Pending': 'a release is Pending',
  'release InProgress': 'a release is InProgress',
  isolated: 'an isolation is in force',
  lapsed: 'the last isolation is older than `isolation.endsAfterDays`; Defender has lifted it',
  silent: 'the tags call the machine isolated, and Defender lists nothing of it',
  free: 'nothing is in force',
};

const meanings: Record<Answer, { block: string; unblock: string }> = {
  adopt: { block: 'takes it over', unblock: 'takes it over' },
  post: { block: 'isolates, by address', unblock: 'releases' },
  cancel: { block: 'cancels it, decides again', unblock: 'cancels it, decides again' },
  done: { block: 'is met', unblock: 'is met' },
  wait: { block: 'waits', unblock: 'waits' },
};

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

it('prints the table that decides how a block and an unblock are met', () => {
  const rows = (Object.keys(answers) as MachineState[]).map((state) => [
    states[state],
    meanings[answers[state].isolate].block,
    meanings[answers[state].release].unblock,
  ]);

  expect(readme).toContain(table(['what is known of the machine', 'a block', 'an unblock'], rows));
});

it('prints the table that says what each event does to a host', () => {
  const header = ['event', 'exit code', 'trigger tag', 'status tag', 'failure tag', 'history tag'];
  const rows = (Object.keys(consequences) as Event[]).map((event) => [
    event,
    ...consequences[event].map(String),
  ]);

  expect(readme).toContain(table(header, rows));
});
