import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { asBrokerError, BrokerError } from '../../../broker/errors.ts'
import type { Connection } from '../../../broker/launch/connection.ts'
import { openKeeper } from '../../../broker/launch/keeper.ts'
import { type Renew, renewWith } from '../../../broker/launch/renew.ts'
import { singleFlight } from '../../../broker/tokens/single-flight.ts'
import { movedClock } from '../../support/clock.ts'
import { connection, launchTarget } from '../../support/launch-target.ts'
import { openTestVault } from '../../support/launch-vault.ts'
import { rollingEhr } from '../../support/rolling-ehr.ts'
import { upstream } from '../../support/upstream.ts'

const target = launchTarget()
const ID = connection().id
/** Seconds after which the first token is to be renewed. */
const LATE = 3400

async function open(parts: Partial<Connection> = {}, mode?: 'rolling' | 'plain') {
  const moved = movedClock()
  const { clock } = moved
  const { vault } = openTestVault(clock)
  const keeper = openKeeper({ clock, vault, random: randomBytes })
  await keeper.keep(connection({ expiresAt: moved.now() + 3_600_000, ...parts }))
  const ehr = rollingEhr(moved, mode)
  const failed: string[] = []
  /** Another process, as far as the store can tell. */
  const broker = (): Renew =>
    renewWith({
      ...{ clock, keeper, flights: singleFlight<Connection>(), present: ehr.present },
      wait: async milliseconds => {
        moved.advance(milliseconds / 1000)
        // What goes on elsewhere goes on.
        await new Promise(done => setImmediate(done))
      },
      newOwner: randomUUID,
      onFailed: (_, { code }) => void failed.push(code),
    })
  const renew = broker()
  const outcome = (least = 0, by = renew): Promise<string> =>
    by(target, ID, least).then(
      ({ accessToken }) => accessToken,
      error => asBrokerError(error).code,
    )
  const kept = async () => (await keeper.get(ID))?.connection
  return { ...moved, keeper, ehr, failed, broker, renew, outcome, kept }
}

describe('a token', () => {
  test('that lives is handed out without a call', async () => {
    const { outcome, advance, ehr } = await open()
    advance(3250)
    expect(await outcome()).toBe('access-1')
    expect(ehr.shown).toEqual([])
  })

  test('is renewed five minutes before its end, and the new refresh token takes the place of the old', async () => {
    const { outcome, advance, ehr, kept } = await open()
    for (const number of [2, 3, 4]) {
      advance(LATE)
      expect(await outcome()).toBe(`access-${number}`)
      expect((await kept())?.refreshToken).toBe(`refresh-${number}`)
    }
    expect(ehr.shown).toEqual(['refresh-1', 'refresh-2', 'refresh-3'])
  })

  test('is renewed by the same refresh token where the EHR gives no new one', async () => {
    const { outcome, advance, ehr } = await open({}, 'plain')
    advance(LATE)
    await outcome()
    advance(LATE)
    expect(await outcome()).toBe('access-3')
    expect(ehr.shown).toEqual(['refresh-1', 'refresh-1'])
  })

  test('keeps the context of the login, which a refresh does not repeat', async () => {
    const { renew, advance, ehr } = await open({ context: { patient: 'p1', encounter: 'e1' } })
    ehr.answers.push({ encounter: 'e2' })
    advance(LATE)
    expect((await renew(target, ID, 0)).context).toEqual({ patient: 'p1', encounter: 'e2' })
  })

  test('for another patient than the user chose is handed out to nobody', async () => {
    const { outcome, advance, ehr, kept } = await open()
    ehr.answers.push({ patient: 'p2' })
    advance(3590)
    expect(await outcome()).toBe('upstream_reply_malformed')
    expect((await kept())?.accessToken).toBe('access-1')
  })

  test('without a refresh token is good to its floor of 30 s, and then the user must log in again', async () => {
    const { outcome, advance, ehr } = await open({ refreshToken: null })
    advance(3569)
    expect(await outcome()).toBe('access-1')
    advance(2)
    expect(await outcome()).toBe('connection_needs_login')
    expect(ehr.shown).toEqual([])
  })
})

describe('a minimum_ttl', () => {
  test('has it renewed early, once in a third of its life', async () => {
    const { outcome, advance, ehr } = await open()
    advance(1100)
    expect(await outcome(3500)).toBe('access-1')
    advance(200)
    expect([await outcome(2000), await outcome(3500), await outcome(3600)]).toEqual([
      ...['access-1', 'access-2', 'access-2'],
    ])
    advance(10)
    expect(await outcome(3600)).toBe('access-2')
    expect(ehr.shown).toHaveLength(1)
  })

  test.each([
    ['the EHR lets a token live', {}, 3601],
    ['a token that cannot be renewed has left', { refreshToken: null }, 2601],
  ])('that is longer than %s is told so, without a call', async (_, parts, least) => {
    const { outcome, advance, ehr } = await open(parts)
    advance(1000)
    expect([await outcome(least), ehr.shown]).toEqual(['minimum_ttl_too_long', []])
  })
})

