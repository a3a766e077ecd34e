import { expect, test } from 'vitest'
import { statusOf } from '../../broker/status.ts'
import { held, memoryCache } from '../../broker/tokens/cache.ts'
import { openHistory } from '../../broker/upstream/history.ts'
import { movedClock } from '../support/clock.ts'
import { signingKey } from '../support/keys.ts'
import { upstream } from '../support/upstream.ts'

function seen() {
  const clock = movedClock()
  const [cache, history] = [memoryCache(clock.clock), openHistory()]
  const upstreams = ['a', 'b'].map(id => upstream({ id }))
  const status = () =>
    statusOf({
      ...{ clock: clock.clock, startedAt: clock.now(), history, cache },
      handOf: ({ id }) => (id === 'a' ? { key: signingKey('kid'), because: 'newest' } : null),
      environments: new Map(),
      overview: () => [],
      causesOf: () => [],
      breakerOf: () => 'closed',
      refusals: () => [],
      configRefused: null,
      config: {
        generation: 'g',
        upstreams: new Map(upstreams.map(each => [each.id, each])),
        disabled: new Map([
          ['off', { id: 'off', fhirBase: 'https://off.example.com', reason: 'moved' }],
        ]),
      },
    })
  return { clock, cache, history, status, upstreams }
}

test('an upstream is untried, then working, failing, or never worked', () => {
  const { history, status } = seen()
  const states = () => status().upstreams.map(each => each.state)
  expect(states()).toEqual(['untried', 'untried'])
  history.worked('a', 1, 'kid')
  history.failed('b', 2, 'upstream_invalid_client', 400)
  expect(states()).toEqual(['working', 'never_worked'])
  history.failed('a', 3, 'upstream_timeout', null)
  expect(states()).toEqual(['failing', 'never_worked'])
})

test('what is switched off is told apart, with its reason', () => {
  const { status } = seen()
  expect(status().upstreams.map(({ id }) => id)).toEqual(['a', 'b'])
  expect(status().disabled).toMatchObject([{ id: 'off', reason: 'moved' }])
})

test('what happened and what is held is told, and nothing that is secret', () => {
  const { clock, cache, history, status, upstreams } = seen()
  const [wanted] = upstreams.map(each => ({ upstream: each, scopes: ['s'] }))
  if (!wanted) throw new Error('there are two')
  const accessToken = 'a-secret-token'
  const token = held(
    { accessToken, life: 300, scope: 's', kid: 'kid', sentAt: clock.clock() },
    'upstream',
    0,
  )
  cache.keep('key', token, wanted)
  history.worked('a', clock.now(), 'kid')
  history.failed('a', clock.now(), 'upstream_unavailable', 503)
  history.dated('a', 7)
  clock.advance(50)
  const { upstreams: all } = status()
  expect(all[0]).toMatchObject({
    ...{ kid: 'kid', skew: 7, failures: 1, lastSuccess: '2026-11-25T00:00:00.000Z' },
    lastFailure: { code: 'upstream_unavailable', status: 503 },
    tokens: [{ scope: 's', life: 300, expiresIn: 250, refreshIn: 150 }],
  })
  expect(all[1]).toMatchObject({ kid: null, lastSuccess: null, lastFailure: null, tokens: [] })
  expect(JSON.stringify(status())).not.toContain(accessToken)
})
