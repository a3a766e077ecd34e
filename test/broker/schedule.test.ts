import { expect, test, vi } from 'vitest'
import { systemClock } from '../../broker/clock.ts'
import { startSchedule } from '../../broker/schedule.ts'

test('every tick is called every five seconds, what it throws is told, and stopping ends it', async () => {
  vi.useFakeTimers()
  const told: string[] = []
  let good = 0
  const stop = startSchedule(
    [
      { name: 'good', tick: async () => void good++ },
      { name: 'bad', tick: async () => Promise.reject(new Error('x')) },
    ],
    systemClock,
    name => told.push(name),
  )
  await vi.advanceTimersByTimeAsync(15_000)
  expect(good).toBe(3)
  expect(told).toEqual(['bad', 'bad', 'bad'])
  await stop()
  await vi.advanceTimersByTimeAsync(15_000)
  expect(good).toBe(3)
  vi.useRealTimers()
})

test('what is due at the start is called then, and what it throws is told', async () => {
  vi.useFakeTimers()
  const [called, told]: [string[], string[]] = [[], []]
  const stop = startSchedule(
    [
      { name: 'now', atOnce: true, tick: async () => Promise.reject(called.push('now')) },
      { name: 'later', tick: async () => void called.push('later') },
    ],
    systemClock,
    name => told.push(name),
  )
  await vi.advanceTimersByTimeAsync(0)
  expect([called, told]).toEqual([['now'], ['now']])
  await stop()
  vi.useRealTimers()
})

test('a tick that is still at work is not begun again', async () => {
  vi.useFakeTimers()
  let begun = 0
  const stop = startSchedule(
    [{ name: 'slow', tick: () => new Promise(() => begun++) }],
    systemClock,
    () => {},
  )
  await vi.advanceTimersByTimeAsync(20_000)
  expect(begun).toBe(1)
  await stop()
  vi.useRealTimers()
})

/** Milliseconds. Set on by a month the library alone would go through half a million slots. */
const [HOUR, MONTH] = [3_600_000, 30 * 24 * 3_600_000]

test.each([
  ['back by an hour', -HOUR],
  ['on by an hour', HOUR],
  ['on by a month', MONTH],
])(
  'a wall clock that is set %s stops no tick, and begins none that is still at work',
  async (_, by) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 25) })
    let [good, slow] = [0, 0]
    const stop = startSchedule(
      [
        { name: 'good', tick: async () => void good++ },
        { name: 'slow', tick: () => new Promise(() => slow++) },
      ],
      systemClock,
      () => {},
    )
    await vi.advanceTimersByTimeAsync(12_000)
    expect([good, slow]).toEqual([2, 1])
    vi.setSystemTime(Date.now() + by)
    await vi.advanceTimersByTimeAsync(20_000)
    expect([good, slow]).toEqual([6, 1])
    await stop()
    vi.useRealTimers()
  },
)
