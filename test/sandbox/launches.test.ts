import { expect, test } from 'vitest'
import { movedClock } from '../support/clock.ts'
import { Launches } from './launches.ts'
import { PEOPLE, type Person } from './people.ts'

const [person] = PEOPLE as [Person]
const launch = { clientId: 'app', person, patient: 'p', encounter: null }
const clock = movedClock()
const launches = new Launches(clock.now)

test('a launch token is good once', () => {
  const token = launches.start(launch)
  expect(launches.take(token, 'app')).toBe(launch)
  expect(() => launches.take(token, 'app')).toThrow('launch_token_used')
})

test('of another app it is refused, and stays good for its own', () => {
  const token = launches.start(launch)
  expect(() => launches.take(token, 'other')).toThrow('launch_token_of_other_client')
  expect(launches.take(token, 'app')).toBe(launch)
})

test('it ends after five minutes, and another instance does not know it', () => {
  const token = launches.start(launch)
  clock.advance(300)
  expect(() => launches.take(token, 'app')).toThrow('launch_token_expired')
  expect(() => new Launches(clock.now).take(token, 'app')).toThrow('launch_token_unknown')
})
