import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { type Ask, shareThrough } from '../../../broker/tokens/shared-fetch.ts'
import type { SharedStore } from '../../../broker/tokens/shared-store.ts'
import { movedClock } from '../../support/clock.ts'

const KEY = 'key'
const SEAL = sealWith([randomBytes(32)], () => randomBytes(12))
const nextTurn = () => new Promise(setImmediate)

/** A store in memory, whose commands fail by name while they stand in `broken`. */
function memoryStore() {
  const values = new Map<string, string>()
  const locks = new Map<string, { owner: string; life: number }>()
  const broken = new Set<keyof SharedStore>()
  const command = async <T>(name: keyof SharedStore, work: () => T): Promise<T> => {
    await nextTurn()
    if (broken.has(name)) throw new Error('the store is away')
    return work()
  }
  const store: SharedStore = {
    get: key => command('get', () => values.get(key) ?? null),
    put: (key, value) => command('put', () => void values.set(key, value)),
    lock: (key, owner, life) =>
      command('lock', () => {
        if (locks.has(key)) return false
        locks.set(key, { owner, life })
        return true
      }),
    unlock: (key, owner) =>
      command('unlock', () => {
        if (locks.get(key)?.owner === owner) locks.delete(key)
      }),
  }
  return { store, values, locks, broken }
}

