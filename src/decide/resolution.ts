import type { Alert, Machine } from '../atp/machine.ts';
import { cleanText } from '../output/clean.ts';
import type { Evidence } from './match.ts';
import { code, type NoteFacts } from './note.ts';
import { machineTags, noMachineTag, severalMachinesTag } from './tags.ts';

/** The machines at a host's address, and whether one of them counts only when confirmed. */
export interface Choice {
  found: readonly Machine[];
  confirmedOnly: boolean;
  /** MAC addresses that several machines of the run have. */
  sharedMacs: ReadonlySet<string>;
}

/** What looking for a host's machine came to. */
export type Resolution =
  | {
      kind: 'machine';
      machine: Machine;
      evidence: Evidence;
      /** How the machine was found, and what speaks for it, in words that do not change by themselves. */
      how: string;
      /** Quotes names that others chose. */
      because: string;
      /** Both sides of the evidence with address and time, for a refusal. */
      claim: string;
      /** What it was chosen from, where it was found by address. */
      choice?: Choice | undefined;
    }
  /** The host is held by an `id:` tag whose record Defender no longer has. */
  | { kind: 'gone'; machineId: string }
  | { kind: 'none'; why: string }
  | { kind: 'ambiguous'; machines: Machine[]; why: string };

/** Id of the machine that a request would act on. */
export function machineIdOf(resolution: Resolution): string | undefined {
  if (resolution.kind === 'machine') return resolution.machine.id;
  return resolution.kind === 'gone' ? resolution.machineId : undefined;
}

/** Tells whether a machine was found by the id in the host's tag. */
export function isById(found: Resolution): boolean {
  return found.kind === 'gone' || (found.kind === 'machine' && found.evidence === 'by id');
}

/** A machine's name for a person; its id where it has none. */
export function nameOf(machine: Machine): string {
  return cleanText(machine.computerDnsName ?? '', 200) || machine.id;
}

/**
 * The machine tags that a resolution calls for; nothing where the tags on the host must stay.
 * A held host found only by its address keeps what it has unless the machine is confirmed: another machine's `id:`
 * would steer its release to the wrong machine.
 */
export function contextTags(
  resolution: Resolution,
  heldByAddress: boolean,
  acting: boolean,
): string[] | undefined {
  if (resolution.kind === 'gone') return undefined;
  const isSure =
    resolution.kind === 'machine' && resolution.evidence !== 'conflict' && resolution.evidence !== 'ip only';
  if (heldByAddress && !acting && !isSure) return undefined;
  switch (resolution.kind) {
    case 'machine':
      return machineTags(resolution.machine);
    case 'none':
      return [noMachineTag];
    case 'ambiguous':
      return [severalMachinesTag];
  }
}

/** The lines about a machine for the note. */
export function noteFacts(
  resolution: Resolution,
  alerts: AlertSummary | 'unknown' | undefined,
  portal: { url: string; tenantId: string },
): NoteFacts {
  switch (resolution.kind) {
    case 'machine': {
      const { machine } = resolution;
      const words = [
        code(nameOf(machine)),
        `id ${machine.id}`,
        `platform ${word(machine.osPlatform)}`,
        `health ${word(machine.healthStatus)}`,
        `risk ${word(machine.riskScore)}`,
        `exposure ${word(machine.exposureLevel)}`,
      ];
      return {
        machine: words.join(', '),
        matched: `${resolution.how}: ${code(cleanText(resolution.because, 400))}`,
        alerts: alerts === undefined || alerts === 'unknown' ? 'unknown' : alertWords(alerts),
        portal: `${portal.url}/machines/v2/${machine.id}?tid=${encodeURIComponent(portal.tenantId)}`,
      };
    }
    case 'gone':
      return {
        machine: `Defender no longer has the record of machine id ${resolution.machineId}`,
        alerts: 'unknown',
      };
    case 'none':
      return { machine: `none found: ${resolution.why}`, alerts: 'unknown' };
    case 'ambiguous':
      return {
        machine: `not one, but ${resolution.machines.length}: ${resolution.machines
          .slice(0, 10)
          .map((machine) => `${code(nameOf(machine))} (id ${machine.id})`)
          .join(', ')}`,
        alerts: 'unknown',
      };
  }
}

function word(value: string | undefined): string {
  return value === undefined || value === '' ? 'unknown' : code(cleanText(value, 60));
}

/** A machine's alerts of the last 30 days in numbers. */
export interface AlertSummary {
  total: number;
  open: number;
  /** Highest severity among the open ones. */
  highest: string | undefined;
}

const severities = ['high', 'medium', 'low', 'informational', 'unspecified'];
const alertWindowMs = 30 * 86_400_000;

/** Counts the alerts created in the last 30 days. */
export function summariseAlerts(alerts: readonly Alert[], now: number): AlertSummary {
  const recent = alerts.filter(
    ({ createdAt }) => createdAt === undefined || createdAt >= now - alertWindowMs,
  );
  const open = recent.filter((alert) => alert.status?.toLowerCase() !== 'resolved');
  const rank = (alert: Alert) => {
    const at = severities.indexOf(alert.severity?.toLowerCase() ?? '');
    return at < 0 ? severities.length : at;
  };
  const highest = [...open].sort((one, other) => rank(one) - rank(other))[0]?.severity;
  return { total: recent.length, open: open.length, highest };
}

function alertWords({ total, open, highest }: AlertSummary): string {
  const count = `${total} in the last 30 days, ${open} open`;
  return open > 0 ? `${count}, highest open severity ${word(highest)}` : count;
}
