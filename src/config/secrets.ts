import type { Clock } from '../clock.ts';
import type { Document } from './document.ts';
import { isPlaceholder, placeholderTrouble, Trouble } from './fields.ts';
import { decodeText, type NamedFiles } from './files.ts';
import type { Findings } from './findings.ts';
import { proxyVariables } from './proxy.ts';

/** One secret: the places where it may come from, and what it may look like. */
interface Secret {
  /** Key that holds the value itself, e.g. `detect.token`; the key that names a file with it is that of {@link fileKeyOf}. */
  key: string;
  /** Environment variable that counts when the configuration has neither. */
  variable?: string;
  /**
   * A `token` goes into a header; a `secret` is one line without blanks around it, which are taken away where a file has
   * them; in a `passphrase` every character counts.
   */
  form: 'token' | 'secret' | 'passphrase';
}

/** Every secret of the configuration. */
export const secrets = {
  detectToken: { key: 'detect.token', variable: 'ATP_DETECT_TOKEN', form: 'token' },
  clientSecret: { key: 'detect.clientSecret', variable: 'ATP_DETECT_CLIENT_SECRET', form: 'secret' },
  appSecret: { key: 'atp.appSecret', variable: 'ATP_APP_SECRET', form: 'secret' },
  passphrase: { key: 'atp.privateKeyPassphrase', form: 'passphrase' },
} as const satisfies Record<string, Secret>;

/** The key that names a file with the secret. */
export function fileKeyOf({ key }: Secret): string {
  return `${key}File`;
}

/** What reading a credential takes. */
export interface SecretContext {
  document: Document;
  env: NodeJS.ProcessEnv;
  files: NamedFiles;
  findings: Findings;
  clock: Clock;
  registerSecret: (secret: string) => void;
}

/** Also what is not used in the end may turn up in a message. */
export function registerEnvironment(env: NodeJS.ProcessEnv, registerSecret: (secret: string) => void): void {
  for (const secret of Object.values(secrets)) {
    const value = 'variable' in secret ? env[secret.variable] : undefined;
    if (value) registerSecret(value);
  }
  for (const name of proxyVariables) passwordsIn(env[name] ?? '').forEach(registerSecret);
}

/**
 * Takes a secret from its one source. Undefined after a problem, and when no source has anything, which is a problem with the
 * text `wanted` where that is given.
 */
export async function readSecret(
  secret: Secret,
  { document, env, files, findings }: SecretContext,
  wanted?: string,
): Promise<string | undefined> {
  const { key, variable, form } = secret;
  const fileKey = fileKeyOf(secret);
  if (document.has(key) && document.has(fileKey)) {
    findings.problem(key, `give either this or ${fileKey}, not both`);
    return undefined;
  }
  if (document.has(key)) {
    const value = document.valueOf(key);
    return typeof value === 'string' ? findings.attempt(key, () => judge(value, form)) : undefined;
  }
  if (document.has(fileKey)) {
    return files.read(fileKey, 'secret', ({ bytes }) => {
      const text = decodeText(bytes);
      if (text === undefined) throw new Trouble(`${inFile}is not text in UTF-8`);
      return judge(form === 'passphrase' ? text.replace(/\r?\n$/u, '') : text.trim(), form, inFile);
    });
  }
  const value = variable && env[variable];
  if (value) return findings.attempt(`$${variable}`, () => judge(value, form));
  if (wanted !== undefined) findings.problem(key, wanted);
  return undefined;
}

const inFile = 'the file named there ';

/** Returns the secret if it can be one. */
function judge(text: string, form: Secret['form'], subject = ''): string {
  const trouble = troubleWith(text, form);
  if (trouble !== undefined) throw new Trouble(subject + trouble);
  return text;
}

function troubleWith(text: string, form: Secret['form']): string | undefined {
  if (text === '') return 'is empty';
  if (isPlaceholder(text)) return placeholderTrouble;
  if (/[\r\n]/u.test(text)) return 'has more than one line';
  if (/\p{Cc}/u.test(text)) return 'has control characters';
  if (form === 'passphrase') return undefined;
  if (text !== text.trim()) return 'has blanks around it';
  if (form === 'secret') return undefined;
  if (/\s/u.test(text)) return 'has blanks; only the token itself belongs there';
  return /^[\x21-\x7e]+$/u.test(text) ? undefined : 'has characters that no token has';
}

/** The password of a URL, or of a proxy without a scheme, in every spelling in which it may turn up, also with its user. */
export function passwordsIn(text: string): string[] {
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url)) return [];
  const { username, password } = new URL(url);
  if (password === '') return [];
  return [password, decode(password), `${username}:${password}`, `${decode(username)}:${decode(password)}`];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
