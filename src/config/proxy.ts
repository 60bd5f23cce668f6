import { parseNoProxy, type ProxySettings } from '../http/proxy.ts';
import type { Findings } from './findings.ts';
import type { ConfigFile } from './schema.ts';
import { checkProxyUrl } from './urls.ts';

/** The environment variables that may hold a proxy's password, the first that is set counts. */
export const proxyVariables = ['https_proxy', 'HTTPS_PROXY'] as const;

/** Takes the proxy from the configuration or else from the environment; each of its two halves for itself. */
export function readProxy(
  http: ConfigFile['http'],
  env: NodeJS.ProcessEnv,
  findings: Findings,
): ProxySettings | undefined {
  const variable = proxyVariables.find((name) => env[name]);
  const [key, text] =
    http.proxy === undefined ? [`$${variable ?? ''}`, variable && env[variable]] : ['http.proxy', http.proxy];
  if (text === undefined) return undefined;
  const verdict = checkProxyUrl(text);
  if ('trouble' in verdict) {
    findings.problem(key, verdict.trouble);
    return undefined;
  }
  const { noProxy, unknown } = parseNoProxy(http.noProxy ?? env['no_proxy'] ?? env['NO_PROXY'] ?? '');
  for (const entry of unknown)
    findings.warn(`http.noProxy (or NO_PROXY): "${entry}" is no host, address or range`);
  return { url: new URL(verdict.url), noProxy };
}
