import { expect, test } from 'vitest'
import { openAlarms } from '../../../broker/keys/alarms.ts'

function alarms() {
  const lines: [string, object][] = []
  const log = (level: string) => (facts: object) => void lines.push([level, facts])
  const made = openAlarms('nonprod', {
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
  })
  return { ...made, lines }
}

test('an alarm is told when it begins, is about something else, and ends', () => {
  const { set, lines } = alarms()
  set('key_unclaimed', [], 1)
  set('key_unclaimed', ['b', 'a'], 2)
  set('key_unclaimed', ['a', 'b', 'a'], 3)
  set('key_unclaimed', ['a'], 4)
  set('key_unclaimed', [], 5)
  expect(lines.map(([level]) => level)).toEqual(['error', 'error', 'info'])
})

test('it rings since it began, whatever it is about meanwhile, the gravest first', () => {
  const { set, list } = alarms()
  set('watch_failing', ['IPv4'], 1)
  set('watch_failing', ['IPv6'], 2)
  set('key_unclaimed', ['a'], 3)
  expect(list()).toEqual([
    { code: 'key_unclaimed', since: 3, about: ['a'] },
    { code: 'watch_failing', since: 1, about: ['IPv6'] },
  ])
})

test('a line of the log names twenty at most', () => {
  const { set, lines } = alarms()
  set(
    'no_key',
    Array.from({ length: 1000 }, (_, at) => `ehr-${at}`),
    1,
  )
  expect(lines).toMatchObject([['error', { about: { length: 20 } }]])
})
