import { expect, test } from 'vitest'
import type { AuditRecord } from '../../../broker/audit.ts'
import { failed, NO_PAST, pastOf, readPast, worked } from '../../../broker/diagnosis/past.ts'

const record = (seconds: number, parts: Partial<AuditRecord>): AuditRecord => ({
  ...{
    time: new Date(seconds * 1000).toISOString(),
    request: 'r',
    action: 'token',
    decision: 'refused',
  },
  ...{
    code: null,
    tolerated: null,
    service: 's',
    claimed: 's',
    method: 'm',
    address: '::1',
    upstream: 'ehr',
  },
  ...{ asked: { audience: null, resource: null, scope: null, minimum_ttl: 0 }, granted: null },
  ...{ connection: null, reported: null, order: null, config: 'c' },
  ...parts,
})

const granted = (source: string, kid = 'kid') => ({
  granted: { scope: 's', expires_in: 1, token_sha256: 'x', kid, source },
})

test('a record of decisions tells what worked last, with which key, and what failed since', () => {
  const past = readPast([
    record(10, { code: 'upstream_invalid_client' }),
    record(20, granted('upstream', 'one')),
    record(30, granted('upstream', 'two')),
    record(40, granted('cache', 'one')),
    record(50, { code: 'upstream_timeout' }),
    record(60, { code: 'upstream_invalid_client' }),
    record(70, { code: 'scope_not_granted' }),
  ]).get('ehr')
  expect(past).toEqual({
    ...{ lastSuccess: 30_000, acceptedKid: 'two', firstTry: 10_000 },
    failures: 2,
  })
})

test('what is no call to an EHR says nothing of one', () => {
  const records = [record(1, { upstream: null }), record(2, { code: 'audit_failed' })]
  expect(readPast(records).size).toBe(0)
})

test('moments become seconds before now, and never after', () => {
  const past = failed(worked(NO_PAST, 5_000, 'kid'), 6_000)
  expect(pastOf(past, 10_000)).toEqual({ worked: 5, kid: 'kid', tried: 5, failures: 1 })
  expect(pastOf(past, 0)).toMatchObject({ worked: 0, tried: 0 })
  expect(pastOf(NO_PAST, 0)).toEqual({ worked: null, kid: null, tried: null, failures: 0 })
})
