import { describe, expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { type Generation, openDesk } from '../../../broker/keys/desk.ts'
import type { EnvironmentKeys } from '../../../broker/keys/environment.ts'
import { PROFILES } from '../../../broker/profiles.ts'
import type { Upstream } from '../../../broker/upstream/upstream.ts'
import { movedClock } from '../../support/clock.ts'
import { signingKey } from '../../support/keys.ts'
import { upstream } from '../../support/upstream.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const RULES = {
  ...{ jwksUrl: null, ca: null, watch: null, family: null, guard: null },
  ...{ liveSince: new Map(), heldElsewhere: [] },
}

function desk() {
  const clock = movedClock()
  return openDesk({
    ...{ boardOf: () => null, wait: async () => {}, chance: () => 0, newName: () => 'one' },
    ...{ clock: clock.clock, log: quiet, past: () => null, onSwitched: () => {} },
    drawerOf: () => ({ load: () => null, save: () => {} }),
  })
}

const generation = (
  kid: string,
  upstreams: readonly Upstream[],
  parts: object = {},
): Generation => ({
  keys: new Map([['nonprod', { ...RULES, ...parts }]]),
  held: new Map([['nonprod', [{ key: signingKey(kid), role: 'signer' }]]]),
  upstreams: new Map(upstreams.map(each => [each.id, each])),
})

test('a request whose upstream is gone ends with the key that it began with', () => {
  const made = desk()
  const before = upstream()
  made.take(generation('first', [before]))
  expect(made.signerFor(before).kid).toBe('first')
  made.take(generation('second', []))
  expect(made.signerFor(before).kid).toBe('first')
})

describe('but not once that key', () => {
  const withdrawal = { thumbprint: 'print-first', at: 0, reason: 'replaced', proposal: null }
  test.each<[string, (keys: EnvironmentKeys) => unknown]>([
    ['is revoked', keys => keys.revoke('print-first', 'lost', null)],
    [
      'is released',
      keys => keys.keep(() => ({ withdrawals: [{ ...withdrawal, release: 'a.b.c' }] }), 'anyone'),
    ],
  ])('%s', async (_, end) => {
    const made = desk()
    const before = upstream()
    made.take(generation('first', [before]))
    made.take(generation('second', []))
    const keys = made.environments().get('nonprod')
    if (keys) await end(keys)
    expect(() => made.signerFor(before)).toThrow(BrokerError)
  })
})

test('a request whose upstream is still there is signed for as the new generation decides', () => {
  const made = desk()
  const before = upstream()
  made.take(generation('first', [before]))
  made.take(generation('second', [upstream()]))
  expect(made.signerFor(before).kid).toBe('second')
})

test('an upstream without a key is refused, and not signed for with another’s', () => {
  const made = desk()
  made.take(generation('first', [upstream({ id: 'other' })]))
  expect(() => made.signerFor(upstream({ id: 'alone' }))).toThrow(
    expect.objectContaining({ code: 'signing_failed' }),
  )
  const [production, es] = [upstream({ environment: 'production' }), upstream({ alg: 'ES384' })]
  made.take(generation('first', [production]))
  expect(made.handOf(production)).toBeNull()
  made.take(generation('first', [es]))
  expect(made.handOf(es)).toBeNull()
})

test('a hospital that has loaded keys by hand is signed for with those alone', () => {
  const made = desk()
  const pinned = upstream({ id: 'pinned', pinnedKids: ['second'] })
  const other = upstream({ id: 'other', pinnedKids: ['nobody'] })
  made.take({
    ...generation('first', [pinned, other]),
    held: new Map([
      [
        'nonprod',
        ['first', 'second'].map(kid => ({ key: signingKey(kid), role: 'signer' as const })),
      ],
    ]),
  })
  expect(made.handOf(pinned)).toMatchObject({ key: { kid: 'second' }, because: 'pinned' })
  expect(made.handOf(other)).toBeNull()
})

describe('only sets whose URL the config names are watched', () => {
  test('with what the config says of them', () => {
    const made = desk()
    made.take(generation('first', []))
    expect(made.watchings().size).toBe(0)
    const url = 'https://keys.example.com/jwks.json'
    made.take(generation('first', [upstream()], { jwksUrl: url, watch: 5 }))
    expect(made.watchings().get('nonprod')).toEqual({
      ...{ url, ca: null, family: null, every: 5 },
      isAwaiting: true,
    })
  })
})

test('Epic and Medplum fetch for a kid that they do not know; of the others nothing is documented', () => {
  const refetching = Object.entries(PROFILES).filter(([, { reader }]) => reader.refetches)
  expect(refetching.map(([name]) => name).sort()).toEqual(['epic', 'medplum'])
})
