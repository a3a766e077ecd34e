import { expect, test } from 'vitest'
import { singleFlight } from '../../../broker/tokens/single-flight.ts'

const deferred = <T>() => Promise.withResolvers<T>()

test('whoever asks while work is under way gets the same result, and the work is done once', async () => {
  const flights = singleFlight<string>()
  const work = deferred<string>()
  let done = 0
  const callers = Array.from({ length: 1000 }, () =>
    flights.run('key', () => {
      done++
      return work.promise
    }),
  )
  work.resolve('token')
  expect(new Set(await Promise.all(callers))).toEqual(new Set(['token']))
  expect(done).toBe(1)
})

test('a failure is shared and then forgotten', async () => {
  const flights = singleFlight<string>()
  const work = deferred<string>()
  const callers = [flights.run('key', () => work.promise), flights.run('key', async () => 'never')]
  work.reject(new Error('outage'))
  for (const caller of callers) await expect(caller).rejects.toThrow('outage')
  await expect(flights.run('key', async () => 'again')).resolves.toBe('again')
})

test('two keys do not wait for each other', async () => {
  const flights = singleFlight<string>()
  const slow = deferred<string>()
  const waiting = flights.run('slow', () => slow.promise)
  await expect(flights.run('quick', async () => 'here')).resolves.toBe('here')
  slow.resolve('late')
  await expect(waiting).resolves.toBe('late')
})
