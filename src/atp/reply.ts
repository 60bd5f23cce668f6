import * as z from 'zod/mini';
import { mapped, optionalList, optionalText, optionalTime } from '../http/read-reply.ts';
import type { Alert, Machine, MachineAction } from './schema.ts';

/** Defender gives null, nothing, or now and then another type for what a record lacks. */
const lowerCaseText = mapped(optionalText, (text) => text?.toLowerCase());
const presentText = mapped(optionalText, (text) => (text === '' ? undefined : text));

const machineId = z.string().check(z.regex(/^[0-9a-f]{40}$/iu), z.toLowerCase());

/** A text, or null or nothing; another type makes the list it is in unreadable. */
const textOrNothing = mapped(z.nullish(z.string()), (text) => text ?? undefined);

const interfaces = z.catch(
  optionalList(z.object({ ipAddress: textOrNothing, macAddress: textOrNothing })),
  undefined,
);

/** Where a device is, of a record that cannot be read as a whole. */
export const AddressesReply = z.object({ lastIpAddress: optionalText, ipAddresses: interfaces });

/** A device record. Without a usable id it is none. */
export const MachineReply = mapped(
  z.object({
    id: machineId,
    computerDnsName: optionalText,
    osPlatform: optionalText,
    healthStatus: optionalText,
    riskScore: optionalText,
    exposureLevel: optionalText,
    lastSeen: optionalTime,
    lastIpAddress: optionalText,
    onboardingStatus: optionalText,
    // The spelling of Microsoft's own pages (MicrosoftDocs/defender-docs, machine).
    onboardingstatus: optionalText,
    mergedIntoMachineId: mapped(presentText, (id) => id?.toLowerCase()),
    isExcluded: z.catch(z.boolean(), false),
    machineTags: z.catch(optionalList(z.string()), undefined),
    ipAddresses: interfaces,
  }),
  (record): Machine => {
    const { onboardingstatus, onboardingStatus, ipAddresses, ...rest } = record;
    return {
      id: rest.id,
      computerDnsName: rest.computerDnsName,
      osPlatform: rest.osPlatform,
      healthStatus: rest.healthStatus,
      riskScore: rest.riskScore,
      exposureLevel: rest.exposureLevel,
      lastSeen: rest.lastSeen,
      lastIpAddress: rest.lastIpAddress,
      onboardingStatus: onboardingStatus ?? onboardingstatus,
      mergedIntoMachineId: rest.mergedIntoMachineId,
      isExcluded: rest.isExcluded,
      machineTags: rest.machineTags,
      ipAddresses: ipAddresses?.map(({ ipAddress, macAddress }) => ({ ipAddress, macAddress })),
    };
  },
);

/**
 * A machine action. Microsoft's pages print `lastUpdateTimeUtc` in one place and `lastUpdateDateTimeUtc`, which the
 * service sends, in another (MicrosoftDocs/defender-docs, get-machineactions-collection and get-machineaction-object).
 */
export const ActionReply = mapped(
  z.object({
    // Both are written into tags and notes, where any other form could be taken for something else.
    id: z.string().check(z.regex(/^[0-9a-z-]{1,64}$/iu)),
    status: z.string().check(z.regex(/^[a-z]{1,64}$/iu)),
    type: z.string().check(z.minLength(1)),
    machineId: z.string().check(z.minLength(1), z.toLowerCase()),
    computerDnsName: optionalText,
    requestor: optionalText,
    requestorComment: optionalText,
    cancellationComment: optionalText,
    creationDateTimeUtc: optionalTime,
    lastUpdateDateTimeUtc: optionalTime,
    lastUpdateTimeUtc: optionalTime,
  }),
  (record): MachineAction => {
    const { creationDateTimeUtc: createdAt, lastUpdateDateTimeUtc, lastUpdateTimeUtc } = record;
    return {
      id: record.id,
      type: record.type,
      status: record.status,
      machineId: record.machineId,
      computerDnsName: record.computerDnsName,
      requestor: record.requestor,
      requestorComment: record.requestorComment,
      cancellationComment: record.cancellationComment,
      createdAt,
      updatedAt: lastUpdateDateTimeUtc ?? lastUpdateTimeUtc ?? createdAt,
    };
  },
);

/** What tells an action of another kind from an isolation or a release. */
export const ActionType = z.object({ type: z.string() });

/** Whose action an entry is, of whatever kind. */
export const OfMachine = z.object({ machineId: z.string().check(z.toLowerCase()) });

export const AlertReply = mapped(
  z.object({
    severity: optionalText,
    status: optionalText,
    alertCreationTime: optionalTime,
    machineId: lowerCaseText,
  }),
  (record): Alert => ({
    severity: record.severity,
    status: record.status,
    createdAt: record.alertCreationTime,
    machineId: record.machineId,
  }),
);

/** The envelope of every list. */
export const ListReply = z.object({
  value: z.array(z.unknown()),
  '@odata.nextLink': presentText,
});

/** What tells one member of a list from another. */
export const Identified = z.object({ id: z.string() });
