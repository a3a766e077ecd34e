import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { newPairBeside } from '../../../keys-pipeline/key-pair.ts'
import { judgeChange } from '../../../keys-pipeline/policy.ts'
import { type GitHubServer, githubForEach, type ServerFault } from '../../support/github-server.ts'
import { freshEc, SET_URL } from '../../support/keys.ts'
import { ALG, GUARD, publicKeysIn, REST, UPSTREAMS } from '../../support/rotation-engine.ts'
import {
  FIRST,
  lifecycleIn,
  merge,
  prove,
  type RotationRoom,
  rotationRoom,
  settledRoom,
  switchOver,
} from '../../support/rotation-room.ts'

const server = githubForEach()
const settled = (options: Partial<Parameters<typeof settledRoom>[0]> = {}): RotationRoom =>
  settledRoom({ github: server(), ...options })

/** A new key is live and signs everywhere, and the old one has rested. */
async function switched(room: RotationRoom): Promise<void> {
  await switchOver(room, server())
  room.clock.advance(REST)
  room.look()
}

const signing = ({ keys }: RotationRoom) => UPSTREAMS.map(id => keys.handOf(id)?.key.kid)
const faultsIn = ({ told }: RotationRoom) =>
  told.filter(({ facts }) => 'step' in facts).map(({ facts }) => facts['code'])
const statesOf = ({ pulls }: GitHubServer) => pulls.map(({ state }) => state)

test('a rotation goes from the order to the end of the old key, and asks people for two merges', async () => {
  const room = settled()
  expect(await room.orders.rotate('nonprod', null)).toMatchObject([{ alg: ALG, did: 'begun' }])
  await room.tick(5)
  expect(room.files()).toHaveLength(2)
  expect(statesOf(server())).toEqual(['open'])
  merge(server(), room.clock.now())
  room.look()
  const next = room.live().find(kid => kid !== FIRST)
  await room.tick(5)
  expect(signing(room)).toEqual([FIRST, FIRST])
  room.clock.advance(GUARD)
  room.look()
  await room.tick(5)
  expect(signing(room)).toEqual([next, next])
  room.clock.advance(REST)
  room.look()
  await room.tick(5)
  expect(statesOf(server())).toEqual(['closed', 'open'])
  merge(server(), room.clock.now())
  room.look()
  await room.tick(5)
  expect(room.live()).toEqual([next])
  expect([room.files().length, room.files('retired').length]).toEqual([1, 1])
  expect(room.keys.state().rotations).toEqual([])
  expect(faultsIn(room)).toEqual([])
})

test('what is proposed is what the publisher’s own policy takes', async () => {
  const room = settled()
  const began = room.clock.now()
  const judged = async (before: Record<string, string>, now: number) => {
    const after = server().git.files('main')
    return judgeChange({
      ...{ environment: 'nonprod', place: 'keys', liveElsewhere: [], liveSince: () => began, now },
      live: { url: SET_URL, keys: publicKeysIn(before) },
      guard: { live: GUARD, retired: GUARD + 300 },
      next: {
        ...{ url: SET_URL, keys: publicKeysIn(after), lifecycle: lifecycleIn(after) },
        movedFrom: null,
      },
    })
  }
  const first = server().git.files('main')
  await switched(room)
  const second = server().git.files('main')
  expect(await judged(first, room.clock.now())).toEqual([])
  await room.tick(3)
  merge(server(), room.clock.now())
  expect(await judged(second, room.clock.now())).toEqual([])
  expect(room.live()).toHaveLength(1)
})

test('while nothing changes nothing is sent twice', async () => {
  const room = settled()
  await room.orders.rotate('nonprod', null)
  await room.tick(3)
  const writes = server().writes().length
  room.clock.advance(3600)
  await room.tick(3)
  expect(server().writes()).toHaveLength(writes)
  expect(server().pulls).toHaveLength(1)
})

test('a removal that is looked at again is not written again, though a signature would differ', async () => {
  const room = settled()
  await switched(room)
  await room.tick(2)
  const [writes, release] = [server().writes().length, room.keys.state().withdrawals]
  room.clock.advance(3600)
  room.look()
  await room.tick(2)
  expect(server().writes()).toHaveLength(writes)
  expect(room.keys.state().withdrawals).toEqual(release)
})

