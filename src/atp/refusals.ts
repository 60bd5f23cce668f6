import type { ApiError } from '../errors.ts';

/**
 * Why Defender will not act on a machine: its onboarding forbids it, its platform or agent cannot do it, Defender does
 * not know it, or such an action is open already.
 */
export type Refusal =
  | 'restricted machine'
  | 'platform'
  | 'unknown machine'
  | 'already open'
  /** A release of what is not isolated: how Defender answers is not documented, so it is known by its sentence. */
  | 'not isolated';

/** Reads Defender's refusal of an action; undefined for one that is not known here. */
export function refusalOf(error: ApiError): Refusal | undefined {
  const { service, status, serviceCode = '' } = error;
  if (service !== 'atp' || error.failure !== 'status') return undefined;
  if (isRestricted(error)) return 'restricted machine';
  if (status === 404) return unknown.has(serviceCode) ? 'unknown machine' : undefined;
  if (status !== 400) return undefined;
  return (
    codes.get(serviceCode) ??
    (/is not isolated/iu.test(error.serviceMessage ?? '') ? 'not isolated' : undefined)
  );
}

/** Defender's own codes for what it does not know; any other 404 comes from something in between. */
const unknown = new Set(['ResourceNotFound', 'NotFound']);

/** Codes of a 400 (Microsoft's page of common errors; the last one is reported by users). */
const codes = new Map<string, Refusal>([
  ['OsPlatformNotSupported', 'platform'],
  ['ClientVersionNotSupported', 'platform'],
  ['ActiveRequestAlreadyExists', 'already open'],
]);

/**
 * Microsoft prints neither status nor code of this refusal, only its sentence: "the operation isn't allowed on the
 * device" (restrict response actions for high value assets, June 2026).
 */
function isRestricted({ serviceCode, serviceMessage = '' }: ApiError): boolean {
  return serviceCode === 'DisallowedOperation' || /allowed on the device/iu.test(serviceMessage);
}
