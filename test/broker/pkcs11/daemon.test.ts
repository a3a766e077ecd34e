import { createPrivateKey } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import type { ConfigFile } from '../../../broker/config-schema.ts'
import { type Daemon, startDaemon } from '../../support/daemon.ts'
import { folderWith } from '../../support/keys.ts'
import { PROJECT, run } from '../../support/processes.ts'
import { LABEL, SOFTHSM, type SoftToken, softToken } from '../../support/token.ts'
import { basic, makeWorld, SECRET } from '../../support/world.ts'

/** The key that is published goes into the token, and its file away. */
function intoToken(token: SoftToken) {
  return (file: ConfigFile, folder: string): void => {
    const files = join(folder, 'private')
    const [name = ''] = readdirSync(files).filter(each => each.endsWith('.private.jwk.json'))
    const key = JSON.parse(readFileSync(join(files, name), 'utf8'))
    const pem = createPrivateKey({ key, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' })
    token.put(pem.toString(), `alg:${key.alg}`)
    rmSync(files, { recursive: true })
    file.keys = { nonprod: settings(token) }
  }
}

const settings = ({ source }: SoftToken) => ({
  pkcs11: { library: SOFTHSM, token: LABEL, pinFile: source.pin.file },
})

const ask = ({ issuer }: Daemon): Promise<Response> =>
  fetch(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic('scheduling', SECRET) },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })

test.each(['RS384', 'RS256', 'ES384'] as const)(
  'the local Epic takes a %s assertion that a token signed, and the key is in no file',
  async alg => {
    const token = softToken()
    const prepare = intoToken(token)
    const world = await makeWorld({ alg, prepare: async (file, folder) => prepare(file, folder) })
    onTestFinished(() => world.close())
    const reply = await world.ask()
    expect([reply.statusCode, reply.json().token_type]).toEqual([200, 'Bearer'])
    const [upstream] = (await world.admin.inject('/status')).json().upstreams
    // A token tells no age: it is as old as it has been known here.
    const first = new Date(world.clock.now()).toISOString()
    expect([upstream.kid, upstream.keySince]).toEqual([world.kid, first])
  },
)

test('a broker hands out tokens that it got by a key in a token, also after a reload and a look at the token', async () => {
  const token = softToken()
  const daemon = await startDaemon(intoToken(token))
  onTestFinished(() => daemon.close())
  expect((await ask(daemon)).status).toBe(200)
  token.look('--list-objects')
  daemon.process.signal('SIGHUP')
  await expect.poll(() => daemon.process.output()).toContain('new config taken')
  expect((await ask(daemon)).status).toBe(200)
  const ended = await daemon.process.stop()
  expect([ended.code, ended.signal]).toEqual([0, null])
})

test('without the package that reaches a token it ends with 78 and the command that installs it', async () => {
  const token = softToken()
  const folder = folderWith()
  for (const each of ['package.json', 'broker', 'keys-pipeline'])
    cpSync(join(PROJECT, each), join(folder, each), {
      recursive: true,
      filter: source => !source.endsWith('/node_modules'),
    })
  symlinkSync(join(PROJECT, 'node_modules'), join(folder, 'node_modules'))
  const config: ConfigFile = {
    issuer: 'http://127.0.0.1:8400',
    listen: { port: 0 },
    audit: { file: 'audit.ndjson' },
    keys: { nonprod: settings(token) },
    upstreams: {},
    services: {},
  }
  writeFileSync(join(folder, 'broker.yaml'), stringify(config))
  const main = join(folder, 'broker', 'main.ts')
  const { code, stderr } = await run(main, ['--config', 'broker.yaml'], { cwd: folder })
  expect(code).toBe(78)
  expect(stderr).toMatch(/\/keys\/nonprod\/pkcs11 .*: npm ci --prefix broker\/pkcs11$/m)
})
