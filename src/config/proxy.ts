import { cleanText } from '../output/clean.ts';
import { parseNoProxy, type ProxySettings } from '../http/proxy.ts';
import { proxyUrl } from './addresses.ts';
import type { Document } from './document.ts';
import type { Findings } from './findings.ts';

/** The environment variables that may hold a proxy's password, the first that is set counts. */
export const proxyVariables = ['https_proxy', 'HTTPS_PROXY'] as const;

/** Takes the proxy of the environment, unless the file names one. */
export async function readProxyVariable(
  document: Document,
  env: NodeJS.ProcessEnv,
  findings: Findings,
): Promise<URL | undefined> {
  const variable = proxyVariables.find((name) => env[name]);
  const text = variable && env[variable];
  if (!text || document.has('http.proxy')) return undefined;
  return findings.attempt(`$${variable}`, () => proxyUrl(text));
}

/** Adds to a proxy the hosts that it is not for: those of the file, else of the environment. */
export function proxySettings(
  url: URL | undefined,
  configured: string | undefined,
  env: NodeJS.ProcessEnv,
  findings: Findings,
): ProxySettings | undefined {
  if (url === undefined) return undefined;
  const sources = [
    { key: 'http.noProxy', text: configured },
    // As with the proxy itself, a variable that is empty is not set.
    { key: '$no_proxy', text: env['no_proxy'] || undefined },
    { key: '$NO_PROXY', text: env['NO_PROXY'] || undefined },
  ];
  const { key, text = '' } = sources.find((source) => source.text !== undefined) ?? { key: '' };
  const { noProxy, unknown } = parseNoProxy(text);
  for (const entry of unknown) {
    findings.warn({
      topic: 'proxy',
      // What is before an @ may be a password.
      text: `${key}: "${cleanText(entry.replace(/^.*@/u, '…@'), 60)}" is no name, address, range or *, and is ignored`,
      mend: 'correct or remove it',
    });
  }
  return { url, noProxy };
}
