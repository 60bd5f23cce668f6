import { cleanText } from '../output/clean.ts';

/** What the body of a refusal says, cleaned and shortened. */
interface ServiceWords {
  /** The service's own name for the error, e.g. `invalid_client` or `ActiveRequestAlreadyExists`. */
  code: string | undefined;
  message: string | undefined;
  requestId: string | undefined;
}

const maxMessageLength = 200;
const maxCodeLength = 64;

/**
 * Finds the words in the body of a refusal, whatever its shape: Detect alone has half a dozen (`detail`, `details`,
 * `message`, `reason`, `errors[].title`, `_meta.message`, lists by field), Defender nests `error`, Entra ID has
 * `error` with `error_description`, and gateways write plain text. HTML is never quoted, nor is anything that looks like
 * a token or is one of `secrets`: Entra ID has been seen to echo assertions.
 */
export function serviceWords(text: string, secrets: readonly string[] = []): ServiceWords {
  const found = fromBody(text.trim());
  return {
    code: quotable(found.code, maxCodeLength, secrets),
    message: quotable(found.message, maxMessageLength, secrets),
    requestId: quotable(found.requestId, maxCodeLength, secrets),
  };
}

/** True for text that is markup, for which there are no words to quote. */
export function isMarkup(text: string): boolean {
  return /^\s*</.test(text) || /<(?:!doctype|html|head|body|title|script|style|div|p|br|a|h\d)\b/i.test(text);
}

function fromBody(text: string): Partial<ServiceWords> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: text };
  }
  if (Array.isArray(body)) return { message: firstText(body) };
  return isRecord(body) ? fromRecord(body) : { message: firstText(body) };
}

function fromRecord(body: Record<string, unknown>): Partial<ServiceWords> {
  const error = body['error'];
  const meta = body['_meta'];
  const requestId = firstText(body['correlation_id']) ?? firstText(body['trace_id']);
  if (isRecord(error)) {
    return {
      code: firstText(error['code']),
      message: firstText(error['message']),
      requestId: firstText(error['target']) ?? requestId,
    };
  }

  const said =
    firstLine(firstText(body['error_description'])) ??
    firstText(body['detail']) ??
    firstText(body['details']) ??
    firstText(body['message']) ??
    firstText(body['Message']) ??
    firstText(body['reason']) ??
    titleOf(body['errors']) ??
    (isRecord(meta) ? firstText(meta['message']) : undefined) ??
    firstText(body['title']);
  const name = firstText(error);
  // A name of the error is one word; Detect's login writes whole sentences under the same key.
  if (name !== undefined && /^[\w.-]+$/.test(name)) return { code: name, message: said, requestId };
  return { message: said ?? name ?? fieldError(body), requestId };
}

/** The message of `{"errors": [{"title": "…"}]}`, or of a list of plain texts. */
function titleOf(errors: unknown): string | undefined {
  const first: unknown = Array.isArray(errors) ? errors[0] : errors;
  if (!isRecord(first)) return firstText(first);
  return firstText(first['title']) ?? firstText(first['detail']) ?? firstText(first['message']);
}

/** `detection_ids: …` of `{"detection_ids": ["…"]}`, the way Django tells what is wrong with a field. */
function fieldError(body: Record<string, unknown>): string | undefined {
  for (const [field, value] of Object.entries(body)) {
    const text = Array.isArray(value) ? firstText(value) : undefined;
    if (text !== undefined) return `${field}: ${text}`;
  }
  return undefined;
}

/** The value if it is text or a number, the first such of a list. */
function firstText(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first === 'number') return String(first);
  return typeof first === 'string' && first.trim() !== '' ? first : undefined;
}

/** Entra ID puts trace ids and the time on the lines that follow. */
function firstLine(text: string | undefined): string | undefined {
  return text?.trim().split(/[\r\n]/, 1)[0];
}

/** Text of the service on one line, without secrets and tokens; undefined for markup and for nothing. */
export function quotable(
  text: string | undefined,
  maxLength: number,
  secrets: readonly string[],
): string | undefined {
  if (text === undefined || isMarkup(text)) return undefined;
  let safe = text;
  for (const secret of secrets) safe = safe.replaceAll(secret, '[removed]');
  safe = safe.replace(/\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}/g, '[token]');
  return cleanText(safe, maxLength) || undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
