/** What a request is answered with in place of its answer. */
export const faultNames = [
  'reset-before',
  'reset-after',
  'hang',
  '429',
  '500',
  '502-html',
  '401',
  'truncated',
  'empty-200',
] as const;
export type FaultName = (typeof faultNames)[number];

/** The request is not made again in this run. */
export function isFinal(fault: FaultName): boolean {
  return fault === '401' || fault === 'empty-200';
}

/** The request is carried out all the same; only its answer is lost. */
const afterwards: readonly FaultName[] = ['reset-after', 'truncated', 'empty-200'];
/** Calls that are not simply made again when their answer is lost. */
const madeOnce = ['note-create', 'isolate', 'unisolate', 'cancel'];
const writes = [...madeOnce, 'note-update', 'tag-add', 'tag-remove'];

/**
 * The exit codes that the contract allows for a run in which one request meets a fault.
 * @param otherwise the exit code of the run without the fault
 */
export function allowedExits(played: {
  call: string;
  fault: FaultName;
  lasts: boolean;
  otherwise: number | null;
}): number[] {
  const { call, fault, lasts } = played;
  const untouched = played.otherwise ?? -1;
  const isDefender =
    !['search', 'token', 'tags', 'host', 'notes', 'groups'].includes(call) && !isDetectWrite(call);

  // Refused credentials are told; of Defender's, one more token is fetched first.
  if (fault === '401') return isDefender && !lasts ? [untouched] : [77];
  const isUnreadable = fault === 'empty-200' || fault === 'truncated';
  // Whoever answers a search with nothing readable, over and over, is not taken for Detect.
  if (call === 'search') {
    if (!lasts) return [untouched];
    return isUnreadable ? [78] : [69];
  }
  if (call === 'token') return lasts ? [1, 69] : [untouched];
  if (writes.includes(call) && afterwards.includes(fault)) return lasts ? [untouched, 1] : [untouched];
  // A service that fails for the only host that needed it is given up.
  if (lasts) return isUnreadable ? [1] : [1, 69];
  if (madeOnce.includes(call)) return fault === '429' ? [untouched] : [1];
  return [untouched];
}

function isDetectWrite(call: string): boolean {
  return call.startsWith('tag-') || call.startsWith('note-');
}
