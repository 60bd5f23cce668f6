import type { AtpClient } from '../atp/client.ts';
import type { Clock } from '../clock.ts';
import type { NeverRules } from '../decide/guard.ts';
import type { MatchPolicy } from '../decide/match.ts';
import type { DetectClient } from '../detect/client.ts';
import type { Breaker } from '../http/breaker.ts';
import type { Journal } from '../local/journal.ts';
import type { Log } from '../output/log.ts';
import type { Progress } from '../output/progress.ts';
import type { Freshness } from '../local/freshness.ts';
import type { Writer } from './writer.ts';

/** Which tags and scores select hosts, and for what. */
export interface Triggers {
  tags: string[];
  tc: { threat: number; certainty: number } | undefined;
  blockTags: string[];
  unblockTags: string[];
}

/** The part of the configuration that a run decides by. */
export interface RunSettings {
  /** Host of `detect.url`, as the comments of machine actions name it. */
  brain: string;
  isolationType: 'Full' | 'Selective';
  maxPerRun: number;
  match: MatchPolicy;
  never: NeverRules;
  /** After so many milliseconds Defender lifts an isolation by itself; 0: never. */
  endsAfterMs: number;
  portal: { url: string; tenantId: string };
  /** How long after acting to follow the machine actions, milliseconds. */
  waitMs: number;
}

/** Everything a run works with; the pipeline touches the world through nothing else. */
export interface RunContext {
  triggers: Triggers;
  settings: RunSettings;
  /** For durations and pauses. */
  clock: Clock;
  /** Defender's time, milliseconds UTC; Detect's as long as Defender was not asked. Times of tags and actions are its. */
  now(): number;
  log: Log;
  detect: DetectClient;
  atp: AtpClient;
  writer: Writer;
  breaker: Breaker;
  freshness: Freshness;
  journal: Journal;
  /** Told how many hosts there are, and of each that is done. */
  progress: Progress;
  /** No new host is begun after this, milliseconds of the clock. */
  deadline: number;
  /** Aborted by SIGINT or SIGTERM, with an `InterruptedError` as its reason. */
  stop: AbortSignal;
}
