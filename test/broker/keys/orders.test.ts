import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { githubForEach } from '../../support/github-server.ts'
import { GUARD } from '../../support/rotation-engine.ts'
import {
  FIRST,
  prove,
  type RotationRoom,
  settledRoom,
  switchOver,
} from '../../support/rotation-room.ts'

const server = githubForEach()
const RULES = { standby: true }

/** With a standby that is live and proven. */
async function reserved(): Promise<RotationRoom> {
  const room = settledRoom({ github: server(), rules: RULES })
  await room.tick(2)
  prove(room, server())
  await room.tick(2)
  return room
}
const kidOf = ({ keys }: RotationRoom, role: string) =>
  keys.situation().keys.find(each => each.role === role && each.revokedAt === null)?.kid
const signing = ({ keys }: RotationRoom) => keys.handOf('a')?.key.kid ?? null

test('a revocation is a promotion: the next signature is the standby’s, and another standby is begun', async () => {
  const room = await reserved()
  const standby = kidOf(room, 'standby')
  const revoked = await room.orders.revoke(FIRST, 'leaked')
  expect(signing(room)).toBe(standby)
  expect(revoked).toMatchObject({
    ...{ kid: FIRST, isSaved: true, isLive: true, promoted: [standby] },
    begun: [{ role: 'standby', because: 'revocation' }],
    upstreams: [
      { id: 'a', kid: standby, isPinned: false, trustsFor: GUARD },
      { id: 'b', kid: standby },
    ],
  })
})

test('a key and its heir are one decision: nobody is signed for with another between, and no alarm rings', async () => {
  const room = await reserved()
  const before = room.told.length
  await room.orders.revoke(FIRST, 'leaked')
  const said = room.told.slice(before)
  expect(said.map(({ facts }) => facts['alarm']).filter(Boolean)).toEqual(['revoked_live'])
  expect(said.filter(({ message }) => message === 'key signs')).toHaveLength(1)
})

test('its removal is proposed as an emergency at the next tick, before anything else', async () => {
  const room = await reserved()
  await room.orders.revoke(FIRST, 'leaked')
  await room.tick()
  const heads = server().pulls.filter(({ state }) => state === 'open')
  const records = heads.map(({ head }) => server().git.files(head))
  const said = records.map(files => files['keys-pipeline/keys/nonprod/lifecycle.json'] ?? '')
  expect(said.filter(text => text.includes('"emergency": true'))).toHaveLength(1)
})

test('what is repeated is done once, and says the same', async () => {
  const room = await reserved()
  const first = await room.orders.revoke(FIRST, 'leaked')
  room.clock.advance(60)
  const second = await room.orders.revoke(FIRST, 'leaked, I said')
  expect([second.at, second.promoted, second.begun]).toEqual([first.at, [], []])
  expect(Object.values(room.keys.state().revoked)).toEqual([{ at: first.at, reason: 'leaked' }])
  expect(room.keys.state().rotations).toHaveLength(1)
})

test('a revoked standby is not promoted, and the signer signs on', async () => {
  const room = await reserved()
  const standby = kidOf(room, 'standby') ?? ''
  expect((await room.orders.revoke(standby, 'lost')).promoted).toEqual([])
  expect(signing(room)).toBe(FIRST)
})

test('a key that was released is no reason to leave the standby in reserve', async () => {
  const room = await reserved()
  const standby = kidOf(room, 'standby')
  await switchOver(room, server())
  const [first, next] = [FIRST, signing(room) ?? ''].map(kid =>
    room.keys.situation().keys.find(each => each.kid === kid),
  )
  const withdrawal = { at: 0, reason: 'replaced', release: 'a.b.c', proposal: null }
  await room.keys.keep(
    () => ({ withdrawals: [{ ...withdrawal, thumbprint: first?.thumbprint ?? '' }] }),
    'anyone',
  )
  expect((await room.orders.revoke(next?.kid ?? '', 'leaked')).promoted).toEqual([standby])
  expect(signing(room)).toBe(standby)
})

test('where nothing is left that could sign, that is said, and a new signer is begun', async () => {
  const room = settledRoom({ github: server() })
  const { upstreams, begun } = await room.orders.revoke(FIRST, 'leaked')
  expect(upstreams.map(({ kid }) => kid)).toEqual([null, null])
  expect(begun).toMatchObject([{ role: 'signer', alg: 'ES256' }])
})

test('the rotation of a key that is revoked ends', async () => {
  const room = settledRoom({ github: server() })
  await room.orders.rotate('nonprod', null)
  await room.tick(2)
  const [rotation] = room.keys.state().rotations
  await room.orders.revoke(rotation?.made ?? '', 'a mistake')
  expect(room.keys.state().rotations).toEqual([])
  expect(signing(room)).toBe(FIRST)
})

test('a key is found by its thumbprint too', async () => {
  const room = settledRoom({ github: server() })
  const [key] = room.keys.situation().keys
  expect((await room.orders.revoke(key?.thumbprint ?? '', 'x')).kid).toBe(FIRST)
})

test('a rotation of one algorithm begins a line that nobody has yet', async () => {
  const room = settledRoom({ github: server() })
  expect(await room.orders.rotate('nonprod', 'RS384')).toMatchObject([
    { alg: 'RS384', did: 'begun' },
  ])
})

test('unknown names are refused by their codes', async () => {
  const { orders } = settledRoom({ github: server() })
  const refused = (code: string) => expect.objectContaining({ code })
  await expect(orders.rotate('production', null)).rejects.toThrowError(
    refused('environment_unknown'),
  )
  await expect(orders.revoke('nobody', 'x')).rejects.toThrowError(refused('key_unknown'))
  await expect(orders.release('nobody')).rejects.toMatchObject({ code: 'key_unknown' })
  await expect(orders.release(FIRST)).rejects.toMatchObject({ code: 'key_needed' })
})

test('what cannot be kept is not begun', async () => {
  const room = settledRoom({ github: server() })
  const state = join(room.folder, 'state')
  cpSync(state, `${state}-kept`, { recursive: true })
  rmSync(state, { recursive: true })
  await expect(room.orders.rotate('nonprod', null)).rejects.toThrowError(
    expect.objectContaining({ code: 'file_not_written' }),
  )
  expect((await room.orders.revoke(FIRST, 'leaked')).isSaved).toBe(false)
  expect(readdirSync(room.folder)).not.toContain('state')
})
