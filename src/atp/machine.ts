import * as z from 'zod/mini';
import { mapped, optionalList, optionalText, optionalTime } from '../http/read-reply.ts';

/** Defender gives null, nothing, or now and then another type for what a record lacks. */
const lowerCaseText = mapped(optionalText, (text) => text?.toLowerCase());

/** A text, or null or nothing; another type makes the list it is in unreadable. */
const textOrNothing = mapped(z.nullish(z.string()), (text) => text ?? undefined);

const interfaces = z.catch(
  optionalList(z.object({ ipAddress: textOrNothing, macAddress: textOrNothing })),
  undefined,
);

/** Where a device is, as far as its record tells, be it readable as a whole or not. */
export const Addresses = z.object({ lastIpAddress: optionalText, ipAddresses: interfaces });
export type Addresses = z.infer<typeof Addresses>;

/** A device record. Without a usable id it is none. */
export const Machine = mapped(
  z.extend(Addresses, {
    /** 40 hexadecimal digits, lower case. */
    id: z.string().check(z.regex(/^[0-9a-f]{40}$/iu), z.toLowerCase()),
    computerDnsName: optionalText,
    osPlatform: optionalText,
    healthStatus: optionalText,
    riskScore: optionalText,
    exposureLevel: optionalText,
    /** Milliseconds UTC of the last full report. */
    lastSeen: optionalTime,
    onboardingStatus: optionalText,
    // The spelling of Microsoft's own pages (MicrosoftDocs/defender-docs, machine).
    onboardingstatus: optionalText,
    /** Any other form would not be an id to ask for, nor a record to trust. */
    mergedIntoMachineId: z.pipe(
      mapped(lowerCaseText, (id) => (id === '' ? undefined : id)),
      z.optional(z.string().check(z.regex(/^[0-9a-z-]{1,64}$/u))),
    ),
    isExcluded: z.catch(z.boolean(), false),
    machineTags: z.catch(optionalList(z.string()), undefined),
  }),
  ({ onboardingstatus, onboardingStatus = onboardingstatus, ...rest }) => ({ ...rest, onboardingStatus }),
);
/** A device record in Defender, reduced to what the program uses. What the record lacks is `undefined`. */
export type Machine = z.infer<typeof Machine>;

/**
 * A machine action. Microsoft's pages print `lastUpdateTimeUtc` in one place and `lastUpdateDateTimeUtc`, which the
 * service sends, in another (MicrosoftDocs/defender-docs, get-machineactions-collection and get-machineaction-object).
 */
export const MachineAction = mapped(
  z.object({
    // Both are written into tags and notes, where any other form could be taken for something else.
    id: z.string().check(z.regex(/^[0-9a-z-]{1,64}$/iu)),
    /** `Pending`, `InProgress`, `Succeeded`, `Failed`, `TimeOut`, `Cancelled`; an open set. */
    status: z.string().check(z.regex(/^[a-z]{1,64}$/iu)),
    /** `Isolate`, `Unisolate` and others. */
    type: z.string().check(z.minLength(1)),
    machineId: z.string().check(z.minLength(1), z.toLowerCase()),
    requestor: optionalText,
    requestorComment: optionalText,
    cancellationComment: optionalText,
    creationDateTimeUtc: optionalTime,
    computerDnsName: optionalText,
    lastUpdateDateTimeUtc: optionalTime,
    lastUpdateTimeUtc: optionalTime,
  }),
  ({ creationDateTimeUtc: createdAt, lastUpdateDateTimeUtc, lastUpdateTimeUtc, ...rest }) => ({
    ...rest,
    createdAt,
    updatedAt: lastUpdateDateTimeUtc ?? lastUpdateTimeUtc ?? createdAt,
  }),
);
/**
 * Defender's record of an isolation, a release, or another action on a machine. `createdAt` and `updatedAt` in
 * milliseconds UTC; the latter is the creation where Defender names no later change.
 */
export type MachineAction = z.infer<typeof MachineAction>;

export const Alert = mapped(
  z.object({
    severity: optionalText,
    status: optionalText,
    alertCreationTime: optionalTime,
    machineId: lowerCaseText,
  }),
  ({ alertCreationTime: createdAt, ...rest }) => ({ ...rest, createdAt }),
);
/** An alert; `createdAt` in milliseconds UTC. */
export type Alert = z.infer<typeof Alert>;
