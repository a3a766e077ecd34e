import { expect, test } from 'vitest'
import { compileAccess } from '../../../broker/access/access.ts'
import { compilePolicy } from '../../../broker/access/policy.ts'
import { upstream } from '../../support/upstream.ts'

const ehr = upstream()
const NOBODY = compileAccess('https://broker.example.com', new Map())

const policy = compilePolicy(
  'generation',
  new Map([
    [
      'billing',
      {
        mode: 'enforce',
        grants: [{ upstream: 'ehr', scopes: ['system/Patient.read'], lines: [0] }],
      },
    ],
  ]),
  new Map([['ehr', ehr]]),
  NOBODY,
)

test('a service has its own grants', () => {
  expect(policy.grantsOf('billing')).toEqual([
    { upstream: ehr, scopes: ['system/Patient.read'], mode: 'enforce' },
  ])
})

test('a grant at what is switched off is kept apart, and the upstream is known', () => {
  const off = { id: 'off', fhirBase: 'https://off.example.com', reason: 'contract ended' }
  const grants = [{ upstream: 'off', scopes: ['system/Patient.read'], lines: [0] }]
  const { grantsOf, disabledOf, upstreams } = compilePolicy(
    'generation',
    new Map([['billing', { mode: 'enforce', grants }]]),
    new Map([['ehr', ehr]]),
    NOBODY,
    new Map([['off', off]]),
  )
  expect([grantsOf('billing'), disabledOf('billing')]).toEqual([[], [off]])
  expect(disabledOf('constructor')).toEqual([])
  expect(upstreams).toEqual([ehr, off])
})

test.each(['nobody', '__proto__', 'constructor'])('%s, who is no service, has nothing', name => {
  expect(policy.grantsOf(name)).toEqual([])
})
