import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  code,
  factLines,
  isOwnNote,
  keepMatch,
  parseNote,
  putEntry,
  renderNote,
  sameNote,
  syncEntries,
  timeOfEvent,
  type NoteEntry,
  type NoteParts,
} from '../../src/decide/note.ts';
import { refused } from '../../src/decide/events.ts';
import { anyText, buildAction, hour, minute, noon } from './samples.ts';

const title = '## Microsoft Defender for Endpoint (atp)';
const end = '_Kept up to date by atp. Add your own text below this line._';

const facts = factLines({
  machine: '`laptop-7`, id 0e23',
  matched: 'by address 10.1.2.3, confirmed: name laptop-7 (dhcp)',
  alerts: '3 in the last 30 days, 1 open, highest open severity `High`',
  portal: 'https://security.microsoft.com/machines/v2/0e23?tid=contoso',
});
const isolation: NoteEntry = {
  time: noon,
  what: 'isolation for tag `block`',
  action: { id: '38199c68-823c-4e6c-8a33-52a5f23ccdf1', status: 'Pending' },
};
const refusal: NoteEntry = { time: noon - hour, what: 'isolation for tag `block` refused: no machine' };
const parts: NoteParts = { facts, entries: [isolation, refusal], theirs: '' };
const text = [
  title,
  '',
  '- **Machine:** `laptop-7`, id 0e23',
  '- **Matched:** by address 10.1.2.3, confirmed: name laptop-7 (dhcp)',
  '- **Alerts & severity:** 3 in the last 30 days, 1 open, highest open severity `High`',
  '- **Portal:** https://security.microsoft.com/machines/v2/0e23?tid=contoso',
  '',
  '**Actions**',
  '',
  '- 2026-11-24 12:00 UTC: isolation for tag `block`: Pending, action 38199c68-823c-4e6c-8a33-52a5f23ccdf1',
  '- 2026-11-24 11:00 UTC: isolation for tag `block` refused: no machine',
  '',
  end,
].join('\n');

/** As old API versions of Detect hand notes out. */
function escaped(note: string): string {
  return note
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#x27;');
}

describe('whose note it is', () => {
  it.each([title, text, `\n ${title} \r\nand more`, `${title}  `])(
    'knows its own by the first line: %j',
    (note) => {
      expect(isOwnNote(note)).toBe(true);
    },
  );

  it.each([
    '',
    'some words',
    `see below\n${title}`,
    `${title} copy`,
    `# ${title}`,
    title.toLowerCase(),
    '## Microsoft Defender for Endpoint',
  ])('leaves others alone: %j', (note) => {
    expect(isOwnNote(note)).toBe(false);
  });
});

describe('the text of the note', () => {
  it('is the facts, the actions and a last line', () => {
    expect(renderNote(parts)).toBe(text);
  });

  it('is what people added below it, too', () => {
    expect(renderNote({ ...parts, theirs: '\n\nCalled the user.' })).toBe(`${text}\n\nCalled the user.`);
  });

  it('may lack facts or actions, but not the line that tells whether Detect has escaped it', () => {
    const notAsked = '- **Alerts & severity:** not asked';
    expect(renderNote({ facts: facts.slice(0, 1), entries: [], theirs: '' })).toBe(
      [title, '', '- **Machine:** `laptop-7`, id 0e23', notAsked, '', end].join('\n'),
    );
    expect(renderNote({ facts: [], entries: [refusal], theirs: '' })).toBe(
      [
        title,
        '',
        notAsked,
        '',
        '**Actions**',
        '',
        '- 2026-11-24 11:00 UTC: isolation for tag `block` refused: no machine',
        '',
        end,
      ].join('\n'),
    );
  });

  const many = Array.from({ length: 12 }, (_, at): NoteEntry => ({
    time: noon + at * minute,
    what: `event ${at}`,
  }));

  it('shows the newest ten events, the newest first, whatever their order', () => {
    const lines = (renderNote({ ...parts, entries: many }) ?? '')
      .split('\n')
      .filter((line) => line.includes('UTC: event'));

    expect(lines).toEqual(
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map(
        (at) => `- 2026-11-24 12:${String(at).padStart(2, '0')} UTC: event ${at}`,
      ),
    );
    expect(many.map(({ what }) => what).at(0)).toBe('event 0');
  });

  it('keeps the order of events of one minute', () => {
    const entries = ['c', 'a', 'b'].map((what) => ({ time: noon, what }));

    expect(parseNote(renderNote({ ...parts, entries }) ?? '').entries).toEqual(entries);
  });

  it('is 8,000 characters long at most: the oldest events make room for what people wrote', () => {
    const room = 8_000 - text.length;
    const full = { ...parts, theirs: 'x'.repeat(room) };

    expect(renderNote(full)).toBe(`${text}${full.theirs}`);
    expect(renderNote(full)).toHaveLength(8_000);
    expect(renderNote({ ...parts, theirs: 'x'.repeat(room + 1) })).toBe(
      `${text.replace('- 2026-11-24 11:00 UTC: isolation for tag `block` refused: no machine\n', '')}${'x'.repeat(room + 1)}`,
    );
    const bare = renderNote({ ...parts, entries: [] }) ?? '';
    const noEvents = 'x'.repeat(8_000 - bare.length);
    expect(renderNote({ ...parts, theirs: noEvents })).toBe(`${bare}${noEvents}`);
    expect(renderNote({ ...parts, theirs: `${noEvents}x` })).toBeUndefined();
  });

  it('names what was not asked, and leaves out what there is none of', () => {
    expect(factLines({ machine: 'none found' })).toEqual([
      '- **Machine:** none found',
      '- **Alerts & severity:** not asked',
    ]);
  });

  it.each([
    ['block', '`block`'],
    ['a `code` tag', "`a 'code' tag`"],
    ['two\n\nlines\tand more', '`two lines and more`'],
    ['[x](https://evil.example)', '`[x](https://evil.example)`'],
  ])('shows %j from elsewhere as %j', (words, span) => {
    expect(code(words)).toBe(span);
  });
});

