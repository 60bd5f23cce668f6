import { describe, expect, it } from 'vitest';
import { apiErrorOf } from '../http/rig.ts';
import { json, text, type Answer } from '../http/server.ts';
import { asEnrichment, machineId, startDefender } from './rig.ts';

const record = {
  id: 'da637472900382838869_1364969609',
  severity: 'Low',
  status: 'New',
  alertCreationTime: '2021-01-26T20:33:57.7220239Z',
  machineId: machineId.toUpperCase(),
};
const alert = {
  severity: 'Low',
  status: 'New',
  createdAt: Date.UTC(2021, 0, 26, 20, 33, 57, 722),
  machineId,
};
const forbidden = json({ error: { code: 'Forbidden', message: 'The application does not …' } }, 403);

function list(value: unknown[]): Answer {
  return json({ value });
}

describe('listAlerts', () => {
  it('reads the alerts of a machine, whatever is missing from them', async () => {
    const { atp, received, quotas } = await startDefender(
      list([record, record, { id: 'x', severity: null, status: 7, alertCreationTime: 'soon' }, null]),
    );

    expect(await atp.listAlerts(machineId, asEnrichment)).toEqual([
      alert,
      { severity: undefined, status: undefined, createdAt: undefined, machineId: undefined },
    ]);
    expect(received.map(({ url }) => url)).toEqual([`/api/machines/${machineId}/alerts`]);
    expect(quotas).toEqual(['alerts enrichment']);
  });

  it("takes Defender's own 404 for none", async () => {
    const { atp } = await startDefender(json({ error: { code: 'ResourceNotFound' } }, 404));

    expect(await atp.listAlerts(machineId, asEnrichment)).toEqual([]);
  });

  it.each<[string, Answer]>([
    ['the permission', forbidden],
    ['the feature', json({ error: { code: 'DisabledFeature' } }, 403)],
  ])('says unknown without %s, and asks no more in this run', async (_name, answer) => {
    const { atp, received } = await startDefender(answer);

    expect(await atp.listAlerts(machineId, asEnrichment)).toBe('unknown');
    expect(await atp.listAlerts(machineId, asEnrichment)).toBe('unknown');
    expect(await atp.listAlertsSince(0, asEnrichment)).toBe('unknown');
    expect(received).toHaveLength(1);
  });

  it('tries a fresh token first, when that of an earlier run is forbidden', async () => {
    const { atp, received } = await startDefender([forbidden, list([record])], { isTokenCached: true });

    expect(await atp.listAlerts(machineId, asEnrichment)).toEqual([alert]);
    expect(received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
    ]);
  });

  it('fails when Defender does', async () => {
    const { atp } = await startDefender(text('', 500));

    expect((await apiErrorOf(atp.listAlerts(machineId, asEnrichment))).status).toBe(500);
  });
});

describe('listAlertsSince', () => {
  it('asks for the alerts of all machines', async () => {
    const { atp, received, quotas } = await startDefender(list([record]));

    expect(await atp.listAlertsSince(Date.UTC(2026, 9, 25), asEnrichment)).toEqual([alert]);
    expect(received.map(({ url }) => url)).toEqual([
      '/api/alerts?$filter=alertCreationTime%20ge%202026-10-25T00%3A00%3A00Z&$top=10000',
    ]);
    expect(quotas).toEqual(['alertlist enrichment']);
  });
});