describe('a refresh token is shown once', () => {
  test('however many ask at once in one process', async () => {
    const { outcome, advance, ehr } = await open()
    advance(LATE)
    const answers = await Promise.all(Array.from({ length: 20 }, () => outcome()))
    expect([new Set(answers), ehr.shown]).toEqual([new Set(['access-2']), ['refresh-1']])
  })

  test('however many processes ask at once: one does it, and the others take what it got', async () => {
    const { outcome, advance, ehr, broker } = await open()
    advance(LATE)
    const answers = await Promise.all([1, 2, 3, 4].map(() => outcome(0, broker())))
    expect([new Set(answers), ehr.shown]).toEqual([new Set(['access-2']), ['refresh-1']])
  })
})

describe('an intent that nobody carries out any more', () => {
  const left = (now: number) => ({ renewing: { by: 'a process that ended', until: now + 8_000 } })

  test('is waited for, and then the old token is tried: the EHR had not seen it', async () => {
    const { outcome, advance, ehr, now, keeper } = await open()
    advance(3590)
    const held = await keeper.get(ID)
    if (held) await keeper.replace(held, { ...held.connection, ...left(now()) })
    const before = now()
    expect(await outcome()).toBe('access-2')
    expect(now() - before).toBeGreaterThanOrEqual(8_000)
    expect(ehr.shown).toEqual(['refresh-1'])
  })

  test('and where the EHR had seen it, the connection is over, and stays so without another call', async () => {
    const { outcome, advance, ehr, now, keeper, kept } = await open()
    ehr.current = 'refresh-2'
    advance(3590)
    const held = await keeper.get(ID)
    if (held) await keeper.replace(held, { ...held.connection, ...left(now()) })
    expect(await outcome()).toBe('connection_needs_login')
    expect(await kept()).toMatchObject({ isOver: true, refreshToken: null, renewing: null })
    expect(await outcome()).toBe('connection_needs_login')
    expect(ehr.shown).toEqual(['refresh-1'])
  })

  test('is not believed beyond what any intent of ours lasts', async () => {
    const { outcome, advance, now, keeper } = await open()
    advance(3590)
    const held = await keeper.get(ID)
    const intent = { by: 'a clock that was wrong', until: now() + 10 * 365 * 86_400_000 }
    if (held) await keeper.replace(held, { ...held.connection, renewing: intent })
    expect(await outcome()).toBe('access-2')
  })
})

describe('a renewal that fails', () => {
  test('leaves the token in hand while it is good, and is told', async () => {
    const { outcome, advance, ehr, failed } = await open()
    ehr.answers.push(new BrokerError('upstream_timeout'))
    advance(LATE)
    expect([await outcome(), failed]).toEqual(['access-1', ['upstream_timeout']])
    expect(await outcome()).toBe('access-2')
  })

  test('is told to who asks once there is no token left', async () => {
    const { outcome, advance, ehr } = await open()
    ehr.answers.push(
      new BrokerError('upstream_unavailable'),
      new BrokerError('upstream_invalid_client'),
    )
    advance(3600)
    expect([await outcome(), await outcome(), await outcome()]).toEqual([
      ...['upstream_unavailable', 'upstream_invalid_client', 'access-2'],
    ])
  })

  test('by the EHR’s no ends the connection, though the token in hand might still be good', async () => {
    const { outcome, advance, ehr, kept } = await open()
    ehr.answers.push(new BrokerError('upstream_invalid_grant'))
    advance(LATE)
    expect(await outcome()).toBe('connection_needs_login')
    expect(await kept()).toMatchObject({ isOver: true })
  })
})

test('a connection that is ended while it is renewed stays ended', async () => {
  const { outcome, advance, ehr, keeper } = await open()
  let release = (): void => {}
  ehr.hold = new Promise<void>(done => {
    release = done
  })
  advance(LATE)
  const asking = outcome()
  await expect.poll(() => ehr.shown.length).toBe(1)
  await keeper.remove(ID)
  release()
  expect([await asking, await keeper.get(ID)]).toEqual(['connection_unknown', null])
})

test.each([
  ['tokenEndpoint', 'https://evil.example.com/token'],
  ['clientId', 'another-app'],
  ['fhirBase', 'https://evil.example.com/FHIR/R4'],
])(
  'a refresh token is never shown to another EHR, though the config now has another %s',
  async (name, value) => {
    const { renew, advance, ehr } = await open()
    advance(LATE)
    const changed = launchTarget({ upstream: upstream({ clientId: 'user-app', [name]: value }) })
    await expect(renew(changed, ID, 0)).rejects.toMatchObject({ code: 'connection_not_granted' })
    expect(ehr.shown).toEqual([])
  },
)
