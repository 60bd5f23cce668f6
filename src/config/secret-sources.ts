import { isPlaceholder, placeholderTrouble } from './document.ts';
import { decodeText, type NamedFiles } from './files.ts';
import type { Findings } from './findings.ts';

/** The places where one secret may come from. */
interface SecretSources {
  /** Key that holds the value itself, e.g. `detect.token`. */
  valueKey: string;
  value: string | undefined;
  /** Key that names a file, e.g. `detect.tokenFile`. */
  fileKey: string;
  file: string | undefined;
  /** Environment variable that counts when the configuration has neither. */
  variable?: string;
}

/**
 * What a secret may look like: a `token` goes into a header; a `secret` is one line without blanks around it, which
 * are taken away where a file has them; in a `passphrase` every character counts.
 */
type SecretForm = 'token' | 'secret' | 'passphrase';

/**
 * Takes a secret from its one source. Undefined after a problem, and without a problem when no source has anything,
 * which the caller judges.
 */
export async function readSecret(
  sources: SecretSources,
  form: SecretForm,
  context: { env: NodeJS.ProcessEnv; files: NamedFiles; findings: Findings },
): Promise<string | undefined> {
  const { valueKey, value, fileKey, file, variable } = sources;
  const { env, files, findings } = context;

  if (value !== undefined && file !== undefined) {
    findings.problem(valueKey, `give either this or ${fileKey}, not both`);
    return undefined;
  }
  let found: { key: string; text: string } | undefined;
  if (value !== undefined) {
    found = { key: valueKey, text: value };
  } else if (file !== undefined) {
    const read = await files.read(fileKey, file, 'secret');
    if (!read) return undefined;
    const text = decodeText(read.bytes);
    if (text === undefined) {
      findings.problem(fileKey, 'the file named there is not text in UTF-8');
      return undefined;
    }
    found = { key: fileKey, text: form === 'passphrase' ? text.replace(/\r?\n$/u, '') : text.trim() };
  } else if (variable !== undefined && env[variable] && !findings.concerns(valueKey, fileKey)) {
    // A key that was found unusable was given all the same: nothing steps in for it.
    found = { key: `$${variable}`, text: env[variable] };
  }
  if (!found) return undefined;

  const trouble = troubleWith(found.text, form);
  if (trouble === undefined) return found.text;
  findings.problem(found.key, found.key === fileKey ? `the file named there ${trouble}` : trouble);
  return undefined;
}

function troubleWith(text: string, form: SecretForm): string | undefined {
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
