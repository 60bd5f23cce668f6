import type { Scene } from '../rig.ts';

/** The line that production runs, with every flag that selects. */
export const productionLine = '--tag host_context --tc 75 75 --blocktag block --unblocktag unblock'.split(
  ' ',
);

/** One host of each main kind, all of which end well. */
export const smallScene: Scene = {
  name: 'the small world',
  args: productionLine,
  config: {},
  build(stage) {
    // An earlier run has found the machines of the first two, at a time when they looked otherwise.
    const enriched = stage.pair(1001, [], { notes: ['seen by Ann'] }, { riskScore: 'Medium' });
    enriched.host.tags = ['finance', ...stage.context(enriched.machine), 'host_context', 'floor 3'];
    enriched.machine.riskScore = 'High';
    stage.world.addAlert({ machineId: enriched.machine.id, severity: 'High' });

    const blocked = stage.pair(1002, [], {}, { protected: false, riskScore: 'Medium' });
    blocked.host.tags = ['vip', ...stage.context(blocked.machine).slice(0, 5), 'block'];
    blocked.machine.riskScore = 'High';

    stage.noted(stage.held(1003, ['laptop', 'unblock']), '\n\ncalled the owner');

    stage.held(1004, ['guest'], { tagged: 'Pending', minutes: 30 });
  },
};
