import { isIP } from 'node:net';

/** Says what is wrong with an address or CIDR of `isolation.never.ips`; undefined when it can be matched as it stands. */
export function rangeTrouble(text: string): string | undefined {
  const wanted = 'expected an address or a CIDR, such as 10.0.0.5, 10.0.0.0/8 or fd00::/8';
  const [base = '', bits, ...more] = text.split('/');
  const family = isIP(base);
  if (family === 0 || base.includes('%') || more.length > 0) return wanted;
  if (/^::ffff:/iu.test(base) && base.includes('.'))
    return 'expected the IPv4 address without its IPv6 wrapping';
  if (bits === undefined) return undefined;
  const most = family === 4 ? 32 : 128;
  if (!/^(?:0|[1-9]\d{0,2})$/u.test(bits) || Number(bits) > most) {
    return `expected a prefix length from 0 to ${most} after the slash`;
  }
  return undefined;
}
