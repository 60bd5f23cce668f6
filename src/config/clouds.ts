/** Where one of Microsoft's clouds has what the program needs. Addresses are without a slash at the end. */
interface Cloud {
  apiUrl: string;
  loginUrl: string;
  /** The resource that tokens are for. */
  audience: string;
  portalUrl: string;
}

const securitycenter = 'https://api.securitycenter.microsoft.com';

/**
 * The clouds of Defender for Endpoint, after MicrosoftDocs defender-docs: exposed-apis-list and gov ("API" and "Portal
 * URLs"). In the commercial cloud the audience differs from the address of the API: tokens for api.security.microsoft.com
 * are for another service.
 */
export const clouds = {
  commercial: {
    apiUrl: 'https://api.security.microsoft.com',
    loginUrl: 'https://login.microsoftonline.com',
    audience: securitycenter,
    portalUrl: 'https://security.microsoft.com',
  },
  gcc: {
    apiUrl: 'https://api-gcc.securitycenter.microsoft.us',
    loginUrl: 'https://login.microsoftonline.com',
    audience: 'https://api-gcc.securitycenter.microsoft.us',
    portalUrl: 'https://security.microsoft.com',
  },
  'gcc-high': {
    apiUrl: 'https://api-gov.securitycenter.microsoft.us',
    loginUrl: 'https://login.microsoftonline.us',
    audience: 'https://api-gov.securitycenter.microsoft.us',
    portalUrl: 'https://security.microsoft.us',
  },
  dod: {
    apiUrl: 'https://api-gov.securitycenter.microsoft.us',
    loginUrl: 'https://login.microsoftonline.us',
    audience: 'https://api-gov.securitycenter.microsoft.us',
    portalUrl: 'https://security.apps.mil',
  },
} as const satisfies Record<string, Cloud>;
