import process from 'node:process'
import { expect, test } from 'vitest'
import { chanceFrom } from '../support/chance.ts'
import { type RotationWorld, rotationWorld } from '../support/rotation-world.ts'

/** Seconds. */
const [STEP, GUARD] = [600, 1200]
const MOST_STEPS = 30

/** Where the broker is killed: once a file is there whole, or when GitHub was asked and has not answered. */
type Kill =
  | { path: string; text?: string }
  | { at: RegExp; isDone: boolean; of: 'addition' | 'removal' }

const STATE = /nonprod\.json$/.source
const [BRANCH, PULL] = [/^POST .*\/git\/refs$/, /^POST .*\/pulls$/]

const KILLS: [string, Kill][] = [
  ['the rotation is begun', { path: STATE, text: '"because":"schedule"' }],
  ['the key is made', { path: /rotation-[^/]*\.private\.jwk\.json$/.source }],
  ['its making is recorded', { path: STATE, text: '"made":"' }],
  ['its branch is to be made', { at: BRANCH, isDone: false, of: 'addition' }],
  ['its branch is there', { at: BRANCH, isDone: true, of: 'addition' }],
  ['its pull request is open', { at: PULL, isDone: true, of: 'addition' }],
  ['its pull request is recorded', { path: STATE, text: '"proposal":1' }],
  ['it is to sign for the first time', { path: STATE, text: '"lastSigned":{"[^"]+":[0-9]+,"' }],
  ['the release of the old key is made', { path: STATE, text: '"release":"' }],
  ['the branch of its removal is there', { at: BRANCH, isDone: true, of: 'removal' }],
  ['the pull request of its removal is open', { at: PULL, isDone: true, of: 'removal' }],
  ['its private half is put away', { path: '/retired/' }],
]

/** A quarter of them by default. */
const { percent } = chanceFrom(Number(process.env['LOCKSTEP_SEED']))
const CHOSEN = KILLS.filter(() => process.env['LOCKSTEP_LONG'] === '1' || percent(25))

/** Starts the broker, and goes on until it was killed there. */
async function killed(world: RotationWorld, what: string, kill: Kill): Promise<void> {
  if ('path' in kill) {
    const { path, text = '' } = kill
    await world.start('a', { KILL_IN: '/broker/', KILL_PATH: path, KILL_TEXT: text })
  } else {
    await world.start('a')
    const isNext = () => kill.of === 'addition' || world.github.pulls[0]?.state === 'closed'
    for (let step = 0; step < MOST_STEPS && !isNext(); step++) await world.pass(STEP)
    world.github.faults.push({
      ...{ status: 0, at: kill.at, isDone: kill.isDone },
      meanwhile: () => world.brokers.get('a')?.signal('SIGKILL'),
    })
  }
  for (let step = 0; step < MOST_STEPS; step++) {
    const isAlive = await world.pass(STEP).then(
      () => true,
      () => false,
    )
    if (!isAlive) break
  }
  // One that still runs ends with 0.
  const { signal } = (await world.brokers.get('a')?.stop()) ?? {}
  expect(signal, what).toBe('SIGKILL')
}

test('the daemon, killed at each step of a rotation and started again, goes on with no second key and no second pull request', {
  timeout: 600_000,
}, async () => {
  const world = await rotationWorld({
    rotation: { every: 1 },
    edit: file => Object.assign(file.keys.nonprod ?? {}, { guard: GUARD }),
  })
  await world.start('a')
  await world.pass(STEP)
  await world.brokers.get('a')?.stop()
  world.clock.advance(24 * 3600)
  for (const [what, kill] of CHOSEN) {
    await killed(world, what, kill)
    expect(world.privateKeys().length, what).toBeLessThanOrEqual(2)
  }
  await world.start('a')
  const isOver = (): boolean => world.privateKeys('retired').length > 0
  for (let step = 0; step < MOST_STEPS && !isOver(); step++) await world.pass(STEP)
  await world.pass(STEP)
  expect(world.state('a').rotations).toEqual([])
  expect(world.privateKeys()).toHaveLength(1)
  expect(world.privateKeys('retired')).toHaveLength(1)
  expect(world.github.pulls.map(({ title }) => title.slice(0, 3))).toEqual(['Add', 'Ret'])
  expect([...world.github.git.refs.keys()]).toHaveLength(3)
  expect(world.refused()).toEqual([])
  expect(world.handOuts.filter(({ status }) => status !== 200)).toEqual([])
})
