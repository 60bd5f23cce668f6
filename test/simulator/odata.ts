type Row = Record<string, unknown>;
type Test = (row: Row) => boolean;
export type ColumnKind = 'string' | 'date' | 'number';
type Literal =
  { kind: 'string'; value: string } | { kind: 'date' | 'number'; value: number } | { kind: 'null' };

/** A filter or an order that Defender refuses. */
export class ODataError extends Error {}

/**
 * Reads a `$filter`: `eq ne gt ge lt le`, `in (…)`, `startswith(…)`, `and or not`, parentheses. Strings are in single
 * quotes, times are not.
 *
 * @throws {ODataError} on a syntax error, a column that cannot be filtered by, or a literal of the wrong kind.
 */
export function compileFilter(filter: string, columns: Readonly<Record<string, ColumnKind>>): Test {
  let at = 0;

  function fail(): never {
    throw new ODataError(`Syntax error at position ${at} in '${filter}'.`);
  }

  function take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = at;
    const match = sticky.exec(filter);
    if (match) at = sticky.lastIndex;
    return match ?? undefined;
  }

  function either(): Test {
    const tests = [both()];
    while (take(/ +(?:or|OR) +/)) tests.push(both());
    return (row) => tests.some((test) => test(row));
  }

  function both(): Test {
    const tests = [one()];
    while (take(/ +(?:and|AND) +/)) tests.push(one());
    return (row) => tests.every((test) => test(row));
  }

  function one(): Test {
    take(/ +/);
    if (take(/not +/)) {
      const test = one();
      return (row) => !test(row);
    }
    if (take(/\( */)) {
      const test = either();
      if (!take(/ *\)/)) fail();
      return test;
    }
    if (take(/startswith\( */)) {
      const name = column().name;
      if (!take(/ *, */)) fail();
      const prefix = literal();
      if (prefix.kind !== 'string' || !take(/ *\)/)) fail();
      return (row) => String(row[name]).toLowerCase().startsWith(prefix.value.toLowerCase());
    }
    return comparison();
  }

  function comparison(): Test {
    const { name, kind } = column();
    if (take(/ +in +\( */)) {
      const list = [fitting(name, kind, literal())];
      while (take(/ *, */)) list.push(fitting(name, kind, literal()));
      if (!take(/ *\)/)) fail();
      return (row) => list.some((wanted) => compare(row[name], wanted) === 0);
    }
    const operator = take(/ +(eq|ne|gt|ge|lt|le) +/)?.[1];
    if (operator === undefined) fail();
    const wanted = fitting(name, kind, literal());
    return (row) => {
      const order = compare(row[name], wanted);
      switch (operator) {
        case 'eq':
          return order === 0;
        case 'ne':
          return order !== 0;
        case 'gt':
          return order !== undefined && order > 0;
        case 'ge':
          return order !== undefined && order >= 0;
        case 'lt':
          return order !== undefined && order < 0;
        default:
          return order !== undefined && order <= 0;
      }
    };
  }

  function column(): { name: string; kind: ColumnKind } {
    const name = take(/[A-Za-z]+/)?.[0];
    if (name === undefined) fail();
    const kind = columns[name];
    if (kind === undefined)
      throw new ODataError(`The property '${name}' cannot be used in the $filter query option.`);
    return { name, kind };
  }

  function literal(): Literal {
    const text = take(/'((?:[^']|'')*)'/)?.[1];
    if (text !== undefined) return { kind: 'string', value: text.replaceAll("''", "'") };
    const date = take(/\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?Z|\d{4}-\d\d-\d\dZ/)?.[0];
    if (date !== undefined) {
      const value = Date.parse(date.replace(/^(\d{4}-\d\d-\d\d)Z$/, '$1'));
      if (!Number.isNaN(value)) return { kind: 'date', value };
    }
    const number = take(/-?\d+(?=[ ),]|$)/)?.[0];
    if (number !== undefined) return { kind: 'number', value: Number(number) };
    if (take(/null(?=[ ),]|$)/)) return { kind: 'null' };
    return fail();
  }

  const test = either();
  take(/ +/);
  if (at < filter.length) fail();
  return test;
}

function fitting(name: string, kind: ColumnKind, wanted: Literal): Literal {
  if (wanted.kind !== 'null' && wanted.kind !== kind) {
    throw new ODataError(
      `A binary operator with incompatible types was detected: '${name}' is no ${wanted.kind} but a ${kind}.`,
    );
  }
  return wanted;
}

/** Negative, zero or positive; undefined when the two cannot be ordered. */
function compare(found: unknown, wanted: Literal): number | undefined {
  if (wanted.kind === 'null') return found === null || found === undefined ? 0 : undefined;
  if (wanted.kind === 'string') {
    return typeof found === 'string' ? (found < wanted.value ? -1 : found > wanted.value ? 1 : 0) : undefined;
  }
  const have = wanted.kind === 'date' && typeof found === 'string' ? Date.parse(found) : found;
  return typeof have === 'number' ? have - wanted.value : undefined;
}

/** Options of a list call, read strictly: an unknown option, a bad number or too great a `$top` is refused. */
export interface ListOptions {
  filter: Test;
  top: number | undefined;
  skip: number;
  orderBy: { name: string; descending: boolean } | undefined;
  count: boolean;
}

/** @throws {ODataError} */
export function readListOptions(
  query: Readonly<Record<string, string>>,
  allowed: {
    filter: Readonly<Record<string, ColumnKind>>;
    orderBy: readonly string[];
    options?: readonly string[];
  },
): ListOptions {
  const known = ['$filter', '$top', '$skip', '$orderby', '$count', ...(allowed.options ?? [])];
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ODataError(`The query parameter '${unknown}' is not supported.`);
  const order = query['$orderby'];
  const parsed = order === undefined ? undefined : /^(\w+)(?: (asc|desc))?$/.exec(order);
  const by = parsed?.[1];
  if (order !== undefined && (by === undefined || !allowed.orderBy.includes(by))) {
    throw new ODataError(`The order '${order}' is not supported.`);
  }
  const filter = query['$filter'];
  return {
    filter: filter === undefined ? () => true : compileFilter(filter, allowed.filter),
    top: whole('$top', query['$top'], 1, 10_000),
    skip: whole('$skip', query['$skip'], 0, Number.MAX_SAFE_INTEGER) ?? 0,
    orderBy: by === undefined ? undefined : { name: by, descending: parsed?.[2] === 'desc' },
    count: query['$count'] === 'true',
  };
}

function whole(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most))
    throw new ODataError(`The value of '${name}' must be ${least} to ${most}.`);
  return value;
}
