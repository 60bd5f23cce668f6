// Written apart from the program's own recogniser on purpose: an oracle must not share its mistakes.
const word = '[A-Za-z0-9_.-]+';
const time = String.raw`\d{4}-\d{2}-\d{2} \d{2}:\d{2}`;
const ownTags = [
  new RegExp(`^(computerDnsName|osPlatform|healthStatus|riskScore|exposureLevel): ${word}$`),
  /^id: [0-9a-f]{40}$/,
  /^ATP_(NoAgent_Or_SensorInactive|NoAgent|MultipleSensors_SameIP)$/,
  /^(isolation|release): [A-Za-z]+$/,
  /^Manual (block|unblock) failed$/,
  new RegExp(`^Manual (block|unblock):${time}$`),
];

const firstLine = '## Microsoft Defender for Endpoint (atp)';
const lastLine = '_Kept up to date by atp. Add your own text below this line._';

/** True for a tag in an exact form that the program writes. */
export function isOwnTag(tag: string): boolean {
  return ownTags.some((form) => form.test(tag));
}

/** True for the note that the program keeps. */
export function isOwnNote(text: string): boolean {
  return text.split(/\r?\n/, 1)[0]?.trim() === firstLine;
}

/** What people wrote below the program's part of its note. */
export function addedText(text: string): string {
  const at = text.indexOf(lastLine);
  return at < 0 ? '' : text.slice(at + lastLine.length).trim();
}
