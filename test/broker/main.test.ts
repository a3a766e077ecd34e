import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { secretHash } from '../../broker/access/secrets.ts'
import { askDaemon } from '../../broker/admin-client.ts'
import { firstConfig, SANDBOXES } from '../../broker/init.ts'
import { LocalEpic } from '../sandbox/local-epic.ts'
import { makeAuthority } from '../support/certificates.ts'
import { BROKER_CLI, BROKER_MAIN, freePort, run, start } from '../support/processes.ts'
import { basic, makeKey } from '../support/world.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-main-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function writeConfig(
  port: number,
  change: (upstream: Record<string, unknown>) => void = () => {},
): string {
  makeKey(folder, 'RS384')
  const config = parse(firstConfig(SANDBOXES.epic, secretHash('secret'), 'private'))
  config.issuer = `http://127.0.0.1:${port}`
  config.listen.port = port
  config.upstreams['epic-sandbox'].clientId = 'app'
  change(config.upstreams['epic-sandbox'])
  writeFileSync(join(folder, 'broker.yaml'), stringify(config))
  return config.issuer
}

describe('exit status', () => {
  test('78 without a config, with one line that says what to do', async () => {
    const { code, stdout, stderr } = await run(BROKER_MAIN, [], { cwd: folder })
    expect(code).toBe(78)
    expect(stdout).toBe('')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  test('78 with a config that is wrong, 2 with an option that does not exist, 0 for help', async () => {
    writeFileSync(join(folder, 'broker.yaml'), 'issuer: x\n')
    const codes = await Promise.all(
      [
        ['--config', 'broker.yaml'],
        ['--config', 'nowhere.yaml'],
        ['--konfig', 'x'],
        ['--help'],
      ].map(async args => (await run(BROKER_MAIN, args, { cwd: folder })).code),
    )
    expect(codes).toEqual([78, 78, 2, 0])
  })

  test('78 when a key folder is empty, the audit file or the socket cannot be made, or the port is taken', async () => {
    const issuer = writeConfig(await freePort())
    const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
      cwd: folder,
    })
    expect((await run(BROKER_MAIN, ['--config', 'broker.yaml'], { cwd: folder })).code).toBe(78)
    await running.stop()
    const good = parse(readFileSync(join(folder, 'broker.yaml'), 'utf8'))
    for (const wrong of [
      { audit: { file: 'no/such/folder/audit' } },
      { keys: { nonprod: { folder: 'keys' } } },
      { listen: { socket: 'no/such/folder/sock' } },
    ]) {
      writeFileSync(join(folder, 'broker.yaml'), stringify({ ...good, issuer, ...wrong }))
      expect((await run(BROKER_MAIN, ['--config', 'broker.yaml'], { cwd: folder })).code).toBe(78)
    }
  })
})

test('a connection on which nothing is sent does not keep it from stopping', async () => {
  const issuer = writeConfig(await freePort())
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  const socket = connect(Number(new URL(issuer).port), '127.0.0.1')
  await new Promise(done => socket.once('connect', done))
  expect((await running.stop('SIGTERM')).code).toBe(0)
})

test('services may ask at a socket, which its group may open, also where a broker died', async () => {
  writeConfig(0)
  const path = join(folder, 'broker.yaml')
  const config = parse(readFileSync(path, 'utf8'))
  config.listen = { socket: 'services.sock' }
  writeFileSync(path, stringify(config))
  const go = () => start(BROKER_MAIN, ['--config', path], /"msg":"ready"/, { cwd: folder })
  const ended = await (await go()).stop('SIGKILL')
  expect(ended.signal).toBe('SIGKILL')
  const socket = join(folder, 'services.sock')
  expect(statSync(socket).isSocket()).toBe(true)
  const running = await go()
  expect(statSync(socket).mode & 0o777).toBe(0o660)
  expect(await askDaemon({ socket, port: null, token: null }, '/readyz')).toEqual({
    status: 'ready',
  })
  expect((await run(BROKER_MAIN, ['--config', path], { cwd: folder })).code).toBe(78)
  expect((await running.stop()).code).toBe(0)
})

test('a config with faults of every kind names them all before it ends with 78', async () => {
  writeConfig(0)
  const config = parse(readFileSync(join(folder, 'broker.yaml'), 'utf8'))
  Object.assign(config, {
    issuer: 'x',
    audit: { file: 'no/such/folder' },
    keys: { nonprod: { folder: 'private', watch: 60 } },
  })
  writeFileSync(join(folder, 'broker.yaml'), stringify(config))
  const { code, stderr } = await run(BROKER_MAIN, ['--config', 'broker.yaml'], { cwd: folder })
  expect(code).toBe(78)
  for (const at of ['/issuer', '/audit/file', '/keys/nonprod/watch']) expect(stderr).toContain(at)
})

