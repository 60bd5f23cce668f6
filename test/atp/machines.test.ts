import { describe, expect, it } from 'vitest';
import { collect } from '../detect/rig.ts';
import { apiErrorOf } from '../http/rig.ts';
import { json, text, type Answer } from '../http/server.ts';
import { asAction, asEnrichment, machineId, startDefender } from './rig.ts';

const at = Date.UTC(2026, 10, 24, 10, 0, 7, 640);
const path = "/api/machines/findbyip(ip='10.1.2.3',timestamp=2026-11-24T10:00:07Z)";

/** A record as Elastic's integration published it, with what the program uses and some of the rest. */
const record = {
  id: machineId.toUpperCase(),
  mergedIntoMachineId: null,
  isPotentialDuplication: false,
  isExcluded: false,
  exclusionReason: null,
  computerDnsName: 'c-lab-08',
  firstSeen: '2024-11-05T11:54:59.5717001Z',
  lastSeen: '2025-04-02T02:51:16.2059102Z',
  osPlatform: 'Windows10',
  osVersion: null,
  osBuild: 19045,
  lastIpAddress: '81.2.69.144',
  healthStatus: 'Active',
  rbacGroupId: 0,
  riskScore: 'None',
  exposureLevel: 'Low',
  machineTags: ['finance'],
  onboardingStatus: 'Onboarded',
  ipAddresses: [
    { ipAddress: '67.43.156.0', macAddress: '00005E0053FF', type: 'Ethernet', operationalStatus: 'Up' },
    { ipAddress: '', macAddress: null, type: 'Other', operationalStatus: 'Down' },
  ],
  vmMetadata: null,
};
const machine = {
  id: machineId,
  computerDnsName: 'c-lab-08',
  osPlatform: 'Windows10',
  healthStatus: 'Active',
  riskScore: 'None',
  exposureLevel: 'Low',
  lastSeen: Date.UTC(2025, 3, 2, 2, 51, 16, 205),
  lastIpAddress: '81.2.69.144',
  onboardingStatus: 'Onboarded',
  mergedIntoMachineId: undefined,
  isExcluded: false,
  machineTags: ['finance'],
  ipAddresses: [
    { ipAddress: '67.43.156.0', macAddress: '00005E0053FF' },
    { ipAddress: '', macAddress: undefined },
  ],
};
const bare = {
  id: machineId,
  computerDnsName: undefined,
  osPlatform: undefined,
  healthStatus: undefined,
  riskScore: undefined,
  exposureLevel: undefined,
  lastSeen: undefined,
  lastIpAddress: undefined,
  onboardingStatus: undefined,
  mergedIntoMachineId: undefined,
  isExcluded: false,
  machineTags: undefined,
  ipAddresses: undefined,
};

function list(value: unknown[], link?: string): Answer {
  return json({ '@odata.context': 'https://x/api/$metadata#Machines', value, '@odata.nextLink': link });
}

const badRequest = (date: number, message = 'Bad timestamp') =>
  json({ error: { code: 'BadRequest', message, target: 'x' } }, 400, { Date: new Date(date).toUTCString() });

