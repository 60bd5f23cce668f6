export type Service = 'detect' | 'login' | 'atp';

/** One request that reached a simulated service. */
export interface Entry {
  /** Counts from 1, over all services, in the order of arrival. */
  readonly n: number;
  readonly service: Service;
  /** Name of the call, e.g. `search`, `tag-add`, `isolate`; `unknown` for paths that do not exist. */
  readonly call: string;
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** JSON parsed, forms as an object, anything else as text, undefined without a body. */
  readonly body: unknown;
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  readonly userAgent: string | undefined;
  /** Milliseconds UTC, by the simulator's clock. */
  readonly at: number;
  /** Status of the answer, or undefined as long as, or if, there was none. */
  status: number | undefined;
  /** True when the service carried the request out, whatever became of its answer. */
  effect: boolean;
  /** Kind of the fault played on this request. */
  fault: string | undefined;
}

/** Calls that change something. */
const writeCalls = new Set(
  'tag-add tag-remove tags-replace note-create note-update isolate unisolate cancel'.split(' '),
);

export interface Ledger {
  readonly entries: readonly Entry[];
  /** Opens an entry; `done` closes it. For the simulator's own use. */
  begin(fields: Omit<Entry, 'n' | 'status' | 'effect' | 'fault'>): { entry: Entry; done: () => void };
  /** How many requests each service got. */
  calls(): Record<Service, number>;
  /** Requests of that name, answered or not. */
  count(call: string): number;
  /** Requests of that name. */
  of(call: string): Entry[];
  /** Every request that meant to change something, refused ones included (`effect` tells). */
  writes(): Entry[];
  /** The most requests that were under way at once since the last `clear()`. */
  peak(service: Service): number;
  clear(): void;
  /** Forgets every request but the first so many. */
  forgetAfter(count: number): void;
}

/** The record of all requests. */
export function createLedger(): Ledger {
  const entries: Entry[] = [];
  const open = { detect: 0, login: 0, atp: 0 };
  const peaks = { detect: 0, login: 0, atp: 0 };
  let last = 0;
  return {
    entries,
    begin(fields) {
      last += 1;
      const entry: Entry = { n: last, ...fields, status: undefined, effect: false, fault: undefined };
      entries.push(entry);
      open[entry.service] += 1;
      peaks[entry.service] = Math.max(peaks[entry.service], open[entry.service]);
      let closed = false;
      return {
        entry,
        done: () => {
          if (!closed) open[entry.service] -= 1;
          closed = true;
        },
      };
    },
    calls: () => ({
      detect: entries.filter(({ service }) => service === 'detect').length,
      login: entries.filter(({ service }) => service === 'login').length,
      atp: entries.filter(({ service }) => service === 'atp').length,
    }),
    count: (call) => entries.filter((entry) => entry.call === call).length,
    of: (call) => entries.filter((entry) => entry.call === call),
    writes: () => entries.filter((entry) => writeCalls.has(entry.call)),
    peak: (service) => peaks[service],
    clear() {
      entries.length = 0;
      last = 0;
      Object.assign(peaks, open);
    },
    forgetAfter(count) {
      entries.length = count;
    },
  };
}