describe('a note taken apart', () => {
  it('gives back what it was made of', () => {
    expect(parseNote(text)).toEqual(parts);
    expect(parseNote(`${text}\n\nCalled the user.\n`)).toEqual({
      ...parts,
      theirs: '\n\nCalled the user.\n',
    });
  });

  it('is the same with the line ends of Windows', () => {
    const theirs = '\r\n\r\nCalled the user.\r\n';

    expect(parseNote(`${text.replaceAll('\n', '\r\n')}${theirs}`)).toEqual({ ...parts, theirs });
  });

  it('is the same when Detect hands it out escaped', () => {
    const theirs = '\n5 < 6 & "7" isn\'t &lt;b&gt;';

    expect(parseNote(escaped(`${text}${theirs}`))).toEqual({ ...parts, theirs });
    expect(parseNote(escaped(`${text}${theirs}`).replaceAll('&#x27;', '&#39;'))).toEqual({
      ...parts,
      theirs,
    });
  });

  it('leaves what people wrote in HTML as it is when Detect does not escape', () => {
    const theirs = '\nQuoted: Alerts &amp; severity, &lt;b&gt;\n- **Alerts &amp; severity:** copied';

    expect(parseNote(`${text}${theirs}`)).toEqual({ ...parts, theirs });
  });

  it('finds the event of an action by its state and id, and others by their words', () => {
    const lines = [
      title,
      '- 2026-11-24 12:00 UTC: isolation by `a: Pending, action 7`, taken over for tag `b`: TimeOut, action a-1',
      '- 2026-11-24 12:00 UTC: release for tag `b`: nothing was in force',
      end,
    ];

    expect(parseNote(lines.join('\n')).entries).toEqual([
      {
        time: noon,
        what: 'isolation by `a: Pending, action 7`, taken over for tag `b`',
        action: { id: 'a-1', status: 'TimeOut' },
      },
      { time: noon, what: 'release for tag `b`: nothing was in force' },
    ]);
  });

  it('moves what people wrote among its own lines below the last one', () => {
    const edited = text
      .replace('\n\n**Actions**', '\nOwner: Alice\n- **Owner:** Bob\n\n**Actions**')
      .replace(`\n${end}`, `- 2026-13-01 12:00 UTC: no such month\n${end}\nbelow`);

    expect(parseNote(edited)).toEqual({
      ...parts,
      theirs: '\n\nOwner: Alice\n- **Owner:** Bob\n- 2026-13-01 12:00 UTC: no such month\nbelow',
    });
  });

  it('keeps what people wrote in the last line itself', () => {
    expect(parseNote(`${text} Called the user.\n\nTwice.`)).toEqual({
      ...parts,
      theirs: ' Called the user.\n\nTwice.',
    });
  });

  it('ends at the first last line', () => {
    expect(parseNote(`${text}\n${text}`)).toEqual({ ...parts, theirs: `\n${text}` });
  });

  it('loses no line of people when its last line is gone', () => {
    const { theirs, ...own } = parseNote(`${text.replace(end, '')}\nCalled the user.\nTwice.`);

    expect(own).toEqual({ facts, entries: parts.entries });
    expect(theirs).toBe('\n\nCalled the user.\nTwice.');
  });

  it('is empty where there is nothing but its title', () => {
    expect(parseNote(title)).toEqual({ facts: [], entries: [], theirs: '' });
  });

  const theirs = fc
    .array(
      fc.oneof(
        anyText(20),
        fc.constantFrom(
          '\n',
          '\r\n',
          '\n\n',
          end,
          title,
          '**Actions**',
          '- **Machine:** x',
          '&lt;',
          'Alerts &amp; severity',
          '- 2026-11-24 12:00 UTC: mine',
        ),
      ),
      { maxLength: 8 },
    )
    .map((pieces) => pieces.join(''));
  const words = fc
    .array(fc.constantFrom('isolation', 'for', '`tag`', ':', 'Pending,', 'action', '&', '<b>', '"', '2026'), {
      minLength: 1,
      maxLength: 8,
    })
    .map((pieces) => pieces.join(' '));
  const entries = fc.array(
    fc.oneof(
      fc.record({
        time: fc.integer({ min: 0, max: 60 }).map((n) => noon - n * minute),
        what: words.map((what) => `${what} .`),
      }),
      fc.record({
        time: fc.integer({ min: 0, max: 60 }).map((n) => noon - n * minute),
        what: words,
        action: fc.record({
          id: fc.uuid(),
          status: fc.constantFrom('Pending', 'InProgress', 'Succeeded', 'Failed', 'TimeOut', 'Cancelled'),
        }),
      }),
    ),
    { maxLength: 10 },
  );
  const notes = fc.record({ facts: fc.constantFrom(facts, facts.slice(0, 3)), entries, theirs });

  it('gives back what it was made of, to the letter, whatever people wrote', () => {
    fc.assert(
      fc.property(notes, (made) => {
        const newestFirst = [...made.entries].sort((one, other) => other.time - one.time);
        const rendered = renderNote(made) ?? '';

        expect(parseNote(rendered)).toEqual({ ...made, entries: newestFirst });
        expect(renderNote(parseNote(rendered))).toBe(rendered);
        expect(parseNote(escaped(rendered))).toEqual({ ...made, entries: newestFirst });
      }),
      { numRuns: 200 },
    );
  });

  it('loses no line that people put anywhere below its title', () => {
    const line = fc.string({ minLength: 1, maxLength: 30 }).map((words) => `> ${words}`);
    const places = fc.integer({ min: 1, max: text.split('\n').length });
    fc.assert(
      fc.property(line, places, (added, place) => {
        const lines = text.split('\n');
        lines.splice(place, 0, added);
        const again = renderNote(parseNote(lines.join('\n'))) ?? '';

        expect(again.split('\n').map((one) => one.trim())).toContain(added.trim());
        expect(parseNote(again)).toMatchObject({ facts, entries: parts.entries });
        expect(renderNote(parseNote(again))).toBe(again);
      }),
    );
  });
});

