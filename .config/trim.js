import { readFileSync } from 'node:fs';

// Leaves out of the bundle what dependencies load at their start and no path of the command can reach. Left in, it makes a
// run that finds nothing to do take a quarter longer (`npm run bench`).

/** Modules that axios, pino and commander ask for, and what they get. */
const packages = {
  // Redirects are not followed, and src/http/proxy-agent.ts, not axios, goes through proxies.
  'follow-redirects': 'export default {};',
  'https-proxy-agent': 'export default class {}',
  'proxy-from-env': 'export function getProxyForUrl() {}',
  // No request has parts; this brings a table of all media types.
  'form-data': 'export default undefined;',
  // The log is written by the process itself, not by a worker.
  'thread-stream': 'export default undefined;',
  'sonic-boom': 'module.exports = class {};',
  'on-exit-leak-free': 'export default undefined;',
  // No subcommand is a program of its own.
  'node:child_process': 'export default {};',
  // Requests are those of HTTP/1.1.
  http2: 'export default {};',
};

/** Of Node's own modules, only these packages' use of them is known. */
const builtinsOf = { 'node:child_process': 'commander', http2: 'axios', 'https-proxy-agent': 'axios' };

/** Files of axios, and what stands in their place. */
const files = {
  // Requests go by the adapter for node:http. To load this one makes Node.js load its whole fetch.
  'adapters/fetch.js': 'export function getFetch() {}',
  'adapters/xhr.js': 'export default false;',
  'helpers/Http2Sessions.js': 'export default class {}',
};

/** Lookups in files of axios that make Node.js load or build more than they are worth, and what they come to here. */
const lookups = {
  // Node.js loads its whole fetch.
  'utils.js': ["typeof G.FormData !== 'undefined' ? G.FormData : undefined", 'undefined'],
  // A table of all options of Node.js, to find an agent with a proxy of its own; src/http/connection.ts brings its agent.
  'adapters/http.js': ['!process.allowedNodeEnvironmentFlags ||', 'true ||'],
};

/**
 * Ends the build when something is not where it was: after an update of axios or pino, the lists above want to be read again.
 * @type {import('esbuild').Plugin}
 */
export const trim = {
  name: 'trim',
  setup(build) {
    /** @type {Set<string>} */
    const left = new Set([...Object.keys(packages), ...Object.keys(files), ...Object.keys(lookups)]);

    // The filters are expressions of Go, which have no flags.
    build.onResolve(
      { filter: new RegExp(`^(${Object.keys(packages).join('|')})$`) },
      ({ path, importer }) => {
        const user = builtinsOf[path];
        if (user !== undefined && !importer.replaceAll('\\', '/').includes(`/node_modules/${user}/`))
          return undefined;
        left.delete(path);
        return { path, namespace: 'trimmed' };
      },
    );
    build.onLoad({ filter: /./, namespace: 'trimmed' }, ({ path }) => ({ contents: packages[path] }));

    build.onLoad({ filter: /[\\/]axios[\\/]lib[\\/]/ }, ({ path }) => {
      const [, file] = path.replaceAll('\\', '/').split('/axios/lib/');
      if (Object.hasOwn(lookups, file)) {
        const [lookup, result] = lookups[file];
        const contents = readFileSync(path, 'utf8');
        if (contents.includes(lookup)) left.delete(file);
        return { contents: contents.replace(lookup, result) };
      }
      if (!Object.hasOwn(files, file)) return undefined;
      left.delete(file);
      return { contents: files[file] };
    });

    build.onEnd(() =>
      left.size === 0 ? {} : { errors: [{ text: `trim.js has nothing to trim at ${[...left].join(', ')}` }] },
    );
  },
};
