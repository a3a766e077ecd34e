import { expect, test } from 'vitest'
import { compileAccess } from '../../broker/access/access.ts'
import { compilePolicy } from '../../broker/access/policy.ts'
import { openRecord, orderRecord } from '../../broker/audit-record.ts'
import { movedClock } from '../support/clock.ts'

test('a record that nobody finishes is a refusal, with who, when, and under which config', () => {
  const policy = compilePolicy('generation', new Map(), new Map(), compileAccess('', new Map()))
  const request = { id: 'r1', address: '192.0.2.1' }
  expect(openRecord('report', request, 'claimed', policy, movedClock().clock)).toMatchObject({
    ...{ action: 'report', decision: 'refused', request: 'r1', address: '192.0.2.1' },
    ...{ claimed: 'claimed', config: 'generation', time: '2026-11-25T00:00:00.000Z' },
    ...{ service: null, upstream: null, granted: null, reported: null },
  })
})

test.each([
  ['granted', null],
  ['refused', 'key_unknown'],
])('an order that was %s says so, with no service and no token', (decision, code) => {
  const order = { environment: 'nonprod', kid: 'k', alg: null, reason: 'lost' }
  const told = { action: 'revoke', code, address: 'unix', order } as const
  const record = orderRecord(told, 'r1', { generation: 'g' }, movedClock().clock)
  expect(record).toMatchObject({
    ...{ action: 'revoke', decision, code, order, request: 'r1', address: 'unix', config: 'g' },
    ...{ time: '2026-11-25T00:00:00.000Z', service: null, upstream: null, granted: null },
  })
})