describe('findByIp', () => {
  it('asks for whole seconds in UTC, untouched on its way', async () => {
    const { atp, received, quotas } = await startDefender(list([record]));

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toEqual([machine]);
    expect(received).toMatchObject([
      { method: 'GET', url: path, headers: { authorization: 'Bearer token-1' } },
    ]);
    expect(quotas).toEqual(['findbyip action']);
  });

  it.each([
    ['fe80::1%eth0', 'fe80::1%25eth0'],
    ["10.1.2.3')/x", '10.1.2.3%27%27)%2Fx'],
  ])('lets nothing of the address %s out of its quotes', async (ip, encoded) => {
    const { atp, received } = await startDefender(list([]));

    await atp.findByIp(ip, at, asEnrichment);

    expect(received[0]?.url).toBe(`/api/machines/findbyip(ip='${encoded}',timestamp=2026-11-24T10:00:07Z)`);
  });

  it('takes missing, null and mistyped fields for absent', async () => {
    const odd = Object.fromEntries(Object.keys(record).map((key) => [key, { odd: true }]));
    const { atp } = await startDefender(
      list([
        { ...odd, id: machineId },
        {
          id: machineId,
          ...Object.fromEntries(
            Object.keys(record)
              .slice(1)
              .map((key) => [key, null]),
          ),
        },
        { id: machineId, onboardingstatus: 'onboarded', mergedIntoMachineId: '', isExcluded: true },
        { id: machineId, machineTags: ['x', 7], ipAddresses: [{ ipAddress: 7 }], mergedIntoMachineId: 'ABC' },
      ]),
    );

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toEqual([
      bare,
      bare,
      { ...bare, onboardingStatus: 'onboarded', isExcluded: true },
      { ...bare, mergedIntoMachineId: 'abc' },
    ]);
  });

  it.each<[string, unknown]>([
    ['without id', {}],
    ['with a short id', { id: 'abc' }],
    ['with an id that is no text', { id: 7 }],
    ['that is null', null],
  ])('does not make the only machine of two when the other is a record %s', async (_name, other) => {
    const { atp } = await startDefender(list([record, other]));

    expect((await apiErrorOf(atp.findByIp('10.1.2.3', at, asAction))).message).toBe(
      `Defender's answer to GET ${path} cannot be read (expected a machine with an id of 40 digits)`,
    );
  });

  it.each<[string, Answer]>([
    ['a machine', json(record)],
    ['a list under another name', json({ values: [] })],
    ['nothing', text('')],
  ])('does not take %s for no machine', async (_name, answer) => {
    const { atp } = await startDefender(answer);

    expect((await apiErrorOf(atp.findByIp('10.1.2.3', at, asAction))).message).toBe(
      `Defender's answer to GET ${path} cannot be read (expected a list in "value")`,
    );
  });

  it('asks again for an answer of another shape', async () => {
    const { atp, received } = await startDefender([json({ values: [] }), text(''), list([record])]);

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toEqual([machine]);
    expect(received).toHaveLength(3);
  });

  it('does not choose among more than 1,000 machines', async () => {
    const many = Array.from({ length: 1_001 }, (_, index) => ({ id: index.toString(16).padStart(40, '0') }));
    const fewer = await startDefender(list(many.slice(1)));
    const { atp } = await startDefender(list(many));

    expect(await fewer.atp.findByIp('10.1.2.3', at, asAction)).toHaveLength(1_000);
    expect((await apiErrorOf(atp.findByIp('10.1.2.3', at, asAction))).message).toBe(
      `Defender's answer to GET ${path} cannot be read (expected a list of at most 1000 members)`,
    );
  });

  it('takes 404 for no machine', async () => {
    const { atp } = await startDefender(json({ error: { code: 'NotFound' } }, 404));

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toEqual([]);
  });

  it('asks for the time of Defender when it finds the time in the future', async () => {
    const now = Date.UTC(2026, 10, 24, 9, 58, 1);
    const { atp, received } = await startDefender([badRequest(now), list([record])]);

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toEqual([machine]);
    expect(received.map(({ url }) => url)).toEqual([
      path,
      "/api/machines/findbyip(ip='10.1.2.3',timestamp=2026-11-24T09:58:01Z)",
    ]);
  });

  it('asks for the time of Defender only once', async () => {
    const { atp, received } = await startDefender(badRequest(at - 60_000));

    expect((await apiErrorOf(atp.findByIp('10.1.2.3', at, asAction))).status).toBe(400);
    expect(received).toHaveLength(2);
  });

  it('calls a time stale that Defender finds older than 30 days', async () => {
    const { atp, received } = await startDefender(badRequest(at + 30 * 86_400_000 + 1000));

    expect(await atp.findByIp('10.1.2.3', at, asAction)).toBe('stale');
    expect(received).toHaveLength(1);
  });

  it.each<[string, Answer]>([
    ['with a time that is neither', badRequest(at + 86_400_000)],
    [
      'without its time',
      (response) => {
        response.sendDate = false;
        response.writeHead(400).end('{"error":{"code":"BadRequest","message":"Bad timestamp","target":"x"}}');
      },
    ],
  ])('passes a refusal %s on', async (_name, answer) => {
    const { atp, received } = await startDefender(answer);

    expect((await apiErrorOf(atp.findByIp('10.1.2.3', at, asAction))).message).toBe(
      `Defender answered 400 to GET ${path} (BadRequest: Bad timestamp) (request id x)`,
    );
    expect(received).toHaveLength(1);
  });
});

