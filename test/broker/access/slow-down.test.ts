import { describe, expect, test } from 'vitest'
import { openSlowDown } from '../../../broker/access/slow-down.ts'
import { BrokerError, type ErrorCode } from '../../../broker/errors.ts'
import { codeOf } from '../../support/callers.ts'
import { movedClock } from '../../support/clock.ts'

const HERE = { address: '192.0.2.1', claimed: 'billing' }

function door() {
  const clock = movedClock()
  const waits: number[] = []
  const { around: slowDown } = openSlowDown(
    clock.clock,
    async milliseconds => void waits.push(milliseconds),
  )
  const fail = (pair = HERE, code: ErrorCode = 'secret_wrong') =>
    codeOf(() =>
      slowDown(pair, async () => {
        throw new BrokerError(code)
      }),
    )
  const succeed = (pair = HERE) => slowDown(pair, async () => 'in')
  const failOften = async (times: number, pair = HERE) => {
    for (let at = 0; at < times; at++) await fail(pair)
  }
  return { clock, waits, fail, failOften, succeed }
}

test('whoever is refused again and again is told later and later, and never later than two seconds', async () => {
  const { waits, failOften } = door()
  await failOften(12)
  expect(waits).toEqual([250, 500, 1000, ...Array(6).fill(2000)])
})

test('the refusal stays what it was', async () => {
  const { fail, failOften } = door()
  await failOften(10)
  expect(await fail(HERE, 'client_unknown')).toBe('client_unknown')
})

describe('nobody waits for another', () => {
  test('a request that authenticates is not held back, and wipes the slate', async () => {
    const { waits, failOften, succeed } = door()
    await failOften(3)
    expect(await succeed()).toBe('in')
    await failOften(3)
    expect(waits).toEqual([])
  })

  test.each([
    ['from another address', { ...HERE, address: '192.0.2.2' }],
    ['under another id', { ...HERE, claimed: 'scheduling' }],
    ['under no id', { ...HERE, claimed: null }],
  ])('%s', async (_, other) => {
    const { waits, failOften } = door()
    await failOften(3)
    await failOften(3, other as typeof HERE)
    expect(waits).toEqual([])
  })

  test('an address and an id are told apart however they are written', async () => {
    const { waits, failOften } = door()
    await failOften(3, { address: 'a","b', claimed: 'c' })
    await failOften(3, { address: 'a', claimed: 'b","c' })
    expect(waits).toEqual([])
  })
})

test('what does not say who asks is no failure to authenticate', async () => {
  const { waits, fail } = door()
  for (const code of ['auth_methods_several', 'caller_keys_unavailable', 'rate_limited'] as const)
    for (let at = 0; at < 9; at++) await fail(HERE, code)
  expect(waits).toEqual([])
})

test('ten quiet minutes forgive everything', async () => {
  const { clock, waits, failOften } = door()
  await failOften(3)
  clock.advance(601)
  await failOften(3)
  expect(waits).toEqual([])
})

test('a flood of failures is not held back without end', async () => {
  const { clock } = door()
  let waiting = 0
  let most = 0
  const ends: (() => void)[] = []
  const { around: slowDown } = openSlowDown(clock.clock, async () => {
    most = Math.max(most, ++waiting)
    await new Promise<void>(end => ends.push(end))
  })
  const refused = Array.from({ length: 2000 }, () =>
    codeOf(() =>
      slowDown(HERE, async () => {
        throw new BrokerError('secret_wrong')
      }),
    ),
  )
  await refused.at(-1)
  expect(most).toBe(1000)
  for (const end of ends) end()
  expect(new Set(await Promise.all(refused))).toEqual(new Set(['secret_wrong']))
})
