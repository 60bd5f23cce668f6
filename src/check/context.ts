import type { AtpClient } from '../atp/client.ts';
import type { TokenSource } from '../http/token.ts';
import type { Config } from '../config/config.ts';
import type { DetectClient } from '../detect/client.ts';
import { AppError, type ApiError, type Service } from '../errors.ts';
import type { Triggers } from '../pipeline/context.ts';
import { failure, fine, type Line } from './line.ts';

/** What the checks know of the answers of one service. */
export interface Answers {
  /** The failure of the last call; undefined after a success. */
  failure: ApiError | undefined;
  /** The service's clock and ours at the same moment, milliseconds UTC. */
  clocks: { theirs: number; ours: number }[];
}

/** What `--check` works with. */
export interface CheckContext {
  config: Config;
  triggers: Triggers;
  detect: DetectClient;
  atp: AtpClient;
  /** A token source without a cache, so that the token is really asked for. */
  token: TokenSource;
  /** Filled while the checks run. */
  answers: Record<Service, Answers>;
}

/** The flags that act on machines, as far as they are given. */
export function actingFlags({ blockTags, unblockTags }: Triggers): string[] {
  return [
    ...(blockTags.length > 0 ? ['--blocktag'] : []),
    ...(unblockTags.length > 0 ? ['--unblocktag'] : []),
  ];
}

/** The flags that enrich, as far as they are given. */
export function enrichingFlags({ tags, tc }: Triggers): string[] {
  return [...(tags.length > 0 ? ['--tag'] : []), ...(tc ? ['--tc'] : [])];
}

/** Without any of these flags, everything that some flag needs is judged. */
export function hasNoFlags(triggers: Triggers): boolean {
  return actingFlags(triggers).length + enrichingFlags(triggers).length === 0;
}

/** A line that is fine with the words of the test, or fails with its error; `hint` is for an error without one. */
export async function attempt(name: string, test: () => Promise<string>, hint: string): Promise<Line> {
  try {
    return fine(name, await test());
  } catch (error) {
    if (error instanceof AppError) return failure(name, error, hint);
    throw error;
  }
}