/** Brokers on one store, in moved time; the EHR's tokens are `token-1`, `token-2`, … */
function brokers() {
  const clock = movedClock()
  const memory = memoryStore()
  const state = { calls: 0, waited: 0, owners: 0, isFailing: false, takes: 0 }
  const wait = async (milliseconds: number): Promise<void> => {
    state.waited += milliseconds
    clock.advance(milliseconds / 1000)
    await nextTurn()
  }
  const share = shareThrough({
    ...{ clock: clock.clock, wait, store: memory.store, seal: SEAL },
    newOwner: () => `owner-${++state.owners}`,
  })
  const exchange: Ask['exchange'] = async () => {
    const accessToken = `token-${++state.calls}`
    const sentAt = clock.clock()
    for (let turn = 0; turn < state.takes; turn++) await nextTurn()
    if (state.isFailing) throw new BrokerError('upstream_unavailable')
    return { accessToken, life: 300, scope: 's', kid: 'k', sentAt }
  }
  const ask = async (isGood: Ask['isGood'] = () => true): Promise<string> => {
    const got = await share({ key: KEY, deadline: 5, isGood, exchange }).catch(error => error)
    return got instanceof BrokerError ? got.code : `${got.token.accessToken} ${got.source}`
  }
  /** Lets what goes on behind the callers' backs come to its end. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await nextTurn()
  }
  return { clock, ...memory, state, ask, settle }
}

test('what one broker fetched, the next one finds', async () => {
  const { state, ask, settle, locks } = brokers()
  expect(await ask()).toBe('token-1 upstream')
  await settle()
  expect(await ask()).toBe('token-1 shared')
  expect([state.calls, locks.size]).toEqual([1, 0])
})

test('of three that ask at once one calls, and the others get its token', async () => {
  const { state, ask } = brokers()
  state.takes = 30
  const all = await Promise.all([ask(), ask(), ask()])
  expect(state.calls).toBe(1)
  expect(all.sort()).toEqual(['token-1 shared', 'token-1 shared', 'token-1 upstream'])
})

test('a token that will not do is replaced, and the next one finds the new one', async () => {
  const { ask, settle } = brokers()
  await ask()
  await settle()
  const isGood: Ask['isGood'] = ({ accessToken }) => accessToken !== 'token-1'
  expect(await ask(isGood)).toBe('token-2 upstream')
  await settle()
  expect(await ask(isGood)).toBe('token-2 shared')
})

test('a token found just after the lock was taken is used, and the lock let go', async () => {
  const { state, ask, settle, store, locks, values } = brokers()
  await ask()
  await settle()
  const late = values.get(KEY) ?? ''
  values.clear()
  const { lock } = store
  store.lock = async (...args) => {
    values.set(KEY, late)
    return lock(...args)
  }
  expect(await ask()).toBe('token-1 shared')
  await settle()
  expect([state.calls, locks.size]).toEqual([1, 0])
})

describe('the lock', () => {
  test('lives longer than the call that it is held for', async () => {
    const { state, ask, locks, settle } = brokers()
    state.takes = 20
    const asked = ask()
    await settle()
    expect(locks.get(KEY)?.life).toBeGreaterThan(5_000)
    await asked
  })

  test('of a broker that failed is let go, and the next one calls', async () => {
    const { state, ask, settle, locks } = brokers()
    state.isFailing = true
    expect(await ask()).toBe('upstream_unavailable')
    await settle()
    expect(locks.size).toBe(0)
    state.isFailing = false
    expect(await ask()).toBe('token-2 upstream')
  })

  test('of a broker that died is waited for as long as its call may take, and then is no more obstacle', async () => {
    const { state, ask, settle, locks } = brokers()
    locks.set(KEY, { owner: 'dead', life: 10_000 })
    expect(await ask()).toBe('token-1 upstream')
    expect(state.waited).toBe(5_000)
    await settle()
    expect(locks.get(KEY)?.owner).toBe('dead')
    expect(await ask()).toBe('token-1 shared')
  })

  test('whose SET was answered too late is let go all the same', async () => {
    const { ask, settle, store, locks } = brokers()
    store.lock = async (key, owner, life) => {
      locks.set(key, { owner, life })
      throw new Error('too late')
    }
    expect(await ask()).toBe('token-1 upstream')
    await settle()
    expect(locks.size).toBe(0)
  })
})

describe('with any trouble of the store the EHR is asked directly, once', () => {
  test.each<(keyof SharedStore)[]>([
    ['get'],
    ['lock'],
    ['put'],
    ['unlock'],
    ['get', 'lock', 'put', 'unlock'],
  ])('%s %s %s %s', async (...names) => {
    const { state, ask, settle, broken } = brokers()
    for (const name of names) broken.add(name)
    expect(await ask()).toBe('token-1 upstream')
    await settle()
    expect([state.calls, state.waited]).toEqual([1, 0])
  })

  test('and the EHR’s own no is not taken for one', async () => {
    const { state, ask } = brokers()
    state.isFailing = true
    await ask()
    expect(state.calls).toBe(1)
  })
})

describe('a value is ignored', () => {
  const value = (clock: { now: () => number }, parts: object = {}): string =>
    JSON.stringify({
      accessToken: 'x',
      life: 300,
      scope: 's',
      kid: 'k',
      sentAt: clock.now(),
      ...parts,
    })

  test.each<[string, (clock: { now: () => number }) => string]>([
    ['that does not open', clock => value(clock)],
    ['that was sealed for another key', clock => SEAL.seal(value(clock), 'another')],
    ['that is not JSON', () => SEAL.seal('{', KEY)],
    ['that is null', () => SEAL.seal('null', KEY)],
    ['without a token', clock => SEAL.seal(value(clock, { accessToken: '' }), KEY)],
    ['with a life that is text', clock => SEAL.seal(value(clock, { life: '300' }), KEY)],
    ['without a time', clock => SEAL.seal(value(clock, { sentAt: null }), KEY)],
    ['from the future', clock => SEAL.seal(value(clock, { sentAt: clock.now() + 30_001 }), KEY)],
  ])('%s', async (_, make) => {
    const { clock, values, ask } = brokers()
    values.set(KEY, make(clock))
    expect(await ask()).toBe('token-1 upstream')
  })

  test('but not when it is all of this', async () => {
    const { clock, values, ask } = brokers()
    values.set(KEY, SEAL.seal(value(clock), KEY))
    expect(await ask()).toBe('x shared')
  })
})

test('a life counts from when the other broker sent its request, by the wall clock', async () => {
  const { clock, values, ask } = brokers()
  const sentAt = clock.now() - 100_000
  const text = JSON.stringify({ accessToken: 'x', life: 300, scope: 's', kid: 'k', sentAt })
  values.set(KEY, SEAL.seal(text, KEY))
  const seen: object[] = []
  await ask(token => seen.push(token.sentAt) > 0)
  const { wall, monotonic } = clock.clock()
  expect(seen).toEqual([{ wall: wall - 100_000, monotonic: monotonic - 100_000 }])
})

test('by a clock that is a little ahead no token gets older than it is, nor younger than now', async () => {
  const { clock, values, ask } = brokers()
  const sentAt = clock.now() + 20_000
  const text = JSON.stringify({ accessToken: 'x', life: 300, scope: 's', kid: 'k', sentAt })
  values.set(KEY, SEAL.seal(text, KEY))
  const seen: object[] = []
  await ask(token => seen.push(token.sentAt) > 0)
  expect(seen).toEqual([clock.clock()])
})
