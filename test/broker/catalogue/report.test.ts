import { describe, expect, test } from 'vitest'
import type { Plan } from '../../../broker/catalogue/import.ts'
import type { Step } from '../../../broker/catalogue/plan.ts'
import { planJson, planReport } from '../../../broker/catalogue/report.ts'

const step = (parts: Partial<Step> = {}): Step => ({
  ...{ kind: 'same', id: 'mercy', fhirBase: 'https://ehr.example.com/r4' },
  ...{ changes: [], kept: [], cause: null, isOff: false, text: null },
  imported: { id: 'mercy', wrote: {}, foundAs: null, sha256: null },
  ...parts,
})
const plan = (parts: Partial<Plan> = {}): Plan => ({
  ...{ steps: [], gone: [], removed: [], passedOver: [] },
  ...parts,
})
const gone = { id: 'gone', fhirBase: 'https://gone.example.com', isTouched: false }
const off = { enabled: false, reason: 'no answer' } as const

describe('a line tells', () => {
  test.each<[string, Plan, RegExp]>([
    ['what is added', plan({ steps: [step({ kind: 'added' })] }), /^added +mercy: https:\/\/ehr/],
    [
      'what is added switched off',
      plan({ steps: [step({ kind: 'added', cause: 'no answer', isOff: true })] }),
      /^added +mercy: .*off.*no answer/,
    ],
    [
      'what is changed',
      plan({
        steps: [step({ kind: 'changed', changes: [{ field: 'clientId', from: 'a', to: 'b' }] })],
      }),
      /^changed +mercy: clientId .*a.*b$/,
    ],
    [
      'what is switched on',
      plan({
        steps: [step({ kind: 'changed', changes: [{ field: 'off', from: off, to: undefined }] })],
      }),
      /^changed +mercy: enabled .*false \(no answer\).*left out$/,
    ],
    [
      'what is kept',
      plan({ steps: [step({ kept: [{ field: 'scopes', from: ['x', 'y'], to: ['z'] }] })] }),
      /^kept +mercy: scopes is x y by hand.* z$/,
    ],
    [
      'what was removed by hand',
      plan({ steps: [step({ kind: 'removed' })] }),
      /^kept +mercy: .*removed by hand/,
    ],
    [
      'what does not answer and stays',
      plan({ steps: [step({ cause: 'no answer' })] }),
      /^silent +mercy: kept as it is: no answer/,
    ],
    [
      'what does not answer and is off',
      plan({ steps: [step({ cause: 'no answer', isOff: true })] }),
      /^silent +mercy: still switched off/,
    ],
    ['what is gone', plan({ gone: [gone] }), /^gone +gone: .*not in the list any more$/],
    ['what is gone and removed', plan({ gone: [gone], removed: [gone] }), /its file is removed$/],
    [
      'what is gone and touched',
      plan({ gone: [{ ...gone, isTouched: true }] }),
      /changed by hand$/,
    ],
    [
      'what is passed over',
      plan({ passedOver: [{ entry: 7, code: 'address_private', address: 'https://10.0.0.1' }] }),
      /^passed +entry 7: .*: https:\/\/10\.0\.0\.1$/,
    ],
    [
      'what is passed over without an address',
      plan({ passedOver: [{ entry: 7, code: 'entry_malformed', address: null }] }),
      /^passed +entry 7: is no FHIR resource$/,
    ],
  ])('%s', (_, made, expected) => {
    expect(planReport(made, false).split('\n')[0]).toMatch(expected)
  })
})

test('at the end all are counted, and a dry run says that it was one', () => {
  const steps = [
    step(),
    step({ kind: 'added', isOff: true, cause: 'x' }),
    step({ kind: 'removed' }),
  ]
  const report = planReport(plan({ steps, gone: [gone] }), true)
  expect(report).toContain('3 hospitals: 1 added, 0 changed, 1 as they were, 1 removed by hand')
  expect(report).toContain('1 of them switched off; 1 gone; 0 entries passed over')
  expect(report).toMatch(/Nothing was written\.$/)
  expect(planReport(plan({ steps }), false)).not.toContain('Nothing was written')
})

test('text from outside does not play with the terminal', () => {
  const address = 'https://x/\u001b[2J\u202e'
  const report = planReport(
    plan({
      steps: [step({ kind: 'added', cause: '\u001b]0;title\u0007\nadded evil: x' })],
      passedOver: [{ entry: 0, code: 'not_active', address }],
    }),
    false,
  )
  expect(report).toMatch(/^[\x20-\x7e\n]+$/)
  expect(report.split('\n')).toHaveLength(4)
})

test('a script is told the same', () => {
  const kept = [{ field: 'clientId' as const, from: 'a', to: 'b' }]
  const made = plan({
    steps: [step({ kept, isOff: true })],
    ...{ gone: [gone], removed: [gone] },
    passedOver: [{ entry: 7, code: 'not_active', address: null }],
  })
  expect(planJson(made)).toMatchObject({
    hospitals: [{ kind: 'same', id: 'mercy', enabled: false, kept, changes: [], cause: null }],
    gone: [{ id: 'gone', isRemoved: true, isTouched: false }],
    passedOver: [{ entry: 7, code: 'not_active', reason: 'is not active' }],
  })
  expect(JSON.stringify(planJson(made))).not.toContain('sha256')
})
