import { expect, test } from 'vitest'
import { ALGS, DEFAULT_ALG } from '../../../keys-pipeline/algorithms.ts'
import { takenBy, VENDOR_NAMES, VENDORS } from '../../../keys-pipeline/doctor/vendors.ts'
import { ecJwk, published, rsaJwk } from '../../support/keys.ts'

test('the default algorithm is taken by every vendor but ModMed', () => {
  const key = published(rsaJwk())
  expect(key.jwk.alg).toBe(DEFAULT_ALG)
  expect(VENDOR_NAMES.filter(name => takenBy(name, [key]).takes === 0)).toEqual(['modmed'])
})

test('Epic takes whatever may be published', () => {
  expect([...VENDORS.epic.algs].sort()).toEqual([...ALGS].sort())
})

test('keys are counted by their algorithm', () => {
  const keys = [rsaJwk(), ecJwk('P-384'), ecJwk('P-256')].map(each => published(each))
  expect(takenBy('oracle-health', keys)).toMatchObject({ takes: 2, of: 3 })
})
