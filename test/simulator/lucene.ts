import { isObject } from './json.ts';

type Test = (document: Record<string, unknown>) => boolean;
type FieldKind = 'number' | 'text' | 'date' | 'boolean';

/** A query that Detect's search refuses. */
export class LuceneError extends Error {}

// Field names and index types as listed by Vectra's MCP server for Detect, with `last_source` from Vectra's own client.
const fields: Readonly<Record<string, FieldKind>> = {
  id: 'number',
  threat: 'number',
  certainty: 'number',
  privilege_level: 'number',
  name: 'text',
  ip: 'text',
  last_source: 'text',
  severity: 'text',
  state: 'text',
  sensor: 'text',
  sensor_name: 'text',
  note: 'text',
  tags: 'text',
  detection_profile: 'text',
  probable_owner: 'text',
  privilege_category: 'text',
  note_modified_by: 'text',
  assigned_to: 'text',
  last_detection_timestamp: 'date',
  last_seen: 'date',
  note_modified_timestamp: 'date',
  _doc_modified_ts: 'date',
  is_key_asset: 'boolean',
  targets_key_asset: 'boolean',
  active_traffic: 'boolean',
};

/**
 * Reads a search for hosts: `host.<field>:` with a phrase, a value, a comparison or a range; AND, OR, NOT in upper
 * case, blanks meaning AND, parentheses. Text fields are analysed: cut into lower-case words at everything that is
 * neither letter nor digit, a phrase being words in a row.
 *
 * @throws {LuceneError} on a syntax error or an unknown field.
 */
export function compileQuery(query: string): Test {
  const parser = createParser(query);
  const test = parser.either();
  parser.end();
  return test;
}

interface Parser {
  either(): Test;
  end(): void;
}

function createParser(query: string): Parser {
  let at = 0;

  function fail(): never {
    throw new LuceneError(`Failed to parse query [${query}]`);
  }

  function skipBlanks(): void {
    while (query[at] === ' ') at += 1;
  }

  function take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern, 'uy');
    sticky.lastIndex = at;
    const match = sticky.exec(query);
    if (match) at = sticky.lastIndex;
    return match ?? undefined;
  }

  function either(): Test {
    const tests = [both()];
    while (take(/ *OR(?=[ (])/)) tests.push(both());
    return (document) => tests.some((test) => test(document));
  }

  function both(): Test {
    const tests = [one()];
    for (;;) {
      const and = take(/ *AND(?=[ (])/) !== undefined;
      skipBlanks();
      const over = at >= query.length || query[at] === ')' || /^OR[ (]/.test(query.slice(at));
      if (over && and) fail();
      if (over) return (document) => tests.every((test) => test(document));
      tests.push(one());
    }
  }

  function one(): Test {
    skipBlanks();
    if (take(/NOT(?=[ (])|-(?=[a-z(])/)) {
      const test = one();
      return (document) => !test(document);
    }
    take(/\+/);
    if (take(/\(/)) {
      const test = either();
      skipBlanks();
      if (!take(/\)/)) fail();
      return test;
    }
    const field = take(/host\.([A-Za-z_.]+):/)?.[1];
    if (field === undefined) fail();
    const kind = fields[field];
    if (kind === undefined) throw new LuceneError(`No mapping found for field [host.${field}]`);
    return condition(field, kind);
  }

  function condition(field: string, kind: FieldKind): Test {
    const group = take(/\(/);
    if (group) {
      const values = [value(kind)];
      while (take(/ +OR +/)) values.push(value(kind));
      if (!take(/\)/)) fail();
      return (document) => valuesOf(document[field]).some((found) => values.some((test) => test(found)));
    }
    const test = value(kind);
    return (document) => valuesOf(document[field]).some((found) => test(found));
  }

  function value(kind: FieldKind): (found: unknown) => boolean {
    const phrase = take(/"((?:[^"\\]|\\.)*)"/)?.[1];
    if (phrase !== undefined) return equals(kind, phrase.replaceAll(/\\(.)/gu, '$1'));
    const range = take(/\[([^\] ]+) TO ([^\] ]+)\]/);
    if (range) {
      const [, low = '', high = ''] = range;
      const from = low === '*' ? undefined : compared(kind, low);
      const to = high === '*' ? undefined : compared(kind, high);
      return (found) => {
        const have = measure(kind, found);
        return have !== undefined && (from === undefined || have >= from) && (to === undefined || have <= to);
      };
    }
    const comparison = take(/(>=|<=|>|<)([^\s()"]+)/);
    if (comparison) {
      const [, sign, text = ''] = comparison;
      const limit = compared(kind, text);
      return (found) => {
        const have = measure(kind, found);
        if (have === undefined) return false;
        if (sign === '>=') return have >= limit;
        if (sign === '<=') return have <= limit;
        return sign === '>' ? have > limit : have < limit;
      };
    }
    if (take(/\*(?=[\s)]|$)/)) return (found) => found !== null && found !== undefined;
    const prefix = take(/((?:[\p{L}\p{N}_.@]|\\.)+)\*(?=[\s)]|$)/u)?.[1];
    if (prefix !== undefined) {
      return (found) => words(String(found)).some((word) => word.startsWith(prefix.toLowerCase()));
    }
    // Everything with a meaning in the language must be escaped outside quotes.
    const bare = take(/((?:[\p{L}\p{N}_.@%#$;,'\-]|\\.)+)(?=[\s)]|$)/u)?.[1];
    if (bare === undefined || /^(AND|OR|NOT|TO)$/.test(bare)) fail();
    return equals(kind, bare.replaceAll(/\\(.)/gu, '$1'));
  }

  function compared(kind: FieldKind, text: string): number {
    const limit = kind === 'text' || kind === 'boolean' ? undefined : measure(kind, text);
    if (limit === undefined) fail();
    return limit;
  }

  return {
    either,
    end() {
      skipBlanks();
      if (at < query.length) fail();
    },
  };
}

function equals(kind: FieldKind, wanted: string): (found: unknown) => boolean {
  if (kind === 'text') {
    const phrase = words(wanted);
    return (found) => {
      if (phrase.length === 0 || (typeof found !== 'string' && typeof found !== 'number')) return false;
      const have = words(String(found));
      return have.some((_, start) => phrase.every((word, offset) => have[start + offset] === word));
    };
  }
  if (kind === 'boolean') return (found) => String(found) === wanted;
  const limit = measure(kind, wanted);
  if (limit === undefined) throw new LuceneError(`failed to create query: For input string: "${wanted}"`);
  return (found) => measure(kind, found) === limit;
}

/** Text as the index keeps it. */
function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function measure(kind: FieldKind, found: unknown): number | undefined {
  if (typeof found === 'number') return found;
  if (typeof found !== 'string') return undefined;
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(found) ? Number(found) : undefined;
  // `2022-06-30T0123` is how a Cortex integration asks for an hour and minute; times without a zone are UTC.
  const text = found.replace(/T(\d\d)(\d\d)$/, 'T$1:$2');
  const at = Date.parse(/T/.test(text) && !/(Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(at) ? undefined : at;
}

function valuesOf(found: unknown): unknown[] {
  if (Array.isArray(found)) return found;
  return found === null || found === undefined || isObject(found) ? [] : [found];
}
