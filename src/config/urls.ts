import { isIP } from 'node:net';

/** A URL that was accepted, or why not; the reason does not hold the text, which may be a mislaid secret. */
type UrlVerdict = { url: string } | { trouble: string };

/** Names below `localhost` do not count: not every resolver keeps them on this machine. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

/**
 * Accepts the base URL of a service: `https:`, or `http:` on a loopback address; without credentials, query and
 * fragment. Slashes at its end and an `/api` there, which the program adds itself, are taken away.
 */
export function checkServiceUrl(text: string): UrlVerdict {
  if (/\s/u.test(text) || !/^[a-z][a-z0-9+.-]*:\/\//iu.test(text) || !URL.canParse(text)) {
    return { trouble: 'expected a full URL that begins with https://' };
  }
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return { trouble: 'must begin with https:// (http:// is for loopback addresses only)' };
  }
  if (url.username !== '' || url.password !== '') {
    return { trouble: 'must not hold a user name or a password' };
  }
  if (/[?#]/u.test(text)) return { trouble: 'must not hold a query or a fragment' };
  const path = url.pathname
    .replace(/\/+$/u, '')
    .replace(/\/api$/u, '')
    .replace(/\/+$/u, '');
  if (/\/api\/v\d[\d.]*$/u.test(path)) return { trouble: 'must end before /api' };
  return { url: url.origin + path };
}

/** Accepts the base URL of a Detect appliance, and refuses the cloud product by name. */
export function checkDetectUrl(text: string): UrlVerdict {
  const verdict = checkServiceUrl(text);
  if ('trouble' in verdict) return verdict;
  const host = new URL(verdict.url).hostname.replace(/\.$/u, '');
  if (host === 'portal.vectra.ai' || host.endsWith('.portal.vectra.ai')) {
    return {
      trouble:
        'the cloud product (*.portal.vectra.ai, API v3) is not supported; atp works with Detect appliances',
    };
  }
  return verdict;
}

/** Accepts what tokens are asked for: kept to the letter, since Entra ID compares it so. */
export function checkAudience(text: string): UrlVerdict {
  if (/\/\.default$/u.test(text)) return { trouble: 'must end before /.default' };
  const verdict = checkServiceUrl(text);
  return 'trouble' in verdict ? verdict : { url: text };
}

/** Accepts a forward proxy, also in the form `host:port`. Only the proxy's scheme, host, port and credentials may be given. */
export function checkProxyUrl(text: string): UrlVerdict {
  const full = text.includes('://') ? text : `http://${text}`;
  const wanted = 'expected a proxy such as http://proxy.example.com:3128';
  if (/\s/u.test(text) || !URL.canParse(full)) return { trouble: wanted };
  const url = new URL(full);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return { trouble: `${wanted}; other kinds of proxies are not supported` };
  }
  if (url.pathname !== '/' || /[?#]/u.test(full))
    return { trouble: `${wanted}, without anything behind the port` };
  return { url: url.href.replace(/\/$/u, '') };
}
