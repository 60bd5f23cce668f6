import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What an editor shows beside each key of the configuration. The README has more. */
const descriptions = {
  $schema: 'Where editors find this schema; the program does not read it',
  detect: 'The brain',
  'detect.url': 'Base URL of Detect, such as https://detect.example.com',
  'detect.token': 'API token (in Detect: My Profile, API token)',
  'detect.tokenFile': 'File that holds the API token',
  'detect.clientId': 'Id of an API client, in place of a token (Detect 9.1 or newer)',
  'detect.clientSecret': 'Secret of the API client',
  'detect.clientSecretFile': 'File that holds the secret of the API client',
  'detect.apiVersion': 'Version of the API of Detect',
  'detect.caFile': 'PEM file of the CA that signed the certificate of Detect',
  'detect.fingerprint256': 'SHA-256 fingerprint of the one certificate that is accepted',
  'detect.insecure': 'Accept any certificate of Detect',
  atp: 'Microsoft Defender for Endpoint and its login',
  'atp.tenantId': 'Directory (tenant) id: a GUID or a domain name',
  'atp.appId': 'Application (client) id',
  'atp.appSecret': 'Client secret: its value, not its id',
  'atp.appSecretFile': 'File that holds the client secret',
  'atp.certificateFile': 'PEM file of the certificate, in place of a client secret',
  'atp.privateKeyFile': 'PEM file of the RSA key of the certificate',
  'atp.privateKeyPassphrase': 'Passphrase of the key',
  'atp.privateKeyPassphraseFile': 'File that holds the passphrase of the key',
  'atp.federatedTokenFile': 'File with the token of a workload identity, in place of a client secret',
  'atp.cloud': 'Sets the four addresses below together',
  'atp.apiUrl': 'Address of the API, such as that of a region',
  'atp.loginUrl': 'Address of the login service',
  'atp.audience': 'Resource that tokens are asked for',
  'atp.portalUrl': 'Address of the Defender portal, for links in notes',
  'atp.caFile': "PEM file of a further CA for Microsoft's side",
  isolation: 'How machines are isolated, and which never are',
  'isolation.type': 'Full, or Selective, which leaves Outlook and Teams connected',
  'isolation.maxPerRun': 'Most machines that one run may isolate; one more, and it isolates none',
  'isolation.match': 'How sure a machine found by its address must be the right one',
  'isolation.endsAfterDays': 'Days after which Defender lifts an isolation by itself; 0: never',
  'isolation.never': 'Machines that are never isolated; * and ? stand for any text and any character',
  'isolation.never.names': 'Names of the host or the machine, in full or up to the first dot',
  'isolation.never.ips': 'Addresses and ranges, such as 10.0.0.0/8',
  'isolation.never.tags': 'Tags of the host in Detect',
  'isolation.never.groups': 'Groups of the host in Detect',
  'isolation.never.osPlatforms': 'Operating systems in Defender, such as WindowsServer*',
  'isolation.never.machineTags': 'Tags of the machine in Defender',
  enrich: 'How often hosts are enriched',
  'enrich.maxAgeMinutes': 'A host of --tc whose context is younger than this is skipped',
  http: 'The network',
  'http.timeoutSeconds': 'Most seconds for one request',
  'http.proxy': 'Forward proxy, such as http://proxy.example.com:3128',
  'http.noProxy': 'Hosts that the proxy is not for, separated by commas',
  runTimeoutMinutes: 'No new host is begun after this many minutes',
  cacheDir: 'Directory for what may be lost at any time',
};

/** The JSON Schema of the configuration file, made of the schema that the program reads it with. */
export async function configSchema() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: {
      contents:
        "export { toJSONSchema } from 'zod/mini'; export { ConfigFile, knownKeys } from './src/config/schema.ts';",
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  const { toJSONSchema, ConfigFile, knownKeys } = await import(`data:text/javascript;base64,${code}`);

  const missing = knownKeys.filter((key) => !Object.hasOwn(descriptions, key));
  if (missing.length > 0) throw new Error(`.config/schema.js describes nothing of ${missing.join(', ')}`);
  const schema = toJSONSchema(ConfigFile, { target: 'draft-07', io: 'input' });
  for (const [key, description] of Object.entries(descriptions))
    describe(schema, key.split('.'), description);
  return `${JSON.stringify({ title: 'Configuration of atp', ...schema }, null, 2)}\n`;
}

/** @param {any} schema @param {string[]} path @param {string} description */
function describe(schema, [name, ...rest], description) {
  const property = schema.properties?.[name];
  if (property === undefined) throw new Error(`.config/schema.js describes ${name}, which is no key`);
  if (rest.length > 0) describe(property, rest, description);
  else schema.properties[name] = { description, ...property };
}
