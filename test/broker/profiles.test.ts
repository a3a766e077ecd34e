import { expect, test } from 'vitest'
import { PROFILES } from '../../broker/profiles.ts'
import { ALGORITHMS } from '../../keys-pipeline/algorithms.ts'

const rows = Object.entries(PROFILES)

test.each(rows)('%s signs with an algorithm that is published', (_, profile) => {
  expect(Object.keys(ALGORITHMS)).toContain(profile.alg)
})

test('Epic alone grants the app’s whole list whatever is asked', () => {
  expect(rows.filter(([, { scopes }]) => scopes === 'fixed-by-app').map(([name]) => name)).toEqual([
    'epic',
  ])
})
