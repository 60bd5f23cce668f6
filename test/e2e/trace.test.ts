import { describe, expect } from 'vitest';
import { spawnAtp } from '../simulator/run-atp.ts';
import { afterCalls, it, logOf, onlyAsked } from './rig.ts';

describe.concurrent('a run that is killed right after Defender accepted', () => {
  it.for([
    ['isolation', 'isolate', 'block'],
    ['release', 'unisolate', 'unblock'],
  ] as const)('leaves a line that tells of the %s', async ([noun, call, tag], { start }) => {
    const simulator = await start();
    const { host, machine } = simulator.world.addPair({ tags: [tag] });
    if (tag === 'unblock') simulator.world.portalIsolate(machine.id);
    // The next call comes once the answer was read.
    let isAccepted = false;
    afterCalls(simulator, (entry) => {
      if (entry.call === call) isAccepted = true;
      else if (isAccepted) running.child.kill('SIGKILL');
    });

    const running = spawnAtp(['--blocktag', 'block', '--unblocktag', 'unblock'], { simulator });
    const result = await running.result;

    expect(result.signal).toBe('SIGKILL');
    const action = onlyAsked(simulator);
    expect(logOf(result)).toMatchObject([
      {
        level: 'info',
        host: host.id,
        machine: machine.id,
        action: action.id,
        msg: `Defender accepted the ${noun} (Pending)`,
      },
    ]);
  });
});
