import type { TokenSource } from '../http/token.ts';

/** What lets the calls into Detect. */
export interface DetectAccess {
  /** What refusals call it, and what a person does about them. */
  words: { name: string; owner: string; afterRefusal: string; giveRight: string };
  /** Value of the Authorization header. */
  header: () => Promise<string>;
  /** Told of a header that Detect refused; true when there may be another. */
  refused: (header: string) => Promise<boolean>;
}

/** Access with the personal token of a user. */
export function tokenAccess(token: string): DetectAccess {
  return {
    words: {
      name: 'the API token',
      owner: 'the owner of the API token',
      afterRefusal:
        'Copy the token anew from My Profile → API token in Detect to detect.token, detect.tokenFile or $ATP_DETECT_TOKEN.',
      giveRight: 'Give the user whose token it is a role',
    },
    header: () => Promise.resolve(`Token ${token}`),
    refused: () => Promise.resolve(false),
  };
}

/** Access with the access tokens of an API client. */
export function clientAccess(tokens: TokenSource): DetectAccess {
  return {
    words: {
      name: 'a new access token of the API client',
      owner: 'the API client',
      afterRefusal:
        'Look in Detect, Manage → API Clients, whether the client of detect.clientId is still there.',
      giveRight: 'Give the API client (Manage → API Clients) a role',
    },
    header: async () => `Bearer ${await tokens.get()}`,
    async refused(header) {
      await tokens.drop(header.replace(/^Bearer /u, ''));
      return true;
    },
  };
}