test('an order that is repeated begins no second rotation', async () => {
  const room = settled()
  await room.orders.rotate('nonprod', null)
  expect(await room.orders.rotate('nonprod', null)).toMatchObject([{ did: 'under_way' }])
  await room.tick(5)
  expect(room.files()).toHaveLength(2)
})

test('by schedule a key is replaced when it is so many days old, and a standby is made beside', async () => {
  const room = settled({ rules: { every: 90, standby: true } })
  await room.tick(4)
  expect(room.keys.state().rotations).toMatchObject([{ role: 'standby', because: 'schedule' }])
  room.clock.advance(90 * 24 * 3600)
  room.look()
  await room.tick(4)
  expect(room.keys.state().rotations.map(({ role }) => role)).toEqual(['standby', 'signer'])
  merge(server(), room.clock.now())
  room.clock.advance(700)
  await room.tick(4)
  // The second was proposed beside the first, and has to take in what was merged meanwhile.
  merge(server(), room.clock.now())
  expect(room.live()).toHaveLength(3)
  const roles = Object.values(lifecycleIn(server().git.files('main'))).map(({ role }) => role)
  expect(roles.sort()).toEqual(['signer', 'signer', 'standby'])
})

describe('what GitHub refuses is told once and tried again later, until it goes', () => {
  const FIRST_CALL = /^GET \/repos\/[^/]+\/[^/]+$/
  test.each<[string, ServerFault, string]>([
    [
      'a token that has ended',
      { status: 401, body: { message: 'Bad credentials' } },
      'github_refused',
    ],
    [
      'a token that may not',
      { status: 403, body: { message: 'Resource not accessible' } },
      'github_refused',
    ],
    [
      'a repository that it may not see',
      { status: 404, body: { message: 'Not Found' } },
      'github_not_found',
    ],
    [
      'too many requests',
      { status: 429, body: { message: 'rate limit' }, headers: { 'retry-after': '60' } },
      'github_failed',
    ],
    [
      'a limit that is spent',
      {
        status: 403,
        body: { message: 'API rate limit exceeded' },
        headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4000000000' },
      },
      'github_failed',
    ],
    ['an error of GitHub’s', { status: 502, body: '<html>' }, 'github_failed'],
    ['a page in place of JSON', { status: 200, body: '<html>' }, 'github_failed'],
    ['a connection that breaks', { status: 0 }, 'github_unreachable'],
  ])('%s', async (_, fault, finding) => {
    const room = settled()
    await room.orders.rotate('nonprod', null)
    server().faults.push({ ...fault, at: FIRST_CALL }, { ...fault, at: FIRST_CALL })
    await room.tick(4)
    expect(server().pulls).toEqual([])
    expect(faultsIn(room)).toEqual(['proposal_failed'])
    expect(room.told.find(({ facts }) => 'step' in facts)?.facts).toMatchObject({ finding })
    room.clock.advance(61)
    await room.tick(4)
    expect(server().pulls).toEqual([])
    room.clock.advance(61)
    await room.tick(4)
    // Later each time.
    expect(server().pulls).toEqual([])
    room.clock.advance(61)
    await room.tick(4)
    expect(statesOf(server())).toEqual(['open'])
    expect(faultsIn(room)).toHaveLength(1)
    expect(room.codes()).toEqual([])
    expect(JSON.stringify(room.told)).not.toContain('a-token')
  })

  test.each<[string, ServerFault]>([
    [
      'a branch that somebody else moved',
      { status: 422, at: /POST .*\/git\/refs$/, body: 'Reference already exists' },
    ],
    ['a conflict', { status: 409, at: /POST .*\/git\/trees$/, body: 'Conflict' }],
    ['an answer that is lost', { status: 0, at: /POST .*\/pulls$/, isDone: true }],
  ])('%s', async (_, fault) => {
    const room = settled()
    await room.orders.rotate('nonprod', null)
    server().faults.push(fault)
    await room.tick(4)
    room.clock.advance(61)
    await room.tick(4)
    expect(statesOf(server())).toEqual(['open'])
    expect(room.files()).toHaveLength(2)
  })

  test('a branch of somebody else’s under the same name', async () => {
    const room = settled()
    await room.orders.rotate('nonprod', null)
    await room.tick(4)
    const [pull] = server().pulls.splice(0)
    server().git.commit({ mine: 'work' }, { branch: pull?.head ?? '', message: 'mine' })
    room.clock.advance(700)
    await room.tick(4)
    expect(room.told.find(({ facts }) => 'step' in facts)?.facts).toMatchObject({
      code: 'proposal_failed',
      finding: 'branch_taken',
    })
    expect(server().git.files(pull?.head ?? '')).toEqual({ mine: 'work' })
  })
})

