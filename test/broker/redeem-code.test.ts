import { expect, test } from 'vitest'
import type { AuditRecord } from '../../broker/audit.ts'
import { asBrokerError, BrokerError } from '../../broker/errors.ts'
import { redeemCode } from '../../broker/redeem-code.ts'
import { movedClock } from '../support/clock.ts'
import { connection } from '../support/launch-target.ts'

function redeem(form: Record<string, string>, known = 'CODE') {
  const records: AuditRecord[] = []
  const request = {
    ...{ id: 'r', address: '::1', authorization: undefined, certificate: () => null, fault: null },
    form: new Map(Object.entries(form)),
  }
  const work = redeemCode(request, {
    policy: () => ({ generation: 'g' }) as never,
    authenticate: async () => ({
      service: 'scheduling',
      method: 'client_secret_post',
      proves: null,
    }),
    recognised: () => {},
    ...{ claimedId: () => null, admit: () => () => {}, clock: movedClock().clock },
    audit: { record: async record => void records.push(record), close: async () => {} },
    redeem: async code => {
      if (code !== known) throw new BrokerError('connection_code_unknown')
      return { handle: 'HANDLE', connection: connection() }
    },
  })
  return work.then(
    given => ({ given, records }),
    error => ({ given: asBrokerError(error).code, records }),
  )
}

test('a code is answered with the handle and where it is good, and the record has neither', async () => {
  const { given, records } = await redeem({ code: 'CODE' })
  expect(given).toMatchObject({
    ...{ connection: 'HANDLE', upstream: 'ehr', resource: 'https://ehr.example.com/FHIR/R4' },
    ...{ context: { patient: 'p1' }, fhir_user: null },
  })
  expect(records).toMatchObject([{ decision: 'granted', connection: connection().id }])
  expect(JSON.stringify(records)).not.toMatch(/HANDLE|CODE/)
})

test.each([
  [{}, 'connection_code_missing'],
  [{ code: 'OTHER' }, 'connection_code_unknown'],
])('%j is refused', async (form, code) => {
  const { given, records } = await redeem(form)
  expect([given, records.map(each => each.code)]).toEqual([code, [code]])
})
