import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { asBrokerError } from '../../../broker/errors.ts'
import { type Begun, openLogins, surplusLogins } from '../../../broker/launch/logins.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { movedClock } from '../../support/clock.ts'

const SECRET = randomBytes(32)

function open(secret = SECRET, spent = new Set<string>()) {
  const clock = movedClock()
  const logins = openLogins({
    ...{ clock: clock.clock, random: randomBytes },
    seal: sealWith([secret], () => randomBytes(12), 'connections'),
    spend: async state => !spent.has(state) && Boolean(spent.add(state)),
  })
  const outcome = (state: string | undefined, cookies: ReadonlyMap<string, string>, at = 'epic') =>
    logins.finish(at, state, cookies).then(
      () => 'finished',
      error => asBrokerError(error).code,
    )
  return { logins, clock, outcome }
}

const jarOf = (...begun: Begun[]) =>
  new Map(begun.map(({ cookie: { name, value } }) => [name, value]))

test('a login that comes back to its browser knows its verifier, its nonce and what its service gave', async () => {
  const { logins } = open()
  const begun = logins.begin('epic', 'of-the-service')
  const pending = await logins.finish('epic', begun.state, jarOf(begun))
  expect(pending).toMatchObject({ nonce: begun.nonce, serviceState: 'of-the-service' })
  const challenge = createHash('sha256').update(pending.verifier).digest('base64url')
  expect(challenge).toBe(begun.challenge)
  expect(pending.verifier.length).toBeGreaterThanOrEqual(43)
})

test('a state has 128 random bits or more and is short, and nothing of a login shows in its cookie', () => {
  const { logins } = open()
  const states = Array.from({ length: 50 }, () => logins.begin('epic', null).state)
  expect(new Set(states).size).toBe(50)
  for (const state of states) expect(Buffer.from(state, 'base64url')).toHaveLength(18)
  const { cookie, state, nonce } = logins.begin('epic', 'of-the-service')
  expect(cookie.name).toMatch(/^__Host-/)
  const bytes = Buffer.from(cookie.value, 'base64url').toString('latin1')
  for (const secret of [state, nonce, 'epic', 'of-the-service'])
    expect(`${cookie.name} ${cookie.value} ${bytes}`).not.toContain(secret)
})

describe('is refused', () => {
  test.each<
    [string, (open_: ReturnType<typeof open>, one: Begun, other: Begun) => Promise<string>, string]
  >([
    ['no state', ({ outcome }, one) => outcome(undefined, jarOf(one)), 'state_missing'],
    ['a forged state', ({ outcome }, one) => outcome('A'.repeat(24), jarOf(one)), 'state_unknown'],
    [
      'another browser’s',
      ({ outcome }, one, other) => outcome(one.state, jarOf(other)),
      'state_unknown',
    ],
    [
      'one without its cookie',
      ({ outcome }, one) => outcome(one.state, new Map()),
      'state_unknown',
    ],
    [
      'one with the cookie of another login under its name',
      ({ outcome }, one, other) =>
        outcome(one.state, new Map([[one.cookie.name, other.cookie.value]])),
      'state_unknown',
    ],
    [
      'one that strangers have sealed',
      ({ outcome }) => {
        const forged = open(randomBytes(32)).logins.begin('epic', null)
        return outcome(forged.state, jarOf(forged))
      },
      'state_unknown',
    ],
    [
      'one of another upstream',
      ({ outcome }, one) => outcome(one.state, jarOf(one), 'other'),
      'state_elsewhere',
    ],
    [
      'one that took too long',
      ({ outcome, clock }, one) => {
        clock.advance(601)
        return outcome(one.state, jarOf(one))
      },
      'state_expired',
    ],
    [
      'one that comes twice',
      async ({ outcome }, one) => {
        expect(await outcome(one.state, jarOf(one))).toBe('finished')
        return outcome(one.state, jarOf(one))
      },
      'state_used',
    ],
  ])('%s', async (_, attack, code) => {
    const opened = open()
    const [one, other] = [opened.logins.begin('epic', null), opened.logins.begin('epic', null)]
    expect(await attack(opened, one, other)).toBe(code)
  })
})

test('tabs are logins of their own, that end in any order', async () => {
  const { logins, outcome } = open()
  const [one, other] = [logins.begin('epic', null), logins.begin('epic', null)]
  const jar = jarOf(one, other)
  expect([await outcome(other.state, jar), await outcome(one.state, jar)]).toEqual([
    ...['finished', 'finished'],
  ])
})

test('a broker with the same seal keys finishes what another began', async () => {
  const begun = open().logins.begin('epic', null)
  expect(await open().outcome(begun.state, jarOf(begun))).toBe('finished')
})

test('a look spends nothing', async () => {
  const { logins, outcome } = open()
  const begun = logins.begin('epic', null)
  expect(logins.look('epic', begun.state, jarOf(begun)).nonce).toBe(begun.nonce)
  expect(await outcome(begun.state, jarOf(begun))).toBe('finished')
})

test('a browser keeps twenty logins at the most, and drops the oldest', () => {
  const { logins } = open()
  const jar = new Map([
    ['other', 'x'],
    ...jarOf(...Array.from({ length: 22 }, () => logins.begin('epic', null))),
  ])
  const names = [...jar.keys()].filter(name => name !== 'other')
  expect(surplusLogins(jar)).toEqual(names.slice(0, 3))
  expect(surplusLogins(new Map([...jar].slice(0, 10)))).toEqual([])
})