test('a pull request that is closed is declined, and goes on when it is reopened', async () => {
  const room = settled()
  await room.orders.rotate('nonprod', null)
  await room.tick(3)
  const [pull] = server().pulls
  Object.assign(pull ?? {}, { state: 'closed' })
  room.clock.advance(601)
  await room.tick(3)
  room.clock.advance(601)
  await room.tick(3)
  expect(faultsIn(room)).toEqual(['proposal_declined'])
  expect(room.codes()).toEqual(['proposal_declined'])
  expect(statesOf(server())).toEqual(['closed'])
  Object.assign(pull ?? {}, { state: 'open' })
  room.clock.advance(601)
  await room.tick(3)
  expect(room.codes()).toEqual([])
})

describe('without a repository a person publishes, and the rotation waits', () => {
  test('the commands are told once, and their end is found by the watch', async () => {
    const room = settled({ github: null })
    await room.orders.rotate('nonprod', null)
    await room.tick(3)
    room.clock.advance(3600)
    await room.tick(3)
    expect(faultsIn(room)).toEqual(['publish_by_hand'])
    const { commands } = room.told.find(({ facts }) => 'step' in facts)?.facts ?? {}
    expect(String(commands)).toMatch(
      /^printf .*\nnpm run -s keys -- add .* --role signer --proof \S+\nrm /,
    )
    expect(String(commands)).not.toContain('"d"')
  })
})

describe('a folder that cannot be written', () => {
  const isRoot = process.geteuid?.() === 0
  const become = (user: number): void => void (isRoot && process.seteuid?.(user))

  test('is no endless error: it is told once what is to be put there, and what is put there is taken', async () => {
    let isClosed = true
    const room = settled({
      // Root may write everything, and in a container tests are root; nothing else is done between key and file.
      makePair: async (...wanted) => {
        const pair = await newPairBeside(...wanted)
        if (isClosed) become(65_534)
        return pair
      },
    })
    const place = join(room.folder, 'private')
    chmodSync(room.folder, 0o755)
    chmodSync(place, 0o555)
    await room.orders.rotate('nonprod', null)
    for (let count = 0; count < 3; count++) {
      await room.controller.tick()
      become(0)
      room.clock.advance(600)
    }
    isClosed = false
    chmodSync(place, 0o700)
    expect(faultsIn(room)).toEqual(['private_key_needed'])
    expect(room.told.find(({ facts }) => 'step' in facts)?.facts).toMatchObject({
      ...{ alg: ALG, folder: place, reason: 'EACCES' },
    })
    const supplied = { ...freshEc().secret, kid: 'supplied', alg: ALG }
    writeFileSync(join(place, 'ours.jwk.json'), JSON.stringify(supplied), { mode: 0o600 })
    await room.tick(4)
    expect(room.files()).toHaveLength(2)
    merge(server(), room.clock.now())
    expect(room.live()).toContain('supplied')
  })
})

