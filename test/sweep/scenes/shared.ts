import type { SimHost } from '../../simulator/hosts.ts';
import type { Scene } from '../rig.ts';
import type { Stage } from '../stage.ts';
import { productionLine } from './small.ts';

/** Hosts that are one machine, and hosts on which two requests meet. */
export const sharedScene: Scene = {
  name: 'requests that meet',
  args: productionLine,
  config: {},
  sharesMachines: true,
  // Whichever of two hosts comes through first asks for both of them.
  twins: [
    [/(isolation|release) by atp for host \d+ of `<brain>`, taken over for tag `/u, '$1 for tag `'],
    [/; host \d+; tag (\w+); <run>; [^"]*"/u, '; host <one of two>; tag $1; <run>; <its name>"'],
  ],
  build(stage) {
    const { pair, held } = stage;
    addTwin(stage, pair(1501, ['block'], {}, { protected: false }).host, ['block', 'second']);
    addTwin(stage, held(1503, ['unblock']).host, ['unblock', 'second']);
    pair(1505, ['block', 'unblock', 'host_context']);
    held(1506, ['block', 'unblock']);
  },
};

/** Two hosts of one machine that ask for the opposite. */
export const opposedScene: Scene = {
  name: 'requests that contradict each other',
  args: productionLine,
  config: {},
  sharesMachines: true,
  contradictsItself: true,
  build(stage) {
    addTwin(stage, stage.pair(1507, ['block']).host, ['unblock', 'vip']);
  },
};

/** Another host of the same machine: at the same address, and with its name. */
function addTwin({ world }: Stage, { id, name, last_source }: SimHost, tags: string[]): void {
  const host_artifact_set = [{ type: 'netbios', value: name }];
  world.addHost({ id: id + 1, tags, last_source, host_artifact_set });
}
