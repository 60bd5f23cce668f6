/** The exit codes of the command. Which of several it ends with, {@link worstExitCode} tells. */
export const ExitCode = {
  done: 0,
  incomplete: 1,
  tooMany: 3,
  usage: 64,
  unavailable: 69,
  bug: 70,
  locked: 75,
  refused: 77,
  config: 78,
  sigint: 130,
  sigterm: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The higher wins. Usage and lock end the command before there is anything else to tell. */
const ranks: Record<ExitCode, number> = {
  [ExitCode.done]: 0,
  [ExitCode.incomplete]: 1,
  [ExitCode.tooMany]: 2,
  [ExitCode.unavailable]: 3,
  [ExitCode.refused]: 4,
  [ExitCode.config]: 5,
  [ExitCode.bug]: 6,
  [ExitCode.sigterm]: 7,
  [ExitCode.sigint]: 8,
  [ExitCode.locked]: 9,
  [ExitCode.usage]: 10,
};

/** Of several exit codes, the one that the command ends with. */
export function worstExitCode(codes: Iterable<ExitCode>): ExitCode {
  let worst: ExitCode = ExitCode.done;
  for (const code of codes) if (ranks[code] > ranks[worst]) worst = code;
  return worst;
}

/** An error with words for a person: what failed, and in `hint` what to do about it. Never holds a secret. */
export class AppError extends Error {
  /** Stable name of the kind of failure. */
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;

  constructor(message: string, code: string, exitCode: ExitCode, hint?: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** Bad arguments. */
export class UsageError extends AppError {
  constructor(message: string) {
    super(message, 'usage', ExitCode.usage);
  }
}

/** Configuration missing, invalid, or refuted by Detect. */
export class ConfigError extends AppError {
  constructor(message: string, hint?: string) {
    super(message, 'config', ExitCode.config, hint);
  }
}

/** Credentials or a permission were refused. */
export class AuthError extends AppError {
  constructor(message: string, hint?: string) {
    super(message, 'refused', ExitCode.refused, hint);
  }
}

/** The token is good, but its owner may not do this one thing. */
export class MissingRightError extends AuthError {}

/** Another run for the same Detect is at work. */
export class LockedError extends AppError {
  constructor(message: string) {
    super(message, 'locked', ExitCode.locked);
  }
}

/** The run was told to stop by SIGINT or SIGTERM. */
export class InterruptedError extends AppError {
  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(
      `interrupted by ${signal}`,
      'interrupted',
      signal === 'SIGINT' ? ExitCode.sigint : ExitCode.sigterm,
    );
  }
}

/** The run was broken off because it went on long after its time. */
export class OverdueError extends AppError {
  constructor() {
    super(
      'the run was broken off: long after runTimeoutMinutes, a service was still answering, but never to the end',
      'overdue',
      ExitCode.unavailable,
      'Look with --verbose which calls take so long; the next run goes on with the hosts that are left.',
    );
  }
}

/** A call was not sent because the quota or the run's time does not allow it; the next run does it. */
export class PostponedError extends AppError {
  constructor(message: string) {
    super(message, 'postponed', ExitCode.done);
  }
}

/** Nothing more is asked of this service in this run: it was unreachable, or failed for several hosts in a row. */
export class GivenUpError extends AppError {
  /** @param why begins with a blank or a colon */
  constructor(service: Service, why: string) {
    super(`${serviceNames[service]} was given up${why}`, 'given_up', ExitCode.unavailable);
  }
}

export type Service = 'detect' | 'login' | 'atp';

export const serviceNames = {
  detect: 'Detect',
  login: 'the login service',
  atp: 'Defender',
} as const satisfies Record<Service, string>;

/** How a call failed: an HTTP status, no connection, no answer in time, or an answer that cannot be read. */
export type ApiFailure = 'status' | 'network' | 'timeout' | 'unreadable';

export interface ApiErrorFields {
  service: Service;
  method: string;
  /** Path without query. */
  path: string;
  failure: ApiFailure;
  /** HTTP status, when an answer came. */
  status?: number | undefined;
  /** The service's own error code, cleaned. */
  serviceCode?: string | undefined;
  /** The service's own words, cleaned and shortened. */
  serviceMessage?: string | undefined;
  /** What the service's support asks for; cleaned, 64 characters at most. */
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  /** Value of the `Date` header, milliseconds UTC. */
  serverTime?: number | undefined;
  /** True when the request certainly had no effect (429, 401, connection refused); false when that is unknown. */
  notDone: boolean;
  /** What a network failure was, e.g. `ECONNREFUSED` or a certificate code. */
  cause?: string | undefined;
  /** True when there was an answer at that address, but its certificate was not accepted. */
  isUntrusted?: boolean | undefined;
}

/**
 * A call to one of the services failed. Its message is for a person: service, method, path, status, the service's own
 * words and the id that it gave the call. It carries nothing of the request's headers or body.
 */
export class ApiError extends AppError implements ApiErrorFields {
  declare readonly service: Service;
  declare readonly method: string;
  declare readonly path: string;
  declare readonly failure: ApiFailure;
  declare readonly status: number | undefined;
  declare readonly serviceCode: string | undefined;
  declare readonly serviceMessage: string | undefined;
  declare readonly requestId: string | undefined;
  declare readonly retryAfterMs: number | undefined;
  declare readonly serverTime: number | undefined;
  declare readonly notDone: boolean;
  declare readonly cause: string | undefined;
  declare readonly isUntrusted: boolean | undefined;

  /** The message without the id of the call, which is another one each time. */
  declare readonly sentence: string;

  constructor(fields: ApiErrorFields, hint?: string) {
    const sentence = sentenceOf(fields);
    super(
      `${sentence}${requestIdWords(fields)}`,
      `${fields.service}_${fields.failure}`,
      ExitCode.unavailable,
      hint,
    );
    Object.assign(this, fields, { sentence });
  }

  /** True when the service itself is in trouble (no connection, no answer, 5xx, 429), not this one request. */
  get isOutage(): boolean {
    return (
      this.failure === 'network' ||
      this.failure === 'timeout' ||
      this.status === 429 ||
      (this.status ?? 0) >= 500
    );
  }
}

function sentenceOf(fields: ApiErrorFields): string {
  const call = `${fields.method} ${fields.path}`;
  const who = serviceNames[fields.service];
  const words = [fields.serviceCode, fields.serviceMessage].filter(Boolean).join(': ');
  switch (fields.failure) {
    case 'status':
      return `${who} answered ${fields.status ?? '?'} to ${call}${words ? ` (${words})` : ''}`;
    case 'network':
      return `${who} cannot be reached: ${call} failed${fields.cause ? ` with ${fields.cause}` : ''}`;
    case 'timeout':
      return `${who} did not answer in time: ${call}`;
    case 'unreadable':
      return `${who}'s answer to ${call} cannot be read${words ? ` (${words})` : ''}`;
  }
}

/** The id of a failed call as it stands at the end of a message; one that had to have a secret taken out is none. */
export function requestIdWords({ requestId = '' }: Pick<ApiErrorFields, 'requestId'>): string {
  return requestId === '' || /\[(?:removed|token)\]/u.test(requestId) ? '' : ` (request id ${requestId})`;
}