describe('a key that is needed again while its removal is proposed', () => {
  const REMOVAL = 2
  const removal = () => server().pulls.find(({ number }) => number === REMOVAL)
  /** The only newer key is revoked while the removal of the first is proposed. */
  async function overtaken(): Promise<RotationRoom> {
    const room = settled()
    await switched(room)
    await room.tick(3)
    expect(statesOf(server())).toEqual(['closed', 'open'])
    return room
  }
  const revokeNewest = (room: RotationRoom) =>
    room.orders.revoke(room.live().find(kid => kid !== FIRST) ?? '', 'leaked')

  test('signs again, and the broker closes the pull request and says why', async () => {
    const room = await overtaken()
    await revokeNewest(room)
    await room.tick(1)
    expect(signing(room)).toEqual([FIRST, FIRST])
    await room.tick(4)
    expect(removal()).toMatchObject({ state: 'closed', merged_at: null })
    expect(server().pullComments).toEqual([
      { pull: REMOVAL, body: expect.stringContaining('needs this key again') },
    ])
    const [taken] = room.keys.state().withdrawals
    expect(taken).toMatchObject({ proposal: REMOVAL, release: null, isTakenBack: true })
    expect(faultsIn(room)).not.toContain('withdrawal_overtaken')
  })

  test.each([
    ['of the close', /^PATCH .*pulls/, 0],
    ['of the comment', /^POST .*comments/, 1],
  ])('is taken back once, though the answer %s is lost', async (_, at, comments) => {
    const room = await overtaken()
    server().faults.push({ status: 0, isDone: true, at })
    await revokeNewest(room)
    await room.tick(4)
    room.clock.advance(61)
    await room.tick(2)
    expect(removal()).toMatchObject({ state: 'closed' })
    expect(server().pullComments).toHaveLength(comments)
    const taken = room.keys.state().withdrawals.find(each => each.proposal === REMOVAL)
    expect(taken).toMatchObject({ release: null, isTakenBack: true })
    expect(signing(room)).toEqual([FIRST, FIRST])
  })

  test('goes in the end by the same pull request, with a release that is true', async () => {
    const room = await overtaken()
    const [before] = room.keys.state().withdrawals
    await revokeNewest(room)
    await room.tick(6)
    // The next key, with which the end of the revoked one was proposed.
    prove(room, server())
    await room.tick(3)
    room.clock.advance(REST)
    room.look()
    await room.tick(6)
    expect(removal()).toMatchObject({ state: 'open' })
    const after = room.keys.state().withdrawals.find(each => each.proposal === REMOVAL)
    expect(after?.release).toEqual(expect.any(String))
    expect(after?.release).not.toBe(before?.release)
    expect(signing(room)).not.toContain(FIRST)
  })

  test('is told where a person has merged its removal already', async () => {
    const room = await overtaken()
    Object.assign(removal() ?? {}, { state: 'closed', merged_at: '2026-11-25T00:00:00Z' })
    await revokeNewest(room)
    await room.tick(4)
    expect(faultsIn(room)).toContain('withdrawal_overtaken')
    expect(server().pullComments).toEqual([])
  })

  test('is told where a person publishes', async () => {
    const room = settled({ github: null })
    await room.tick(1)
    const released = room.keys.situation().keys[0]?.thumbprint ?? ''
    const withdrawal = { thumbprint: released, at: 0, reason: 'replaced', release: 'a.b.c' }
    await room.keys.keep(() => ({ withdrawals: [{ ...withdrawal, proposal: null }] }), 'anyone')
    await room.tick(1)
    expect(faultsIn(room)).toEqual(['withdrawal_overtaken'])
    expect(signing(room)).toEqual([FIRST, FIRST])
  })
})

test('a key that is not ours is never withdrawn', async () => {
  const room = settled()
  await switched(room)
  for (const name of room.files()) {
    const file = join(room.folder, 'private', name)
    if (JSON.parse(readFileSync(file, 'utf8')).kid === FIRST) rmSync(file)
  }
  await room.tick(5)
  expect(statesOf(server())).toEqual(['closed'])
  expect(room.live()).toHaveLength(2)
})

test('before the first look nothing is done, since every key would seem to be new', async () => {
  const room = rotationRoom({ github: server(), rules: { every: 1, standby: true }, isBlind: true })
  room.clock.advance(30 * 24 * 3600)
  await room.tick(3)
  expect(room.files()).toHaveLength(1)
  expect(server().requests).toEqual([])
})

test('a private key that is gone before anybody saw the public one is made anew, and not at once', async () => {
  const room = settled()
  await room.orders.rotate('nonprod', null)
  await room.tick(1)
  const made = room.files().find(name => name.startsWith('rotation-')) ?? ''
  rmSync(join(room.folder, 'private', made))
  await room.tick(3)
  expect(room.files()).toHaveLength(1)
  room.clock.advance(60)
  await room.tick(3)
  expect(room.files()).toHaveLength(2)
  expect(statesOf(server())).toEqual(['open'])
})
