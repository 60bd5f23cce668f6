import type { AtpClient } from '../atp/client.ts';
import { indexActions, type ActionIndex } from '../decide/action-index.ts';
import { readTags } from '../decide/tags.ts';
import type { DetectClient } from '../detect/client.ts';
import type { Host } from '../detect/host.ts';
import type { HostSelection } from '../detect/search.ts';
import { AppError, ExitCode, worstExitCode } from '../errors.ts';
import type { Log } from '../output/log.ts';
import { beforeAnyInForce, reachOf } from '../pipeline/action-list.ts';
import type { Triggers } from '../pipeline/context.ts';
import { hostRows, isListed, machineRows, type StatusHost, type StatusRules } from './rows.ts';
import type { StatusReport } from './table.ts';

/** What `--status` works with; it only reads. */
export interface StatusContext {
  brain: string;
  endsAfterMs: number;
  triggers: Pick<Triggers, 'blockTags' | 'unblockTags'>;
  detect: Pick<DetectClient, 'findHosts'>;
  atp: Pick<AtpClient, 'listActionsSince'>;
  /** Defender's time, or Detect's as long as Defender was not asked. */
  now(): number;
  log: Log;
  /** Aborted by a signal, with an AppError as its reason: what was read until then is printed. */
  stop: AbortSignal;
}

/** What the program itself and the earlier tool write when an isolation is accepted. */
const historyWords = 'Manual block';

/** Compares what hosts' tags tell of isolations with Defender's list. A service that cannot be asked ends no table. */
export async function readStatus(context: StatusContext): Promise<StatusReport> {
  const { triggers, detect, atp, brain, endsAfterMs, log, stop } = context;
  const codes: ExitCode[] = [];
  const rules = (): StatusRules => ({ ...triggers, brain, endsAfterMs, now: context.now() });

  /** The value; undefined where it cannot be had, which the log says. */
  async function orUndefined<Value>(value: Promise<Value>): Promise<Value | undefined> {
    try {
      return await value;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      codes.push(error.exitCode);
      if (!stop.aborted) log.error(error.hint === undefined ? {} : { hint: error.hint }, error.message);
      return undefined;
    }
  }

  async function find(selection: HostSelection): Promise<Host[]> {
    const hosts = new Map<number, Host>();
    for await (const found of detect.findHosts(selection)) {
      for (const host of found.hosts) hosts.set(host.id, host);
      if (found.isShort)
        log.error("Detect's list of hosts ended short of its own count, twice; hosts may be missing");
      for (const { id, name } of found.unusable)
        log.error({ host: id, name }, 'the document of this host in Detect cannot be used');
      if (found.isShort || found.unusable.length > 0) codes.push(ExitCode.incomplete);
    }
    return [...hosts.values()];
  }

  const found = await orUndefined(
    find({ tags: [...triggers.blockTags, ...triggers.unblockTags, historyWords], pending: true }),
  );
  if (found === undefined) return { schema: 1, exitCode: worstExitCode(codes), hosts: [], machines: [] };

  const hosts = found.filter((host) => isListed(host, rules()));
  const since = sinceFor(hosts, rules());
  const actions = await orUndefined(atp.listActionsSince(since, { host: undefined, priority: 'enrichment' }));
  const known = actions && indexActions(actions, brain);
  const rows = hostRows(hosts, known, rules());
  const machines = known && (await orUndefined(machinesWithoutHost(hosts, known, rules(), find)));
  if (rows.some(needsAttention)) codes.push(ExitCode.incomplete);
  return { schema: 1, exitCode: worstExitCode(codes), hosts: rows, machines: machines ?? [] };
}

function needsAttention({ agrees, waiting }: StatusHost): boolean {
  return agrees === false || waiting !== null;
}

/** So far back Defender is asked: as the tags tell, and as an isolation may be in force. */
function sinceFor(hosts: readonly Host[], { endsAfterMs, now }: StatusRules): number {
  return hosts
    .flatMap(({ tags }) => reachOf(readTags(tags, now), now) ?? [])
    .reduce((oldest, reach) => Math.min(oldest, reach), beforeAnyInForce(endsAfterMs, now));
}

/** Machines that are isolated or have an open action, without those that the `id:` tag of any host names. */
async function machinesWithoutHost(
  listed: readonly Host[],
  known: ActionIndex,
  rules: StatusRules,
  find: (selection: HostSelection) => Promise<Host[]>,
) {
  const named = new Set(listed.flatMap(({ tags }) => readTags(tags, rules.now).ids));
  const candidates = machineRows(known, named, rules);
  if (candidates.length === 0) return [];
  for (const { tags } of await find({ tags: candidates.map(({ id }) => `id: ${id}`) }))
    for (const id of readTags(tags, rules.now).ids) named.add(id);
  return candidates.filter(({ id }) => !named.has(id));
}
