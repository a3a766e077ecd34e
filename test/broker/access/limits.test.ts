import { describe, expect, test } from 'vitest'
import { openLimits } from '../../../broker/access/limits.ts'
import { asBrokerError } from '../../../broker/errors.ts'
import { movedClock } from '../../support/clock.ts'

function limited(limits: object) {
  const clock = movedClock()
  const admit = openLimits(clock.clock)
  const ask = (service = 'a') => admit(service, { rateLimit: null, concurrency: null, ...limits })
  const refusal = (service = 'a') => {
    try {
      ask(service)
      return null
    } catch (error) {
      const { code, facts } = asBrokerError(error)
      return [code, facts['retry_after']]
    }
  }
  return { clock, ask, refusal }
}

test('a service without limits asks what it likes', () => {
  const { refusal } = limited({})
  expect(Array.from({ length: 1000 }, () => refusal()).filter(each => each)).toEqual([])
})

describe('a rate', () => {
  const rateLimit = { perMinute: 6, burst: 3 }

  test('lets a burst in, then says in whole seconds when to come again', () => {
    const { clock, refusal } = limited({ rateLimit })
    expect([refusal(), refusal(), refusal()]).toEqual([null, null, null])
    clock.advance(2.5)
    expect(refusal()).toEqual(['rate_limited', 8])
    clock.advance(8)
    expect(refusal()).toBeNull()
  })

  test('of one service is not another’s', () => {
    const { refusal } = limited({ rateLimit })
    while (refusal() === null);
    expect(refusal('b')).toBeNull()
  })
})

describe('concurrency', () => {
  test('counts what is under way, and frees it when it ends', () => {
    const { ask, refusal } = limited({ concurrency: 2 })
    const leave = ask()
    ask()
    expect(refusal()).toEqual(['rate_limited', 1])
    expect(refusal('b')).toBeNull()
    leave()
    expect(refusal()).toBeNull()
    expect(refusal()).toEqual(['rate_limited', 1])
  })

  test('that is full takes nothing from the rate', () => {
    const { ask, refusal } = limited({
      ...{ concurrency: 1, rateLimit: { perMinute: 6, burst: 2 } },
    })
    const leave = ask()
    for (let times = 0; times < 10; times++) refusal()
    leave()
    expect(refusal()).toBeNull()
  })
})
