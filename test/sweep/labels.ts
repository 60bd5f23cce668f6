import { isObject } from '../simulator/json.ts';
import type { Entry } from '../simulator/ledger.ts';

/**
 * What a request is about, in words that are the same in every run: without times, and without the numbers that the
 * services give to what the program makes. A call for the tag of several hosts is about each of them.
 */
export function subjectsOf(entry: Entry): string[] {
  const { call, method, path, query, body } = entry;
  const fields = isObject(body) ? body : {};
  if (Array.isArray(fields['objectIds'])) {
    return fields['objectIds'].map((id) => `${call} ${String(id)} ${timeless(String(fields['tag']))}`);
  }
  const asked = Object.entries(query).map(([name, value]) => `${name}=${value}`);
  const where = path.replace(/^\/api(\/v\d\.\d)?/u, '').replace(/\/notes\/\d+$/u, '/notes/…');
  return [timeless([call, method, where, ...asked].join(' '))];
}

function timeless(text: string): string {
  return text
    .replaceAll(/\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}Z)?/gu, '…')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gu, '…');
}

/** Numbers the requests of one run about the same subject: `tags GET /tagging/host/1001, 2nd`. */
export interface Labels {
  /** The names of a request; the same ones whenever it is asked for. */
  of(entry: Entry): readonly string[];
}

export function createLabels(): Labels {
  const counts = new Map<string, number>();
  const named = new Map<Entry, string[]>();
  return {
    of(entry) {
      const known = named.get(entry);
      if (known) return known;
      const labels = subjectsOf(entry).map((subject) => {
        const count = (counts.get(subject) ?? 0) + 1;
        counts.set(subject, count);
        return `${subject} #${count}`;
      });
      named.set(entry, labels);
      return labels;
    },
  };
}
