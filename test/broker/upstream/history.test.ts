import { expect, test } from 'vitest'
import { openHistory } from '../../../broker/upstream/history.ts'

test('what is known of an upstream is what was seen last, and nothing of one that was never called', () => {
  const history = openHistory()
  expect(history.of('a')).toMatchObject({ lastSuccess: null, failures: 0, skew: null })
  history.failed('a', 1, 'upstream_timeout', null)
  history.failed('a', 2, 'upstream_unavailable', 503)
  history.dated('a', -3)
  expect(history.of('a')).toEqual({
    ...{ lastSuccess: null, acceptedKid: null, failures: 2, skew: -3 },
    lastFailure: { at: 2, code: 'upstream_unavailable', status: 503 },
  })
  history.worked('a', 3, 'kid')
  expect(history.of('a')).toMatchObject({ lastSuccess: 3, acceptedKid: 'kid', failures: 0 })
  expect(history.of('b').lastFailure).toBeNull()
})
