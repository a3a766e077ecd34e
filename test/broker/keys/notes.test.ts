import { expect, test } from 'vitest'
import { openNotes } from '../../../broker/keys/notes.ts'
import { movedClock } from '../../support/clock.ts'

const PACE = { first: 60_000, most: 600_000 }
const FAILURE = { code: 'proposal_failed', facts: { finding: 'github_failed' } } as const

function open() {
  const clock = movedClock()
  const told: object[] = []
  const notes = openNotes('nonprod', clock.clock, { error: facts => void told.push(facts) })
  return { ...notes, clock, told }
}

test('a step that fails is due later each time, up to the most', () => {
  const { isDue, fail, clock } = open()
  const waits: number[] = []
  for (let count = 0; count < 6; count++) {
    fail('step', FAILURE, PACE)
    let seconds = 0
    for (; !isDue('step'); seconds += 60) clock.advance(60)
    waits.push(seconds)
  }
  expect(waits).toEqual([60, 120, 240, 480, 600, 600])
})

test('the same failure is told once, and another one anew; what is over is forgotten', () => {
  const { fail, rest, of, told } = open()
  fail('step', FAILURE, PACE)
  fail('step', FAILURE, PACE)
  expect(told).toHaveLength(1)
  fail('step', { ...FAILURE, facts: { finding: 'github_refused' } }, PACE)
  expect(told).toHaveLength(2)
  expect(of('step')?.facts).toEqual({ finding: 'github_refused' })
  rest('step', 0)
  expect(of('step')).toBeNull()
  fail('step', FAILURE, PACE)
  expect(told).toHaveLength(3)
})

test('a clock that is set back makes nobody wait longer', () => {
  const { isDue, fail, clock } = open()
  fail('step', FAILURE, PACE)
  clock.setWallBy(-86_400)
  clock.advance(60)
  expect(isDue('step')).toBe(true)
})

test('an operator who has mended it does not wait', () => {
  const { isDue, wait, hurry } = open()
  wait('step', FAILURE, 600_000)
  expect(isDue('step')).toBe(false)
  hurry()
  expect(isDue('step')).toBe(true)
})

test('what is no step any more is let go of', () => {
  const { of, wait, keepOnly } = open()
  wait('one', FAILURE, 1)
  wait('two', FAILURE, 1)
  keepOnly(new Set(['two']))
  expect([of('one'), of('two')?.code]).toEqual([null, 'proposal_failed'])
})
