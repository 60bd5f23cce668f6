import { ConfigError } from '../errors.ts';

/** Everything found wrong with one configuration, gathered so that a person mends it in one go. */
export interface Findings {
  /** Something that makes the configuration unusable. `key` is a full key such as `detect.url`, or what else is at fault. */
  problem(key: string, text: string): void;
  /** True when a problem names one of these keys or something that one of them lies in. */
  concerns(...keys: string[]): boolean;
  /** Something that should be mended but stops nothing. */
  warn(text: string): void;
  warnings: string[];
  any(): boolean;
  /** The error that lists every problem. */
  error(file: string): ConfigError;
}

/** Starts with nothing found. `order` names the top-level keys in the order in which their problems are listed. */
export function createFindings(order: readonly string[]): Findings {
  const problems: { key: string; text: string }[] = [];
  const warnings: string[] = [];

  function rank(key: string): number {
    return order.indexOf(/^\w*/u.exec(key)?.[0] ?? '');
  }

  return {
    problem(key, text) {
      if (!problems.some((known) => known.key === key && known.text === text)) problems.push({ key, text });
    },
    concerns: (...keys) =>
      keys.some((key) => problems.some((known) => key === known.key || key.startsWith(`${known.key}.`))),
    warn(text) {
      if (!warnings.includes(text)) warnings.push(text);
    },
    warnings,
    any: () => problems.length > 0,
    error(file) {
      const sorted = [...problems].sort((one, other) => rank(one.key) - rank(other.key));
      const lines = sorted.map(({ key, text }) => `- ${key}: ${text}`);
      return new ConfigError(`the configuration ${file} is not valid:\n${lines.join('\n')}`);
    },
  };
}
