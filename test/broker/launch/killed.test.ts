import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { inParallel } from '../../../broker/in-parallel.ts'
import { openKeeper } from '../../../broker/launch/keeper.ts'
import { openSqliteShelf } from '../../../broker/launch/sqlite-shelf.ts'
import { openVault } from '../../../broker/launch/vault.ts'
import { sealWith } from '../../../broker/tokens/sealed.ts'
import { chanceFrom } from '../../support/chance.ts'
import { movedClock } from '../../support/clock.ts'
import { folderWith } from '../../support/keys.ts'
import { connection } from '../../support/launch-target.ts'
import { PROJECT, run } from '../../support/processes.ts'

const LONG = process.env['LOCKSTEP_LONG'] === '1'
const WORKER = join(PROJECT, 'test', 'support', 'renewing-process.ts')

/** Seconds after which the first token is over, and by which an intent that was left has ended. */
const [LATE, PATIENCE] = [3600, 11]

type Mode = 'rolling' | 'plain'

/** A token endpoint that gives a new refresh token each time, or keeps the first; it knows what is good. */
async function startEhr(mode: Mode) {
  const ehr = { current: 'refresh-1', good: new Set(['access-1']), calls: 0, origin: '' }
  const server = createServer((request, reply) => {
    let text = ''
    request.on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      const isGood = new URLSearchParams(text).get('refresh_token') === ehr.current
      ehr.calls++
      if (isGood && mode === 'rolling') ehr.current = `refresh-${ehr.calls + 1}`
      if (isGood) ehr.good = new Set([`access-${ehr.calls + 1}`])
      // Whoever shows one that was used already may be a thief: all that came of it is over.
      else Object.assign(ehr, { current: 'none', good: new Set() })
      const body = {
        ...{ access_token: [...ehr.good][0], token_type: 'bearer', expires_in: LATE },
        ...{ scope: 'openid patient/Patient.read' },
        ...(mode === 'rolling' && { refresh_token: ehr.current }),
      }
      reply.writeHead(isGood ? 200 : 400, { 'content-type': 'application/json' })
      reply.end(JSON.stringify(isGood ? body : { error: 'invalid_grant', error_description: null }))
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  ehr.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return ehr
}

function keeperOf(folder: string, now: number) {
  const clock = () => ({ wall: now, monotonic: now })
  const shelf = openSqliteShelf(join(folder, 'connections.db'), clock)
  const seal = sealWith([readFileSync(join(folder, 'seal'))], () => randomBytes(12))
  const keeper = openKeeper({ clock, vault: openVault(shelf, seal, () => {}), random: randomBytes })
  return { keeper, close: shelf.close }
}

/** A connection whose token is about to end, in a folder of its own. */
async function begin(mode: Mode) {
  const ehr = await startEhr(mode)
  const folder = folderWith()
  writeFileSync(join(folder, 'seal'), randomBytes(32), { mode: 0o600 })
  const now = movedClock().now()
  const { keeper, close } = keeperOf(folder, now)
  await keeper.keep(
    connection({
      ...{ tokenEndpoint: `${ehr.origin}/token`, fhirBase: `${ehr.origin}/fhir` },
      expiresAt: now + LATE * 1000,
    }),
  )
  close()
  const ask = (seconds: number, step = 0) =>
    run(WORKER, [folder, ehr.origin, `${now + seconds * 1000}`], { env: { KILL_STEP: `${step}` } })
  const kept = async () => {
    const opened = keeperOf(folder, now + LATE * 1000)
    const held = await opened.keeper.get(connection().id)
    opened.close()
    return held?.connection
  }
  return { ehr, ask, kept }
}

/** Twice the store for the state, the intent, the EHR, what it said. */
const STEPS = 10
/** The EHR has made a new refresh token, and nobody has written it down. */
const BETWEEN = [8, 9]
/** The intent is kept and nothing was sent; the EHR has answered. */
const GRAVEST = [6, 8]

const { percent } = chanceFrom(Number(process.env['LOCKSTEP_SEED']))

async function killedAt(step: number, mode: Mode): Promise<void> {
  const { ehr, ask, kept } = await begin(mode)
  const killed = await ask(LATE, step)
  expect([killed.signal, killed.stdout, killed.stderr], `step ${step}`).toEqual(['SIGKILL', '', ''])
  const again = await ask(LATE + PATIENCE)
  expect([again.code, again.stderr], `step ${step}`).toEqual([0, ''])
  const { told } = JSON.parse(again.stdout)
  const isLost = mode === 'rolling' && BETWEEN.includes(step)
  if (isLost) {
    expect(told, `step ${step}`).toBe('connection_needs_login')
    expect(await kept()).toMatchObject({ isOver: true, renewing: null, refreshToken: null })
  } else {
    expect([...ehr.good], `step ${step}`).toEqual([told])
    expect(await kept()).toMatchObject({ accessToken: told, renewing: null })
  }
  if (!LONG) return
  const calls = ehr.calls
  const third = JSON.parse((await ask(LATE + PATIENCE)).stdout)
  expect([third.told, ehr.calls - calls], `step ${step}`).toEqual([told, 0])
}

test.each<Mode>(LONG ? ['rolling', 'plain'] : ['rolling'])(
  'killed at any step of a renewal (%s), a connection works afterwards or is shown as over, and no wrong token is given',
  async mode => {
    const whole = await begin(mode)
    const { told, steps } = JSON.parse((await whole.ask(LATE)).stdout)
    expect([told, steps]).toEqual(['access-2', STEPS])
    const all = Array.from({ length: STEPS }, (_, at) => at + 1)
    const chosen = LONG ? all : all.filter(step => GRAVEST.includes(step) || percent(5))
    await inParallel(2, chosen, step => killedAt(step, mode))
  },
)
