import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BROKER_CLI, run } from '../../support/processes.ts'
import { makeWorld, type World } from '../../support/world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld({
    upstreams: base => ({ epic: base, stranger: { ...base, clientId: 'nobody' } }),
  })
  // The command lives in real time, and the moved clock stands in 2026.
  world.clock.advance((Date.now() - world.clock.now()) / 1000)
  return () => world.close()
})

/** The config, with what a test changes in its text. */
function configure(change: (text: string) => string): void {
  const file = join(world.folder, 'broker.yaml')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

const withSet = () =>
  configure(text =>
    text.replace('folder: private', `folder: private\n    jwksUrl: ${world.jwksUrl}`),
  )

const diagnose = (...args: string[]) =>
  run(BROKER_CLI, ['diagnose', ...args], {
    cwd: world.folder,
    env: { NODE_EXTRA_CA_CERTS: join(world.folder, 'ca.pem') },
  })

test('a healthy upstream: exit status 0', async () => {
  withSet()
  const { code, stdout, stderr } = await diagnose('epic', '--patient', 'x')
  console.log(stdout, stderr)
  expect(code).toBe(0)
})

test('see', async () => {
  withSet()
  console.log((await diagnose('stranger')).stdout)
  console.log((await diagnose('stranger', '--json')).stdout)
  console.log(await diagnose('nix'))
  console.log((await diagnose('epic', '--no-token')).stdout)
  configure(t => t.replace('R4', 'R5').replace(/jwksUrl.*/, ''))
  console.log((await diagnose('epic', '--config', 'broker.yaml')).stdout)
  world.epic.keySets.isBlocked = true
  world.clock.advance(30 * 3600)
  console.log((await diagnose('epic')).stdout)
  configure(t => t.replace('nonprod', 'nonpro'))
  console.log(await diagnose('epic'))
})