describe('getMachine', () => {
  it('reads a record', async () => {
    const { atp, received, quotas } = await startDefender(json(record));

    expect(await atp.getMachine(machineId, asEnrichment)).toEqual(machine);
    expect(received[0]?.url).toBe(`/api/machines/${machineId}`);
    expect(quotas).toEqual(['machine enrichment']);
  });

  it('takes 404 for none', async () => {
    const { atp } = await startDefender(json({ error: { code: 'ResourceNotFound' } }, 404));

    expect(await atp.getMachine(machineId, asEnrichment)).toBeUndefined();
  });

  it.each<[string, Answer, string]>([
    ['another machine', json({ ...record, id: 'f'.repeat(40) }), `machine ${machineId}`],
    ['a record without id', json({ ...record, id: null }), 'a machine with an id of 40 digits'],
    ['nothing', text(''), 'a machine with an id of 40 digits'],
  ])('does not go by %s', async (_name, answer, expected) => {
    const { atp } = await startDefender(answer);

    expect((await apiErrorOf(atp.getMachine(machineId, asEnrichment))).message).toBe(
      `Defender's answer to GET /api/machines/${machineId} cannot be read (expected ${expected})`,
    );
  });
});

it('does not read more than 1 MiB of one machine', async () => {
  const { atp } = await startDefender(json({ ...record, osVersion: 'x'.repeat(2 ** 20) }));

  expect((await apiErrorOf(atp.getMachine(machineId, asAction))).message).toBe(
    `Defender's answer to GET /api/machines/${machineId} cannot be read (the answer is larger than 1 MiB)`,
  );
});

describe('listMachines', () => {
  it('reads a page, and tells where the records are that are of no use', async () => {
    const lost = { id: 'x', lastIpAddress: '10.0.0.9', ipAddresses: [{ ipAddress: 'fe80::1' }] };
    const { atp, received, quotas } = await startDefender(list([record, {}, lost]));

    expect(await collect(atp.listMachines(asEnrichment))).toEqual([
      {
        machines: [machine],
        unusable: [{}, { lastIpAddress: '10.0.0.9', ipAddresses: [{ ipAddress: 'fe80::1' }] }],
        isLast: true,
      },
    ]);
    expect(received[0]?.url).toBe('/api/machines?$top=10000');
    expect(quotas).toEqual(['machines enrichment']);
  });

  it.each<[string, string | undefined, number, number | undefined]>([
    ['a full page', undefined, 10_000, 10_000],
    ['a short page', undefined, 9_999, undefined],
    ['a short page with a link', 'https://api-us3.example/api/machines?$top=10000&$skip=12000', 3, 12_000],
    ['a link that skips nothing', 'https://api-us3.example/api/machines?$skip=0', 3, 3],
    ['an empty page with a link', 'https://api-us3.example/api/machines?$skip=12000', 0, undefined],
  ])('goes on after %s', async (_name, link, size, skip) => {
    const { atp, received } = await startDefender([
      list(Array(size).fill({ id: machineId }), link),
      list([]),
    ]);

    const listed = await collect(atp.listMachines(asEnrichment));

    expect(received.map(({ url }) => url)).toEqual([
      '/api/machines?$top=10000',
      ...(skip === undefined ? [] : [`/api/machines?$top=10000&$skip=${skip}`]),
    ]);
    expect(listed.map(({ isLast }) => isLast)).toEqual(skip === undefined ? [true] : [false, true]);
  });

  it('asks for no page that nobody wants', async () => {
    const { atp, received } = await startDefender(list([record], '?$skip=1'));

    for await (const page of atp.listMachines(asEnrichment)) {
      expect(page.isLast).toBe(false);
      break;
    }

    expect(received).toHaveLength(1);
  });

  it('takes 404 for an empty inventory', async () => {
    const { atp } = await startDefender(json({ error: { code: 'ResourceNotFound' } }, 404));

    expect(await collect(atp.listMachines(asEnrichment))).toEqual([]);
  });

  it('does not read a page of more than Defender gives', async () => {
    const { atp } = await startDefender(list(Array<unknown>(10_001).fill(1)));

    expect((await apiErrorOf(collect(atp.listMachines(asEnrichment)))).message).toBe(
      "Defender's answer to GET /api/machines cannot be read (expected at most 10000 members on a page)",
    );
  });
});
