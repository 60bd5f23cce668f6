const baseMs = 500;
const capMs = 8000;

/**
 * Milliseconds to wait after the failed attempt of this number (1, 2, …): half a second, doubled each time, at most eight
 * seconds; of that, a random half to all, so that callers that failed together do not come back together.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(capMs, baseMs * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + random() / 2));
}
