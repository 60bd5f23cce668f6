import { cleanText } from '../output/clean.ts';

/** No connection came about that a request may use; nothing of the request has left this computer. */
export class ConnectError extends Error {
  /** Code or words that complete "… failed with". */
  readonly reason: string;
  readonly hint: string | undefined;
  /** True when another attempt would fail in the same way: a certificate that is not trusted, a login refused. */
  readonly isFinal: boolean;
  /** True when the other side is there, but its certificate was not accepted. */
  readonly isUntrusted: boolean;

  constructor(
    reason: string,
    options: { hint?: string | undefined; isFinal?: boolean; isUntrusted?: boolean } = {},
  ) {
    super(reason);
    this.name = new.target.name;
    this.reason = reason;
    this.hint = options.hint;
    this.isFinal = options.isFinal ?? false;
    this.isUntrusted = options.isUntrusted ?? false;
  }
}

/** The code of a system, TLS or parser error. Its message is never used: it can hold what was sent. */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? cleanText(code, 64) : undefined;
}
