/** What a person asks for by a block or an unblock tag, in the words of the flags, of Detect, of Defender and of a sentence. */
export const kinds = {
  isolate: {
    flag: '--blocktag',
    word: 'block',
    noun: 'isolation',
    past: 'isolated',
    type: 'Isolate',
    opposite: 'release',
  },
  release: {
    flag: '--unblocktag',
    word: 'unblock',
    noun: 'release',
    past: 'released',
    type: 'Unisolate',
    opposite: 'isolate',
  },
} as const;

export type RequestKind = keyof typeof kinds;

export const requestKinds = ['isolate', 'release'] as const satisfies readonly RequestKind[];
