import { isOwnNote, isOwnTag } from '../simulator/own-forms.ts';
import type { Simulator } from '../simulator/simulator.ts';
import type { Snapshot } from '../simulator/world.ts';
import type { Scene } from './cast.ts';

/** What was done that must not be, and what was promised and is not so; in sentences, none when all is well. */
export function findComplaints(
  simulator: Simulator,
  scenes: readonly Scene[],
  before: Snapshot,
  after: Snapshot,
): string[] {
  const complaints = [...simulator.world.violations, ...scenes.flatMap(brokenPromises)];
  if (JSON.stringify(ofPeople(simulator, before)) !== JSON.stringify(ofPeople(simulator, after)))
    complaints.push('tags or notes of people are not byte for byte what they were');
  return complaints;
}

/** How many tags and notes on the hosts are people's own, triggers left aside. */
export function countOfPeople(simulator: Simulator, snapshot: Snapshot): { tags: number; notes: number } {
  const hosts = ofPeople(simulator, snapshot);
  return {
    tags: hosts.flatMap(({ tags }) => tags).length,
    notes: hosts.flatMap(({ notes }) => notes).length,
  };
}

function ofPeople({ settings }: Simulator, { hosts }: Snapshot) {
  return Object.entries(hosts).map(([id, { tags, notes }]) => ({
    id,
    tags: tags.filter((tag) => !isOwnTag(tag) && !settings.triggers.includes(tag)),
    notes: notes.filter(({ note }) => !isOwnNote(note)),
  }));
}

function brokenPromises({ host, machine, carries, lacks, isolated }: Scene): string[] {
  const missing = carries.filter((start) => !host.tags.some((tag) => tag.startsWith(start)));
  const surplus = host.tags.filter((tag) => lacks.some((start) => tag.startsWith(start)));
  return [
    ...missing.map((start) => `${host.name} has no tag "${start}…"`),
    ...surplus.map((tag) => `${host.name} has the tag "${tag}"`),
    ...(machine && machine.isolated !== isolated
      ? [`the machine of ${host.name} is ${machine.isolated ? '' : 'not '}isolated`]
      : []),
  ];
}
