import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { carryOut, type StepPorts } from '../../../broker/keys/carry-out.ts'
import type { Step } from '../../../broker/keys/plan.ts'
import { newPairBeside } from '../../../keys-pipeline/key-pair.ts'
import { githubForEach } from '../../support/github-server.ts'
import { FIRST, type RotationRoom, settledRoom } from '../../support/rotation-room.ts'

const server = githubForEach()

function ports(room: RotationRoom, parts: Partial<StepPorts> = {}): StepPorts {
  return {
    log: { info: () => {}, warn: () => {}, error: () => {} },
    newId: () => 'id',
    makePair: newPairBeside,
    foldersOf: () => ({
      folder: join(room.folder, 'private'),
      standbyFolder: null,
      passphrase: null,
    }),
    publisher: () => null,
    ask: async () => {},
    ...parts,
  }
}
const rotation = (role: 'signer' | 'standby') =>
  ({
    id: 'r',
    alg: 'ES256',
    role,
    because: 'command',
    asked: 0,
    made: null,
    proposal: null,
  }) as const

const first = ({ keys }: RotationRoom) => {
  const found = keys.situation().keys.find(({ kid }) => kid === FIRST)
  if (!found) throw new Error('no such key')
  return found
}

test('a standby whose folder is not named waits for somebody to name it', async () => {
  const room = settledRoom({ github: server() })
  const step: Step = { do: 'make', rotation: rotation('standby') }
  expect(await carryOut(step, 'nonprod', room.keys, ports(room))).toMatchObject({
    waitsFor: { code: 'private_key_needed', facts: { alg: 'ES256' } },
  })
})

test('a key that was made before is recorded, and no other is made', async () => {
  const room = settledRoom({ github: server() })
  const step: Step = { do: 'make', rotation: rotation('signer') }
  await room.keys.keep(() => ({ rotations: [step.rotation] }), 'anyone')
  let made = 0
  const counting = ports(room, {
    makePair: (...wanted) => {
      made++
      return newPairBeside(...wanted)
    },
  })
  await carryOut(step, 'nonprod', room.keys, counting)
  const [before] = room.keys.state().rotations
  await room.keys.keep(() => ({ rotations: [step.rotation] }), 'anyone')
  await carryOut(step, 'nonprod', room.keys, counting)
  expect([made, room.keys.state().rotations]).toEqual([1, [before]])
})

test('what a step found is not taken for done where it cannot be kept', async () => {
  const room = settledRoom({ github: server() })
  await room.keys.keep(() => ({ rotations: [rotation('signer')] }), 'anyone')
  rmSync(join(room.folder, 'state'), { recursive: true })
  const step: Step = { do: 'make', rotation: rotation('signer') }
  await expect(carryOut(step, 'nonprod', room.keys, ports(room))).rejects.toMatchObject({
    ...{ code: 'file_not_written', facts: { reason: 'state_not_saved' } },
  })
})

test('the last private key for an algorithm stays where it is: the next start would refuse an empty folder', async () => {
  const room = settledRoom({ github: server() })
  await carryOut({ do: 'archive', key: first(room) }, 'nonprod', room.keys, ports(room))
  expect(room.files()).toHaveLength(1)
})

test('a question to an EHR fails as the EHR does', async () => {
  const room = settledRoom({ github: server() })
  const failing = ports(room, { ask: () => Promise.reject(new Error('no')) })
  const step: Step = { do: 'ask', upstream: 'a', key: first(room) }
  await expect(carryOut(step, 'nonprod', room.keys, failing)).rejects.toThrow('no')
})
