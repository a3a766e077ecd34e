import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import type { ConfigFile } from '../../broker/config-schema.ts'
import { chanceFrom } from '../support/chance.ts'
import { startFakeEhr } from '../support/fake-ehr.ts'
import { folderWith } from '../support/keys.ts'
import type { Judged, Round } from '../support/policy-client.ts'
import { BROKER_MAIN, freePort, PROJECT, start } from '../support/processes.ts'
import { changed, randomConfig } from '../support/random-policy.ts'
import type { RawConfig } from '../support/second-policy.ts'
import { makeKey } from '../support/world.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const LONG = process.env['LOCKSTEP_LONG'] === '1'
const PROCESSES = 4
const ROUNDS = LONG ? 10 : 4
const REQUESTS = (LONG ? 100_000 : 10_000) / PROCESSES / ROUNDS

function client(): ChildProcess {
  const child = fork(join(PROJECT, 'test', 'support', 'policy-client.ts'), { silent: false })
  onTestFinished(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  return child
}

async function judged(child: ChildProcess, round: Round): Promise<Judged> {
  child.send(round)
  const [answer] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('a client ended')
    }),
  ])
  return answer as Judged
}

test('over HTTP from four processes none is one that a second, naive policy would not give', async () => {
  const chance = chanceFrom(SEED)
  const folder = folderWith({})
  makeKey(folder, 'ES384')
  const path = join(folder, 'broker.yaml')
  const port = await freePort()
  const ehr = await startFakeEhr(() => raw)
  onTestFinished(() => ehr.close())
  let raw: ConfigFile & RawConfig = randomConfig(chance, ehr.origin)
  const write = (): void =>
    writeFileSync(
      path,
      JSON.stringify({ ...raw, issuer: `http://127.0.0.1:${port}`, listen: { port } }),
    )
  write()
  const broker = await start(BROKER_MAIN, ['--config', path], /"ready"/)
  const clients = Array.from({ length: PROCESSES }, client)
  let granted = 0
  for (let round = 0; round < ROUNDS; round++) {
    const all = await Promise.all(
      clients.map(each =>
        judged(each, {
          ...{ config: path, port },
          seed: chance.below(2 ** 31),
          requests: REQUESTS,
        }),
      ),
    )
    expect(all.flatMap(each => each.faults)).toEqual([])
    granted += all.reduce((sum, each) => sum + each.granted, 0)
    raw = changed(chance, raw)
    write()
    broker.signal('SIGHUP')
    await expect
      .poll(() => broker.output().split('new config taken').length - 1, { timeout: 20_000 })
      .toBe(round + 1)
  }
  expect((await broker.stop()).code).toBe(0)
  process.stdout.write(
    `${REQUESTS * PROCESSES * ROUNDS} over HTTP, ${ROUNDS} generations, ${granted} granted, ${ehr.calls()} calls\n`,
  )
  expect(granted).toBeGreaterThan((REQUESTS * PROCESSES * ROUNDS) / 5)
}, 600_000)
