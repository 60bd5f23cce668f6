import { cleanText } from '../output/clean.ts';
import type { Reason } from '../decide/case.ts';
import { results, type ReportedAction, type Result } from '../decide/consequences.ts';
import { worstExitCode, type ExitCode, type Service } from '../errors.ts';

/** What the report says of one host. */
export interface HostReport {
  id: number;
  name: string | null;
  reasons: Reason[];
  machine: { id: string; computerDnsName: string | null; evidence: string } | null;
  action: ReportedAction | null;
  tags: { added: string[]; removed: string[] };
  note: 'created' | 'updated' | 'unchanged' | null;
  result: Result;
  detail: string;
}

/** A host's report with the exit codes that its events ask for. */
export interface HostOutcome {
  report: HostReport;
  exitCodes: ExitCode[];
  /** What a dry run prints beside the report: guard rails and how the machine was matched. */
  explanation: string[];
}

/** The report of a run, as `--json` prints it. */
export interface Report {
  schema: 1;
  version: string;
  startedAt: string;
  finishedAt: string;
  dryRun: boolean;
  exitCode: ExitCode;
  counts: Record<string, number>;
  calls: Record<Service, number>;
  hosts: HostReport[];
}

const countNames = {
  enriched: 'enriched',
  isolated: 'isolated',
  released: 'released',
  unchanged: 'unchanged',
  refused: 'refused',
  deferred: 'deferred',
  conflict: 'conflict',
  failed: 'failed',
} as const satisfies Record<Result, string>;

/** Puts the report of a run together. */
export function buildReport(parts: {
  version: string;
  startedAt: number;
  finishedAt: number;
  dryRun: boolean;
  calls: Record<Service, number>;
  outcomes: readonly HostOutcome[];
  /** Hosts that failed and have no id by which to list them. */
  nameless?: number;
  /** Exit codes that belong to the run and not to a host. */
  exitCodes: readonly ExitCode[];
}): Report {
  const { version, dryRun, calls, outcomes, nameless = 0 } = parts;
  const counts: Record<string, number> = { selected: outcomes.length + nameless };
  for (const name of Object.values(countNames)) counts[name] = 0;
  for (const { report } of outcomes) counts[report.result] = (counts[report.result] ?? 0) + 1;
  counts['failed'] = (counts['failed'] ?? 0) + nameless;
  return {
    schema: 1,
    version,
    startedAt: new Date(parts.startedAt).toISOString(),
    finishedAt: new Date(parts.finishedAt).toISOString(),
    dryRun,
    exitCode: worstExitCode([...parts.exitCodes, ...outcomes.flatMap((outcome) => outcome.exitCodes)]),
    counts,
    calls,
    hosts: outcomes.map(({ report }) => (dryRun ? withoutActionId(report) : report)),
  };
}

/** What a dry run would take over or ask for has no id in its report (spec, section 10). */
function withoutActionId(report: HostReport): HostReport {
  return report.action ? { ...report, action: { ...report.action, id: null } } : report;
}

/** The summary in one line: how many hosts came to which result. */
export function summaryLine({ counts, calls, dryRun, exitCode }: Report): string {
  const parts = [...results]
    .reverse()
    .flatMap((result) => (counts[result] ? [`${counts[result]} ${result}`] : []))
    .join(', ');
  const selected = counts['selected'] ?? 0;
  const words = `${selected} ${selected === 1 ? 'host' : 'hosts'} selected${parts ? `: ${parts}` : ''}`;
  const spent = `calls: Detect ${calls.detect}, login ${calls.login}, Defender ${calls.atp}`;
  return `${dryRun ? 'dry run, nothing was written: ' : ''}${words}; ${spent}; exit code ${exitCode}`;
}

/** Tells whether a run did, or failed to do, anything worth a line. */
export function didSomething({ hosts, exitCode }: Report): boolean {
  return exitCode !== 0 || hosts.some((host) => host.result !== 'unchanged');
}

/** The plan of a dry run for a person, host by host. */
export function planText(outcomes: readonly HostOutcome[]): string {
  const blocks = outcomes.map(({ report, explanation }) => {
    const { machine, action, tags, note } = report;
    const lines = [
      `machine: ${machine ? `${machine.computerDnsName ?? machine.id} (${machine.id}), ${machine.evidence}` : 'none'}`,
      ...explanation,
      ...(action ? [`action: ${action.type} (${action.id ?? 'new'}, ${action.status})`] : []),
      ...(tags.added.length > 0 ? [`tags added: ${tags.added.join(' | ')}`] : []),
      ...(tags.removed.length > 0 ? [`tags removed: ${tags.removed.join(' | ')}`] : []),
      ...(note === null ? [] : [`note: ${note}`]),
      report.detail,
    ];
    const title = `host ${report.id} ${report.name ?? '(no name)'}  [${report.reasons.join(', ')}]  → ${report.result}`;
    return [cleanText(title, 300), ...lines.map((line) => `  ${cleanText(line, 2_000)}`)].join('\n');
  });
  return blocks.length > 0 ? `${blocks.join('\n\n')}\n` : 'nothing to do: no host is selected\n';
}
