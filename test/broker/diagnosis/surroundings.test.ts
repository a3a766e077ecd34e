import { expect, test } from 'vitest'
import type { Config } from '../../../broker/config.ts'
import { NO_PAST } from '../../../broker/diagnosis/past.ts'
import { surroundings } from '../../../broker/diagnosis/surroundings.ts'
import { movedClock } from '../../support/clock.ts'
import { upstream } from '../../support/upstream.ts'

test('only a key set whose URL the config names is looked at, and a key only where there is one', () => {
  const source = { folder: 'f', jwksUrl: 'https://keys.example.com/jwks.json' }
  const config = {
    ...{ upstreams: new Map([['ehr', upstream()]]), changed: 7 },
    keys: new Map([
      ['production', source],
      ['nonprod', { ...source, jwksUrl: null }],
    ] as [string, object][]),
  } as unknown as Config
  const key = { kid: 'k', alg: 'RS384', thumbprint: 't' } as const
  const clock = movedClock()
  const around = surroundings(
    config,
    {
      clock: clock.clock,
      keyOf: ({ id }) => (id === 'ehr' ? key : null),
      assertion: { before: 60, after: 240 } as never,
    },
    () => NO_PAST,
  )
  expect([...around.setUrls]).toEqual([['production', source.jwksUrl]])
  expect([around.keyOf(upstream()), around.keyOf(upstream({ id: 'x' }))]).toEqual([key, null])
  expect([around.configChanged, around.now()]).toEqual([7, clock.now()])
})
