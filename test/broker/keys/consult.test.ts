import { describe, expect, test } from 'vitest'
import { BrokerError } from '../../../broker/errors.ts'
import { openConsult } from '../../../broker/keys/consult.ts'
import { GUARD } from '../../support/rotation-engine.ts'
import { FIRST, type RotationRoom, rotationRoom } from '../../support/rotation-room.ts'

const HOUR = 3600

/** A broker that has just seen its key live, and a record of the publisher's that knows more. */
function consulting() {
  const room = rotationRoom({ github: null })
  const asked: string[] = []
  const record = { made: {}, live: {}, isBroken: false }
  const told: string[] = []
  const ask = (what: 'made' | 'live') => async () => {
    asked.push(what)
    if (record.isBroken) throw new BrokerError('proposal_failed', { finding: 'github_refused' })
    return record[what]
  }
  const consult = openConsult({
    clock: room.clock.clock,
    log: { info: () => {}, error: () => {}, warn: (_, message) => void told.push(message) },
    publisher: () => ({ made: ask('made'), live: ask('live') }),
  })
  const look = () => consult('nonprod', room.keys)
  return { room, asked, told, record, look }
}
const first = ({ keys }: RotationRoom) => {
  const found = keys.situation().keys.find(({ kid }) => kid === FIRST)
  if (!found) throw new Error('no such key')
  return found
}
const because = ({ keys }: RotationRoom) => keys.handOf('a')?.because

describe('at a first start, or with a state that was lost', () => {
  test('a key that has long been live by the deployments is proven at once', async () => {
    const { room, record, look } = consulting()
    expect(because(room)).toBe('unproven')
    record.live = { [first(room).thumbprint]: room.clock.now() - 9 * HOUR * 1000 }
    await look()
    expect(because(room)).toBe('newest')
    expect(room.keys.alarms().map(({ code }) => code)).not.toContain('guard_unproven')
  })

  test('one that was deployed just now waits for its guard', async () => {
    const { room, record, look } = consulting()
    record.live = { [first(room).thumbprint]: room.clock.now() }
    await look()
    expect(because(room)).toBe('unproven')
    room.clock.advance(GUARD)
    room.look()
    expect(because(room)).toBe('newest')
  })

  test('a key was made when the lifecycle file says so, and that is kept', async () => {
    const { room, record, look } = consulting()
    record.made = { [first(room).thumbprint]: 5000, 'a-key-that-is-gone': 1 }
    await look()
    expect(first(room).created).toBe(5000)
    expect(room.keys.state().created).toEqual({ [first(room).thumbprint]: 5000 })
  })

  test('a key that the record has not is known as before', async () => {
    const { room, look } = consulting()
    const { created } = first(room)
    await look()
    expect([first(room).created, because(room)]).toEqual([created, 'unproven'])
  })
})

test('a key is asked for once', async () => {
  const { asked, look } = consulting()
  await look()
  await look()
  expect(asked).toEqual(['made', 'live'])
})

test('what the record tells is worth nothing once the key was seen to be gone', async () => {
  const { room, record, look } = consulting()
  record.live = { [first(room).thumbprint]: room.clock.now() - 9 * HOUR * 1000 }
  await look()
  const looks = [{ keys: [], life: { own: 600, shared: 600 } }]
  room.clock.advance(60)
  room.keys.seen({ round: { at: room.clock.now(), looks }, published: new Map(), faults: [] })
  expect(because(room)).not.toBe('newest')
})

test('a record that cannot be had is told once, asked for later and later, and learned in the end', async () => {
  const { room, asked, told, record, look } = consulting()
  record.isBroken = true
  for (let minute = 0; minute < 240; minute++) {
    await look()
    room.clock.advance(60)
  }
  expect(asked.length).toBeGreaterThan(6)
  expect(asked.length).toBeLessThan(12)
  expect(told).toHaveLength(1)
  record.isBroken = false
  record.made = { [first(room).thumbprint]: 5000 }
  room.clock.advance(HOUR)
  await look()
  expect(first(room).created).toBe(5000)
})
