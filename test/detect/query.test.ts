import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildHostQueries, type HostSelection } from '../../src/detect/search.ts';

/** Reads one phrase of Lucene's query syntax from the start of a text. */
function readPhrase(text: string): { phrase: string; rest: string } | undefined {
  if (!text.startsWith('"')) return undefined;
  let phrase = '';
  for (let at = 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') return { phrase, rest: text.slice(at + 1) };
    if (character === '\\') at += 1;
    phrase += text.charAt(at);
  }
  return undefined;
}

/** Every tag that a query asks for, whatever else it asks. */
function tagsIn(query: string): string[] {
  const tags: string[] = [];
  for (let rest = query; rest !== '';) {
    const found = rest.startsWith('host.tags:') ? readPhrase(rest.slice('host.tags:'.length)) : undefined;
    if (found) tags.push(found.phrase);
    rest = found ? found.rest : rest.slice(1);
  }
  return tags;
}

describe('buildHostQueries', () => {
  it('asks for everything the typical line selects in one query', () => {
    const queries = buildHostQueries({
      activeTags: ['host_context'],
      activeScores: { threat: 75, certainty: 60 },
      tags: ['block', 'unblock'],
      pending: true,
    });

    expect(queries).toEqual([
      '(host.state:"active" AND (host.tags:"host_context" OR (host.threat:>=75 AND host.certainty:>=60))) ' +
        'OR host.tags:"block" OR host.tags:"unblock" OR (host.tags:"isolation" OR ' +
        '(host.tags:"release" AND NOT host.tags:"release: Succeeded"))',
    ]);
  });

  it.each<[string, HostSelection, string[]]>([
    ['nothing', {}, []],
    ['one tag', { activeTags: ['a'] }, ['host.state:"active" AND host.tags:"a"']],
    ['two tags', { activeTags: ['a', 'b'] }, ['host.state:"active" AND (host.tags:"a" OR host.tags:"b")']],
    [
      'scores',
      { activeScores: { threat: 0, certainty: 100 } },
      ['host.state:"active" AND (host.threat:>=0 AND host.certainty:>=100)'],
    ],
    ['a block tag, of inactive hosts too', { tags: ['b'] }, ['host.tags:"b"']],
    [
      'pending hosts, without releases that succeeded',
      { pending: true },
      ['(host.tags:"isolation" OR (host.tags:"release" AND NOT host.tags:"release: Succeeded"))'],
    ],
    ['the same tag twice, once', { tags: ['Free me', 'free ME'] }, ['host.tags:"Free me"']],
  ])('asks for %s', (_name, selection, expected) => {
    expect(buildHostQueries(selection)).toEqual(expected);
  });

  it('splits a selection that would make the address too long, and leaves nothing out', () => {
    const tags = Array.from({ length: 60 }, (_, index) => `${'t'.repeat(90)}${index}`);
    const blockTags = Array.from({ length: 60 }, (_, index) => `${'ü'.repeat(90)}${index}`);

    const queries = buildHostQueries({ activeTags: tags, tags: blockTags });

    expect(Math.max(...queries.map((query) => encodeURIComponent(query).length))).toBeLessThanOrEqual(3500);
    expect(queries.flatMap(tagsIn)).toEqual([...tags, ...blockTags]);
    const withActive = queries.filter((query) => tags.some((tag) => query.includes(`"${tag}"`)));
    expect(withActive.every((query) => query.includes('host.state:"active" AND '))).toBe(true);
  });

  it('gives back every tag as exactly one phrase, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (tag) => {
        const [query = '', ...others] = buildHostQueries({ tags: [tag] });

        expect(others).toEqual([]);
        expect(query.startsWith('host.tags:')).toBe(true);
        expect(readPhrase(query.slice('host.tags:'.length))).toEqual({ phrase: tag, rest: '' });
      }),
    );
  });

  it('lets no tag reach into the rest of the query', () => {
    const tag = String.raw`x" OR host.tags:"y\" OR host.id:* \\`;

    const queries = buildHostQueries({ activeTags: [tag], tags: ['b'] });

    expect(queries).toHaveLength(1);
    expect(tagsIn(queries.join())).toEqual([tag, 'b']);
  });
});