describe('one line for each event', () => {
  it('is put before the others, to the minute', () => {
    expect(putEntry([refusal], { ...isolation, time: noon + 59_999 })).toEqual([isolation, refusal]);
  });

  it('of an action stays one, at its place and with its words, and gets the new state', () => {
    const newer = { time: noon + minute, what: 'newer' };
    const moved = {
      ...isolation,
      time: noon + hour,
      what: 'other words',
      action: { id: isolation.action?.id ?? '', status: 'Succeeded' },
    };

    expect(putEntry([newer, isolation, refusal], moved)).toEqual([
      newer,
      { ...isolation, action: moved.action },
      refusal,
    ]);
  });

  it('of another action is another, even with the same words in the same minute', () => {
    const other = { ...isolation, action: { id: 'other', status: 'Pending' } };

    expect(putEntry([isolation], other)).toEqual([other, isolation]);
  });

  it.each([
    [0, 1],
    [hour - 1, 1],
    [-(hour - 1), 1],
    [hour, 2],
    [-hour, 2],
  ])('without an action is noted once within the hour: %j ms later there are %j', (later, lines) => {
    const again = { ...refusal, time: refusal.time + later };

    expect(putEntry([refusal], again)).toHaveLength(lines);
  });

  it('without an action is another when its words are others', () => {
    const other = { ...refusal, what: 'isolation for tag `block` refused: ambiguous' };

    expect(putEntry([refusal], other)).toEqual([other, refusal]);
  });

  it('without an action is not an action of the same words', () => {
    const plain = { time: isolation.time, what: isolation.what };

    expect(putEntry([isolation], plain)).toEqual([plain, isolation]);
    expect(putEntry([plain], isolation)).toEqual([isolation, plain]);
  });

  it('leaves the list it was given alone', () => {
    const before = [refusal];

    putEntry(before, isolation);

    expect(before).toEqual([refusal]);
  });
});

