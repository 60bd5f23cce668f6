import { describe, expect, it } from 'vitest';
import { loginRefusal } from '../../src/atp/login-hints.ts';
import type { Credential } from '../../src/config/credential.ts';
import { ApiError } from '../../src/errors.ts';

function hintFor(code: string, kind: Credential['kind'] = 'certificate'): string | undefined {
  const error = new ApiError({
    service: 'login',
    method: 'POST',
    path: '/tenant/oauth2/v2.0/token',
    failure: 'status',
    status: 400,
    serviceMessage: `AADSTS${code}: words that may change`,
    notDone: true,
  });
  return loginRefusal(error, kind, []).hint;
}

describe('the hint for a refusal', () => {
  it.each([
    ['7000215', "The client secret is wrong. Often the secret's id was copied in place of its value"],
    ['7000222', 'The client secret has expired'],
    ['7000218', 'No credential arrived at the login service'],
    ['70002', 'The client secret does not belong to the application'],
    ['700016', 'The tenant does not know the application'],
    ['70001', 'The application is unknown in this tenant or disabled'],
    ['7000112', 'The application is disabled'],
    ['90002', 'There is no such tenant'],
    ['90038', 'The tenant lives in another national cloud'],
    ['900382', 'The tenant lives in another national cloud'],
    ['900432', 'The tenant lives in another national cloud'],
    ['700027', 'Entra ID cannot verify the signature'],
    ['50027', 'Entra ID cannot make sense of the signed token'],
    ['50013', 'The signed token was refused'],
    ['500133', 'The assertion was not valid at the time it arrived'],
    ['700024', 'The assertion was not valid at the time it arrived'],
    ['70011', 'The scope is not valid'],
    ['28002', 'The scope is not one that the application may ask for'],
    ['500011', 'Defender for Endpoint is not set up in this tenant'],
    ['50001', 'The tenant does not know what the token is for'],
    ['650052', 'The organisation has not subscribed to Defender for Endpoint'],
    ['700025', 'The application is a public client'],
    ['70021', 'No federated credential of the application matches the token'],
    ['700211', 'No federated credential of the application names the issuer'],
    ['700212', 'No federated credential of the application names the audience'],
    ['700213', 'No federated credential of the application names the subject'],
    ['700229', 'The token in atp.federatedTokenFile is not of a kind'],
    ['7000229', 'The tenant has no enterprise application for atp.appId'],
    ['53003', 'A Conditional Access policy for workload identities blocks the application'],
    ['4711', 'Microsoft explains the number at https://login.microsoftonline.com/error?code=4711.'],
  ])('AADSTS%s says: %s', (code, beginning) => {
    expect(hintFor(code)?.slice(0, beginning.length)).toBe(beginning);
  });

  it('AADSTS7000229 says what makes the enterprise application', () => {
    expect(hintFor('7000229')).toBe(
      'The tenant has no enterprise application for atp.appId: grant admin consent in its app registration (API permissions), which makes it, and check atp.tenantId.',
    );
  });

  it('AADSTS53003 says who can let the application in', () => {
    expect(hintFor('53003')).toBe(
      'A Conditional Access policy for workload identities blocks the application, by the address of this machine or by its risk: an administrator finds the policy in the sign-in log (service principal sign-ins) and can exclude the application or allow the address.',
    );
  });

  it.each(['500133', '700024'])('AADSTS%s blames the file of a federated token', (code) => {
    expect(hintFor(code, 'federated')).toBe(
      'The token in atp.federatedTokenFile has expired or is not valid yet: see that its issuer renews the file. ' +
        'Check the clock of this machine (timedatectl), and that it is synchronised.',
    );
  });
});
