import { describe, expect, test } from 'vitest'
import { keyStates } from '../../../broker/keys/key-states.ts'
import type { Plan } from '../../../broker/keys/plan.ts'
import { marksOf, nextOf } from '../../../broker/keys/road.ts'
import type { Situation } from '../../../broker/keys/rotation.ts'
import { afterRound } from '../../../broker/keys/sightings.ts'
import type { Rotation } from '../../../broker/keys/state.ts'
import { accepted, HOUR, key, MINUTE, NOW, PAGES, planOf, seen, situation } from './situation.ts'

const OLD = key('old', 900)
const NEW = key('new', 50)
const BEFORE = (hours: number) => NOW - hours * HOUR

/** The marks and what comes next of one key, in hours before now. */
function road(
  name: string,
  parts: Partial<Situation>,
  plan: Partial<Plan> = {},
  every: number | null = null,
) {
  const all = planOf(situation({ keys: [OLD, NEW], ...parts }), plan)
  const status = keyStates(all).find(each => each.key.thumbprint === name)
  if (!status) throw new Error(`no key ${name}`)
  const hours = (at: number | null) => (at === null ? null : Math.round((NOW - at) / MINUTE) / 60)
  const next = nextOf(status, all, every)
  return {
    marks: marksOf(status, all).map(({ state, at }) => `${state} ${hours(at)}`),
    next: next && `${next.state} ${hours(next.earliest)}`,
  }
}

const ROTATION: Rotation = {
  ...{ id: '1', alg: 'RS384', role: 'signer', because: 'command', asked: BEFORE(51) },
  ...{ made: 'new', proposal: 7, proposedAt: BEFORE(49) },
}
const asked = (hours: number) => ({ old: { first: BEFORE(hours), hasAnswered: true } })

describe('the way of a key is told as far as it is known', () => {
  test('made and proposed, with nothing certain ahead', () => {
    expect(road('new', { watched: seen({ old: 100 }) }, { rotations: [ROTATION] })).toEqual({
      ...{ marks: ['made 50', 'proposed 49'], next: 'live null' },
    })
  })

  test('live, and proven at the earliest when its guard is over', () => {
    const watched = seen({ old: 100, new: 1 / 6 })
    expect(road('new', { watched }, { rotations: [ROTATION] })).toEqual({
      marks: ['made 50', 'proposed 49', `live ${10 / 60}`],
      next: `proven ${-10 / 60}`,
    })
  })

  test('signing since it was first asked with, by whichever upstream', () => {
    const records = new Map([
      ['h', accepted({ old: 1 }, { asked: asked(30) })],
      ['gone-from-the-config', accepted({ old: 1 }, { asked: asked(40) })],
    ])
    const { marks } = road('old', { watched: seen({ old: 60 }), records })
    expect(marks).toEqual(['made 900', 'live 60', `proven ${60 - 20 / 60}`, 'signing 40'])
  })

  test('resting since its last signature, for as long as what it signed may be about', () => {
    const parts = {
      watched: seen({ old: 100, new: 9 }),
      records: new Map([['h', accepted({ new: 1, old: 9 })]]),
    }
    const ledger = { since: 0, lastSigned: { old: BEFORE(0.25) }, replicas: [] }
    const { marks, next } = road('old', parts, { ledger })
    expect(marks.at(-1)).toBe('resting 0.25')
    expect(next).toBe(`retirable ${-10 / 60}`)
  })

  test('gone since it was last seen, though each look since has missed it', () => {
    const once = seen({ old: 100, new: 100 })
    const later = [1, 2, 3].reduce(
      (watched, nth) =>
        afterRound(watched, { at: NOW + nth * MINUTE, looks: [{ keys: ['new'], life: PAGES }] }),
      once,
    )
    const { marks, next } = road('old', { watched: later, now: NOW + 3 * MINUTE })
    expect([marks.at(-1), next]).toEqual(['gone 0', null])
  })

  test('revoked, and to go for as long as it is live', () => {
    const keys = [OLD, { ...NEW, revokedAt: BEFORE(1) }]
    const live = road('new', { keys, watched: seen({ old: 100, new: 9 }) })
    expect([live.marks.at(-1), live.next]).toEqual(['revoked 1', 'gone null'])
    expect(road('new', { keys, watched: seen({ old: 100 }) }).next).toBeNull()
  })

  test('of a key that is elsewhere nobody knows when it was made', () => {
    const keys = [OLD, { ...NEW, isHere: false }]
    expect(road('new', { keys, watched: seen({ old: 100, new: 9 }) }).marks[0]).toBe('live 9')
  })
})

describe('what follows a key that signs', () => {
  const parts = { keys: [OLD], watched: seen({ old: 90 }) }
  test.each<[string, number | null, string | null]>([
    ['is told by the schedule', 40, `resting ${900 - 40 * 24}`],
    ['is due at any moment, where its day is past', 30, 'resting null'],
    ['is nothing, where a command alone brings it', null, null],
  ])('%s', (_, every, next) => {
    expect(road('old', parts, {}, every).next).toBe(next)
  })
})
