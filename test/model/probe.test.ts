import { it } from 'vitest';
import { createHarness } from '../harness.ts';
it('probe', async () => {
  for (let round = 0; round < 3; round++) {
    let t = performance.now();
    const h = await createHarness();
    console.log('create', performance.now() - t);
    const { host } = h.simulator.world.addPair({ tags: ['block', 'VIP'] });
    h.simulator.world.addPair({ tags: ['host_context'] });
    for (let i = 0; i < 6; i++) {
      t = performance.now();
      const out = await h.run(['--tag', 'host_context', '--blocktag', 'block', '--unblocktag', 'unblock']);
      console.log(i, 'run', performance.now() - t, out.code, JSON.stringify(out.report?.hosts.map(x=>[x.result,x.detail])), out.stderr.slice(0,500), h.simulator.ledger.entries.length);
      if (i === 1) h.simulator.world.settleActions();
      if (i === 3) h.simulator.world.tagHost(host.id, 'unblock');
    }
    console.log(host.tags, host.notes[0]?.note);
    t = performance.now();
    await h.close();
    console.log('close', performance.now() - t);
  }
});
