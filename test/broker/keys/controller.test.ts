import { expect, test } from 'vitest'
import { githubForEach } from '../../support/github-server.ts'
import { FIRST, GUARD, merge, REST, rotationRoom } from '../../support/rotation-room.ts'

const server = githubForEach()

/** The first key is live and proven, and both hospitals have taken it. */
async function settled(options: Parameters<typeof rotationRoom>[0] = {}) {
  const room = rotationRoom({ github: server(), ...options })
  room.clock.advance(GUARD)
  room.look()
  for (const id of ['a', 'b']) {
    const { thumbprint } = room.keys.handOf(id)?.key ?? { thumbprint: '' }
    room.keys.signing(thumbprint)
    room.keys.answered(id, thumbprint, 'accepted')
  }
  return room
}

test('a rotation goes from the order to the withdrawal of the old key, and asks people for two merges', async () => {
  const room = await settled()
  expect(room.orders.rotate('nonprod', null)).toMatchObject([{ alg: 'ES256', did: 'begun' }])
  await room.tick(5)
  expect(room.files()).toHaveLength(2)
  expect(server().pulls.map(({ state }) => state)).toEqual(['open'])
  merge(server(), room.clock.now())
  room.look()
  expect(room.live()).toHaveLength(2)
  const next = room.live().find(kid => kid !== FIRST)
  await room.tick(5)
  expect(room.keys.handOf('a')?.key.kid).toBe(FIRST)
  room.clock.advance(GUARD)
  room.look()
  await room.tick(5)
  room.look()
  await room.tick(5)
  expect(['a', 'b'].map(id => room.keys.handOf(id)?.key.kid)).toEqual([next, next])
  room.clock.advance(REST)
  room.look()
  await room.tick(5)
  expect(server().pulls.map(({ state }) => state)).toEqual(['closed', 'open'])
  merge(server(), room.clock.now())
  room.look()
  await room.tick(5)
  expect(room.live()).toEqual([next])
  expect(room.files('retired')).toHaveLength(1)
  expect(room.keys.state().rotations).toEqual([])
  expect(room.told.filter(({ level }) => level === 'error')).toEqual([])
})
