import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHarness, type Harness } from '../../harness.ts';
import { asksOf, carryOut, inWords, setStage, writesTo, type Stage, type State } from './stage.ts';

/*
 * What the first, second and third run do with a host in each state. All rows of a table are hosts of one Detect, done
 * by the same three runs; between two runs ten minutes pass, and unless a row says otherwise every open action is carried
 * out. The expectations are the contract's, not the program's.
 */

const line = ['--blocktag', 'block', '--unblocktag', 'unblock'];

/** What a run was seen to do with a host. */
interface Seen {
  result: string | undefined;
  asks: string[];
  tags: string[];
  kept: boolean;
  detail: string;
  writes: number;
}

const trouble = ['failed', 'refused', 'deferred', 'conflict'];

export function table(title: string, states: readonly State[], actionIndexLagMs = 0): void {
  const cases = states.flatMap((state) => state.rows.map(({ ask, runs }) => ({ ...state, ask, runs })));
  const seen: Seen[][] = cases.map(() => []);
  const codes: number[] = [];
  const hostIds: number[] = [];
  const before: string[][] = [];
  let harness: Harness;

  async function runThrice(stages: readonly Stage[]): Promise<void> {
    for (const run of [1, 2, 3]) {
      harness.simulator.ledger.clear();
      const { code, report } = await harness.run(line);
      codes.push(code);
      for (const [at, { ask }] of cases.entries()) {
        const stage = stages[at];
        if (!stage) continue;
        const { host } = stage;
        const told = report?.hosts.find(({ id }) => id === host.id);
        seen[at]?.push({
          result: told?.result,
          asks: asksOf(stage),
          tags: inWords(stage),
          kept: ask !== undefined && host.tags.includes(ask),
          detail: told?.detail ?? '',
          writes: writesTo(stage),
        });
      }
      for (const [at, { between }] of cases.entries()) {
        const stage = stages[at];
        if (stage) (between ?? carryOut)(stage, run);
      }
      harness.clock.advance(600_000);
    }
  }

  describe(title, () => {
    beforeAll(async () => {
      harness = await createHarness({
        actionIndexLagMs,
        requestMs: 1,
        config: { isolation: { maxPerRun: 1000 } },
      });
      const stages = cases.map(({ arrange, ask }) => {
        const stage = setStage(harness);
        hostIds.push(stage.host.id);
        arrange(stage);
        stage.host.tags.push('VIP', ...(ask === undefined ? [] : [ask]));
        return stage;
      });
      before.push(...stages.map((stage) => inWords(stage)));
      await runThrice(stages);
      expect(stages.every(({ host }) => host.tags.includes('VIP'))).toBe(true);
    }, 60_000);

    afterAll(async () => {
      await harness.close();
    });

    it.each(cases.map((one, at) => ({ ...one, at })))('$name, asked for $ask', ({ at, runs }) => {
      let tags = before[at] ?? [];
      for (const [n, expected] of runs.entries()) {
        tags = (expected.tags ?? tags).toSorted();
        const { detail, writes, ...did } = seen[at]?.[n] ?? { detail: '', writes: NaN };
        expect({ run: n + 1, ...did }).toEqual({
          run: n + 1,
          result: expected.result,
          asks: expected.asks ?? [],
          tags,
          kept: expected.kept ?? false,
        });
        for (const words of expected.says ?? []) {
          expect(detail).toContain(words.replace('{host}', String(hostIds[at])));
        }
        if (expected.result === undefined) expect(writes).toBe(0);
      }
    });

    it('ends each run with 1 when a host is in trouble, else with 0', () => {
      const expected = [0, 1, 2].map((run) =>
        cases.some(({ runs }) => trouble.includes(runs[run]?.result ?? '')) ? 1 : 0,
      );
      expect(codes).toEqual(expected);
    });

    it('does no harm', () => {
      expect(harness.simulator.world.violations).toEqual([]);
    });
  });
}
