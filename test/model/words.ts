import type { Step, Trouble } from './steps.ts';

/** The step as a sentence. */
export function sentence(step: Step): string {
  switch (step.do) {
    case 'ask':
      return `an analyst asks to ${step.tag} ${step.host}, by its tag and no other`;
    case 'tag':
      return `an analyst tags ${step.host} with "${step.tag}"`;
    case 'untag':
      return `an analyst takes "${step.tag}" off ${step.host}`;
    case 'tidy':
      return `an analyst takes every tag that begins with "${step.beginning}" off ${step.host}`;
    case 'note':
      return step.own
        ? `an analyst writes below the program's note on ${step.host}`
        : `an analyst writes a note on ${step.host}`;
    case 'group':
      return `${step.host} ${step.joins ? 'joins' : 'leaves'} the crown jewels`;
    case 'critical':
      return `${step.device} is ${step.is ? 'tagged as critical' : 'no longer tagged as critical'} in Defender`;
    case 'power':
      return `${step.device} goes ${step.online ? 'online' : 'offline'}`;
    case 'lease':
      return step.from === 'the pool'
        ? `${step.device} gets a new address`
        : `${step.device} gets the address of ${step.from}`;
    case 'mistake':
      return `Detect takes traffic of ${step.device} for that of ${step.host}`;
    case 'portal':
      return `somebody in the portal ${step.what} ${step.device}${step.atOnce ? ', and it is done' : ''}`;
    case 'portal cancels':
      return `somebody in the portal cancels what is pending on ${step.device}`;
    case 'progress':
      return `the oldest open action of ${step.device} becomes ${step.to}`;
    case 'reinstall':
      return `${step.device} is reinstalled`;
    case 'merge':
      return `the record of ${step.device} is merged into a new one`;
    case 'vanish':
      return `the record of ${step.device} disappears${step.acceptsActions ? ', but takes actions' : ''}`;
    case 'delete':
      return `${step.host} is deleted in Detect`;
    case 'wait':
      return `${step.minutes} minutes pass`;
    case 'index':
      return `the search index ${step.follows ? 'catches up with' : 'stops following'} ${step.host}`;
    case 'lag':
      return `Defender lists actions ${step.seconds} seconds late`;
    case 'notes':
      return step.fail ? "from now on, every call for a host's notes fails" : 'notes can be had again';
    case 'run': {
      const flags = step.flags === 'all' ? '' : ` ${step.flags}`;
      const wrong = step.trouble ? `, ${troubleWords(step.trouble)}` : '';
      const aside = step.meanwhile
        ? `; at its request ${step.meanwhile.at}, ${sentence(step.meanwhile.what)}`
        : '';
      return `atp runs${flags}${wrong}${aside}`;
    }
  }
}

function troubleWords(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'one request':
      return `its request ${trouble.at} meets ${trouble.fault}`;
    case 'one call':
      return `every ${trouble.call} request meets ${trouble.fault}`;
    case 'cut off':
      return `killed at its request ${trouble.at}, ${trouble.carriedOut ? 'after' : 'before'} that took effect`;
    case 'told to stop':
      return `told to stop at its request ${trouble.at}`;
    case 'may not write to Detect':
      return 'with a token that may only read from Detect';
  }
}
