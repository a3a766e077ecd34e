import { describe, expect, test } from 'vitest'
import { makeWorld } from '../support/world.ts'

const OUTAGE = 600
const FLOOR = 30
const STEP = 5

/** How the EHR is out of order; every call meets it. */
const outages = ['503', 'reset'] as const

/** What each request gets during ten minutes in which the EHR is out of order, in moved time; by second. */
async function served(life: number, how: (typeof outages)[number]) {
  const world = await makeWorld({ tokenLife: life, chance: 0.5 })
  const ask = async (): Promise<number> => (await world.ask()).statusCode
  expect(await ask()).toBe(200)
  const refill = (): void => {
    world.epic.faults.splice(0)
    for (let at = 0; at < 50; at++)
      world.epic.faults.push((_, reply) => {
        if (how === '503') return reply.code(503).send({})
        reply.hijack()
        return reply.raw.socket?.destroy()
      })
  }
  const began = world.clock.now()
  const second = (): number => (world.clock.now() - began) / 1000
  const seen: { second: number; status: number }[] = []
  while (second() < OUTAGE) {
    refill()
    world.clock.advance(STEP)
    const at = second()
    seen.push({ second: at, status: await ask() })
  }
  const calls = world.epic.tokenRequests
  world.epic.faults.splice(0)
  world.clock.advance(61)
  const after = await ask()
  await world.close()
  return { seen, after, calls }
}

describe.each(outages)('during ten minutes of %s', how => {
  test.each([300, 540, 3600])(
    'every request is served while a token of %d s has the floor left, and none after',
    { timeout: 60_000 },
    async life => {
      const { seen, after } = await served(life, how)
      const alive = seen.filter(each => each.second <= life - FLOOR)
      const dead = seen.filter(each => each.second > life - FLOOR)
      expect(alive.length).toBeGreaterThan(20)
      expect(alive.filter(each => each.status !== 200)).toEqual([])
      expect(dead.filter(each => each.status !== 503)).toEqual([])
      expect(after).toBe(200)
    },
  )

  test('the EHR is asked far less often than we are', async () => {
    const { seen, calls } = await served(300, how)
    expect(calls).toBeLessThan(seen.length / 2)
  })
})
