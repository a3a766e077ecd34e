import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diagnose } from '../../../broker/diagnosis/diagnose.ts'
import { ERRORS, type ErrorCode } from '../../../broker/errors.ts'
import { factsOf } from '../../support/facts.ts'

test('causes come in order, the faults that were seen first', () => {
  const causes = diagnose(factsOf({ skew: 1000, configAge: 60 }))
  expect(causes.map(each => each.certainty)).toEqual(['seen', 'likely', 'likely'])
})

test('where no fault was seen more are named, and never more than five', () => {
  const causes = diagnose(factsOf({ configAge: 60, hasGateway: true }))
  expect(causes).toHaveLength(5)
})

test('whatever the code: a diagnosis is made, a token that was given has no cause', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  fc.assert(
    fc.property(
      fc.constantFrom(...codes),
      fc.option(fc.string()),
      fc.option(fc.integer()),
      (code, reason, skew) => {
        const token = { outcome: 'refused', code, status: null, reason } as const
        expect(diagnose(factsOf({ token, skew })).length).toBeLessThanOrEqual(5)
        expect(diagnose(factsOf({ token: { outcome: 'granted' }, skew }))).toEqual([])
      },
    ),
  )
})
