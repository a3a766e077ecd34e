import { randomBytes } from 'node:crypto'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../broker/app.ts'
import { openAuditFile } from '../../broker/audit.ts'
import { readConfig } from '../../broker/config.ts'
import { storeFaults } from '../../broker/launch-work.ts'
import { loadSigners } from '../../broker/signers.ts'
import { NO_TRACES } from '../../broker/traces.ts'
import { movedClock } from '../support/clock.ts'
import { startDaemon } from '../support/daemon.ts'
import { folderWith } from '../support/keys.ts'
import { FOR_SERVICE, type LaunchWorld, makeLaunchWorld } from '../support/launch-world.ts'
import { freePort } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { basic, SECRET } from '../support/world.ts'

describe('the store of connections', () => {
  const faultsOf = (store: string, sharedCache: object | null = null) =>
    storeFaults({ launch: { store }, sharedCache } as never, movedClock().clock).map(({ at }) => at)

  test('is made for its owner alone', () => {
    const store = join(folderWith(), 'connections.db')
    expect(faultsOf(store)).toEqual([])
    expect(statSync(store).mode & 0o777).toBe(0o600)
  })

  test('that cannot be used is told of before anything begins, unless another is used', () => {
    const nowhere = join(
      folderWith({ 'other.db': 'of another program, and no database' }),
      'x',
      'y',
    )
    expect(faultsOf(nowhere)).toEqual(['/launch/store'])
    expect(faultsOf(join(nowhere, '..', '..', 'other.db'))).toEqual(['/launch/store'])
    expect(faultsOf(nowhere, {})).toEqual([])
  })
})

/** Another broker with the same config, as a second replica is. */
async function replicaOf({ folder, clock }: LaunchWorld): Promise<{
  app: FastifyInstance
  launch: FastifyInstance
}> {
  const config = readConfig(join(folder, 'broker.yaml'))
  const { app, launch } = buildApp(config, {
    ...{ clock: clock.clock, chance: () => 0, wait: ms => wait(ms), proxy: null },
    audit: openAuditFile(config.audit.file, { sync: false }),
    log: pino({ enabled: false }),
    signers: (await loadSigners(config)).signers,
    ...{ host: 'replica', states: { drawerOf: () => ({ load: () => null, save: () => {} }) } },
    traces: NO_TRACES,
  })
  if (launch === null) throw new Error('no launch listener')
  onTestFinished(async () => {
    await launch.close()
    await app.close()
  })
  return { app, launch }
}

test('with a shared store a login goes from broker to broker, and is finished once', async () => {
  const { url } = await startRedis()
  const world = await makeLaunchWorld({
    launch: FOR_SERVICE,
    prepare: file => {
      file.sharedCache = { url, secrets: ['seal'] }
    },
  })
  onTestFinished(() => world.close())
  // The world's own has a clock that is moved, and no deadline of a store means anything to it.
  const [one, other] = [await replicaOf(world), await replicaOf(world)]
  const out = await one.launch.inject('/oauth/epic-authorize')
  const back = (await world.ehr.login(String(out.headers.location))).slice(world.publicUrl.length)
  const cookie = out.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
  const done = await other.launch.inject({ url: back, headers: { cookie } })
  expect(done.statusCode).toBe(303)
  const again = await one.launch.inject({ url: back, headers: { cookie } })
  expect([again.statusCode, again.json().code]).toEqual([400, 'login_refused'])
  const code = new URL(String(done.headers.location)).searchParams.get('code') ?? ''
  const post = (app: FastifyInstance, path: string, form: Record<string, string>) =>
    app.inject({
      ...{ method: 'POST', url: path, payload: new URLSearchParams(form).toString() },
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic('scheduling', SECRET),
      },
    })
  const { connection } = (await post(one.app, '/oauth2/connection', { code })).json()
  const reply = await post(other.app, '/oauth2/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: connection,
    subject_token_type: 'urn:lockstep:params:oauth:token-type:connection',
  })
  expect(reply.statusCode).toBe(200)
})

test('the daemon listens for browsers beside services, and stops when it is told to', async () => {
  const port = await freePort()
  const daemon = await startDaemon((file, folder) => {
    writeFileSync(join(folder, 'seal'), randomBytes(32), { mode: 0o600 })
    const publicUrl = `http://127.0.0.1:${port}`
    file.launch = { listen: { port }, publicUrl, sealKeys: ['seal'] }
    const { epic } = file.upstreams
    const authorizationEndpoint = 'https://ehr.example.com/authorize'
    if (epic) epic.launch = { authorizationEndpoint, scopes: ['patient/Patient.read'] }
  })
  onTestFinished(() => daemon.close())
  const status = await fetch(`http://127.0.0.1:${port}/oauth/epic-status`)
  expect(await status.json()).toMatchObject({ connected: false })
  expect((await fetch(`${daemon.issuer}/oauth/epic-status`)).status).toBe(404)
  expect(statSync(join(daemon.folder, 'audit-connections.db')).mode & 0o777).toBe(0o600)
  expect((await daemon.process.stop()).code).toBe(0)
})