test('asked to stop, it answers what is under way, ends with 0 and leaves the audit whole', async () => {
  const authority = await makeAuthority()
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  const epic = await new LocalEpic({ tls: await authority.issue(), ca: authority.ca }).start()
  const issuer = writeConfig(await freePort(), upstream =>
    Object.assign(upstream, {
      tokenEndpoint: epic.tokenUrl,
      fhirBase: epic.fhirBase,
      ca: 'ca.pem',
    }),
  )
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  epic.faults.push(async () => {
    arrived.resolve()
    await released.promise
    return {
      access_token: 'token',
      token_type: 'bearer',
      expires_in: 3600,
      scope: 'system/Patient.read',
    }
  })
  const asked = fetch(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic('my-service', 'secret') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  await arrived.promise
  const stopped = running.stop('SIGTERM')
  await expect
    .poll(() =>
      fetch(`${issuer}/readyz`).then(
        reply => reply.status,
        () => 'closed',
      ),
    )
    .not.toBe(200)
  released.resolve()
  expect((await asked).status).toBe(200)
  expect((await stopped).code).toBe(0)
  const records = readFileSync(join(folder, 'audit.ndjson'), 'utf8').trimEnd().split('\n')
  expect(records.map(line => JSON.parse(line).decision)).toEqual(['granted'])
  await epic.stop()
})

test('SIGHUP takes a new config, and keeps the old one where it is wrong', async () => {
  const issuer = writeConfig(await freePort())
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  const path = join(folder, 'broker.yaml')
  const ask = async (secret: string): Promise<number> => {
    const { status } = await fetch(`${issuer}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: basic('my-service', secret) },
      body: new URLSearchParams({ grant_type: 'client_credentials', audience: 'nowhere' }),
    })
    return status
  }
  const status = () =>
    askDaemon({ socket: join(folder, 'admin.sock'), port: null, token: null }, '/status')
  expect(await ask('secret')).toBe(400)
  expect(await status()).toMatchObject({ configRefused: null })
  const config = parse(readFileSync(path, 'utf8'))
  config.services['my-service'].secretSha256 = [secretHash('another')]
  writeFileSync(path, stringify(config))
  running.signal('SIGHUP')
  await expect.poll(running.output).toContain('new config taken')
  expect([await ask('secret'), await ask('another')]).toEqual([401, 400])
  writeFileSync(path, 'issuer: [')
  running.signal('SIGHUP')
  await expect.poll(running.output).toContain('the config is not taken')
  expect(await ask('another')).toBe(400)
  expect(await status()).toMatchObject({ configRefused: { complaints: [{ file: path }] } })
  writeFileSync(path, stringify({ ...config, issuer: 'https://other.example.com' }))
  running.signal('SIGHUP')
  await expect.poll(running.output).toContain('/issuer')
  expect((await running.stop()).code).toBe(0)
})

test('a config that is changed and told of during the start is taken when that is done', async () => {
  writeConfig(await freePort())
  const path = join(folder, 'broker.yaml')
  const config = parse(readFileSync(path, 'utf8'))
  // A start waits a second for a store that is not there.
  config.sharedCache = { url: `redis://127.0.0.1:${await freePort()}`, secrets: ['secret'] }
  writeFileSync(join(folder, 'secret'), 'x'.repeat(64), { mode: 0o600 })
  writeFileSync(path, stringify(config))
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /shared cache is away/, {
    cwd: folder,
  })
  expect(running.output()).not.toContain('"msg":"ready"')
  config.services['my-service'].secretSha256 = [secretHash('another')]
  writeFileSync(path, stringify(config))
  running.signal('SIGHUP')
  await expect.poll(running.output, { timeout: 10_000 }).toContain('new config taken')
  expect((await running.stop()).code).toBe(0)
})

test('metrics have a listener of their own, which ends with the broker', async () => {
  const [port, scraped] = [await freePort(), await freePort()]
  writeConfig(port)
  const path = join(folder, 'broker.yaml')
  const config = parse(readFileSync(path, 'utf8'))
  writeFileSync(path, stringify({ ...config, metrics: { listen: { port: scraped } } }))
  const broker = await start(BROKER_MAIN, ['--config', path], /ready/)
  const reply = await fetch(`http://127.0.0.1:${scraped}/metrics`)
  expect([reply.status, await reply.text()]).toEqual([200, expect.stringContaining('lockstep_')])
  expect((await fetch(`http://127.0.0.1:${scraped}/status`)).status).toBe(404)
  expect((await broker.stop()).code).toBe(0)
})

test('a change of the file is taken by itself', async () => {
  const issuer = writeConfig(await freePort())
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  const config = parse(readFileSync(join(folder, 'broker.yaml'), 'utf8'))
  config.services['another-service'] = { secretSha256: [secretHash('another')], grants: [] }
  writeFileSync(join(folder, 'broker.yaml'), stringify(config))
  await expect.poll(running.output, { timeout: 20_000 }).toContain('new config taken')
  expect((await fetch(`${issuer}/readyz`)).status).toBe(200)
  await running.stop()
})

test('status tells how the running broker does, and ends with 1 where an EHR never worked', async () => {
  const issuer = writeConfig(await freePort(), upstream =>
    Object.assign(upstream, { tokenEndpoint: 'https://localhost:1/token', deadline: 1 }),
  )
  const running = await start(BROKER_MAIN, ['--config', 'broker.yaml'], /"msg":"ready"/, {
    cwd: folder,
  })
  const status = () => run(BROKER_CLI, ['status'], { cwd: folder })
  const fresh = await status()
  expect([fresh.code, fresh.stdout.includes('untried')]).toEqual([0, true])
  expect(statSync(join(folder, 'admin.sock')).mode & 0o777).toBe(0o600)
  await fetch(`${issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic('my-service', 'secret') },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  const { code, stdout } = await status()
  expect([code, stdout.includes('upstream_unreachable')]).toEqual([1, true])
  expect(stdout.split('\n').filter(line => [...line].length > 100)).toEqual([])
  await running.stop()
  const gone = await status()
  expect([gone.code, gone.stderr.includes('daemon_unreachable')]).toEqual([1, true])
})