describe('the time of an event', () => {
  it.each([
    ['now, when it was not noted', [], noon, noon],
    ['now, when something else was', [{ time: noon - minute, what: 'else' }], noon, noon],
    ['when a run noted it within the hour', [{ time: noon - hour + 1, what: 'it' }], noon, noon - hour + 1],
    ['now, when it was noted an hour ago', [{ time: noon - hour, what: 'it' }], noon, noon],
    ['now, when it was noted for an hour from now', [{ time: noon + hour, what: 'it' }], noon, noon],
    [
      'now, when an action has the same words',
      [{ time: noon - minute, what: 'it', action: { id: 'a', status: 'Pending' } }],
      noon,
      noon,
    ],
  ])('is %s', (_, noted, now, time) => {
    expect(timeOfEvent(noted, 'it', now)).toBe(time);
  });
});

it('gives every action the state that Defender records', () => {
  const unknown = { ...isolation, action: { id: 'unknown', status: 'Pending' } };
  const record = [
    buildAction({ id: isolation.action?.id ?? '', status: 'Failed' }),
    buildAction({ id: 'else' }),
  ];

  expect(
    syncEntries(
      [isolation, refusal, unknown],
      record.map(({ id, status }) => ({ id, status })),
    ),
  ).toEqual([{ ...isolation, action: { id: isolation.action?.id, status: 'Failed' } }, refusal, unknown]);
});

describe('the words on how a machine was matched', () => {
  const named = facts.map((line) => line.replace('0e23', '0e23, platform `Windows11`'));
  const byId = named.map((line) => line.replace(/by address.*/u, 'by its id: tag'));

  it('stay while the note is about the same machine', () => {
    expect(keepMatch(byId, named, '0e23')).toEqual(named);
  });

  it.each<[string, string[]]>([
    ['another machine', named.map((line) => line.replace('id 0e23', 'id 0e24'))],
    ['a machine whose id is longer', named.map((line) => line.replace('id 0e23', 'id 0e2345'))],
    ['no machine', []],
    ['a machine that was not matched', named.slice(0, 1)],
    ['nobody, though it says how', named.slice(1)],
  ])('are new when the note was about %s', (_, earlier) => {
    expect(keepMatch(byId, earlier, '0e23')).toEqual(byId);
  });

  it('are not made up where there are none', () => {
    const lines = factLines({ machine: '`laptop-7`, id 0e23, x' });

    expect(keepMatch(lines, named, '0e23')).toEqual(lines);
  });
});

it('notes the refusal of a run that was killed only once', () => {
  const { entry } = refused('isolate', 'block', 'isolation.never.names "dc*" protects dc01', noon);
  const what = entry?.what ?? '';
  const first = renderNote({ facts, entries: putEntry([], { time: noon, what }), theirs: '' }) ?? '';
  const { entries } = parseNote(first);

  expect(timeOfEvent(entries, what, noon + 5 * minute)).toBe(noon);
  expect(putEntry(entries, { time: noon + 5 * minute, what })).toEqual(entries);
});

it.each<[string, string, string, boolean]>([
  ['they are', text, text, true],
  ['one has the line ends of Windows', text, text.replaceAll('\n', '\r\n'), true],
  ['one has blanks around it', text, ` ${text}\n\n`, true],
  ['one is escaped', text, escaped(text), true],
  ['a word is another', text, text.replace('Pending', 'Failed'), false],
  ['people added a line', text, `${text}\nx`, false],
  ['a line is missing', text, text.replace('**Actions**\n', ''), false],
])('tells whether notes are the same: %s', (_, one, other, same) => {
  expect(sameNote(one, other)).toBe(same);
  expect(sameNote(other, one)).toBe(same);
});
