import { expect, test } from 'vitest'
import { compileAccess } from '../../../broker/access/access.ts'
import { compilePolicy } from '../../../broker/access/policy.ts'
import { upstream } from '../../support/upstream.ts'

const ehr = upstream()
const policy = compilePolicy(
  'generation',
  new Map([['billing', { grants: [{ upstream: 'ehr', scopes: ['system/Patient.read'] }] }]]),
  new Map([['ehr', ehr]]),
  compileAccess('https://broker.example.com', new Map()),
)

test('a service has its own grants', () => {
  expect(policy.grantsOf('billing')).toEqual([{ upstream: ehr, scopes: ['system/Patient.read'] }])
})

test.each(['nobody', '__proto__', 'constructor'])('%s, who is no service, has nothing', name => {
  expect(policy.grantsOf(name)).toEqual([])
})
