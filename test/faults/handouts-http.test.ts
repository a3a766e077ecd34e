import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import type { AuditRecord } from '../../broker/audit.ts'
import { type Generation, openFleet } from '../support/fleet.ts'
import type { ClientReport, FromClient, ToClient } from '../support/fleet-client.ts'
import { folderWith } from '../support/keys.ts'
import { BROKER_MAIN, freePort, PROJECT, start } from '../support/processes.ts'
import { makeKey } from '../support/world.ts'

const SEED = Number(process.env['LOCKSTEP_SEED'])
const [HANDOUTS, RELOADS] = process.env['LOCKSTEP_LONG'] === '1' ? [100_000, 20] : [10_000, 3]
const CLIENTS = 4

const forked = (script: string, args: string[] = []): ChildProcess => {
  const child = fork(join(PROJECT, 'test', 'support', script), args)
  child.once('exit', code => {
    if (code) throw new Error(`${script} ended with ${code}`)
  })
  onTestFinished(() => void child.kill())
  return child
}

interface Client {
  tell: (message: ToClient) => void
  done: number
  /** The last generation that it knows of. */
  ready: number
  report: Promise<ClientReport>
}

function openClient(): Client {
  const child = forked('fleet-client.ts')
  const { promise: report, resolve, reject } = Promise.withResolvers<ClientReport>()
  const client = {
    tell: (message: ToClient) => void child.send(message),
    done: 0,
    ready: -1,
    report,
  }
  child.on('message', (message: FromClient) => {
    if ('report' in message) resolve(message.report)
    else Object.assign(client, message)
  })
  child.once('exit', code => reject(new Error(`a client ended with ${code}`)))
  return client
}

test('nor by four processes over HTTP, while the config changes under them', {
  timeout: 600_000,
}, async () => {
  const ehr = forked('telling-ehr-process.ts', [`${SEED}`])
  const [origin] = await once(ehr, 'message')
  const plan = { seed: SEED, origin, services: 200, upstreams: 500, off: 4 }
  const folder = folderWith({})
  makeKey(folder, 'ES384')
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const listen = { port, behindProxy: true, trustedProxies: ['127.0.0.1'] }
  const keys = { nonprod: { folder: 'private' } }
  const write = ({ file }: Generation): void =>
    writeFileSync(join(folder, 'broker.yaml'), JSON.stringify({ ...file, issuer, listen, keys }))
  const fleet = openFleet(plan)
  write(fleet.next())
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  onTestFinished(() => running.signal('SIGKILL'))
  const clients = Array.from({ length: CLIENTS }, openClient)
  const asks = HANDOUTS / CLIENTS
  for (const [at, { tell }] of clients.entries())
    tell({ plan, broker: issuer, asks, seed: SEED + at })
  const until = async (is: (client: Client) => boolean): Promise<void> =>
    await expect.poll(() => clients.every(is), { timeout: 300_000, interval: 10 }).toBe(true)
  for (let generation = 1; generation <= RELOADS; generation++) {
    await until(({ done }) => done >= (asks * generation) / (RELOADS + 1) - 50)
    for (const { tell } of clients) tell({ coming: generation })
    await until(({ ready }) => ready >= generation)
    write(fleet.next())
    running.signal('SIGHUP')
    const taken = () => running.output().split('new config taken').length - 1
    await expect.poll(taken, { timeout: 30_000, interval: 20 }).toBe(generation)
    for (const { tell } of clients) tell({ taken: generation })
  }
  const reports = await Promise.all(clients.map(each => each.report))
  const { code } = await running.stop()
  const statuses: Record<string, number> = {}
  for (const each of reports)
    for (const [status, times] of Object.entries(each.statuses))
      statuses[status] = (statuses[status] ?? 0) + times
  process.stdout.write(
    `${HANDOUTS} asks over HTTP, ${RELOADS} reloads: ${JSON.stringify(statuses)}\n`,
  )
  expect(reports.flatMap(each => each.complaints)).toEqual([])
  expect(code).toBe(0)
  const records = readFileSync(join(folder, 'audit.ndjson'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): AuditRecord => JSON.parse(line))
  const granted = reports.reduce((sum, each) => sum + each.granted, 0)
  expect(granted).toBeGreaterThan(HANDOUTS / 3)
  expect(records).toHaveLength(HANDOUTS)
  expect(records.filter(each => each.decision === 'granted')).toHaveLength(granted)
  expect(new Set(records.map(each => each.config)).size).toBe(RELOADS + 1)
})
