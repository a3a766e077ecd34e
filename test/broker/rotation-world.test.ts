import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BROKER_CLI, run } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { type RotationWorld, rotationWorld } from '../support/rotation-world.ts'

const [MINUTE, HOUR] = [60, 3600]
/** Steps of moved time, so that what never ends is a failure. */
const MOST_STEPS = 100

/** In steps of ten minutes while something is under way, else of three hours; whatever signs is in the published set. */
async function until(world: RotationWorld, isSo: () => boolean): Promise<void> {
  for (let step = 0; !isSo(); step++) {
    if (step === MOST_STEPS) throw new Error(`not after ${MOST_STEPS} steps: ${isSo}`)
    const asked = await world.pass(world.ci.isBusy() ? 10 * MINUTE : 3 * HOUR)
    const live = world.ci.live()
    expect(asked.filter(({ status, kid }) => status !== 200 || !live.includes(kid))).toEqual([])
  }
}

const signing = ({ handOuts }: RotationWorld): string => handOuts.at(-1)?.kid ?? ''

const openPulls = ({ github }: RotationWorld): string[] =>
  github.pulls.filter(({ state }) => state === 'open').map(({ title }) => title)

/** Amid a rotation the broker is killed, and starts again without its state. */
async function loseState(world: RotationWorld, name: string): Promise<void> {
  await until(world, () => openPulls(world).length > 0)
  await world.brokers.get(name)?.stop('SIGKILL')
  rmSync(join(world.folder, `${name}-state`), { recursive: true })
  await world.start(name)
}

test('three rotations by the schedule and one revocation in real processes: no refused assertion, no failed hand-out', {
  timeout: 600_000,
}, async () => {
  const world = await rotationWorld({
    redis: await startRedis(),
    rotation: { every: 1, standby: true },
  })
  await world.start('a')
  await world.start('b')
  await world.pass(MINUTE)
  for (let rotation = 1; rotation <= 3; rotation++) {
    const before = signing(world)
    if (rotation === 2) await loseState(world, 'b')
    await until(world, () => world.privateKeys('retired').length === rotation)
    expect(signing(world)).not.toBe(before)
    // The new one and the standby.
    expect(world.ci.live()).toHaveLength(2)
    expect(world.ci.live()).not.toContain(before)
  }
  const leaked = signing(world)
  const standby = world.ci.live().find(kid => kid !== leaked)
  const revoked = run(
    BROKER_CLI,
    ['revoke', leaked, '--config', 'a.yaml', '--reason', 'laptop stolen', '--json'],
    { cwd: world.folder },
  )
  // It is said once the others can read it.
  await expect
    .poll(() => world.brokers.get('a')?.output(), { timeout: 60_000 })
    .toContain('"msg":"key revoked"')
  // It looks before it signs.
  expect(await world.ask('b', 'quiet')).toMatchObject({ status: 200, kid: standby })
  await world.pass(MINUTE)
  expect(await revoked).toMatchObject({ code: 0, stderr: '' })
  expect(signing(world)).toBe(standby)
  expect(openPulls(world)).toContainEqual(expect.stringMatching(/^Retire/))
  await until(world, () => !world.ci.live().includes(leaked))
  expect(world.refused()).toEqual([])
  expect(world.handOuts.filter(({ status }) => status !== 200)).toEqual([])
})
