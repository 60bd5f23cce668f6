import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { createSimulator, type Simulator } from '../simulator/simulator.ts';
import { castWorld, type Scene } from './cast.ts';

// The services of the demo, left running: for `atp` by hand, from another terminal.

const help = `hosts            each host, its machine and its tags
show <host>      one host with its notes and the actions on its machine
tag <host> <tag>, untag <host> <tag>     as an analyst does in Detect
end`;

/** Machines that are online do what is asked of them after so long. */
const actionDelayMs = 5_000;

function answer(line: string, { world }: Simulator, scenes: readonly Scene[]): string {
  const [verb = '', name = '', ...words] = line.trim().split(/\s+/u);
  const stateOf = ({ host, machine }: Scene) =>
    `${host.id} ${host.name}: ${machine ? `${machine.isolated ? 'ISOLATED' : 'free'}, ${machine.online ? 'online' : 'offline'}` : 'no machine'}\n    ${host.tags.join(' | ')}`;
  if (verb === 'hosts') return scenes.map(stateOf).join('\n');
  const scene = scenes.find(({ host }) =>
    [host.name.toLowerCase(), String(host.id)].includes(name.toLowerCase()),
  );
  const tag = words.join(' ');
  if (!scene || (tag === '') !== (verb === 'show')) return help;
  switch (verb) {
    case 'show': {
      const actions = [...world.actions.values()].filter(({ machineId }) => machineId === scene.machine?.id);
      return [
        stateOf(scene),
        ...scene.host.notes.map(({ note }) => `\n${note}\n`),
        ...actions.map(({ type, status, requestorComment }) => `${type} ${status}: ${requestorComment}`),
      ].join('\n');
    }
    case 'tag':
      world.tagHost(scene.host.id, tag);
      return stateOf(scene);
    case 'untag':
      world.untagHost(scene.host.id, tag);
      return stateOf(scene);
    default:
      return help;
  }
}

const simulator = await createSimulator({ actionDelayMs });
const home = mkdtempSync(join(tmpdir(), 'atp-simulator-'));
try {
  const scenes = castWorld(simulator);
  const file = join(home, 'config.json');
  const config = simulator.config({
    isolation: { never: { osPlatforms: ['WindowsServer*'] } },
    cacheDir: join(home, 'cache'),
  });
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
  const clientFile = join(home, 'client.json');
  const client = simulator.clientConfig({ cacheDir: join(home, 'client-cache') });
  writeFileSync(clientFile, JSON.stringify(client, null, 2), { mode: 0o600 });
  process.stdout.write(`Detect, the login and Defender are simulated until you end this. In another terminal:

  export ATP_CONFIG=${file}
  node dist/cli.cjs --check --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
  node dist/cli.cjs --dry-run --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
  node dist/cli.cjs --wait 30 --tag host_context --tc 75 75 --blocktag block --unblocktag unblock
  node dist/cli.cjs --status --blocktag block --unblocktag unblock

That configuration has an API token of Detect; this one has an API client: --config ${clientFile}

Here:
${help}

`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() === 'end') break;
    process.stdout.write(`${answer(line, simulator, scenes)}\n`);
    terminal.prompt();
  }
} finally {
  await simulator.close();
  rmSync(home, { recursive: true, force: true });
}
