import { describe, expect, test } from 'vitest'
import type { KeyFacts } from '../../../broker/keys/key-facts.ts'
import { holdsFor, judgeReason, withdrawalOf } from '../../../broker/keys/withdraw.ts'
import { readStatement } from '../../../keys-pipeline/statements.ts'
import { githubForEach } from '../../support/github-server.ts'
import { privateJwk, rsa } from '../../support/keys.ts'
import { publicKeysIn, REST, URL_OF_SET } from '../../support/rotation-engine.ts'
import { FIRST, type RotationRoom, settledRoom, switchOver } from '../../support/rotation-room.ts'

const server = githubForEach()

async function switched(): Promise<RotationRoom> {
  const room = settledRoom({ github: server() })
  await switchOver(room, server())
  return room
}
const old = ({ keys }: RotationRoom): KeyFacts => {
  const found = keys.situation().keys.find(({ kid }) => kid === FIRST)
  if (!found) throw new Error('no such key')
  return found
}

test('a key is held until it has rested, and then a key that stays says so', async () => {
  const room = await switched()
  const last = room.keys.state().lastSigned[old(room).thumbprint] ?? 0
  expect(holdsFor(old(room), room.keys).map(({ why }) => why)).toContain('resting')
  room.clock.advance(REST)
  room.look()
  expect(holdsFor(old(room), room.keys)).toEqual([])
  const { release } = await withdrawalOf(old(room), room.keys, 'anyone')
  const stay = publicKeysIn(server().git.files('main')).filter(({ jwk }) => jwk.kid !== FIRST)
  const about = { thumbprint: old(room).thumbprint, url: URL_OF_SET }
  expect(await readStatement('release', release ?? '', stay, about)).toMatchObject({
    last_signed: Math.ceil(last / 1000),
  })
})

test('it is made once: what is repeated is the same, letter by letter', async () => {
  const room = await switched()
  const first = await withdrawalOf(old(room), room.keys, 'anyone')
  room.clock.advance(3600)
  expect(await withdrawalOf(old(room), room.keys, 'anyone')).toEqual(first)
  expect(room.keys.state().withdrawals).toEqual([first])
})

test('a key that signs while its release is made is not released', async () => {
  const room = await switched()
  const released = withdrawalOf(old(room), room.keys, 'anyone')
  room.keys.signing(old(room).thumbprint)
  await expect(released).rejects.toMatchObject({ code: 'key_needed', facts: { why: 'signing' } })
  expect(room.keys.state().withdrawals).toEqual([])
})

test('a key that is revoked meanwhile goes for that reason, and needs no release', async () => {
  const room = await switched()
  await withdrawalOf(old(room), room.keys, 'anyone')
  room.keys.revoke(old(room).thumbprint, 'leaked', null)
  expect(await withdrawalOf(old(room), room.keys, 'anyone')).toMatchObject({
    ...{ reason: 'leaked', release: null, at: room.clock.now() },
  })
  expect(room.keys.state().withdrawals).toHaveLength(1)
})

test('the last key is released by nobody', async () => {
  const room = settledRoom({ github: server() })
  await expect(withdrawalOf(old(room), room.keys, 'anyone')).rejects.toMatchObject({
    code: 'releaser_missing',
  })
})

describe('a reason is refused that the lifecycle file would not take for ever', () => {
  test.each([
    ['nothing', ''],
    ['two lines', 'a\nb'],
    ['more than 500 characters', 'x'.repeat(501)],
    ['a private key in PEM', rsa().privatePem.replaceAll('\n', ' ')],
    ['a private JWK', JSON.stringify(privateJwk())],
    ['a control character', 'a\u001b[2J'],
  ])('%s', (_, reason) => {
    const room = settledRoom({ github: server() })
    expect(() => judgeReason(old(room), reason)).toThrowError(
      expect.objectContaining({ code: 'reason_unusable' }),
    )
  })

  test('any other is taken', () => {
    const room = settledRoom({ github: server() })
    expect(() => judgeReason(old(room), 'leaked in a “log” of 2026-11-25')).not.toThrow()
  })
})
