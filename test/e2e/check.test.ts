import { readdir } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { isObject, type JsonObject } from '../simulator/json.ts';
import type { RunResult } from '../simulator/run-atp.ts';
import type { SimulatorOptions } from '../simulator/simulator.ts';
import { detectState, it, run, typicalLine, textLike } from './rig.ts';

/** The lines of `--check --json`. */
function checksOf({ report }: RunResult): JsonObject[] {
  const checks = report?.['checks'];
  return Array.isArray(checks) ? checks.filter((check: unknown) => isObject(check)) : [];
}

describe.concurrent('--check', () => {
  it('tries everything, changes nothing, and keeps nothing', async ({ start, home }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['block', 'host_context'] });
    const before = detectState(simulator);

    const table = await run(simulator, [...typicalLine, '--check'], { home });
    const json = await run(simulator, ['--check', '--json'], { home });

    expect(table).toMatchObject({ code: 0, stderr: '' });
    for (const text of table.stdout.trimEnd().split('\n')) expect(text).toMatch(/^ok {4}/);
    expect(json).toMatchObject({ code: 0, stderr: '', report: { schema: 1, exitCode: 0 } });
    expect(checksOf(json).length).toBeGreaterThan(5);
    for (const check of checksOf(json)) {
      expect(check).toEqual({
        name: textLike(/^/),
        ok: true,
        code: 0,
        detail: textLike(/^/),
        hint: textLike(/^/),
      });
    }
    expect(simulator.ledger.writes()).toEqual([]);
    expect(detectState(simulator)).toEqual(before);
    expect(await readdir(home)).toEqual([]);
  });

  it('asks for a token although the cache has one', async ({ start, home }) => {
    const simulator = await start();
    simulator.world.addPair({ tags: ['host_context'] });
    await run(simulator, typicalLine, { home });
    simulator.ledger.clear();

    const result = await run(simulator, [...typicalLine, '--check'], { home });

    expect(result.code).toBe(0);
    expect(simulator.ledger.count('token')).toBe(1);
  });

  interface Fault {
    settings?: SimulatorOptions;
    config?: JsonObject;
    code: number;
    /** Names of the lines that are not fine. */
    lines: string[];
  }

  it.for<[line: string, fault: Fault]>([
    [
      'a wrong token of Detect',
      { config: { detect: { token: 'f'.repeat(40) } }, code: 77, lines: ['detect token'] },
    ],
    ['no Detect at all', { config: { detect: { url: 'http://127.0.0.1:1' } }, code: 69, lines: ['detect'] }],
    [
      'an unknown group',
      {
        config: { isolation: { never: { groups: ['nobody'] } } },
        code: 78,
        lines: ['exclusion groups'],
      },
    ],
    [
      'a role that the flags need',
      {
        settings: { roles: ['Machine.Read.All', 'Alert.Read.All'] },
        code: 77,
        lines: ['role Machine.Isolate'],
      },
    ],
    [
      'a role that is only missed in the note',
      {
        settings: { roles: ['Machine.Read.All', 'Machine.Isolate'] },
        code: 0,
        lines: ['role Alert.Read.All'],
      },
    ],
    ['no Defender', { config: { atp: { apiUrl: 'http://127.0.0.1:1' } }, code: 69, lines: ['defender'] }],
  ])('%s', async ([, { settings, config, code, lines }], { start }) => {
    const simulator = await start(settings);

    const result = await run(simulator, [...typicalLine, '--check', '--json'], {
      overrides: config,
    });

    expect(result.code).toBe(code);
    expect(result.report).toMatchObject({ exitCode: code });
    const failing = checksOf(result).filter(
      ({ ok, detail }) => ok === false && !/^not (tried|compared)/.test(String(detail)),
    );
    expect(failing.map(({ name }) => name)).toEqual(lines);
    for (const { hint } of failing) expect(hint).not.toBe('');
    expect(simulator.ledger.writes()).toEqual([]);
  });
});
