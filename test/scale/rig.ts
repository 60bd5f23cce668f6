import { expect, test as base } from 'vitest';
import { createHarness, type Harness } from '../harness.ts';

/** What Defender allows of each of its calls. */
export const documented = { perMinute: 100, perHour: 1500 };

/** `it` with a way to start the services; when the test is over, no harm may have been done to their world. */
export const it = base.extend<{
  start: (...options: Parameters<typeof createHarness>) => Promise<Harness>;
}>({
  // vitest finds out from the braces which fixtures a fixture needs: none.
  start: async ({}, use) => {
    const harnesses: Harness[] = [];
    await use(async (...options) => {
      const harness = await createHarness(...options);
      harnesses.push(harness);
      return harness;
    });
    for (const { simulator, close } of harnesses) {
      await close();
      expect(simulator.world.violations).toEqual([]);
    }
  },
});

/** How often each of Defender's calls came; `refused` are those of them that it answered with 429. */
export function defenderCalls({ simulator: { ledger } }: Harness): Record<string, number> {
  const calls: Record<string, number> = {};
  for (const { service, call, status } of ledger.entries) {
    if (service !== 'atp') continue;
    calls[call] = (calls[call] ?? 0) + 1;
    if (status === 429) calls['refused'] = (calls['refused'] ?? 0) + 1;
  }
  return calls;
}
